"""The SQS worker: normalises the items of its messages, and tells the queue which of them are to come back.

Powertools makes the partial batch response. What it is told per message is decided before, for all of them at once,
because the items of a batch are normalised side by side.
"""

from __future__ import annotations

import datetime as dt
import logging
import os
import uuid
from typing import TYPE_CHECKING, Any, Final

from aws_lambda_powertools.utilities.batch import (
    BatchProcessor,
    EventType,
    process_partial_response,  # pyright: ignore[reportUnknownVariableType]  # its handler is untyped
)

from vectora_normalize.aws_clients import aws_parts, deadline_of, killed_at, load_sdk
from vectora_normalize.operations.monitoring import configure_logging, emit_by_source, emit_metrics
from vectora_normalize.pipeline import Invocation
from vectora_normalize.pipeline.sqs_batch import Delivery, Readers, Receiver
from vectora_normalize.pipeline.summary import counts_by_source, worker_counts
from vectora_normalize.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse
    from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

    from vectora_normalize.pipeline.sqs_batch import Received

load_sdk()
_logger = logging.getLogger(__name__)
_readers: Final = Readers()


class ComesBack(Exception):  # noqa: N818 - it is what happens to the message
    """A message that is to be delivered again."""


def lambda_handler(event: dict[str, Any], context: Any) -> PartialItemFailureResponse:  # noqa: ANN401 - Lambda makes it
    """Normalise the items of a batch of messages.

    Args:
        event: What the event source mapping of an SQS queue sends.
        context: Lambda's context; None outside of Lambda.

    Returns:
        `batchItemFailures`: the messages that are to come back. All others are done: stored, or set aside in the
        dead-letter queue with their reason.

    Raises:
        RunRefusedError: The environment is wrong; the whole batch comes back.
        UnexpectedBatchTypeError: The event is none of an SQS queue.
    """
    now = dt.datetime.now(dt.UTC)  # noqa: TID251 - this is the edge
    request_id = getattr(context, "aws_request_id", None) or str(uuid.uuid4())
    configure_logging("INFO", request_id=request_id)
    settings = Settings.from_env(os.environ)
    configure_logging(settings.log_level, request_id=request_id)
    parts = aws_parts(settings)
    invocation = Invocation(
        now=now, request_id=request_id, deadline=deadline_of(context), killed_at=killed_at(context, now)
    )
    started = parts.clock.monotonic()
    received = Receiver(parts, invocation, _readers).work_off(
        [_delivery(record) for record in event.get("Records", ())]
    )
    _tell(received, request_id, parts.clock.monotonic() - started)

    def obey(record: SQSRecord) -> None:
        reason = received.come_back.get(record.message_id)
        if reason is not None:
            raise ComesBack(reason)

    # A batch that fails as a whole is answered like any other: the response says which messages come back.
    processor = BatchProcessor(EventType.SQS, raise_on_entire_batch_failure=False)
    return process_partial_response(event=event, record_handler=obey, processor=processor, context=context)


def _delivery(record: Mapping[str, Any]) -> Delivery:
    attributes: Mapping[str, Any] = record.get("attributes", {})
    return Delivery(
        message_id=record["messageId"],
        body=record["body"],
        receives=int(attributes.get("ApproximateReceiveCount", 1)),
    )


def _tell(received: Received, request_id: str, seconds: float) -> None:
    counts = worker_counts(received.batch, come_back=received.come_back, dead=received.dead, seconds=seconds)
    _logger.info(
        "%d of %d items normalised in %.1f s, %d come back, %d set aside",
        len(received.batch.succeeded),
        received.batch.submitted,
        seconds,
        len(received.come_back),
        len(received.dead),
        extra={"numbers": counts, "come_back": received.come_back, "set_aside": received.dead},
    )
    dimensions = {"Environment": os.environ.get("ENV") or "dev"}
    properties = {"request_id": request_id}
    emit_by_source(counts_by_source(received.batch), dimensions=dimensions, properties=properties)
    emit_metrics(counts, dimensions=dimensions, properties=properties)
