"""BoundedExecutor with threads: many items, few workers, and an outcome for each item."""

from __future__ import annotations

import contextlib
import gc
import itertools
import json
import logging
import os
import random
import signal
import subprocess
import sys
import threading
import weakref
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, cast

import pytest

from bedrock_resilience import AdditiveJitter, BoundedExecutor, Fault, NoJitter, RetryPolicy
from bedrock_resilience.batch import report_of
from bedrock_resilience.batch._report import BatchReport
from bedrock_resilience.batch._threads import ThreadedRun
from bedrock_resilience.clock import SYSTEM_CLOCK, SystemThreads
from bedrock_resilience.errors import BatchInterrupted, InputError
from bedrock_resilience.pacing import NoPacer, Reservation
from bedrock_resilience.quotas import RequestTokens, TokenUsage, Usage
from bedrock_resilience.retrying._budget import RetryBudget
from bedrock_resilience.retrying._deadline import Deadline
from bedrock_resilience.testing import (
    FakeClock,
    access_denied,
    bedrock_error,
    converse_response,
    read_timeout,
    scripted,
    throttling_error,
    throttling_errors,
    validation_error,
)
from support.refusals import refusal_of

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator

    from bedrock_resilience.batch._progress import Progress
    from bedrock_resilience.batch._report import ItemOutcome
    from bedrock_resilience.retrying._events import Event

PLAIN = RetryPolicy(jitter=NoJitter())


def classify_nothing(error: BaseException) -> Fault:  # noqa: ARG001 - a classifier's signature
    return Fault.UNKNOWN


def double(number: int) -> int:
    return 2 * number


class CountingThreads(SystemThreads):
    """Those of this process; ``made`` has whether each is a daemon, by its name, and ``locks`` counts the locks."""

    def __init__(self) -> None:
        self.made: dict[str, bool] = {}
        self.locks = 0

    def thread(self, target: Callable[..., object], *args: object, name: str, daemon: bool = False) -> threading.Thread:
        self.made[name] = daemon
        return super().thread(target, *args, name=name, daemon=daemon)

    def lock(self) -> contextlib.AbstractContextManager[object]:
        self.locks += 1
        return super().lock()


class CountingClock(FakeClock):
    def __init__(self) -> None:
        super().__init__()
        self.threads = CountingThreads()


def workers() -> list[str]:
    """The executor's threads that are alive."""
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("bedrock-resilience-")]


def balanced(progress: Progress) -> bool:
    return progress.submitted == progress.succeeded + progress.failed + progress.unstarted + progress.in_flight


def close(stream: Iterator[object]) -> None:
    """Close a stream before its end."""
    cast("Generator[object]", stream).close()


def statuses(outcomes: Any) -> str:  # noqa: ANN401 - outcomes of any items
    """One letter each: s, f, u."""
    return "".join(outcome.status[0] for outcome in outcomes)


class TestConstruction:
    def test_the_defaults(self) -> None:
        executor = BoundedExecutor()
        assert executor.max_workers == 4
        assert executor.retrier.policy == RetryPolicy()
        assert executor.retrier.clock is SYSTEM_CLOCK
        assert executor.on_progress is None
        assert executor.retrier.tokens == 0
        assert repr(BoundedExecutor(2)) == f"BoundedExecutor(max_workers=2, policy={RetryPolicy()!r})"

    def test_every_setting_is_kept(self) -> None:
        settings: dict[str, Any] = {
            "policy": PLAIN,
            "deadline": Deadline(5.0),
            "budget": RetryBudget(),
            "pacer": NoPacer(),
            "clock": FakeClock(),
            "listeners": (print,),
            "tokens": 5,
            "classify": classify_nothing,
        }
        executor = BoundedExecutor(2, on_progress=print, **settings)
        assert {name: getattr(executor.retrier, name) for name in settings} == settings
        assert executor.on_progress is print

    @pytest.mark.parametrize("given", [0, -1, 2.0, True, "4", None])
    def test_an_invalid_number_of_workers_is_refused(self, given: Any) -> None:  # noqa: ANN401 - that is the point
        with pytest.raises(refusal_of(given, int)) as refused:
            BoundedExecutor(given)
        assert str(refused.value) == f"BoundedExecutor: max_workers: got {given!r}; accepted: a whole number >= 1"

    @pytest.mark.parametrize(
        ("wrong", "text"),
        [
            ({"tokens": None}, "tokens: got None; accepted: a whole number >= 0, a RequestTokens, or a function that"),
            ({"pacer": "quota"}, "pacer: got 'quota'; accepted: a pacer, such as AdaptivePacer(), or 'auto', or None"),
            ({"policy": 3}, "policy: got 3; accepted: a RetryPolicy"),
        ],
    )
    def test_an_invalid_option_of_the_calls_is_refused_in_its_name(self, wrong: dict[str, Any], text: str) -> None:
        with pytest.raises((TypeError, ValueError)) as refused:
            BoundedExecutor(4, **wrong)
        assert str(refused.value).startswith(f"BoundedExecutor: {text}")

    def test_so_is_what_a_function_returns_for_an_item(self) -> None:
        tokens: Any = print  # returns None
        (failed,) = BoundedExecutor(1, tokens=tokens).run(double, [1]).failed
        assert str(failed.error).startswith("BoundedExecutor: tokens: got None; accepted:")

    def test_one_worker_is_enough(self) -> None:
        assert BoundedExecutor(1).run(double, range(5)).values == [0, 2, 4, 6, 8]


