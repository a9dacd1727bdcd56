"""`lambda_handler`: where Lambda's world ends and the run's begins.

The wall clock, the environment and the clients are read and made here, and handed down. Clients are made at the first
invocation and serve all later ones of the same process; a pacer keeps what it has learned.
"""

from __future__ import annotations

import datetime as dt
import functools
import logging
import os
import uuid
from typing import TYPE_CHECKING, Any, Final, cast

from bedrock_resilience.bedrock import bedrock_runtime_client
from bedrock_resilience.clock import SYSTEM_CLOCK
from bedrock_resilience.deadline import Deadline
from vectora_normalize import contract
from vectora_normalize.ingest.addresses import AddressPolicy
from vectora_normalize.ingest.fetch import Fetcher
from vectora_normalize.operations.monitoring import configure_logging, emit_metrics
from vectora_normalize.pipeline import Invocation, Parts, run
from vectora_normalize.settings import Pacing, Settings
from vectora_normalize.stores import S3Store

if TYPE_CHECKING:
    from bedrock_resilience.pacing import Pacer
    from vectora_normalize.pipeline import RunSummary

_logger = logging.getLogger(__name__)

# Lambda kills without a word: items, report and answer must be out before. Storing takes one or two seconds.
_MARGIN: Final = 10.0
# What one answer is expected to take; an attempt is not begun with less left. 1,000 tokens take about 20 s.
_ATTEMPT: Final = 20.0


def lambda_handler(event: object, context: Any) -> dict[str, Any]:  # noqa: ANN401 - Lambda makes it
    """Run once, as the contract of the deployed system has it.

    Args:
        event: See `vectora_normalize.contract.parse_event`.
        context: Lambda's context; None outside of Lambda.

    Returns:
        `statusCode` and `body`: 200, 400 or 502.

    Raises:
        StoreError: A bucket could not be read or written.
        Exception: A mistake of this program, so that Lambda marks the invocation failed.
    """
    started = SYSTEM_CLOCK.monotonic()
    now = dt.datetime.now(dt.UTC)  # noqa: TID251 - this is the edge
    request_id = getattr(context, "aws_request_id", None) or str(uuid.uuid4())
    client_id = contract.readable_client_id(event)
    configure_logging("INFO", request_id=request_id, client_id=client_id)
    try:
        request = contract.parse_event(event, today=now.date())
        settings = Settings.from_env(os.environ)
        configure_logging(settings.log_level, request_id=request_id, client_id=client_id)
        invocation = Invocation(now=now, request_id=request_id, deadline=_deadline(context))
        summary = run(request, aws_parts(settings), invocation)
    except contract.RunRefused as refusal:
        _logger.error("refused: %s: %s", refusal.error_type, refusal)  # noqa: TRY400 - an answer, not a traceback
        emit_metrics({"RunsRefused": 1}, dimensions=_dimensions(), properties={"error_type": refusal.error_type})
        return contract.refused(refusal, client_id=client_id, seconds=SYSTEM_CLOCK.monotonic() - started)
    _tell(summary, request_id)
    return summary.answer()


@functools.lru_cache(maxsize=1)
def aws_parts(settings: Settings) -> Parts:
    """What a run touches in AWS; made once a process. The command line runs on the same parts."""
    import boto3.session  # noqa: PLC0415 - a refused event needs no clients

    # One session for both: making one reads half a megabyte of endpoints, a fifth of a cold start.
    session = cast("Any", boto3.session.Session())
    # The buckets lie where the function does; Bedrock may be asked elsewhere.
    s3 = session.client("s3", region_name=os.environ.get("AWS_REGION") or settings.region)
    return Parts(
        settings=settings,
        config=S3Store(s3, settings.config_bucket),
        data=S3Store(s3, settings.data_bucket),
        fetcher=Fetcher(addresses=AddressPolicy.from_setting(allow_private_sources=settings.allow_private_sources)),
        bedrock=bedrock_runtime_client(
            settings.region, workers=settings.max_workers, read_timeout=settings.read_timeout, session=session
        ),
        pacer=make_pacer(settings),
    )


def make_pacer(settings: Settings) -> Pacer | None:
    """The pacer that the settings ask for, with nothing learned yet."""
    if settings.pacing is Pacing.ADAPTIVE:
        from bedrock_resilience.pacing import AdaptivePacer  # noqa: PLC0415 - for whom it is asked for

        return AdaptivePacer()
    if settings.pacing is Pacing.QUOTA and settings.quota is not None:
        from bedrock_resilience.pacing import QuotaPacer  # noqa: PLC0415 - as above

        return QuotaPacer(settings.quota)
    return None


def _deadline(context: Any) -> Deadline | None:  # noqa: ANN401 - as above
    if not hasattr(context, "get_remaining_time_in_millis"):
        return None
    return Deadline.from_lambda_context(context, _MARGIN, attempt=_ATTEMPT)


def _dimensions() -> dict[str, str]:
    return {"Environment": os.environ.get("ENV") or "dev"}


def _tell(summary: RunSummary, request_id: str) -> None:
    """What an operator reads first, and what the alarms are on."""
    if summary.refusal is not None:
        _logger.error("came to nothing: %s: %s", summary.refusal.error_type, summary.refusal)
    _logger.info(
        "%d of %d items normalised in %.1f s; report: %s",
        summary.items_normalized,
        summary.items_ingested,
        summary.seconds,
        summary.report_key,
        extra={"numbers": summary.counts},
    )
    properties = {"request_id": request_id, "client_id": summary.client_id, "report": summary.report_key}
    emit_metrics(summary.counts, dimensions=_dimensions(), properties=properties)
