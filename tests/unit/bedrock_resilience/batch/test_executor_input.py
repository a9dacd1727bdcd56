"""Asynchronous inputs that stall: the run ends at its deadline or stop, and no item read is lost."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, cast

import pytest

from bedrock_resilience import BoundedExecutor
from bedrock_resilience.batch import report_of
from bedrock_resilience.errors import InputError
from bedrock_resilience.retrying._deadline import Deadline
from bedrock_resilience.testing import FakeClock, access_denied, ascripted

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator


def statuses(outcomes: Any) -> str:  # noqa: ANN401 - outcomes of any items
    """One letter each: s, f, u."""
    return "".join(outcome.status[0] for outcome in outcomes)


def others() -> list[str]:
    """The tasks of this loop that are not done, except the test's own."""
    current = asyncio.current_task()
    return [task.get_name() for task in asyncio.all_tasks() if task is not current]


async def double(number: int) -> int:
    return 2 * number


class StallingInput:
    """Yields some items, stalls for some seconds, and yields some more."""

    def __init__(self, clock: FakeClock, seconds: float = 1_000.0, *, after: int = 1, more: int = 2) -> None:
        self._clock = clock
        self._seconds = seconds
        self._after = after
        self._more = more

    async def __aiter__(self) -> AsyncIterator[int]:
        for number in range(self._after):
            yield number
        await self._clock.aadvance(self._seconds)
        for number in range(self._more):
            yield self._after + number


class TestDeadline:
    async def test_a_run_whose_input_stalls_ends_at_its_deadline(self) -> None:
        clock = FakeClock()
        report = await BoundedExecutor(2, clock=clock, deadline=Deadline(10.0)).arun(double, StallingInput(clock))
        assert clock.monotonic() == 10.0
        assert statuses(report.outcomes) == "s"
        assert report.stopped == "deadline"
        assert others() == []

    async def test_a_stream_whose_input_stalls_ends_at_its_deadline(self) -> None:
        clock = FakeClock()
        executor = BoundedExecutor(2, clock=clock, deadline=Deadline(10.0))
        assert statuses([outcome async for outcome in executor.astream(double, StallingInput(clock))]) == "s"
        assert clock.monotonic() == 10.0
        assert others() == []

    async def test_it_ends_when_no_attempt_fits_any_more(self) -> None:
        clock = FakeClock()
        deadline = Deadline(10.0, attempt=4.0)
        await BoundedExecutor(2, clock=clock, deadline=deadline).arun(double, StallingInput(clock))
        assert clock.monotonic() == 6.0

    async def test_the_deadline_of_an_enclosing_call_ends_a_stalled_input(self) -> None:
        clock = FakeClock()
        with Deadline(10.0).apply():
            report = await BoundedExecutor(2, clock=clock, deadline=Deadline(20.0)).arun(double, StallingInput(clock))
        assert clock.monotonic() == 10.0
        assert report.stopped == "deadline"

    async def test_an_input_that_resumes_in_time_is_read_to_its_end(self) -> None:
        clock = FakeClock()
        executor = BoundedExecutor(2, clock=clock, deadline=Deadline(10.0))
        report = await executor.arun(double, StallingInput(clock, 9.0))
        assert report.values == [0, 2, 4]
        assert report.stopped is None
        assert others() == []

    async def test_items_the_input_yields_at_once_are_listed_as_unstarted(self) -> None:
        clock = FakeClock()

        async def slow(_: int) -> None:
            await clock.aadvance(6.0)

        report = await BoundedExecutor(1, clock=clock, deadline=Deadline(10.0)).arun(
            slow, StallingInput(clock, after=5)
        )
        assert statuses(report.outcomes) == "ssuuu"
        assert {outcome.reason for outcome in report.unstarted} == {"deadline"}
        assert clock.monotonic() == 12.0

    async def test_after_a_fatal_fault_the_rest_of_the_input_is_read_until_the_deadline(self) -> None:
        clock = FakeClock()
        executor = BoundedExecutor(2, clock=clock, deadline=Deadline(10.0))
        patient = await executor.arun(ascripted(access_denied()), StallingInput(clock, 9.0))
        assert statuses(patient.outcomes) == "fuu"
        assert clock.monotonic() == 9.0
        hasty = await executor.arun(ascripted(access_denied()), StallingInput(clock))
        assert statuses(hasty.outcomes) == "f"
        assert clock.monotonic() == 10.0
        assert str(hasty.stopped).startswith("access_denied")
        assert others() == []

    async def test_a_clock_whose_sleep_raises_ends_the_run(self) -> None:
        class FailingClock(FakeClock):
            async def asleep(self, seconds: float, /) -> None:
                raise RuntimeError("out of order")

        clock = FailingClock()
        with pytest.raises(RuntimeError, match="out of order") as raised:
            await BoundedExecutor(2, clock=clock, deadline=Deadline(10.0)).arun(double, StallingInput(clock))
        report = report_of(raised.value)
        assert report is not None
        assert statuses(report.outcomes) == "s"


class TestEnd:
    async def test_a_stream_does_not_wait_for_its_input_after_a_fatal_failure(self) -> None:
        clock = FakeClock()
        fn = ascripted(access_denied())
        assert statuses([outcome async for outcome in BoundedExecutor(2).astream(fn, StallingInput(clock))]) == "f"
        assert clock.monotonic() == 0.0
        assert others() == []

    async def test_closing_a_stream_does_not_wait_for_its_input(self) -> None:
        clock = FakeClock()
        stream = cast("AsyncGenerator[Any]", BoundedExecutor(2, clock=clock).astream(double, StallingInput(clock)))
        async with aclosing(stream):
            await anext(stream)
        assert clock.monotonic() == 0.0
        assert others() == []

    async def test_without_a_deadline_a_run_lists_the_items_after_the_stall(self) -> None:
        clock = FakeClock()
        report = await BoundedExecutor(2, clock=clock).arun(ascripted(access_denied()), StallingInput(clock))
        assert statuses(report.outcomes) == "fuu"
        assert clock.monotonic() == 1_000.0


class TestCancellation:
    async def test_an_input_that_was_cancelled_has_failed(self) -> None:
        async def cancelled() -> AsyncIterator[int]:
            yield 0
            feeder = asyncio.create_task(asyncio.Event().wait())
            feeder.cancel()
            await feeder
            yield 1

        with pytest.raises(InputError, match="after 1 items") as raised:
            await BoundedExecutor(2).arun(double, cancelled())
        assert isinstance(raised.value.__cause__, asyncio.CancelledError)
        assert raised.value.report.values == [0]

    async def test_a_worker_that_is_cancelled_while_it_waits_for_the_input_ends_the_run(self) -> None:
        requested = asyncio.Event()
        speak = asyncio.Event()

        async def slow() -> AsyncIterator[int]:
            requested.set()
            await speak.wait()
            yield 0

        run = asyncio.create_task(BoundedExecutor(1).arun(double, slow()))
        await requested.wait()
        (worker,) = [task for task in asyncio.all_tasks() if task.get_name() == "bedrock-resilience-0"]
        worker.cancel()
        await asyncio.wait({worker})
        speak.set()
        report = await run
        assert statuses(report.outcomes) == "u"
        assert report.stopped == "cancelled"
