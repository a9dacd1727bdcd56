"""CallState: the machine that decides, for one call, what happens next.

It has no clock, no sleep and no random generator of its own. A driver asks, obeys, and tells what came of it::

    call = CallState(policy)
    step = call.begin(now)
    while True:
        Attempt: send the request, then   step = call.failed(error, now, u)   or   call.answered(now, answer)
        Sleep:   wait so many seconds,    step = call.slept(now)
        Stop:    raise call.error

The synchronous driver, the asynchronous one, the executor and the simulator all obey this one machine.
"""

from __future__ import annotations

from enum import Enum

from bedrock_resilience._fault import THROTTLES, Fault
from bedrock_resilience.retrying._faults import classify, retry_after
from bedrock_resilience.retrying._frozen import Frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from bedrock_resilience.pacing import Pacer, Reservation
    from bedrock_resilience.quotas._tokens import Usage
    from bedrock_resilience.quotas._usage import RequestTokens, TokenUsage
    from bedrock_resilience.retrying._budget import RetryBudget
    from bedrock_resilience.retrying._deadline import Deadline
    from bedrock_resilience.retrying._policy import RetryPolicy

# A server may ask for any wait. Without a deadline to bound it, no more than a Lambda can live is granted.
_LONGEST_HINT = 900.0
# Seconds after which whoever waits for a pacer asks it again. A pace may rise in the meantime: workers that slept on by
# the old one would all come at once in the end, and be throttled. Waits of a dozen workers are mostly shorter.
_LOOK_AGAIN = 20.0


class Why(Enum):
    """What a sleep is for; the report adds the two up apart."""

    BACKOFF = "backoff"
    PACING = "pacing"


class StopReason(Enum):
    """Why no further attempt is made; the value is the text used in notes, logs and reports."""

    NOT_RETRYABLE = "not retryable"
    RETRIES_EXHAUSTED = "retries exhausted"
    FAULT_LIMIT = "this fault's own retries exhausted"
    DEADLINE = "deadline"
    BUDGET = "retry budget spent"
    RUN_STOPPED = "run stopped"


class Attempt(Frozen):
    """Send the request now; ``number`` counts from 1."""

    __slots__ = ("number",)
    __match_args__ = ("number",)

    number: int

    def __init__(self, number: int) -> None:
        self._set(number=number)


class Sleep(Frozen):
    """Wait so many seconds, then ask again."""

    __slots__ = ("seconds", "why")
    __match_args__ = ("seconds", "why")

    seconds: float
    why: Why

    def __init__(self, seconds: float, why: Why) -> None:
        self._set(seconds=seconds, why=why)


class Stop(Frozen):
    """No further attempt: give up, for this reason."""

    __slots__ = ("reason",)
    __match_args__ = ("reason",)

    reason: StopReason

    def __init__(self, reason: StopReason) -> None:
        self._set(reason=reason)


_FIRST_ATTEMPTS = tuple(Attempt(number) for number in range(17))  # the usual ones; nothing is built for a success


