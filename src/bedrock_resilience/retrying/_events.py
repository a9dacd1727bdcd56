"""Events of a call, as frozen values, and the type of a listener: a callable that takes one event.

The listeners of a call get one ``CallStarted``, then a ``PacingWait`` or a ``RetryScheduled`` for each wait, and at the
end one of ``CallSucceeded``, ``CallFailed`` and ``CallCancelled``. A stream has a ``StreamOpened`` before its end.

A listener runs in the thread or task of the call, before the call continues. It must be fast and thread-safe. The
logger ``bedrock_resilience`` logs an exception that it raises; the exception does not affect the call.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

from bedrock_resilience._fault import Fault
from bedrock_resilience._stop_reason import StopReason  # noqa: TC001 - get_type_hints() reads the types of the fields
from bedrock_resilience.pacing._status import PacerStatus  # noqa: TC001 - as above
from bedrock_resilience.quotas._usage import TokenUsage  # noqa: TC001 - as above


@dataclass(frozen=True, slots=True, kw_only=True)
class CallInfo:
    """The operation, the model and the Region of a call, as its events state them.

    ``Retrier(info=...)`` takes one. ``BedrockRuntime`` and the protected clients make one from each request.

    Attributes:
        operation: The operation of Bedrock Runtime, such as ``Converse``; None if unknown.
        model: The ``modelId`` of the request.
        region: The AWS Region of the endpoint.
    """

    operation: str | None = None
    model: str | None = None
    region: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CallEvent:
    """What every event states: which call it is about, and the numbers of this call so far.

    Attributes:
        call_id: Identifies the call among all calls of all processes. Two events that differ in it only are equal.
        operation: The operation of Bedrock Runtime, such as ``Converse``; None if unknown.
        model: The ``modelId`` of the request; None if unknown.
        region: The AWS Region of the endpoint; None if unknown.
        fault: What the last failure means; None if no attempt has failed.
        backoff_seconds: Seconds slept between the attempts.
        pacing_seconds: Seconds slept for the pacer.
        tokens_reserved: Tokens of quota that each request reserves when it starts; 0 if unknown.
        token_usage: Tokens that the requests reserved and used; None if unknown.
        pacer: The status of the pacer; None without a pacer, or if the pacer has no status.
    """

    call_id: str = field(default="", compare=False)
    operation: str | None = None
    model: str | None = None
    region: str | None = None
    fault: Fault | None = None
    backoff_seconds: float = 0.0
    pacing_seconds: float = 0.0
    tokens_reserved: int = 0
    token_usage: TokenUsage | None = None
    pacer: PacerStatus | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CallStarted(CallEvent):
    """A call begins: before its first wait and its first attempt."""


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
class _Counted(CallEvent):
    attempts: int
    retries: int = 0
    throttles: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamOpened(_Counted):
    """The first content of a stream was received. The call ends with the stream.

    Attributes:
        attempts: Requests sent.
        retries: Retries decided.
        throttles: Attempts that were throttled.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class CallSucceeded(_Counted):
    """A call succeeded.

    Attributes:
        attempts: Requests sent.
        retries: Retries decided.
        throttles: Attempts that were throttled.
        answer: What the function returned, or the last event of a stream.
    """

    answer: object


@dataclass(frozen=True, slots=True, kw_only=True)
class CallFailed(_Counted):
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
class CallCancelled(_Counted):
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
