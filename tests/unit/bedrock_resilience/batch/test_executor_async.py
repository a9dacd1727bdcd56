"""BoundedExecutor with asyncio tasks."""

from __future__ import annotations

import asyncio
import gc
import itertools
import weakref
from contextlib import aclosing
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, cast

import pytest

from bedrock_resilience import BatchReport, BoundedExecutor, Fault, NoJitter, RetryPolicy
from bedrock_resilience.batch import report_of
from bedrock_resilience.errors import InputError
from bedrock_resilience.quotas import RequestTokens, TokenUsage, Usage
from bedrock_resilience.retrying._deadline import Deadline
from bedrock_resilience.testing import (
    FakeClock,
    access_denied,
    ascripted,
    converse_response,
    read_timeout,
    scripted,
    throttling_error,
    throttling_errors,
    validation_error,
)

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Iterator

    from bedrock_resilience.batch._progress import Progress
    from bedrock_resilience.batch._report import ItemOutcome

PLAIN = RetryPolicy(jitter=NoJitter())


async def double(number: int) -> int:
    return 2 * number


def statuses(outcomes: Any) -> str:  # noqa: ANN401 - outcomes of any items
    """One letter each: s, f, u."""
    return "".join(outcome.status[0] for outcome in outcomes)


def others() -> list[str]:
    """The tasks of this loop that are not done, except the test's own."""
    current = asyncio.current_task()
    return [task.get_name() for task in asyncio.all_tasks() if task is not current]


def closing(stream: AsyncIterator[Any]) -> aclosing[AsyncGenerator[Any]]:
    """Close a stream at the end of the block."""
    return aclosing(cast("AsyncGenerator[Any]", stream))


async def numbers(stop: int) -> AsyncIterator[int]:
    for number in range(stop):
        yield number


async def run_others() -> None:
    """Let the other tasks run."""
    await asyncio.sleep(0)  # noqa: TID251 - a turn of the loop, no time


async def cancelled(task: asyncio.Task[Any]) -> BatchReport[Any, Any]:
    """Cancel a run; the report that its exception carries."""
    task.cancel()
    with pytest.raises(asyncio.CancelledError) as raised:
        await task
    report = report_of(raised.value)
    assert report is not None
    return report


