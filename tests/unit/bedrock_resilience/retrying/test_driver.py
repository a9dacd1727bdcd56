"""The drivers: what the options of a retrier change about a call, synchronously and asynchronously."""

from __future__ import annotations

import asyncio
import functools
import threading
from typing import TYPE_CHECKING, Any, NoReturn

import pytest

from bedrock_resilience import BoundedExecutor, DeadlineExceededError, Fault, NoJitter, Retrier, RetryPolicy, retry
from bedrock_resilience._stop_reason import StopReason
from bedrock_resilience.errors import CallStoppedError, RejectedResultError, RetriesExhaustedError
from bedrock_resilience.retrying import (
    AttemptStarting,
    CallFailed,
    CallInfo,
    CallStarted,
    CallSucceeded,
    Deadline,
    PacingWait,
    RetryScheduled,
    StreamOpened,
    classify,
    with_options,
)
from bedrock_resilience.retrying._driver import CallSettings, add_summary, adrive, begin, drive, opened, start, succeed
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
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

    from bedrock_resilience.retrying import Event

PLAIN = RetryPolicy(jitter=NoJitter())
THROTTLED = type(throttling_error())


def pending(result: object) -> bool:
    return result == "pending"


class TestRetryOnResult:
    def test_a_rejected_result_is_retried_under_every_policy(self) -> None:
        clock, pacer = FakeClock(), RecordingPacer()
        events: list[Event] = []
        retrier = Retrier(
            PLAIN.replace(retry_on="none"), clock=clock, retry_on_result=pending, listeners=[events.append], pacer=pacer
        )
        assert retrier.call(scripted("pending", "pending", "done")) == "done"
        assert clock.sleeps == [0.5, 1.0]
        assert [call[:2] for call in pacer.calls if call[0] == "answered"] == [
            ("answered", 0.0),
            ("answered", 0.5),
            ("answered", 1.5),
        ]
        assert [type(event) for event in events] == [CallStarted, RetryScheduled, RetryScheduled, CallSucceeded]
        first = events[1]
        assert isinstance(first, RetryScheduled)
        assert first.fault is Fault.REJECTED_RESULT
        assert isinstance(first.error, RejectedResultError)
        assert first.error.result == "pending"

    async def test_a_rejected_result_of_an_awaited_call_is_retried(self) -> None:
        clock, pacer = FakeClock(), RecordingPacer()
        events: list[Event] = []
        retrier = Retrier(PLAIN, clock=clock, retry_on_result=pending, pacer=pacer, listeners=[events.append])
        assert await retrier.acall(ascripted("pending", throttling_error(), "done")) == "done"
        assert clock.sleeps == [0.5, 1.0]
        assert [call[:2] for call in pacer.calls if call[0] != "reserve"] == [
            ("answered", 0.0),
            ("throttled", 0.5),
            ("answered", 1.5),
        ]
        first = events[1]
        assert isinstance(first, RetryScheduled)
        assert isinstance(first.error, RejectedResultError)
        assert first.error.result == "pending"

    def test_the_last_result_is_in_the_error(self) -> None:
        with pytest.raises(RejectedResultError) as raised:
            Retrier(PLAIN, clock=FakeClock(), retry_on_result=pending).call(scripted(then="pending"))
        assert raised.value.result == "pending"
        assert str(raised.value) == "retry_on_result does not accept the result, of type str"
        assert raised.value.__notes__ == [
            "bedrock_resilience: gave up after 4 attempts and 3.50 s of waiting: retries exhausted"
        ]

    async def test_the_last_result_of_an_awaited_call_is_in_the_error(self) -> None:
        with pytest.raises(RejectedResultError):
            await Retrier(PLAIN, clock=FakeClock(), retry_on_result=pending).acall(ascripted(then="pending"))

    def test_a_policy_may_limit_its_retries(self) -> None:
        fn = scripted(then="pending")
        policy = PLAIN.replace(retry_on={Fault.REJECTED_RESULT: 1})
        with pytest.raises(RetriesExhaustedError) as raised:
            Retrier(policy, clock=FakeClock(), retry_on_result=pending, raise_exhausted=True).call(fn)
        assert fn.calls == 2
        assert raised.value.reason is StopReason.FAULT_LIMIT

    def test_a_policy_around_it_does_not_retry_it_again(self) -> None:
        inner = Retrier(PLAIN.replace(max_retries=0), retry_on_result=pending)
        fn = scripted(then="pending")
        with pytest.raises(RejectedResultError) as raised:
            Retrier(PLAIN.replace(retry_on="transient"), clock=FakeClock()).call(inner.call, fn)
        assert fn.calls == 1
        assert classify(raised.value) is Fault.REJECTED_RESULT

    def test_an_error_in_the_predicate_ends_the_call(self) -> None:
        def broken(_: object) -> NoReturn:
            raise LookupError("no such field")

        fn, pacer = scripted(then="answer"), RecordingPacer()
        with pytest.raises(LookupError):
            Retrier(PLAIN, clock=FakeClock(), retry_on_result=broken, pacer=pacer).call(fn)
        assert fn.calls == 1
        assert pacer.ended == ["answered"]

    def test_a_coroutine_function_is_refused_because_a_coroutine_is_true(self) -> None:
        async def predicate(result: object) -> bool:
            return result is None

        for given in (predicate, functools.partial(predicate)):
            with pytest.raises(TypeError) as refused:
                Retrier(PLAIN, retry_on_result=given)
            assert str(refused.value) == (
                f"Retrier: retry_on_result: got {given!r}; accepted: a function of one result that is not a coroutine "
                "function"
            )

    def test_a_rejected_result_of_an_item_is_retried(self) -> None:
        executor = BoundedExecutor(1, policy=PLAIN, clock=FakeClock(), retry_on_result=pending)
        report = executor.run(scripted("pending", "done", then="pending"), range(2))
        done, failed = report.outcomes
        assert (done.status, done.value, done.retries) == ("succeeded", "done", 1)
        assert (failed.status, failed.fault, failed.attempts) == ("failed", Fault.REJECTED_RESULT, 4)


