"""The incident of the ingest-normalize contract, and two harder scenarios: the ways of retrying side by side."""

from __future__ import annotations

import functools
import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.pacing.neighbours import (
    botocore_adaptive,
    botocore_standard,
    simulate_neighbour,
    tenacity_full_jitter,
)

from bedrock_resilience.pacing import AdaptivePacer, MemoryPaceStore, QuotaPacer, SharedPacer
from bedrock_resilience.quotas import Quota
from bedrock_resilience.simulation import Scenario, SimulationReport, simulate

if TYPE_CHECKING:
    from collections.abc import Callable

QUOTA = Quota(requests_per_minute=50, burst=5)
SCENARIOS = {
    "3 instances a minute apart x 4 workers x 50 items": Scenario(
        instances=3, workers=4, items=50, offset=60.0, quota=QUOTA
    ),
    "1 instance x 12 workers x 104 items": Scenario(workers=12, items=104, quota=QUOTA),
    "1 instance x 12 workers x 1,000 items": Scenario(workers=12, items=1_000, quota=QUOTA),
}


@dataclass(frozen=True)
class Row:
    """Means over the seeds."""

    name: str
    attempts: float
    throttled: float
    lost: float
    seconds: float
    ratio: float
    spread: float

    @classmethod
    def of(cls, name: str, reports: list[SimulationReport]) -> Row:
        """The means of some runs."""
        rates = [report.throttle_rate for report in reports]
        return cls(
            name=name,
            attempts=statistics.fmean(report.attempts for report in reports),
            throttled=statistics.fmean(rates),
            lost=statistics.fmean(report.failure_rate for report in reports),
            seconds=statistics.fmean(report.makespan for report in reports),
            ratio=statistics.fmean(report.ratio for report in reports),
            spread=statistics.stdev(rates) if len(rates) > 1 else 0.0,
        )

    def __str__(self) -> str:
        return (
            f"  {self.name:<36}{self.attempts:>7.0f}{self.throttled:>10.1%} ±{self.spread:>5.1%}{self.lost:>9.1%}"
            f"{self.seconds:>9.0f}{self.ratio:>8.2f}"
        )


HEADER = f"  {'':<36}{'calls':>7}{'throttled':>17}{'lost':>9}{'seconds':>9}{'ratio':>8}"


def ways(scenario: Scenario) -> dict[str, Callable[[int], SimulationReport]]:
    """The ways of calling, each a function of the seed."""
    share = 1 / scenario.instances
    label = "QuotaPacer" if scenario.instances == 1 else f"QuotaPacer, share 1/{scenario.instances}"
    return {
        "the contract's retry alone": functools.partial(_simulated, scenario, None),
        "tenacity, full jitter": functools.partial(simulate_neighbour, scenario, tenacity_full_jitter),
        "botocore standard": functools.partial(simulate_neighbour, scenario, botocore_standard),
        "botocore adaptive": functools.partial(simulate_neighbour, scenario, botocore_adaptive),
        "AdaptivePacer": functools.partial(_simulated, scenario, AdaptivePacer),
        label: functools.partial(_simulated, scenario, functools.partial(QuotaPacer, scenario.quota, share)),
        "SharedPacer": functools.partial(shared, scenario),
    }


def shared(scenario: Scenario, seed: int) -> SimulationReport:
    """Let the instances share a store, and a clock that started a second before the simulation."""
    pacer = functools.partial(
        SharedPacer, MemoryPaceStore(), "model", scenario.quota, shared_time=lambda now: now + 1.0
    )
    return simulate(scenario, pacer=pacer, seed=seed)


def _simulated(
    scenario: Scenario, pacer: Callable[[], AdaptivePacer | QuotaPacer] | None, seed: int
) -> SimulationReport:
    return simulate(scenario, pacer=pacer, seed=seed)


def rows(scenario: Scenario, seeds: int) -> list[Row]:
    """Return the rows of the table of a scenario."""
    return [Row.of(name, [way(seed) for seed in range(seeds)]) for name, way in ways(scenario).items()]
