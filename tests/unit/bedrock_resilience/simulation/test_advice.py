"""Advice names the settings to change after a run, with their simulated effect."""

from __future__ import annotations

import math

import pytest

from bedrock_resilience import Quota, RetryPolicy
from bedrock_resilience.quotas import RequestTokens, Usage
from bedrock_resilience.simulation import RunStats, Scenario, advise, rebuild, recommend, simulate

QUIET = RunStats(submitted=40, failed=0, attempts=40, retries=0, throttles=0, elapsed=60.0, latency=6.0)
INCIDENT = RunStats(
    submitted=104, failed=50, attempts=400, retries=240, throttles=300, elapsed=120.0, latency=6.5, workers=12
)


def test_a_throttled_run_shows_its_quota() -> None:
    scenario = rebuild(INCIDENT)
    assert scenario.quota.requests_per_minute == pytest.approx(100 / 2)
    assert (scenario.workers, scenario.items, scenario.latency, scenario.offset) == (12, 104, 6.5, 0.0)


def test_a_run_without_throttles_shows_a_higher_quota() -> None:
    assert rebuild(QUIET).quota.requests_per_minute == pytest.approx(2 * 40)
    untimed = RunStats(submitted=40, failed=0, attempts=40, retries=0, throttles=0, latency=6.0, workers=4)
    assert rebuild(untimed).quota.requests_per_minute == pytest.approx(2 * 40)


@pytest.mark.parametrize("quota", [30.0, 60.0])
def test_without_a_time_the_quota_is_the_one_that_throttles_as_much(quota: float) -> None:
    run = simulate(Scenario(workers=8, items=100, quota=Quota(requests_per_minute=quota)), seed=1)
    stats = RunStats(
        submitted=100, failed=run.failed, attempts=run.attempts, retries=run.retries, throttles=run.throttles, workers=8
    )
    rebuilt = rebuild(stats)
    assert rebuilt.quota.requests_per_minute == pytest.approx(quota, rel=0.1)
    again = simulate(rebuilt)
    assert again.throttle_rate == pytest.approx(run.throttle_rate, abs=0.03)
    assert again.failure_rate == pytest.approx(run.failure_rate, abs=0.05)


def test_a_known_quota_is_used() -> None:
    scenario = rebuild(INCIDENT, rpm=75, instances=3, offset=30.0)
    assert (scenario.quota.requests_per_minute, scenario.instances, scenario.offset) == (75, 3, 30.0)


def test_a_run_without_attempts_cannot_be_rebuilt() -> None:
    with pytest.raises(
        ValueError, match="rebuild: stats: got a run without attempts; accepted: a run that sent requests"
    ):
        rebuild(RunStats(submitted=3, failed=0, attempts=0, retries=0, throttles=0))
    assert recommend(RunStats(submitted=3, failed=0, attempts=0, retries=0, throttles=0)) == []


def test_few_throttles_allow_more_workers() -> None:
    (advice,) = advise(QUIET, rebuild(QUIET), seeds=[0])
    assert (advice.recommendation.name, advice.recommendation.settings) == ("more workers", {"max_workers": 8})
    assert advice.recommendation.reason == "only 0.0% of the attempts were throttled (limit 5%)"
    assert advice.after is not None
    assert advice.after.makespan.mean < advice.before.makespan.mean


def test_a_run_with_all_its_workers_and_few_throttles_needs_nothing() -> None:
    full = RunStats(submitted=40, failed=0, attempts=40, retries=0, throttles=0, elapsed=60.0, workers=8)
    assert advise(full, rebuild(full), seeds=[0]) == []


def test_many_throttles_and_losses_advise_a_pacer_and_more_retries() -> None:
    paced, more, fewer = advise(INCIDENT, rebuild(INCIDENT), seeds=[0])
    assert paced.recommendation.settings == {"pacer": "adaptive"}
    assert paced.after is not None
    assert paced.after.failure_rate.mean == 0.0
    assert paced.after.throttle_rate.mean < 0.1 < paced.before.throttle_rate.mean
    assert more.recommendation.settings == {"max_retries": 5, "base_delay": 1.0}
    assert more.after is not None
    assert more.after.failure_rate.mean < more.before.failure_rate.mean
    assert more.to_dict()["after"] == more.after.to_dict()
    assert fewer.recommendation.settings == {"max_workers": 6}
    assert fewer.after is not None
    assert fewer.after.throttle_rate.mean < fewer.before.throttle_rate.mean


@pytest.mark.parametrize(("throttles", "fewer"), [(38, False), (40, True)])
def test_many_throttles_advise_fewer_workers(throttles: int, fewer: bool) -> None:  # noqa: FBT001 - a case
    stats = RunStats(submitted=104, failed=2, attempts=200, retries=98, throttles=throttles, pacing_seconds=1.0)
    found = recommend(stats)
    assert [recommendation.name for recommendation in found] == ["fewer workers"] * fewer
    for recommendation in found:
        assert recommendation.settings == {"max_workers": 2}
        assert recommendation.reason == "20.0% of the attempts were throttled (limit 20%)"
    alone = RunStats(submitted=104, failed=2, attempts=200, retries=98, throttles=throttles, workers=1)
    assert [recommendation.name for recommendation in recommend(alone)] == ["pace the requests"]


