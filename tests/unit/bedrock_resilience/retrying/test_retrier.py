"""Retrier: synchronous and awaited calls, and decorated functions."""

from __future__ import annotations

import asyncio
import gc
import inspect
import logging
import random
import threading
import weakref
from typing import TYPE_CHECKING, Any

import pytest

from bedrock_resilience import (
    AdaptivePacer,
    BoundedExecutor,
    DeadlineExceededError,
    Fault,
    FullJitter,
    LoggingListener,
    NoJitter,
    Retrier,
    RetriesExhaustedError,
    RetryPolicy,
    retry,
)
from bedrock_resilience._stop_reason import StopReason
from bedrock_resilience.quotas import Limit, Quota, RequestTokens
from bedrock_resilience.retrying._budget import RetryBudget
from bedrock_resilience.retrying._deadline import Deadline
from bedrock_resilience.retrying._events import CallFailed, CallStarted, CallSucceeded, PacingWait, RetryScheduled
from bedrock_resilience.retrying._faults import classify
from bedrock_resilience.retrying._retrier import retrier_of, with_options
from bedrock_resilience.testing import (
    FakeClock,
    ascripted,
    bedrock_error,
    read_timeout,
    scripted,
    throttling_error,
    throttling_errors,
    tokens_per_day_error,
    validation_error,
)
from support.pacers import RecordingPacer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bedrock_resilience.pacing import Reservation
    from bedrock_resilience.retrying._events import Event

LISTENERS = "an iterable of functions that take one event, such as [LoggingListener()]"
PLAIN = RetryPolicy(jitter=NoJitter())
PACERS = "a pacer, such as AdaptivePacer(), or 'auto', or None"
QUOTA = Quota(requests_per_minute=60)
THROTTLED = type(throttling_error())
NOTE = "bedrock_resilience: gave up after"


def print_nothing(event: Event) -> None:
    """A listener."""


async def aprint_nothing(event: Event) -> None:
    """No listener: nothing awaits it."""


def nobody_knows(error: BaseException) -> Fault:  # noqa: ARG001 - a classifier's signature
    return Fault.UNKNOWN


