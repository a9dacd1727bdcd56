"""The targets of pacing, measured, each with its limit."""

from __future__ import annotations

import functools
import statistics
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.pacing.incident import shared

from bedrock_resilience.pacing import AdaptivePacer, QuotaPacer
from bedrock_resilience.quotas import Quota
from bedrock_resilience.simulation import QuotaChange, Scenario, Tokens, simulate

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bedrock_resilience.simulation import SimulationReport

QUOTAS = (25, 50, 100)
FULL, HALF = Quota(requests_per_minute=50, burst=5), Quota(requests_per_minute=25, burst=5)
HALVED = Scenario(workers=12, items=500, quota=FULL, changes=(QuotaChange(200.0, HALF), QuotaChange(440.0, FULL)))
"""A quota that is halved in the middle of a run, and restored later."""


@dataclass(frozen=True)
class PacingTarget:
    """A limit, and what was measured."""

    text: str
    measured: float
    limit: float
    at_least: bool = False

    @property
    def met(self) -> bool:
        """Whether the measurement is within the limit."""
        return self.measured >= self.limit if self.at_least else self.measured <= self.limit

    def __str__(self) -> str:
        sign = ">=" if self.at_least else "<="
        return f"  {'met   ' if self.met else 'MISSED'}  {self.text:<74}{self.measured:>9.4f}  {sign} {self.limit:g}"


def incident(seeds: int) -> Iterator[PacingTarget]:
    """The contract's retry alone: the incident as it was."""
    three = [simulate(Scenario(instances=3, offset=60.0), seed=seed) for seed in range(seeds)]
    one = [simulate(Scenario(), seed=seed) for seed in range(seeds)]
    yield PacingTarget("incident, 3 instances, retries alone: throttle rate", _throttled(three), 0.30, at_least=True)
    yield PacingTarget("incident, 3 instances, retries alone: throttle rate", _throttled(three), 0.40)
    yield PacingTarget("incident, 3 instances, retries alone: items lost", _lost(three), 0.04, at_least=True)
    yield PacingTarget("incident, 3 instances, retries alone: items lost", _lost(three), 0.10)
    yield PacingTarget("incident, 1 instance, retries alone: throttle rate", _throttled(one), 0.10)
    yield PacingTarget("incident, 1 instance, retries alone: items lost", _lost(one), 0.02)


def adaptive(seeds: int) -> Iterator[PacingTarget]:
    """AdaptivePacer, which does not know the quota."""
    for instances, workers, items in ((3, 4, 50), (1, 12, 104), (1, 12, 1_000)):
        for per_minute in QUOTAS:
            quota = Quota(requests_per_minute=per_minute, burst=5)
            scenario = Scenario(instances=instances, workers=workers, items=items, offset=60.0, quota=quota)
            reports = [simulate(scenario, pacer=AdaptivePacer, seed=seed) for seed in range(seeds)]
            name = f"AdaptivePacer, {instances} x {workers} x {items:,} at {per_minute} a minute"
            limit = 0.05
            if instances > 1 and per_minute == min(QUOTAS):
                limit = 0.10
            elif items == 1_000:
                limit = 0.02
            yield PacingTarget(f"{name}: throttle rate", _throttled(reports), limit)
            yield PacingTarget(
                f"{name}: makespan over the lower bound", _ratio(reports), 1.15 if instances > 1 else 1.10
            )
            yield PacingTarget(f"{name}: items lost", _lost(reports), 0.0)


def known(seeds: int) -> Iterator[PacingTarget]:
    """QuotaPacer, which is given the quota."""
    for items in (104, 1_000):
        for per_minute in QUOTAS:
            quota = Quota(requests_per_minute=per_minute, burst=5)
            scenario = Scenario(workers=12, items=items, quota=quota)
            pacer = functools.partial(QuotaPacer, quota)
            reports = [simulate(scenario, pacer=pacer, seed=seed) for seed in range(seeds)]
            name = f"QuotaPacer, 1 x 12 x {items:,} at {per_minute} a minute"
            yield PacingTarget(f"{name}: throttle rate", _throttled(reports), 0.0)
            yield PacingTarget(f"{name}: makespan over the lower bound", _ratio(reports), 1.04)


def together(seeds: int) -> Iterator[PacingTarget]:
    """SharedPacer, through a store."""
    for per_minute in QUOTAS:
        scenario = Scenario(instances=3, offset=60.0, quota=Quota(requests_per_minute=per_minute, burst=5))
        reports = [shared(scenario, seed) for seed in range(seeds)]
        name = f"SharedPacer, 3 x 4 x 50 at {per_minute} a minute"
        yield PacingTarget(f"{name}: throttle rate", _throttled(reports), 0.005)
        yield PacingTarget(f"{name}: makespan over the lower bound", _ratio(reports), 1.10)


def tokens() -> Iterator[PacingTarget]:
    """Token quotas, with items of mixed length, max_tokens 1,000 and 300 used."""
    for per_minute, workers, items in ((4_000_000, 160, 10_000), (40_000, 12, 400)):
        quota = Quota(tokens_per_minute=per_minute)
        scenario = Scenario(workers=workers, items=items, quota=quota, tokens=Tokens(max_tokens=1_000, output=300))
        report = simulate(scenario, pacer=functools.partial(QuotaPacer, quota))
        name = f"QuotaPacer, {per_minute:,} tokens a minute"
        yield PacingTarget(f"{name}: throttles", report.throttles, 0)
        yield PacingTarget(f"{name}: utilisation", report.token_utilisation or 0.0, 0.90, at_least=True)


def changing(seeds: int) -> Iterator[PacingTarget]:
    """A quota that is halved and restored."""
    reports = [simulate(HALVED, pacer=AdaptivePacer, seed=seed) for seed in range(seeds)]
    yield PacingTarget("AdaptivePacer, quota halved and restored: throttle rate", _throttled(reports), 0.08)
    yield PacingTarget("AdaptivePacer, quota halved and restored: items lost", _lost(reports), 0.0)
    for change, per_minute in ((200.0, 25), (440.0, 50)):
        back = statistics.fmean(seconds_until_back(report, change, per_minute) for report in reports)
        name = f"AdaptivePacer, {per_minute} a minute from {change:.0f} s on"
        yield PacingTarget(f"{name}: seconds until within 10 % of it", back, 240.0)


def seconds_until_back(report: SimulationReport, change: float, per_minute: float) -> float:
    """Seconds from a change of the quota until what is admitted in a minute is within 10 % of it."""
    admitted = [request.at for request in report.requests if request.refused is None and request.at >= change]
    for start in admitted:
        count = sum(start <= at < start + 60.0 for at in admitted)
        if 0.9 * per_minute <= count <= 1.1 * per_minute:
            return start + 60.0 - change
    return report.makespan


def speed() -> Iterator[PacingTarget]:
    """The simulator itself."""
    started = time.perf_counter()
    first, again = (simulate(Scenario(workers=12, items=10_000), pacer=AdaptivePacer, seed=1) for _ in range(2))
    yield PacingTarget("seconds for a simulation of 10,000 items", (time.perf_counter() - started) / 2, 30.0)
    yield PacingTarget("reports of the same seed that differ", float(first != again), 0.0)


def _throttled(reports: list[SimulationReport]) -> float:
    return statistics.fmean(report.throttle_rate for report in reports)


def _lost(reports: list[SimulationReport]) -> float:
    return statistics.fmean(report.failure_rate for report in reports)


def _ratio(reports: list[SimulationReport]) -> float:
    return statistics.fmean(report.ratio for report in reports)
