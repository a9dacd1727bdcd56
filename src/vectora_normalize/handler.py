"""``lambda_handler``: the entry point of the function.

This module reads the wall clock and the environment, makes the clients, and passes all of them on. The first invocation
makes the clients, which serve all later ones of the same process; a pacer keeps its state.
"""

from __future__ import annotations

from vectora_normalize.gc_pause import gc_paused

with gc_paused():
    import datetime as dt
    import logging
    import os
    import uuid
    from typing import TYPE_CHECKING, Any

    # With what nearly every run loads later: Lambda may start an instance ahead of its first event, and does not count
    # the start in the function's timeout.
    import botocore.session  # noqa: F401  # pyright: ignore[reportUnusedImport] - makes the clients
    import yaml  # noqa: F401  # pyright: ignore[reportUnusedImport] - reads the configuration

    from bedrock_resilience.clock import SYSTEM_CLOCK
    from vectora_normalize import contract
    from vectora_normalize.operations.monitoring import configure_logging, emit_by_source, emit_metrics
    from vectora_normalize.pipeline import Invocation, run
    from vectora_normalize.pipeline.dependencies import aws_dependencies
    from vectora_normalize.settings import Settings
    from vectora_normalize.sources.parse import feeds  # noqa: F401  # pyright: ignore[reportUnusedImport] - reads feeds

if TYPE_CHECKING:
    from vectora_normalize.pipeline import RunSummary

_logger = logging.getLogger(__name__)


def lambda_handler(event: object, context: Any) -> dict[str, Any]:  # noqa: ANN401 - Lambda creates its class
    """Run once, as the contract of the deployed system says.

    Args:
        event: See ``vectora_normalize.contract.parse_event``.
        context: Lambda's context; None outside of Lambda.

    Returns:
        ``statusCode`` and ``body``: 200, 400, 409 or 502.

    Raises:
        StoreError: A bucket could not be read or written.
        Exception: A programming error, so that Lambda marks the invocation failed.
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
        invocation = Invocation.from_lambda_context(context, now=now, request_id=request_id)
        summary = run(request, aws_dependencies(settings), invocation)
    except contract.RunRefusedError as refusal:
        _logger.error("refused: %s: %s", refusal.error_type, refusal)  # noqa: TRY400 - an answer, not a traceback
        emit_metrics({"RunsRefused": 1}, dimensions=_dimensions(), properties={"error_type": refusal.error_type})
        return contract.refused(refusal, client_id=client_id, seconds=SYSTEM_CLOCK.monotonic() - started)
    _emit(summary, request_id)
    return summary.answer()


def _dimensions() -> dict[str, str]:
    return {"Environment": os.environ.get("ENV") or "dev"}


def _emit(summary: RunSummary, request_id: str) -> None:
    """Write the log lines that operators read, and the metrics that the alarms watch."""
    properties = {"request_id": request_id, "client_id": summary.client_id, "report": summary.report_key}
    if summary.refusal is not None:
        _logger.error("run failed: %s: %s", summary.refusal.error_type, summary.refusal)
        properties["error_type"] = str(summary.refusal.error_type)
    _logger.info(
        "%d of %d items normalized in %.1f s; report: %s",
        summary.items_normalized,
        summary.items_ingested,
        summary.seconds,
        summary.report_key,
        extra={"numbers": summary.counts},
    )
    emit_by_source(summary.by_source, dimensions=_dimensions(), properties=properties)
    emit_metrics(summary.counts, dimensions=_dimensions(), properties=properties)
