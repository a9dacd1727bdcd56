"""Advice names the scenario of the operations guide that applies, with its simulated effect."""

from __future__ import annotations

import math

import pytest

from bedrock_resilience import Quota, RetryPolicy
from bedrock_resilience.quotas import RequestTokens, Usage
from bedrock_resilience.simulation import Scenario, simulate
from bedrock_resilience.simulation._advice import advise, rebuild
from bedrock_resilience.simulation._run_stats import RunStats

QUIET = RunStats(submitted=40, failed=0, attempts=40, retries=0, throttles=0, elapsed=60.0, latency=6.0)
INCIDENT = RunStats(
    submitted=104, failed=50, attempts=400, retries=240, throttles=300, elapsed=120.0, latency=6.5, workers=12
)


def test_a_throttled_run_shows_its_quota() -> None:
    scenario = rebuild(INCIDENT)
    assert scenario.quota.requests_per_minute == pytest.approx(100 / 2)
    assert (scenario.workers, scenario.items, scenario.latency, scenario.offset) == (12, 104, 6.5, 0.0)


def test_a_quiet_run_shows_that_there_is_more() -> None:
    assert rebuild(QUIET).quota.requests_per_minute == pytest.approx(2 * 40)
    untimed = RunStats(submitted=40, failed=0, attempts=40, retries=0, throttles=0, latency=6.0, workers=4)
    assert rebuild(untimed).quota.requests_per_minute == pytest.approx(2 * 40)


@pytest.mark.parametrize("quota", [30.0, 60.0])
def test_without_a_time_the_quota_is_the_one_that_throttles_as_much(quota: float) -> None:
    run = simulate(Scenario(workers=8, items=100, quota=Quota(requests_per_minute=quota)), seed=1)
    seen = RunStats(
        submitted=100, failed=run.failed, attempts=run.attempts, retries=run.retries, throttles=run.throttles, workers=8
    )
    rebuilt = rebuild(seen)
    assert rebuilt.quota.requests_per_minute == pytest.approx(quota, rel=0.1)
    again = simulate(rebuilt)
    assert again.throttle_rate == pytest.approx(run.throttle_rate, abs=0.03)
    assert again.failure_rate == pytest.approx(run.failure_rate, abs=0.05)


def test_what_is_known_of_the_quota_goes_first() -> None:
    scenario = rebuild(INCIDENT, rpm=75, instances=3, offset=30.0)
    assert (scenario.quota.requests_per_minute, scenario.instances, scenario.offset) == (75, 3, 30.0)


def test_a_run_without_calls_cannot_be_rebuilt() -> None:
    with pytest.raises(ValueError, match="run: it sent no request; accepted: a run with calls"):
        rebuild(RunStats(submitted=3, failed=0, attempts=0, retries=0, throttles=0))


def test_few_throttles_leave_room_for_more_workers() -> None:
    (advice,) = advise(QUIET, rebuild(QUIET), seeds=[0])
    assert (advice.name, advice.variables) == ("more workers", {"MAX_BEDROCK_WORKERS": "8"})
    assert "0.0% of the calls were throttled (limit 5%)" in advice.why
    assert advice.after is not None
    assert advice.after.makespan.mean < advice.before.makespan.mean


def test_a_run_with_all_its_workers_and_few_throttles_needs_nothing() -> None:
    full = RunStats(submitted=40, failed=0, attempts=40, retries=0, throttles=0, elapsed=60.0, workers=8)
    assert advise(full, rebuild(full), seeds=[0]) == []


def test_many_throttles_and_losses_want_a_pacer_and_more_retries() -> None:
    paced, more = advise(INCIDENT, rebuild(INCIDENT), seeds=[0])
    assert paced.variables == {"BEDROCK_PACING": "adaptive"}
    assert paced.after is not None
    assert paced.after.failure_rate.mean == 0.0
    assert paced.after.throttle_rate.mean < 0.1 < paced.before.throttle_rate.mean
    assert more.variables == {"BEDROCK_MAX_RETRIES": "5", "BEDROCK_BASE_DELAY": "1"}
    assert more.after is not None
    assert more.after.failure_rate.mean < more.before.failure_rate.mean
    assert more.to_dict()["after"] == more.after.to_dict()