class TestArun:
    async def test_values_are_in_input_order_whatever_finishes_first(self) -> None:
        clock = FakeClock(100.0)

        async def slower_first(number: int) -> int:
            await clock.aadvance(10.0 - number)
            return number

        report = await BoundedExecutor(4, clock=clock).arun(slower_first, range(8))
        assert report.values == list(range(8))
        assert [outcome.elapsed for outcome in report.outcomes] == [10.0 - number for number in range(8)]
        assert report.elapsed == clock.monotonic() - 100.0
        assert report.stopped is None

    async def test_one_failure_leaves_the_other_items_untouched(self) -> None:
        report = await BoundedExecutor(1).arun(ascripted("a", validation_error(), "b"), range(3))
        assert statuses(report.outcomes) == "sfs"
        assert report.values == ["a", "b"]

    async def test_retries_are_made_and_counted(self) -> None:
        clock = FakeClock()
        fn = ascripted(*throttling_errors(2), then="answer")
        report = await BoundedExecutor(1, policy=PLAIN, clock=clock).arun(fn, "ab")
        first, second = report.outcomes
        assert (first.attempts, first.retries, first.throttles, first.backoff_seconds, first.elapsed) == (
            3,
            2,
            2,
            1.5,
            1.5,
        )
        assert (second.attempts, second.retries) == (1, 0)
        assert clock.sleeps == [0.5, 1.0]

    async def test_exactly_max_workers_items_are_in_flight(self) -> None:
        in_flight = most = 0

        async def work(_: int) -> None:
            nonlocal in_flight, most
            in_flight += 1
            most = max(most, in_flight)
            await run_others()
            in_flight -= 1

        report = await BoundedExecutor(3).arun(work, range(30))
        assert len(report.succeeded) == 30
        assert most == 3

    @pytest.mark.parametrize("size", [0, 1, 3])
    async def test_no_more_tasks_than_items(self, size: int) -> None:
        most = 0

        async def work(_: int) -> None:
            nonlocal most
            most = max(most, sum(name.startswith("bedrock-resilience-") and name[-1].isdigit() for name in others()))

        report = await BoundedExecutor(4).arun(work, range(size))
        assert report.submitted == size
        assert most <= size
        assert others() == []

    async def test_an_input_that_yields_more_than_its_length_says_has_one_task(self) -> None:
        class Odd:
            def __len__(self) -> int:
                return 0

            def __iter__(self) -> Iterator[int]:
                return iter(range(4))

        workers: set[str] = set()

        async def work(number: int) -> int:
            workers.update(name for name in others() if name.startswith("bedrock-resilience-") and name[-1].isdigit())
            return number

        report = await BoundedExecutor(4).arun(work, Odd())
        assert report.values == [0, 1, 2, 3]
        assert workers == set()  # but that of this item

    async def test_an_asynchronous_input(self) -> None:
        report = await BoundedExecutor(3).arun(double, numbers(10))
        assert report.values == list(range(0, 20, 2))

    async def test_an_asynchronous_input_is_read_by_one_worker_at_a_time(self) -> None:
        async def slow() -> AsyncIterator[int]:
            for number in range(6):
                await run_others()
                yield number

        assert (await BoundedExecutor(3).arun(double, slow())).values == [0, 2, 4, 6, 8, 10]

    async def test_tasks_inherit_the_callers_context(self) -> None:
        request_id: ContextVar[str] = ContextVar("request_id")
        request_id.set("abc")

        async def work(_: int) -> str:
            return request_id.get()

        assert (await BoundedExecutor(2).arun(work, range(2))).values == ["abc", "abc"]

    async def test_token_usage_is_reported(self) -> None:
        request = RequestTokens(0, 100)
        executor = BoundedExecutor(1, policy=RetryPolicy(max_retries=0), tokens=request)
        ask = ascripted(converse_response("a b c"), read_timeout())
        report = await executor.arun(ask, ["answered", "lost"])
        answered, lost = request.settled(Usage(10, 3)), TokenUsage(unknown=1)
        assert [outcome.tokens for outcome in report.outcomes] == [answered, lost]
        assert report.tokens == answered + lost

    async def test_an_item_whose_tokens_cannot_be_computed_fails_alone(self) -> None:
        report = await BoundedExecutor(2, tokens=len).arun(ascripted(then="answer"), ["a", 5, "b"])
        assert statuses(report.outcomes) == "sfs"
        failed = report.failed[0]
        assert (failed.item, failed.attempts, failed.reason) == (5, 0, "not a usable item")
        assert isinstance(failed.error, TypeError)

    async def test_the_seconds_of_an_item_that_fails_are_those_from_its_start(self) -> None:
        clock = FakeClock(start=100.0)
        report = await BoundedExecutor(1, policy=PLAIN, clock=clock).arun(ascripted(then=throttling_error()), ["a"])
        assert report.failed[0].elapsed == 3.5

    async def test_progress_is_reported_after_each_item_and_balances(self) -> None:
        reports: list[Progress] = []
        await BoundedExecutor(3, on_progress=reports.append).arun(
            ascripted(validation_error(), then="answer"), range(10)
        )
        assert len(reports) == 10
        assert all(p.submitted == p.succeeded + p.failed + p.unstarted + p.in_flight for p in reports)
        assert (reports[-1].succeeded, reports[-1].failed, reports[-1].total) == (9, 1, 10)

    async def test_a_ctrl_c_that_strikes_in_an_item_ends_the_batch_and_loses_nothing(self) -> None:
        fn = ascripted("a", KeyboardInterrupt(), then="b")
        with pytest.raises(KeyboardInterrupt) as raised:
            await BoundedExecutor(1).arun(fn, range(4))
        report = report_of(raised.value)
        assert report is not None
        assert (statuses(report.outcomes), fn.calls) == ("sfuu", 2)

    async def test_a_ctrl_c_that_strikes_in_an_item_ends_a_stream(self) -> None:
        fn = ascripted("a", KeyboardInterrupt(), then="b")
        yielded: list[str] = []

        async def consume() -> None:
            async with BoundedExecutor(1).astream(fn, range(4)) as outcomes:
                async for outcome in outcomes:
                    yielded.append(outcome.status)  # noqa: PERF401 - what was yielded before the exception counts

        with pytest.raises(KeyboardInterrupt):
            await consume()
        assert (yielded, fn.calls) == (["succeeded", "failed", "unstarted", "unstarted"], 2)

    @pytest.mark.parametrize("error", [SystemExit, asyncio.CancelledError])
    async def test_raising_a_base_exception_is_one_items_failure(self, error: type[BaseException]) -> None:
        report = await BoundedExecutor(2).arun(ascripted("a", error(), "b", "c"), range(4))
        assert statuses(report.outcomes) == "sfss"
        (failed,) = report.failed
        assert (type(failed.error), failed.fault, failed.reason) == (error, Fault.CANCELLED, "run stopped")

    async def test_a_failed_batch_leaves_no_reference_cycle(self) -> None:
        class Payload: ...

        async def work(payload: Payload) -> None:
            assert payload
            raise throttling_error()

        gc.collect()
        gc.disable()
        try:
            payload = Payload()
            alive = weakref.ref(payload)
            report = await BoundedExecutor(1, policy=PLAIN, clock=FakeClock()).arun(work, [payload])
            assert len(report.failed) == 1
            del payload, report
            await run_others()
            assert alive() is None
        finally:
            gc.enable()


