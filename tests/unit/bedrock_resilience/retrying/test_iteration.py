"""The attempts of one call as a loop, for blocks of statements."""

from __future__ import annotations

import asyncio
import gc
import threading
import weakref
from typing import TYPE_CHECKING, NoReturn

import pytest

from bedrock_resilience import (
    Deadline,
    DeadlineExceededError,
    Fault,
    NoJitter,
    Retrier,
    RetriesExhaustedError,
    RetryPolicy,
    StopReason,
)
from bedrock_resilience.errors import AttemptTimeoutError, CallStoppedError, RejectedResultError
from bedrock_resilience.retrying import (
    AttemptStarting,
    CallCancelled,
    CallFailed,
    CallStarted,
    CallSucceeded,
    RetryBudget,
    RetryScheduled,
)
from bedrock_resilience.testing import (
    FakeClock,
    ascripted,
    scripted,
    throttling_error,
    throttling_errors,
    validation_error,
)
from support.pacers import RecordingPacer

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from bedrock_resilience.retrying import Event

PLAIN = RetryPolicy(jitter=NoJitter())
THROTTLED = type(throttling_error())
NOTE = "bedrock_resilience: gave up after"


def loop(retrier: Retrier, fn: Callable[[], object]) -> None:
    for attempt in retrier:
        with attempt:
            attempt.set_result(fn())


async def aloop(retrier: Retrier, fn: Callable[[], Awaitable[object]]) -> None:
    async for attempt in retrier:
        with attempt:
            attempt.set_result(await fn())


def throttled() -> NoReturn:
    raise throttling_error()