class TestBeforeAttempt:
    def test_it_is_called_before_every_attempt(self) -> None:
        starts: list[AttemptStarting] = []
        error = throttling_error()
        Retrier(PLAIN, clock=FakeClock(), before_attempt=starts.append).call(scripted(error, "answer"))
        assert starts == [
            AttemptStarting(attempt=1, max_attempts=4, backoff_seconds=0.0, fault=None, error=None),
            AttemptStarting(attempt=2, max_attempts=4, backoff_seconds=0.5, fault=Fault.THROTTLING, error=error),
        ]

    async def test_an_awaited_call_awaits_it(self) -> None:
        starts: list[int] = []

        async def refresh(starting: AttemptStarting) -> None:
            await asyncio.sleep(0)  # noqa: TID251 - one turn of the loop
            starts.append(starting.attempt)

        await Retrier(PLAIN, clock=FakeClock(), before_attempt=refresh).acall(ascripted(throttling_error(), "answer"))
        await Retrier(PLAIN, before_attempt=lambda starting: starts.append(starting.attempt)).acall(ascripted("answer"))
        assert starts == [1, 2, 1]

    @pytest.mark.parametrize("failing_attempt", [1, 2])
    def test_an_error_in_the_hook_ends_the_call_before_the_attempt(self, failing_attempt: int) -> None:
        def refuse(starting: AttemptStarting) -> None:
            if starting.attempt == failing_attempt:
                raise LookupError("switched off")

        fn, pacer = scripted(then=throttling_error()), RecordingPacer()
        executor = BoundedExecutor(1, policy=PLAIN, clock=FakeClock(), before_attempt=refuse, pacer=pacer)
        (outcome,) = executor.run(fn, [0]).outcomes
        assert isinstance(outcome.error, LookupError)
        assert fn.calls == outcome.attempts == failing_attempt - 1
        assert pacer.ended == ["throttled"] * (failing_attempt - 1) + ["abandoned"]

    async def test_an_error_in_the_hook_ends_an_awaited_call_before_the_attempt(self) -> None:
        def refuse(_: AttemptStarting) -> None:
            raise LookupError("switched off")

        fn = ascripted("answer")
        with pytest.raises(LookupError):
            await Retrier(PLAIN, before_attempt=refuse).acall(fn)
        assert fn.calls == 0

    def test_the_pacer_gets_back_at_once_what_an_error_in_the_hook_leaves_unused(self) -> None:
        def refuse(_: AttemptStarting) -> None:
            clock.sleep(3.0)
            raise LookupError("switched off")

        clock, pacer = FakeClock(), RecordingPacer()
        with pytest.raises(LookupError):
            Retrier(PLAIN, clock=clock, before_attempt=refuse, pacer=pacer).call(scripted("answer"))
        assert pacer.calls[-1] == ("abandoned", clock.monotonic())

    async def test_the_pacer_gets_it_back_at_once_if_the_call_is_awaited(self) -> None:
        async def refuse(_: AttemptStarting) -> None:
            await clock.asleep(3.0)
            raise LookupError("switched off")

        clock, pacer = FakeClock(), RecordingPacer()
        with pytest.raises(LookupError):
            await Retrier(PLAIN, clock=clock, before_attempt=refuse, pacer=pacer).acall(ascripted("answer"))
        assert pacer.calls[-1] == ("abandoned", clock.monotonic())

    def test_a_hook_to_await_is_refused_by_a_synchronous_call(self) -> None:
        class Refresh:  # without the `close` of a coroutine
            def __await__(self) -> Iterator[None]:
                return iter(())

        async def refresh(_: AttemptStarting) -> None:
            """Refresh something."""

        def return_awaitable(_: AttemptStarting) -> Refresh:
            return Refresh()

        for hook in (refresh, return_awaitable):
            fn, pacer, clock = scripted("answer"), RecordingPacer(), FakeClock(start=7.0)
            with pytest.raises(TypeError) as refused:
                Retrier(PLAIN, clock=clock, before_attempt=hook, pacer=pacer).call(fn)
            assert str(refused.value) == (
                f"Retrier: before_attempt: {hook!r} returned an awaitable; accepted: a plain function, unless the call "
                "is awaited (acall, arun)"
            )
            assert fn.calls == 0
            assert pacer.calls[-1] == ("abandoned", clock.monotonic())