class TestEndOfTheRun:
    async def test_a_fatal_fault_costs_at_most_one_call_per_worker(self) -> None:
        clock = FakeClock()
        fn = ascripted(then=access_denied(), clock=clock, latency=1.0)
        report = await BoundedExecutor(4, clock=clock).arun(fn, range(104))
        assert (fn.calls, len(report.failed), len(report.unstarted)) == (4, 4, 100)
        assert {outcome.reason for outcome in report.unstarted} == {report.stopped}
        assert report.stopped == "access_denied: every other item would fail the same way"

    async def test_the_rest_of_an_asynchronous_input_is_reported_as_unstarted(self) -> None:
        reports: list[Progress] = []
        report = await BoundedExecutor(1, on_progress=reports.append).arun(ascripted(access_denied()), numbers(5))
        assert statuses(report.outcomes) == "fuuuu"
        assert [outcome.item for outcome in report.outcomes] == list(range(5))
        assert reports[-1].unstarted == 4

    async def test_a_fatal_fault_wakes_sleeping_workers(self) -> None:
        clock = FakeClock()

        async def work(number: int) -> None:
            if number:
                await clock.aadvance(3.0)
                raise access_denied()
            raise throttling_error(retry_after=100)

        report = await BoundedExecutor(2, clock=clock).arun(work, range(5))
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

    async def test_a_call_in_flight_that_has_slept_before_is_not_cancelled(self) -> None:
        sent_again, stopped = asyncio.Event(), asyncio.Event()
        attempts = itertools.count()

        async def work(item: str) -> str:
            if item == "fatal":
                await sent_again.wait()
                raise access_denied()
            if next(attempts) == 0:
                raise throttling_error()
            sent_again.set()
            await stopped.wait()
            return "answer"

        executor = BoundedExecutor(2, policy=PLAIN, clock=FakeClock(), on_progress=lambda _: stopped.set())
        report = await executor.arun(work, ["slept", "fatal", "rest"])
        assert statuses(report.outcomes) == "sfu"

    async def test_no_worker_begins_a_sleep_after_the_stop(self) -> None:
        clock = FakeClock()

        async def work(number: int) -> None:
            await clock.aadvance(1.0 + number)
            raise throttling_error() if number else access_denied()

        report = await BoundedExecutor(2, clock=clock).arun(work, range(2))
        assert [outcome.reason for outcome in report.outcomes] == ["not retryable", "run stopped"]
        assert clock.sleeps == []

    async def test_items_that_do_not_fit_in_the_deadline_are_unstarted(self) -> None:
        clock = FakeClock()
        report = await BoundedExecutor(2, clock=clock, deadline=Deadline(5.0)).arun(
            lambda _: clock.aadvance(2.0), range(10)
        )
        assert statuses(report.outcomes) == "ssssss" + "uuuu"
        assert report.stopped == "deadline"


