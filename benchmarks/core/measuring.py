"""How all of these are measured: competitors take turns; the best round of each counts, of threads the median one."""

from __future__ import annotations

import statistics
import time
import timeit
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING
from unittest import mock

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping


@dataclass(frozen=True)
class Measured:
    """Costs of the same thing done in several ways.

    Attributes:
        title: What was done.
        unit: What the costs are in.
        costs: Name of the way -> cost.
        baseline: The way that the others are compared with.
    """

    title: str
    unit: str
    costs: Mapping[str, float]
    baseline: str

    def ratio(self, name: str, to: str | None = None) -> float:
        """How many times the cost of another way, by default of the baseline, this one costs."""
        return self.costs[name] / self.costs[to or self.baseline]

    def __str__(self) -> str:
        lines = [
            f"  {name:<52}{cost:>10.2f} {self.unit}{self.ratio(name):>9.2f} x" for name, cost in self.costs.items()
        ]
        return "\n".join([self.title, *lines])


def best(
    ways: Mapping[str, Callable[[], object]],
    calls: int,
    rounds: int,
    timer: Callable[[], float] = time.process_time,
) -> dict[str, float]:
    """Seconds of processor time a call, for each way, in its best round; of another kind of time with another timer.

    Whatever else the machine does only ever adds time, so the least of several rounds is the best estimate.
    """
    return {name: min(costs) for name, costs in _in_turns(ways, calls, rounds, timer).items()}


def typical(
    ways: Mapping[str, Callable[[], object]],
    calls: int,
    rounds: int,
    timer: Callable[[], float] = time.perf_counter,
) -> dict[str, float]:
    """Wall-clock seconds a call, for each way, in its median round: for ways whose threads wait for each other.

    How often the processors switch between threads varies by a factor of three from round to round. In the best round
    they hardly did, which no user can count on.
    """
    costs = _in_turns(ways, calls, rounds, timer)
    return {name: statistics.median(of_rounds) for name, of_rounds in costs.items()}


def _in_turns(
    ways: Mapping[str, Callable[[], object]], calls: int, rounds: int, timer: Callable[[], float]
) -> dict[str, list[float]]:
    """Seconds a call in each round. The ways take turns, so that other load affects all of them alike."""
    timers = {name: timeit.Timer(way, timer=timer) for name, way in ways.items()}
    costs: dict[str, list[float]] = {name: [] for name in timers}
    for _ in range(rounds):
        for name, each in timers.items():
            costs[name].append(each.timeit(calls) / calls)
    return costs


def in_microseconds(costs: Mapping[str, float]) -> dict[str, float]:
    """The same costs, in microseconds."""
    return {name: seconds * 1e6 for name, seconds in costs.items()}


@contextmanager
def sleepless() -> Generator[None]:
    """Inside of it ``time.sleep`` does nothing.

    Even a sleep of no time at all gives up the processor, which costs many times what is to be measured, and more the
    busier the machine is.
    """
    with mock.patch("time.sleep", new=_not_at_all):
        yield


def _not_at_all(seconds: float, /) -> None:
    del seconds
