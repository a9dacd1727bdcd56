"""Pacing that is told nothing, under every reading of "per minute": shapes x readings x ways of calling.

A cell is the mean over the seeds of the throttle rate, and of the makespan over the lower bound of the same reading: a
sender that is told everything, and loses nothing to refusals. Windows and refills have another phase for each seed.
"""

from __future__ import annotations

import functools
import itertools
import math
import os
import statistics
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from benchmarks.pacing.neighbours import botocore_adaptive_10, simulate_neighbour

from bedrock_resilience.pacing import AdaptivePacer, MemoryPaceStore, QuotaPacer, SharedPacer
from bedrock_resilience.quotas import Quota
from bedrock_resilience.simulation import Scenario, SimulationReport, Tokens, lower_bound, simulate
from bedrock_resilience.simulation._service import MODEL

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

QUOTA: Final = Quota(requests_per_minute=50, burst=5)
ONE, APART, AT_ONCE, TEN = "1 x 12 x 104", "3 x 4 x 50 a minute apart", "3 x 4 x 50 at once", "10 x 4 x 50 at 200"
_SMALL = Tokens(200, 12_000, max_tokens=1_000, output=300)
_EVEN = Tokens(2_000, 12_000, max_tokens=1_000, output=300)
_LARGE = Tokens(200, 30_000, max_tokens=1_000, output=300)
_FORTY, _HUNDREDS = Quota(tokens_per_minute=40_000), Quota(tokens_per_minute=200_000)

SHAPES: Final = {
    ONE: Scenario(workers=12, items=104, quota=QUOTA),
    APART: Scenario(instances=3, offset=60.0, quota=QUOTA),
    AT_ONCE: Scenario(instances=3, quota=QUOTA),
    TEN: Scenario(instances=10, offset=5.0, quota=Quota(requests_per_minute=200, burst=5)),
}
TOKEN_SHAPES: Final = {
    "1 x 12 x 104, 40,000 tokens, 200-12,000": Scenario(workers=12, items=104, quota=_FORTY, tokens=_SMALL),
    "1 x 12 x 104, 40,000 tokens, 2,000-12,000": Scenario(workers=12, items=104, quota=_FORTY, tokens=_EVEN),
    "1 x 12 x 104, 200,000 tokens, 200-30,000": Scenario(workers=12, items=104, quota=_HUNDREDS, tokens=_LARGE),
    "3 x 4 x 50, 40,000 tokens, 200-12,000": Scenario(instances=3, offset=60.0, quota=_FORTY, tokens=_SMALL),
    "3 x 4 x 50, 40,000 tokens, 2,000-12,000": Scenario(instances=3, offset=60.0, quota=_FORTY, tokens=_EVEN),
    "3 x 4 x 50, 200,000 tokens, 200-30,000": Scenario(instances=3, offset=60.0, quota=_HUNDREDS, tokens=_LARGE),
}
UNLIMITED_SHAPES: Final = {
    f"{workers} workers, answers in {latency:g} s": Scenario(
        workers=workers, items=items, quota=Quota(), latency=latency
    )
    for (workers, items), latency in itertools.product(((12, 104), (32, 320)), (0.0, 0.65, 2.0, 6.5))
}
LONG: Final = {"3 x 4 x 200 at once": Scenario(instances=3, items=200, quota=QUOTA)}
ALONE: Final = tuple(shape for shape in (*SHAPES, *TOKEN_SHAPES) if shape.startswith("1 x"))
TOGETHER: Final = tuple(shape for shape in (*SHAPES, *TOKEN_SHAPES) if shape not in ALONE)

READINGS: Final = ("bucket", "bucket-of-1", "refill", "fixed", "sliding", "refusals-count", "halved", "other-tenants")
TOKEN_READINGS: Final = ("bucket", "refill", "fixed", "sliding")
ADAPTIVE, FIRST, SECOND, BOTOCORE = "AdaptivePacer", "shared, first run", "shared, second run", "botocore adaptive"
SHARED: Final = "shared"
TOLD, TOLD_SHARED = "QuotaPacer", "SharedPacer"
"""Given the quota, but not how it is enforced."""
WAYS: Final = (ADAPTIVE, SHARED, BOTOCORE)
"""The ways of calling; ``shared`` gives two rows, a first run and one that starts with what that has learned."""
_EPOCH: Final = 1_000.0
_BETWEEN_RUNS: Final = 3_600.0
_WINDOW: Final = 60.0


class Run(NamedTuple):
    """One simulation, in numbers."""

    throttled: float
    ratio: float
    lost: int
    share_ratio: float | None
    seconds_to_share: float | None


