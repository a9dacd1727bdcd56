"""LoggingListener: retries, waits for a pacer and failed calls as log lines."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, ClassVar

from bedrock_resilience._checks import has_methods, refuse
from bedrock_resilience._fault import Fault
from bedrock_resilience.retrying._faults import error_code, message_of
from bedrock_resilience.retrying._success_events import CallStarted, CallSucceeded

if TYPE_CHECKING:
    from bedrock_resilience.retrying._events import CallFailed, Event


class LoggingListener:
    """Logs a WARNING for each retry, an ERROR for each call that failed, and a DEBUG line for each wait for a pacer.

    The lines work with metric filters: one line for each event, and ``ThrottlingException`` for every throttle,
    whatever spelling the service uses. A failed call has ``abandoned_format`` if it was throttled or retried. Any other
    failed call has a line with its error message, so that a filter can count abandoned calls alone.

    A subclass may set other texts, which are %-formats as ``logging`` takes them.

    Args:
        logger: The logger to write to; the logger ``bedrock_resilience`` by default.

    Attributes:
        retry_format: The WARNING: error name, number of the failed attempt, attempts at most, seconds of delay.
        abandoned_format: The ERROR: error name, number of attempts, why no further attempt was made. A text may leave
            out the last. ``%d attempts`` becomes ``1 attempt`` for one.
        pacing_format: The DEBUG line: seconds to wait, number of the attempt that waits.

    Raises:
        TypeError: ``logger`` is not a logger, such as the name of one. No event could be logged.
    """

    __slots__ = ("_logger",)

    retry_format: ClassVar[str] = "%s (attempt %d/%d). Retrying in %.2fs..."
    abandoned_format: ClassVar[str] = "%s - failed after %d attempts (%s). Giving up the Bedrock call."
    pacing_format: ClassVar[str] = "Waiting %.2fs for the pacer before attempt %d."

    def __init__(self, logger: logging.Logger | None = None) -> None:
        accepted = "a logger, such as logging.getLogger('my-lambda')"
        refuse("LoggingListener", has_methods("logger", logger, ("debug", "warning", "error"), accepted, optional=True))
        self._logger = logger or logging.getLogger("bedrock_resilience")

    def __call__(self, event: Event) -> None:
        """Log this event, if it is a retry, a wait for a pacer or a failed call."""
        if isinstance(event, CallStarted | CallSucceeded):
            return
        from bedrock_resilience.retrying._events import CallFailed, PacingWait, RetryScheduled  # noqa: PLC0415 - calls that succeed at once need none

        if isinstance(event, RetryScheduled):
            name = _name(event.fault, event.error)
            self._logger.warning(self.retry_format, name, event.attempt, event.max_attempts, event.delay)
        elif isinstance(event, PacingWait):
            self._logger.debug(self.pacing_format, event.seconds, event.attempt)
        elif isinstance(event, CallFailed) and event.error is not None:
            self._log_failure(event, event.error)

    def _log_failure(self, event: CallFailed, error: BaseException) -> None:
        name = _name(event.fault, error)
        if event.fault is Fault.THROTTLING or event.attempts > 1:
            text = self.abandoned_format
            if event.attempts == 1:
                text = text.replace("%d attempts", "%d attempt")
            # The texts of earlier versions, and so of subclasses, have no reason.
            facts = (name, event.attempts, event.reason.value)
            self._logger.error(text, *facts[: text.replace("%%", "").count("%")])
        else:
            # A message may quote anything, for example half a surrogate pair, which no log stream can encode.
            message = message_of(error).encode("utf-8", "backslashreplace").decode("utf-8")
            self._logger.error("%s: the Bedrock call failed, %s: %s", name, event.reason.value, message)


def _name(fault: Fault | None, error: BaseException) -> str:
    return "ThrottlingException" if fault is Fault.THROTTLING else error_code(error)