class TestRun:
    def test_values_are_in_input_order_whatever_finishes_first(self) -> None:
        clock = FakeClock(100.0)

        def slower_first(number: int) -> int:
            clock.advance(10.0 - number)
            return number

        report = BoundedExecutor(4, clock=clock).run(slower_first, range(8))
        assert report.values == list(range(8))
        assert [(outcome.index, outcome.item) for outcome in report.outcomes] == [(item, item) for item in range(8)]
        assert [outcome.elapsed for outcome in report.outcomes] == [10.0 - number for number in range(8)]
        assert report.elapsed == clock.monotonic() - 100.0
        assert report.stopped is None

    def test_one_failure_leaves_the_other_items_untouched(self) -> None:
        error = validation_error()

        def pick(number: int) -> int:
            if number == 2:
                raise error
            return number

        report = BoundedExecutor().run(pick, range(5))
        assert statuses(report.outcomes) == "ssfss"
        assert report.values == [0, 1, 3, 4]
        (failed,) = report.failed
        assert (failed.item, failed.error, failed.fault, failed.reason) == (2, error, Fault.VALIDATION, "not retryable")
        assert error.__notes__ == ["bedrock_resilience: gave up after 1 attempt and 0.00 s of waiting: not retryable"]

    def test_retries_are_made_and_counted(self) -> None:
        clock = FakeClock()
        fn = scripted(*throttling_errors(2), "answer", then="answer")
        report = BoundedExecutor(1, policy=PLAIN, clock=clock).run(fn, "ab")
        first, second = report.outcomes
        assert (first.attempts, first.retries, first.throttles, first.backoff_seconds, first.elapsed) == (
            3,
            2,
            2,
            1.5,
            1.5,
        )
        assert (second.attempts, second.retries, second.throttles, second.backoff_seconds) == (1, 0, 0, 0.0)
        assert (report.attempts, report.retries, report.throttles, report.backoff_seconds) == (4, 2, 2, 1.5)
        assert fn.calls == 4
        assert clock.sleeps == [0.5, 1.0]

    @pytest.mark.parametrize("size", [0, 1, 3])
    def test_no_more_threads_than_items(self, size: int) -> None:
        alive: list[int] = []
        report = BoundedExecutor(4).run(lambda _: alive.append(len(workers())), range(size))
        assert report.submitted == size
        assert all(number <= size for number in alive)
        assert workers() == []

    def test_the_input_may_be_any_iterable(self) -> None:
        assert BoundedExecutor().run(double, (number for number in range(10))).values == list(range(0, 20, 2))
        assert BoundedExecutor().run(str.upper, {"a": 1}).values == ["A"]

    def test_exactly_max_workers_items_are_in_flight(self) -> None:
        together = threading.Barrier(3, timeout=10)
        lock = threading.Lock()
        in_flight = 0
        most = 0

        def work(_: int) -> None:
            nonlocal in_flight, most
            with lock:
                in_flight += 1
                most = max(most, in_flight)
            together.wait()
            with lock:
                in_flight -= 1

        report = BoundedExecutor(3).run(work, range(30))
        assert len(report.succeeded) == 30
        assert most == 3

    def test_workers_run_concurrently_on_virtual_time(self) -> None:
        clock = FakeClock()
        BoundedExecutor(4, clock=clock).run(lambda _: clock.advance(6.5), range(10))
        assert clock.monotonic() == 3 * 6.5

    def test_the_same_seed_gives_the_same_run(self) -> None:
        def once() -> tuple[dict[str, object], list[float]]:
            clock = FakeClock()
            fn = scripted(*throttling_errors(7), then="answer", clock=clock, latency=2.0)
            report = BoundedExecutor(4, clock=clock, rng=random.Random(3)).run(fn, range(12))
            return report.to_dict(), clock.sleeps

        assert once() == once()

    def test_a_clock_may_provide_the_threads(self) -> None:
        clock = CountingClock()
        assert BoundedExecutor(2, clock=clock).run(double, range(3)).values == [0, 2, 4]
        assert clock.threads.made == {"bedrock-resilience-0": True, "bedrock-resilience-1": True}
        assert clock.threads.locks == 4  # of the input, the numbers, the progress, and the workers

    def test_an_item_whose_tokens_cannot_be_computed_is_in_its_outcome(self) -> None:
        report = BoundedExecutor(1, tokens=len).run(str, [5])
        failed = report.failed[0]
        assert (failed.item, failed.attempts, failed.reason) == (5, 0, "not a usable item")
        assert isinstance(failed.error, TypeError)

    def test_the_seconds_of_an_item_that_fails_are_those_from_its_start(self) -> None:
        clock = FakeClock(start=100.0)
        report = BoundedExecutor(1, policy=PLAIN, clock=clock).run(scripted(then=throttling_error()), ["a"])
        assert report.failed[0].elapsed == 3.5

    @pytest.mark.parametrize(("items", "threads"), [([], 1), ([1], 1), ([1, 2, 3], 3), (range(9), 4), (iter([1]), 4)])
    def test_there_are_no_more_workers_than_items(self, items: Iterable[int], threads: int) -> None:
        clock = CountingClock()
        BoundedExecutor(4, clock=clock).run(double, items)
        assert len(clock.threads.made) == threads

    def test_workers_inherit_the_callers_context(self) -> None:
        request_id: ContextVar[str] = ContextVar("request_id")
        request_id.set("abc")

        def work(_: int) -> str:
            inherited = request_id.get()
            request_id.set("changed by a worker")
            return inherited

        assert BoundedExecutor(1).run(work, range(1)).values == ["abc"]
        assert request_id.get() == "abc"

    def test_listeners_receive_the_events_of_all_items(self) -> None:
        events: list[Event] = []
        fn = scripted(throttling_error(), then="answer")
        BoundedExecutor(2, clock=FakeClock(), listeners=[events.append]).run(fn, range(3))
        assert sorted(type(event).__name__ for event in events) == [
            *["CallStarted"] * 3,
            *["CallSucceeded"] * 3,
            "RetryScheduled",
        ]

    def test_a_budget_bounds_the_whole_batch(self) -> None:
        budget = RetryBudget(share=0.0, reserve=5)
        report = BoundedExecutor(2, policy=PLAIN, clock=FakeClock(), budget=budget).run(
            scripted(then=throttling_error()), range(6)
        )
        assert (report.attempts, report.retries) == (11, 5)
        assert [outcome.reason for outcome in report.outcomes] == ["retries exhausted"] + ["retry budget spent"] * 5

    def test_tokens_may_depend_on_the_item(self) -> None:
        class TokenRecordingPacer(NoPacer):
            def __init__(self) -> None:
                self.tokens: list[int] = []

            def reserve(self, now: float, tokens: int = 0) -> Reservation:
                self.tokens.append(tokens)
                return super().reserve(now, tokens)

        pacer = TokenRecordingPacer()
        BoundedExecutor(1, pacer=pacer, tokens=len).run(str.upper, ["a", "bbb"])
        assert pacer.tokens == [1, 3]

    def test_token_usage_is_reported_without_a_pacer(self) -> None:
        outcomes: dict[str, str | Exception]
        outcomes = {"long": "a b c", "short": "a", "lost": read_timeout(), "bad": validation_error()}

        def ask(item: str) -> dict[str, Any]:
            answer = outcomes[item]
            if isinstance(answer, Exception):
                raise answer
            return converse_response(answer)

        executor = BoundedExecutor(1, policy=PLAIN, tokens=RequestTokens(0, 100))
        report = executor.run(ask, outcomes)
        long, short = (RequestTokens(0, 100).settled(Usage(10, words)) for words in (3, 1))
        lost = TokenUsage(unknown=1)
        assert [outcome.tokens for outcome in report.outcomes] == [long, short, lost, None]
        assert report.tokens == long + short + lost
        assert [outcome.tokens for outcome in executor.stream(ask, outcomes)] == [long, short, lost, None]

    def test_tokens_that_depend_on_the_item_are_in_its_outcome(self) -> None:
        def size(item: str) -> RequestTokens:
            return RequestTokens(0, len(item))

        report = BoundedExecutor(1, tokens=size).run(converse_response, ["a", "bbb"])
        assert [outcome.tokens and outcome.tokens.max_tokens for outcome in report.outcomes] == [1, 3]

    def test_a_plain_number_of_tokens_is_not_in_the_report(self) -> None:
        assert BoundedExecutor(1, tokens=100).run(converse_response, ["a"]).tokens is None

    def test_an_item_whose_tokens_cannot_be_computed_fails_alone(self) -> None:
        def size(item: str | None) -> int:
            return len(item)  # type: ignore[arg-type]  # that is the point

        report = BoundedExecutor(2, tokens=size).run(lambda item: item, ["a", None, "b"])
        assert statuses(report.outcomes) == "sfs"
        (failed,) = report.failed
        assert isinstance(failed.error, TypeError)
        assert (failed.attempts, failed.fault, failed.reason) == (0, Fault.UNKNOWN, "not a usable item")

    @pytest.mark.parametrize("where", ["reserve", "due", "answered"])
    def test_a_pacer_that_raises_loses_no_item(self, where: str) -> None:
        class FailingPacer(NoPacer):
            def reserve(self, now: float, tokens: int = 0) -> Reservation:
                if where == "reserve":
                    raise ValueError("broken")
                return Reservation(1.0 if where == "due" else 0.0, now, tokens)

            def due(self, reservation: Reservation, now: float) -> float:
                raise ValueError("broken")

            def answered(self, reservation: Reservation, now: float, usage: Usage | None = None) -> None:
                if where == "answered":
                    raise ValueError("broken")

        report = BoundedExecutor(2, clock=FakeClock(), pacer=FailingPacer()).run(double, range(3))
        assert statuses(report.outcomes) == "fff"
        assert {str(outcome.error) for outcome in report.failed} == {"broken"}
        assert {outcome.fault for outcome in report.failed} == {Fault.UNKNOWN}
        assert report.stopped is None