class BrokenInput:
    """Yields some items, then raises."""

    def __init__(self, after: int, error: BaseException) -> None:
        self._after = after
        self._error = error

    def __iter__(self) -> Iterator[int]:
        yield from range(self._after)
        raise self._error

    def asynchronous(self) -> AsyncIterator[int]:
        return self._asynchronous()

    async def _asynchronous(self) -> AsyncIterator[int]:
        for number in self:
            yield number


class TestInputThatRaises:
    @pytest.mark.parametrize("asynchronous", [False, True])
    async def test_of_a_run(self, asynchronous: bool) -> None:  # noqa: FBT001 - a parameter of the test
        error = ValueError("broken")
        items = BrokenInput(5, error)
        with pytest.raises(InputError) as raised:
            await BoundedExecutor(2).arun(double, items.asynchronous() if asynchronous else items)
        assert raised.value.__cause__ is error
        assert raised.value.report.values == [0, 2, 4, 6, 8]
        assert raised.value.report.stopped == "the input raised ValueError"
        assert others() == []

    @pytest.mark.parametrize("asynchronous", [False, True])
    async def test_of_a_stream(self, asynchronous: bool) -> None:  # noqa: FBT001 - a parameter of the test
        items = BrokenInput(5, ValueError("broken"))
        stream = BoundedExecutor(2).astream(double, items.asynchronous() if asynchronous else items)
        outcomes = [await anext(stream) for _ in range(5)]
        with pytest.raises(InputError, match="after 5 items") as raised:
            await anext(stream)
        assert raised.value.report == BatchReport((), 0.0, "the input raised ValueError")
        assert sorted(outcome.index for outcome in outcomes) == [0, 1, 2, 3, 4]

    async def test_an_input_that_raises_after_the_stop_keeps_the_first_reason(self) -> None:
        error = ValueError("broken")
        with pytest.raises(InputError) as raised:
            await BoundedExecutor(1).arun(ascripted(access_denied()), BrokenInput(3, error).asynchronous())
        assert statuses(raised.value.report.outcomes) == "fuu"
        assert raised.value.__cause__ is error


