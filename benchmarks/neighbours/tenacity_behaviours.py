"""What tenacity documents, beside this library."""

# ruff: noqa: D103 - each function is one observation, which a row of the table names

from __future__ import annotations

import asyncio
import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, cast

import tenacity as t
from benchmarks.neighbours.behaviour import (
    POLICY,
    Behaviour,
    BusyError,
    Flaky,
    HalfRandom,
    Scripted,
    classified,
    outcome,
    retrier,
    virtual_time,
)

from bedrock_resilience import (
    AdditiveJitter,
    FullJitter,
    Retrier,
    RetriesExhaustedError,
    RetryPolicy,
    retry,
)
from bedrock_resilience.errors import RejectedResultError
from bedrock_resilience.retrying import CallFailed, RetryScheduled, StatisticsListener, with_options
from bedrock_resilience.testing import FakeClock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bedrock_resilience.retrying import Backoff, Event

THREE: Any = {"stop": t.stop_after_attempt(3), "sleep": lambda _: None}


class UnavailableError(Exception):
    """An error that the caller wants to be retried, and that names no fault."""


def calls_of(run: Callable[[Callable[[], object]], object], failures: int = 9) -> tuple[int, object]:
    """The number of calls and their outcome."""
    fn = Flaky(failures)
    result = outcome(lambda: run(fn))
    return fn.calls, result


def their_sleeps(wait: Any, attempts: int = 4) -> list[float]:
    with virtual_time() as clock:
        outcome(lambda: t.Retrying(wait=wait, stop=t.stop_after_attempt(attempts))(Flaky(9)))
    return clock.sleeps


def our_sleeps(policy: RetryPolicy, fn: Callable[[], object] | None = None) -> list[float]:
    clock = FakeClock()
    outcome(lambda: retrier(policy, clock=clock, rng=HalfRandom()).call(fn or Flaky(9)))
    return clock.sleeps


# --- stopping --------------------------------------------------------------------------------------------------------


def their_time_limit(stop: Any) -> tuple[int, float]:
    fn = Flaky(99)
    with virtual_time() as clock:
        outcome(lambda: t.Retrying(stop=stop, wait=t.wait_fixed(2))(fn))
        return fn.calls, clock.monotonic()


def our_deadline(max_retries: int = 98) -> tuple[int, float]:
    fn, clock = Flaky(99), FakeClock()
    policy = RetryPolicy(max_retries, base_delay=2.0, multiplier=1.0, jitter=POLICY.jitter)
    outcome(lambda: retrier(policy, clock=clock, timeout=5.0).call(fn))
    return fn.calls, clock.monotonic()


def their_stop_event(*, before: bool) -> int:
    event = threading.Event()
    fn = Flaky(9, error=lambda: event.set() or BusyError())  # type: ignore[func-returns-value]  # it sets, then fails
    if before:
        event.set()
    outcome(lambda: t.Retrying(stop=t.stop_when_event_set(event), sleep=t.sleep_using_event(event))(fn))
    return fn.calls


def our_stop_event(*, before: bool) -> int:
    event = threading.Event()
    fn = Flaky(9, error=lambda: event.set() or BusyError())  # type: ignore[func-returns-value]  # as above
    if before:
        event.set()
    outcome(lambda: retrier(stop_event=event).call(fn))
    return fn.calls


# --- waiting ---------------------------------------------------------------------------------------------------------


class Chain:
    """A jitter of the caller's own: a fixed delay for each retry."""

    def __init__(self, *delays: float) -> None:
        self._delays = delays

    def delay(self, backoff: Backoff, u: float, previous: float | None) -> float:  # noqa: ARG002 - as every jitter
        """Return the delay of this retry."""
        return self._delays[min(backoff.retry, len(self._delays) - 1)]

    def bounds(self, backoff: Backoff) -> tuple[float, float]:
        """Return the delay twice."""
        return (self.delay(backoff, 0.0, None),) * 2


