"""Retrier: obeys the machine of ``attempts``, synchronously, asynchronously, or as a decorator."""

from __future__ import annotations

from functools import cache
from types import CoroutineType

from bedrock_resilience._fault import Fault
from bedrock_resilience.clock import SYSTEM_CLOCK
from bedrock_resilience.errors import DeadlineExceededError, RetriesExhaustedError
from bedrock_resilience.retrying import _policy
from bedrock_resilience.retrying._attempts import Attempt, CallState, Sleep, Stop, StopReason, Why
from bedrock_resilience.retrying._deadline_var import enclosing
from bedrock_resilience.retrying._faults import classify as _classify
from bedrock_resilience.retrying._policy import RetryPolicy, not_awaited

TYPE_CHECKING = False
if TYPE_CHECKING:
    import random
    from collections.abc import Awaitable, Callable, Iterable
    from typing import Any, ParamSpec, TypeVar

    from bedrock_resilience.clock import Clock
    from bedrock_resilience.pacing import Pacer
    from bedrock_resilience.quotas._usage import RequestTokens
    from bedrock_resilience.retrying._budget import RetryBudget
    from bedrock_resilience.retrying._deadline import Deadline
    from bedrock_resilience.retrying._events import Event, Listener

    P = ParamSpec("P")
    T = TypeVar("T")
    F = TypeVar("F", bound=Callable[..., Any])