class TestCancellation:
    async def test_every_finished_item_is_reported_and_no_task_is_left(self) -> None:
        entered = asyncio.Event()

        async def work(number: int) -> int:
            if number < 4:
                return number
            entered.set()
            await asyncio.Event().wait()
            return number

        task = asyncio.create_task(BoundedExecutor(2).arun(work, range(10)))
        await entered.wait()
        await run_others()
        report = await cancelled(task)
        assert report.values == [0, 1, 2, 3]
        assert statuses(report.outcomes) == "ssssff" + "uuuu"
        assert {outcome.fault for outcome in report.failed} == {Fault.CANCELLED}
        assert {outcome.reason for outcome in report.unstarted} == {"cancelled"}
        assert report.stopped == "cancelled"
        assert 0.0 < report.elapsed < 60.0
        assert others() == []

    async def test_cancelling_while_every_worker_waits_for_the_input(self) -> None:
        requested = asyncio.Event()

        async def silent() -> AsyncIterator[int]:
            requested.set()
            await asyncio.Event().wait()
            yield 0

        task = asyncio.create_task(BoundedExecutor(2).arun(double, silent()))
        await requested.wait()
        report = await cancelled(task)
        assert (report.outcomes, report.stopped) == ((), "cancelled")

    async def test_asyncio_timeout_raises_timeout_error_with_the_report(self) -> None:
        async def work(number: int) -> int:
            if number:
                await asyncio.Event().wait()
            return number

        async def bounded() -> None:
            async with asyncio.timeout(0.05):
                await BoundedExecutor(2).arun(work, range(10))

        with pytest.raises(TimeoutError) as raised:
            await bounded()
        report = report_of(raised.value)
        assert report is not None
        assert statuses(report.outcomes) == "sff" + 7 * "u"

    async def test_a_failure_in_a_surrounding_task_group_cancels_the_run(self) -> None:
        async def hang(_: int) -> None:
            await asyncio.Event().wait()

        async def fail() -> None:
            await run_others()
            raise LookupError

        async def both() -> None:
            async with asyncio.TaskGroup() as group:
                group.create_task(BoundedExecutor(2).arun(hang, range(3)))
                group.create_task(fail())

        with pytest.raises(ExceptionGroup) as raised:
            await both()
        assert [type(error) for error in raised.value.exceptions] == [LookupError]
        assert others() == []

    async def test_cancelling_ends_backoff_sleeps(self) -> None:
        clock = FakeClock()
        asleep = asyncio.Event()

        class NeverEnding(FakeClock):
            async def asleep(self, seconds: float, /) -> None:
                self.sleeps.append(seconds)
                asleep.set()
                await asyncio.Event().wait()

        clock = NeverEnding()
        task = asyncio.create_task(
            BoundedExecutor(1, policy=PLAIN, clock=clock).arun(ascripted(throttling_error(), "a"), range(2))
        )
        await asleep.wait()
        report = await cancelled(task)
        assert statuses(report.outcomes) == "fu"
        assert (report.failed[0].attempts, report.failed[0].fault) == (1, Fault.CANCELLED)

    async def test_a_cancellation_while_sleepers_are_woken_is_not_lost(self) -> None:
        release = asyncio.Event()

        class Holding(FakeClock):
            async def asleep(self, seconds: float, /) -> None:
                self.sleeps.append(seconds)
                try:
                    await asyncio.Event().wait()
                finally:
                    release.set()

        clock = Holding()

        async def work(number: int) -> None:
            if number:
                while not clock.sleeps:
                    await run_others()
                raise access_denied()
            raise throttling_error()

        task = asyncio.create_task(BoundedExecutor(2, policy=PLAIN, clock=clock).arun(work, range(2)))
        await release.wait()
        report = await cancelled(task)
        assert report.submitted == 2
        assert others() == []

    async def test_a_function_that_ignores_cancellation_finishes_its_item_only(self) -> None:
        entered = asyncio.Event()

        async def stubborn(number: int) -> int:
            entered.set()
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                return number
            return -1

        task = asyncio.create_task(BoundedExecutor(1).arun(stubborn, range(3)))
        await entered.wait()
        report = await cancelled(task)
        assert statuses(report.outcomes) == "suu"
        assert report.stopped == "cancelled"

    async def test_a_second_cancellation_reaches_a_call_that_ignored_the_first(self) -> None:
        entered, ignored = asyncio.Event(), asyncio.Event()

        async def stubborn(_: int) -> None:
            entered.set()
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                ignored.set()
            await asyncio.Event().wait()

        task = asyncio.create_task(BoundedExecutor(1).arun(stubborn, range(3)))
        await entered.wait()
        task.cancel()
        await ignored.wait()
        report = await cancelled(task)
        assert statuses(report.outcomes) == "fuu"

    async def test_an_input_of_unknown_length_is_not_read_further(self) -> None:
        entered = asyncio.Event()

        async def hang(_: int) -> None:
            entered.set()
            await asyncio.Event().wait()

        task = asyncio.create_task(BoundedExecutor(1).arun(hang, itertools.count()))
        await entered.wait()
        report = await cancelled(task)
        assert statuses(report.outcomes) == "f"

    @pytest.mark.parametrize("asleep", [False, True])
    async def test_a_cancelled_worker_ends_the_run_and_loses_nothing(self, asleep: bool) -> None:  # noqa: FBT001 - a parameter of the test
        entered = asyncio.Event()

        class NeverEnding(FakeClock):
            async def asleep(self, seconds: float, /) -> None:
                entered.set()
                await asyncio.Event().wait()

        async def work(_: int) -> None:
            if asleep:
                raise throttling_error()
            entered.set()
            await asyncio.Event().wait()

        run = asyncio.create_task(BoundedExecutor(1, policy=PLAIN, clock=NeverEnding()).arun(work, range(3)))
        await entered.wait()
        (worker,) = [task for task in asyncio.all_tasks() if task.get_name() == "bedrock-resilience-0"]
        worker.cancel()
        report = await run
        assert statuses(report.outcomes) == "fuu"
        assert (report.failed[0].fault, report.stopped) == (Fault.CANCELLED, "cancelled")