class TestCall:
    def test_a_call_that_succeeds_at_once(self) -> None:
        clock, fn = FakeClock(), scripted("answer")
        assert Retrier(PLAIN, clock=clock).call(fn, 1, two=2, fn=3) == "answer"
        assert (fn.calls, clock.sleeps) == (1, [])
        assert fn.arguments == [((1,), {"two": 2, "fn": 3})]

    def test_a_throttled_call_that_succeeds(self) -> None:
        clock, fn = FakeClock(), scripted(*throttling_errors(3), "answer")
        assert Retrier(PLAIN, clock=clock).call(fn, 1) == "answer"
        assert clock.sleeps == [0.5, 1.0, 2.0]
        assert fn.arguments == [((1,), {})] * 4

    def test_a_call_that_is_always_throttled(self) -> None:
        clock, last = FakeClock(), throttling_error()
        fn = scripted(*throttling_errors(3), last)
        with pytest.raises(THROTTLED) as raised:
            Retrier(PLAIN, clock=clock).call(fn)
        assert raised.value is last
        assert last.__notes__ == [f"{NOTE} 4 attempts and 3.50 s of waiting: retries exhausted"]
        assert last.__context__ is None, "what is raised did not happen while handling another"
        assert fn.calls == 4

    def test_not_retried(self) -> None:
        clock, error = FakeClock(), validation_error()
        with pytest.raises(type(error)) as raised:
            Retrier(PLAIN, clock=clock).call(scripted(error))
        assert raised.value is error
        assert error.__notes__ == [f"{NOTE} 1 attempt and 0.00 s of waiting: not retryable"]
        assert clock.sleeps == []

    def test_the_default_policy_is_the_contracts(self) -> None:
        assert Retrier().policy == RetryPolicy()
        clock, fn = FakeClock(), scripted(then=throttling_error())
        with pytest.raises(THROTTLED):
            Retrier(clock=clock).call(fn)
        assert fn.calls == 4
        for slept, (low, high) in zip(clock.sleeps, [(0.5, 0.6), (1.0, 1.1), (2.0, 2.1)], strict=True):
            assert low <= slept <= high

    def test_a_seed_gives_the_schedule_of_the_policy(self) -> None:
        policy = RetryPolicy(jitter=FullJitter())
        clock = FakeClock()
        with pytest.raises(THROTTLED):
            Retrier(policy, clock=clock, rng=random.Random(5)).call(scripted(then=throttling_error()))
        assert clock.sleeps == list(policy.delays(random.Random(5)))

    def test_without_a_seed_two_retriers_differ(self) -> None:
        clock = FakeClock()
        for _ in range(2):
            with pytest.raises(THROTTLED):
                Retrier(RetryPolicy(jitter=FullJitter()), clock=clock).call(scripted(then=throttling_error()))
        assert clock.sleeps[:3] != clock.sleeps[3:]

    @pytest.mark.parametrize("stop", [KeyboardInterrupt, SystemExit, GeneratorExit, asyncio.CancelledError])
    @pytest.mark.parametrize("listeners", [(), (print_nothing,)])
    def test_what_ends_the_program_is_never_retried(
        self, stop: type[BaseException], listeners: tuple[Callable[[Event], None], ...]
    ) -> None:
        fn = scripted(stop(), "answer")
        with pytest.raises(stop):
            Retrier(PLAIN, clock=FakeClock(), listeners=listeners).call(fn)
        assert fn.calls == 1

    def test_an_invalid_policy_is_refused(self) -> None:
        with pytest.raises(TypeError) as refused:
            Retrier("transient")  # type: ignore[arg-type]  # that is the point
        assert str(refused.value) == "Retrier: policy: got 'transient'; accepted: a RetryPolicy"

    @pytest.mark.parametrize(
        ("wrong", "refusal"),
        [
            ({"deadline": 5}, "deadline: got 5; accepted: a Deadline, such as Deadline.after(30)"),
            ({"budget": RetryBudget}, f"budget: got {RetryBudget!r}; accepted: a RetryBudget"),
            ({"pacer": 5}, f"pacer: got 5; accepted: {PACERS}"),
            (
                {"pacer": QUOTA},
                f"pacer: got {QUOTA!r}; accepted: QuotaPacer(quota) for a quota, or {PACERS}",
            ),
            ({"timeout": "5"}, "timeout: got '5'; accepted: a finite number of seconds > 0, or None"),
            ({"rng": 5}, "rng: got 5; accepted: a random.Random"),
            ({"clock": None}, "clock: got None; accepted: a clock with monotonic(), sleep() and asleep()"),
            ({"retry_on_result": 5}, "retry_on_result: got 5; accepted: a function of one result"),
            ({"before_attempt": 5}, "before_attempt: got 5; accepted: a function of one AttemptStarting"),
            (
                {"attempt_timeout": "5"},
                "attempt_timeout: got '5'; accepted: a finite number of seconds > 0, or None",
            ),
            ({"stop_event": 5}, "stop_event: got 5; accepted: an event, such as threading.Event()"),
            ({"fallback": 5}, "fallback: got 5; accepted: a function of one exception"),
            ({"classify": 5}, "classify: got 5; accepted: a function that returns the Fault of an exception"),
            (
                {"listeners": 5},
                f"listeners: got 5; accepted: {LISTENERS}",
            ),
            ({"listeners": ["log"]}, f"listeners: got 'log'; accepted: {LISTENERS}"),
            ({"listeners": [LoggingListener]}, f"listeners: got {LoggingListener!r}; accepted: {LISTENERS}"),
            (
                {"listeners": [print_nothing, aprint_nothing]},
                f"listeners: got {aprint_nothing!r}; accepted: {LISTENERS}; they are not awaited",
            ),
        ],
    )
    def test_an_invalid_argument_is_refused_before_any_call(self, wrong: dict[str, Any], refusal: str) -> None:
        with pytest.raises(TypeError) as refused:
            Retrier(**wrong)
        assert str(refused.value) == f"Retrier: {refusal}"

    @pytest.mark.parametrize("timeout", [0, -1.0, float("inf"), float("nan")])
    def test_a_timeout_that_no_call_could_keep_is_refused(self, timeout: float) -> None:
        with pytest.raises(ValueError, match=r"Retrier: timeout: got .*; accepted: a finite number of seconds > 0"):
            Retrier(timeout=timeout)

    @pytest.mark.parametrize("make", [retry, Retrier, Retrier().replace])
    def test_a_field_of_the_policy_is_refused_with_its_place(self, make: Callable[..., object]) -> None:
        with pytest.raises(TypeError) as refused:
            make(max_delay=9.0, max_retries=5)
        fields = "max_retries=5, max_delay=9.0"
        assert str(refused.value) == (
            f"Retrier: got {fields}; accepted: the policy with it, such as retry(RetryPolicy({fields})) or "
            f"Retrier(RetryPolicy({fields}))"
        )

    def test_its_repr_shows_what_was_set(self) -> None:
        assert repr(Retrier(PLAIN)) == f"Retrier({PLAIN!r})"
        given = Retrier(PLAIN, deadline=Deadline(5.0), budget=RetryBudget(), clock=FakeClock(), rng=random.Random(1))
        assert repr(given) == f"Retrier({PLAIN!r}, deadline={Deadline(5.0)!r}, budget={RetryBudget()!r})"
        assert repr(Retrier(PLAIN, timeout=9)) == f"Retrier({PLAIN!r}, timeout=9)"

    def test_an_error_raised_by_many_calls_gets_the_same_note_once(self) -> None:
        error = validation_error()
        for _ in range(3):
            with pytest.raises(type(error)):
                Retrier(PLAIN).call(scripted(error))
        assert error.__notes__ == [f"{NOTE} 1 attempt and 0.00 s of waiting: not retryable"]

    def test_an_error_that_accepts_no_notes_is_raised_without(self) -> None:
        error = validation_error()
        error.__notes__ = "none"  # type: ignore[assignment]  # add_note() wants a list
        with pytest.raises(type(error)) as raised:
            Retrier(PLAIN).call(scripted(error))
        assert raised.value is error

    @pytest.mark.parametrize("listeners", [(), (print_nothing,)])
    def test_a_returned_coroutine_is_refused(self, listeners: tuple[Callable[[Event], None], ...]) -> None:
        async def ask() -> str:
            return "answer"

        with pytest.raises(TypeError) as refused:
            _ = Retrier(PLAIN, listeners=listeners).call(ask)
        assert str(refused.value) == (
            f"{ask!r} returned a coroutine: use Retrier.acall, or BoundedExecutor.arun, which await it"
        )

    def test_one_retrier_serves_many_calls(self) -> None:
        clock = FakeClock()
        retrier = Retrier(PLAIN, clock=clock)
        for _ in range(2):
            assert retrier.call(scripted(throttling_error(), "answer")) == "answer"
        assert clock.sleeps == [0.5, 0.5]

    def test_a_classifier_of_ones_own(self) -> None:
        def busy(error: BaseException) -> Fault:
            return Fault.THROTTLING if "busy" in str(error) else classify(error)

        clock = FakeClock()
        assert Retrier(PLAIN, clock=clock, classify=busy).call(scripted(ValueError("busy"), "answer")) == "answer"
        with pytest.raises(ValueError, match="broken"):
            Retrier(PLAIN, clock=clock, classify=busy).call(scripted(ValueError("broken"), "answer"))

    def test_an_error_in_a_hook_of_the_user_is_raised_as_it_is(self) -> None:
        def broken(_: BaseException) -> Fault:
            raise LookupError("no such fault")

        with pytest.raises(LookupError, match="no such fault") as raised:
            Retrier(PLAIN, clock=FakeClock(), classify=broken).call(scripted(throttling_error(), "answer"))
        assert raised.value.__cause__ is None


