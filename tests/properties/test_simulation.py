"""Nothing is lost, stored twice or paid for twice in any of many simulated schedules; each mutant is found by one."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from support.dst import runner
from support.dst.mutants import MUTANTS, Mutant
from support.dst.scheduler import Choices, Process, Scheduler, ViolationError
from support.dst.shrink import shrink

if TYPE_CHECKING:
    from collections.abc import Callable

# The nightly run has a million: `python -m support.dst`, in .github/workflows/nightly.yml.
CHUNKS = 10
CLAIMS = 20_000 // CHUNKS
SYSTEM = 300 // CHUNKS
# All mutants are found within so many schedules; most within the first hundred.
MUTANT_SCHEDULES = 10_000
DST = [sys.executable, "-m", "support.dst"]


def passes(world: str, first: int, schedules: int) -> runner.Result:
    result = runner.run(world, first, schedules)
    assert result.failure is None, runner.explain(world, *result.failure)
    assert result.schedules == schedules
    return result


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_claims_and_leases_in_many_schedules(chunk: int) -> None:
    result = passes("claims", chunk * CLAIMS, CLAIMS)
    faults = {"refused", "conflict", "sent twice", "reply lost", "done late", "process killed", "priority changed"}
    assert faults < result.counts.keys()
    assert len(result.states) > 1000


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_runs_workers_and_a_dispatcher_in_many_schedules(chunk: int) -> None:
    result = passes("system", chunk * SYSTEM, SYSTEM)
    assert {"paid", "reply lost", "process killed"} < result.counts.keys()
    assert len(result.states) > 100


# Each mutant is a process of some seconds; together they take three minutes. In the gate, the first one shows that a
# mutant is found, and the schedules above run the code as it is.
@pytest.mark.parametrize(
    "mutant",
    [
        pytest.param(mutant, id=mutant.name, marks=pytest.mark.nightly if rank else ())
        for rank, mutant in enumerate(MUTANTS)
    ],
)
def test_a_mutant_is_found_and_its_schedule_is_printed(mutant: Mutant) -> None:
    found = subprocess.run(
        [*DST, "--mutant", mutant.name, "--schedules", str(MUTANT_SCHEDULES)],
        capture_output=True,
        text=True,
        check=False,
        env={"PYTHONPATH": ":".join(sys.path)},
    )
    assert found.returncode == 1, found.stdout + found.stderr
    lines = found.stdout.splitlines()
    assert lines[1].startswith("seed ")
    assert lines[2].startswith("shrunk from ")
    assert len(lines) > 3


@pytest.mark.parametrize("world", runner.WORLDS)
def test_a_schedule_is_the_same_every_time(world: str) -> None:
    choices = Choices(7)
    runner.WORLDS[world](choices)
    assert runner.schedule(world, 7) == runner.schedule(world, 0, choices.made)


class _Failing:
    """A world that fails where two of its choices are large."""

    def __init__(self) -> None:
        self.runs = 0

    def __call__(self, replay: list[int]) -> bool:
        self.runs += 1
        choices = Choices(0, replay)
        return sum(choices.below(100) > 50 for _ in range(20)) >= 2


def test_a_failing_schedule_is_shrunk_to_what_makes_it_fail() -> None:
    choices = Choices(3)
    for _ in range(20):
        choices.below(100)
    assert _Failing()(choices.made)
    shrunk = shrink(choices.made, _Failing())
    assert len(shrunk) == 2
    assert all(one > 50 for one in shrunk)
    few = _Failing()
    shrink(choices.made, few, max_runs=3)
    assert few.runs <= 3


def outcome_of(main: Callable[[Process], object], **options: int) -> Scheduler:
    scheduler = Scheduler(Choices(1), **options)
    process = Process(scheduler, "one")
    process.start(lambda: main(process))
    try:
        scheduler.run()
    finally:
        scheduler.close()
    return scheduler


def test_threads_that_wait_for_each_other_are_a_deadlock() -> None:
    def main(process: Process) -> None:
        threads = process.clock.threads
        one, two = threads.semaphore(0), threads.semaphore(0)

        def wait() -> None:
            one.acquire()
            two.release()

        threads.thread(wait, name="other").start()
        two.acquire()
        one.release()

    with pytest.raises(ViolationError, match="deadlock: one/main, one/other wait for each other"):
        outcome_of(main)


def test_a_thread_that_never_ends_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("support.dst.scheduler.MAX_STEPS", 50)

    def main(process: Process) -> None:
        while True:
            process.clock.sleep(1.0)

    with pytest.raises(ViolationError, match="no end after 50 steps"):
        outcome_of(main)


def test_a_process_that_is_killed_does_nothing_more() -> None:
    done: list[str] = []

    def main(process: Process) -> None:
        try:
            process.kill()
            process.clock.sleep(1.0)
            done.append("after")
        finally:
            done.append("cleaning up")
            process.clock.threads.queue().put(1)
            done.append("cleaned up")

    scheduler = outcome_of(main)
    assert done == ["cleaning up"]
    assert (scheduler.processes[1].dead, scheduler.processes[1].ended) == (True, False)


def test_time_is_virtual_and_waits_end_in_order() -> None:
    order: list[tuple[str, float]] = []

    def main(process: Process) -> None:
        threads, clock = process.clock.threads, process.clock
        event = threads.event()
        queue = threads.queue()

        def waits() -> None:
            order.append(("timeout", clock.monotonic()) if not clock.wait(event, 5.0) else ("set", clock.monotonic()))
            order.append(("set", clock.monotonic()) if clock.wait(event, 100.0) else ("timeout", clock.monotonic()))
            order.append((queue.get(timeout=1.0), clock.monotonic()))

        thread = threads.thread(waits, name="other")
        thread.start()
        clock.sleep(7.0)
        event.set()
        clock.sleep(1000.0)
        assert queue.empty()
        queue.put("item")
        thread.join()
        assert not thread.is_alive()

    outcome_of(main)
    assert order == [("timeout", 5.0), ("set", 7.0), ("item", 1007.0)]
