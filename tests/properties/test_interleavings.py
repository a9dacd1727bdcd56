"""The parts that threads share hold in every interleaving that is tried; without their locks they do not."""

from __future__ import annotations

import asyncio
import math
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from bedrock_resilience import BoundedExecutor, Quota, RetryPolicy
from bedrock_resilience.batch import report_of
from bedrock_resilience.retrying import Retrier
from support.dst.scheduler import Choices, ViolationError
from support.interleavings import explore, instrumented
from support.nightly import NIGHTLY

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from bedrock_resilience.batch import BatchReport, Progress
    from support.dst.scheduler import Process

SCHEDULES = 3000 if NIGHTLY else 400
LEDGER = "bedrock_resilience.batch._ledger"
THREADS = "bedrock_resilience.batch._threads"
QUOTA_PACER = "bedrock_resilience.pacing._quota_pacer"
ADAPTIVE_PACER = "bedrock_resilience.pacing._adaptive"
UNLOCKED = ("with self._lock:", "if True:")


def in_threads(process: Process, *bodies: Callable[[], object]) -> None:
    """Run the bodies at the same time, and wait for their ends."""
    threads = [process.clock.threads.thread(body, name=f"thread-{number}") for number, body in enumerate(bodies)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


# The ledger


def explore_ledger(change: tuple[str, str] | None = None) -> int:
    module, current = instrumented(LEDGER, change=change)

    def play(process: Process) -> Callable[[], None]:
        ledger = module.Ledger(6, threads=process.clock.threads)
        items: Iterator[int] = iter(range(6))
        seen: list[Progress] = []

        def work() -> None:
            while (found := ledger.next_item(items)) is not None:
                index, item = found
                outcome = SimpleNamespace(
                    index=index, item=item, status="succeeded", attempts=2, retries=1, throttles=1, value=item
                )
                ledger.close(outcome)

        def watch() -> None:
            seen.extend(ledger.progress() for _ in range(3))
            ledger.stop("enough")
            ledger.stop("later")

        in_threads(process, work, work, watch)
        unstarted = [*ledger.close_late(), *ledger.close_input(items)]

        def check() -> None:
            for one in seen:
                assert one.succeeded + one.failed + one.unstarted + one.in_flight == one.submitted
                assert (one.attempts, one.retries, one.throttles) == (2 * one.succeeded, one.succeeded, one.succeeded)
            report = ledger.report(1.0)
            assert [outcome.index for outcome in report.outcomes] == list(range(6))
            assert sorted(outcome.item for outcome in report.outcomes) == list(range(6))
            assert all(outcome.reason == "enough" for outcome in unstarted)
            assert ledger.progress().attempts == 2 * (6 - len(unstarted))

        return check

    return explore([current], play, schedules=SCHEDULES)


def test_the_ledger_counts_every_item_once() -> None:
    assert explore_ledger() > 0.9 * SCHEDULES


@pytest.mark.parametrize(
    "change",
    [UNLOCKED, ("with self._input_lock:", "if True:"), ("submitted=submitted,", "submitted=self._submitted,")],
    ids=["without the lock of the outcomes", "without the lock of the input", "with two readings of one number"],
)
def test_a_ledger_that_threads_can_confuse_is_noticed(change: tuple[str, str]) -> None:
    with pytest.raises(AssertionError) as caught:
        explore_ledger(change)
    assert "in the interleaving of seed" in caught.value.__notes__[0]


# The threads of the executor


def explore_threads(change: tuple[str, str] | None = None) -> int:
    ledger, of_ledger = instrumented(LEDGER)
    module, current = instrumented(THREADS, change=change, Ledger=ledger.Ledger)

    def play(process: Process) -> Callable[[], None]:
        called: list[int] = []
        progress: list[Progress] = []

        def call(item: int) -> int:
            called.append(item)
            process.clock.sleep(item % 2)
            if item == 3:
                raise ValueError(item)
            return item

        retrier = Retrier(RetryPolicy(max_retries=0), clock=process.clock)
        run = module.ThreadedRun(retrier, call, range(5), 3, progress.append)
        run.start()
        if process.scheduler.choices.below(3) == 0:
            run.stop("enough")
        assert run.wait()
        for _ in run.remaining(listed=True):
            run.report_progress()

        def check() -> None:
            report: BatchReport[int, int] = run.ledger.report(1.0)
            assert [outcome.index for outcome in report.outcomes] == list(range(5))
            assert {outcome.item for outcome in report.outcomes} == set(range(5))
            assert report.submitted == len(report.succeeded) + len(report.failed) + len(report.unstarted)
            assert sorted(called) == sorted(one.item for one in report.outcomes if one.status != "unstarted")
            assert report.attempts == len(called)
            assert [one.submitted - one.in_flight for one in progress] == sorted(
                one.submitted - one.in_flight for one in progress
            )
            assert progress[-1].submitted == 5

        return check

    return explore([of_ledger, current], play, schedules=SCHEDULES)


def test_the_threads_of_a_run_end_and_report_every_item() -> None:
    assert explore_threads() > 0.9 * SCHEDULES


def test_a_run_that_counts_its_workers_without_a_lock_is_noticed() -> None:
    with pytest.raises((ViolationError, AssertionError)):
        explore_threads(("with self._working_lock:", "if True:"))


def test_progress_reported_by_two_threads_at_once_is_noticed() -> None:
    with pytest.raises((ViolationError, AssertionError)):
        explore_threads(("with self._progress_lock:", "if True:"))


# The pacers


def explore_quota_pacer(change: tuple[str, str] | None = None) -> int:
    module, current = instrumented(QUOTA_PACER, change=change)

    def play(process: Process) -> Callable[[], None]:
        pacer = module.QuotaPacer(Quota(requests_per_minute=60, burst=1))
        first = pacer.reserve(0.0)
        waits: list[float] = []

        def reserve() -> None:
            waits.append(pacer.reserve(0.0).wait)

        def give_up() -> None:
            pacer.abandoned(first, 0.0)

        in_threads(process, reserve, reserve, reserve, give_up)

        def check() -> None:
            # All have a time of their own, a second apart; the first of them may have got that of the one given up.
            last = pacer.reserve(0.0).wait
            assert math.isclose(last, 3.0, rel_tol=0.2), last
            assert len({round(wait, 3) for wait in waits}) >= 2

        return check

    return explore([current], play, schedules=SCHEDULES)


def test_a_quota_pacer_gives_each_thread_a_time_of_its_own() -> None:
    assert explore_quota_pacer() > 0.9 * SCHEDULES


def test_a_quota_pacer_without_its_lock_is_noticed() -> None:
    bucket = ("bedrock_resilience.pacing._virtual_clock_bucket", "VirtualClockBucket")
    with pytest.raises(AssertionError):
        explore_unlocked_bucket(*bucket)


def explore_unlocked_bucket(name: str, attribute: str) -> None:
    """The bucket has the state; it has no lock of its own, because its pacer has one."""
    bucket, of_bucket = instrumented(name)
    module, current = instrumented(QUOTA_PACER, change=UNLOCKED, **{attribute: getattr(bucket, attribute)})

    def play(process: Process) -> Callable[[], None]:
        pacer = module.QuotaPacer(Quota(requests_per_minute=60, burst=1))
        in_threads(process, *[lambda: pacer.reserve(0.0)] * 3)

        def check() -> None:
            assert math.isclose(pacer.reserve(0.0).wait, 3.0, rel_tol=0.2)

        return check

    explore([of_bucket, current], play, schedules=20 * SCHEDULES, changes=3)


def test_an_adaptive_pacer_closes_what_it_has_opened() -> None:
    module, current = instrumented(ADAPTIVE_PACER)

    def play(process: Process) -> Callable[[], None]:
        pacer = module.AdaptivePacer()
        endings = [pacer.answered, pacer.throttled, pacer.overloaded, pacer.abandoned]

        def call(ending: Callable[..., object]) -> Callable[[], None]:
            def body() -> None:
                reservation = pacer.reserve(process.clock.monotonic())
                process.clock.sleep(min(reservation.wait, 1.0))
                pacer.due(reservation, process.clock.monotonic())
                ending(reservation, process.clock.monotonic())
                ending(reservation, process.clock.monotonic())  # closed already

            return body

        in_threads(process, *map(call, endings))

        def check() -> None:
            assert pacer.reserve(1000.0).wait < 5.0  # nothing that is closed stands in its way

        return check

    assert explore([current], play, schedules=SCHEDULES) > 0.9 * SCHEDULES


# The tasks of the asynchronous executor


class Turns:
    """A clock whose sleeps, like all that is awaited here, take some turns of the event loop."""

    def __init__(self, choices: Choices) -> None:
        self._choices = choices
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float, /) -> None:
        raise NotImplementedError

    async def asleep(self, seconds: float, /) -> None:
        await self.turns()
        self.now += seconds

    async def turns(self) -> None:
        """Let others go first, for as many turns as are chosen."""
        for _ in range(self._choices.below(5)):
            await asyncio.sleep(0)  # noqa: TID251 - a turn of the event loop