class TestRetriesExhausted:
    def exhausted(self, *outcomes: object, policy: RetryPolicy = PLAIN, **settings: Any) -> RetriesExhaustedError:  # noqa: ANN401 - Retrier's
        with pytest.raises(RetriesExhaustedError) as raised:
            Retrier(policy, clock=FakeClock(), raise_exhausted=True, **settings).call(scripted(*outcomes))
        return raised.value

    def test_it_carries_the_facts_and_the_last_error(self) -> None:
        last = throttling_error()
        error = self.exhausted(*throttling_errors(3), last)
        assert error.attempts == 4
        assert error.backoff_seconds == 3.5
        assert error.reason is StopReason.RETRIES_EXHAUSTED
        assert error.fault is Fault.THROTTLING
        assert error.error is last
        assert error.__cause__ is last
        assert str(error) == f"{NOTE} 4 attempts and 3.50 s of waiting: retries exhausted; last error: {last!r}"
        assert not hasattr(last, "__notes__")

    def test_it_is_raised_for_every_reason_but_one(self) -> None:
        assert self.exhausted(throttling_error(), deadline=Deadline(0.5)).reason is StopReason.DEADLINE
        assert self.exhausted(throttling_error(), budget=RetryBudget(0, 0)).reason is StopReason.BUDGET
        once = PLAIN.replace(retry_on={Fault.READ_TIMEOUT: 0})
        assert self.exhausted(read_timeout(), policy=once).reason is StopReason.FAULT_LIMIT

    def test_what_is_not_retried_is_raised_as_it_is(self) -> None:
        error = validation_error()
        with pytest.raises(type(error)) as raised:
            Retrier(PLAIN, raise_exhausted=True).call(scripted(error))
        assert raised.value is error

    def test_a_last_error_whose_repr_raises_is_named_by_its_type(self) -> None:
        class Shy(Exception):  # noqa: N818 - it is what it is
            fault = Fault.THROTTLING

            def __repr__(self) -> str:
                raise RuntimeError("half initialized")

        error = self.exhausted(Shy(), policy=PLAIN.replace(max_retries=0))
        assert str(error) == f"{NOTE} 1 attempt and 0.00 s of waiting: retries exhausted; last error: Shy"

    def test_a_policy_around_it_sees_the_same_fault(self) -> None:
        assert classify(self.exhausted(*throttling_errors(4))) is Fault.THROTTLING


def from_lambda(milliseconds: int, margin: float, attempt: float = 0.0) -> Deadline:
    class Context:
        def get_remaining_time_in_millis(self) -> int:
            return milliseconds

    return Deadline.from_lambda_context(Context(), margin, attempt=attempt, clock=FakeClock(100.0))