class TestWhatFunctionsDo:
    @pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, GeneratorExit])
    def test_raising_a_base_exception_is_one_items_failure(self, error: type[BaseException]) -> None:
        def work(number: int) -> int:
            if number == 1:
                raise error
            return number

        report = BoundedExecutor(2).run(work, range(4))
        assert statuses(report.outcomes) == "sfss"
        (failed,) = report.failed
        assert isinstance(failed.error, error)
        assert (failed.fault, failed.attempts, failed.reason) == (Fault.CANCELLED, 1, "run stopped")

    def test_returning_after_the_run_was_stopped_is_a_success(self) -> None:
        refused = threading.Event()

        def work(number: int) -> int:
            if number == 0:
                assert refused.wait(10)
                return number
            raise access_denied()

        def on_progress(progress: Progress) -> None:
            if progress.failed:
                refused.set()

        report = BoundedExecutor(2, on_progress=on_progress).run(work, range(10))
        assert statuses(report.outcomes) == "sf" + 8 * "u"
        assert report.values == [0]

    def test_returning_nothing_is_a_success(self) -> None:
        report = BoundedExecutor().run(lambda _: None, range(3))
        assert report.values == [None, None, None]

    def test_a_failed_batch_leaves_no_reference_cycle(self) -> None:
        class Payload: ...

        def work(payload: Payload) -> None:
            assert payload
            raise throttling_error()

        gc.collect()
        gc.disable()
        try:
            payload = Payload()
            alive = weakref.ref(payload)
            report = BoundedExecutor(1, policy=PLAIN, clock=FakeClock()).run(work, [payload])
            assert len(report.failed) == 1
            del payload, report
            assert alive() is None
        finally:
            gc.enable()