class TestARunThatEndsInASleep:
    def test_the_pacer_gets_the_reservation_back_at_once(self) -> None:
        clock, pacer, fn = FakeClock(start=7.0), RecordingPacer(4.0), scripted("answer")
        settings = CallSettings(PLAIN, clock=clock, pacer=pacer)
        with pytest.raises(CallStoppedError):
            drive(settings, begin(settings, (), {}), fn, (), {}, lambda _: True)
        assert (fn.calls, pacer.calls[-1]) == (0, ("abandoned", 7.0))

    async def test_the_pacer_gets_it_back_at_once_if_the_call_is_awaited(self) -> None:
        async def pause(_: float) -> bool:
            return True

        clock, pacer, fn = FakeClock(start=7.0), RecordingPacer(4.0), ascripted("answer")
        settings = CallSettings(PLAIN, clock=clock, pacer=pacer)
        with pytest.raises(CallStoppedError):
            await adrive(settings, begin(settings, (), {}), fn, (), {}, pause)
        assert (fn.calls, pacer.calls[-1]) == (0, ("abandoned", 7.0))


@pytest.mark.parametrize("deadline", [None, Deadline(60.0)])
async def test_a_function_that_returns_no_awaitable_is_named(deadline: Deadline | None) -> None:
    refusal = (
        r"^<function .*<lambda> at 0x\w+> returned str, which cannot be awaited: use Retrier\.call, or "
        r"BoundedExecutor\.run; or pass a coroutine function \(asyncio\.to_thread makes one of a plain function\)$"
    )
    with pytest.raises(TypeError, match=refusal):
        await Retrier(PLAIN, clock=FakeClock(), deadline=deadline).acall(lambda: "answer")  # type: ignore[arg-type, return-value]  # that is the point


def test_the_defaults_are_those_of_a_retrier() -> None:
    settings, retrier = CallSettings(PLAIN), Retrier(PLAIN)
    assert {name: getattr(settings, name) for name in CallSettings.__slots__} == {
        name: getattr(retrier, name) for name in CallSettings.__slots__
    }


async def test_every_wait_for_the_pacer_is_an_event() -> None:
    events: list[Event] = []
    kinds = [CallStarted, PacingWait, RetryScheduled, PacingWait, CallSucceeded]
    retrier = Retrier(PLAIN, clock=FakeClock(), pacer=RecordingPacer(5.0), listeners=[events.append])
    assert retrier.call(scripted(throttling_error(), "answer")) == "answer"
    assert [type(event) for event in events] == kinds
    assert await retrier.acall(ascripted(throttling_error(), "answer")) == "answer"
    assert [type(event) for event in events] == 2 * kinds