def test_a_long_run_that_is_throttled_wants_fewer_workers() -> None:
    long = RunStats(
        submitted=104, failed=2, attempts=200, retries=98, throttles=96, elapsed=485.0, policy=RetryPolicy(5, 1.0)
    )
    names = {advice.name: advice for advice in advise(long, rebuild(long), seeds=[0])}
    assert list(names) == ["pace the calls", "fewer workers"]
    assert names["fewer workers"].variables == {"MAX_BEDROCK_WORKERS": "2"}
    assert "485 s (limit 300 s)" in names["fewer workers"].why


def test_tokens_reserved_in_vain_are_told() -> None:
    account = RequestTokens(0, 1_000).settled(Usage(700, 100))
    wasteful = RunStats(
        submitted=24, failed=0, attempts=24, retries=0, throttles=0, elapsed=10.0, workers=8,
        tokens=sum([account] * 23, account),
    )  # fmt: skip
    (advice,) = advise(wasteful, rebuild(wasteful), seeds=[0])
    assert (advice.name, advice.after, advice.variables) == ("a lower max_tokens", None, {})
    assert advice.why == (
        "29% of the tokens that the answers reserved (12000 of 40800) were reserved in vain: max_tokens is 1000, and "
        "500 would do"
    )
    assert advice.to_dict()["after"] is None


def test_where_only_their_sum_is_known_answers_are_taken_for_the_mean_one() -> None:
    summed = RunStats(
        submitted=24, failed=0, attempts=24, retries=0, throttles=0, elapsed=10.0, workers=8, output_tokens=2_400,
        max_tokens=1_000,
    )  # fmt: skip
    (advice,) = advise(summed, rebuild(summed), seeds=[0])
    assert advice.why.endswith("max_tokens is 1000, and 500 would do")
    assert advice.why.startswith("50% of the tokens that the answers reserved (12000 of 24000)")


@pytest.mark.parametrize(("output_tokens", "max_tokens"), [(7_200, 1_000), (0, 1_000), (2_400, None)])
def test_tokens_that_are_used_are_left_alone(output_tokens: int, max_tokens: int | None) -> None:
    frugal = RunStats(
        submitted=24, failed=0, attempts=24, retries=0, throttles=0, elapsed=10.0, workers=8,
        output_tokens=output_tokens, max_tokens=max_tokens,
    )  # fmt: skip
    assert advise(frugal, rebuild(frugal), seeds=[0]) == []


@pytest.mark.parametrize("rpm", [0, -5.0, math.nan, math.inf])
def test_a_quota_that_cannot_be_is_refused(rpm: float) -> None:
    with pytest.raises(ValueError, match=rf"^rpm: got {rpm}; accepted: a finite number of requests a minute > 0$"):
        rebuild(INCIDENT, rpm=rpm)


def test_a_quota_that_is_told_may_be_lower_than_any_estimate() -> None:
    assert rebuild(INCIDENT, rpm=0.5).quota.requests_per_minute == 0.5
    refused = RunStats(submitted=3, failed=3, attempts=12, retries=9, throttles=12, elapsed=60.0)
    assert rebuild(refused).quota.requests_per_minute == 1.0


def test_what_is_simulated_is_what_the_variables_make_of_the_run() -> None:
    more = advise(INCIDENT, rebuild(INCIDENT), seeds=[0])[1]
    assert more.after is not None
    told = RetryPolicy.from_env(INCIDENT.policy.to_env() | more.variables)
    assert more.after.trial.policy == told


def test_a_policy_with_as_many_retries_as_advised_is_left_alone() -> None:
    lossy = RunStats(
        submitted=104, failed=50, attempts=400, retries=240, throttles=300, elapsed=120.0, policy=RetryPolicy(5, 1.0)
    )
    assert [advice.name for advice in advise(lossy, rebuild(lossy), seeds=[0])] == ["pace the calls"]