class TestEndOfTheRun:
    def test_a_fatal_fault_costs_at_most_one_call_per_worker(self) -> None:
        clock = FakeClock()
        fn = scripted(then=access_denied(), clock=clock, latency=1.0)
        report = BoundedExecutor(4, clock=clock).run(fn, range(104))
        assert fn.calls == 4
        assert (report.attempts, len(report.failed), len(report.unstarted)) == (4, 4, 100)
        assert report.stopped == "access_denied: every other item would fail the same way"
        assert {outcome.reason for outcome in report.unstarted} == {report.stopped}
        assert report.submitted == 104
        assert [outcome.item for outcome in report.outcomes] == list(range(104))
        assert clock.monotonic() == 1.0

    def test_an_item_that_asks_for_a_wait_beyond_the_deadline_fails_alone(self) -> None:
        clock = FakeClock()

        def work(number: int) -> None:
            clock.advance(0.02)
            if number == 3:
                raise throttling_error(retry_after=60)

        report = BoundedExecutor(1, clock=clock, deadline=Deadline(5.0)).run(work, range(50))
        assert statuses(report.outcomes) == "sssf" + 46 * "s"
        assert report.failed[0].reason == "deadline"
        assert report.stopped is None

    def test_a_fatal_fault_wakes_sleeping_workers(self) -> None:
        clock = FakeClock()

        def work(number: int) -> None:
            if number:
                clock.advance(3.0)
                raise access_denied()
            raise throttling_error(retry_after=100)

        report = BoundedExecutor(2, clock=clock).run(work, range(5))
        assert clock.monotonic() == 3.0
        sleeper, refused = report.failed
        assert (sleeper.fault, sleeper.attempts, sleeper.retries, sleeper.reason) == (
            Fault.THROTTLING,
            1,
            1,
            "run stopped",
        )
        assert refused.fault is Fault.ACCESS_DENIED
        assert statuses(report.outcomes) == "ffuuu"

    def test_a_fatal_fault_wakes_sleeping_workers_in_real_time(self) -> None:
        asleep = threading.Event()

        def work(number: int) -> None:
            if number:
                assert asleep.wait(10)
                raise access_denied()
            raise throttling_error(retry_after=100)

        def listen(_: Event) -> None:
            asleep.set()

        started = SYSTEM_CLOCK.monotonic()
        report = BoundedExecutor(2, listeners=[listen]).run(work, range(5))
        assert statuses(report.outcomes) == "ffuuu"
        assert SYSTEM_CLOCK.monotonic() - started < 20

    def test_a_clock_that_cannot_be_interrupted_sleeps_to_its_end(self) -> None:
        class Plain:
            """A clock with the three methods of the protocol only."""

            def __init__(self) -> None:
                self.now = 0.0
                self.slept = threading.Event()
                self.refused = threading.Event()

            def monotonic(self) -> float:
                return self.now

            def sleep(self, seconds: float, /) -> None:
                self.now += seconds
                self.slept.set()
                assert self.refused.wait(10)

            async def asleep(self, seconds: float, /) -> None:
                raise NotImplementedError(seconds)

        clock = Plain()

        def work(number: int) -> None:
            if number:
                assert clock.slept.wait(10)
                raise access_denied()
            raise throttling_error()

        report = BoundedExecutor(2, policy=PLAIN, clock=clock, on_progress=lambda _: clock.refused.set()).run(
            work, range(5)
        )
        assert statuses(report.outcomes) == "ffuuu"
        assert report.failed[0].reason == "run stopped"
        assert clock.now == 0.5

    def test_a_clock_without_wait_still_sleeps_and_retries(self) -> None:
        class Plain(FakeClock):
            wait = None  # type: ignore[assignment]  # a clock without it

        clock = Plain()
        report = BoundedExecutor(1, policy=PLAIN, clock=clock).run(scripted(throttling_error(), "answer"), range(1))
        assert report.values == ["answer"]
        assert clock.sleeps == [0.5]

    def test_an_endless_input_is_not_read_further_after_the_stop(self) -> None:
        items = itertools.count()
        outcomes = list(BoundedExecutor(2, clock=FakeClock()).stream(scripted(then=access_denied()), items))
        assert 1 <= len(outcomes) <= 2
        assert next(items) == len(outcomes)