class Retrier:
    """Calls functions under a policy. Holds no state of a call, so threads and tasks may share one.

    Args:
        policy: What is retried, how often, after which delays.
        clock: Where time comes from and how it is waited for.
        rng: Where jitter comes from; pass a seeded ``random.Random`` for a schedule that can be repeated.
        deadline: Nothing is started that would end past it. An enclosing call's deadline is obeyed as well.
        budget: Bounds the retries of all calls that share it.
        pacer: Asked before every attempt, told how each one ended.
        listeners: Called with each event of ``bedrock_resilience.retrying._events``.
        tokens: What a request may use at most (input + max_tokens), for a pacer that counts tokens: a number, a
            ``RequestTokens``, or a function of the call's arguments that returns either.
        classify: Reads a ``Fault`` off an exception; replace it to teach the policy exceptions of your own.
        raise_exhausted: Raise ``RetriesExhaustedError`` where retries did not help, instead of the original exception.
    """

    __slots__ = (
        "_plain",
        "_rng",
        "budget",
        "classify",
        "clock",
        "deadline",
        "listeners",
        "pacer",
        "policy",
        "raise_exhausted",
        "tokens",
    )

    def __init__(  # noqa: PLR0913 - the options of a call, all by name
        self,
        policy: RetryPolicy = RetryPolicy(),  # noqa: B008 - a frozen value
        *,
        clock: Clock = SYSTEM_CLOCK,
        rng: random.Random | None = None,
        deadline: Deadline | None = None,
        budget: RetryBudget | None = None,
        pacer: Pacer | None = None,
        listeners: Iterable[Listener] = (),
        tokens: int | RequestTokens | Callable[..., int | RequestTokens] = 0,
        classify: Callable[[BaseException], Fault] = _classify,
        raise_exhausted: bool = False,
    ) -> None:
        if not isinstance(policy, RetryPolicy):
            raise _no_policy(policy)
        for name, part, usual in (
            ("deadline", deadline, None),
            ("budget", budget, None),
            ("pacer", pacer, None),
            ("rng", rng, None),
            ("clock", clock, SYSTEM_CLOCK),
            ("classify", classify, _classify),
            ("listeners", listeners, ()),
        ):
            if part is not usual:
                _check_part(name, part)
        if not callable(tokens):
            _checked_tokens(tokens)
        self.policy: RetryPolicy = policy
        self.clock: Clock = clock
        self._rng = rng
        self.deadline: Deadline | None = deadline
        self.budget: RetryBudget | None = budget
        self.pacer: Pacer | None = pacer
        self.listeners: tuple[Listener, ...] = tuple(listeners)
        for listener in self.listeners:
            if not callable(listener):
                raise TypeError(f"Retrier: listeners: got {listener!r} among them; accepted: callables of one event")
        self.tokens: int | RequestTokens | Callable[..., int | RequestTokens] = tokens
        self.classify: Callable[[BaseException], Fault] = classify
        self.raise_exhausted: bool = raise_exhausted
        # With none of these there is nothing to decide before a first attempt, nor to tell after a success.
        self._plain = deadline is None and budget is None and pacer is None and not self.listeners

    def call(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Call ``fn(*args, **kwargs)`` until it succeeds or the policy says stop; its value is returned.

        Raises:
            Exception: What ``fn`` raised last, with a note that tells attempts, seconds waited and the reason to stop.
            RetriesExhaustedError: Instead of it, where asked for.
            DeadlineExceededError: The deadline allowed no attempt at all.
        """
        if not self._plain or enclosing.get() is not None:
            return self.drive(self.begin(args, kwargs), fn, args, kwargs)
        try:
            answer = fn(*args, **kwargs)
        except Exception as error:  # noqa: BLE001 - whatever it is, the machine decides
            failed = error  # carried on outside of this block: what is raised later did not happen while handling it
        else:
            if type(answer) is CoroutineType:
                raise not_awaited(fn, answer)  # pyright: ignore[reportUnknownArgumentType]  # of what, is no matter
            return answer
        try:
            return self.recover(failed, fn, args, kwargs)
        finally:
            del failed  # the error's traceback holds this frame

    async def acall(self, fn: Callable[P, Awaitable[T]], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Await ``fn(*args, **kwargs)`` until it succeeds or the policy says stop; raises as ``call`` does.

        A cancellation is never retried.
        """
        return await self.adrive(self.begin(args, kwargs), fn, args, kwargs)

    def __call__(self, fn: F) -> F:
        """Decorate a function or a coroutine function; its signature is kept.

        Raises:
            TypeError: A generator function: its body runs after the call returned, so nothing would be retried.
        """
        import functools  # noqa: PLC0415 - only decorating needs these two
        import inspect  # noqa: PLC0415

        if isinstance(fn, (staticmethod, classmethod)):
            raise TypeError(f"{fn!r}: put the decorator of the retries below @staticmethod or @classmethod")
        if inspect.isgeneratorfunction(fn) or inspect.isasyncgenfunction(fn):
            raise TypeError(f"{fn!r} is a generator function: decorate the function that consumes it")
        if not callable(fn):
            raise TypeError(f"Retrier: got {fn!r} to decorate; accepted: a function")
        # An object may be called like a coroutine function, too; its class tells.
        if inspect.iscoroutinefunction(fn) or inspect.iscoroutinefunction(type(fn).__call__):

            @functools.wraps(fn)
            async def awaited(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - the type is fn's own
                return await self.acall(fn, *args, **kwargs)

            return awaited  # type: ignore[return-value]  # same signature as fn

        @functools.wraps(fn)
        def called(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - the type is fn's own
            return self.call(fn, *args, **kwargs)

        return called  # type: ignore[return-value]  # same signature as fn

    def __repr__(self) -> str:
        parts = {name: getattr(self, name) for name in ("deadline", "budget", "pacer")}
        given = "".join(f", {name}={part!r}" for name, part in parts.items() if part is not None)
        return f"Retrier({self.policy!r}{given})"

    def replace(self, **changes: Any) -> Retrier:  # noqa: ANN401 - each argument has its own type, checked by __init__
        """A copy with some arguments changed; pacer, budget and listeners that are not stay shared.

        Raises:
            TypeError: A name that is no argument.
        """
        arguments: dict[str, Any] = {name: getattr(self, name) for name in Retrier.__slots__ if name[0] != "_"}
        arguments["rng"] = self._rng
        return Retrier(**{**arguments, **changes})

    @property
    def plain(self) -> bool:
        """Is there nothing to decide before a first attempt, nor to tell after a success? For drivers."""
        return self._plain

    def begin(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> CallState:
        """A new call's machine, with this retrier's settings; for drivers."""
        deadline = self.deadline
        shared: Deadline | None = enclosing.get()
        if shared is not None:
            from bedrock_resilience.retrying._deadline import earliest  # noqa: PLC0415 - there is one, so it is loaded

            deadline = earliest(deadline, shared)
        tokens = self.tokens
        return CallState(
            self.policy,
            deadline=deadline,
            budget=self.budget,
            pacer=self.pacer,
            tokens=_checked_tokens(tokens(*args, **kwargs) if callable(tokens) else tokens),
            classify=self.classify,
        )

    def drive(
        self,
        call: CallState,
        fn: Callable[..., T],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        pause: Callable[[float], object] | None = None,
        failed: BaseException | None = None,
    ) -> T:
        """Carry one call through; for drivers that keep the account, as the executor does.

        Args:
            call: From ``begin``; holds the account afterwards.
            fn: The function.
            args: Its positional arguments.
            kwargs: Its keyword arguments.
            pause: Sleeps so many seconds; a true result means that the run is over and the call is given up.
            failed: What a first attempt, made before the machine was built, raised.
        """
        pause = pause or self.clock.sleep
        try:
            step = self._begin(call)
            if isinstance(failed, Exception):
                step = self._failed(call, failed)
            elif failed is not None:
                raise failed  # noqa: TRY301 - as if it were raised by the attempt below
            while not isinstance(step, Stop):
                if isinstance(step, Sleep):
                    step = self._slept(call, pause(step.seconds))
                    continue
                try:
                    answer = _within(call.deadline, fn, args, kwargs)
                except Exception as error:  # noqa: BLE001 - whatever it is, the machine decides
                    step = self._failed(call, error)
                else:
                    if type(answer) is CoroutineType:
                        raise not_awaited(fn, answer)  # pyright: ignore[reportUnknownArgumentType]  # of what, is no matter
                    self._answered(call, answer)
                    return answer
        except BaseException as error:
            call.cancelled(error, self.clock.monotonic())
            raise
        finally:
            del failed
        raise self._surrender(call)

    async def adrive(
        self,
        call: CallState,
        fn: Callable[..., Awaitable[T]],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        pause: Callable[[float], Awaitable[object]] | None = None,
    ) -> T:
        """The asynchronous twin of ``drive``: the same steps, awaited."""
        pause = pause or self.clock.asleep
        try:
            step = self._begin(call)
            while not isinstance(step, Stop):
                if isinstance(step, Sleep):
                    step = self._slept(call, await pause(step.seconds))
                    continue
                try:
                    answer = await _awithin(call.deadline, fn, args, kwargs)
                except Exception as error:  # noqa: BLE001 - whatever it is, the machine decides
                    step = self._failed(call, error)
                else:
                    self._answered(call, answer)
                    return answer
        except BaseException as error:
            call.cancelled(error, self.clock.monotonic())
            raise
        raise self._surrender(call)

    def recover(
        self, failed: Exception | None, fn: Callable[..., T], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> T:
        """Go on after a first attempt that was made without a machine, and failed; or begin, where there was none."""
        try:
            return self.drive(self.begin(args, kwargs), fn, args, kwargs, failed=failed)
        finally:
            del failed

    def _begin(self, call: CallState) -> Attempt | Sleep | Stop:
        return self._told(call, call.begin(self.clock.monotonic()))

    def _slept(self, call: CallState, over: object) -> Attempt | Sleep | Stop:
        now = self.clock.monotonic()
        return self._told(call, call.stop(now) if over else call.slept(now))

    def _failed(self, call: CallState, error: Exception) -> Attempt | Sleep | Stop:
        return self._told(call, call.failed(error, self.clock.monotonic(), self._draw()))

    def _answered(self, call: CallState, answer: object) -> None:
        call.answered(self.clock.monotonic(), answer)
        if self.listeners:
            from bedrock_resilience.retrying._events import CallSucceeded  # noqa: PLC0415 - whoever listens has loaded it

            self.tell(
                CallSucceeded(
                    attempts=call.attempts,
                    backoff_seconds=call.backoff_seconds,
                    pacing_seconds=call.pacing_seconds,
                    answer=answer,
                )
            )

    def _told(self, call: CallState, step: Attempt | Sleep | Stop) -> Attempt | Sleep | Stop:
        if self.listeners and not isinstance(step, Attempt):
            self.tell(_event(call, step, self.policy))
        return step

    def tell(self, event: Event) -> None:
        """Call the listeners with an event; one that raises is logged. For drivers."""
        for listener in self.listeners:
            try:
                listener(event)
            except Exception:
                import logging  # noqa: PLC0415 - only a broken listener needs it

                logging.getLogger("bedrock_resilience").exception("A listener failed on %s", type(event).__name__)

    def _draw(self) -> float:
        return (_system_random() if self._rng is None else self._rng).random()

    def _surrender(self, call: CallState) -> BaseException:
        error, call.error = call.error, None  # a traceback holds the driver's frame, and so the call: no circle
        if error is None:
            return DeadlineExceededError(_account(call))
        if self.raise_exhausted and call.reason is not StopReason.NOT_RETRYABLE:
            return RetriesExhaustedError(
                f"{_account(call)}; last error: {_shown(error)}",
                call.attempts,
                call.backoff_seconds,
                call.reason,
                call.fault,
                error,
            )
        _note(error, _account(call))
        return error


def retry(  # noqa: PLR0913 - the options of Retrier
    policy: RetryPolicy = RetryPolicy(),  # noqa: B008 - a frozen value
    *,
    clock: Clock = SYSTEM_CLOCK,
    rng: random.Random | None = None,
    deadline: Deadline | None = None,
    budget: RetryBudget | None = None,
    pacer: Pacer | None = None,
    listeners: Iterable[Listener] = (),
    tokens: int | RequestTokens | Callable[..., int | RequestTokens] = 0,
    classify: Callable[[BaseException], Fault] = _classify,
    raise_exhausted: bool = False,
) -> Retrier:
    """A decorator that puts a function, or a coroutine function, under a policy; the arguments are ``Retrier``'s."""
    return Retrier(
        policy,
        clock=clock,
        rng=rng,
        deadline=deadline,
        budget=budget,
        pacer=pacer,
        listeners=listeners,
        tokens=tokens,
        classify=classify,
        raise_exhausted=raise_exhausted,
    )


@cache
def _system_random() -> random.Random:
    # One for all: the system's chance has no state, so threads share it and a forked process does not repeat its
    # parent's jitter; and no call has to seed a generator of its own, which takes longer than all else about a retry.
    import random  # noqa: PLC0415 - a call that succeeds needs no chance

    return random.SystemRandom()


def _within(deadline: Deadline | None, fn: Callable[..., T], args: tuple[Any, ...], kwargs: dict[str, Any]) -> T:
    if deadline is None:
        return fn(*args, **kwargs)
    with deadline.shared():
        return fn(*args, **kwargs)


async def _awithin(
    deadline: Deadline | None, fn: Callable[..., Awaitable[T]], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> T:
    if deadline is None:
        return await fn(*args, **kwargs)
    with deadline.shared():
        return await fn(*args, **kwargs)


def _event(call: CallState, step: Sleep | Stop, policy: RetryPolicy) -> Event:
    from bedrock_resilience.retrying import _events as events

    if isinstance(step, Stop):
        return events.CallFailed(
            attempts=call.attempts,
            backoff_seconds=call.backoff_seconds,
            pacing_seconds=call.pacing_seconds,
            reason=step.reason,
            fault=call.fault,
            error=call.error,
        )
    if step.why is Why.PACING or call.fault is None or call.error is None:
        return events.PacingWait(seconds=step.seconds)
    return events.RetryScheduled(
        attempt=call.attempts,
        max_attempts=1 + policy.max_retries,
        delay=step.seconds,
        fault=call.fault,
        error=call.error,
    )


def _no_policy(given: object) -> TypeError:
    remedy = ", or nothing: @retry()" if callable(given) else ""  # the brackets are easily forgotten
    return TypeError(f"Retrier: policy: got {given!r}; accepted: a RetryPolicy{remedy}")


# What a part must be able to do, where a wrong one would fail in the middle of a call only.
_PARTS = {
    "deadline": (("allows",), "a Deadline, such as Deadline.after(30)"),
    "budget": (("called", "withdraw"), "a RetryBudget"),
    "pacer": (("reserve", "answered", "throttled", "abandoned"), "a pacer, such as AdaptivePacer()"),
    "rng": (("random",), "a random.Random"),
    "clock": (("monotonic", "sleep", "asleep"), "a clock with monotonic(), sleep() and asleep()"),
    "classify": (("__call__",), "a function that tells the Fault of an exception"),
    "listeners": (("__iter__",), "an iterable of callables, such as [LoggingListener()]"),
}


def _check_part(name: str, part: object) -> None:
    methods, accepted = _PARTS[name]
    if isinstance(part, type) or not all(hasattr(part, method) for method in methods):
        raise TypeError(f"Retrier: {name}: got {part!r}; accepted: {accepted}")


def _checked_tokens(tokens: Any) -> int | RequestTokens:  # noqa: ANN401 - a function of the caller's may return anything
    if isinstance(tokens, int) and not isinstance(tokens, bool) and tokens >= 0:
        return tokens
    from bedrock_resilience.quotas._usage import RequestTokens  # noqa: PLC0415 - whoever has one has loaded it

    if isinstance(tokens, RequestTokens):
        return tokens
    raise ValueError(
        f"Retrier: tokens: got {tokens!r}; accepted: a whole number >= 0, a RequestTokens, or a function that "
        "returns either"
    )


def _note(error: BaseException, told: str) -> None:
    # One exception object may be raised by many calls, and need not hear the same thing from each of them.
    try:
        if told not in getattr(error, "__notes__", ()):
            error.add_note(told)
    except Exception:  # noqa: BLE001, S110 - its class is the caller's; one that takes no notes is raised without
        pass


def _shown(error: BaseException) -> str:
    try:
        return repr(error)
    except Exception:  # noqa: BLE001 - as above
        return type(error).__name__


def _account(call: CallState) -> str:
    attempts = "1 attempt" if call.attempts == 1 else f"{call.attempts} attempts"
    reason = call.reason.value if call.reason is not None else "unknown"
    paced = f", {call.pacing_seconds:.2f} s pacing" if call.pacing_seconds else ""
    return f"bedrock_resilience: gave up after {attempts} and {call.backoff_seconds:.2f} s of waiting{paced}: {reason}"


def _call_under(
    policy: RetryPolicy, failed: Exception | None, fn: Callable[..., T], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> T:
    try:
        return Retrier(policy).recover(failed, fn, args, kwargs)
    finally:
        del failed


_policy.drive_with(_call_under)