class TestDeadline:
    def test_retries_end_before_it(self) -> None:
        clock, fn = FakeClock(100.0), scripted(then=throttling_error())
        with pytest.raises(THROTTLED) as raised:
            Retrier(PLAIN, clock=clock, deadline=Deadline(101.6)).call(fn)
        assert (fn.calls, clock.sleeps) == (3, [0.5, 1.0])
        assert raised.value.__notes__ == [f"{NOTE} 3 attempts and 1.50 s of waiting: deadline"]

    def test_past_it_nothing_is_attempted(self) -> None:
        fn = scripted("answer")
        with pytest.raises(DeadlineExceededError) as raised:
            Retrier(PLAIN, clock=FakeClock(100.0), deadline=Deadline(100.0)).call(fn)
        assert str(raised.value) == (
            f"{NOTE} 0 attempts and 0.00 s of waiting: deadline "
            "(past by 0.00 s; for a limit of each call, use timeout=)"
        )
        assert isinstance(raised.value, TimeoutError)
        assert fn.calls == 0

    @pytest.mark.parametrize(
        ("deadline", "why"),
        [
            (Deadline(97.5), "past by 2.50 s"),
            (Deadline(97.5, attempt=8.0), "past by 2.50 s, attempt 8 s"),
            (Deadline(102.5, attempt=8.0), "2.50 s left, attempt 8 s"),
            (Deadline(100.5, attempt=8.0), "0.50 s left, attempt 8 s"),
            (Deadline(102.5, attempt=2.5), "2.50 s left, attempt 2.5 s"),
            (from_lambda(8_000, margin=10.0), "past by 2.00 s, margin 10 s"),
            (from_lambda(15_000, margin=10.0, attempt=6.0), "5.00 s left, attempt 6 s, margin 10 s"),
        ],
    )
    def test_the_error_says_what_leaves_no_time(self, deadline: Deadline, why: str) -> None:
        for other in (Deadline(900.0), Deadline(1_000.0)):
            with deadline.apply(), pytest.raises(DeadlineExceededError) as raised:
                Retrier(PLAIN, clock=FakeClock(100.0), deadline=other).call(scripted("answer"))
            assert str(raised.value) == f"{NOTE} 0 attempts and 0.00 s of waiting: deadline ({why})"

    def test_a_deadline_of_lambda_that_is_past_is_no_mistake_of_a_decorator(self) -> None:
        with pytest.raises(DeadlineExceededError, match=r"deadline \(past by 2.00 s, margin 10 s\)$"):
            Retrier(PLAIN, clock=FakeClock(100.0), deadline=from_lambda(8_000, margin=10.0)).call(scripted())

    def test_the_error_says_that_the_wait_for_the_pacer_leaves_no_time(self) -> None:
        why = r"deadline \(5.00 s left, attempt 1 s, the wait for the pacer is longer\)$"
        with pytest.raises(DeadlineExceededError, match=why):
            Retrier(PLAIN, clock=FakeClock(), deadline=Deadline(5.0, attempt=1.0), pacer=RecordingPacer(4.0)).call(
                scripted()
            )

    def test_a_deadline_that_passed_inside_is_no_timeout_of_the_service(self) -> None:
        clock = FakeClock(100.0)
        inner = Retrier(PLAIN, clock=clock, deadline=Deadline(100.0))
        outer = Retrier(PLAIN.replace(retry_on="transient"), clock=clock)
        with pytest.raises(DeadlineExceededError) as raised:
            outer.call(inner.call, scripted("answer"))
        assert clock.sleeps == []
        assert not classify(raised.value).retryable

    def test_nested_calls_share_it(self) -> None:
        clock, fn = FakeClock(), scripted(then=throttling_error())
        inner = Retrier(PLAIN, clock=clock)
        with pytest.raises(THROTTLED):
            Retrier(RetryPolicy(retry_on="none"), clock=clock, deadline=Deadline(1.6)).call(inner.call, fn)
        assert (fn.calls, clock.sleeps) == (3, [0.5, 1.0])

    def test_the_stricter_of_two_is_obeyed(self) -> None:
        for own, enclosing in ((1.6, 9.0), (9.0, 1.6)):
            clock, fn = FakeClock(), scripted(then=throttling_error())
            with Deadline(enclosing).apply(), pytest.raises(THROTTLED):
                Retrier(PLAIN, clock=clock, deadline=Deadline(own)).call(fn)
            assert clock.sleeps == [0.5, 1.0]

    def test_a_call_past_an_enclosing_deadline_is_not_sent(self) -> None:
        fn = scripted("answer")
        with Deadline(0.0).apply(), pytest.raises(DeadlineExceededError):
            Retrier(PLAIN, clock=FakeClock(1.0)).call(fn)
        assert fn.calls == 0

    def test_it_is_in_force_during_the_call_only(self) -> None:
        fn = scripted("answer")
        assert Retrier(PLAIN, clock=FakeClock(), deadline=Deadline(5.0)).call(fn, 1, two=2) == "answer"
        assert fn.arguments == [((1,), {"two": 2})]
        deadlines: list[Deadline | None] = []
        Retrier(PLAIN, clock=FakeClock(), deadline=Deadline(5.0)).call(lambda: deadlines.append(Deadline.current()))
        Retrier(PLAIN, clock=FakeClock()).call(lambda: deadlines.append(Deadline.current()))
        assert deadlines == [Deadline(5.0), None]


