"""Instances that share a quota, on the simulator: each for itself, a share each, and one pace through a store.

    python benchmarks/shared_pacing.py --seeds 20

Prints, as means over the seeds, the throttle rate, the share of items lost and the makespan over the lower bound. No
table is needed: the shared pace is kept in memory, and clocks that differ by up to 0.1 s are part of the model.
"""

from __future__ import annotations

import argparse
import functools
import operator
import random
import statistics
from typing import TYPE_CHECKING

from bedrock_resilience.pacing import AdaptivePacer, MemoryPaceStore, QuotaPacer, SharedPacer
from bedrock_resilience.quotas import Quota
from bedrock_resilience.simulation import Scenario, simulate

if TYPE_CHECKING:
    from collections.abc import Callable

    from bedrock_resilience.pacing import Pacer

QUOTAS = (25, 50, 100)
OFFSETS = (60.0, 0.0)
SKEW = 0.1  # seconds; what SharedPacer tolerates by default
EPOCH = 1_000.0  # shared time is not 0 when the simulation starts


def shared(quota: Quota, seed: int) -> Callable[[], Pacer]:
    """A factory of pacers that share a pace, each by a clock of its own."""
    store, rng = MemoryPaceStore(), random.Random(seed)

    def new_instance() -> Pacer:
        clock = functools.partial(operator.add, EPOCH + rng.uniform(0.0, SKEW))
        return SharedPacer(store, "model", quota, shared_time=clock)

    return new_instance


def pacers(scenario: Scenario, given: Quota, seed: int) -> dict[str, Callable[[], Pacer]]:
    """The ways of sharing that are compared."""
    return {
        "AdaptivePacer, each for itself": AdaptivePacer,
        "QuotaPacer, a share each": functools.partial(QuotaPacer, given, 1 / scenario.instances),
        "SharedPacer": shared(given, seed),
    }


def compare(scenario: Scenario, given: Quota, seeds: int) -> None:
    """Print a line for each way."""
    for name in pacers(scenario, given, 0):
        reports = [simulate(scenario, pacer=pacers(scenario, given, seed)[name], seed=seed) for seed in range(seeds)]
        throttled = statistics.fmean(report.throttle_rate for report in reports)
        lost = statistics.fmean(report.failure_rate for report in reports)
        ratio = statistics.fmean(report.ratio for report in reports)
        print(f"  {name:32}{throttled:8.2%}{lost:8.2%}{ratio:10.3f}")


def main() -> None:
    """Read the arguments, and compare."""
    parser = argparse.ArgumentParser(description="Three instances of four workers and fifty items each")
    parser.add_argument("--seeds", type=int, default=20)
    seeds: int = parser.parse_args().seeds
    print(f"  {'':32}{'throttled':>9}{'lost':>7}{'makespan':>10}")
    for per_minute in QUOTAS:
        quota = Quota(requests_per_minute=per_minute, burst=5)
        for offset in OFFSETS:
            print(f"{per_minute} requests a minute, {offset:.0f} s from start to start")
            compare(Scenario(instances=3, workers=4, items=50, offset=offset, quota=quota), quota, seeds)
    quota, given = Quota(requests_per_minute=50, burst=5), Quota(requests_per_minute=100, burst=10)
    print("50 requests a minute, pacers given 100; 200 items each")
    compare(Scenario(instances=3, workers=4, items=200, offset=60.0, quota=quota), given, seeds)


if __name__ == "__main__":
    main()
