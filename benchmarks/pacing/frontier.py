"""The frontier: what AdaptivePacer's constants trade, throttle rate against makespan.

One constant at a time is scaled, the others stay. A shorter hold finds free quota sooner and is throttled more; a
longer pause after a throttle does the opposite. No setting improves both columns at once: a quota that is not known can
only be found by exceeding it.
"""

from __future__ import annotations

import dataclasses
import functools
import statistics
from typing import TYPE_CHECKING

from bedrock_resilience.pacing import AdaptiveConfig, AdaptivePacer
from bedrock_resilience.quotas import Quota
from bedrock_resilience.simulation import Scenario, simulate

if TYPE_CHECKING:
    from collections.abc import Iterator

SCENARIOS = {
    "3x4x50 at 25": Scenario(instances=3, offset=60.0, quota=Quota(requests_per_minute=25, burst=5)),
    "3x4x50 at 50": Scenario(instances=3, offset=60.0),
    "1x12x104 at 25": Scenario(workers=12, items=104, quota=Quota(requests_per_minute=25, burst=5)),
}
SCALED = {
    "hold": ("initial_hold_requests", "initial_hold_seconds", "min_hold_requests", "max_hold_requests"),
    "pause": ("pause_permits",),
    "burst": ("burst_seconds",),
    "start": ("start",),
}
FACTORS = (0.5, 0.75, 1.0, 1.5, 2.0)


def scaled(constants: tuple[str, ...], factor: float) -> AdaptiveConfig:
    """Return the default constants with some of them scaled."""
    config = AdaptiveConfig()
    return dataclasses.replace(config, **{name: getattr(config, name) * factor for name in constants})


def lines(seeds: int) -> Iterator[str]:
    """The table: throttle rate and makespan over the lower bound."""
    yield f"  {'constants':<12}{'factor':>7}" + "".join(f"{name:>22}" for name in SCENARIOS)
    for name, constants in SCALED.items():
        for factor in FACTORS:
            pacer = functools.partial(AdaptivePacer, scaled(constants, factor))
            cells: list[str] = []
            for scenario in SCENARIOS.values():
                reports = [simulate(scenario, pacer=pacer, seed=seed) for seed in range(seeds)]
                throttled = statistics.fmean(report.throttle_rate for report in reports)
                ratio = statistics.fmean(report.ratio for report in reports)
                lost = sum(report.failed for report in reports)
                cells.append(f"{throttled:>9.1%} {ratio:>5.2f}" + (f" -{lost:<4}" if lost else " " * 6))
            yield f"  {name:<12}{factor:>7g}" + "".join(f"{cell:>22}" for cell in cells)
