"""The lower bound of the makespan."""

from __future__ import annotations

import random

import pytest

from bedrock_resilience.pacing import QuotaPacer
from bedrock_resilience.quotas import Quota
from bedrock_resilience.retrying._policy import RetryPolicy
from bedrock_resilience.simulation import QuotaChange, Scenario, Tokens, lower_bound, simulate
from support.approx import approx
from support.nightly import seeds


def test_without_items_the_bound_is_zero() -> None:
    assert lower_bound(Scenario(items=0)) == 0.0


def test_concurrency_bounds_in_rounds() -> None:
    assert lower_bound(Scenario(workers=4, items=50, quota=Quota())) == 13 * 6.5


def test_with_a_random_latency_the_rounds_are_shared() -> None:
    scenario = Scenario(workers=4, items=50, quota=Quota(), latency=lambda _: 2.0)
    assert lower_bound(scenario) == approx(50 / 4 * 2.0)
    assert lower_bound(scenario.replace(items=1)) == approx(2.0)


def test_the_quota_bounds_what_is_admitted_beyond_the_burst() -> None:
    scenario = Scenario(workers=12, items=104, quota=Quota(requests_per_minute=50, burst=5))
    assert lower_bound(scenario) == approx((104 - 5) / 50 * 60 + 6.5)


def test_items_within_the_burst_are_not_bounded_by_the_quota() -> None:
    assert lower_bound(Scenario(workers=12, items=5)) == 6.5


def test_all_instances_together_and_the_last_alone() -> None:
    together = Scenario(instances=3, offset=60.0, quota=Quota(requests_per_minute=25, burst=5))
    assert lower_bound(together) == approx((150 - 5) / 25 * 60 + 6.5)
    alone = Scenario(instances=3, offset=60.0, quota=Quota(requests_per_minute=50, burst=5))
    assert lower_bound(alone) == 120 + 13 * 6.5
    late = Scenario(instances=2, workers=50, offset=1_000.0, quota=Quota(requests_per_minute=25, burst=5))
    assert lower_bound(late) == approx(1_000 + (50 - 5) / 25 * 60 + 6.5)


def test_tokens_bound_as_requests_do_with_the_settlements_of_those_in_flight_still_to_come() -> None:
    scenario = Scenario(
        workers=10, items=100, quota=Quota(tokens_per_minute=40_000), tokens=Tokens(1_000, 1_000, 1_000, 300)
    )
    # 1,000 + 5 x 300 each; 10 have reserved 2,000 and not 2,500 when the last is admitted.
    assert lower_bound(scenario) == approx((100 * 2_500 - 10 * 500 - 40_000) / 40_000 * 60 + 6.5)
    assert lower_bound(scenario.replace(workers=500)) == approx((100 * 2_000 - 40_000) / 40_000 * 60 + 6.5)
    assert lower_bound(scenario.replace(quota=Quota())) == 10 * 6.5


def test_the_last_request_must_find_what_it_reserves() -> None:
    scenario = Scenario(
        workers=100, items=100, quota=Quota(tokens_per_minute=40_000), tokens=Tokens(1_000, 1_000, 1_000, 100)
    )
    assert lower_bound(scenario) == approx((100 * 1_500 + 500 - 40_000) / 40_000 * 60 + 6.5)


def test_the_tokens_of_a_day_bound_as_well() -> None:
    quota = Quota(tokens_per_minute=1_000_000, tokens_per_day=144_000)
    scenario = Scenario(workers=100, items=100, quota=quota, tokens=Tokens(1_000, 1_000, 1_000, 200))
    assert lower_bound(scenario) == approx((100 * 2_000 - 144_000) / 100 * 60 + 6.5)


def test_the_tokens_that_the_items_have_go_before_the_mean() -> None:
    scenario = Scenario(
        instances=2, items=10, offset=300.0, quota=Quota(tokens_per_minute=6_000), tokens=Tokens(500, 3_000, 1_000, 200)
    )
    assert lower_bound(scenario, (8_000, 9_000)) == approx(300 + (9_000 + 10_000 - 6_000) / 100 + 6.5)
    assert lower_bound(scenario, (60_000, 9_000)) == approx((60_000 + 9_000 + 20_000 - 6_000) / 100 + 6.5)
    report = simulate(scenario, pacer=lambda: QuotaPacer(scenario.quota, 1 / 2))
    assert report.settled == sum(report.input_tokens) + 20 * 1_000
    assert report.lower_bound == lower_bound(scenario, report.input_tokens)


@pytest.mark.parametrize("seed", seeds(10, 100))
def test_no_simulated_run_is_faster(seed: int) -> None:
    rng = random.Random(seed)
    tokens = rng.choice([None, Tokens(rng.choice([0, 500]), 3_000, 1_000, rng.choice([0, 100, 300, 900]))])
    quota = Quota(
        requests_per_minute=rng.choice([15, 25, 200]),
        burst=rng.choice([1, 5, 40]),
        tokens_per_minute=None if tokens is None else rng.choice([20_000, 100_000]),
    )
    changed = quota.replace(requests_per_minute=rng.choice([15, 200]), burst=rng.choice([1, 40]))
    scenario = Scenario(
        instances=rng.randint(1, 3),
        workers=rng.randint(1, 8),
        items=rng.randint(1, 15),
        offset=rng.choice([0.0, 5.0, 60.0]),
        quota=quota,
        latency=rng.choice([0.0, 0.5, 6.5]),
        tokens=tokens,
        changes=(QuotaChange(rng.uniform(0, 100), changed),) * rng.randint(0, 1),
    )
    report = simulate(scenario, policy=RetryPolicy(max_retries=1_000, max_delay=3.0), seed=seed)
    assert report.succeeded == report.submitted
    assert report.ratio >= 1 - 1e-9


def test_a_change_of_the_quota_counts_from_its_time() -> None:
    scenario = Scenario(
        workers=100,
        items=65,
        quota=Quota(requests_per_minute=60, burst=5),
        changes=(QuotaChange(30.0, Quota(requests_per_minute=30)), QuotaChange(50.0, Quota(requests_per_minute=60))),
    )
    # 5 at once, 30 in the first 30 s, 10 in the next 20 s, and the last 20 in 20 s.
    assert lower_bound(scenario) == approx(30 + 20 + 20 + 6.5)
    assert lower_bound(scenario.replace(items=25)) == approx(20 + 6.5)


def test_for_a_later_instance_only_what_is_in_force_then_counts() -> None:
    scenario = Scenario(
        instances=2,
        workers=100,
        items=65,
        offset=100.0,
        quota=Quota(requests_per_minute=1, burst=1),
        changes=(QuotaChange(50.0, Quota(requests_per_minute=600, burst=5)),),
    )
    assert lower_bound(scenario) == approx(100 + 60 / 10 + 6.5)


def test_a_removed_limit_bounds_nothing_afterwards() -> None:
    scenario = Scenario(
        workers=100, items=65, quota=Quota(requests_per_minute=6, burst=5), changes=(QuotaChange(100.0, Quota()),)
    )
    assert lower_bound(scenario) == approx(106.5)
