"""FakeClock: virtual time for one thread, many threads, and asyncio."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING

import pytest

from bedrock_resilience import BoundedExecutor
from bedrock_resilience.clock import SYSTEM_CLOCK
from bedrock_resilience.testing import FakeClock

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

LONG = 3_600.0  # seconds of virtual time


def start(clock: FakeClock, *bodies: Callable[[], object], registered: bool = True) -> list[threading.Thread]:
    """Threads that run these bodies, as workers of the clock if they are registered."""
    workers: list[AbstractContextManager[object]] = [clock.worker() for _ in bodies] if registered else []

    def run(number: int) -> None:
        if registered:
            with workers[number]:
                bodies[number]()
        else:
            bodies[number]()

    threads = [threading.Thread(target=run, args=(number,), daemon=True) for number in range(len(bodies))]
    for thread in threads:
        thread.start()
    return threads


def join(threads: list[threading.Thread]) -> None:
    for thread in threads:
        thread.join(10)
        assert not thread.is_alive()


class TestOneThread:
    def test_time_does_not_advance_by_itself(self) -> None:
        clock = FakeClock()
        assert clock.monotonic() == clock.monotonic() == 0.0
        assert FakeClock(100).monotonic() == 100.0

    def test_a_sleep_advances_the_time_and_is_recorded(self) -> None:
        clock = FakeClock(10.0)
        clock.sleep(LONG)
        clock.sleep(0)
        clock.sleep(0.5)
        assert clock.monotonic() == 10.0 + LONG + 0.5
        assert clock.sleeps == [LONG, 0, 0.5]
        assert clock.slept == LONG + 0.5

    def test_time_can_be_advanced_without_a_sleep(self) -> None:
        clock = FakeClock()
        clock.advance(LONG)
        assert clock.monotonic() == LONG
        assert (clock.sleeps, clock.slept) == ([], 0)

    @pytest.mark.parametrize("method", ["sleep", "advance"])
    def test_time_cannot_go_back(self, method: str) -> None:
        clock = FakeClock()
        with pytest.raises(ValueError) as refused:  # noqa: PT011 - the whole text is compared
            getattr(clock, method)(-0.1)
        assert str(refused.value) == "FakeClock: seconds: got -0.1; accepted: a number >= 0"
        assert clock.sleeps == []

    @pytest.mark.parametrize("method", ["sleep", "advance"])
    def test_a_sleep_of_nan_is_refused(self, method: str) -> None:
        clock = FakeClock()
        with pytest.raises(ValueError, match="FakeClock: seconds: got nan; accepted: a number >= 0"):
            getattr(clock, method)(float("nan"))
        assert (clock.monotonic(), clock.sleeps) == (0.0, [])

    def test_waiting_for_an_event_that_is_set_takes_no_time(self) -> None:
        clock, event = FakeClock(), threading.Event()
        event.set()
        assert clock.wait(event, LONG) is True
        assert (clock.monotonic(), clock.sleeps) == (0.0, [])

    def test_waiting_for_an_event_that_is_not_takes_the_whole_time(self) -> None:
        clock = FakeClock()
        assert clock.wait(threading.Event(), LONG) is False
        assert (clock.monotonic(), clock.sleeps) == (LONG, [LONG])

    def test_its_repr_shows_the_time_and_the_sleeps(self) -> None:
        clock = FakeClock()
        clock.sleep(2.0)
        assert repr(clock) == "FakeClock(now=2.0, sleeps=[2.0])"

    def test_arguments_out_of_range_are_refused_all_at_once(self) -> None:
        with pytest.raises(ValueError) as refused:  # noqa: PT011 - the whole text is compared
            FakeClock(float("nan"), idle_after=0, stuck_after=-1)
        assert str(refused.value) == (
            "FakeClock: start: got nan; accepted: a finite number; "
            "idle_after: got 0; accepted: a finite number of seconds > 0; "
            "stuck_after: got -1; accepted: a finite number of seconds >= 0"
        )


class TestWorkers:
    """Registered threads."""

    def test_they_sleep_at_the_same_time(self) -> None:
        clock = FakeClock()
        join(start(clock, *[lambda: clock.sleep(LONG)] * 4))
        assert clock.monotonic() == LONG
        assert clock.sleeps == [LONG] * 4

    def test_they_wake_up_in_the_order_of_their_sleeps_and_of_their_registration(self) -> None:
        clock = FakeClock()
        woken: list[tuple[str, float]] = []

        def worker(name: str, seconds: float) -> Callable[[], None]:
            def work() -> None:
                for _ in range(3):
                    clock.sleep(seconds)
                    woken.append((name, clock.monotonic()))

            return work

        join(start(clock, worker("a", 1.0), worker("b", 2.5), worker("c", 1.0)))
        assert woken == [
            ("a", 1.0),
            ("c", 1.0),
            ("a", 2.0),
            ("c", 2.0),
            ("b", 2.5),
            ("a", 3.0),
            ("c", 3.0),
            ("b", 5.0),
            ("b", 7.5),
        ]

    def test_one_at_a_time_runs(self) -> None:
        clock = FakeClock()
        busy = threading.Lock()
        overlaps: list[bool] = []

        def work() -> None:
            for _ in range(20):
                alone = busy.acquire(blocking=False)
                overlaps.append(not alone)
                if alone:
                    busy.release()
                clock.sleep(1.0)

        join(start(clock, *[work] * 4))
        assert not any(overlaps)

    def test_they_run_in_the_order_in_which_they_were_registered(self) -> None:
        for _ in range(10):
            order: list[int] = []
            join(start(FakeClock(), *(partial(order.append, number) for number in range(6))))
            assert order == list(range(6))

    def test_time_waits_for_a_worker_that_has_not_started_yet(self) -> None:
        clock = FakeClock(stuck_after=10)
        times: list[float] = []
        first, second = clock.worker(), clock.worker()

        def sleeper() -> None:
            with first:
                clock.sleep(5.0)

        def late() -> None:
            with second:
                times.append(clock.monotonic())

        sleeping = threading.Thread(target=sleeper)
        sleeping.start()
        while not clock.sleeps:
            SYSTEM_CLOCK.sleep(0.001)
        latecomer = threading.Thread(target=late)
        latecomer.start()
        join([sleeping, latecomer])
        assert times == [0.0]
        assert clock.monotonic() == 5.0

    def test_an_event_wakes_a_sleeper_before_its_time(self) -> None:
        clock, event = FakeClock(), threading.Event()
        woken: list[tuple[bool, float]] = []

        def setter() -> None:
            clock.advance(3.0)
            event.set()

        join(start(clock, lambda: woken.append((clock.wait(event, LONG), clock.monotonic())), setter))
        assert woken == [(True, 3.0)]
        assert clock.sleeps == [LONG]

    def test_an_event_set_by_an_unregistered_thread_wakes_a_sleeper(self) -> None:
        clock, event, busy = FakeClock(stuck_after=10), threading.Event(), threading.Event()
        woken: list[tuple[bool, float]] = []

        def hold() -> None:  # stays active, so that no time passes, until the event is set
            busy.set()
            assert event.wait(10)

        threads = start(clock, lambda: woken.append((clock.wait(event, LONG), clock.monotonic())), hold)
        assert busy.wait(10)
        event.set()
        join(threads)
        assert woken == [(True, 0.0)]

    def test_a_worker_blocked_elsewhere_delays_the_others_until_it_counts_as_stuck(self) -> None:
        clock = FakeClock(stuck_after=0.05)
        lock = threading.Lock()

        def careful() -> None:
            with lock:  # sleeps while it holds what the other one waits for
                clock.sleep(LONG)

        join(start(clock, careful, careful))
        assert clock.monotonic() == 2 * LONG

    def test_workers_that_wait_for_each_other_meet(self) -> None:
        clock = FakeClock(stuck_after=0.05)
        together = threading.Barrier(3, timeout=10)
        join(start(clock, *[together.wait] * 3))

    def test_a_worker_that_never_starts_is_not_waited_for(self) -> None:
        clock = FakeClock(stuck_after=0.05)
        clock.worker()
        join(start(clock, lambda: clock.sleep(LONG)))
        assert clock.monotonic() == LONG

    def test_the_main_thread_may_sleep_beside_the_workers(self) -> None:
        clock = FakeClock()
        threads = start(clock, lambda: clock.sleep(5.0))
        clock.sleep(2.0)
        assert clock.monotonic() >= 2.0
        join(threads)
        assert clock.monotonic() in {5.0, 7.0}  # it may have begun to sleep after the worker was done

    def test_a_worker_that_raises_is_unregistered(self) -> None:
        clock = FakeClock()
        with pytest.raises(LookupError), clock.worker():
            raise LookupError
        clock.sleep(LONG)
        assert clock.monotonic() == LONG


class TestUnregisteredThreads:
    """Unregistered threads: they count as asleep after a time without activity."""

    def test_they_sleep_at_the_same_time(self) -> None:
        clock = FakeClock(idle_after=0.2)  # a machine under load may keep a thread waiting for some of it
        started = SYSTEM_CLOCK.monotonic()
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(clock.sleep, [LONG] * 4))
        assert clock.monotonic() == LONG
        assert SYSTEM_CLOCK.monotonic() - started < 10

    def test_the_time_goes_on_step_by_step(self) -> None:
        clock = FakeClock()
        woken: list[float] = []

        def work(seconds: float) -> None:
            clock.sleep(seconds)
            woken.append(clock.monotonic())

        join(start(clock, lambda: work(1.0), lambda: work(2.0), lambda: work(3.0), registered=False))
        assert woken == [1.0, 2.0, 3.0]

    def test_an_active_unregistered_thread_is_waited_for(self) -> None:
        clock = FakeClock(idle_after=0.3)  # as above
        asleep, done = threading.Event(), threading.Event()

        def sleeper() -> None:
            asleep.set()
            clock.sleep(5.0)
            done.set()

        threads = start(clock, sleeper, registered=False)
        assert asleep.wait(10)
        for _ in range(20):
            SYSTEM_CLOCK.sleep(0.02)
            clock.monotonic()
        early = done.is_set()
        join(threads)
        assert not early


class TestTasks:
    """asyncio: the time jumps when the loop has nothing else to do."""

    async def test_tasks_sleep_at_the_same_time(self) -> None:
        clock = FakeClock()
        await asyncio.gather(*(clock.asleep(LONG) for _ in range(5)))
        assert clock.monotonic() == LONG
        assert clock.sleeps == [LONG] * 5

    async def test_they_wake_up_in_the_order_of_their_sleeps(self) -> None:
        clock = FakeClock()
        woken: list[tuple[str, float]] = []

        async def work(name: str, seconds: float) -> None:
            for _ in range(2):
                await clock.asleep(seconds)
                woken.append((name, clock.monotonic()))

        await asyncio.gather(work("a", 1.0), work("b", 1.5), work("c", 1.0))
        assert woken == [("a", 1.0), ("c", 1.0), ("b", 1.5), ("a", 2.0), ("c", 2.0), ("b", 3.0)]

    async def test_time_stands_still_while_a_task_works(self) -> None:
        clock = FakeClock()
        times: list[float] = []

        async def work() -> None:
            for _ in range(100):
                await asyncio.sleep(0)  # noqa: TID251 - a turn of the loop, no time
                times.append(clock.monotonic())

        await asyncio.gather(clock.asleep(5.0), work())
        assert set(times) == {0.0}

    async def test_a_task_that_never_rests_does_not_stop_the_time(self) -> None:
        clock = FakeClock()

        async def poll() -> None:
            while clock.monotonic() < LONG:  # noqa: ASYNC110 - that is the point
                await asyncio.sleep(0)  # noqa: TID251 - a turn of the loop, no time

        await asyncio.gather(clock.asleep(LONG), poll())
        assert clock.monotonic() == LONG

    async def test_a_sleep_of_nothing_takes_no_time(self) -> None:
        clock = FakeClock()
        await clock.asleep(0)
        assert (clock.monotonic(), clock.sleeps) == (0.0, [0])

    async def test_time_can_be_advanced_without_a_sleep(self) -> None:
        clock = FakeClock()
        await clock.aadvance(LONG)
        assert (clock.monotonic(), clock.sleeps) == (LONG, [])

    async def test_time_cannot_go_back(self) -> None:
        clock = FakeClock()
        with pytest.raises(ValueError, match="seconds: got -1"):
            await clock.asleep(-1)
        with pytest.raises(ValueError, match="seconds: got -1"):
            await clock.aadvance(-1)
        assert clock.sleeps == []

    async def test_a_cancelled_sleeper_is_forgotten(self) -> None:
        clock = FakeClock()
        task = asyncio.create_task(clock.asleep(1.0))
        await asyncio.sleep(0)  # noqa: TID251 - a turn of the loop, no time
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await clock.asleep(5.0)
        assert clock.monotonic() == 5.0

    async def test_a_sleeper_cancelled_at_the_moment_it_is_woken(self) -> None:
        clock = FakeClock()
        sleeping = asyncio.create_task(clock.asleep(1.0))

        async def cancel_when_time_has_come() -> None:
            while clock.monotonic() < 1.0:  # noqa: ASYNC110 - the clock has no event for it
                await asyncio.sleep(0)  # noqa: TID251 - a turn of the loop, no time
            sleeping.cancel()

        await asyncio.gather(cancel_when_time_has_come(), sleeping, return_exceptions=True)
        await clock.asleep(1.0)
        assert clock.monotonic() == 2.0

    def test_one_loop_after_another(self) -> None:
        clock = FakeClock()
        asyncio.run(clock.asleep(1.0))
        asyncio.run(clock.asleep(2.0))
        clock.sleep(3.0)
        assert clock.monotonic() == 6.0

    async def test_a_blocking_sleep_in_a_task_lets_the_time_pass_too(self) -> None:
        clock = FakeClock()
        task = asyncio.create_task(clock.asleep(1.0))
        await asyncio.sleep(0)  # noqa: TID251 - a turn of the loop, no time
        clock.sleep(5.0)
        assert clock.monotonic() == 5.0
        await task
        assert clock.monotonic() == 5.0

    async def test_threads_and_tasks_share_one_time(self) -> None:
        clock = FakeClock()
        woken: list[tuple[str, float]] = []

        def thread() -> None:
            for _ in range(2):
                clock.sleep(2.0)
                woken.append(("thread", clock.monotonic()))

        async def task() -> None:
            for _ in range(3):
                await clock.asleep(1.5)
                woken.append(("task", clock.monotonic()))

        threads = start(clock, thread)
        await task()
        await asyncio.to_thread(join, threads)
        assert [at for _, at in woken] == sorted(at for _, at in woken)
        assert {name for name, _ in woken} == {"task", "thread"}

    async def test_an_active_thread_is_waited_for(self) -> None:
        clock = FakeClock(idle_after=0.05)
        times: list[float] = []

        def busy() -> None:
            clock.sleep(1.0)  # from here on the clock knows of this thread
            for _ in range(20):
                SYSTEM_CLOCK.sleep(0.01)
                times.append(clock.monotonic())

        task = asyncio.create_task(clock.asleep(LONG))
        await asyncio.to_thread(busy)
        assert set(times) == {1.0}
        await task
        assert clock.monotonic() == LONG

    async def test_a_loop_that_is_done_before_it_is_looked_at_again(self) -> None:
        clock = FakeClock(idle_after=0.02)
        task = asyncio.create_task(clock.asleep(LONG))
        await asyncio.to_thread(clock.sleep, 5.0)
        task.cancel()
        await asyncio.sleep(0.05)  # noqa: TID251 - real time, for what the clock has put off
        await clock.asleep(1.0)
        assert clock.monotonic() == 6.0

    async def test_a_loop_that_waits_for_a_thread_is_idle(self) -> None:
        clock = FakeClock()
        task = asyncio.create_task(clock.asleep(LONG))
        await asyncio.to_thread(clock.sleep, 5.0)
        await task
        assert clock.monotonic() == LONG


def test_the_executor_registers_its_workers() -> None:
    clock = FakeClock(idle_after=30.0, stuck_after=30.0)  # so that only registered workers advance the time
    report = BoundedExecutor(4, clock=clock).run(lambda _: clock.advance(LONG), range(8))
    assert report.elapsed == 2 * LONG
