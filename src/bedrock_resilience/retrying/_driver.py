"""The two drivers of a call, synchronous and asynchronous: they carry out what ``CallState`` decides."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from bedrock_resilience._checks import refusal, wrong_type, wrong_value
from bedrock_resilience._errors import DeadlineExceededError, RetriesExhaustedError
from bedrock_resilience._stop_reason import StopReason
from bedrock_resilience.clock import SYSTEM_CLOCK
from bedrock_resilience.retrying._attempts import Attempt, CallState, Schedule, Sleep, SleepKind, Stop
from bedrock_resilience.retrying._callables import NotAwaitableError, awaitable_from, refused_value
from bedrock_resilience.retrying._deadline import Deadline, earliest
from bedrock_resilience.retrying._events import CallFailed, CallSucceeded, PacingWait, RetryScheduled
from bedrock_resilience.retrying._faults import classify as _classify

if TYPE_CHECKING:
    import random
    from collections.abc import Awaitable, Callable
    from typing import TypeAlias, TypeVar

    from bedrock_resilience._fault import Fault
    from bedrock_resilience.clock import Clock
    from bedrock_resilience.pacing import Pacer
    from bedrock_resilience.quotas import RequestTokens
    from bedrock_resilience.retrying._budget import RetryBudget
    from bedrock_resilience.retrying._events import Event, Listener

    T = TypeVar("T")
    Tokens: TypeAlias = int | RequestTokens | Callable[..., int | RequestTokens]


class CallSettings:
    """Everything that the calls of one ``Retrier`` share. It is not changed after it is made.

    The attributes are the arguments of ``Retrier``.
    """

    __slots__ = (
        "budget",
        "classify",
        "clock",
        "deadline",
        "listeners",
        "pacer",
        "policy",
        "raise_exhausted",
        "rng",
        "tokens",
    )

    def __init__(  # noqa: PLR0913 - the options of a call, all by name
        self,
        policy: Schedule,
        *,
        clock: Clock = SYSTEM_CLOCK,
        rng: random.Random | None = None,
        deadline: Deadline | None = None,
        budget: RetryBudget | None = None,
        pacer: Pacer | None = None,
        listeners: tuple[Listener, ...] = (),
        tokens: Tokens = 0,
        classify: Callable[[BaseException], Fault] = _classify,
        raise_exhausted: bool = False,
    ) -> None:
        self.policy: Schedule = policy
        self.clock: Clock = clock
        self.rng: random.Random | None = rng
        self.deadline: Deadline | None = deadline
        self.budget: RetryBudget | None = budget
        self.pacer: Pacer | None = pacer
        self.listeners: tuple[Listener, ...] = listeners
        self.tokens: Tokens = tokens
        self.classify: Callable[[BaseException], Fault] = classify
        self.raise_exhausted: bool = raise_exhausted


def begin(settings: CallSettings, args: tuple[Any, ...], kwargs: dict[str, Any]) -> CallState:
    """Return the state of a new call with these arguments."""
    tokens = settings.tokens
    return CallState(
        settings.policy,
        deadline=earliest(settings.deadline, Deadline.current()),
        budget=settings.budget,
        pacer=settings.pacer,
        tokens=checked_tokens(tokens(*args, **kwargs)) if callable(tokens) else tokens,
        classify=settings.classify,
    )


def drive(
    settings: CallSettings,
    call: CallState,
    fn: Callable[..., T],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    pause: Callable[[float], object] | None = None,
) -> T:
    """Carry one call through, and return the value of ``fn``.

    Args:
        settings: The retrier's settings.
        call: From ``begin``; holds the numbers of the call afterwards.
        fn: The function.
        args: Its positional arguments.
        kwargs: Its keyword arguments.
        pause: Sleeps for so many seconds. A true result means that the run is over and the call stops.
    """
    pause = pause or settings.clock.sleep
    now = settings.clock.monotonic
    try:
        step = _emit_step(settings, call, call.begin(now()))
        while not isinstance(step, Stop):
            if isinstance(step, Sleep):
                stopped = pause(step.seconds)
                step = _emit_step(settings, call, call.stop(now()) if stopped else call.slept(now()))
                continue
            try:
                value = _call_once(call.deadline, fn, args, kwargs)
            except Exception as error:  # noqa: BLE001 - CallState decides about every exception
                step = _emit_step(settings, call, call.failed(error, now(), _random_number(settings)))
            else:
                _check_value(fn, value)
                _succeed(settings, call, value)
                return value
    except BaseException as error:
        call.cancelled(error, now())
        raise
    raise _final_error(settings, call)


async def adrive(
    settings: CallSettings,
    call: CallState,
    fn: Callable[..., Awaitable[T]],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    pause: Callable[[float], Awaitable[object]] | None = None,
) -> T:
    """Carry one call through as ``drive`` does, and await the function and the sleeps."""
    pause = pause or settings.clock.asleep
    now = settings.clock.monotonic
    try:
        step = _emit_step(settings, call, call.begin(now()))
        while not isinstance(step, Stop):
            if isinstance(step, Sleep):
                stopped = await pause(step.seconds)
                step = _emit_step(settings, call, call.stop(now()) if stopped else call.slept(now()))
                continue
            try:
                value = await _await_once(call.deadline, fn, args, kwargs)
            except NotAwaitableError:
                raise
            except Exception as error:  # noqa: BLE001 - CallState decides about every exception
                step = _emit_step(settings, call, call.failed(error, now(), _random_number(settings)))
            else:
                _check_value(fn, value)
                _succeed(settings, call, value)
                return value
    except BaseException as error:
        call.cancelled(error, now())
        raise
    raise _final_error(settings, call)


def emit(settings: CallSettings, event: Event) -> None:
    """Call the listeners with an event; an exception of a listener is logged."""
    for listener in settings.listeners:
        try:
            listener(event)
        except Exception:
            import logging  # noqa: PLC0415 - only a listener that fails needs it

            logging.getLogger("bedrock_resilience").exception("A listener failed on %s", type(event).__name__)


def checked_tokens(tokens: object) -> int | RequestTokens:
    """Return what a ``tokens`` argument, or the function given for it, stands for.

    Raises:
        TypeError: It is neither a whole number nor a ``RequestTokens``.
        ValueError: The number is negative.
    """
    if isinstance(tokens, int) and not isinstance(tokens, bool) and tokens >= 0:
        return tokens
    from bedrock_resilience.quotas import RequestTokens  # noqa: PLC0415 - who has one has loaded it

    if isinstance(tokens, RequestTokens):
        return tokens
    accepted = "a whole number >= 0, a RequestTokens, or a function that returns either"
    problem = wrong_value if isinstance(tokens, int) and not isinstance(tokens, bool) else wrong_type
    raise refusal("Retrier", problem("tokens", tokens, accepted))


def _call_once(deadline: Deadline | None, fn: Callable[..., T], args: tuple[Any, ...], kwargs: dict[str, Any]) -> T:
    if deadline is None:
        return fn(*args, **kwargs)
    with deadline.apply():
        return fn(*args, **kwargs)


async def _await_once(
    deadline: Deadline | None, fn: Callable[..., Awaitable[T]], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> T:
    if deadline is None:
        return await awaitable_from(fn, fn(*args, **kwargs))  # type: ignore[no-any-return]  # checked there
    with deadline.apply():
        return await awaitable_from(fn, fn(*args, **kwargs))  # type: ignore[no-any-return]  # as above


# The types of most values: they need no look inside.
_PLAIN_TYPES = frozenset({type(None), bool, int, float, str, bytes, list, tuple})


def _check_value(fn: Callable[..., object], value: object) -> None:
    """Refuse a value that stands for work not done. It is not retried: the same function returns the same again."""
    if type(value) not in _PLAIN_TYPES:
        refusal = refused_value(fn, value)
        if refusal is not None:
            raise refusal


def _succeed(settings: CallSettings, call: CallState, value: object) -> None:
    call.answered(settings.clock.monotonic(), value)
    if settings.listeners:
        emit(
            settings,
            CallSucceeded(
                attempts=call.attempts,
                backoff_seconds=call.backoff_seconds,
                pacing_seconds=call.pacing_seconds,
                answer=value,
            ),
        )


def _emit_step(settings: CallSettings, call: CallState, step: Attempt | Sleep | Stop) -> Attempt | Sleep | Stop:
    if settings.listeners and not isinstance(step, Attempt):
        emit(settings, _event(settings, call, step))
    return step


def _event(settings: CallSettings, call: CallState, step: Sleep | Stop) -> Event:
    if isinstance(step, Stop):
        return CallFailed(
            attempts=call.attempts,
            backoff_seconds=call.backoff_seconds,
            pacing_seconds=call.pacing_seconds,
            reason=step.reason,
            fault=call.fault,
            error=call.error,
        )
    if step.kind is SleepKind.PACING or call.fault is None or call.error is None:
        return PacingWait(seconds=step.seconds)
    return RetryScheduled(
        attempt=call.attempts,
        max_attempts=1 + settings.policy.max_retries,
        delay=step.seconds,
        fault=call.fault,
        error=call.error,
    )


def _random_number(settings: CallSettings) -> float:
    return (_system_random() if settings.rng is None else settings.rng).random()


@cache
def _system_random() -> random.Random:
    # One for all calls: the system's generator has no state, so that threads share it and a forked process does not
    # repeat its parent's jitter. Seeding a generator for each call takes longer than the rest of a retry.
    import random  # noqa: PLC0415 - a call that succeeds at once needs no random number

    return random.SystemRandom()


def _final_error(settings: CallSettings, call: CallState) -> BaseException:
    # A traceback refers to the driver's frame and so to the call: without the second half there is a reference cycle.
    error, call.error = call.error, None
    if error is None:
        return DeadlineExceededError(_summary(call))
    if settings.raise_exhausted and call.reason is not StopReason.NOT_RETRYABLE:
        message = f"{_summary(call)}; last error: {_repr_of(error)}"
        return RetriesExhaustedError(message, call.attempts, call.backoff_seconds, call.reason, call.fault, error)
    _add_note(error, _summary(call))
    return error


def _add_note(error: BaseException, note: str) -> None:
    # Many calls may raise one and the same exception object; each note is added once.
    try:
        if note not in getattr(error, "__notes__", ()):
            error.add_note(note)
    except Exception:  # noqa: BLE001, S110 - the caller's class may refuse notes; the error is raised without one
        pass


def _repr_of(error: BaseException) -> str:
    try:
        return repr(error)
    except Exception:  # noqa: BLE001 - the caller's class may have a broken __repr__
        return type(error).__name__


def _summary(call: CallState) -> str:
    attempts = "1 attempt" if call.attempts == 1 else f"{call.attempts} attempts"
    reason = call.reason.value if call.reason is not None else "unknown"
    pacing = f", {call.pacing_seconds:.2f} s pacing" if call.pacing_seconds else ""
    return f"bedrock_resilience: gave up after {attempts} and {call.backoff_seconds:.2f} s of waiting{pacing}: {reason}"
