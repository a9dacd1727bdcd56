"""Events of a call, as frozen values, and the type of a listener: a callable that takes one event.

A listener runs in the thread or task of the call, before the call goes on. It must be fast and thread-safe. An
exception that it raises is logged by the ``bedrock_resilience`` logger and does not affect the call.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from bedrock_resilience._fault import Fault  # noqa: TC001 - get_type_hints() reads the types of the fields
from bedrock_resilience._stop_reason import StopReason  # noqa: TC001 - as above


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptStarting:
    """An attempt is about to start. Only ``before_attempt`` is called with it; listeners are not.

    Attributes:
        attempt: Its number, from 1.
        max_attempts: Attempts the policy allows.
        backoff_seconds: Seconds slept between the attempts so far.
        fault: What the failure of the attempt before means; None for the first attempt.
        error: What the attempt before raised; None for the first attempt.
    """

    attempt: int
    max_attempts: int
    backoff_seconds: float
    fault: Fault | None
    error: BaseException | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryScheduled:
    """An attempt failed, and another one follows after a delay.

    Attributes:
        attempt: Number of the attempt that failed, from 1.
        max_attempts: Attempts the policy allows.
        delay: Seconds until the next attempt, without pacing.
        fault: What the failure means.
        error: What was raised.
    """

    attempt: int
    max_attempts: int
    delay: float
    fault: Fault
    error: BaseException


@dataclass(frozen=True, slots=True, kw_only=True)
class PacingWait:
    """The pacer asked for a wait of ``seconds`` before the next request."""

    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CallSucceeded:
    """A call succeeded.

    Attributes:
        attempts: Requests sent.
        backoff_seconds: Seconds slept between the attempts.
        pacing_seconds: Seconds slept for the pacer.
        answer: What the function returned.
    """

    attempts: int
    backoff_seconds: float
    pacing_seconds: float
    answer: object


@dataclass(frozen=True, slots=True, kw_only=True)
class CallFailed:
    """A call failed for good.

    Attributes:
        attempts: Requests sent; 0 where the deadline allowed none.
        backoff_seconds: Seconds slept between the attempts.
        pacing_seconds: Seconds slept for the pacer.
        reason: Why no further attempt is made.
        fault: What the last failure means; None without an attempt.
        error: What was raised last; None without an attempt.
    """

    attempts: int
    backoff_seconds: float
    pacing_seconds: float
    reason: StopReason
    fault: Fault | None
    error: BaseException | None


Event: TypeAlias = RetryScheduled | PacingWait | CallSucceeded | CallFailed
"""What a listener receives."""

Listener: TypeAlias = Callable[[Event], None]
"""What ``listeners`` takes."""