def test_a_stream_that_opens_is_an_event() -> None:
    events: list[Event] = []
    settings = CallSettings(PLAIN, clock=FakeClock(), listeners=(events.append,), tokens=7)
    call = begin(settings, (), {}, CallInfo(operation="ConverseStream", model="m", region="eu-west-3"))
    start(settings, call)
    opened(settings, call)
    assert events[-1] == StreamOpened(
        operation="ConverseStream", model="m", region="eu-west-3", attempts=1, tokens_reserved=7
    )
    assert isinstance(events[-1], StreamOpened)
    assert events[-1].call_id == call.call_id != ""


def test_an_error_after_a_success_gets_no_note() -> None:
    settings, error = CallSettings(PLAIN, clock=FakeClock()), OSError("read again")
    call = begin(settings, (), {})
    start(settings, call)
    succeed(settings, call, "answer")
    add_summary(error, call)
    assert not hasattr(error, "__notes__")


class TestNestedCalls:
    def test_an_outer_call_with_one_attempt_does_not_contradict_the_inner_note(self) -> None:
        inner, outer = Retrier(PLAIN, clock=FakeClock()), Retrier(PLAIN.replace(retry_on="none"), clock=FakeClock())
        with pytest.raises(THROTTLED) as raised:
            outer.call(inner.call, scripted(then=throttling_error()))
        assert raised.value.__notes__ == [
            "bedrock_resilience: gave up after 4 attempts and 3.50 s of waiting: retries exhausted"
        ]

    def test_an_outer_call_with_more_attempts_adds_its_own(self) -> None:
        inner = Retrier(PLAIN.replace(max_retries=2), clock=FakeClock())
        outer = Retrier(PLAIN.replace(max_retries=1), clock=FakeClock())
        with pytest.raises(THROTTLED) as raised:
            outer.call(inner.call, scripted(*throttling_errors(6)))
        first, second = raised.value.__notes__
        assert first == "bedrock_resilience: gave up after 3 attempts and 1.50 s of waiting: retries exhausted"
        assert second == (
            "bedrock_resilience: gave up after 2 attempts, with 3 inside the last one, and 0.50 s of waiting: "
            "retries exhausted"
        )

    def test_a_note_of_the_caller_is_no_note_of_a_call(self) -> None:
        error = validation_error()
        error.add_note("of item 7")
        with pytest.raises(type(error)) as raised:
            Retrier(PLAIN, clock=FakeClock()).call(scripted(error))
        assert raised.value.__notes__ == [
            "of item 7",
            "bedrock_resilience: gave up after 1 attempt and 0.00 s of waiting: not retryable",
        ]