class ThrottledForSevenSecondsError(BusyError):
    """Says how long to wait."""

    retry_after = 7

    def __init__(self) -> None:
        self.response = {"ResponseMetadata": {"HTTPHeaders": {"retry-after": "7"}}}


def their_retry_after() -> int:
    wait = t.wait_exception(lambda error: cast("Any", error).retry_after)
    with virtual_time() as clock:
        outcome(lambda: t.Retrying(wait=wait, stop=t.stop_after_attempt(2))(Flaky(9, ThrottledForSevenSecondsError)))
    return int(clock.sleeps[0])


# --- what is retried -------------------------------------------------------------------------------------------------


def their_condition(condition: Any, fn: Any) -> tuple[int, object]:
    return outcome(lambda: t.Retrying(retry=condition, reraise=True, **THREE)(fn)), fn.calls  # type: ignore[return-value]  # reads well


def our_condition(fn: Any, **options: Any) -> tuple[int, object]:
    return outcome(lambda: retrier(**options).call(fn)), fn.calls  # type: ignore[return-value]  # as above


def try_again() -> BaseException:
    return t.TryAgain()


# --- errors ----------------------------------------------------------------------------------------------------------


def their_last_error() -> str:
    try:
        t.Retrying(**THREE)(Flaky(9))
    except t.RetryError as error:
        return type(error.last_attempt.exception()).__name__
    raise AssertionError


def our_last_error() -> str:
    try:
        retrier(raise_exhausted=True).call(Flaky(9))
    except RetriesExhaustedError as error:
        return type(error.error).__name__
    raise AssertionError


def their_last_result() -> object:
    try:
        t.Retrying(retry=t.retry_if_result("pending".__eq__), **THREE)(Scripted("pending"))
    except t.RetryError as error:
        return error.last_attempt.result()
    raise AssertionError


def our_last_result() -> object:
    try:
        retrier(retry_on_result="pending".__eq__).call(Scripted("pending"))
    except RejectedResultError as error:
        return error.result
    raise AssertionError


# --- hooks -----------------------------------------------------------------------------------------------------------


def their_hook(name: str, read: Callable[[t.RetryCallState], object]) -> list[object]:
    observed: list[object] = []
    hook: Any = {name: lambda state: observed.append(read(state))}
    with virtual_time():
        outcome(lambda: t.Retrying(stop=t.stop_after_attempt(3), wait=t.wait_fixed(1), **hook)(Flaky(9)))
    return observed


def our_attempts_before() -> list[object]:
    observed: list[object] = []
    outcome(lambda: retrier(before_attempt=lambda starting: observed.append(starting.attempt)).call(Flaky(9)))
    return observed


def our_events(read: Callable[[Event], object]) -> list[object]:
    observed: list[object] = []
    policy = POLICY.replace(multiplier=1.0)
    outcome(lambda: retrier(policy, listeners=[lambda event: observed.append(read(event))]).call(Flaky(9)))
    return [one for one in observed if one is not None]


def failed_attempt(event: Event) -> object:
    if isinstance(event, RetryScheduled):
        return event.attempt
    return event.attempts if isinstance(event, CallFailed) else None


def scheduled_delay(event: Event) -> object:
    return event.delay if isinstance(event, RetryScheduled) else None


def failing_hook(_: object) -> None:
    raise LookupError


def our_broken_listener() -> object:
    logger = logging.getLogger("bedrock_resilience")
    logger.disabled = True  # it is what is shown
    try:
        return outcome(lambda: retrier(listeners=[failing_hook]).call(Flaky(2)))
    finally:
        logger.disabled = False


# --- statistics and options of a decorated function ------------------------------------------------------------------


def their_statistics(*, elsewhere: bool) -> object:
    def work(fail: list[bool]) -> None:
        if fail.pop():
            raise BusyError

    decorated: Any = t.retry(**THREE)(work)
    for _ in range(2):
        if elsewhere:
            with ThreadPoolExecutor(1) as pool:
                pool.submit(decorated, [False, True]).result()
        else:
            decorated([False, True])
    return decorated.statistics.get("attempt_number", 0)