class TestBudget:
    def test_calls_that_share_a_budget_stop_together(self) -> None:
        clock, budget = FakeClock(), RetryBudget(share=0.0, reserve=4)
        retrier = Retrier(PLAIN, clock=clock, budget=budget)
        calls: list[int] = []
        for _ in range(3):
            fn = scripted(then=throttling_error())
            with pytest.raises(THROTTLED):
                retrier.call(fn)
            calls.append(fn.calls)
        assert calls == [4, 2, 1]
        assert (budget.attempts, budget.retries) == (7, 4)


class TestPacer:
    def test_its_waits_are_slept_before_each_attempt(self) -> None:
        clock, pacer = FakeClock(), RecordingPacer(3.0)
        assert Retrier(PLAIN, clock=clock, pacer=pacer).call(scripted(throttling_error(), "answer")) == "answer"
        assert clock.sleeps == [3.0, 0.5, 3.0]
        assert pacer.ended == ["throttled", "answered"]

    def test_what_a_request_may_use_is_a_number_or_a_function_of_its_arguments(self) -> None:
        def size(text: str, more: int = 0) -> int:
            return len(text) + more

        pacer = RecordingPacer()
        Retrier(PLAIN, pacer=pacer, tokens=4_000).call(scripted("answer"))
        Retrier(PLAIN, pacer=pacer, tokens=size).call(scripted("answer"), "four", more=3)
        Retrier(PLAIN, pacer=pacer).call(scripted("answer"))
        Retrier(PLAIN, pacer=pacer, tokens=RequestTokens(700, 1_000)).call(scripted("answer"))
        Retrier(PLAIN, pacer=pacer, tokens=lambda: RequestTokens(700, 100)).call(scripted("answer"))
        assert pacer.tokens == [4_000, 7, 0, 1_700, 800]

    def test_the_note_shows_pacing_beside_backoff(self) -> None:
        clock, error = FakeClock(), throttling_error()
        with pytest.raises(THROTTLED):
            Retrier(PLAIN.replace(max_retries=0), clock=clock, pacer=RecordingPacer(3.0)).call(scripted(error))
        assert error.__notes__ == [f"{NOTE} 1 attempt and 0.00 s of waiting, 3.00 s pacing: retries exhausted"]


class TestListeners:
    def test_each_retry_and_success_is_an_event(self) -> None:
        events: list[Event] = []
        error = throttling_error()
        retrier = Retrier(PLAIN, clock=FakeClock(), pacer=RecordingPacer(3.0), listeners=[events.append])
        retrier.call(scripted(error, "answer"))
        assert events == [
            CallStarted(),
            PacingWait(attempt=1, seconds=3.0),
            RetryScheduled(
                attempt=1, max_attempts=4, delay=0.5, pacing_seconds=3.0, fault=Fault.THROTTLING, error=error
            ),
            PacingWait(attempt=2, seconds=3.0, fault=Fault.THROTTLING, backoff_seconds=0.5, pacing_seconds=3.0),
            CallSucceeded(
                attempts=2,
                retries=1,
                throttles=1,
                fault=Fault.THROTTLING,
                backoff_seconds=0.5,
                pacing_seconds=6.0,
                answer="answer",
            ),
        ]

    def test_a_failed_call_is_an_event(self) -> None:
        events: list[Event] = []
        first, second = throttling_error(), validation_error()
        with pytest.raises(type(second)):
            Retrier(PLAIN, clock=FakeClock(), listeners=[events.append]).call(scripted(first, second))
        assert events == [
            CallStarted(),
            RetryScheduled(attempt=1, max_attempts=4, delay=0.5, fault=Fault.THROTTLING, error=first),
            CallFailed(
                attempts=2,
                retries=1,
                throttles=1,
                backoff_seconds=0.5,
                reason=StopReason.NOT_RETRYABLE,
                fault=Fault.VALIDATION,
                error=second,
            ),
        ]

    def test_a_call_after_the_deadline_is_an_event(self) -> None:
        events: list[Event] = []
        with pytest.raises(DeadlineExceededError):
            Retrier(PLAIN, clock=FakeClock(), deadline=Deadline(0.0), listeners=[events.append]).call(scripted())
        assert events == [CallStarted(), CallFailed(attempts=0, reason=StopReason.DEADLINE, error=None)]

    def test_a_listener_that_raises_is_logged_and_does_not_end_the_call(self, caplog: pytest.LogCaptureFixture) -> None:
        def broken(_: Event) -> None:
            raise ValueError("broken")

        events: list[Event] = []
        assert Retrier(PLAIN, clock=FakeClock(), listeners=[broken, events.append]).call(scripted("answer")) == "answer"
        assert len(events) == 2
        _, record = caplog.records
        assert (record.name, record.levelno, record.getMessage()) == (
            "bedrock_resilience",
            logging.ERROR,
            "A listener failed on CallSucceeded",
        )
        assert record.exc_info is not None
        assert str(record.exc_info[1]) == "broken"

    def test_listeners_may_come_from_any_iterable(self) -> None:
        events: list[Event] = []
        retrier = Retrier(PLAIN, clock=FakeClock(), listeners=iter([events.append]))
        retrier.call(scripted("answer"))
        retrier.call(scripted("answer"))
        assert len(events) == 4