class TestStopEvent:
    @pytest.mark.parametrize("event", [threading.Event(), asyncio.Event()])
    def test_if_set_before_the_call_nothing_is_sent(self, event: threading.Event | asyncio.Event) -> None:
        event.set()
        fn = scripted("answer")
        events: list[Event] = []
        with pytest.raises(CallStoppedError) as raised:
            Retrier(PLAIN, clock=FakeClock(), stop_event=event, listeners=[events.append]).call(fn)
        assert fn.calls == 0
        assert str(raised.value) == "bedrock_resilience: gave up after 0 attempts and 0.00 s of waiting: run stopped"
        assert classify(raised.value) is Fault.CANCELLED
        _, failed = events
        assert isinstance(failed, CallFailed)
        assert failed.reason is StopReason.RUN_STOPPED

    def test_if_set_during_an_attempt_it_is_the_last(self) -> None:
        event, clock = threading.Event(), FakeClock()

        def work() -> NoReturn:
            event.set()
            raise throttling_error()

        with pytest.raises(THROTTLED) as raised:
            Retrier(PLAIN, clock=clock, stop_event=event).call(work)
        assert raised.value.__notes__ == [
            "bedrock_resilience: gave up after 1 attempt and 0.00 s of waiting: run stopped"
        ]
        assert clock.sleeps == []

    def test_it_ends_a_backoff_sleep(self) -> None:
        event = threading.Event()

        def soon() -> NoReturn:
            threading.Timer(0.01, event.set).start()
            raise throttling_error()

        patient = PLAIN.replace(base_delay=60.0, max_delay=60.0)
        with pytest.raises(THROTTLED) as raised:
            Retrier(patient, stop_event=event).call(soon)
        assert raised.value.__notes__ == [
            "bedrock_resilience: gave up after 1 attempt and 0.00 s of waiting: run stopped"
        ]

    def test_a_clock_that_cannot_wait_for_it_sleeps(self) -> None:
        class Sleeping:
            def __init__(self) -> None:
                self._clock = FakeClock()
                self.sleeps = self._clock.sleeps
                self.monotonic, self.sleep, self.asleep = self._clock.monotonic, self._clock.sleep, self._clock.asleep

        clock = Sleeping()
        retrier = Retrier(PLAIN, clock=clock, stop_event=threading.Event())
        assert retrier.call(scripted(throttling_error(), "answer")) == "answer"
        assert clock.sleeps == [0.5]

    def test_a_flag_that_cannot_be_waited_for_is_enough(self) -> None:
        class Flag:
            def is_set(self) -> bool:
                return False

        clock = FakeClock()
        retrier = Retrier(PLAIN, clock=clock, stop_event=Flag())
        assert retrier.call(scripted(throttling_error(), "answer")) == "answer"
        assert clock.sleeps == [0.5]

    def test_if_set_during_a_pacing_sleep_nothing_is_sent(self) -> None:
        event, pacer, fn = asyncio.Event(), RecordingPacer(5.0), scripted("answer")

        class SettingClock(FakeClock):
            def sleep(self, seconds: float, /) -> None:
                super().sleep(seconds)
                event.set()

        with pytest.raises(CallStoppedError):
            Retrier(PLAIN, clock=SettingClock(), stop_event=event, pacer=pacer).call(fn)
        assert fn.calls == 0
        assert pacer.ended == ["abandoned"]

    async def test_an_awaited_call_checks_it_before_each_attempt(self) -> None:
        event = asyncio.Event()

        async def work() -> NoReturn:
            event.set()
            raise throttling_error()

        with pytest.raises(THROTTLED):
            await Retrier(PLAIN, clock=FakeClock(), stop_event=event).acall(work)
        with pytest.raises(CallStoppedError):
            await Retrier(PLAIN, clock=FakeClock(), stop_event=event).acall(ascripted("answer"))

    async def test_a_batch_leaves_the_rest_unstarted(self) -> None:
        event = threading.Event()

        def work(item: int) -> int:
            if item == 1:
                event.set()
            return item

        async def awork(item: int) -> int:
            return work(item)

        executor = BoundedExecutor(1, policy=PLAIN, clock=FakeClock(), stop_event=event)
        report = executor.run(work, range(4))
        event.clear()
        areport = await executor.arun(awork, range(4))
        for one in (report, areport):
            assert [outcome.status for outcome in one.outcomes] == ["succeeded"] * 2 + ["unstarted"] * 2
            assert one.stopped == "run stopped"


