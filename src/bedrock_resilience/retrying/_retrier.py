"""Retrier: calls functions under a policy, synchronously, asynchronously, or as a decorator."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from bedrock_resilience._checks import Problem, function, has_methods, instance, refuse, wrong_type
from bedrock_resilience.clock import SYSTEM_CLOCK
from bedrock_resilience.retrying._callables import is_coroutine_function, is_generator_function
from bedrock_resilience.retrying._driver import CallSettings, adrive, begin, checked_tokens, drive
from bedrock_resilience.retrying._faults import classify as _classify
from bedrock_resilience.retrying._policy import RetryPolicy

if TYPE_CHECKING:
    import random
    from collections.abc import Awaitable, Callable
    from typing import ParamSpec, TypeVar

    from bedrock_resilience._fault import Fault
    from bedrock_resilience.clock import Clock
    from bedrock_resilience.pacing import Pacer
    from bedrock_resilience.quotas import RequestTokens
    from bedrock_resilience.retrying._budget import RetryBudget
    from bedrock_resilience.retrying._deadline import Deadline
    from bedrock_resilience.retrying._events import Listener

    P = ParamSpec("P")
    T = TypeVar("T")
    F = TypeVar("F", bound=Callable[..., Any])


class Retrier(CallSettings):
    """Calls functions under a policy. It holds no state of a call, so that threads and tasks may share it.

    Args:
        policy: Which faults are retried, how often, and after which delays.
        clock: The source of time and of sleeps.
        rng: The source of jitter; pass a seeded ``random.Random`` for delays that can be repeated.
        deadline: No attempt starts that cannot finish before it, and no sleep ends after it. ``Deadline.current()``
            applies as well.
        budget: Limits the retries of all calls that share it.
        pacer: Asked before every attempt, and informed of the result of each.
        listeners: Called with each event of ``bedrock_resilience.retrying``.
        tokens: Tokens that a request may use at most (input + max_tokens), for a pacer that counts tokens: a number, a
            ``RequestTokens``, or a function of the call's arguments that returns either.
        classify: Returns the ``Fault`` of an exception; replace it to add exceptions of your own.
        raise_exhausted: Raise ``RetriesExhaustedError`` where retries did not help, instead of the last exception.

    Raises:
        TypeError: An argument has the wrong type. The message names every wrong argument.
        ValueError: ``tokens`` is negative.
    """

    __slots__ = ()

    policy: RetryPolicy

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
        given_listeners = (
            tuple(listeners) if isinstance(listeners, Iterable) else listeners
        )  # a generator is read once only
        refuse(
            "Retrier",
            _check_policy(policy),
            has_methods(
                "clock", clock, ("monotonic", "sleep", "asleep"), "a clock with monotonic(), sleep() and asleep()"
            ),
            has_methods("rng", rng, ("random",), "a random.Random", optional=True),
            has_methods("deadline", deadline, ("allows",), "a Deadline, such as Deadline.after(30)", optional=True),
            has_methods("budget", budget, ("deposit", "try_withdraw"), "a RetryBudget", optional=True),
            has_methods(
                "pacer",
                pacer,
                ("reserve", "answered", "throttled", "abandoned"),
                "a pacer, such as AdaptivePacer()",
                optional=True,
            ),
            _check_listeners(given_listeners),
            function("classify", classify, "a function that returns the Fault of an exception"),
        )
        super().__init__(
            policy,
            clock=clock,
            rng=rng,
            deadline=deadline,
            budget=budget,
            pacer=pacer,
            listeners=given_listeners,
            tokens=tokens if callable(tokens) else checked_tokens(tokens),
            classify=classify,
            raise_exhausted=raise_exhausted,
        )

    def call(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Call ``fn(*args, **kwargs)`` until it succeeds or the policy allows no further attempt; return its value.

        Raises:
            Exception: The last exception of ``fn``, with a note that states the attempts, the seconds of waiting and
                why no further attempt was made.
            RetriesExhaustedError: Instead of it, with ``raise_exhausted``.
            DeadlineExceededError: The deadline allows no attempt.
        """
        return drive(self, begin(self, args, kwargs), fn, args, kwargs)

    async def acall(self, fn: Callable[P, Awaitable[T]], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Await ``fn(*args, **kwargs)`` until it succeeds or the policy allows no further attempt.

        It raises what ``call`` raises. A cancellation is not retried.
        """
        return await adrive(self, begin(self, args, kwargs), fn, args, kwargs)

    def __call__(self, fn: F) -> F:
        """Decorate a function or a coroutine function; its signature is kept.

        Raises:
            TypeError: A generator function. Its body runs after the call returned, so that nothing would be retried.
        """
        if isinstance(fn, (staticmethod, classmethod)):
            raise TypeError(f"{fn!r}: put the retry decorator below @staticmethod or @classmethod")
        if not callable(fn):
            raise TypeError(f"Retrier: got {fn!r} to decorate; accepted: a function")
        if is_generator_function(fn):
            raise TypeError(f"{fn!r} is a generator function: decorate the function that consumes it")
        if is_coroutine_function(fn):

            @functools.wraps(fn)
            async def async_wrapper(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - the type is fn's own
                return await self.acall(fn, *args, **kwargs)

            return async_wrapper  # type: ignore[return-value]  # same signature as fn

        @functools.wraps(fn)
        def wrapper(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - the type is fn's own
            return self.call(fn, *args, **kwargs)

        return wrapper  # type: ignore[return-value]  # same signature as fn

    def replace(self, **changes: Any) -> Retrier:  # noqa: ANN401 - each argument has its own type, checked by __init__
        """Return a copy with some arguments changed. Pacer, budget and listeners that are not changed stay shared.

        Raises:
            TypeError: A name that is not an argument.
        """
        return Retrier(**{**{name: getattr(self, name) for name in CallSettings.__slots__}, **changes})

    def __repr__(self) -> str:
        parts = {name: getattr(self, name) for name in ("deadline", "budget", "pacer")}
        given = "".join(f", {name}={part!r}" for name, part in parts.items() if part is not None)
        return f"Retrier({self.policy!r}{given})"


retry = Retrier
"""The decorator: ``@retry(policy, ...)`` takes the arguments of ``Retrier``."""


def _check_policy(given: object) -> Problem | None:
    hint = ", or nothing: @retry()" if callable(given) else ""  # the parentheses are easily forgotten
    return instance("policy", given, RetryPolicy, f"a RetryPolicy{hint}")


def _check_listeners(given: object) -> Problem | None:
    accepted = "an iterable of functions that take one event, such as [LoggingListener()]"
    if not isinstance(given, tuple):
        return wrong_type("listeners", given, accepted)
    return next((wrong_type("listeners", one, accepted) for one in given if not callable(one)), None)