class TestAsync:
    async def test_a_throttled_call_that_succeeds(self) -> None:
        clock, fn = FakeClock(), ascripted(*throttling_errors(2), "answer")
        assert await Retrier(PLAIN, clock=clock).acall(fn, 1, two=2) == "answer"
        assert clock.sleeps == [0.5, 1.0]
        assert fn.arguments == [((1,), {"two": 2})] * 3

    async def test_a_returned_generator_is_refused(self) -> None:
        async def ask() -> object:
            return (word for word in ("one", "two"))

        with pytest.raises(TypeError) as refused:
            await Retrier(PLAIN).acall(ask)
        assert str(refused.value) == (
            f"{ask!r} returned a generator, which has not run yet: read it inside the function and return its items"
        )

    async def test_tokens_may_depend_on_the_arguments(self) -> None:
        counted: list[object] = []

        def tokens(*args: object, **kwargs: object) -> int:
            counted.append((args, kwargs))
            return 0

        await Retrier(PLAIN, tokens=tokens).acall(ascripted("answer"), 1, two=2)
        assert counted == [((1,), {"two": 2})]

    async def test_a_call_that_is_always_throttled(self) -> None:
        clock, last = FakeClock(), throttling_error()
        with pytest.raises(THROTTLED) as raised:
            await Retrier(PLAIN, clock=clock).acall(ascripted(*throttling_errors(3), last))
        assert raised.value is last
        assert last.__notes__ == [f"{NOTE} 4 attempts and 3.50 s of waiting: retries exhausted"]
        assert clock.sleeps == [0.5, 1.0, 2.0]

    async def test_events_are_the_same(self) -> None:
        events: list[Event] = []
        error = throttling_error()
        await Retrier(PLAIN, clock=FakeClock(), listeners=[events.append]).acall(ascripted(error, "answer"))
        assert events == [
            CallStarted(),
            RetryScheduled(attempt=1, max_attempts=4, delay=0.5, fault=Fault.THROTTLING, error=error),
            CallSucceeded(
                attempts=2, retries=1, throttles=1, fault=Fault.THROTTLING, backoff_seconds=0.5, answer="answer"
            ),
        ]

    async def test_the_deadline_is_shared(self) -> None:
        clock, fn = FakeClock(), ascripted(then=throttling_error())
        inner = Retrier(PLAIN, clock=clock)
        with pytest.raises(THROTTLED):
            await Retrier(RetryPolicy(retry_on="none"), clock=clock, deadline=Deadline(1.6)).acall(inner.acall, fn)
        assert (fn.calls, clock.sleeps) == (3, [0.5, 1.0])

    async def test_the_arguments_arrive_under_a_deadline(self) -> None:
        fn = ascripted("answer")
        await Retrier(PLAIN, clock=FakeClock(), deadline=Deadline(5.0)).acall(fn, 1, two=2)
        assert fn.arguments == [((1,), {"two": 2})]

    async def test_past_the_deadline_nothing_is_attempted(self) -> None:
        fn = ascripted("answer")
        with pytest.raises(DeadlineExceededError):
            await Retrier(PLAIN, clock=FakeClock(1.0), deadline=Deadline(1.0)).acall(fn)
        assert fn.calls == 0

    async def test_a_cancellation_while_asleep_ends_the_call(self) -> None:
        asleep = asyncio.Event()

        class NeverEnding(FakeClock):
            async def asleep(self, seconds: float, /) -> None:
                assert seconds == 0.5
                asleep.set()
                await asyncio.Event().wait()

        fn, pacer = ascripted(throttling_error(), "answer"), RecordingPacer()
        task = asyncio.create_task(Retrier(PLAIN, clock=NeverEnding(), pacer=pacer).acall(fn))
        await asleep.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert fn.calls == 1
        assert pacer.ended == ["throttled"]

    async def test_a_cancellation_during_an_attempt_is_not_retried(self) -> None:
        pacer, entered = RecordingPacer(), asyncio.Event()

        async def hang() -> None:
            entered.set()
            await asyncio.Event().wait()

        task = asyncio.create_task(
            Retrier(PLAIN.replace(retry_on="transient"), clock=FakeClock(), pacer=pacer).acall(hang)
        )
        await entered.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert pacer.ended == ["answered"], "it was sent, and may have used its tokens"

    async def test_a_timeout_around_it_is_a_timeout(self) -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await Retrier(PLAIN).acall(asyncio.Event().wait)


