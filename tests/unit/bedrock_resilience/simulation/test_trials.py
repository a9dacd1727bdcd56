"""Trials run one setting over seeds and report means and standard deviations."""

from __future__ import annotations

import statistics

import pytest

from bedrock_resilience import NoPacer, RetryPolicy
from bedrock_resilience.simulation import Scenario, simulate
from bedrock_resilience.simulation._trials import Measure, Trial, run_trial

SCENARIO = Scenario(instances=2, workers=3, items=8, offset=1.0, latency=1.0)


def test_a_measure_is_mean_and_standard_deviation() -> None:
    measure = Measure.of([1.0, 2.0, 6.0])
    assert measure.mean == pytest.approx(3.0)
    assert measure.spread == pytest.approx(statistics.stdev([1.0, 2.0, 6.0]))
    assert Measure.of([4.0]) == Measure(4.0, 0.0)


def test_a_trial_is_the_simulations_of_its_seeds() -> None:
    trial = Trial(name="mine", scenario=SCENARIO, policy=RetryPolicy(max_retries=1), pacer=NoPacer)
    ran: list[None] = []
    result = run_trial(trial, [3, 4], lambda: ran.append(None))
    alone = [simulate(SCENARIO, policy=RetryPolicy(max_retries=1), pacer=NoPacer, seed=seed) for seed in (3, 4)]
    assert len(ran) == 2
    assert result.throttle_rate == Measure.of([report.throttle_rate for report in alone])
    assert result.failure_rate == Measure.of([report.failure_rate for report in alone])
    assert result.retry_rate == Measure.of([report.retries / report.attempts for report in alone])
    assert result.attempts == Measure.of([float(report.attempts) for report in alone])
    assert result.makespan == Measure.of([report.makespan for report in alone])
    assert result.ratio == Measure.of([report.ratio for report in alone])
    shown = result.to_dict()
    assert shown["name"] == "mine"
    assert shown["attempts"] == {"mean": result.attempts.mean, "spread": round(result.attempts.spread, 4)}


def test_an_empty_scenario_has_no_rates() -> None:
    result = run_trial(Trial(name="", scenario=SCENARIO.replace(items=0)), [0])
    assert (result.retry_rate.mean, result.throttle_rate.mean, result.failure_rate.mean) == (0.0, 0.0, 0.0)


def test_a_trial_needs_a_seed() -> None:
    with pytest.raises(ValueError, match="seeds: got none; accepted: at least one"):
        run_trial(Trial(name="", scenario=SCENARIO), [])
