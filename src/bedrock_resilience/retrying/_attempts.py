"""CallState: decides, for one call, what happens next.

It has no clock, no sleep and no random generator of its own. A driver asks for the next step, carries it out and
reports what happened::

    call = CallState(policy)
    step = call.begin(now)
    while True:
        Attempt: send the request, then        step = call.failed(error, now, u)
                                        or     step = call.rejected(response, now, u), unless call.accepts(response)
                                        or     call.answered(now, response)
        Sleep:   wait ``seconds``, then        step = call.slept(now)
        Stop:    raise call.error

The synchronous driver, the asynchronous driver, the executor and the simulator all use this one class.
"""

from __future__ import annotations

from enum import Enum
from inspect import signature
from typing import TYPE_CHECKING, ClassVar, NamedTuple, Protocol

from bedrock_resilience._errors import RejectedResultError
from bedrock_resilience._fault import THROTTLES, Fault
from bedrock_resilience._stop_reason import StopReason
from bedrock_resilience.retrying._faults import classify, limit_of
from bedrock_resilience.retrying._retry_after import retry_after
from bedrock_resilience.retrying._retry_layers import layer_inside, warn_of

if TYPE_CHECKING:
    from collections.abc import Callable, Container
    from typing import Any

    from bedrock_resilience.pacing import Pacer, Reservation
    from bedrock_resilience.quotas import RequestTokens, TokenUsage, Usage
    from bedrock_resilience.retrying._budget import RetryBudget
    from bedrock_resilience.retrying._deadline import Deadline
    from bedrock_resilience.retrying._events import CallInfo
    from bedrock_resilience.retrying._retry_layers import InnerLayer

# Seconds after which a call that waits for a pacer asks it again. The rate may rise in the meantime: workers that
# continued to sleep by the old rate would all send at the end, and be throttled. A dozen workers mostly wait less than
# this.
_REPOLL_SECONDS = 20.0


class SleepKind(Enum):
    """What a sleep is for. Reports add up the two kinds separately."""

    BACKOFF = "backoff"
    PACING = "pacing"


class Attempt(NamedTuple):
    """Send the request now. ``CallState.attempts`` is its number."""


_ATTEMPT = Attempt()  # all are equal


class Sleep(NamedTuple):
    """Wait for ``seconds``, then ask again."""

    seconds: float
    kind: SleepKind


class Stop(NamedTuple):
    """Make no further attempt, for this reason."""

    reason: StopReason


class Schedule(Protocol):
    """The part of a ``RetryPolicy`` that decides: which faults are retried, how often, and after which delay."""

    @property
    def max_retries(self) -> int:
        """Retries that may follow the first attempt."""
        ...

    @property
    def retry_on(self) -> Container[Fault]:
        """The faults that are retried."""
        ...

    def retries_of(self, fault: Fault) -> int:
        """Return the retries of one call that this fault may use."""
        ...

    def delay(self, retry: int, u: float, previous: float | None = None) -> float:
        """Return the seconds to wait before a retry."""
        ...

    def wait_after_hint(self, hint: float, u: float) -> float:
        """Return the seconds to wait if the server asks for ``hint`` seconds."""
        ...


class StopEvent(Protocol):
    """The part of ``threading.Event`` and its relatives that stops a call."""

    def is_set(self) -> bool:
        """Return whether the call should stop."""
        ...