async def run_tasks(seed: int) -> None:
    choices = Choices(seed)
    clock = Turns(choices)
    called: list[int] = []
    failing = choices.below(8)
    cancelled = choices.below(3) == 0

    async def call(item: int) -> int:
        called.append(item)
        await clock.turns()
        if item == failing:
            raise ConnectionResetError
        return item

    async def items() -> AsyncIterator[int]:
        for item in range(5):
            await clock.turns()
            yield item

    executor = BoundedExecutor(1 + choices.below(3), policy=RetryPolicy(max_retries=1, base_delay=1.0), clock=clock)
    running = asyncio.ensure_future(executor.arun(call, items()))
    if cancelled:
        for _ in range(choices.below(30)):
            await asyncio.sleep(0)  # noqa: TID251 - a turn of the event loop
        running.cancel()
    report: BatchReport[Any, Any] | None = None
    try:
        report = await running
    except asyncio.CancelledError as error:
        report = report_of(error)
        if report is None:  # cancelled before it began
            assert not called
            return
    assert [outcome.index for outcome in report.outcomes] == list(range(report.submitted))
    assert report.submitted == len(report.succeeded) + len(report.failed) + len(report.unstarted)
    assert [outcome.item for outcome in report.outcomes] == list(range(report.submitted))
    assert report.attempts == len(called)
    assert cancelled or report.submitted == 5


async def test_the_tasks_of_a_run_end_and_report_every_item() -> None:
    for seed in range(SCHEDULES):
        try:
            await run_tasks(seed)
        except BaseException as error:
            error.add_note(f"in the interleaving of seed {seed}")
            raise
    assert len(asyncio.all_tasks()) == 1
