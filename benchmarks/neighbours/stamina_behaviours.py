"""What stamina documents, beside this library."""

# ruff: noqa: D103 - each function is one observation, which a row of the table names

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

import stamina
from benchmarks.neighbours.behaviour import (
    POLICY,
    Behaviour,
    BusyError,
    Flaky,
    HalfRandom,
    classified,
    outcome,
    retrier,
    virtual_time,
)
from stamina import instrumentation

from bedrock_resilience import AdditiveJitter, Retrier, RetryPolicy, retry
from bedrock_resilience.retrying import RetryScheduled
from bedrock_resilience.telemetry import LoggingListener
from bedrock_resilience.testing import FakeClock, instant_retries, no_retries

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

QUICK: Any = {"attempts": 3, "wait_initial": 0, "wait_max": 0, "wait_jitter": 0}


def named(fn: Callable[[], object]) -> Callable[[], object]:
    """Return a plain function, which stamina's log lines can name."""

    def function() -> object:
        return fn()

    return function


def their_call(fn: Callable[[], object], **options: Any) -> object:
    """Call a function under stamina, on virtual time."""
    with virtual_time():
        return outcome(stamina.retry(**{"on": BusyError, **options})(fn))


def their_calls(failures: int = 99, **options: Any) -> tuple[int, object]:
    fn = Flaky(failures)
    result = their_call(named(fn), **options)
    return fn.calls, result


def our_calls(failures: int = 99, policy: RetryPolicy = POLICY, **options: Any) -> tuple[int, object]:
    fn = Flaky(failures)
    result = outcome(lambda: retrier(policy, **options).call(fn))
    return fn.calls, result


def their_sleeps(**options: Any) -> list[float]:
    fn = Flaky(99)
    with virtual_time() as clock:
        outcome(stamina.retry(**{"on": BusyError, "timeout": None, **options})(named(fn)))
    return [round(seconds, 6) for seconds in clock.sleeps]


def our_sleeps(fn: Callable[[], object] | None = None, **fields: Any) -> list[float]:
    clock = FakeClock()
    policy = RetryPolicy(**{"jitter": POLICY.jitter, **fields})
    outcome(lambda: retrier(policy, clock=clock, rng=HalfRandom()).call(fn or Flaky(99)))
    return [round(seconds, 6) for seconds in clock.sleeps]


class SevenSecondsError(BusyError):
    """Says how long to wait."""

    def __init__(self) -> None:
        self.response = {"ResponseMetadata": {"HTTPHeaders": {"retry-after": "7"}}}


def their_backoff_hook() -> int:
    fn = Flaky(9, SevenSecondsError)
    with virtual_time() as clock:
        outcome(stamina.retry(on=lambda _: 7.0, attempts=2)(named(fn)))
    return int(clock.sleeps[0])


def their_time_limit() -> float:
    fn = Flaky(99)
    with virtual_time() as clock:
        outcome(
            stamina.retry(on=BusyError, attempts=None, timeout=5, wait_initial=2, wait_exp_base=1, wait_jitter=0)(
                named(fn)
            )
        )
        return clock.monotonic()


def our_deadline() -> float:
    clock = FakeClock()
    policy = RetryPolicy(98, base_delay=2.0, multiplier=1.0, jitter=POLICY.jitter)
    outcome(lambda: retrier(policy, clock=clock, timeout=5.0).call(Flaky(99)))
    return clock.monotonic()


def their_block() -> tuple[int, object, list[int]]:
    fn, value, numbers = Flaky(2), None, []
    for attempt in stamina.retry_context(on=BusyError, **QUICK):
        with attempt:
            numbers.append(attempt.num)
            value = fn()
    return fn.calls, value, numbers


def our_block() -> tuple[int, object, list[int]]:
    fn, value, numbers = Flaky(2), None, []
    for attempt in retrier():
        with attempt:
            numbers.append(attempt.number)
            value = fn()
    return fn.calls, value, numbers


def their_async_block() -> int:
    fn = Flaky(2)

    async def main() -> None:
        async for attempt in stamina.retry_context(on=BusyError, **QUICK):
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


def their_next_wait() -> bool:
    return any(hasattr(attempt, "next_wait") for attempt in [next(iter(stamina.retry_context(on=BusyError)))])


def our_next_wait() -> bool:
    return hasattr(next(iter(retrier())), "next_wait")


def their_coroutine_function() -> tuple[object, int]:
    fn = Flaky(2)

    @stamina.retry(on=BusyError, **QUICK)
    async def work() -> object:
        return await fn.awaited()

    return asyncio.run(work()), fn.calls


