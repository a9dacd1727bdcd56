"""The two drivers of a call, synchronous and asynchronous: they carry out what ``CallState`` decides."""

from __future__ import annotations

import inspect
from functools import cache, partial
from os import urandom
from typing import TYPE_CHECKING, Any, cast

from bedrock_resilience._checks import refusal, wrong_type, wrong_value
from bedrock_resilience._errors import CallStoppedError, DeadlineExceededError, RetriesExhaustedError
from bedrock_resilience._stop_reason import StopReason
from bedrock_resilience.clock import SYSTEM_CLOCK
from bedrock_resilience.retrying._attempts import Attempt, CallState, Schedule, Sleep, SleepKind, Stop
from bedrock_resilience.retrying._callables import NotAwaitableError, awaitable_from, refused_value, uncallable
from bedrock_resilience.retrying._deadline import Deadline, earliest, why_no_attempt
from bedrock_resilience.retrying._faults import classify as _classify
from bedrock_resilience.retrying._retry_layers import mark_attempts

if TYPE_CHECKING:
    import random
    from collections.abc import Awaitable, Callable
    from typing import TypeAlias, TypeVar

    from bedrock_resilience._fault import Fault
    from bedrock_resilience.clock import Clock
    from bedrock_resilience.pacing import Pacer
    from bedrock_resilience.pacing._status import PacerStatus
    from bedrock_resilience.quotas import RequestTokens
    from bedrock_resilience.retrying._attempts import StopEvent
    from bedrock_resilience.retrying._budget import RetryBudget
    from bedrock_resilience.retrying._events import (
        AttemptStarting,
        CallInfo,
        CallStarted,
        CallSucceeded,
        Event,
        Listener,
    )
    from bedrock_resilience.retrying._timeouts import AttemptTimeout

    T = TypeVar("T")
    Step = TypeVar("Step", bound=Attempt | Sleep | Stop)
    Tokens: TypeAlias = int | RequestTokens | Callable[..., int | RequestTokens]
    Info: TypeAlias = CallInfo | Callable[..., CallInfo]


