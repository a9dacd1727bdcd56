"""StatisticsListener: counts the calls of what it listens to."""

from __future__ import annotations

from dataclasses import dataclass, replace
from threading import Lock
from typing import TYPE_CHECKING

from bedrock_resilience._fault import THROTTLES
from bedrock_resilience.retrying._events import CallFailed, CallSucceeded, RetryScheduled

if TYPE_CHECKING:
    from bedrock_resilience._fault import Fault
    from bedrock_resilience.retrying._events import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryStatistics:
    """The numbers of all finished calls at one moment. A call that was canceled is not counted.

    Attributes:
        succeeded: Calls that succeeded.
        failed: Calls that failed for good, with or without a fallback.
        attempts: Requests sent by these calls.
        retries: Retries decided, also by calls that are still running.
        throttles: Attempts that were throttled, also of calls that are still running.
        backoff_seconds: Seconds slept between the attempts.
        pacing_seconds: Seconds slept for the pacer.
    """

    succeeded: int = 0
    failed: int = 0
    attempts: int = 0
    retries: int = 0
    throttles: int = 0
    backoff_seconds: float = 0.0
    pacing_seconds: float = 0.0

    @property
    def calls(self) -> int:
        """Calls that are finished."""
        return self.succeeded + self.failed


class StatisticsListener:
    """A listener that counts, for any number of threads.

    One for each function gives the statistics of each function::

    statistics = StatisticsListener()

    @retry(listeners=[statistics])
    def ask(question: str) -> str: ...

    statistics.snapshot().retries
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._statistics = RetryStatistics()

    def __call__(self, event: Event) -> None:
        """Count an event."""
        with self._lock:
            now = self._statistics
            if isinstance(event, RetryScheduled):
                self._statistics = replace(
                    now, retries=now.retries + 1, throttles=now.throttles + _throttled(event.fault)
                )
            elif isinstance(event, (CallSucceeded, CallFailed)):
                failed = isinstance(event, CallFailed)
                self._statistics = replace(
                    now,
                    succeeded=now.succeeded + (not failed),
                    failed=now.failed + failed,
                    attempts=now.attempts + event.attempts,
                    throttles=now.throttles + (_throttled(event.fault) if isinstance(event, CallFailed) else 0),
                    backoff_seconds=now.backoff_seconds + event.backoff_seconds,
                    pacing_seconds=now.pacing_seconds + event.pacing_seconds,
                )

    def snapshot(self) -> RetryStatistics:
        """Return the numbers of this moment; they do not change any more."""
        return self._statistics

    def reset(self) -> RetryStatistics:
        """Return the numbers, and count from 0 again."""
        with self._lock:
            before, self._statistics = self._statistics, RetryStatistics()
            return before

    def __repr__(self) -> str:
        return f"StatisticsListener({self._statistics!r})"


def _throttled(fault: Fault | None) -> bool:
    return fault in THROTTLES