class TestAstream:
    async def test_outcomes_are_yielded_as_items_finish(self) -> None:
        clock = FakeClock()

        async def slower_first(number: int) -> int:
            await clock.aadvance(10.0 - number)
            return number

        outcomes = [outcome async for outcome in BoundedExecutor(4, clock=clock).astream(slower_first, range(4))]
        assert [outcome.index for outcome in outcomes] == [3, 2, 1, 0]
        assert others() == []

    async def test_an_empty_input_yields_nothing(self) -> None:
        nothing: list[int] = []
        assert [outcome async for outcome in BoundedExecutor().astream(double, nothing)] == []
        assert [outcome async for outcome in BoundedExecutor().astream(double, numbers(0))] == []

    @pytest.mark.parametrize("max_workers", [1, 3])
    async def test_at_most_max_workers_items_are_read_ahead_of_the_consumer(self, max_workers: int) -> None:
        read = consumed = 0

        async def endless() -> AsyncIterator[int]:
            nonlocal read
            for number in itertools.count():
                read += 1
                yield number

        async with closing(BoundedExecutor(max_workers).astream(double, endless())) as stream:
            async for _ in stream:
                await run_others()
                assert read <= consumed + max_workers
                consumed += 1
                if consumed == 50:
                    break
        assert consumed == 50
        assert others() == []

    async def test_a_stream_reports_progress(self) -> None:
        reports: list[Progress] = []
        async for _ in BoundedExecutor(2, on_progress=reports.append).astream(double, range(10)):
            pass
        assert (len(reports), reports[-1].succeeded) == (10, 10)

    async def test_closing_stops_it_and_leaves_no_task(self) -> None:
        fn = ascripted(then="answer")
        async with closing(BoundedExecutor(3).astream(fn, itertools.count())) as stream:
            async for _ in stream:
                break
        assert others() == []
        assert fn.calls <= 4

    async def test_closing_it_lists_no_items_that_were_not_started(self) -> None:
        reports: list[Progress] = []
        async with BoundedExecutor(2, on_progress=reports.append).astream(double, range(9)) as stream:
            await anext(stream)
        assert max(progress.unstarted for progress in reports) == 0

    async def test_the_rest_of_a_sized_input_is_yielded_as_unstarted(self) -> None:
        clock = FakeClock()
        fn = ascripted(then=access_denied(), clock=clock, latency=1.0)
        outcomes = [outcome async for outcome in BoundedExecutor(2, clock=clock).astream(fn, range(7))]
        assert statuses(outcomes) == "ffuuuuu"

    async def test_an_endless_input_is_not_read_further_after_the_stop(self) -> None:
        items = itertools.count()
        fn = ascripted(then=access_denied())
        outcomes = [outcome async for outcome in BoundedExecutor(2).astream(fn, items)]
        assert statuses(outcomes) in {"f", "ff"}
        assert next(items) == len(outcomes)

    async def test_past_the_deadline_no_item_is_requested(self) -> None:
        requested: list[int] = []

        async def items() -> AsyncIterator[int]:
            for number in itertools.count():
                requested.append(number)
                yield number

        executor = BoundedExecutor(2, clock=FakeClock(start=5.0), deadline=Deadline(1.0))
        assert [outcome async for outcome in executor.astream(double, items())] == []
        assert requested == []

    async def test_an_input_that_does_not_return_does_not_keep_a_stream_that_has_stopped(self) -> None:
        requested = asyncio.Event()

        async def items() -> AsyncIterator[int]:
            yield 0
            requested.set()
            await asyncio.Event().wait()

        async def work(_: int) -> None:
            await requested.wait()
            raise access_denied()

        async with asyncio.timeout(10):
            stream = BoundedExecutor(2).astream(work, items())
            assert statuses([outcome async for outcome in stream]) == "f"

    async def test_an_exception_keeps_the_report_that_it_has(self) -> None:
        class OwnError(Exception):
            report = "the caller's"

        stream = BoundedExecutor(2).astream(double, range(4))

        async def leave(error: Exception) -> None:
            async with stream:
                await anext(stream)
                raise error

        with pytest.raises(OwnError) as raised:
            await leave(OwnError())
        assert raised.value.report == "the caller's"

    async def test_an_exception_in_the_loop_gets_the_outcomes_that_were_not_yielded(self) -> None:
        stream = BoundedExecutor(4).astream(double, range(4))

        async def leave() -> None:
            async with stream:
                await anext(stream)
                raise LookupError

        with pytest.raises(LookupError) as raised:
            await leave()
        report = report_of(raised.value)
        assert report is not None
        assert report is stream.report
        assert report.stopped == "closed by its consumer"

    async def test_an_item_awaited_from_the_input_at_the_stop_is_not_lost(self) -> None:
        requested, refused = asyncio.Event(), asyncio.Event()

        async def slow() -> AsyncIterator[int]:
            yield 0
            requested.set()
            await refused.wait()
            yield 1

        async def work(_: int) -> None:
            await requested.wait()
            raise access_denied()

        outcomes: list[ItemOutcome[int, None]] = []
        async for outcome in BoundedExecutor(2).astream(work, slow()):
            outcomes.append(outcome)
            refused.set()
        assert statuses(outcomes) == "fu"
        assert outcomes[1].item == 1

    async def test_a_cancelled_consumer_gets_finished_outcomes_from_the_exception(self) -> None:
        done = 0

        async def work(number: int) -> int:
            nonlocal done
            if number == 3:
                await asyncio.Event().wait()
            done += 1
            return number

        consumed: list[int] = []
        paused = asyncio.Event()

        async def consume() -> None:
            async for outcome in BoundedExecutor(4).astream(work, range(4)):
                consumed.append(outcome.index)
                paused.set()
                await asyncio.Event().wait()

        task = asyncio.create_task(consume())
        await paused.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await run_others()
        assert consumed == [0]

        stream = BoundedExecutor(4).astream(work, range(4))
        first = await anext(stream)
        waiting = asyncio.create_task(drain(stream))
        await run_others()
        report = await cancelled(waiting)
        assert first.index == 0
        assert statuses(report.outcomes) == "f", "the one that hung; the others had been yielded"
        assert report.stopped == "closed by its consumer"
        assert others() == []


