"""Runs many schedules, and finds, shows and shrinks one that fails."""

from __future__ import annotations

import contextlib
import logging
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from support.dst.claims import simulate_claims
from support.dst.scheduler import Choices, Scheduler, ViolationError
from support.dst.shrink import shrink
from support.dst.system import simulate_system

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from support.dst.mutants import Mutant

WORLDS: Final[dict[str, Callable[..., Scheduler]]] = {"claims": simulate_claims, "system": simulate_system}

_SHRINK_RUNS: Final = {"claims": 1500, "system": 150}  # some seconds


@dataclass
class Result:
    """What many schedules did.

    Args:
        schedules: How many were run.
        steps: Their points of choice.
        counts: Events by name: faults injected, requests paid.
        states: Different states of the whole system.
        seconds: Processor time.
        failure: The first seed that failed, and why.
    """

    schedules: int = 0
    steps: int = 0
    counts: Counter[str] = field(default_factory=Counter[str])
    states: set[int] = field(default_factory=set[int])
    seconds: float = 0.0
    failure: tuple[int, str] | None = None

    def add(self, other: Result) -> None:
        """Add what other schedules did."""
        self.schedules += other.schedules
        self.steps += other.steps
        self.counts += other.counts
        self.states |= other.states
        self.seconds += other.seconds
        self.failure = self.failure or other.failure

    def summary(self) -> str:
        """One line for people."""
        counts = ", ".join(f"{name} {count:,}" for name, count in sorted(self.counts.items()))
        return (
            f"{self.schedules:,} schedules, {self.steps:,} steps, {len(self.states):,} states, {self.seconds:.1f} s of "
            f"processor time; {counts}"
        )


def run(world: str, first: int, schedules: int) -> Result:
    """Run the schedules of so many seeds, until one fails."""
    result = Result()
    started = time.process_time()
    simulate = WORLDS[world]
    logging.disable(logging.CRITICAL)
    try:
        for seed in range(first, first + schedules):
            result.schedules += 1
            try:
                scheduler = simulate(Choices(seed))
            except ViolationError as violation:
                result.failure = (seed, str(violation))
                break
            result.steps += scheduler.steps
            result.counts.update(scheduler.counts)
            result.states |= scheduler.states
    finally:
        logging.disable(logging.NOTSET)
    result.seconds = time.process_time() - started
    return result


def run_many(world: str, first: int, schedules: int, jobs: int) -> Result:
    """Run them in several processes."""
    if jobs == 1:
        return run(world, first, schedules)
    total = Result()
    size = max(1, min(2000, schedules // jobs))
    with ProcessPoolExecutor(jobs) as pool:
        parts = [
            pool.submit(run, world, begin, min(size, first + schedules - begin))
            for begin in range(first, first + schedules, size)
        ]
        for part in parts:
            total.add(part.result())
            if total.failure is not None:
                pool.shutdown(cancel_futures=True)
                break
    return total


def schedule(world: str, seed: int, replay: Sequence[int] | None = None) -> str:
    """Return the steps of a schedule, a line each, and why it fails, where it does."""
    logging.disable(logging.CRITICAL)
    seen: list[Scheduler] = []
    try:
        WORLDS[world](Choices(seed, replay), on_start=seen.append)
    except ViolationError as violation:
        return "\n".join([*seen[0].trace, str(violation)])
    finally:
        logging.disable(logging.NOTSET)
    return "\n".join(seen[0].trace)


def explain(world: str, seed: int, why: str) -> str:
    """Return a failing schedule, shrunk, with all that is needed to run it again."""
    kind = why.partition(" at ")[0].split(": ")[0]

    def fails(replay: list[int]) -> bool:
        try:
            WORLDS[world](Choices(seed, replay))
        except ViolationError as violation:
            return str(violation).partition(" at ")[0].split(": ")[0] == kind
        return False

    choices = Choices(seed)
    logging.disable(logging.CRITICAL)
    with contextlib.suppress(ViolationError):
        WORLDS[world](choices)
    shrunk = shrink(choices.made, fails, max_runs=_SHRINK_RUNS[world])
    logging.disable(logging.NOTSET)
    return "\n".join(
        [
            f"seed {seed} of {world}: {why}",
            f"shrunk from {len(choices.made)} choices to {len(shrunk)}: {shrunk}",
            schedule(world, seed, shrunk),
        ]
    )


def find_mutant(mutant: Mutant, schedules: int, jobs: int) -> str | None:
    """Return the seed that finds a mutant, and what it finds; None where none of so many does."""
    options = {"mutant": mutant.name, "schedules": schedules, "first": 0, "jobs": jobs}
    command = [sys.executable, "-m", "support.dst", *(f"--{name}={value}" for name, value in options.items())]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    return next((line for line in found.stdout.splitlines() if line.startswith("seed ")), None)