def our_coroutine_function() -> tuple[object, int]:
    fn = Flaky(2)

    @retry(POLICY, clock=FakeClock())
    async def work() -> object:
        return await fn.awaited()

    return asyncio.run(work()), fn.calls


def generated(
    decorate: Callable[[Callable[[], Iterator[int]]], Callable[[], Iterator[int]]], fails_after: int
) -> object:
    """What a consumer receives of a generator that fails once, after so many values."""
    failed: list[bool] = []

    def generate() -> Iterator[int]:
        for value in range(4):
            if value == fails_after and not failed:
                failed.append(True)
                raise BusyError
            yield value

    received: list[object] = []

    def consume() -> None:
        received.extend(decorate(generate)())

    result = outcome(consume)
    return received, result


def agenerated(
    decorate: Callable[[Callable[[], AsyncIterator[object]]], Callable[[], AsyncIterator[object]]],
) -> object:
    """What an asynchronous generator yields whose start fails twice."""
    fn = Flaky(2)

    async def generate() -> AsyncIterator[object]:
        yield fn()

    async def consume() -> list[object]:
        return [value async for value in decorate(generate)()]

    return outcome(lambda: asyncio.run(consume()))


def their_tests(switch: Callable[[], object], attempts: int = 3) -> int:
    try:
        switch()
        return their_calls(attempts=attempts)[0]
    finally:
        stamina.set_active(True)
        stamina.set_testing(False)


def our_tests(switch: Any, max_retries: int = 2) -> int:
    fn = Flaky(99)
    with switch:
        outcome(lambda: Retrier(POLICY.replace(max_retries=max_retries)).call(fn))
    return fn.calls


def their_testing_block() -> tuple[int, int]:
    with stamina.set_testing(True):
        inside = their_calls(attempts=3)[0]
    return inside, their_calls(attempts=3)[0]


def their_hook(read: Callable[[Any], object], functions: int = 1) -> list[object]:
    observed: list[object] = []
    before = instrumentation.get_on_retry_hooks()
    instrumentation.set_on_retry_hooks([lambda details: observed.append(read(details))])
    try:
        for _ in range(functions):
            their_calls(attempts=3, wait_initial=1, wait_jitter=0)
    finally:
        instrumentation.set_on_retry_hooks(before)
    return observed


def our_hook(read: Callable[[RetryScheduled], object], functions: int = 1) -> list[object]:
    observed: list[object] = []

    def listen(event: object) -> None:
        if isinstance(event, RetryScheduled):
            observed.append(read(event))

    for number in range(functions):
        our_calls(listeners=() if number else (listen,))
    return observed


class Records(logging.Handler):
    """Counts log records."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Count one."""
        self.count += record.levelno >= logging.WARNING


def logged(name: str, run: Callable[[logging.Logger], object]) -> int:
    """The number of warnings that a call writes to a logger."""
    logger, records = logging.getLogger(name), Records()
    logger.addHandler(records)
    before, logger.propagate = logger.propagate, False
    try:
        run(logger)
    finally:
        logger.removeHandler(records)
        logger.propagate = before
    return records.count


def their_log(*, default: bool) -> int:
    before = instrumentation.get_on_retry_hooks()
    instrumentation.set_on_retry_hooks([instrumentation.LoggingOnRetryHook] if default else [])
    try:
        return logged("stamina", lambda _: their_calls(2, attempts=3))
    finally:
        instrumentation.set_on_retry_hooks(before)