class TestLoop:
    def test_a_block_is_retried(self) -> None:
        clock, fn = FakeClock(), scripted(*throttling_errors(2), "answer")
        numbers: list[tuple[int, int]] = []
        answer: object = None
        for attempt in Retrier(PLAIN, clock=clock):
            with attempt:
                numbers.append((attempt.number, attempt.max_attempts))
                answer = fn()
        assert answer == "answer"
        assert numbers == [(1, 4), (2, 4), (3, 4)]
        assert clock.sleeps == [0.5, 1.0]

    def test_the_last_error_is_raised(self) -> None:
        fn, last = scripted(*throttling_errors(3), error := throttling_error()), error
        with pytest.raises(THROTTLED) as raised:
            loop(Retrier(PLAIN, clock=FakeClock()), fn)
        assert raised.value is last
        assert last.__notes__ == [f"{NOTE} 4 attempts and 3.50 s of waiting: retries exhausted"]
        assert last.__context__ is None

    def test_what_is_not_retried_is_raised_at_once(self) -> None:
        fn = scripted(validation_error())
        with pytest.raises(type(validation_error())):
            loop(Retrier(PLAIN, clock=FakeClock()), fn)
        assert fn.calls == 1

    def test_retries_exhausted(self) -> None:
        last = throttling_error()
        fn = scripted(*throttling_errors(3), last)
        with pytest.raises(RetriesExhaustedError) as raised:
            loop(Retrier(PLAIN, clock=FakeClock(), raise_exhausted=True), fn)
        assert raised.value.__cause__ is last

    def test_the_events_are_those_of_a_call(self) -> None:
        events: list[Event] = []
        error = throttling_error()
        fn = scripted(error, "answer")
        for attempt in Retrier(PLAIN, clock=FakeClock(), listeners=[events.append]):
            with attempt:
                attempt.set_result(fn())
        assert events == [
            CallStarted(),
            RetryScheduled(attempt=1, max_attempts=4, delay=0.5, fault=Fault.THROTTLING, error=error),
            CallSucceeded(
                attempts=2, retries=1, throttles=1, fault=Fault.THROTTLING, backoff_seconds=0.5, answer="answer"
            ),
        ]

    def test_return_and_break_inside_are_successes(self) -> None:
        events: list[Event] = []
        retrier = Retrier(PLAIN, clock=FakeClock(), listeners=[events.append])

        def work() -> str:
            for attempt in retrier:
                with attempt:
                    return "answer"
            raise AssertionError

        assert work() == "answer"
        for attempt in retrier:
            with attempt:
                break
        assert [type(event) for event in events] == [CallStarted, CallSucceeded] * 2

    def test_a_loop_that_is_left_before_its_attempt_sends_nothing(self) -> None:
        pacer = RecordingPacer()
        for _ in Retrier(PLAIN, pacer=pacer):
            break
        assert pacer.ended == ["answered"], "whether it was sent is unknown"

    def test_an_interrupt_is_not_retried(self) -> None:
        pacer = RecordingPacer()
        with pytest.raises(KeyboardInterrupt):
            loop(Retrier(PLAIN, clock=FakeClock(), pacer=pacer), scripted(KeyboardInterrupt()))
        assert pacer.ended == ["answered"]

    def test_every_attempt_is_reported_to_the_pacer(self) -> None:
        pacer, fn = RecordingPacer(), scripted(throttling_error(), "answer")
        for attempt in Retrier(PLAIN, clock=FakeClock(), pacer=pacer):
            with attempt:
                fn()
        assert pacer.ended == ["throttled", "answered"]

    def test_a_result_may_be_rejected(self) -> None:
        clock, fn = FakeClock(), scripted("pending", "done")
        result: object = None
        for attempt in Retrier(PLAIN, clock=clock, retry_on_result="pending".__eq__):
            with attempt:
                result = fn()
                attempt.set_result(result)
        assert result == "done"
        assert clock.sleeps == [0.5]
        with pytest.raises(RejectedResultError):
            loop(Retrier(PLAIN, clock=clock, retry_on_result="pending".__eq__), scripted(then="pending"))

    def test_the_deadline_and_the_budget_are_obeyed(self) -> None:
        deadlines: list[Deadline | None] = []

        def work() -> NoReturn:
            deadlines.append(Deadline.current())
            raise throttling_error()

        with pytest.raises(THROTTLED):
            loop(Retrier(PLAIN, clock=FakeClock(), deadline=Deadline(1.6)), work)
        assert deadlines == [Deadline(1.6)] * 3
        assert Deadline.current() is None
        with pytest.raises(DeadlineExceededError):
            next(iter(Retrier(PLAIN, clock=FakeClock(2.0), deadline=Deadline(1.6))))
        with pytest.raises(THROTTLED) as raised:
            loop(Retrier(PLAIN, budget=RetryBudget(0, 0)), throttled)
        assert raised.value.__notes__ == [f"{NOTE} 1 attempt and 0.00 s of waiting: retry budget spent"]

    def test_hooks_run_before_the_attempt(self) -> None:
        starts: list[AttemptStarting] = []
        fn = scripted(throttling_error(), "answer")
        for attempt in Retrier(PLAIN, clock=FakeClock(), before_attempt=starts.append):
            with attempt:
                fn()
        assert [starting.attempt for starting in starts] == [1, 2]

    def test_an_iteration_without_with_is_an_error(self) -> None:
        events: list[Event] = []
        attempts = iter(Retrier(PLAIN, listeners=[events.append]))
        next(attempts)
        with pytest.raises(RuntimeError) as refused:
            next(attempts)
        assert str(refused.value) == ("an attempt was not used: write 'with attempt:' around the statements to retry")

    def test_an_error_caught_outside_the_loop_ends_it(self) -> None:
        iterations = 0
        for attempt in Retrier(PLAIN.replace(max_retries=1), clock=FakeClock()):
            iterations += 1
            try:
                with attempt:
                    raise throttling_error()
            except THROTTLED:
                pass
        assert iterations == 2

    def test_a_fallback_is_refused(self) -> None:
        with pytest.raises(TypeError) as refused:
            next(iter(Retrier(PLAIN, fallback=str)))
        assert str(refused.value) == (
            "Retrier: fallback: a loop has no value to substitute; accepted: None; catch the exception around the loop"
        )

    def test_one_retrier_serves_many_loops(self) -> None:
        retrier = Retrier(PLAIN, clock=FakeClock())
        one, other = iter(retrier), iter(retrier)
        assert (next(one).number, next(other).number) == (1, 1)

    def test_a_failed_loop_leaves_no_reference_cycle(self) -> None:
        class Payload:
            """Something that must not outlive the loop."""

        def run(payload: Payload) -> None:
            for attempt in Retrier(PLAIN, clock=FakeClock()):
                with attempt:
                    assert payload
                    raise throttling_error()

        gc.collect()
        gc.disable()
        try:
            payload = Payload()
            alive = weakref.ref(payload)
            with pytest.raises(THROTTLED) as raised:
                run(payload)
            del payload, raised
            assert alive() is None
        finally:
            gc.enable()

    def test_a_finished_loop_is_reported_once_however_it_is_left(self) -> None:
        events: list[Event] = []
        for attempt in Retrier(PLAIN, listeners=[events.append]):
            with attempt:
                attempt.set_result("answer")
            break
        assert [type(event) for event in events] == [CallStarted, CallSucceeded]

    def test_a_loop_left_between_two_attempts_is_reported_as_cancelled(self) -> None:
        events: list[Event] = []
        for attempt in Retrier(PLAIN, clock=FakeClock(), listeners=[events.append]):
            with attempt:
                raise throttling_error()
            break
        assert [type(event) for event in events] == [CallStarted, RetryScheduled, CallCancelled]

    def test_a_block_without_a_result_is_not_rejected(self) -> None:
        numbers: list[int] = []
        events: list[Event] = []
        for attempt in Retrier(
            PLAIN, clock=FakeClock(), retry_on_result=lambda result: result is None, listeners=[events.append]
        ):
            with attempt:
                numbers.append(attempt.number)
        assert numbers == [1]
        succeeded = events[-1]
        assert isinstance(succeeded, CallSucceeded)
        assert succeeded.answer is None

    def test_a_function_for_the_tokens_gets_no_arguments(self) -> None:
        pacer = RecordingPacer()
        loop(Retrier(PLAIN, pacer=pacer, tokens=lambda: 7), scripted("answer"))
        assert pacer.tokens == [7]

    def test_an_error_in_the_hook_ends_the_loop_before_the_attempt(self) -> None:
        def refuse(_: AttemptStarting) -> None:
            raise LookupError("switched off")

        pacer, fn = RecordingPacer(), scripted("answer")
        events: list[Event] = []
        with pytest.raises(LookupError) as raised:
            loop(Retrier(PLAIN, before_attempt=refuse, pacer=pacer, listeners=[events.append]), fn)
        assert (fn.calls, pacer.ended) == (0, ["abandoned"])
        assert events == [CallStarted(), CallCancelled(attempts=0, fault=Fault.UNKNOWN, error=raised.value)]

    def test_a_loop_past_the_deadline_is_an_event(self) -> None:
        events: list[Event] = []
        with pytest.raises(DeadlineExceededError):
            loop(Retrier(PLAIN, clock=FakeClock(), deadline=Deadline(0.0), listeners=[events.append]), scripted())
        failed = events[-1]
        assert isinstance(failed, CallFailed)
        assert (failed.attempts, failed.reason) == (0, StopReason.DEADLINE)

    def test_a_coroutine_is_refused_as_a_result(self) -> None:
        async def work() -> None: ...

        for attempt in Retrier(PLAIN):
            with pytest.raises(TypeError, match=r"set_result.* returned a coroutine"), attempt:
                attempt.set_result(work())

    def test_the_last_rejected_result_is_in_the_error(self) -> None:
        retrier = Retrier(
            PLAIN, clock=FakeClock(), deadline=Deadline(0.7), retry_on_result=lambda result: result == "pending"
        )
        with pytest.raises(RejectedResultError) as raised:
            loop(retrier, scripted(then="pending"))
        assert raised.value.result == "pending"
        assert "2 attempts" in raised.value.__notes__[0]

    def test_an_interrupt_is_reported_to_the_pacer_at_its_time(self) -> None:
        pacer, clock = RecordingPacer(), FakeClock(3.0)
        with pytest.raises(KeyboardInterrupt):
            loop(Retrier(PLAIN, clock=clock, pacer=pacer), scripted(KeyboardInterrupt()))
        assert pacer.calls[-1] == ("answered", 3.0, None)

    @pytest.mark.parametrize("waits", [(), (5.0,)], ids=["backoff", "pacing"])
    def test_the_stop_event_ends_a_sleep(self, waits: tuple[float, ...]) -> None:
        event, pacer = threading.Event(), RecordingPacer(*waits)
        events: list[Event] = []

        class SettingClock(FakeClock):
            def wait(self, event: threading.Event, seconds: float, /) -> bool:
                event.set()
                return super().wait(event, seconds)

        retrier = Retrier(
            PLAIN,
            clock=SettingClock(2.0),
            stop_event=event,
            pacer=pacer,
            listeners=[events.append],
            raise_exhausted=True,
        )
        with pytest.raises(CallStoppedError if waits else RetriesExhaustedError):
            loop(retrier, scripted(then=throttling_error()))
        failed = events[-1]
        assert isinstance(failed, CallFailed)
        assert failed.reason is StopReason.RUN_STOPPED
        assert (failed.backoff_seconds, failed.pacing_seconds) == (0.0, 0.0)  # it was not slept to its end
        assert pacer.calls[-1] == (("abandoned", 2.0) if waits else ("throttled", 2.0))