class TestDeadline:
    def test_items_that_do_not_fit_are_unstarted_with_the_reason(self) -> None:
        clock = FakeClock()

        def work(number: int) -> int:
            clock.advance(2.0)
            return number

        report = BoundedExecutor(2, clock=clock, deadline=Deadline(5.0)).run(work, range(10))
        assert statuses(report.outcomes) == "ssssss" + "uuuu"
        assert report.stopped == "deadline"
        assert {outcome.reason for outcome in report.unstarted} == {"deadline"}

    def test_no_attempt_that_could_not_finish(self) -> None:
        clock = FakeClock()
        report = BoundedExecutor(2, clock=clock, deadline=Deadline(5.0, attempt=2.0)).run(
            lambda _: clock.advance(2.0), range(10)
        )
        assert statuses(report.outcomes) == "ssss" + "uuuuuu"
        assert clock.monotonic() == 4.0

    def test_no_sleep_that_would_end_past_it(self) -> None:
        clock = FakeClock()
        report = BoundedExecutor(2, policy=PLAIN, clock=clock, deadline=Deadline(1.2)).run(
            scripted(then=throttling_error()), range(4)
        )
        assert clock.monotonic() == 1.0
        assert statuses(report.outcomes) == "ffff"
        assert {outcome.reason for outcome in report.failed} == {"deadline"}
        assert {outcome.attempts for outcome in report.failed} == {2}

    def test_once_a_throttled_item_has_no_time_for_a_retry_the_others_are_unstarted(self) -> None:
        clock = FakeClock()

        def work(_: int) -> int:
            clock.advance(0.1)
            raise throttling_error()

        report = BoundedExecutor(1, policy=PLAIN, clock=clock, deadline=Deadline(1.0)).run(work, range(10))
        assert statuses(report.outcomes) == "ff" + "u" * 8
        assert [outcome.attempts for outcome in report.failed] == [2, 1]
        assert report.stopped == "deadline"

    def test_another_failure_without_time_for_a_retry_says_nothing_about_the_others(self) -> None:
        clock = FakeClock(0.9)
        fn = scripted(bedrock_error("InternalServerException"), then="answer")
        report = BoundedExecutor(1, policy=PLAIN, clock=clock, deadline=Deadline(1.0)).run(fn, range(4))
        assert statuses(report.outcomes) == "fsss"

    def test_past_the_deadline_nothing_is_called(self) -> None:
        fn = scripted()
        report = BoundedExecutor(2, clock=FakeClock(5.0), deadline=Deadline(5.0)).run(fn, range(4))
        assert statuses(report.outcomes) == "uuuu"
        assert (fn.calls, report.attempts, report.stopped) == (0, 0, "deadline")

    def test_the_deadline_of_an_enclosing_call_is_obeyed(self) -> None:
        clock = FakeClock()
        with Deadline(5.0).apply():
            report = BoundedExecutor(1, clock=clock).run(lambda _: clock.advance(2.0), range(10))
        assert statuses(report.outcomes) == "sss" + "u" * 7
        assert report.stopped == "deadline"
        assert {outcome.reason for outcome in report.unstarted} == {"deadline"}
        assert {outcome.error for outcome in report.unstarted} == {None}

    def test_nested_calls_see_the_deadline(self) -> None:
        assert BoundedExecutor(1, clock=FakeClock(), deadline=Deadline(5.0)).run(
            lambda _: Deadline.current(), range(1)
        ).values == [Deadline(5.0)]


class TestProgress:
    def test_it_is_reported_after_each_item_and_balances(self) -> None:
        reports: list[Progress] = []
        error = validation_error()
        BoundedExecutor(3, on_progress=reports.append).run(scripted(error, then="answer"), range(20))
        assert len(reports) == 20
        assert all(balanced(progress) for progress in reports)
        assert [progress.done for progress in reports] == sorted(progress.done for progress in reports)
        last = reports[-1]
        assert (last.submitted, last.succeeded, last.failed, last.attempts, last.total) == (20, 19, 1, 20, 20)

    def test_unstarted_items_are_reported(self) -> None:
        reports: list[Progress] = []
        BoundedExecutor(1, on_progress=reports.append).run(scripted(access_denied()), range(5))
        assert [progress.unstarted for progress in reports] == [0, 1, 2, 3, 4]

    def test_the_total_of_an_iterator_is_unknown(self) -> None:
        reports: list[Progress] = []
        BoundedExecutor(1, on_progress=reports.append).run(double, iter(range(2)))
        assert [progress.total for progress in reports] == [None, None]

    def test_the_callback_runs_in_one_worker_at_a_time(self) -> None:
        busy = threading.Lock()

        def on_progress(_: Progress) -> None:
            assert busy.acquire(blocking=False)
            busy.release()

        report = BoundedExecutor(4, on_progress=on_progress).run(double, range(500))
        assert len(report.succeeded) == 500

    def test_a_callback_that_raises_is_logged_and_does_not_stop_the_run(self, caplog: pytest.LogCaptureFixture) -> None:
        def broken(_: Progress) -> None:
            raise ValueError("broken")

        assert BoundedExecutor(2, on_progress=broken).run(double, range(2)).values == [0, 2]
        assert [(record.name, record.levelno, record.getMessage()) for record in caplog.records] == [
            ("bedrock_resilience", logging.ERROR, "on_progress failed")
        ] * 2
        assert caplog.records[0].exc_info is not None


class BrokenInput:
    """Yields some items, then raises."""

    def __init__(self, after: int, error: BaseException) -> None:
        self._after = after
        self._error = error

    def __iter__(self) -> Iterator[int]:
        yield from range(self._after)
        raise self._error


class TestInputThatRaises:
    @pytest.mark.parametrize("error", [ValueError("broken"), SystemExit(3)])
    def test_of_a_run(self, error: BaseException) -> None:
        with pytest.raises(InputError) as raised:
            BoundedExecutor(2).run(double, BrokenInput(5, error))
        assert str(raised.value) == "the input failed after 5 items"
        assert raised.value.args == (raised.value.report, 5)
        assert raised.value.__cause__ is error
        assert raised.value.report.values == [0, 2, 4, 6, 8]
        assert raised.value.report.stopped == f"the input raised {type(error).__name__}"
        assert report_of(raised.value) is raised.value.report
        assert BatchInterrupted(raised.value.report).args == (raised.value.report,)
        assert workers() == []

    def test_of_a_stream(self) -> None:
        error = ValueError("broken")
        outcomes: list[ItemOutcome[int, int]] = []
        with pytest.raises(InputError) as raised:
            outcomes.extend(BoundedExecutor(2).stream(double, BrokenInput(5, error)))
        assert str(raised.value) == "the input failed after 5 items"
        assert raised.value.__cause__ is error
        assert raised.value.report == BatchReport((), 0.0, "the input raised ValueError")
        assert workers() == []

    def test_an_input_that_raises_after_the_stop_keeps_the_first_reason(self) -> None:
        with pytest.raises(InputError) as raised:
            BoundedExecutor(1).run(scripted(access_denied()), BrokenInput(3, ValueError("broken")))
        report = raised.value.report
        assert statuses(report.outcomes) == "fuu"
        assert report.stopped == "access_denied: every other item would fail the same way"

    def test_an_input_that_is_none(self) -> None:
        with pytest.raises(TypeError, match="not iterable"):
            BoundedExecutor().run(double, 5)  # type: ignore[arg-type]  # that is the point
        assert workers() == []


