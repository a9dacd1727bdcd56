"""Events of a call, as frozen values, and the type of a listener: a callable that takes one event.

The listeners of a call get one ``CallStarted``, then a ``PacingWait`` or a ``RetryScheduled`` for each wait, and at the
end one of ``CallSucceeded``, ``CallFailed`` and ``CallCancelled``. A stream has a ``StreamOpened`` before its end.

A listener runs in the thread or task of the call, before the call continues. It must be fast and thread-safe. The
logger ``bedrock_resilience`` logs an exception that it raises; the exception does not affect the call.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from bedrock_resilience._fault import Fault
from bedrock_resilience._stop_reason import StopReason  # noqa: TC001 - get_type_hints() reads the types of the fields
from bedrock_resilience.retrying._call_info import CallInfo
from bedrock_resilience.retrying._success_events import CallEvent, CallStarted, CallSucceeded

__all__ = [
    "AttemptStarting",
    "CallCancelled",
    "CallEvent",
    "CallFailed",
    "CallInfo",
    "CallStarted",
    "CallSucceeded",
    "Event",
    "Listener",
    "PacingWait",
    "RetryScheduled",
    "StreamOpened",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptStarting(CallEvent):
    """An attempt is about to start. Only ``before_attempt`` is called with it; listeners are not.

    Attributes:
        attempt: Its number, from 1.
        max_attempts: Attempts the policy allows.
        error: What the attempt before raised; None for the first attempt.
    """

    attempt: int
    max_attempts: int
    error: BaseException | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryScheduled(CallEvent):
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
    fault: Fault = Fault.UNKNOWN
    error: BaseException


@dataclass(frozen=True, slots=True, kw_only=True)
class PacingWait(CallEvent):
    """The pacer asked for a wait before the next request.

    Attributes:
        attempt: Number of the attempt that waits, from 1.
        seconds: Seconds to wait. The pacer is asked again afterward, so that several waits may follow each other.
    """

    attempt: int = 1
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CountedEvent(CallEvent):
    """What the events of a call that has sent its requests state besides.

    Attributes:
        attempts: Requests sent.
        retries: Retries decided.
        throttles: Attempts that were throttled.
    """

    attempts: int
    retries: int = 0
    throttles: int = 0


class StreamOpened(CountedEvent):
    """The first content of a stream was received. The call ends with the stream.

    Attributes:
        attempts: Requests sent.
        retries: Retries decided.
        throttles: Attempts that were throttled.
    """

    __slots__ = ()  # as in CallStarted


@dataclass(frozen=True, slots=True, kw_only=True)
class CallFailed(CountedEvent):
    """A call failed for good.

    Attributes:
        attempts: Requests sent; 0 if the deadline allowed none.
        retries: Retries decided. As many as ``attempts`` if the last one was not sent.
        throttles: Attempts that were throttled.
        reason: Why no further attempt is made.
        error: What was raised last; None without an attempt.
    """

    reason: StopReason
    error: BaseException | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CallCancelled(CountedEvent):
    """A call was ended from outside: by Ctrl-C, a cancellation, or an exception of one of its parts, such as a pacer.

    Attributes:
        attempts: Requests sent.
        retries: Retries decided. As many as ``attempts`` if no attempt was in flight.
        throttles: Attempts that were throttled.
        error: What ended it.
    """

    error: BaseException


Event: TypeAlias = CallStarted | RetryScheduled | PacingWait | StreamOpened | CallSucceeded | CallFailed | CallCancelled
"""What a listener receives."""

Listener: TypeAlias = Callable[[Event], None]
"""What ``listeners`` takes."""