class TestAsyncLoop:
    async def test_a_function_for_the_tokens_gets_no_arguments(self) -> None:
        pacer = RecordingPacer()
        await aloop(Retrier(PLAIN, pacer=pacer, tokens=lambda: 7), ascripted("answer"))
        assert pacer.tokens == [7]

    async def test_an_error_in_the_hook_ends_the_loop_before_the_attempt(self) -> None:
        def refuse(_: AttemptStarting) -> None:
            raise LookupError("switched off")

        pacer, fn = RecordingPacer(), ascripted("answer")
        events: list[Event] = []
        with pytest.raises(LookupError) as raised:
            await aloop(Retrier(PLAIN, before_attempt=refuse, pacer=pacer, listeners=[events.append]), fn)
        assert (fn.calls, pacer.ended) == (0, ["abandoned"])
        assert events == [CallStarted(), CallCancelled(attempts=0, fault=Fault.UNKNOWN, error=raised.value)]

    async def test_a_deadline_passed_in_a_sleep_ends_the_loop(self) -> None:
        class LateClock(FakeClock):
            async def asleep(self, seconds: float, /) -> None:
                await super().asleep(10 * seconds)

        events: list[Event] = []
        retrier = Retrier(
            PLAIN, clock=LateClock(), deadline=Deadline(1.0), listeners=[events.append], raise_exhausted=True
        )
        with pytest.raises(RetriesExhaustedError) as raised:
            await aloop(retrier, ascripted(then=throttling_error()))
        assert raised.value.reason is StopReason.DEADLINE
        failed = events[-1]
        assert isinstance(failed, CallFailed)
        assert (failed.attempts, failed.reason) == (1, StopReason.DEADLINE)

    async def test_a_block_is_retried(self) -> None:
        clock, fn = FakeClock(), ascripted(*throttling_errors(2), "answer")
        answer: object = None
        async for attempt in Retrier(PLAIN, clock=clock):
            with attempt:
                answer = await fn()
        assert answer == "answer"
        assert clock.sleeps == [0.5, 1.0]

    async def test_the_last_error_is_raised(self) -> None:
        fn = ascripted(then=throttling_error())
        with pytest.raises(THROTTLED) as raised:
            await aloop(Retrier(PLAIN, clock=FakeClock()), fn)
        assert raised.value.__notes__ == [f"{NOTE} 4 attempts and 3.50 s of waiting: retries exhausted"]

    async def test_each_attempt_has_a_time_limit(self) -> None:
        clock = FakeClock()
        retrier = Retrier(PLAIN.replace(retry_on="transient"), clock=clock, attempt_timeout=30.0)
        with pytest.raises(AttemptTimeoutError):
            await aloop(retrier, asyncio.Event().wait)
        assert clock.monotonic() == 60.5

    async def test_a_cancellation_is_not_retried(self) -> None:
        pacer, entered = RecordingPacer(), asyncio.Event()

        async def work() -> None:
            async for attempt in Retrier(PLAIN.replace(retry_on="transient"), pacer=pacer):
                with attempt:
                    entered.set()
                    await asyncio.Event().wait()

        task = asyncio.create_task(work())
        await entered.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert pacer.ended == ["answered"]

    async def test_a_finished_loop_is_reported_once_however_it_is_left(self) -> None:
        events: list[Event] = []
        attempts = aiter(Retrier(PLAIN, listeners=[events.append]))
        with await anext(attempts) as attempt:
            attempt.set_result("answer")
        await attempts.aclose()
        assert [type(event) for event in events] == [CallStarted, CallSucceeded]

    async def test_a_loop_left_between_two_attempts_is_reported_as_cancelled(self) -> None:
        events: list[Event] = []
        attempts = aiter(Retrier(PLAIN, clock=FakeClock(), listeners=[events.append]))
        with await anext(attempts):
            raise throttling_error()
        await attempts.aclose()
        assert [type(event) for event in events] == [CallStarted, RetryScheduled, CallCancelled]
        assert isinstance(events[-1], CallCancelled)
        assert isinstance(events[-1].error, GeneratorExit)

    async def test_hooks_are_awaited(self) -> None:
        starts: list[int] = []

        async def refresh(starting: AttemptStarting) -> None:
            starts.append(starting.attempt)

        async for attempt in Retrier(PLAIN, before_attempt=refresh):
            with attempt:
                pass
        assert starts == [1]

    async def test_a_call_without_an_attempt(self) -> None:
        events: list[Event] = []
        retrier = Retrier(PLAIN, clock=FakeClock(1.0), deadline=Deadline(1.0), listeners=[events.append])
        with pytest.raises(DeadlineExceededError):
            await anext(aiter(retrier))
        assert [type(event) for event in events] == [CallStarted, CallFailed]

    async def test_an_iteration_without_with_is_an_error(self) -> None:
        attempts = aiter(Retrier(PLAIN))
        await anext(attempts)
        with pytest.raises(RuntimeError, match="an attempt was not used"):
            await anext(attempts)

    async def test_a_fallback_is_refused(self) -> None:
        with pytest.raises(TypeError, match="fallback: a loop has no value"):
            await anext(aiter(Retrier(PLAIN, fallback=str)))