class TestStream:
    def test_outcomes_are_yielded_as_items_finish(self) -> None:
        clock = FakeClock()

        def slower_first(number: int) -> int:
            clock.advance(10.0 - number)
            return number

        outcomes = list(BoundedExecutor(4, clock=clock).stream(slower_first, range(4)))
        assert [outcome.index for outcome in outcomes] == [3, 2, 1, 0]
        assert workers() == []

    def test_every_item_gets_its_outcome(self) -> None:
        outcomes = list(BoundedExecutor(4).stream(double, range(200)))
        assert sorted(outcome.index for outcome in outcomes) == list(range(200))
        assert sum(outcome.value or 0 for outcome in outcomes) == 2 * sum(range(200))

    def test_an_empty_input_yields_nothing(self) -> None:
        assert list(BoundedExecutor().stream(double, [])) == []
        assert list(BoundedExecutor().stream(double, iter(()))) == []

    @pytest.mark.parametrize("max_workers", [1, 3])
    def test_at_most_max_workers_items_are_read_ahead_of_the_consumer(self, max_workers: int) -> None:
        read = 0

        def items() -> Iterator[int]:
            nonlocal read
            for number in itertools.count():
                read += 1
                yield number

        consumed = 0
        stream = BoundedExecutor(max_workers).stream(double, items())
        for _ in stream:
            assert read <= consumed + max_workers
            consumed += 1
            if consumed == 50:
                break
        close(stream)
        assert consumed == 50

    def test_an_endless_input_needs_no_more_memory_than_the_window(self) -> None:
        class Item: ...

        items: list[weakref.ref[Item]] = []

        def endless() -> Iterator[Item]:
            while True:
                item = Item()
                items.append(weakref.ref(item))
                yield item

        stream = BoundedExecutor(2).stream(lambda item: item, endless())
        most = 0
        for outcome in itertools.islice(stream, 500):
            assert outcome.status == "succeeded"
            del outcome
            most = max(most, sum(ref() is not None for ref in items[-20:]))
        close(stream)
        assert most <= 4, "two in the window, one at the consumer, one at the generator"
        assert not any(ref() is not None for ref in items[:-4])

    def test_finished_outcomes_do_not_wait_for_the_next_item_of_the_input(self) -> None:
        delivered = threading.Event()

        def slow() -> Iterator[int]:
            yield 0
            assert delivered.wait(10), "the first outcome was held back"
            yield 1

        outcomes: list[int] = []
        for outcome in BoundedExecutor(2).stream(double, slow()):
            outcomes.append(outcome.index)
            delivered.set()
        assert outcomes == [0, 1]

    def test_it_starts_with_the_first_next(self) -> None:
        fn = scripted(then="answer")
        stream = BoundedExecutor(2).stream(fn, range(5))
        assert (fn.calls, workers()) == (0, [])
        next(stream)
        close(stream)

    def test_closing_stops_it_and_leaves_no_worker(self) -> None:
        fn = scripted(then="answer")
        stream = BoundedExecutor(3).stream(fn, itertools.count())
        for _ in itertools.islice(stream, 10):
            pass
        close(stream)
        assert workers() == []
        assert fn.calls <= 13

    def test_an_exception_in_the_loop_stops_it(self) -> None:
        def consume() -> None:
            for _ in BoundedExecutor(3).stream(double, itertools.count()):
                raise LookupError

        with pytest.raises(LookupError):
            consume()
        assert workers() == []

    def test_an_error_in_the_with_block_stops_it_and_keeps_what_is_finished(self) -> None:
        clock = FakeClock()
        stream = BoundedExecutor(3, clock=clock).stream(double, range(9))

        def consume() -> None:
            with stream:
                next(stream)
                raise LookupError

        with pytest.raises(LookupError) as raised:
            consume()
        assert workers() == []
        report = report_of(raised.value)
        assert report is not None
        assert {outcome.index for outcome in report.outcomes} <= {0, 1, 2, 3}
        assert report == stream.report

    def test_an_error_in_the_with_block_keeps_the_report_that_it_has(self) -> None:
        class OwnError(Exception):
            report = "the caller's"

        stream = BoundedExecutor(3).stream(double, range(9))

        def consume() -> None:
            with stream:
                next(stream)
                raise OwnError

        with pytest.raises(OwnError) as raised:
            consume()
        assert raised.value.report == "the caller's"

    def test_a_with_block_that_ends_without_an_error_raises_none(self) -> None:
        with BoundedExecutor(3).stream(double, range(9)) as stream:
            assert len(list(stream)) == 9

    def test_a_dropped_stream_is_closed_at_once(self) -> None:
        next(BoundedExecutor(3).stream(double, itertools.count()))
        assert workers() == []

    def test_closing_from_contextlib(self) -> None:
        with contextlib.closing(BoundedExecutor(3).stream(double, itertools.count())) as stream:
            next(stream)
        assert workers() == []
        assert list(stream) == []

    def test_the_rest_of_a_sized_input_is_yielded_as_unstarted(self) -> None:
        clock = FakeClock()
        outcomes = list(
            BoundedExecutor(2, clock=clock).stream(scripted(then=access_denied(), clock=clock, latency=1.0), range(7))
        )
        assert statuses(outcomes) == "ffuuuuu"
        assert [outcome.index for outcome in outcomes] == list(range(7))
        assert outcomes[-1].reason == "access_denied: every other item would fail the same way"

    def test_an_item_read_before_the_stop_is_not_lost(self) -> None:
        requested, refused = threading.Event(), threading.Event()

        def items() -> Iterator[int]:
            yield 0
            requested.set()
            assert refused.wait(10)
            yield 1

        def work(_: int) -> None:
            assert requested.wait(10)
            raise access_denied()

        outcomes: list[ItemOutcome[int, None]] = []
        for outcome in BoundedExecutor(2).stream(work, items()):
            outcomes.append(outcome)
            refused.set()
        assert statuses(outcomes) == "fu"

    def test_a_stream_reports_progress(self) -> None:
        reports: list[Progress] = []
        list(BoundedExecutor(2, on_progress=reports.append).stream(double, range(10)))
        assert (len(reports), reports[-1].succeeded) == (10, 10)
        assert all(balanced(progress) for progress in reports)

    def test_the_deadline_stops_it(self) -> None:
        clock = FakeClock()
        outcomes = list(
            BoundedExecutor(2, clock=clock, deadline=Deadline(3.0)).stream(lambda _: clock.advance(2.0), range(6))
        )
        assert statuses(outcomes) == "ssssuu"