async def drain(stream: AsyncIterator[ItemOutcome[int, int]]) -> None:
    async for _ in stream:
        pass


async def test_every_task_of_a_run_has_a_name() -> None:
    own, names = asyncio.current_task(), set[str]()

    def note_names() -> None:
        names.update(task.get_name() for task in asyncio.all_tasks() if task is not own)

    async def items() -> AsyncIterator[int]:
        note_names()
        yield 0
        yield 1

    async def work(item: int) -> int:
        try:
            while item:
                await asyncio.Event().wait()
        finally:
            note_names()
        return item

    async with BoundedExecutor(2).astream(work, items()) as outcomes:
        await anext(outcomes)
    assert names == {f"bedrock-resilience-{of}" for of in ("0", "1", "end", "input", "abort")}


async def test_a_plain_function_is_refused_before_it_is_called() -> None:
    fn = scripted(then="answer")
    with pytest.raises(TypeError, match="is not a coroutine function; use run or stream"):
        await BoundedExecutor(2).arun(fn, range(50))
    with pytest.raises(TypeError, match="is not a coroutine function; use run or stream"):
        BoundedExecutor(2).astream(fn, range(50))
    assert fn.calls == 0


async def test_a_lambda_that_returns_no_awaitable_ends_the_run_after_one_call() -> None:
    fn = scripted(then="answer")
    with pytest.raises(TypeError, match=r"returned str, which cannot be awaited: use Retrier\.call") as raised:
        await BoundedExecutor(4).arun(lambda _: fn(), range(50))
    assert fn.calls == 1
    report = report_of(raised.value)
    assert report is not None
    assert (len(report.failed), len(report.unstarted), report.submitted) == (1, 49, 50)