class TestDecorator:
    def test_missing_parentheses_are_an_error(self) -> None:
        decorator: Any = retry
        with pytest.raises(TypeError) as refused:
            decorator(print_nothing)
        assert str(refused.value) == (
            f"Retrier: policy: got {print_nothing!r}; accepted: a RetryPolicy, or nothing: @retry()"
        )

    @pytest.mark.parametrize("given", [5, FakeClock])
    def test_what_is_no_function_is_refused(self, given: Any) -> None:  # noqa: ANN401 - that is the point
        with pytest.raises(TypeError) as refused:
            retry(PLAIN)(given)
        assert str(refused.value) == f"Retrier: got {given!r} to decorate; accepted: a function or a method"

    def test_a_function(self) -> None:
        clock, script = FakeClock(), scripted(*throttling_errors(2), "answer")

        @retry(PLAIN, clock=clock)
        def ask(question: str, *, politely: bool = True) -> str:
            """Ask the model."""
            answer: str = script(question, politely)
            return answer

        assert ask("why?") == "answer"
        assert script.arguments == [(("why?", True), {})] * 3
        assert clock.sleeps == [0.5, 1.0]
        assert (ask.__name__, ask.__doc__) == ("ask", "Ask the model.")
        assert list(inspect.signature(ask).parameters) == ["question", "politely"]

    async def test_a_coroutine_function(self) -> None:
        clock, script = FakeClock(), ascripted(*throttling_errors(2), "answer")

        @retry(PLAIN, clock=clock)
        async def ask(question: str) -> str:
            answer: str = await script(question)
            return answer

        assert inspect.iscoroutinefunction(ask)
        assert ask.__name__ == "ask"
        assert await ask("why?") == "answer"
        assert clock.sleeps == [0.5, 1.0]

    def test_a_method(self) -> None:
        clock = FakeClock()

        class Client:
            def __init__(self) -> None:
                self.script = scripted(throttling_error(), "answer")

            @retry(PLAIN, clock=clock)
            def ask(self, question: str) -> str:
                answer: str = self.script(question)
                return answer

            @classmethod
            @retry(PLAIN)
            def kind(cls) -> str:
                return cls.__name__

            @staticmethod
            @retry(PLAIN)
            def constant() -> int:
                return 5

        client = Client()
        assert client.ask("why?") == "answer"
        assert client.script.arguments == [(("why?",), {})] * 2
        assert (Client.kind(), client.constant()) == ("Client", 5)

    async def test_a_callable_object_that_is_awaited(self) -> None:
        clock, script = FakeClock(), ascripted(throttling_error(), "answer")
        assert await retry(PLAIN, clock=clock)(script)() == "answer"
        assert clock.sleeps == [0.5]

    def test_the_default_is_the_contracts_policy(self) -> None:
        assert retry().policy == RetryPolicy()

    def test_every_setting_is_kept(self) -> None:
        settings: dict[str, Any] = {
            "clock": FakeClock(),
            "deadline": Deadline(5.0),
            "timeout": 9.0,
            "budget": RetryBudget(),
            "pacer": RecordingPacer(),
            "listeners": (print,),
            "tokens": 5,
            "classify": nobody_knows,
            "raise_exhausted": True,
            "retry_on_result": bool,
            "before_attempt": print,
            "attempt_timeout": 5.0,
            "stop_event": threading.Event(),
            "fallback": str,
        }
        rng = random.Random(1)
        retrier = retry(PLAIN, rng=rng, **settings)
        assert {name: getattr(retrier, name) for name in settings} == settings
        assert retrier.policy is PLAIN
        assert retrier.rng is rng


class TestReplace:
    def test_a_copy_with_other_settings(self) -> None:
        pacer, rng = RecordingPacer(), random.Random(1)
        retrier = Retrier(PLAIN, pacer=pacer, rng=rng, tokens=5)
        changed = retrier.replace(tokens=7)
        changed.call(scripted("answer"))
        retrier.call(scripted("answer"))
        assert pacer.tokens == [7, 5]
        assert changed.policy is PLAIN
        assert changed.rng is rng

    def test_derived_settings_are_updated(self) -> None:
        events: list[Event] = []
        Retrier(PLAIN).replace(listeners=[events.append]).call(scripted("answer"))
        assert len(events) == 2

    def test_another_name_is_refused(self) -> None:
        with pytest.raises(TypeError, match="attempts"):
            Retrier(PLAIN).replace(attempts=5)


