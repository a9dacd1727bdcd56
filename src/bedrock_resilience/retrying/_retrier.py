"""Retrier: calls functions under a policy, synchronously, asynchronously, as a decorator, or as a loop."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from types import MethodType
from typing import TYPE_CHECKING, Any, Literal, cast

from bedrock_resilience._checks import (
    Problem,
    explain_names,
    function,
    has_methods,
    instance,
    number,
    refuse,
    wrong_type,
    wrong_value,
)
from bedrock_resilience.clock import SYSTEM_CLOCK
from bedrock_resilience.retrying._callables import is_coroutine_function, is_generator_function, refuse_plain
from bedrock_resilience.retrying._driver import (
    CallSettings,
    adrive,
    begin,
    checked_tokens,
    drive,
    owner_of,
    refuse_attempt_timeout,
)
from bedrock_resilience.retrying._faults import classify as _classify
from bedrock_resilience.retrying._policy import RetryPolicy

if TYPE_CHECKING:
    import random
    from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
    from typing import ParamSpec, TypeVar

    from bedrock_resilience._fault import Fault
    from bedrock_resilience.clock import Clock
    from bedrock_resilience.pacing import Pacer
    from bedrock_resilience.quotas import RequestTokens
    from bedrock_resilience.retrying._attempts import StopEvent
    from bedrock_resilience.retrying._budget import RetryBudget
    from bedrock_resilience.retrying._deadline import Deadline
    from bedrock_resilience.retrying._events import AttemptStarting, CallInfo, Listener
    from bedrock_resilience.retrying._iteration import AttemptContext

    P = ParamSpec("P")
    T = TypeVar("T")
    F = TypeVar("F", bound=Callable[..., Any])


@explain_names
class Retrier(CallSettings):
    """Calls functions under a policy. It has no state of a call, so threads and tasks may share it.

    Args:
        policy: Which faults are retried, how often, and after which delays.
        clock: The source of time and of sleeps.
        rng: The source of jitter; pass a seeded ``random.Random`` for delays that can be repeated.
        deadline: No attempt starts that cannot finish before it, and no sleep ends after it. ``Deadline.current()``
            applies as well. It is one instant for all calls; ``timeout`` counts from the start of each call.
        timeout: Seconds from the start of each call after which no attempt starts and no wait ends. It is a deadline
            that every call gets anew; with others, the earliest counts. An attempt that has started is not interrupted:
            bound it by the read timeout of the client, or by ``attempt_timeout``.
        budget: Limits the retries of all calls that share it.
        pacer: Asked before every attempt, and informed of the result of each. ``"auto"``: a new ``AdaptivePacer``,
            which finds the quota by itself.
        listeners: Called with each event of ``bedrock_resilience.retrying``.
        tokens: Tokens that a request may use at most (input + max_tokens), for a pacer that counts tokens: a number, a
            ``RequestTokens``, or a function of the call's arguments that returns either.
        classify: Returns the ``Fault`` of an exception; replace it to add exceptions of your own.
        raise_exhausted: Raise ``RetriesExhaustedError`` if retries did not help, instead of the last exception.
        retry_on_result: A function of what the function returned; true for a result to retry. It applies under every
            policy; ``retry_on={Fault.REJECTED_RESULT: 2, ...}`` limits these retries. If they do not help,
            ``RejectedResultError`` has the last result.
        before_attempt: Called with an ``AttemptStarting`` before every attempt, after all waits. An exception that it
            raises ends the call. An awaited call awaits what it returns.
        attempt_timeout: Upper limit of each attempt in seconds, for calls that are awaited; an attempt that exceeds it
            raises ``AttemptTimeoutError``, whose fault is ``READ_TIMEOUT``: the request was sent and may be billed. A
            thread cannot be interrupted, so a synchronous call refuses it: give the client a read timeout instead.
        stop_event: A ``threading.Event`` or a relative. Once it is set, no attempt starts. It ends the sleep of a
            synchronous call; an awaited call is canceled for that.
        fallback: Called with the exception if retries did not help (not if the policy does not retry it); what
            it returns, or what that awaits to, is the value of the call.
        info: What the events say about a call: a ``CallInfo`` (operation, model and Region), or a function of the
            call's arguments that returns one. It is called only if there are listeners.

    Raises:
        TypeError: An argument has the wrong type. The message names every wrong argument.
        ValueError: ``tokens`` is negative, or ``timeout`` or ``attempt_timeout`` is not positive.
    """

    __slots__ = ()

    policy: RetryPolicy  # pyright: ignore[reportIncompatibleVariableOverride]  # set once, by __init__

    def __init__(  # noqa: PLR0913 - the options of a call, all by name
        self,
        policy: RetryPolicy = RetryPolicy(),  # noqa: B008 - a frozen value
        *,
        clock: Clock = SYSTEM_CLOCK,
        rng: random.Random | None = None,
        deadline: Deadline | None = None,
        timeout: float | None = None,
        budget: RetryBudget | None = None,
        pacer: Pacer | Literal["auto"] | None = None,
        listeners: Iterable[Listener] = (),
        tokens: int | RequestTokens | Callable[..., int | RequestTokens] = 0,
        classify: Callable[[BaseException], Fault] = _classify,
        raise_exhausted: bool = False,
        retry_on_result: Callable[[Any], object] | None = None,
        before_attempt: Callable[[AttemptStarting], object] | None = None,
        attempt_timeout: float | None = None,
        stop_event: StopEvent | None = None,
        fallback: Callable[[Exception], Any] | None = None,
        info: CallInfo | Callable[..., CallInfo] | None = None,
    ) -> None:
        given_listeners = (
            tuple(listeners) if isinstance(listeners, Iterable) else listeners
        )  # a generator is read once only
        refuse(
            owner_of(self),
            *check_parts(
                policy,
                clock,
                rng,
                deadline=deadline,
                timeout=timeout,
                budget=budget,
                pacer=pacer,
                listeners=given_listeners,
            ),
            function("classify", classify, "a function that returns the Fault of an exception"),
            _check_predicate(retry_on_result),
            function("before_attempt", before_attempt, "a function of one AttemptStarting", optional=True),
            number("attempt_timeout", attempt_timeout, above=0, unit="seconds", optional=True),
            has_methods("stop_event", stop_event, ("is_set",), "an event, such as threading.Event()", optional=True),
            function("fallback", fallback, "a function of one exception", optional=True),
            _check_info(info),
        )
        super().__init__(
            policy,
            clock=clock,
            rng=rng,
            deadline=deadline,
            timeout=timeout,
            budget=budget,
            pacer=made_pacer(pacer),
            listeners=given_listeners,
            tokens=tokens if callable(tokens) else checked_tokens(tokens, self),
            classify=classify,
            raise_exhausted=raise_exhausted,
            retry_on_result=retry_on_result,
            before_attempt=before_attempt,
            attempt_timeout=attempt_timeout,
            stop_event=stop_event,
            fallback=fallback,
            info=info,
        )

    def call(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Call ``fn(*args, **kwargs)`` until it succeeds or the policy allows no further attempt; return its value.

        Raises:
            Exception: The last exception of ``fn``, with a note: the attempts, the seconds of waiting, and why no
                further attempt was made.
            RetriesExhaustedError: Instead of it, with ``raise_exhausted``.
            DeadlineExceededError: The deadline, or the timeout, allows no attempt.
            CallStoppedError: The stop event was set before the first attempt.
        """
        if self.attempt_timeout is not None:
            refuse_attempt_timeout(self)
        return drive(self, begin(self, args, kwargs), fn, args, kwargs)

    async def acall(self, fn: Callable[P, Awaitable[T]], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Await ``fn(*args, **kwargs)`` until it succeeds or the policy allows no further attempt.

        It raises what ``call`` raises. A cancellation is not retried.

        Raises:
            TypeError: ``fn`` cannot be awaited: it is a plain function. Nothing was sent. A lambda, and a function that
                is annotated to return an awaitable, are called.
        """
        refuse_plain("Retrier.acall", fn, "use Retrier.call")
        return await adrive(self, begin(self, args, kwargs), fn, args, kwargs)

    def __iter__(self) -> Iterator[AttemptContext]:
        """Yield the attempts of one call, for a block of statements instead of a function.

        ::

            for attempt in retrier:
                with attempt:
                    ...

        It raises what ``call`` raises.
        """
        from bedrock_resilience.retrying._iteration import iterate  # noqa: PLC0415 - most calls are of a function

        return iterate(self)

    def __aiter__(self) -> AsyncGenerator[AttemptContext]:
        """Yield the attempts of one call as ``for`` does: ``async for attempt in retrier: with attempt: ...``.

        asyncio closes a loop that ends with ``break`` some time later. ``contextlib.aclosing(aiter(retrier))`` closes
        it at once.
        """
        from bedrock_resilience.retrying._iteration import aiterate  # noqa: PLC0415 - as above

        return aiterate(self)

    def __call__(self, fn: F) -> F:
        """Decorate a function or a coroutine function; its signature is kept.

        A generator function, or an asynchronous one, is retried until its first value is out, and never after it.
        ``retrier_of`` returns this retrier from the decorated function, and ``with_options`` decorates it anew.

        Raises:
            TypeError: Not a function; or the retrier has an option that a function of its kind cannot have.
        """
        if isinstance(fn, (staticmethod, classmethod)):
            raise TypeError(f"{fn!r}: put the retry decorator below @staticmethod or @classmethod")
        if not callable(fn) or isinstance(fn, type):  # a decorated class would be a class no more
            raise TypeError(f"Retrier: got {fn!r} to decorate; accepted: a function or a method")
        decorated: Any = self._wrap(fn)
        decorated.retrier = self
        return decorated  # type: ignore[no-any-return]  # same signature as fn

    def _wrap(self, fn: Callable[..., Any]) -> Callable[..., Any]:
        if is_generator_function(fn):
            from bedrock_resilience.retrying._generators import decorate  # noqa: PLC0415 - few are decorated

            return decorate(self, fn)
        if is_coroutine_function(fn):

            @functools.wraps(fn)
            async def async_wrapper(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - the type is fn's own
                return await self.acall(fn, *args, **kwargs)

            return async_wrapper
        refuse_attempt_timeout(self)

        @functools.wraps(fn)
        def wrapper(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - the type is fn's own
            return self.call(fn, *args, **kwargs)

        return wrapper

    def replace(self, **changes: Any) -> Retrier:  # noqa: ANN401 - each argument has its own type, checked by __init__
        """Return a copy with some arguments changed. Pacer, budget and listeners that are not changed stay shared.

        Raises:
            TypeError: A name that is not an argument.
        """
        return Retrier(**{**{name: getattr(self, name) for name in CallSettings.__slots__}, **changes})

    def __repr__(self) -> str:
        parts = {name: getattr(self, name) for name in ("deadline", "timeout", "budget", "pacer")}
        given = "".join(f", {name}={part!r}" for name, part in parts.items() if part is not None)
        return f"Retrier({self.policy!r}{given})"


def retrier_of(fn: Callable[..., Any]) -> Retrier:
    """Return the retrier of a decorated function or method.

    Raises:
        TypeError: The function is not decorated with a ``Retrier``.
    """
    retrier = getattr(fn, "retrier", None)
    if isinstance(retrier, Retrier):
        return retrier
    raise TypeError(f"retrier_of: fn: got {fn!r}; accepted: a function that is decorated with retry() or a Retrier")


def with_options(fn: F, **changes: Any) -> F:  # noqa: ANN401 - each argument has its own type, checked by Retrier
    """Return a decorated function with some arguments of its retrier changed; ``fn`` itself is not.

    For example ``with_options(ask, deadline=Deadline.after(5))("why?")`` for one call. A method of an instance stays
    bound to it.

    Raises:
        TypeError: The function is not decorated with a ``Retrier``, or a name is not an argument of it.
    """
    retrier = retrier_of(fn).replace(**changes)
    if isinstance(fn, MethodType):
        return MethodType(retrier(fn.__func__.__wrapped__), fn.__self__)  # type: ignore[return-value,attr-defined]  # as decorated
    return retrier(fn.__wrapped__)  # type: ignore[attr-defined,no-any-return]  # functools.wraps has set it


retry = Retrier
"""The decorator: ``@retry(policy, ...)`` takes the arguments of ``Retrier``."""


def check_parts(
    policy: object,
    clock: object,
    rng: object,
    *,
    deadline: object,
    timeout: object,
    budget: object,
    pacer: object,
    listeners: object,
) -> tuple[Problem | None, ...]:
    """Check what every way to make a call takes: a retrier, and the protection of a client."""
    return (
        _check_policy(policy),
        has_methods("clock", clock, ("monotonic", "sleep", "asleep"), "a clock with monotonic(), sleep() and asleep()"),
        has_methods("rng", rng, ("random",), "a random.Random", optional=True),
        has_methods("deadline", deadline, ("allows",), "a Deadline, such as Deadline.after(30)", optional=True),
        number("timeout", timeout, above=0, unit="seconds", optional=True),
        has_methods("budget", budget, ("deposit", "try_withdraw"), "a RetryBudget", optional=True),
        _check_pacer(pacer),
        _check_listeners(listeners),
    )


def _check_pacer(given: object) -> Problem | None:
    accepted = "a pacer, such as AdaptivePacer(), or 'auto', or None"
    if isinstance(given, str):
        return None if given == "auto" else wrong_value("pacer", given, accepted)
    problem = has_methods("pacer", given, ("reserve", "answered", "throttled", "abandoned"), accepted, optional=True)
    if problem is not None:
        from bedrock_resilience.quotas import Quota  # noqa: PLC0415 - only a refusal needs it

        if isinstance(given, Quota):
            return wrong_type("pacer", given, f"QuotaPacer(quota) for a quota, or {accepted}")
    return problem


def made_pacer(given: Pacer | Literal["auto"] | None) -> Pacer | None:
    """Return the pacer that was given; a new ``AdaptivePacer`` for ``"auto"``."""
    if given != "auto":
        return given
    from bedrock_resilience.pacing import AdaptivePacer  # noqa: PLC0415 - a program without a pacer does not load it

    return AdaptivePacer()


def _check_predicate(given: object) -> Problem | None:
    accepted = "a function of one result"
    if given is not None and is_coroutine_function(given):  # a coroutine is true: it would reject every result
        return wrong_type("retry_on_result", given, f"{accepted} that is not a coroutine function")
    return function("retry_on_result", given, accepted, optional=True)


def _check_policy(given: object) -> Problem | None:
    hint = ", or nothing: @retry()" if callable(given) else ""  # a common mistake: @retry without parentheses
    return instance("policy", given, RetryPolicy, f"a RetryPolicy{hint}")


def _check_info(given: object) -> Problem | None:
    if given is None or callable(given):
        return None
    from bedrock_resilience.retrying._call_info import CallInfo  # noqa: PLC0415 - who has one has loaded it

    return instance("info", given, CallInfo, "a CallInfo, or a function of the call's arguments that returns one")


def _check_listeners(given: object) -> Problem | None:
    accepted = "an iterable of functions that take one event, such as [LoggingListener()]"
    if not isinstance(given, tuple):
        return wrong_type("listeners", given, accepted)
    listeners = cast("tuple[object, ...]", given)
    for one in listeners:
        if not callable(one) or isinstance(one, type):  # a class would only be made, once for each event
            return wrong_type("listeners", one, accepted)
        if is_coroutine_function(one):
            return wrong_type("listeners", one, f"{accepted}; they are not awaited")
    return None