def test_many_retries_of_other_faults_advise_no_more_workers() -> None:
    assert recommend(RunStats(submitted=100, failed=0, attempts=126, retries=26, throttles=0)) == []
    (more,) = recommend(RunStats(submitted=100, failed=0, attempts=125, retries=25, throttles=0))
    assert more.name == "more workers"


@pytest.mark.parametrize(
    ("faults", "retry_on", "names"),
    [
        ({}, "throttling", ["more retries, longer delays"]),
        ({"throttling": 6}, "throttling", ["more retries, longer delays"]),
        ({"throttling": 6}, "none", ["retry other faults"]),
        ({"overloaded": 5, "internal_server": 1}, "throttling", ["retry other faults"]),
        ({"overloaded": 5, "internal_server": 1}, "transient", ["more retries, longer delays"]),
        ({"validation": 6}, "transient", ["inspect the errors"]),
        (
            {"throttling": 2, "overloaded": 2, "validation": 2},
            "throttling",
            ["more retries, longer delays", "retry other faults", "inspect the errors"],
        ),
    ],
)
def test_advice_on_failures_depends_on_the_faults(faults: dict[str, int], retry_on: str, names: list[str]) -> None:
    stats = RunStats(
        submitted=100, failed=6, attempts=110, retries=10, throttles=0, faults=faults,
        policy=RetryPolicy(retry_on=retry_on),
    )  # fmt: skip
    assert [recommendation.name for recommendation in recommend(stats)] == names


def test_the_reason_names_the_faults() -> None:
    faults = {"overloaded": 1, "internal_server": 1, "validation": 4}
    transient, others = recommend(
        RunStats(submitted=100, failed=6, attempts=110, retries=0, throttles=0, faults=faults)
    )
    assert transient.settings == {"retry_on": "transient"}
    assert transient.reason == (
        "6.0% of the items failed (limit 5%), and the policy does not retry internal_server, overloaded"
    )
    assert others.settings == {}
    assert others.reason == (
        "6.0% of the items failed (limit 5%), some with faults that no setting prevents: validation"
    )


def test_unused_tokens_advise_a_lower_max_tokens() -> None:
    usage = RequestTokens(0, 1_000).settled(Usage(700, 100))
    wasteful = RunStats(
        submitted=24, failed=0, attempts=24, retries=0, throttles=0, elapsed=10.0, workers=8,
        tokens=sum([usage] * 23, usage),
    )  # fmt: skip
    (advice,) = advise(wasteful, rebuild(wasteful), seeds=[0])
    assert advice.recommendation.name == "lower max_tokens"
    assert advice.recommendation.settings == {"max_tokens": 500}
    assert advice.recommendation.reason == (
        "29% of the reserved tokens were not used (12000 of 40800); max_tokens is 1000, the longest answer has 100"
    )
    assert advice.after is None
    assert advice.to_dict() == {
        "name": "lower max_tokens",
        "reason": advice.recommendation.reason,
        "settings": {"max_tokens": 500},
        "before": advice.before.to_dict(),
        "after": None,
    }


def test_usage_without_advice_on_max_tokens_is_skipped() -> None:
    usage = RequestTokens(0, 1_000).settled(Usage(700, 1_000))
    stats = RunStats(
        submitted=24, failed=0, attempts=24, retries=0, throttles=0, workers=8, tokens=sum([usage] * 23, usage)
    )
    assert recommend(stats) == []


@pytest.mark.parametrize("rpm", [0, -5.0, math.nan, math.inf])
def test_an_invalid_quota_is_refused(rpm: float) -> None:
    with pytest.raises(ValueError, match=rf"^rebuild: rpm: got {rpm}; accepted: a finite number > 0, or None$"):
        rebuild(INCIDENT, rpm=rpm)


def test_a_known_quota_may_be_lower_than_any_estimate() -> None:
    assert rebuild(INCIDENT, rpm=0.5).quota.requests_per_minute == 0.5
    refused = RunStats(submitted=3, failed=3, attempts=12, retries=9, throttles=12, elapsed=60.0)
    assert rebuild(refused).quota.requests_per_minute == 1.0


def test_the_recommended_settings_are_those_simulated() -> None:
    more = advise(INCIDENT, rebuild(INCIDENT), seeds=[0])[1]
    assert more.after is not None
    assert more.after.trial.policy == INCIDENT.policy.replace(**more.recommendation.settings)


def test_a_policy_with_as_many_retries_as_advised_is_left_alone() -> None:
    lossy = RunStats(
        submitted=104, failed=50, attempts=400, retries=240, throttles=300, elapsed=120.0, policy=RetryPolicy(5, 1.0)
    )
    assert [recommendation.name for recommendation in recommend(lossy)] == ["pace the requests", "fewer workers"]