class TestFallback:
    def test_its_value_is_returned_after_the_retries(self) -> None:
        errors: list[Exception] = []

        def substitute(error: Exception) -> str:
            errors.append(error)
            return "substitute"

        last = throttling_error()
        events: list[Event] = []
        retrier = Retrier(PLAIN, clock=FakeClock(), fallback=substitute, listeners=[events.append])
        assert retrier.call(scripted(*throttling_errors(3), last)) == "substitute"
        assert errors == [last]
        assert last.__notes__ == [
            "bedrock_resilience: gave up after 4 attempts and 3.50 s of waiting: retries exhausted"
        ]
        assert isinstance(events[-1], CallFailed)

    async def test_an_awaited_call_awaits_it(self) -> None:
        async def substitute(error: Exception) -> str:
            return type(error).__name__

        clock = FakeClock()
        assert await Retrier(PLAIN, clock=clock, fallback=substitute).acall(ascripted(then=throttling_error())) == (
            "ThrottlingException"
        )
        plain = Retrier(PLAIN, clock=clock, fallback=lambda _: "plain")
        assert await plain.acall(ascripted(then=throttling_error())) == "plain"

    def test_a_synchronous_call_refuses_what_it_cannot_await(self) -> None:
        async def substitute(_: Exception) -> str:
            return "substitute"

        with pytest.raises(TypeError) as refused:
            Retrier(PLAIN, clock=FakeClock(), fallback=substitute).call(scripted(then=throttling_error()))
        assert str(refused.value) == (
            f"Retrier: fallback: {substitute!r} returned an awaitable; accepted: a plain function, unless the call is "
            "awaited (acall, arun)"
        )
        assert classify(refused.value) is Fault.THROTTLING  # its cause

    def test_it_hides_no_programming_error_and_no_stop(self) -> None:
        stopped = threading.Event()
        stopped.set()
        settings: dict[str, Any] = {"clock": FakeClock(), "fallback": repr}
        with pytest.raises(type(validation_error())):
            Retrier(PLAIN, **settings).call(scripted(validation_error()))
        with pytest.raises(CallStoppedError):
            Retrier(PLAIN, stop_event=stopped, **settings).call(scripted("answer"))

    def test_it_is_called_after_the_deadline(self) -> None:
        retrier = Retrier(PLAIN, clock=FakeClock(1.0), deadline=Deadline(1.0), fallback=lambda error: error)
        assert isinstance(retrier.call(scripted("answer")), DeadlineExceededError)

    def test_it_may_return_the_last_result(self) -> None:
        def last(error: Exception) -> object:
            assert isinstance(error, RejectedResultError)
            return error.result

        retrier = Retrier(PLAIN, clock=FakeClock(), retry_on_result=pending, fallback=last)
        assert retrier.call(scripted(then="pending")) == "pending"

    def test_an_item_of_a_batch_succeeds_with_it(self) -> None:
        executor = BoundedExecutor(1, policy=PLAIN, clock=FakeClock(), fallback=lambda _: "substitute")
        (outcome,) = executor.run(scripted(then=throttling_error()), [0]).outcomes
        assert (outcome.status, outcome.value, outcome.reason) == ("succeeded", "substitute", "retries exhausted")