class CallState:
    """The course of one call, and its account.

    Attributes:
        calls: Requests sent.
        retries: Retries decided. One less than ``calls``, unless the last one decided was not sent any more.
        throttles: Answers that were a throttle: ``throttling`` or ``tokens_per_day``.
        backoff_seconds: Seconds slept between attempts.
        pacing_seconds: Seconds slept for the pacer.
        tokens: What each request may use at most, for the pacer.
        spent: What the requests reserved of a token quota and what came of it; None where nobody can tell, because
            ``tokens`` was a number, or no request has reserved any.
        error: The last exception.
        fault: What it meant.
        reason: Why the call was given up; None while it runs and when it succeeded.
    """

    __slots__ = (
        "_asleep",
        "_budget",
        "_classify",
        "_ended",
        "_pacer",
        "_policy",
        "_previous",
        "_request",
        "_reservation",
        "_used",
        "attempts",
        "backoff_seconds",
        "deadline",
        "error",
        "fault",
        "pacing_seconds",
        "reason",
        "retries",
        "spent",
        "throttles",
        "tokens",
    )

    def __init__(
        self,
        policy: RetryPolicy,
        *,
        deadline: Deadline | None = None,
        budget: RetryBudget | None = None,
        pacer: Pacer | None = None,
        tokens: int | RequestTokens = 0,
        classify: Callable[[BaseException], Fault] = classify,
    ) -> None:
        self._policy = policy
        self.deadline: Deadline | None = deadline
        self._budget = budget
        self._pacer = pacer
        self._classify = classify
        self._reservation: Reservation | None = None
        self._asleep: Sleep | None = None
        self._previous: float | None = None
        self._used: dict[Fault, int] | None = None
        self._request: RequestTokens | None = None if isinstance(tokens, int) else tokens
        self._ended = 0
        self.tokens: int = tokens if isinstance(tokens, int) else tokens.reserved
        self.spent: TokenUsage | None = None
        self.attempts: int = 0
        self.retries: int = 0
        self.throttles: int = 0
        self.backoff_seconds: float = 0.0
        self.pacing_seconds: float = 0.0
        self.error: BaseException | None = None
        self.fault: Fault | None = None
        self.reason: StopReason | None = None

    def begin(self, now: float) -> Attempt | Sleep | Stop:
        """What comes first: an attempt, unless the pacer says wait or the deadline says stop."""
        if self.deadline is not None and not self.deadline.allows(now):
            return self._stop(StopReason.DEADLINE)
        if self._pacer is None:
            return self._attempt()
        self._reservation = self._pacer.reserve(now, self.tokens)
        return self._admit(self._pacer, self._reservation, now, self._reservation.wait)

    def slept(self, now: float) -> Attempt | Sleep | Stop:
        """What comes after a sleep."""
        asleep, self._asleep = self._asleep, None
        if asleep is None:
            raise RuntimeError("slept() answers a Sleep, and none was given")
        if asleep.why is Why.BACKOFF:
            self.backoff_seconds += asleep.seconds
            return self.begin(now)
        self.pacing_seconds += asleep.seconds
        pacer, reservation = self._pacer, self._reservation
        if pacer is None or reservation is None:
            raise RuntimeError("a pacing sleep without a pacer")
        # A throttle of another worker may have moved this reservation back meanwhile, or the pace has risen: ask again.
        due = getattr(pacer, "due", None)  # a pacer may do without
        return self._admit(pacer, reservation, now, 0.0 if due is None else due(reservation, now))

    def failed(self, error: BaseException, now: float, u: float) -> Sleep | Stop:
        """What comes after an attempt that raised: a sleep before the next one, or the end.

        Args:
            error: What the attempt raised.
            now: Monotonic seconds.
            u: A random number in [0, 1), for the jitter.
        """
        self.error = error
        fault = self.fault = self._classify(error)
        self.throttles += fault in THROTTLES
        self._ended = self.attempts
        # An answer that is refused for being incomplete has used its tokens nevertheless, and says how many.
        usage = None if fault in _NOTHING_RESERVED else self._settle(getattr(error, "body", None))
        self._tell_pacer(fault, now, usage)
        refusal = self._refusal(fault)
        if refusal is not None:
            return self._stop(refusal)
        delay = self._policy.delay(self.retries, u, self._previous)
        hint = retry_after(error)
        wait = delay if hint is None else max(delay, min(hint, _LONGEST_HINT))
        if self.deadline is not None and not self.deadline.allows(now, wait):
            return self._stop(StopReason.DEADLINE)
        if self._budget is not None and not self._budget.withdraw():
            return self._stop(StopReason.BUDGET)
        self._previous = delay
        self.retries += 1
        if self._used is None:
            self._used = {}
        self._used[fault] = self._used.get(fault, 0) + 1
        return self._sleep(wait, Why.BACKOFF)

    def answered(self, now: float, answer: object) -> None:
        """The attempt was answered; the pacer and the account learn the tokens from the answer's ``usage``."""
        self._ended = self.attempts
        usage = self._settle(answer)
        if self._pacer is not None and self._reservation is not None:
            self._pacer.answered(self._reservation, now, usage)
            self._reservation = None

    def cancelled(self, error: BaseException, now: float) -> None:
        """This call was ended from outside, asleep or in an attempt: nothing is decided any more.

        By somebody who wants it to end (KeyboardInterrupt, CancelledError), or by an error of what it is made with,
        such as a pacer or a classifier.
        """
        self.error = None  # it is on its way up already; its traceback holds the driver's frame, and so this call
        broken = isinstance(error, Exception)
        self.fault = Fault.UNKNOWN if broken else Fault.CANCELLED
        self.reason = StopReason.NOT_RETRYABLE if broken else StopReason.RUN_STOPPED
        if self.attempts > self._ended:
            self._settle(None)  # sent; what became of it nobody knows
        self._give_back(now)

    def stop(self, now: float) -> Stop:
        """The run around this call is over: do not wait any longer."""
        self._give_back(now)
        return self._stop(StopReason.RUN_STOPPED)

    def _admit(self, pacer: Pacer, reservation: Reservation, now: float, wait: float) -> Attempt | Sleep | Stop:
        if wait <= 0:
            return self._attempt()
        if self.deadline is not None and not self.deadline.allows(now, wait):
            pacer.abandoned(reservation, now)
            self._reservation = None
            return self._stop(StopReason.DEADLINE)
        return self._sleep(min(wait, _LOOK_AGAIN) if hasattr(pacer, "due") else wait, Why.PACING)

    def _attempt(self) -> Attempt:
        self.attempts += 1
        if self._budget is not None:
            self._budget.called()
        usual = self.attempts < len(_FIRST_ATTEMPTS)  # pragma: no mutate - the two are equal, one is faster
        return _FIRST_ATTEMPTS[self.attempts] if usual else Attempt(self.attempts)  # pragma: no mutate - as above

    def _sleep(self, seconds: float, why: Why) -> Sleep:
        self._asleep = Sleep(seconds, why)
        return self._asleep

    def _stop(self, reason: StopReason) -> Stop:
        self.reason = reason
        return Stop(reason)

    def _refusal(self, fault: Fault) -> StopReason | None:
        if fault not in self._policy.retry_on:
            return StopReason.NOT_RETRYABLE
        if self.retries >= self._policy.max_retries:
            return StopReason.RETRIES_EXHAUSTED
        used = self._used.get(fault, 0) if self._used is not None else 0
        return StopReason.FAULT_LIMIT if used >= self._policy.retries_of(fault) else None

    def _settle(self, answer: object) -> Usage | None:
        """Enter an attempt that has, or may have, used tokens; what it used, where somebody wants to know."""
        if self._request is None and self._reservation is None:
            return None
        from bedrock_resilience.quotas._tokens import usage_from  # noqa: PLC0415 - only a call whose tokens are told needs it

        usage = usage_from(answer)
        if self._request is not None:
            one = self._request.settled(usage)
            self.spent = one if self.spent is None else self.spent + one
        return usage

    def _tell_pacer(self, fault: Fault, now: float, usage: Usage | None) -> None:
        pacer, reservation = self._pacer, self._reservation
        if pacer is None or reservation is None:
            return
        self._reservation = None
        if fault in THROTTLES:
            pacer.throttled(reservation, now)
        elif fault.backpressure:
            getattr(pacer, "overloaded", pacer.throttled)(reservation, now)  # a pacer may know no difference
        elif fault is Fault.CONNECTION_FAILED:
            pacer.abandoned(reservation, now)  # it never reached the service
        else:
            pacer.answered(reservation, now, usage)

    def _give_back(self, now: float) -> None:
        if self._pacer is not None and self._reservation is not None:
            if self._asleep is not None:
                self._pacer.abandoned(self._reservation, now)
            else:
                self._pacer.answered(self._reservation, now)  # as above
            self._reservation = None


# Refused before a model took the request up, or never sent. After any other failure the tokens may have been reserved,
# and used.
_NOTHING_RESERVED = THROTTLES | {
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