class CallSettings:
    """Everything that the calls of one ``Retrier`` share. It does not change.

    The attributes are the arguments of ``Retrier``.
    """

    __slots__ = (
        "attempt_timeout",
        "before_attempt",
        "budget",
        "classify",
        "clock",
        "deadline",
        "fallback",
        "info",
        "listeners",
        "pacer",
        "policy",
        "raise_exhausted",
        "retry_on_result",
        "rng",
        "stop_event",
        "timeout",
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
        retry_on_result: Callable[[Any], object] | None = None,
        before_attempt: Callable[[AttemptStarting], object] | None = None,
        attempt_timeout: float | None = None,
        stop_event: StopEvent | None = None,
        fallback: Callable[[Exception], Any] | None = None,
        info: Info | None = None,
        timeout: float | None = None,
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
        self.retry_on_result: Callable[[Any], object] | None = retry_on_result
        self.before_attempt: Callable[[AttemptStarting], object] | None = before_attempt
        self.attempt_timeout: float | None = attempt_timeout
        self.stop_event: StopEvent | None = stop_event
        self.fallback: Callable[[Exception], Any] | None = fallback
        self.info: Info | None = info
        self.timeout: float | None = timeout


def owner_of(settings: CallSettings) -> str:
    """Return the class that errors about an argument name: the one that the caller has used."""
    return getattr(settings, "_owner", "Retrier")


def begin(
    settings: CallSettings,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    info: CallInfo | None = None,
    policy: Schedule | None = None,
) -> CallState:
    """Return the state of a new call with these arguments.

    Args:
        settings: What the calls share.
        args: The positional arguments of the call.
        kwargs: Its keyword arguments.
        info: What the call asks for, in place of ``settings.info``. Only listeners need it.
        policy: The policy of the call, in place of ``settings.policy``.
    """
    tokens = settings.tokens
    deadline = Deadline.current()
    if settings.deadline is not None:
        deadline = earliest(settings.deadline, deadline)
    if settings.timeout is not None:
        deadline = earliest(deadline, Deadline(settings.clock.monotonic() + settings.timeout))
    call = CallState(
        settings.policy if policy is None else policy,
        deadline=deadline,
        budget=settings.budget,
        pacer=settings.pacer,
        tokens=checked_tokens(tokens(*args, **kwargs), settings) if callable(tokens) else tokens,
        classify=settings.classify,
        retry_on_result=settings.retry_on_result,
        stop_event=settings.stop_event,
    )
    if settings.listeners:
        given = settings.info if info is None else info
        call.info = _checked_info(given(*args, **kwargs), settings) if callable(given) else given
    return call


def _checked_info(given: object, settings: CallSettings) -> CallInfo:
    from bedrock_resilience.retrying._call_info import CallInfo  # noqa: PLC0415 - a call without listeners needs none

    if isinstance(given, CallInfo):
        return given
    raise refusal(owner_of(settings), wrong_type("info", given, "a CallInfo, or a function that returns one"))


def start(settings: CallSettings, call: CallState) -> Attempt | Sleep | Stop:
    """Begin a call: call the listeners with its first events, and return its first step."""
    if settings.listeners:
        call_started, _ = _success_events()
        call.call_id = urandom(8).hex()
        emit(settings, call_started(**_facts(settings, call)))
    return emit_step(settings, call, call.begin(settings.clock.monotonic()))


def drive(
    settings: CallSettings,
    call: CallState,
    fn: Callable[..., T],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    pause: Callable[[float], object] | None = None,
) -> T:
    """Carry one call through, and return the value of ``fn``, or of the fallback.

    Args:
        settings: The retrier's settings.
        call: From ``begin``; has the numbers of the call afterward.
        fn: The function.
        args: Its positional arguments.
        kwargs: Its keyword arguments.
        pause: Sleeps for so many seconds. A true result means that the run is over and the call stops.
    """
    pause = pause or sleep_of(settings)
    now = settings.clock.monotonic
    try:
        step = start(settings, call)
        while not isinstance(step, Stop):
            if isinstance(step, Sleep):
                stopped = pause(step.seconds)
                step = emit_step(settings, call, call.stop(now()) if stopped else call.slept(now()))
                continue
            if settings.before_attempt is not None:
                prepare(settings, call)
            try:
                value = _call_once(call.deadline, fn, args, kwargs)
            except Exception as error:  # noqa: BLE001 - CallState decides about every exception
                if not callable(fn):
                    raise uncallable("Retrier.call", fn) from None
                step = emit_step(settings, call, call.failed(error, now(), random_number(settings)))
                continue
            check_value(fn, value)
            if settings.retry_on_result is None or call.accepts(value):
                succeed(settings, call, value)
                return value
            step = emit_step(settings, call, call.rejected(value, now(), random_number(settings)))
            del value  # the error has it, as long as there is one
    except BaseException as error:
        cancel(settings, call, error)
        raise
    if settings.fallback is not None and call.reason in _FALLBACK_REASONS:
        return _substitute(settings, settings.fallback, final_error(settings, call))  # type: ignore[no-any-return]  # the caller's value
    raise final_error(settings, call)


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
        step = start(settings, call)
        while not isinstance(step, Stop):
            if isinstance(step, Sleep):
                stopped = await pause(step.seconds)
                step = emit_step(settings, call, call.stop(now()) if stopped else call.slept(now()))
                continue
            if settings.before_attempt is not None:
                await aprepare(settings, call)
            try:
                if settings.attempt_timeout is None:
                    value = await _await_once(call.deadline, fn, args, kwargs)
                else:
                    with limit_attempt(settings.clock, settings.attempt_timeout):
                        value = await _await_once(call.deadline, fn, args, kwargs)
            except NotAwaitableError:
                raise
            except Exception as error:  # noqa: BLE001 - CallState decides about every exception
                step = emit_step(settings, call, call.failed(error, now(), random_number(settings)))
                continue
            check_value(fn, value)
            if settings.retry_on_result is None or call.accepts(value):
                succeed(settings, call, value)
                return value
            step = emit_step(settings, call, call.rejected(value, now(), random_number(settings)))
            del value  # the error has it, as long as there is one
    except BaseException as error:
        cancel(settings, call, error)
        raise
    if settings.fallback is not None and call.reason in _FALLBACK_REASONS:
        value = settings.fallback(final_error(settings, call))
        return (await value) if hasattr(type(value), "__await__") else value  # type: ignore[no-any-return]  # the caller's value
    raise final_error(settings, call)


# A call that stops for one of these has tried, or had no time to try. Any other failure is a mistake of the caller, or
# the end of the run; a substitute value would hide it.
_FALLBACK_REASONS = frozenset(
    {StopReason.RETRIES_EXHAUSTED, StopReason.FAULT_LIMIT, StopReason.DEADLINE, StopReason.BUDGET}
)


def _substitute(settings: CallSettings, fallback: Callable[[Exception], Any], error: Exception) -> Any:  # noqa: ANN401 - the caller's value
    """Return the value of the fallback of a synchronous call, which cannot await it."""
    value: object = fallback(error)
    if hasattr(type(value), "__await__"):
        raise _refused_awaitable(owner_of(settings), "fallback", settings.fallback, value) from error
    return value


def _refused_awaitable(owner: str, name: str, fn: object, value: object) -> TypeError:
    getattr(value, "close", bool)()  # a coroutine; it is never awaited
    return TypeError(
        f"{owner}: {name}: {fn!r} returned an awaitable; accepted: a plain function, unless the call is awaited "
        "(acall, arun)"
    )


def sleep_of(settings: CallSettings) -> Callable[[float], object]:
    """Return the sleep of a synchronous call. One that the stop event can end returns True if it did."""
    event = settings.stop_event
    if event is None:  # pragma: no mutate - sooner, for the most calls; it has no wait() either
        return settings.clock.sleep
    wait = getattr(settings.clock, "wait", None)  # optional in a clock
    waits = getattr(event, "wait", None)  # that of an asynchronous event blocks no thread
    if wait is None or waits is None or inspect.iscoroutinefunction(waits):
        return settings.clock.sleep
    return partial(wait, event)


def prepare(settings: CallSettings, call: CallState) -> None:
    """Call ``before_attempt``. An exception that it raises ends the call, and the attempt is not sent."""
    try:
        result: object = _before(settings, call)
    except BaseException:
        call.withdrawn(settings.clock.monotonic())
        raise
    if hasattr(type(result), "__await__"):
        call.withdrawn(settings.clock.monotonic())
        raise _refused_awaitable(owner_of(settings), "before_attempt", settings.before_attempt, result)


async def aprepare(settings: CallSettings, call: CallState) -> None:
    """Call ``before_attempt`` as ``prepare`` does, and await what it returns."""
    try:
        result: Any = _before(settings, call)
        if inspect.isawaitable(result):
            await result
    except BaseException:
        call.withdrawn(settings.clock.monotonic())
        raise


def _before(settings: CallSettings, call: CallState) -> object:
    hook = settings.before_attempt
    if hook is None:
        return None
    from bedrock_resilience.retrying import _events as events  # noqa: PLC0415 - a call without a hook needs no events

    return hook(
        events.AttemptStarting(
            **_facts(settings, call),
            attempt=call.attempts,
            max_attempts=call.max_attempts,
            error=call.error,
        )
    )


def limit_attempt(clock: Clock, seconds: float) -> AttemptTimeout:
    """Return the context manager that ends an attempt of an asynchronous call after so many seconds."""
    from bedrock_resilience.retrying._timeouts import AttemptTimeout  # noqa: PLC0415 - few calls have a time limit

    return AttemptTimeout(clock, seconds)


def refuse_attempt_timeout(settings: CallSettings) -> None:
    """Refuse a time limit for the attempts of a synchronous call."""
    if settings.attempt_timeout is not None:
        raise TypeError(
            f"{owner_of(settings)}: attempt_timeout: got {settings.attempt_timeout!r} for a synchronous call; "
            "accepted: None, because a thread cannot be interrupted: give the client a read timeout "
            "(bedrock_runtime_client(..., read_timeout=60)), or await the call (acall, arun)"
        )


def emit(settings: CallSettings, event: Event) -> None:
    """Call the listeners with an event; an exception of a listener is logged."""
    for listener in settings.listeners:
        try:
            listener(event)
        except Exception:
            import logging  # noqa: PLC0415 - only a listener that fails needs it

            logging.getLogger("bedrock_resilience").exception("A listener failed on %s", type(event).__name__)


def checked_tokens(tokens: object, settings: CallSettings) -> int | RequestTokens:
    """Return the tokens of a ``tokens`` argument, or of the function given for it.

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
    raise refusal(owner_of(settings), problem("tokens", tokens, accepted))


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


def check_value(fn: Callable[..., object], value: object) -> None:
    """Refuse a value whose work is not done, without a retry: the same function would return the same again."""
    if type(value) not in _PLAIN_TYPES:
        refusal = refused_value(fn, value)
        if refusal is not None:
            raise refusal


def succeed(settings: CallSettings, call: CallState, value: object) -> None:
    """Close a call that succeeded."""
    call.answered(settings.clock.monotonic(), value)
    if settings.listeners:
        _, call_succeeded = _success_events()
        emit(settings, call_succeeded(**_facts(settings, call), **_counts(call), answer=value))


def opened(settings: CallSettings, call: CallState) -> None:
    """Call the listeners of a call whose stream has begun."""
    if settings.listeners:
        from bedrock_resilience.retrying._events import StreamOpened  # noqa: PLC0415 - as in ``succeed``

        emit(settings, StreamOpened(**_facts(settings, call), **_counts(call)))


def cancel(settings: CallSettings, call: CallState, error: BaseException) -> None:
    """Close a call that was ended from outside."""
    call.cancelled(error, settings.clock.monotonic())
    if call.call_id:  # it has started, and has listeners
        from bedrock_resilience.retrying import _events as events  # noqa: PLC0415 - as in ``succeed``

        emit(settings, events.CallCancelled(**_facts(settings, call), **_counts(call), error=error))


def emit_step(settings: CallSettings, call: CallState, step: Step) -> Step:
    """Call the listeners with the event of a step, if it has one, and return the step."""
    if settings.listeners and not isinstance(step, Attempt):
        emit(settings, _event(settings, call, step))
    return step


def _event(settings: CallSettings, call: CallState, step: Sleep | Stop) -> Event:
    from bedrock_resilience.retrying import _events as events  # noqa: PLC0415 - only called with listeners

    facts = _facts(settings, call)
    if isinstance(step, Stop):
        return events.CallFailed(**facts, **_counts(call), reason=step.reason, error=call.error)
    if step.kind is SleepKind.PACING or call.error is None:
        return events.PacingWait(**facts, attempt=1 + call.attempts, seconds=step.seconds)
    return events.RetryScheduled(
        **facts,
        attempt=call.attempts,
        max_attempts=call.max_attempts,
        delay=step.seconds,
        error=call.error,
    )


@cache
def _success_events() -> tuple[type[CallStarted], type[CallSucceeded]]:
    # The first call with listeners loads them. An import statement in every call would take as long as the event.
    from bedrock_resilience.retrying._success_events import CallStarted, CallSucceeded  # noqa: PLC0415 - as said

    return CallStarted, CallSucceeded


def _status(pacer: Pacer | None) -> PacerStatus | None:
    if pacer is None:
        return None
    from bedrock_resilience.pacing._status import status_of  # noqa: PLC0415 - only called with listeners or a hook

    return status_of(pacer)


def _facts(settings: CallSettings, call: CallState) -> dict[str, Any]:
    """Return what every event states."""
    info = call.info
    return {
        "call_id": call.call_id,
        "operation": None if info is None else info.operation,
        "model": None if info is None else info.model,
        "region": None if info is None else info.region,
        "fault": call.fault,
        "backoff_seconds": call.backoff_seconds,
        "pacing_seconds": call.pacing_seconds,
        "tokens_reserved": call.tokens,
        "token_usage": call.token_usage,
        "pacer": _status(settings.pacer),
    }


def _counts(call: CallState) -> dict[str, Any]:
    return {"attempts": call.attempts, "retries": call.retries, "throttles": call.throttles}


def random_number(settings: CallSettings) -> float:
    """Return a random number in [0, 1), for the jitter of one delay."""
    return (_system_random() if settings.rng is None else settings.rng).random()


@cache
def _system_random() -> random.Random:
    # One for all calls: the system's generator has no state, so that threads share it and a forked process does not
    # repeat its parent's jitter. Seeding a generator for each call takes longer than the rest of a retry.
    import random  # noqa: PLC0415 - a call that succeeds at once needs no random number

    return random.SystemRandom()


def final_error(settings: CallSettings, call: CallState) -> Exception:
    """Return the exception that a call which failed for good raises."""
    # A traceback refers to the driver's frame and so to the call: without the second half there is a reference cycle.
    error, call.error = cast("Exception | None", call.error), None  # the drivers retry no other kind
    if error is None:
        if call.reason is StopReason.RUN_STOPPED:
            return CallStoppedError(_summary(call))
        deadline = cast("Deadline", call.deadline)  # the only other reason for a call without an attempt
        why = why_no_attempt(deadline, settings.deadline, settings.clock.monotonic())
        return DeadlineExceededError(f"{_summary(call)} ({why})")
    if settings.raise_exhausted and call.reason is not StopReason.NOT_RETRYABLE:
        message = f"{_summary(call)}; last error: {_repr_of(error)}"
        exhausted = RetriesExhaustedError(message, call.attempts, call.backoff_seconds, call.reason, call.fault, error)
        _mark(exhausted, call)
        return exhausted
    add_summary(error, call)
    return error


def add_summary(error: BaseException, call: CallState) -> None:
    """Add a note to an exception that ends a call: the attempts, the waits, and why no further attempt is made.

    A call that has succeeded gets none: what raises is what the caller does with its response.
    """
    if call.reason is None:
        return
    note = _summary(call)
    try:
        notes = getattr(error, "__notes__", ())
        # Many calls may raise one and the same exception object; each note is added once. Of nested calls, for example
        # of an executor around a protected client, an outer one with one attempt adds nothing: "1 attempt" would
        # contradict the note of the call that sent the requests. With more attempts, both notes together are true.
        if note not in notes and (call.attempts > 1 or not any(str(one).startswith(_NOTE) for one in notes)):
            error.add_note(note)
        _mark(error, call)
    except Exception:  # noqa: BLE001, S110 - the caller's class may refuse notes; the error is raised without one
        pass


_NOTE = "bedrock_resilience: gave up after "


def _mark(error: BaseException, call: CallState) -> None:
    if call.attempts > 1 and not call.repeated:
        mark_attempts(error, call.attempts)


def _repr_of(error: BaseException) -> str:
    try:
        return repr(error)
    except Exception:  # noqa: BLE001 - the caller's class may have a broken __repr__
        return type(error).__name__


def _summary(call: CallState) -> str:
    attempts = "1 attempt" if call.attempts == 1 else f"{call.attempts} attempts"
    reason = cast("StopReason", call.reason).value  # no call ends with an error without one
    if call.attempts > 1 and call.inside is not None:
        attempts += f", with {call.inside.attempts} inside the last one,"
    pacing = f", {call.pacing_seconds:.2f} s pacing" if call.pacing_seconds else ""
    return f"{_NOTE}{attempts} and {call.backoff_seconds:.2f} s of waiting{pacing}: {reason}"
