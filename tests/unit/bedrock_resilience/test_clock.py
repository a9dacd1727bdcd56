"""The machine's clock."""

from __future__ import annotations

import threading
import time

from bedrock_resilience.clock import SYSTEM_CLOCK, SystemClock, SystemThreads, threads_of, wall_clock

A_MOMENT = 0.02  # seconds; these tests are about really waiting


def test_it_reads_the_machines_monotonic_time() -> None:
    before = time.monotonic()  # noqa: TID251 - the thing itself
    assert before <= SYSTEM_CLOCK.monotonic() <= time.monotonic()  # noqa: TID251 - as above


def test_sleeping_takes_as_long_as_it_says() -> None:
    started = SYSTEM_CLOCK.monotonic()
    SYSTEM_CLOCK.sleep(A_MOMENT)
    assert SYSTEM_CLOCK.monotonic() - started >= A_MOMENT


async def test_sleeping_in_a_task_takes_as_long_as_it_says() -> None:
    started = SYSTEM_CLOCK.monotonic()
    await SYSTEM_CLOCK.asleep(A_MOMENT)
    assert SYSTEM_CLOCK.monotonic() - started >= A_MOMENT * 0.9  # asyncio rounds to the clock's resolution


def test_waiting_ends_with_the_time() -> None:
    started = SYSTEM_CLOCK.monotonic()
    assert SYSTEM_CLOCK.wait(threading.Event(), A_MOMENT) is False
    assert SYSTEM_CLOCK.monotonic() - started >= A_MOMENT


def test_waiting_ends_with_the_event() -> None:
    event = threading.Event()
    event.set()
    assert SYSTEM_CLOCK.wait(event, 60.0) is True


def test_the_wall_clock_is_the_machines() -> None:
    before = time.time()  # noqa: TID251 - the thing itself
    assert before <= wall_clock() <= time.time()  # noqa: TID251 - as above


def test_the_repr_and_type_of_the_system_clock() -> None:
    assert repr(SYSTEM_CLOCK) == "SystemClock()"
    assert isinstance(SYSTEM_CLOCK, SystemClock)


def test_by_default_threads_are_those_of_this_process() -> None:
    threads = threads_of(SYSTEM_CLOCK)
    done = threads.queue()

    def work(number: int) -> None:
        done.put((number, threads.current(), threading.current_thread().name))

    thread = threads.thread(work, 7, name="worker", daemon=True)
    assert thread.daemon
    thread.start()
    assert done.get(timeout=10) == (7, thread.ident, "worker")
    thread.join()
    assert not threads.thread(work, 8, name="other").daemon


def test_what_threads_wait_for_is_that_of_the_standard_library() -> None:
    threads = threads_of(None)
    with threads.lock() as held:
        assert held is True
    semaphore, event = threads.semaphore(1), threads.event()
    assert semaphore.acquire(blocking=False)
    assert not semaphore.acquire(blocking=False)
    assert isinstance(event, threading.Event)


def test_a_clock_may_bring_its_threads() -> None:
    class _WithThreads(SystemClock):
        threads = SystemThreads()

    assert threads_of(_WithThreads()) is _WithThreads.threads