class TestThreadsThatCannotBeStarted:
    @pytest.fixture
    def few_threads(self, monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
        """Let the system refuse to start more than a number of threads."""
        start = threading.Thread.start

        def limit(number: int) -> None:
            left = iter(range(number))

            def limited(thread: threading.Thread) -> None:
                if next(left, None) is None:
                    raise RuntimeError("can't start new thread")
                start(thread)

            monkeypatch.setattr(threading.Thread, "start", limited)

        return limit

    def test_the_started_threads_process_all_items(self, few_threads: Callable[[int], None]) -> None:
        few_threads(1)
        assert BoundedExecutor(4).run(double, range(20)).values == list(range(0, 40, 2))

    def test_the_started_threads_process_all_items_of_a_stream(self, few_threads: Callable[[int], None]) -> None:
        few_threads(2)
        assert len(list(BoundedExecutor(4).stream(double, range(20)))) == 20

    def test_without_any_thread_the_error_is_raised(self, few_threads: Callable[[int], None]) -> None:
        few_threads(0)
        with pytest.raises(RuntimeError, match="can't start new thread"):
            BoundedExecutor(4).run(double, range(20))


INTERRUPTED = """
import json, os, signal, sys, threading
from bedrock_resilience import BoundedExecutor
from bedrock_resilience.clock import SYSTEM_CLOCK
from bedrock_resilience.errors import BatchInterrupted

finished = []
ended = [0.0]

def work(number):
    SYSTEM_CLOCK.sleep(0.02)
    ended[0] = SYSTEM_CLOCK.monotonic()
    finished.append(number)
    if len(finished) == 40:
        os.kill(os.getpid(), signal.SIGINT)
    return number

consumed = []
try:
    executor = BoundedExecutor(4)
    if sys.argv[1] == "run":
        executor.run(work, range(1_000))
    else:
        for outcome in executor.stream(work, range(1_000)):
            consumed.append(outcome.index)
except BatchInterrupted as interruption:
    report = interruption.report
    print(json.dumps({
        "late": SYSTEM_CLOCK.monotonic() - ended[0],
        "finished": sorted(finished),
        "reported": sorted(consumed + [outcome.item for outcome in report.succeeded]),
        "submitted": report.submitted,
        "unstarted": len(report.unstarted),
        "stopped": report.stopped,
        "threads": [thread.name for thread in threading.enumerate()],
        "text": str(interruption),
    }))
"""


def interrupting(at: int) -> Callable[[int], int]:
    """A function that sends Ctrl-C during the call of item ``at``."""

    def work(number: int) -> int:
        if number == at:
            os.kill(os.getpid(), signal.SIGINT)
        return number

    return work


class TestInterrupt:
    @pytest.mark.parametrize("method", ["run", "stream"])
    def test_every_finished_item_is_reported_and_no_thread_is_left(self, method: str) -> None:
        done = subprocess.run(
            [sys.executable, "-c", INTERRUPTED, method], capture_output=True, text=True, check=False, timeout=60
        )
        assert done.returncode == 0, done.stderr
        result = json.loads(done.stdout)
        assert result["late"] < 1.0
        assert result["threads"] == ["MainThread"]
        assert result["reported"] == result["finished"]
        assert 40 <= len(result["finished"]) <= 48
        assert result["stopped"] == "interrupted"
        if method == "run":
            assert (result["submitted"], result["unstarted"]) == (1_000, 1_000 - len(result["finished"]))
            assert result["text"] == f"{len(result['finished'])} of 1000 items had succeeded"

    def test_an_input_of_unknown_length_is_not_read_further(self) -> None:
        items = itertools.count()
        with pytest.raises(BatchInterrupted) as raised:
            BoundedExecutor(1).run(interrupting(5), itertools.takewhile(lambda number: number < 100_000_000, items))
        report = raised.value.report
        assert len(report.unstarted) <= 1, "one may have been read just before"
        assert len(report.succeeded) + len(report.unstarted) == report.submitted >= 5
        assert report_of(raised.value) is report
        assert isinstance(raised.value, KeyboardInterrupt)
        assert raised.value.__cause__ is None
        assert workers() == []

    def test_the_rest_of_a_sized_input_is_reported_as_unstarted(self) -> None:
        reports: list[Progress] = []
        with pytest.raises(BatchInterrupted) as raised:
            BoundedExecutor(1, on_progress=reports.append).run(interrupting(5), range(20_000))
        report = raised.value.report
        assert report.submitted == 20_000
        assert len(report.unstarted) == 20_000 - len(report.succeeded)
        assert {outcome.reason for outcome in report.unstarted} == {"interrupted"}
        assert reports[-1].done == 20_000
        assert 0.0 < report.elapsed < 60.0
        assert str(raised.value) == f"{len(report.succeeded)} of 20000 items had succeeded"

    def test_one_while_the_rest_of_the_input_is_listed_keeps_the_outcomes(self) -> None:
        def items() -> Iterator[int]:
            yield from range(2)
            raise KeyboardInterrupt

        with pytest.raises(BatchInterrupted) as raised:
            BoundedExecutor(1).run(scripted(access_denied()), items())
        assert statuses(raised.value.report.outcomes) == "fu"
        assert 0.0 < raised.value.report.elapsed < 60.0

    def test_of_a_stream(self) -> None:
        consumed: list[int] = []
        with pytest.raises(BatchInterrupted) as raised:
            consumed.extend(outcome.index for outcome in BoundedExecutor(2).stream(interrupting(50), itertools.count()))
        reported = [outcome.index for outcome in raised.value.report.outcomes]
        assert raised.value.report.stopped == "interrupted"
        assert len(reported) <= 4
        assert workers() == []

    def test_raised_by_on_progress_while_the_rest_of_the_input_is_listed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        reasons: list[str] = []

        def interrupt(progress: Progress) -> None:
            if progress.unstarted:
                raise KeyboardInterrupt

        def abort(_: ThreadedRun[int, int], reason: str) -> None:
            reasons.append(reason)
            raise KeyboardInterrupt  # a second one, in the wait for the calls in flight

        monkeypatch.setattr(ThreadedRun, "abort", abort)
        with pytest.raises(BatchInterrupted) as raised:
            BoundedExecutor(1, on_progress=interrupt).run(scripted(access_denied()), [0, 1, 2])
        assert statuses(raised.value.report.outcomes) == "fu"
        assert reasons == ["interrupted"]

    @pytest.mark.parametrize("method", ["run", "stream"])
    def test_a_second_interrupt_ends_the_wait_for_calls_in_flight(
        self, method: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        waiting, over = threading.Event(), threading.Event()
        stop = ThreadedRun[int, int].stop

        def announced(run: ThreadedRun[int, int], reason: str) -> None:
            stop(run, reason)
            waiting.set()

        monkeypatch.setattr(ThreadedRun, "stop", announced)

        def work(number: int) -> int:
            os.kill(os.getpid(), signal.SIGINT)
            assert waiting.wait(10)
            os.kill(os.getpid(), signal.SIGINT)
            assert over.wait(10)
            return number

        with pytest.raises(KeyboardInterrupt) as raised:
            list(getattr(BoundedExecutor(1), method)(work, [0]) or ())
        over.set()
        assert isinstance(raised.value, BatchInterrupted)
        assert raised.value.report.submitted == 0

    @pytest.mark.parametrize("method", ["run", "stream"])
    def test_one_that_another_thread_receives_does_not_wait_for_it(
        self, method: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        stopped = threading.Event()
        stop = ThreadedRun[int, int].stop

        def announced(run: ThreadedRun[int, int], reason: str) -> None:
            stop(run, reason)
            stopped.set()

        monkeypatch.setattr(ThreadedRun, "stop", announced)
        noticed: list[bool] = []

        def work(number: int) -> int:
            stopped.wait(0.2)  # until the main thread waits for the run
            signal.pthread_kill(threading.get_ident(), signal.SIGINT)
            noticed.append(stopped.wait(10))
            return number

        with pytest.raises(BatchInterrupted):
            list(getattr(BoundedExecutor(1), method)(work, [0]) or ())
        assert noticed == [True]

    def test_closing_a_stream_handles_a_signal_that_another_thread_receives(self) -> None:
        released = threading.Event()
        noticed: list[bool] = []

        def work(number: int) -> int:
            if number == 1:
                released.wait(0.2)  # until the main thread waits for this one
                signal.pthread_kill(threading.get_ident(), signal.SIGTERM)
                noticed.append(released.wait(10))
            return number

        def release(*_: object) -> None:
            released.set()

        before = signal.signal(signal.SIGTERM, release)
        try:
            stream = BoundedExecutor(2).stream(work, range(2))
            next(stream)
            close(stream)
        finally:
            signal.signal(signal.SIGTERM, before)
        assert noticed == [True]

    def test_an_exception_from_another_signal_leaves_no_worker(self) -> None:
        class Terminated(BaseException): ...

        def terminate(*_: object) -> None:
            raise Terminated

        def work(number: int) -> int:
            if number == 5:
                os.kill(os.getpid(), signal.SIGTERM)
            return number

        before = signal.signal(signal.SIGTERM, terminate)
        try:
            with pytest.raises(Terminated) as raised:
                BoundedExecutor(2).run(
                    work, itertools.takewhile(lambda number: number < 100_000_000, itertools.count())
                )
        finally:
            signal.signal(signal.SIGTERM, before)
        assert workers() == []
        report = report_of(raised.value)
        assert report is not None
        assert 0.0 < report.elapsed < 60.0


class TestReportOf:
    def test_it_is_found_in_the_cause(self) -> None:
        report: BatchReport[int, int] = BatchReport(())
        outer = TimeoutError()
        outer.__cause__ = BatchInterrupted(report)
        assert report_of(outer) is report

    def test_errors_that_cause_each_other_have_none(self) -> None:
        one, other = ValueError(), ValueError()
        one.__cause__, other.__cause__ = other, one
        assert report_of(one) is None

    def test_an_error_without_one(self) -> None:
        assert report_of(ValueError()) is None
        assert report_of(None) is None


def test_a_bound_on_jitter_holds_for_a_whole_batch() -> None:
    clock = FakeClock()
    BoundedExecutor(4, clock=clock, policy=RetryPolicy(jitter=AdditiveJitter(0.1))).run(
        scripted(*throttling_errors(4), then="answer"), range(4)
    )
    assert all(0.5 <= slept < 0.6 for slept in clock.sleeps)