def our_statistics(*, elsewhere: bool) -> object:
    statistics = StatisticsListener()

    @retry(POLICY, clock=FakeClock(), listeners=[statistics])
    def work(fail: list[bool]) -> None:
        if fail.pop():
            raise BusyError

    for _ in range(2):
        if elsewhere:
            with ThreadPoolExecutor(1) as pool:
                pool.submit(work, [False, True]).result()
        else:
            work([False, True])
    return statistics.snapshot().attempts


class TheirClient:
    """A method that tenacity decorates."""

    calls = 0

    @t.retry(stop=t.stop_after_attempt(3), sleep=lambda _: None, reraise=True)
    def ask(self) -> None:
        """Fail."""
        self.calls += 1
        raise BusyError


class OurClient:
    """A method that this library decorates."""

    calls = 0

    @retry(POLICY, clock=FakeClock())
    def ask(self) -> None:
        """Fail."""
        self.calls += 1
        raise BusyError


def their_changed_options() -> int:
    client = TheirClient()
    changed = cast("Any", TheirClient.ask).retry_with(stop=t.stop_after_attempt(2))
    outcome(lambda: changed(client))
    return client.calls


def our_changed_options() -> int:
    client = OurClient()
    changed = with_options(OurClient.ask, policy=POLICY.replace(max_retries=1))
    outcome(lambda: changed(client))
    return client.calls


def their_changed_bound_method() -> object:
    client = TheirClient()
    return outcome(cast("Any", client.ask).retry_with(stop=t.stop_after_attempt(2)))


def our_changed_bound_method() -> object:
    return outcome(with_options(OurClient().ask, policy=POLICY.replace(max_retries=1)))


def their_copy() -> tuple[int, int]:
    one = t.Retrying(**THREE)
    return calls_of(one.copy(stop=t.stop_after_attempt(2)))[0], calls_of(one)[0]


def our_copy() -> tuple[int, int]:
    one = retrier()
    return calls_of(one.replace(policy=POLICY.replace(max_retries=1)).call)[0], calls_of(one.call)[0]


# --- blocks, coroutines, generators ----------------------------------------------------------------------------------


def their_block() -> tuple[int, object]:
    fn, value = Flaky(2), None
    for attempt in t.Retrying(**THREE):
        with attempt:
            value = fn()
    return fn.calls, value


def our_block() -> tuple[int, object]:
    fn, value = Flaky(2), None
    for attempt in retrier():
        with attempt:
            value = fn()
    return fn.calls, value


def their_result_of_a_block() -> int:
    fn = Scripted("pending", "done")
    for attempt in t.Retrying(retry=t.retry_if_result("pending".__eq__), **THREE):
        with attempt:
            result = fn()
        outcome_of = attempt.retry_state.outcome
        if outcome_of is not None and not outcome_of.failed:
            attempt.retry_state.set_result(result)
    return fn.calls


def our_result_of_a_block() -> int:
    fn = Scripted("pending", "done")
    for attempt in retrier(retry_on_result="pending".__eq__):
        with attempt:
            attempt.set_result(fn())
    return fn.calls


async def _nothing(_: object) -> None:
    """Sleep not at all."""


ASYNC_THREE: Any = {"stop": t.stop_after_attempt(3), "sleep": _nothing}


def their_async_block() -> int:
    fn = Flaky(2)

    async def main() -> None:
        async for attempt in t.AsyncRetrying(**ASYNC_THREE):
            with attempt:
                await fn.awaited()

    asyncio.run(main())
    return fn.calls


def our_async_block() -> int:
    fn = Flaky(2)

    async def main() -> None:
        async for attempt in retrier():
            with attempt:
                await fn.awaited()

    asyncio.run(main())
    return fn.calls


def their_coroutine_function() -> tuple[object, int]:
    fn = Flaky(2)

    async def work() -> object:
        return await fn.awaited()

    return asyncio.run(t.retry(**ASYNC_THREE)(work)()), fn.calls