class TestOptionsOfADecoratedFunction:
    def test_its_retrier(self) -> None:
        retrier = Retrier(PLAIN)

        @retrier
        def ask() -> None:
            """Ask."""

        assert retrier_of(ask) is retrier

    def test_other_options_for_one_call(self) -> None:
        clock, script = FakeClock(), scripted(throttling_error(), "answer")

        @retry(PLAIN, clock=clock)
        def ask(question: str) -> str:
            answer: str = script(question)
            return answer

        with pytest.raises(THROTTLED):
            with_options(ask, policy=PLAIN.replace(max_retries=0))("why?")
        assert ask("why?") == "answer"
        assert retrier_of(ask).policy is PLAIN
        assert with_options(ask, policy=PLAIN).__name__ == "ask"

    async def test_other_options_of_a_bound_coroutine_method(self) -> None:
        class Client:
            def __init__(self) -> None:
                self.script = ascripted(then=throttling_error())

            @retry(PLAIN, clock=FakeClock())
            async def ask(self) -> str:
                answer: str = await self.script()
                return answer

        client = Client()
        with pytest.raises(THROTTLED):
            await with_options(client.ask, policy=PLAIN.replace(max_retries=1))()
        assert client.script.calls == 2

    def test_what_is_not_decorated_is_refused(self) -> None:
        with pytest.raises(TypeError) as refused:
            with_options(print_nothing, policy=PLAIN)
        assert str(refused.value) == (
            f"retrier_of: fn: got {print_nothing!r}; accepted: a function that is decorated with retry() or a Retrier"
        )


class Payload:
    """An argument that must not outlive its call."""


class TestMemory:
    """A failed call leaves no reference cycle, which only the garbage collector could free."""

    @pytest.fixture(autouse=True)
    def no_collector(self) -> Iterator[None]:
        gc.collect()
        gc.disable()
        yield
        gc.enable()

    @pytest.mark.parametrize("settings", [{}, {"listeners": [print_nothing]}, {"raise_exhausted": True}])
    @pytest.mark.parametrize("make", [throttling_error, validation_error, tokens_per_day_error])
    def test_a_failed_call(self, settings: dict[str, Any], make: Callable[[], Exception]) -> None:
        retrier = Retrier(PLAIN, clock=FakeClock(), **settings)

        def work(payload: Payload) -> None:
            assert payload
            raise make()

        payload = Payload()
        alive = weakref.ref(payload)
        with pytest.raises(Exception) as raised:  # noqa: PT011 - any of them
            retrier.call(work, payload)
        del payload, raised
        assert alive() is None

    def test_a_failed_policy_call(self, instant_retries: FakeClock) -> None:
        payload = Payload()
        alive = weakref.ref(payload)

        def work(payload: Payload) -> None:
            assert payload
            raise throttling_error()

        with pytest.raises(THROTTLED) as raised:
            PLAIN.call(work, payload)
        del payload, raised
        assert alive() is None
        assert len(instant_retries.sleeps) == 3

    async def test_a_failed_awaited_call(self) -> None:
        payload = Payload()
        alive = weakref.ref(payload)

        async def work(payload: Payload) -> None:
            assert payload
            raise throttling_error()

        with pytest.raises(THROTTLED) as raised:
            await Retrier(PLAIN, clock=FakeClock()).acall(work, payload)
        del payload, raised
        assert alive() is None


class TestAutomaticPacer:
    def test_auto_is_a_new_pacer_that_learns_for_each_retrier(self) -> None:
        one, other = (Retrier(pacer="auto") for _ in range(2))
        assert isinstance(one.pacer, AdaptivePacer)
        assert isinstance(other.pacer, AdaptivePacer)
        assert one.pacer is not other.pacer
        assert one.replace(deadline=None).pacer is one.pacer

    def test_an_executor_takes_it_as_well(self) -> None:
        assert isinstance(BoundedExecutor(pacer="auto").retrier.pacer, AdaptivePacer)

    def test_another_word_is_refused(self) -> None:
        wrong: Any = "adaptive"
        with pytest.raises(ValueError, match=r"^Retrier: pacer: got 'adaptive'; accepted: a pacer, .*'auto', or None$"):
            Retrier(pacer=wrong)

    def test_the_pacer_is_given_the_limit_that_the_message_names(self) -> None:
        pacer = RecordingPacer()
        error = bedrock_error("ThrottlingException", 429, "Too many tokens, please wait before trying again.")
        Retrier(PLAIN, clock=FakeClock(), pacer=pacer).call(
            scripted(error, throttling_error("Rate exceeded"), "answer")
        )
        assert pacer.limits == [Limit.TOKENS_PER_MINUTE, None]

    def test_the_pacer_is_told_how_often_a_call_was_retried(self) -> None:
        pacer = RecordingPacer(1.0)
        retries: list[int] = []
        recorded = pacer.due

        def due(reservation: Reservation, now: float) -> float:
            retries.append(reservation.retries)
            return recorded(reservation, now)

        pacer.due = due  # type: ignore[method-assign]  # observes what the driver set
        Retrier(PLAIN, clock=FakeClock(), pacer=pacer).call(scripted(throttling_error(), "answer"))
        assert retries == [0, 1]