@dataclass(frozen=True)
class Cell:
    """The means over the seeds of one shape under one reading."""

    shape: str
    reading: str
    way: str
    runs: tuple[Run, ...]

    @property
    def throttled(self) -> float:
        """The throttle rate."""
        return statistics.fmean(run.throttled for run in self.runs)

    @property
    def ratio(self) -> float:
        """The makespan over its lower bound."""
        return statistics.fmean(run.ratio for run in self.runs)

    @property
    def lost(self) -> int:
        """Items lost in all runs."""
        return sum(run.lost for run in self.runs)

    @property
    def share_ratio(self) -> float | None:
        """The largest over the smallest share, median of the runs in which the instances overlapped."""
        ratios = [run.share_ratio for run in self.runs if run.share_ratio is not None]
        return statistics.median(ratios) if ratios else None

    @property
    def seconds_to_share(self) -> float | None:
        """Seconds until the shares are even, median of the runs; infinite where they never were."""
        if self.share_ratio is None:
            return None
        return statistics.median(
            math.inf if run.seconds_to_share is None else run.seconds_to_share for run in self.runs
        )

    def __str__(self) -> str:
        return f"{self.throttled:>7.1%} {self.ratio:>4.2f}" + (f" -{self.lost}" if self.lost else "")


class Job(NamedTuple):
    """One simulation to run; it can be sent to another process."""

    shape: str
    reading: str
    way: str
    seed: int


def all_shapes() -> dict[str, Scenario]:
    """Every shape by its name."""
    return {**SHAPES, **TOKEN_SHAPES, **UNLIMITED_SHAPES, **LONG}


def run(job: Job) -> dict[str, Run]:
    """Simulate one way of calling with one seed: the rows that it gives."""
    scenario = all_shapes()[job.shape].replace(reading=_phased(job.reading, job.seed))
    return {row: _numbers(report, job.seed) for row, report in _reports(scenario, job.way, job.seed).items()}


def _numbers(report: SimulationReport, seed: int) -> Run:
    scenario = report.scenario
    floor = _unpaced(scenario, seed) if scenario.quota.unlimited else _bound(scenario, report.input_tokens)
    lost = report.submitted - report.succeeded
    return Run(report.throttle_rate, report.makespan / floor, lost, report.share_ratio, report.seconds_to_share)


def _phased(reading: str, seed: int) -> str:
    return f"{reading}:{seed * 37 % 60}" if reading in {"fixed", "refill"} else reading


def _reports(scenario: Scenario, way: str, seed: int) -> dict[str, SimulationReport]:
    if way == BOTOCORE:
        return {way: simulate_neighbour(scenario, botocore_adaptive_10, seed)}
    if way == ADAPTIVE:
        return {way: simulate(scenario, pacer=AdaptivePacer, seed=seed)}
    if way == TOLD:
        return {way: simulate(scenario, pacer=functools.partial(QuotaPacer, scenario.quota), seed=seed)}
    store = MemoryPaceStore()
    if way == TOLD_SHARED:
        return {way: simulate(scenario, pacer=_shared(store, _EPOCH, scenario.quota), seed=seed)}
    first = simulate(scenario, pacer=_shared(store, _EPOCH), seed=seed)
    # The windows of the second run continue those of the first one.
    later = _EPOCH + _WINDOW * math.ceil((first.makespan + _BETWEEN_RUNS) / _WINDOW)
    return {FIRST: first, SECOND: simulate(scenario, pacer=_shared(store, later), seed=seed + 1_000)}


def _shared(store: MemoryPaceStore, epoch: float, quota: Quota | None = None) -> Callable[[], SharedPacer]:
    numbers = itertools.count()

    def shared_time(now: float) -> float:
        return epoch + now

    return lambda: SharedPacer(store, MODEL, quota, instance=str(next(numbers)), shared_time=shared_time)


@functools.lru_cache(maxsize=512)
def _bound(scenario: Scenario, input_tokens: tuple[int, ...]) -> float:
    return lower_bound(scenario, input_tokens)


def _unpaced(scenario: Scenario, seed: int) -> float:
    return simulate(scenario, seed=seed).makespan