def our_coroutine_function() -> tuple[object, int]:
    fn = Flaky(2)

    async def work() -> object:
        return await fn.awaited()

    return asyncio.run(retrier()(work)()), fn.calls


def their_async_hook() -> list[int]:
    observed: list[int] = []

    async def hook(state: t.RetryCallState) -> None:
        observed.append(state.attempt_number)

    asyncio.run(t.AsyncRetrying(before=hook, **ASYNC_THREE)(Flaky(2).awaited))
    return observed


def our_async_hook() -> list[int]:
    observed: list[int] = []

    async def hook(starting: Any) -> None:
        observed.append(starting.attempt)

    asyncio.run(retrier(before_attempt=hook).acall(Flaky(2).awaited))
    return observed


def generated(decorate: Callable[[Callable[[], Iterator[object]]], Callable[[], Iterator[object]]]) -> object:
    """What a generator yields whose start fails once."""
    fn = Flaky(1)

    def generate() -> Iterator[object]:
        yield fn()

    return outcome(lambda: list(decorate(generate)()))


def interrupted(run: Callable[[Callable[[], object]], object]) -> object:
    """What a Ctrl-C inside the first attempt becomes."""
    return outcome(lambda: run(Flaky(1, KeyboardInterrupt)))


def our_defaults() -> int:
    fn = Flaky(20)
    outcome(lambda: Retrier(clock=FakeClock()).call(fn))
    return fn.calls


def their_defaults() -> int:
    fn = Flaky(20)
    outcome(t.retry(fn))
    return fn.calls


def their_unknown_error() -> object:
    return outcome(lambda: t.Retrying(**THREE)(Flaky(1, LookupError)))


def described(fn: Any) -> tuple[str, str | None]:
    return fn.__name__, fn.__doc__


def documented() -> None:
    """Do nothing."""


