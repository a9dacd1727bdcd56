"""Metastable failure: a service that loses three quarters of its capacity for 30 seconds, and when it recovers.

    python -m benchmarks.pacing.metastable

Calls arrive at 70 % of what the service can do, each may be retried three times. With retries alone the service stays
busy with work that nobody waits for, long after its capacity is back. A retry budget ends that. Takes 15 seconds.
"""

from __future__ import annotations

import functools
import statistics
import sys
from typing import TYPE_CHECKING

from benchmarks.pacing.neighbours import botocore_adaptive, botocore_standard

from bedrock_resilience import AdaptivePacer, Fault, RetryBudget, RetryPolicy
from bedrock_resilience.simulation import LoadScenario, simulate_load
from bedrock_resilience.simulation._load import simulate_callers

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.pacing.neighbours import Neighbour

    from bedrock_resilience.simulation import LoadReport

POLICY = RetryPolicy(max_retries=3, retry_on=(Fault.READ_TIMEOUT, Fault.SERVICE_UNAVAILABLE, Fault.THROTTLING))
SCENARIOS = {
    "requests beyond 200 in flight are refused (503)": LoadScenario(),
    "nothing is refused": LoadScenario(max_in_flight=None),
}
ALONE, BUDGET, PACER, BOTH = "retries alone", "RetryBudget(0.1)", "AdaptivePacer", "RetryBudget, AdaptivePacer"
_SEEDS = 3


def budget() -> RetryBudget:
    """A retry for every ten attempts."""
    return RetryBudget(0.1, 10)


def _neighbour(neighbour: Neighbour, scenario: LoadScenario, seed: int) -> LoadReport:
    return simulate_callers(scenario, lambda clock, _: neighbour(clock), seed)


WAYS: dict[str, Callable[[LoadScenario, int], LoadReport]] = {
    "no retries": lambda scenario, seed: simulate_load(scenario, RetryPolicy(max_retries=0), seed=seed),
    ALONE: lambda scenario, seed: simulate_load(scenario, POLICY, seed=seed),
    BUDGET: lambda scenario, seed: simulate_load(scenario, POLICY, budget=budget, seed=seed),
    PACER: lambda scenario, seed: simulate_load(scenario, POLICY, pacer=AdaptivePacer, seed=seed),
    BOTH: lambda scenario, seed: simulate_load(scenario, POLICY, budget=budget, pacer=AdaptivePacer, seed=seed),
    "botocore standard (default of 1.44)": functools.partial(_neighbour, botocore_standard),
    "botocore adaptive": functools.partial(_neighbour, botocore_adaptive),
}


def show(seeds: int = _SEEDS) -> bool:
    """Print the table; return whether retries alone never recover, and a budget always does."""
    seeds = min(seeds, _SEEDS)  # nothing but the arrivals is random
    recovered: dict[str, list[float | None]] = {}
    for name, scenario in SCENARIOS.items():
        print(
            f"\nA trigger of 30 s, {name}; {scenario.calls_per_second:g} calls a second, capacity {scenario.capacity:g}"
        )
        print(f"  {'':<38}{'recovers after':>15}{'answered':>10}{'requests/call':>15}{'unused work':>14}")
        for way, simulated in WAYS.items():
            reports = [simulated(scenario, seed) for seed in range(seeds)]
            recovered.setdefault(way, []).extend(report.seconds_to_recover for report in reports)
            print(f"  {way:<38}{_recovery(reports):>15}{_numbers(reports)}")
    met = all(seconds is None for seconds in recovered[ALONE]) and None not in recovered[BUDGET]
    print(f"  {'met   ' if met else 'MISSED'}  retries alone never recover within 210 s, with a budget they always do")
    return met


def _recovery(reports: list[LoadReport]) -> str:
    seconds = [report.seconds_to_recover for report in reports]
    known = [each for each in seconds if each is not None]
    return f"{statistics.fmean(known):.0f} s" if len(known) == len(seconds) else "never"


def _numbers(reports: list[LoadReport]) -> str:
    answered = statistics.fmean(len(report.answered) / report.calls for report in reports)
    attempts = statistics.fmean(report.attempts / report.calls for report in reports)
    unused = statistics.fmean(report.unused_share for report in reports)
    return f"{answered:>10.0%}{attempts:>15.1f}{unused:>14.0%}"


if __name__ == "__main__":
    sys.exit(0 if show() else 1)
