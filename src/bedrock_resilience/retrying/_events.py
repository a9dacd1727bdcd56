"""Events: what happened, as frozen facts. A listener is any callable that takes one.

Listeners are called in the thread (or task) in which the thing happened, at once, so they must be quick and
thread-safe. One that raises is reported to the ``bedrock_resilience`` logger and does not disturb the call.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from bedrock_resilience._fault import Fault
from bedrock_resilience.retrying._attempts import StopReason  # noqa: TC001 - dataclasses' fields can be asked for their types


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryScheduled:
    """An attempt failed, and another one follows after a delay.

    Attributes:
        attempt: Number of the attempt that failed, from 1.
        max_attempts: Attempts the policy allows.
        delay: Seconds until the next one, pacing not included.
        fault: What the failure meant.
        error: What was raised.
    """

    attempt: int
    max_attempts: int
    delay: float
    fault: Fault
    error: BaseException


@dataclass(frozen=True, slots=True, kw_only=True)
class PacingWait:
    """The pacer asked for a wait before the next request; ``seconds`` of it."""

    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CallSucceeded:
    """A call was answered.

    Attributes:
        attempts: Requests sent for it.
        backoff_seconds: Seconds slept between them.
        pacing_seconds: Seconds slept for the pacer.
        answer: What the function returned.
    """

    attempts: int
    backoff_seconds: float
    pacing_seconds: float
    answer: object


@dataclass(frozen=True, slots=True, kw_only=True)
class CallFailed:
    """A call was given up.

    Attributes:
        attempts: Requests sent for it; 0 where the deadline did not allow a first one.
        backoff_seconds: Seconds slept between them.
        pacing_seconds: Seconds slept for the pacer.
        reason: Why there is no further attempt.
        fault: What the last failure meant; None without an attempt.
        error: What was raised last; None without an attempt.
    """

    attempts: int
    backoff_seconds: float
    pacing_seconds: float
    reason: StopReason
    fault: Fault | None
    error: BaseException | None


Event: TypeAlias = RetryScheduled | PacingWait | CallSucceeded | CallFailed
Listener: TypeAlias = Callable[[Event], None]
