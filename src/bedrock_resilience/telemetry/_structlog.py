"""StructlogListener: the events of calls as structured log lines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from bedrock_resilience.retrying._events import (
    CallCancelled,
    CallFailed,
    CallStarted,
    CallSucceeded,
    PacingWait,
    RetryScheduled,
    StreamOpened,
)
from bedrock_resilience.retrying._faults import error_code, message_of
from bedrock_resilience.telemetry._measurements import import_extra

if TYPE_CHECKING:
    from bedrock_resilience.retrying._events import CallEvent, Event

# What each event is called, and its level.
_LINES: Final[dict[type[CallEvent], tuple[str, str]]] = {
    CallStarted: ("debug", "bedrock_call_started"),
    PacingWait: ("debug", "bedrock_pacing_wait"),
    StreamOpened: ("debug", "bedrock_stream_opened"),
    CallSucceeded: ("info", "bedrock_call_succeeded"),
    RetryScheduled: ("warning", "bedrock_retry_scheduled"),
    CallCancelled: ("warning", "bedrock_call_cancelled"),
    CallFailed: ("error", "bedrock_call_failed"),
}
# Fields of the events that are written as they are, if they are known.
_FIELDS: Final = (
    "call_id",
    "operation",
    "model",
    "region",
    "attempt",
    "max_attempts",
    "delay",
    "seconds",
    "attempts",
    "retries",
    "throttles",
    "backoff_seconds",
    "pacing_seconds",
)


class StructlogListener:
    """Logs every event with structlog. Needs the extra ``[structlog]``.

    A retry and a canceled call are warnings, a failed call is an error, and a call that succeeded is information. The
    other events are for debugging. The keys are the names of the fields of the event. ``fault`` is what a failure
    means, ``error`` the code or class of the exception, and ``message`` its text. ``answer`` is not logged.

    Args:
        logger: The logger to write to; None: ``structlog.get_logger("bedrock_resilience")``.

    Raises:
        ModuleNotFoundError: ``structlog`` is not installed, and no logger is given.
    """

    def __init__(self, logger: Any = None) -> None:  # noqa: ANN401 - a logger of a package that may be missing
        if logger is None:
            logger = import_extra(type(self).__name__, "structlog", "structlog").get_logger("bedrock_resilience")
        self._logger = logger

    def __call__(self, event: Event) -> None:
        """Log an event."""
        level, name = _LINES[type(event)]
        getattr(self._logger, level)(name, **_keys(event))


def _keys(event: Event) -> dict[str, object]:
    keys = {name: value for name in _FIELDS if (value := getattr(event, name, None)) is not None}
    if event.fault is not None:
        keys["fault"] = event.fault.value
    error = getattr(event, "error", None)
    if error is not None:
        keys["error"], keys["message"] = error_code(error), message_of(error)
    if isinstance(event, CallFailed):
        keys["reason"] = event.reason.value
    if event.tokens_reserved:
        keys["tokens_reserved"] = event.tokens_reserved
    usage = event.token_usage
    if usage is not None:
        keys["tokens_settled"], keys["tokens_unused"] = usage.settled, usage.unused
    if event.pacer is not None:
        keys["pacer_requests_per_minute"] = event.pacer.requests_per_minute
        keys["pacer_confidence"] = event.pacer.confidence
    return keys