class CallState:
    """The course of one call, and its numbers.

    Attributes:
        retry_limit: Upper limit of the retries of every call in the process, for tests; None: none.
        attempts: Requests sent.
        retries: Retries decided. One less than ``attempts``, unless the last retry decided was not sent any more.
        throttles: Responses that were a throttle: ``throttling`` or ``tokens_per_day``.
        backoff_seconds: Seconds slept between attempts.
        pacing_seconds: Seconds slept for the pacer.
        tokens: Tokens that each request may use at most, for the pacer.
        token_usage: Tokens that the requests reserved and used; None if unknown, because ``tokens`` was a
            number or no request has reserved any.
        error: The last exception.
        fault: What the last exception means.
        reason: Why no further attempt is made; None while the call runs and when it succeeded.
        late: The deadline left no time for the policy's delay before a retry. False where only a longer wait, which
            the service asked for, did not fit.
        call_id: Identifies the call in its events; empty before the first one.
        info: What the call asks for, as its events state it.
        inside: The layer that has retried before it raised the last exception; None if there is none. Set with the
            first exception, as ``repeated`` is.
        repeated: Whether the last two attempts raised one and the same exception object, as a mock does. Such an object
            cannot say which call it ended.
    """

    __slots__ = (
        "_budget",
        "_classify",
        "_pacer",
        "_policy",
        "_previous_delay",
        "_request",
        "_reservation",
        "_retries_by_fault",
        "_retry_on_result",
        "_settled_attempts",
        "_sleeping",
        "_stop_event",
        "attempts",
        "backoff_seconds",
        "call_id",
        "deadline",
        "error",
        "fault",
        "info",
        "inside",
        "late",
        "pacing_seconds",
        "reason",
        "repeated",
        "retries",
        "throttles",
        "token_usage",
        "tokens",
    )

    retry_limit: ClassVar[int | None] = None

    def __init__(
        self,
        policy: Schedule,
        *,
        deadline: Deadline | None = None,
        budget: RetryBudget | None = None,
        pacer: Pacer | None = None,
        tokens: int | RequestTokens = 0,
        classify: Callable[[BaseException], Fault] = classify,
        retry_on_result: Callable[[Any], object] | None = None,
        stop_event: StopEvent | None = None,
    ) -> None:
        self._policy = policy
        self.deadline: Deadline | None = deadline
        self._budget = budget
        self._pacer = pacer
        self._classify = classify
        self._retry_on_result = retry_on_result
        self._stop_event = stop_event
        self._reservation: Reservation | None = None
        self._sleeping: Sleep | None = None
        self._previous_delay: float | None = None
        self._retries_by_fault: dict[Fault, int] | None = None
        self._request: RequestTokens | None = None
        self._settled_attempts = 0
        if not isinstance(tokens, int):
            self._request, tokens = tokens, tokens.reserved
        self.tokens: int = tokens
        self.token_usage: TokenUsage | None = None
        self.attempts: int = 0
        self.retries: int = 0
        self.throttles: int = 0
        self.backoff_seconds: float = 0.0
        self.pacing_seconds: float = 0.0
        self.error: BaseException | None = None
        self.fault: Fault | None = None
        self.reason: StopReason | None = None
        self.late: bool = False  # pragma: no mutate - read where a retry does not fit, which sets it
        self.call_id: str = ""
        self.info: CallInfo | None = None

    @property
    def max_attempts(self) -> int:
        """Attempts that the policy allows."""
        return 1 + self._policy.max_retries

    def begin(self, now: float) -> Attempt | Sleep | Stop:
        """Return the first step: an attempt, unless the pacer asks for a wait or the call has to stop."""
        if self._stop_event is not None and self._stop_event.is_set():
            return self._stop(StopReason.RUN_STOPPED)
        if self.deadline is not None and not self.deadline.allows(now):
            return self._stop(StopReason.DEADLINE)
        if self._pacer is None:
            return self._attempt()
        # Only a RequestTokens states more than a number; the method for it is optional in a pacer.
        reserve = None if self._request is None else getattr(self._pacer, "reserve_request", None)
        reservation: Reservation = (
            self._pacer.reserve(now, self.tokens) if reserve is None else reserve(now, self._request)
        )
        reservation.retries = self.retries
        self._reservation = reservation
        return self._admit(self._pacer, reservation, now, reservation.wait)

    def slept(self, now: float) -> Attempt | Sleep | Stop:
        """Return the step after a sleep."""
        sleep, self._sleeping = self._sleeping, None
        if sleep is None:
            raise RuntimeError("slept() was called without a Sleep before it")
        if sleep.kind is SleepKind.BACKOFF:
            self.backoff_seconds += sleep.seconds
            return self.begin(now)
        self.pacing_seconds += sleep.seconds
        pacer, reservation = self._pacer, self._reservation
        if pacer is None or reservation is None:
            raise RuntimeError("a pacing sleep needs a pacer")
        if self._must_stop():
            pacer.abandoned(reservation, now)
            self._reservation = None  # pragma: no mutate - as good as ""
            return self._stop(StopReason.RUN_STOPPED)
        # In the meantime, a throttle of another worker may have delayed this reservation, or the rate has risen: ask
        # again.
        due = getattr(pacer, "due", None)  # optional in a pacer
        return self._admit(pacer, reservation, now, 0.0 if due is None else due(reservation, now))

    def failed(self, error: BaseException, now: float, u: float) -> Sleep | Stop:
        """Return the step after an attempt that raised: a sleep before the next attempt, or a stop.

        Args:
            error: What the attempt raised.
            now: Monotonic seconds.
            u: A random number in [0, 1), for the jitter.
        """
        # A response that is rejected as incomplete has used its tokens nevertheless, and states how many.
        fault = self._record(error, now, getattr(error, "body", None))
        if fault is Fault.CANCELLED and self.deadline is not None and self.deadline.at <= now:
            return self._stop(StopReason.DEADLINE)  # it has ended the attempt, for example a stream
        refusal = self._refusal_reason(fault, listed=fault in self._policy.retry_on)
        return self._stop(refusal) if refusal is not None else self._retry(fault, retry_after(error), now, u)

    def interrupted(self, error: BaseException, now: float, last: object = None) -> Stop:
        """Close a call that failed where it cannot be retried: its stream has begun, or its response has arrived.

        Args:
            error: What interrupted it.
            now: Monotonic seconds.
            last: The last event of a stream that was delivered, or the part of it with the usage; None: no part was.
        """
        self._record(error, now, last)
        return self._stop(StopReason.NOT_RETRYABLE if last is None else StopReason.PARTLY_DELIVERED)

    def _record(self, error: BaseException, now: float, answer: object) -> Fault:
        """Record an attempt that failed, report it to the pacer, and return what it means."""
        self._record_error(error)
        fault = self.fault = self._classify(error)
        self.throttles += fault in THROTTLES
        self._settled_attempts = self.attempts
        self._report_to_pacer(fault, now, None if fault in _RESERVES_NOTHING else self._settle(answer), answer)
        return fault

    def _record_error(self, error: BaseException) -> None:
        self.repeated: bool = error is self.error
        self.inside: InnerLayer | None = layer_inside(error)
        self.error = error

    def accepts(self, answer: object) -> bool:
        """Return whether what the function returned ends the call; ``retry_on_result`` decides."""
        return self._retry_on_result is None or not self._retry_on_result(answer)

    def rejected(self, answer: object, now: float, u: float) -> Sleep | Stop:
        """Return the step after an attempt whose result is not accepted; the arguments are those of ``failed``.

        Such a result is retried under every policy. ``retry_on`` may limit only the number of its retries.
        """
        self._record_error(RejectedResultError(answer))
        fault = self.fault = Fault.REJECTED_RESULT
        self._settled_attempts = self.attempts
        self._report_to_pacer(fault, now, self._settle(answer), answer)
        refusal = self._refusal_reason(fault, listed=True)
        return self._stop(refusal) if refusal is not None else self._retry(fault, None, now, u)

    def _retry(self, fault: Fault, hint: float | None, now: float, u: float) -> Sleep | Stop:
        if self._must_stop():
            return self._stop(StopReason.RUN_STOPPED)
        delay = self._policy.delay(self.retries, u, self._previous_delay)
        wait = delay if hint is None else max(delay, self._policy.wait_after_hint(hint, u))
        if self.deadline is not None and not self.deadline.allows(now, wait):
            self.late = not self.deadline.allows(now, delay)
            return self._stop(StopReason.DEADLINE)
        if self._budget is not None and not self._budget.try_withdraw():
            return self._stop(StopReason.BUDGET)
        if self.inside is not None:
            warn_of(self.inside, self.max_attempts)
        self._previous_delay = delay
        self.retries += 1
        if self._retries_by_fault is None:
            self._retries_by_fault = {}
        self._retries_by_fault[fault] = self._retries_by_fault.get(fault, 0) + 1
        return self._sleep(wait, SleepKind.BACKOFF)

    def answered(self, now: float, answer: object) -> None:
        """Close an attempt that succeeded; its ``usage`` settles the pacer and ``token_usage``."""
        self._settled_attempts = self.attempts
        usage = self._settle(answer)
        if self._pacer is not None and self._reservation is not None:
            self._answered(self._pacer, self._reservation, now, usage, answer)
            self._reservation = None

    def withdrawn(self, now: float) -> None:
        """Withdraw the attempt that was returned last: it is not sent."""
        self.attempts -= 1
        if self._pacer is not None and self._reservation is not None:
            self._pacer.abandoned(self._reservation, now)
            self._reservation = None

    def cancelled(self, error: BaseException, now: float) -> None:
        """Close a call that was ended from outside, in a sleep or in an attempt; nothing is decided any more.

        The cause is a ``KeyboardInterrupt``, a ``CancelledError`` or the like, or an exception of a part of the call
        itself, such as a pacer or a classifier.
        """
        self.error = None  # already propagating; its traceback refers to the driver's frame, and so to this object
        broken = isinstance(error, Exception)
        self.fault = Fault.UNKNOWN if broken else Fault.CANCELLED
        self.reason = StopReason.NOT_RETRYABLE if broken else StopReason.RUN_STOPPED
        if self.attempts > self._settled_attempts:
            self._settle(None)  # sent, and its result is unknown
        self._release_reservation(now)

    def stop(self, now: float) -> Stop:
        """Return the stop of a call whose run is over."""
        self._release_reservation(now)
        return self._stop(StopReason.RUN_STOPPED)

    def _admit(self, pacer: Pacer, reservation: Reservation, now: float, wait: float) -> Attempt | Sleep | Stop:
        if wait <= 0:
            return self._attempt()
        if self.deadline is not None and not self.deadline.allows(now, wait):
            pacer.abandoned(reservation, now)
            self._reservation = None
            return self._stop(StopReason.DEADLINE)
        return self._sleep(min(wait, _REPOLL_SECONDS) if hasattr(pacer, "due") else wait, SleepKind.PACING)

    def _attempt(self) -> Attempt:
        self.attempts += 1
        if self._budget is not None:
            self._budget.deposit()
        return _ATTEMPT

    def _sleep(self, seconds: float, kind: SleepKind) -> Sleep:
        self._sleeping = Sleep(seconds, kind)
        return self._sleeping

    def _stop(self, reason: StopReason) -> Stop:
        self.reason = reason
        return Stop(reason)

    def _must_stop(self) -> bool:
        return self._stop_event is not None and self._stop_event.is_set()

    def _refusal_reason(self, fault: Fault, *, listed: bool) -> StopReason | None:
        if not listed:
            return StopReason.NOT_RETRYABLE
        limit = self.retry_limit
        if self.retries >= self._policy.max_retries or (limit is not None and self.retries >= limit):
            return StopReason.RETRIES_EXHAUSTED
        if fault not in self._policy.retry_on:  # a rejected result
            return None
        used = self._retries_by_fault.get(fault, 0) if self._retries_by_fault is not None else 0
        return StopReason.FAULT_LIMIT if used >= self._policy.retries_of(fault) else None

    def _settle(self, answer: object) -> Usage | None:
        """Record an attempt that has, or may have, used tokens, and return its usage if it is needed."""
        if self._request is None and self._reservation is None:
            return None
        from bedrock_resilience.quotas import usage_from  # noqa: PLC0415 - only a call with a pacer or token counts needs it

        usage = usage_from(answer)
        if self._request is not None:
            one = self._request.settled(usage)
            self.token_usage = one if self.token_usage is None else self.token_usage + one
        return usage

    def _report_to_pacer(self, fault: Fault, now: float, usage: Usage | None, answer: object) -> None:
        pacer, reservation = self._pacer, self._reservation
        if pacer is None or reservation is None:
            return
        self._reservation = None
        if fault in THROTTLES:
            self._report_throttle(pacer, reservation, now)
        elif fault.backpressure:
            getattr(pacer, "overloaded", pacer.throttled)(reservation, now)  # optional in a pacer
        elif fault is Fault.CONNECTION_FAILED:
            pacer.abandoned(reservation, now)  # the request did not reach the service
        else:
            self._answered(pacer, reservation, now, usage, answer)

    def _answered(
        self, pacer: Pacer, reservation: Reservation, now: float, usage: Usage | None, answer: object
    ) -> None:
        cut_short = self._request is not None and self._request.cut_short(usage, answer)
        truncated = getattr(pacer, "truncated", None) if cut_short else None  # optional in a pacer
        (truncated or pacer.answered)(reservation, now, usage)

    def _report_throttle(self, pacer: Pacer, reservation: Reservation, now: float) -> None:
        limit = limit_of(self.error)
        if limit is None or "limit" not in signature(pacer.throttled).parameters:  # optional in a pacer
            pacer.throttled(reservation, now)
        else:
            pacer.throttled(reservation, now, limit=limit)

    def _release_reservation(self, now: float) -> None:
        if self._pacer is not None and self._reservation is not None:
            if self._sleeping is not None:
                self._pacer.abandoned(self._reservation, now)
            else:
                self._pacer.answered(self._reservation, now)  # sent, and its result is unknown
            self._reservation = None


# Refused before a model processed the request, or not sent. After any other failure the tokens may have been used.
_RESERVES_NOTHING = THROTTLES | {
    Fault.MODEL_NOT_READY,
    Fault.SERVICE_UNAVAILABLE,
    Fault.OVERLOADED,
    Fault.CONNECTION_FAILED,
    Fault.VALIDATION,
    Fault.CONFLICT,
    Fault.ACCESS_DENIED,
    Fault.NOT_FOUND,
    Fault.CREDENTIALS,
    Fault.SERVICE_QUOTA,
    Fault.CONFIGURATION,
}