def table(
    shapes: Iterable[str], readings: Iterable[str], ways: Iterable[str], seeds: int, jobs: int | None = None
) -> list[Cell]:
    """Simulate every cell, on all processors."""
    keys = list(itertools.product(shapes, ways, readings))
    work = [Job(shape, reading, way, seed) for shape, way, reading in keys for seed in range(seeds)]
    with ProcessPoolExecutor(jobs or os.cpu_count()) as pool:
        runs = list(pool.map(run, work, chunksize=max(1, seeds // 2)))
    cells: list[Cell] = []
    for number, (shape, _, reading) in enumerate(keys):
        of_seeds = runs[number * seeds : (number + 1) * seeds]
        cells += [Cell(shape, reading, row, tuple(each[row] for each in of_seeds)) for row in of_seeds[0]]
    return cells


def lines(cells: list[Cell]) -> Iterator[str]:
    """The tables, one for each shape, with the shares of instances that overlap."""
    for shape, of_shape in itertools.groupby(cells, key=lambda cell: cell.shape):
        rows: dict[str, list[Cell]] = {}
        for cell in of_shape:
            rows.setdefault(cell.way, []).append(cell)
        readings = [cell.reading for cell in next(iter(rows.values()))]
        yield f"\n{shape}: throttled, makespan over the lower bound, -items lost"
        yield f"  {'':<20}" + "".join(f"{reading:>18}" for reading in readings)
        for way, row in rows.items():
            yield f"  {way:<20}" + "".join(f"{cell!s:>18}" for cell in row)
            if row[0].share_ratio is not None:
                yield f"  {'  shares, even after':<20}" + "".join(f"{_shares(cell):>18}" for cell in row)


def _shares(cell: Cell) -> str:
    if cell.share_ratio is None or cell.seconds_to_share is None:
        return "-"
    seconds = "never" if math.isinf(cell.seconds_to_share) else f"{cell.seconds_to_share:.0f} s"
    return f"{cell.share_ratio:.2f} {seconds}"


@dataclass(frozen=True)
class CellTarget:
    """What the cells of some shapes, readings and ways must keep."""

    way: str
    shapes: tuple[str, ...]
    throttled: float
    ratio: float
    readings: tuple[str, ...] = tuple(reading for reading in READINGS if reading != "bucket-of-1")
    bound: str = ""
    """Why nobody can keep it, or only at the cost of another target."""

    def __contains__(self, cell: Cell) -> bool:
        return cell.way == self.way and cell.shape in self.shapes and cell.reading in self.readings


_BUCKET_OF_1 = ("bucket-of-1",)
_ONE_TOKENS = tuple(shape for shape in ALONE if shape in TOKEN_SHAPES)
_THREE_TOKENS = tuple(shape for shape in TOKEN_SHAPES if shape.startswith("3 x"))
_UNLIMITED_12 = tuple(shape for shape in UNLIMITED_SHAPES if shape.startswith("12"))
_UNLIMITED_32 = tuple(shape for shape in UNLIMITED_SHAPES if shape.startswith("32"))
_COLLISIONS = "without a channel, two requests closer than the interval collide, whatever the rates are"
_BLIND = "a refusal takes 0.2 s: what is sent before it is sent blindly, and refused where the bucket is empty"
TARGETS: Final = (
    CellTarget(ADAPTIVE, (ONE,), 0.05, 1.12),
    CellTarget(ADAPTIVE, (APART,), 0.06, 1.15),
    CellTarget(ADAPTIVE, (AT_ONCE,), 0.10, 1.30),
    CellTarget(ADAPTIVE, (TEN,), 0.08, 1.30),
    CellTarget(ADAPTIVE, (ONE,), 0.08, 1.25, _BUCKET_OF_1),
    CellTarget(ADAPTIVE, (APART, AT_ONCE, TEN), 0.15, 1.40, _BUCKET_OF_1, _COLLISIONS),
    CellTarget(FIRST, tuple(SHAPES), 0.03, 1.08),
    CellTarget(SECOND, tuple(SHAPES), 0.01, 1.05),
    CellTarget(FIRST, tuple(SHAPES), 0.08, 1.20, _BUCKET_OF_1),
    CellTarget(SECOND, tuple(SHAPES), 0.04, 1.20, _BUCKET_OF_1),
    CellTarget(ADAPTIVE, _ONE_TOKENS, 0.05, 1.10),
    CellTarget(ADAPTIVE, _THREE_TOKENS, 0.08, 1.15),
    CellTarget(FIRST, tuple(TOKEN_SHAPES), 0.03, 1.08),
    CellTarget(ADAPTIVE, _UNLIMITED_12, 0.0, 1.05, bound=_BLIND),
    CellTarget(ADAPTIVE, _UNLIMITED_32, 0.0, 1.15, bound=_BLIND),
)
"""Of the issue, mean of 20 seeds. Nothing is lost anywhere."""


class Verdict(NamedTuple):
    """A cell beside its target."""

    cell: Cell
    target: CellTarget

    @property
    def met(self) -> bool:
        """Whether the cell keeps its target."""
        cell, target = self.cell, self.target
        return cell.throttled <= target.throttled and cell.ratio <= target.ratio and cell.lost == 0

    def __str__(self) -> str:
        cell, target = self.cell, self.target
        return (
            f"  {'met   ' if self.met else 'MISSED'}  {cell.way + ', ' + cell.shape + ', ' + cell.reading:<78}"
            f"{cell.throttled:>7.1%} <= {target.throttled:.0%} {cell.ratio:>6.2f} <= {target.ratio:.2f}, "
            f"lost {cell.lost}" + (f"; {target.bound}" if target.bound and not self.met else "")
        )


def verdicts(cells: Iterable[Cell]) -> Iterator[Verdict]:
    """Every cell that has a target, beside it."""
    return (Verdict(cell, target) for cell in cells for target in TARGETS if cell in target)