class Slow:
    """A model that is throttled after two seconds, in every attempt."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.deadlines: list[Deadline | None] = []

    def ask(self) -> str:
        self.deadlines.append(Deadline.current())
        self.clock.advance(2.0)
        raise throttling_error()

    async def aask(self) -> str:
        return self.ask()


async def _call(retrier: Retrier, model: Slow) -> None:
    retrier.call(model.ask)


async def _acall(retrier: Retrier, model: Slow) -> None:
    await retrier.acall(model.aask)


async def _decorated(retrier: Retrier, model: Slow) -> None:
    retrier(model.ask)()


async def _adecorated(retrier: Retrier, model: Slow) -> None:
    await retrier(model.aask)()


async def _generator(retrier: Retrier, model: Slow) -> None:
    @retrier
    def words() -> Iterator[str]:
        yield model.ask()

    next(words())


async def _agenerator(retrier: Retrier, model: Slow) -> None:
    @retrier
    async def words() -> AsyncIterator[str]:
        yield model.ask()

    await anext(words())


async def _loop(retrier: Retrier, model: Slow) -> None:
    for attempt in retrier:
        with attempt:
            model.ask()


async def _aloop(retrier: Retrier, model: Slow) -> None:
    async for attempt in retrier:
        with attempt:
            model.ask()


WAYS = [_call, _acall, _decorated, _adecorated, _generator, _agenerator, _loop, _aloop]


@pytest.mark.parametrize("make_call", WAYS)
class TestTimeout:
    async def test_every_call_gets_the_whole_time(self, make_call: Callable[[Retrier, Slow], Awaitable[None]]) -> None:
        clock = FakeClock(100.0)
        retrier, model = Retrier(PLAIN, clock=clock, timeout=7.0), Slow(clock)
        for begun in (100.0, 900.0):
            clock.advance(begun - clock.monotonic())
            del clock.sleeps[:], model.deadlines[:]
            with pytest.raises(THROTTLED) as raised:
                await make_call(retrier, model)
            assert raised.value.__notes__ == [
                "bedrock_resilience: gave up after 3 attempts and 1.50 s of waiting: deadline"
            ]
            assert clock.sleeps == [0.5, 1.0], "the third sleep, of 2 s, would end after 9.5 s"
            assert model.deadlines == [Deadline(begun + 7.0)] * 3, "it counts for the calls inside as well"
        assert Deadline.current() is None

    @pytest.mark.parametrize(
        ("own", "applied", "attempts"), [(90.0, 90.0, 3), (4.0, 90.0, 2), (90.0, 4.0, 2), (0.0, 90.0, 0)]
    )
    async def test_the_earliest_of_all_deadlines_counts(
        self, make_call: Callable[[Retrier, Slow], Awaitable[None]], own: float, applied: float, attempts: int
    ) -> None:
        clock = FakeClock()
        model = Slow(clock)
        retrier = Retrier(PLAIN, clock=clock, timeout=7.0, deadline=Deadline(own))
        with Deadline(applied).apply(), pytest.raises(THROTTLED if attempts else DeadlineExceededError):
            await make_call(retrier, model)
        assert model.deadlines == [Deadline(min(7.0, own, applied))] * attempts
        assert clock.slept == sum([0.5, 1.0][: attempts - 1] if attempts else [])

    async def test_a_wait_for_the_pacer_that_does_not_fit_is_not_slept(
        self, make_call: Callable[[Retrier, Slow], Awaitable[None]]
    ) -> None:
        clock, pacer = FakeClock(), RecordingPacer(8.0)
        model = Slow(clock)
        with pytest.raises(DeadlineExceededError, match="gave up after 0 attempts"):
            await make_call(Retrier(PLAIN, clock=clock, timeout=7.0, pacer=pacer), model)
        assert (model.deadlines, clock.sleeps) == ([], [])


async def test_a_call_inside_of_an_attempt_with_a_time_limit_sees_the_deadline() -> None:
    async def current() -> Deadline | None:
        return Deadline.current()

    retrier = Retrier(PLAIN, clock=FakeClock(), deadline=Deadline(60.0), attempt_timeout=5.0)
    assert await retrier.acall(current) == Deadline(60.0)


def test_options_of_a_decorated_function_change_the_timeout() -> None:
    clock = FakeClock()
    ask = retry(PLAIN, clock=clock, timeout=7.0)(Slow(clock).ask)
    with pytest.raises(THROTTLED):
        with_options(ask, timeout=None)()
    assert clock.sleeps == [0.5, 1.0, 2.0]


async def nothing(_: object) -> None:
    """Do nothing, awaited."""


def ignore(_: Event) -> None:
    """Listen to nothing."""


class TestOwner:
    """An error about an argument names the class that was used."""

    class Owner(Retrier):
        _owner = "Owner"

    _TOKENS = "a whole number >= 0, a RequestTokens, or a function that returns either"

    @pytest.mark.parametrize(
        ("option", "value", "error", "text"),
        [
            ("tokens", lambda: -1, ValueError, f"got -1; accepted: {_TOKENS}$"),
            ("tokens", lambda: True, TypeError, f"got True; accepted: {_TOKENS}$"),
            ("tokens", lambda: "1", TypeError, f"got '1'; accepted: {_TOKENS}$"),
            ("info", lambda: 1, TypeError, "got 1; accepted: a CallInfo, or a function that returns one$"),
            ("fallback", nothing, TypeError, r"<function nothing at .*> returned an awaitable; accepted: "),
            ("before_attempt", nothing, TypeError, r"<function nothing at .*> returned an awaitable; accepted: "),
        ],
    )
    def test_it_is_named(self, option: str, value: object, error: type[Exception], text: str) -> None:
        options: dict[str, Any] = {option: value}
        owner = self.Owner(RetryPolicy(max_retries=0), listeners=[ignore], **options)
        with pytest.raises(error, match=f"^Owner: {option}: {text}"):
            owner.call(scripted(throttling_error()))


def test_the_function_for_the_info_gets_the_arguments_of_the_call() -> None:
    seen: list[Event] = []

    def info(model: str, *, region: str) -> CallInfo:
        return CallInfo(model=model, region=region)

    def send(model: str, *, region: str) -> str:
        return model + region

    Retrier(info=info, listeners=[seen.append]).call(send, "m", region="r")
    assert {(event.model, event.region) for event in seen} == {("m", "r")}


def test_the_id_of_a_call_has_16_digits_and_is_given_when_it_starts() -> None:
    settings = CallSettings(PLAIN, listeners=(ignore,))
    call = begin(settings, (), {})
    assert call.call_id == ""
    start(settings, call)
    assert len(bytes.fromhex(call.call_id)) == 8
