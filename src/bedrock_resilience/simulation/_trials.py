"""Trials: a scenario under some settings, simulated with several seeds, as means and standard deviations."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bedrock_resilience.retrying._policy import RetryPolicy
from bedrock_resilience.simulation._driver import simulate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from bedrock_resilience.simulation._driver import PacerFactory
    from bedrock_resilience.simulation._report import SimulationReport
    from bedrock_resilience.simulation._scenario import Scenario


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One scenario with its settings.

    Attributes:
        name: Its name in the table.
        scenario: What is simulated.
        policy: The retry policy of every call.
        pacer: Makes a pacer for each instance; None for no pacing.
    """

    name: str
    scenario: Scenario
    policy: RetryPolicy = RetryPolicy()  # noqa: RUF009 - a frozen value
    pacer: PacerFactory | None = None


@dataclass(frozen=True, slots=True)
class Measure:
    """The mean of a number over the seeds, and its standard deviation (``spread``)."""

    mean: float
    spread: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Measure:
        """The mean and the standard deviation of at least one value; the spread of a single one is 0."""
        mean = math.fsum(values) / len(values)
        if len(values) == 1:
            return cls(mean, 0.0)
        return cls(mean, math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1)))


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialResult:
    """The outcome of a trial; rates are 0 to 1, times are seconds.

    Attributes:
        trial: The trial.
        throttle_rate: Throttles over attempts.
        failure_rate: Failed over submitted items.
        retry_rate: Retries over attempts.
        attempts: Requests sent.
        makespan: From the start of the first instance to the end of the last.
        ratio: Makespan over the lower bound.
        share_ratio: The largest over the smallest share of an instance; None if they never ran at the same time, or
            one had nothing.
        seconds_to_share: Seconds until the shares were even; None if that never happened in some simulation.
    """

    trial: Trial
    throttle_rate: Measure
    failure_rate: Measure
    retry_rate: Measure
    attempts: Measure
    makespan: Measure
    ratio: Measure
    share_ratio: Measure | None = None
    seconds_to_share: Measure | None = None

    def to_dict(self) -> dict[str, object]:
        """The numbers for JSON, each with its mean and spread."""
        names = [field.name for field in dataclasses.fields(self) if field.name != "trial"]
        measures: dict[str, Measure | None] = {name: getattr(self, name) for name in names}
        return {
            "name": self.trial.name,
            **{
                name: measure and {"mean": round(measure.mean, 4), "spread": round(measure.spread, 4)}
                for name, measure in measures.items()
            },
        }


def run_trial(trial: Trial, seeds: Iterable[int], on_run: Callable[[], object] | None = None) -> TrialResult:
    """Simulate a trial once for each seed; ``on_run`` is called after each simulation.

    Raises:
        ValueError: There are no seeds.
    """
    reports: list[SimulationReport] = []
    for seed in seeds:
        reports.append(simulate(trial.scenario, policy=trial.policy, pacer=trial.pacer, seed=seed))
        if on_run is not None:
            on_run()
    if not reports:
        raise ValueError("seeds: got none; accepted: at least one")
    return TrialResult(
        trial=trial,
        throttle_rate=Measure.of([report.throttle_rate for report in reports]),
        failure_rate=Measure.of([report.failure_rate for report in reports]),
        retry_rate=Measure.of([report.retries / report.attempts if report.attempts else 0.0 for report in reports]),
        attempts=Measure.of([float(report.attempts) for report in reports]),
        makespan=Measure.of([report.makespan for report in reports]),
        ratio=Measure.of([report.ratio for report in reports]),
        share_ratio=_measure([report.share_ratio for report in reports]),
        seconds_to_share=_measure([report.seconds_to_share for report in reports]),
    )


def _measure(values: Sequence[float | None]) -> Measure | None:
    finite = [value for value in values if value is not None and math.isfinite(value)]
    return Measure.of(finite) if len(finite) == len(values) else None
