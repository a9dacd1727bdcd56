"""The SQS worker: normalizes the items of its messages, and answers with the messages that SQS is to deliver again.

Powertools makes the partial batch response. The results of all messages are known before it is called, because
the items of a batch are normalized in parallel.
"""

from __future__ import annotations

from vectora_normalize.gc_pause import gc_paused

with gc_paused():
    import datetime as dt
    import logging
    import os
    import uuid
    from typing import TYPE_CHECKING, Any, Final

    import botocore.session  # noqa: F401  # pyright: ignore[reportUnusedImport] - as in the handler
    import yaml  # noqa: F401  # pyright: ignore[reportUnusedImport] - as in the handler
    from aws_lambda_powertools.utilities.batch import (
        BatchProcessor,
        EventType,
        process_partial_response,  # pyright: ignore[reportUnknownVariableType]  # its handler is untyped
    )

    from vectora_normalize.operations.monitoring import configure_logging, emit_by_source, emit_metrics
    from vectora_normalize.pipeline import Invocation
    from vectora_normalize.pipeline.dependencies import aws_dependencies
    from vectora_normalize.pipeline.sqs_batch import ClientConfigCache, QueuedMessage, SqsBatchProcessor
    from vectora_normalize.pipeline.summary import counts_by_source, worker_counts
    from vectora_normalize.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse
    from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

    from vectora_normalize.pipeline.sqs_batch import SqsBatchResult

_logger = logging.getLogger(__name__)
_client_configs: Final = ClientConfigCache()


class RetryMessageError(Exception):
    """A message that SQS is to deliver again."""


def lambda_handler(event: dict[str, Any], context: Any) -> PartialItemFailureResponse:  # noqa: ANN401 - Lambda creates its class
    """Normalize the items of a batch of messages.

    Args:
        event: What the event source mapping of an SQS queue sends.
        context: Lambda's context; None outside of Lambda.

    Returns:
        ``batchItemFailures``: the messages that SQS is to deliver again. All others are done: their items are stored,
        or they are in the dead-letter queue with the reason.

    Raises:
        RunRefusedError: The environment is wrong; SQS delivers all messages again.
        UnexpectedBatchTypeError: The event is not that of an SQS queue.
    """
    now = dt.datetime.now(dt.UTC)  # noqa: TID251 - this is the edge
    request_id = getattr(context, "aws_request_id", None) or str(uuid.uuid4())
    configure_logging("INFO", request_id=request_id)
    settings = Settings.from_env(os.environ)
    configure_logging(settings.log_level, request_id=request_id)
    dependencies = aws_dependencies(settings)
    invocation = Invocation.from_lambda_context(context, now=now, request_id=request_id)
    started = dependencies.clock.monotonic()
    messages = [_queued_message(record) for record in event.get("Records", ())]
    result = SqsBatchProcessor(dependencies, invocation, _client_configs).process(messages)
    _emit(result, request_id, dependencies.clock.monotonic() - started)

    def raise_if_retried(record: SQSRecord) -> None:
        reason = result.retried.get(record.message_id)
        if reason is not None:
            raise RetryMessageError(reason)

    # The response to a batch in which every message fails has the same form: it lists them.
    processor = BatchProcessor(EventType.SQS, raise_on_entire_batch_failure=False)
    return process_partial_response(event=event, record_handler=raise_if_retried, processor=processor, context=context)


def _queued_message(record: Mapping[str, Any]) -> QueuedMessage:
    attributes: Mapping[str, Any] = record.get("attributes", {})
    return QueuedMessage(
        message_id=record["messageId"],
        body=record["body"],
        receives=int(attributes.get("ApproximateReceiveCount", 1)),
    )


def _emit(result: SqsBatchResult, request_id: str, seconds: float) -> None:
    counts = worker_counts(result.batch, retried=result.retried, dead_lettered=result.dead_lettered, seconds=seconds)
    _logger.info(
        "%d of %d items normalized in %.1f s, %d messages retried, %d dead-lettered",
        len(result.batch.succeeded),
        result.batch.submitted,
        seconds,
        len(result.retried),
        len(result.dead_lettered),
        extra={"numbers": counts, "retried": result.retried, "dead_lettered": result.dead_lettered},
    )
    dimensions = {"Environment": os.environ.get("ENV") or "dev"}
    properties = {"request_id": request_id}
    emit_by_source(counts_by_source(result.batch), dimensions=dimensions, properties=properties)
    emit_metrics(counts, dimensions=dimensions, properties=properties)
