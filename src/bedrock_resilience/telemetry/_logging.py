"""LoggingListener: retries and failures as log lines. In French, the two lines that CloudWatch filters count.

The French lines are a contract (metric filters match them to the letter); they are written for throttling whatever the
service's spelling of the code was. Every other fault is message_of by its own name in the same form, and a failure that no
retry was tried for is message_of in English, so that the ERROR filter counts abandoned throttled calls only.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Literal

from bedrock_resilience._fault import Fault
from bedrock_resilience.retrying._events import CallFailed, RetryScheduled
from bedrock_resilience.retrying._faults import error_code, message_of

if TYPE_CHECKING:
    from bedrock_resilience.retrying._events import Event

Language = Literal["en", "fr"]

_RETRY = {
    "en": "%s (attempt %d/%d). Retrying in %.2fs...",
    "fr": "%s détectée (tentative %d/%d). Retry dans %.2fs...",
}
_ABANDONED = {
    "en": "%s - failed after %d attempts. Giving up the Bedrock call.",
    "fr": "%s - Échec après %d tentatives. Abandon de l'appel Bedrock.",
}


class LoggingListener:
    """Writes a WARNING for each retry and an ERROR for each call that was given up.

    Args:
        logger: Where to; the package's own logger by default.
        language: ``"en"``, or ``"fr"`` for the two lines of the ingest-normalize contract.

    Raises:
        ValueError: Another language.
    """

    __slots__ = ("_abandoned", "_logger", "_retry")

    def __init__(self, logger: logging.Logger | None = None, language: Language = "en") -> None:
        if language not in _RETRY:
            raise ValueError(f"LoggingListener: language: got {language!r}; accepted: 'en', 'fr'")
        self._logger = logger or logging.getLogger("bedrock_resilience")
        self._retry = _RETRY[language]
        self._abandoned = _ABANDONED[language]

    def __call__(self, event: Event) -> None:
        """Write the line of this event, if it has one."""
        if isinstance(event, RetryScheduled):
            name = _name(event.fault, event.error)
            self._logger.warning(self._retry, name, event.attempt, event.max_attempts, event.delay)
        elif isinstance(event, CallFailed) and event.error is not None:
            self._failed(event, event.error)

    def _failed(self, event: CallFailed, error: BaseException) -> None:
        name = _name(event.fault, error)
        if event.fault is Fault.THROTTLING or event.attempts > 1:
            self._logger.error(self._abandoned, name, event.attempts)
        else:
            # A message may quote anything, half a surrogate pair too, which no log stream can write.
            message = message_of(error).encode("utf-8", "backslashreplace").decode("utf-8")
            self._logger.error("%s: the Bedrock call failed, %s: %s", name, event.reason.value, message)


def _name(fault: Fault | None, error: BaseException) -> str:
    return "ThrottlingException" if fault is Fault.THROTTLING else error_code(error)