TENACITY = (
    Behaviour(
        "tenacity",
        "Basic retry",
        "without options, a call is retried until it succeeds",
        their_defaults,
        our_defaults,
        "RetryPolicy(max_retries=...)",
        "retries without end or wait keep a throttled service down; the default is 3, after 0.5 s, 1 s and 2 s",
    ),
    Behaviour(
        "tenacity",
        "Basic retry",
        "without options, every Exception is retried",
        their_unknown_error,
        lambda: outcome(lambda: retrier().call(Flaky(1, LookupError))),
        "RetryPolicy(retry_on=...)",
        "a programming error stays one; what Bedrock bills is not sent again unless the policy says so",
    ),
    Behaviour(
        "tenacity",
        "Basic retry",
        "the value of the first success is returned",
        lambda: calls_of(t.Retrying(**THREE), 2),
        lambda: calls_of(retrier().call, 2),
        "@retry(), Retrier.call",
    ),
    Behaviour(
        "tenacity",
        "Basic retry",
        "a decorated function keeps its name and documentation",
        lambda: described(t.retry(documented)),
        lambda: described(retry()(documented)),
        "@retry()",
    ),
    Behaviour(
        "tenacity",
        "Stopping",
        "a limit of attempts",
        lambda: calls_of(t.Retrying(reraise=True, **THREE)),
        lambda: calls_of(retrier().call),
        "RetryPolicy(max_retries=attempts - 1)",
    ),
    Behaviour(
        "tenacity",
        "Stopping",
        "a time after which no attempt starts",
        lambda: their_time_limit(t.stop_before_delay(5)),
        our_deadline,
        "timeout=",
    ),
    Behaviour(
        "tenacity",
        "Stopping",
        "a time after which no attempt follows, which the last sleep may exceed",
        lambda: their_time_limit(t.stop_after_delay(5)),
        our_deadline,
        "timeout=",
        "Lambda ends a process at its time limit, without an exception: no sleep ends after the limit",
    ),
    Behaviour(
        "tenacity",
        "Stopping",
        "two conditions, whichever comes first",
        lambda: their_time_limit(t.stop_before_delay(5) | t.stop_after_attempt(2))[0],
        lambda: our_deadline(1)[0],
        "max_retries= and timeout=",
    ),
    Behaviour(
        "tenacity",
        "Stopping",
        "an event that is set during an attempt ends the retries",
        lambda: their_stop_event(before=False),
        lambda: our_stop_event(before=False),
        "stop_event=",
    ),
    Behaviour(
        "tenacity",
        "Stopping",
        "an event that is set before the call lets the first attempt through",
        lambda: their_stop_event(before=True),
        lambda: our_stop_event(before=True),
        "stop_event=",
        "a program that is to end sends no request that is billed: CallStoppedError",
    ),
    Behaviour(
        "tenacity",
        "Waiting",
        "a fixed time",
        lambda: their_sleeps(t.wait_fixed(3)),
        lambda: our_sleeps(POLICY.replace(max_retries=3, base_delay=3.0, multiplier=1.0)),
        "multiplier=1",
    ),
    Behaviour(
        "tenacity",
        "Waiting",
        "a random time between two bounds",
        lambda: their_sleeps(t.wait_random(1, 2)),
        lambda: our_sleeps(POLICY.replace(max_retries=3, multiplier=1.0, jitter=AdditiveJitter(1.0))),
        "multiplier=1, jitter=AdditiveJitter(1)",
    ),
    Behaviour(
        "tenacity",
        "Waiting",
        "a fixed time plus a random one",
        lambda: their_sleeps(t.wait_fixed(3) + t.wait_random(0, 2)),
        lambda: our_sleeps(POLICY.replace(max_retries=3, base_delay=3.0, multiplier=1.0, jitter=AdditiveJitter(2.0))),
        "jitter=AdditiveJitter(2)",
    ),
    Behaviour(
        "tenacity",
        "Waiting",
        "exponential, with a cap",
        lambda: their_sleeps(t.wait_exponential(multiplier=1, max=5), 5),
        lambda: our_sleeps(POLICY.replace(max_retries=4, max_delay=5.0)),
        "base_delay=, multiplier=, max_delay=",
    ),
    Behaviour(
        "tenacity",
        "Waiting",
        "full jitter",
        lambda: their_sleeps(t.wait_random_exponential(max=5), 5),
        lambda: our_sleeps(POLICY.replace(max_retries=4, max_delay=5.0, jitter=FullJitter())),
        "base_delay=1.0, jitter=FullJitter()",
    ),
    Behaviour(
        "tenacity",
        "Waiting",
        "exponential plus jitter",
        lambda: their_sleeps(t.wait_exponential_jitter(initial=1, max=5, jitter=1)),
        lambda: our_sleeps(POLICY.replace(max_retries=3, max_delay=5.0, jitter=AdditiveJitter(1.0))),
        "jitter=AdditiveJitter(1)",
    ),
    Behaviour(
        "tenacity",
        "Waiting",
        "exponential plus jitter: at the cap, every delay is the same",
        lambda: their_sleeps(t.wait_exponential_jitter(initial=1, max=5, jitter=1), 6),
        lambda: our_sleeps(POLICY.replace(max_retries=5, max_delay=5.0, jitter=AdditiveJitter(1.0))),
        "jitter=AdditiveJitter(1)",
        "workers that have reached the cap would send together; the jitter stays, below the cap",
    ),
    Behaviour(
        "tenacity",
        "Waiting",
        "a chain of different times",
        lambda: their_sleeps(t.wait_chain(t.wait_fixed(3), t.wait_fixed(7))),
        lambda: our_sleeps(POLICY.replace(max_retries=3, jitter=Chain(3.0, 7.0))),
        "a jitter of your own",
    ),
    Behaviour(
        "tenacity",
        "Waiting",
        "the time that the exception asks for",
        their_retry_after,
        lambda: int(our_sleeps(POLICY, Flaky(9, ThrottledForSevenSecondsError))[0]),
        "Retry-After is read by default",
    ),
    Behaviour(
        "tenacity",
        "Whether to retry",
        "exceptions of a class",
        lambda: their_condition(t.retry_if_exception_type(UnavailableError), Flaky(2, UnavailableError)),
        lambda: our_condition(
            Flaky(2, UnavailableError), classify=classified(lambda error: isinstance(error, UnavailableError))
        ),
        "classify=, or an attribute fault of the exception",
    ),
    Behaviour(
        "tenacity",
        "Whether to retry",
        "all but exceptions of a class",
        lambda: their_condition(t.retry_if_not_exception_type(UnavailableError), Flaky(2, UnavailableError)),
        lambda: our_condition(
            Flaky(2, UnavailableError), classify=classified(lambda error: not isinstance(error, UnavailableError))
        ),
        "classify=",
    ),
    Behaviour(
        "tenacity",
        "Whether to retry",
        "exceptions with a text",
        lambda: their_condition(t.retry_if_exception_message(match="busy"), Flaky(2, lambda: ValueError("busy"))),
        lambda: our_condition(
            Flaky(2, lambda: ValueError("busy")), classify=classified(lambda error: str(error).startswith("busy"))
        ),
        "classify=",
    ),
    Behaviour(
        "tenacity",
        "Whether to retry",
        "results",
        lambda: their_condition(t.retry_if_result("pending".__eq__), Scripted("pending", "done")),
        lambda: our_condition(Scripted("pending", "done"), retry_on_result="pending".__eq__),
        "retry_on_result=",
    ),
    Behaviour(
        "tenacity",
        "Whether to retry",
        "results and exceptions",
        lambda: their_condition(
            t.retry_if_result("pending".__eq__) | t.retry_if_exception_type(), Flaky(1, BusyError, "done")
        ),
        lambda: our_condition(Flaky(1, BusyError, "done"), retry_on_result="pending".__eq__),
        "retry_on_result= beside retry_on=",
    ),
    Behaviour(
        "tenacity",
        "Whether to retry",
        "an exception that asks for another attempt",
        lambda: their_condition(t.retry_never, Flaky(2, try_again)),
        lambda: our_condition(Flaky(2)),
        "any exception with fault = Fault.THROTTLING",
    ),
    Behaviour(
        "tenacity",
        "Whether to retry",
        "a Ctrl-C, where all of BaseException is retried",
        lambda: interrupted(t.Retrying(retry=t.retry_if_exception_type(BaseException), **THREE)),
        lambda: interrupted(retrier(classify=classified(lambda _: True)).call),
        "nothing",
        "KeyboardInterrupt, SystemExit and CancelledError mean that the program or the task is to end",
    ),
    Behaviour(
        "tenacity",
        "Error handling",
        "RetryError where retries did not help",
        lambda: calls_of(t.Retrying(**THREE)),
        lambda: calls_of(retrier().call),
        "raise_exhausted=True: RetriesExhaustedError",
        "existing except clauses keep working; the note on the exception has attempts, waits and reason",
    ),
    Behaviour(
        "tenacity",
        "Error handling",
        "the last exception where retries did not help",
        lambda: calls_of(t.Retrying(reraise=True, **THREE)),
        lambda: calls_of(retrier().call),
        "the default",
    ),
    Behaviour(
        "tenacity",
        "Error handling",
        "the error has the last exception",
        their_last_error,
        our_last_error,
        "RetriesExhaustedError.error",
    ),
    Behaviour(
        "tenacity",
        "Error handling",
        "the error has the last result",
        their_last_result,
        our_last_result,
        "RejectedResultError.result",
    ),
    Behaviour(
        "tenacity",
        "Custom callbacks",
        "a substitute where retries did not help",
        lambda: calls_of(t.Retrying(retry_error_callback=lambda _: "substitute", **THREE)),
        lambda: calls_of(retrier(fallback=lambda _: "substitute").call),
        "fallback=",
    ),
    Behaviour(
        "tenacity",
        "Custom callbacks",
        "no substitute for what is not retried",
        lambda: their_condition(t.retry_if_exception_type(BusyError), Flaky(1, LookupError)),
        lambda: our_condition(Flaky(1, LookupError), fallback=str),
        "fallback=",
    ),
    Behaviour(
        "tenacity",
        "Before and after",
        "a hook before each attempt",
        lambda: their_hook("before", lambda state: state.attempt_number),
        our_attempts_before,
        "before_attempt=",
    ),
    Behaviour(
        "tenacity",
        "Before and after",
        "a hook after each failed attempt",
        lambda: their_hook("after", lambda state: state.attempt_number),
        lambda: our_events(failed_attempt),
        "listeners=: RetryScheduled, CallFailed",
    ),
    Behaviour(
        "tenacity",
        "Before and after",
        "a hook before each sleep",
        lambda: their_hook("before_sleep", lambda state: state.next_action and state.next_action.sleep),
        lambda: our_events(scheduled_delay),
        "listeners=: RetryScheduled",
    ),
    Behaviour(
        "tenacity",
        "Before and after",
        "a hook before each sleep that fails ends the call",
        lambda: outcome(lambda: t.Retrying(before_sleep=failing_hook, **THREE)(Flaky(2))),
        our_broken_listener,
        "listeners=; before_attempt= ends the call",
        "a call that is paid for is not lost to a broken log line; it is logged",
    ),
    Behaviour(
        "tenacity",
        "Statistics",
        "the statistics of a function are those of its last call",
        lambda: their_statistics(elsewhere=False),
        lambda: our_statistics(elsewhere=False),
        "listeners=[StatisticsListener()]",
        "a dashboard needs the sum; RetriesExhaustedError and the events have the numbers of one call",
    ),
    Behaviour(
        "tenacity",
        "Statistics",
        "statistics of calls in another thread are not there",
        lambda: their_statistics(elsewhere=True),
        lambda: our_statistics(elsewhere=True),
        "listeners=[StatisticsListener()]",
        "threads are what BoundedExecutor calls from; the counts are locked and none is lost",
    ),
    Behaviour(
        "tenacity",
        "Changing arguments at run time",
        "other options for one call of a decorated function",
        their_changed_options,
        our_changed_options,
        "with_options(fn, policy=...)",
    ),
    Behaviour(
        "tenacity",
        "Changing arguments at run time",
        "other options of a bound method",
        their_changed_bound_method,
        our_changed_bound_method,
        "with_options(client.ask, policy=...)",
        "the function that tenacity returns has lost its instance; here the method stays bound",
    ),
    Behaviour(
        "tenacity",
        "Changing arguments at run time",
        "a retrying object calls any function",
        lambda: calls_of(t.Retrying(**THREE), 1),
        lambda: calls_of(retrier().call, 1),
        "Retrier.call",
    ),
    Behaviour(
        "tenacity",
        "Changing arguments at run time",
        "a copy with other options",
        their_copy,
        our_copy,
        "Retrier.replace",
    ),
    Behaviour(
        "tenacity",
        "Retrying a code block",
        "a block of statements",
        their_block,
        our_block,
        "for attempt in retrier: with attempt:",
    ),
    Behaviour(
        "tenacity",
        "Retrying a code block",
        "the result of a block",
        their_result_of_a_block,
        our_result_of_a_block,
        "attempt.set_result(result), inside the block",
    ),
    Behaviour(
        "tenacity",
        "Async and retry",
        "a block of statements that awaits",
        their_async_block,
        our_async_block,
        "async for attempt in retrier: with attempt:",
    ),
    Behaviour(
        "tenacity",
        "Async and retry",
        "a coroutine function",
        their_coroutine_function,
        our_coroutine_function,
        "@retry(), Retrier.acall",
    ),
    Behaviour(
        "tenacity", "Async and retry", "a hook that is awaited", their_async_hook, our_async_hook, "before_attempt="
    ),
    Behaviour(
        "tenacity",
        "Basic retry",
        "a generator function is called again only where the call itself fails",
        lambda: generated(cast("Any", t.retry(**THREE))),
        lambda: generated(retrier()),
        "@retry()",
        "the body of a generator runs when it is read: it is retried until the first value is out",
    ),
)