STAMINA = (
    Behaviour(
        "stamina",
        "Tutorial",
        "what is retried has to be named",
        lambda: outcome(lambda: stamina.retry()(print)),  # type: ignore[call-arg]  # that is the point
        lambda: outcome(retry()(lambda: "value")),
        "RetryPolicy(retry_on=...)",
        "the library is for Bedrock: it recognizes a throttle, and retries that by default",
    ),
    Behaviour(
        "stamina",
        "Tutorial",
        "exceptions of a class",
        lambda: their_calls(2, **QUICK),
        lambda: our_calls(2),
        "retry_on= with faults, classify= for exceptions of your own",
    ),
    Behaviour(
        "stamina",
        "Tutorial",
        "other exceptions are raised at once",
        lambda: their_call(Flaky(1, LookupError).__call__, **QUICK),
        lambda: outcome(lambda: retrier().call(Flaky(1, LookupError))),
        "the default",
    ),
    Behaviour(
        "stamina",
        "Tutorial",
        "a predicate of the exception",
        lambda: their_calls(2, **{**QUICK, "on": lambda error: isinstance(error, BusyError)}),
        lambda: our_calls(2, classify=classified(lambda error: isinstance(error, BusyError))),
        "classify=",
    ),
    Behaviour(
        "stamina",
        "Tutorial",
        "a hook that returns the seconds to wait",
        their_backoff_hook,
        lambda: int(our_sleeps(Flaky(9, SevenSecondsError))[0]),
        "Retry-After is read by default",
    ),
    Behaviour(
        "stamina",
        "Tutorial",
        "the last exception where retries did not help",
        lambda: their_calls(**QUICK),
        our_calls,
        "the default",
    ),
    Behaviour(
        "stamina",
        "Tutorial",
        "10 attempts by default",
        lambda: their_calls(timeout=None)[0],
        lambda: our_calls(policy=RetryPolicy())[0],
        "RetryPolicy(max_retries=9)",
        "an attempt may cost a generation; 4 attempts are the contract of the wrapper that this library began as",
    ),
    Behaviour(
        "stamina",
        "API reference: retry",
        "a limit of attempts",
        lambda: their_calls(**{**QUICK, "attempts": 5})[0],
        lambda: our_calls(policy=POLICY.replace(max_retries=4))[0],
        "RetryPolicy(max_retries=attempts - 1)",
    ),
    Behaviour(
        "stamina",
        "API reference: retry",
        "exponential backoff",
        lambda: their_sleeps(attempts=5, wait_initial=0.1, wait_jitter=0),
        lambda: our_sleeps(max_retries=4, base_delay=0.1),
        "base_delay=",
    ),
    Behaviour(
        "stamina",
        "API reference: retry",
        "another base of the backoff",
        lambda: their_sleeps(attempts=4, wait_initial=0.1, wait_jitter=0, wait_exp_base=3),
        lambda: our_sleeps(max_retries=3, base_delay=0.1, multiplier=3.0),
        "multiplier=",
    ),
    Behaviour(
        "stamina",
        "API reference: retry",
        "a longest backoff",
        lambda: their_sleeps(attempts=6, wait_initial=1, wait_jitter=0, wait_max=5),
        lambda: our_sleeps(max_retries=5, base_delay=1.0, max_delay=5.0),
        "max_delay=",
    ),
    Behaviour(
        "stamina",
        "API reference: retry",
        "random jitter on top",
        lambda: their_sleeps(attempts=4, wait_initial=0.1, wait_jitter=1),
        lambda: our_sleeps(max_retries=3, base_delay=0.1, jitter=AdditiveJitter(1.0)),
        "jitter=AdditiveJitter(1)",
    ),
    Behaviour(
        "stamina",
        "API reference: retry",
        "a time limit for all attempts, which the last sleep may exceed",
        their_time_limit,
        our_deadline,
        "timeout=",
        "Lambda ends a process at its time limit, without an exception: no sleep ends after the limit",
    ),
    Behaviour(
        "stamina",
        "API reference: retry",
        "a generator is retried until its first value",
        lambda: generated(stamina.retry(on=BusyError, **QUICK), 0),
        lambda: generated(retrier(), 0),
        "@retry()",
    ),
    Behaviour(
        "stamina",
        "API reference: retry",
        "a generator that fails later is started again",
        lambda: generated(stamina.retry(on=BusyError, **QUICK), 2),
        lambda: generated(retrier(), 2),
        "@retry()",
        "the consumer would receive the first values twice, and pay for them twice",
    ),
    Behaviour(
        "stamina",
        "API reference: retry",
        "an asynchronous generator is retried until its first value",
        lambda: agenerated(stamina.retry(on=BusyError, **QUICK)),
        lambda: agenerated(retrier()),
        "@retry()",
    ),
    Behaviour(
        "stamina",
        "Tutorial",
        "a coroutine function",
        their_coroutine_function,
        our_coroutine_function,
        "@retry(), Retrier.acall",
    ),
    Behaviour(
        "stamina",
        "Tutorial",
        "a block of statements, with the number of the attempt",
        their_block,
        our_block,
        "for attempt in retrier: with attempt:",
    ),
    Behaviour(
        "stamina",
        "Tutorial",
        "a block of statements that awaits",
        their_async_block,
        our_async_block,
        "async for attempt in retrier: with attempt:",
    ),
    Behaviour(
        "stamina",
        "API reference: Attempt",
        "an attempt has the wait after it",
        their_next_wait,
        our_next_wait,
        "listeners=: RetryScheduled.delay",
        "the wait depends on how the attempt fails: Retry-After, the pacer and the fault are known only then",
    ),
    Behaviour(
        "stamina",
        "API reference: RetryingCaller",
        "an object that calls any function",
        lambda: outcome(lambda: stamina.RetryingCaller(**QUICK)(BusyError, Flaky(2))),
        lambda: outcome(lambda: retrier().call(Flaky(2))),
        "Retrier.call",
    ),
    Behaviour(
        "stamina",
        "API reference: RetryingCaller",
        "an object that is bound to what it retries",
        lambda: outcome(lambda: stamina.RetryingCaller(**QUICK).on(BusyError)(Flaky(2))),
        lambda: outcome(lambda: retrier().call(Flaky(2))),
        "Retrier",
    ),
    Behaviour(
        "stamina",
        "API reference: AsyncRetryingCaller",
        "an object that awaits any coroutine function",
        lambda: asyncio.run(stamina.AsyncRetryingCaller(**QUICK)(BusyError, Flaky(2).awaited)),
        lambda: asyncio.run(retrier().acall(Flaky(2).awaited)),
        "Retrier.acall",
    ),
    Behaviour(
        "stamina",
        "Testing",
        "retrying can be turned off",
        lambda: their_tests(lambda: stamina.set_active(False)),
        lambda: our_tests(no_retries()),
        "testing.no_retries()",
    ),
    Behaviour(
        "stamina",
        "Testing",
        "retries do not wait, and there is one attempt",
        lambda: their_tests(lambda: stamina.set_testing(True)),
        lambda: our_tests(instant_retries(max_retries=0)),
        "testing.instant_retries(max_retries=0)",
    ),
    Behaviour(
        "stamina",
        "Testing",
        "retries do not wait, and there are as many as the test says",
        lambda: their_tests(lambda: stamina.set_testing(True, attempts=2)),
        lambda: our_tests(instant_retries(max_retries=1)),
        "testing.instant_retries(max_retries=1)",
    ),
    Behaviour(
        "stamina",
        "Testing",
        "the number of attempts may be a cap",
        lambda: their_tests(lambda: stamina.set_testing(True, attempts=9, cap=True)),
        lambda: our_tests(instant_retries(max_retries=8)),
        "testing.instant_retries(max_retries=8)",
    ),
    Behaviour(
        "stamina",
        "Testing",
        "a test may ask for more attempts than the code does",
        lambda: their_tests(lambda: stamina.set_testing(True, attempts=9)),
        lambda: our_tests(instant_retries(max_retries=8)),
        "testing.instant_retries(max_retries=8)",
        "a call that is never retried in production must not be in a test; the limit is a cap",
    ),
    Behaviour(
        "stamina",
        "Testing",
        "the switch is a context manager",
        their_testing_block,
        lambda: (our_tests(no_retries()), our_calls()[0]),
        "testing.no_retries(), testing.instant_retries()",
    ),
    Behaviour(
        "stamina",
        "Instrumentation",
        "a hook is called with the number of each retry",
        lambda: their_hook(lambda details: details.retry_num),
        lambda: our_hook(lambda event: event.attempt),
        "listeners=: RetryScheduled.attempt",
    ),
    Behaviour(
        "stamina",
        "Instrumentation",
        "a hook is called with the wait",
        lambda: their_hook(lambda details: details.wait_for),
        lambda: our_hook(lambda event: event.delay),
        "listeners=: RetryScheduled.delay",
    ),
    Behaviour(
        "stamina",
        "Instrumentation",
        "a hook is called with the cause",
        lambda: their_hook(lambda details: type(details.caused_by).__name__),
        lambda: our_hook(lambda event: type(event.error).__name__),
        "listeners=: RetryScheduled.error",
    ),
    Behaviour(
        "stamina",
        "Instrumentation",
        "hooks are set for the whole process",
        lambda: len(their_hook(lambda _: None, functions=2)),
        lambda: len(our_hook(lambda _: None, functions=2)),
        "listeners= of each retrier",
        "two libraries in one process must not replace each other's hooks; share a Retrier to share its listeners",
    ),
    Behaviour(
        "stamina",
        "Instrumentation",
        "a warning for each retry in the log",
        lambda: their_log(default=True),
        lambda: logged("bedrock_resilience.example", lambda logger: our_calls(2, listeners=[LoggingListener(logger)])),
        "listeners=[LoggingListener()]",
    ),
    Behaviour(
        "stamina",
        "Instrumentation",
        "the log is on by default",
        lambda: their_log(default=True),
        lambda: logged("bedrock_resilience", lambda _: our_calls(2)),
        "listeners=[LoggingListener()]",
        "metric filters count log lines as retries; they must be those that the application chose",
    ),
)
