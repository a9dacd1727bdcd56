"""The lower bound of the makespan."""

from __future__ import annotations

import random

import pytest

from bedrock_resilience import Fault, NoJitter
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


def test_input_of_bedrock_mantle_counts_output_once_and_reserves_max_tokens() -> None:
    quota = Quota.mantle(input_tokens_per_minute=40_000, output_tokens_per_minute=1_000_000)
    scenario = Scenario(workers=100, items=100, quota=quota, tokens=Tokens(1_000, 1_000, 1_000, 300))
    assert lower_bound(scenario) == approx((100 * 1_300 + 700 - 40_000) / 40_000 * 60 + 6.5)


def test_output_of_bedrock_mantle_bounds_the_last_answer() -> None:
    output = Quota.mantle(input_tokens_per_minute=1_000_000, output_tokens_per_minute=6_000)
    scenario = Scenario(workers=100, items=100, quota=output, tokens=Tokens(1_000, 1_000, 1_000, 300))
    assert lower_bound(scenario) == approx((100 * 300 - 6_000) / 100)
    assert lower_bound(scenario.replace(reading="sliding")) == approx(240)
    doubled = output.replace(output_tokens_per_minute=12_000)
    changed = scenario.replace(changes=(QuotaChange(60.0, doubled),))
    assert lower_bound(changed) == approx(60 + (100 * 300 - 12_000) / 200)


@pytest.mark.parametrize("reading", ["bucket", "fixed:20", "sliding"])
@pytest.mark.parametrize("seed", seeds(3, 30))
def test_no_simulated_run_of_bedrock_mantle_is_faster(seed: int, reading: str) -> None:
    rng = random.Random(seed)
    given, output = rng.choice([(None, 3_000), (20_000, None), (20_000, 3_000)])
    scenario = Scenario(
        instances=rng.randint(1, 3),
        workers=rng.randint(1, 8),
        items=rng.randint(1, 15),
        offset=rng.choice([0.0, 5.0]),
        quota=Quota.mantle(input_tokens_per_minute=given, output_tokens_per_minute=output),
        latency=rng.choice([0.5, 6.5]),
        tokens=Tokens(500, 3_000, 1_000, rng.choice([200, 600])),
        reading=reading,
    )
    policy = RetryPolicy(max_retries=1_000, max_delay=3.0, retry_on=(Fault.THROTTLING, Fault.INCOMPLETE_RESPONSE))
    # Without a pacer, retries use up the output that is refilled, and no response is whole.
    report = simulate(scenario, policy, lambda: QuotaPacer(scenario.quota, 1 / scenario.instances), seed)
    assert report.succeeded == report.submitted
    assert report.ratio >= 1 - 1e-9


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


@pytest.mark.parametrize(
    ("reading", "seconds"),
    [
        ("bucket-of-1", (104 - 1) * 60 / 50 + 6.5),
        ("fixed", 120 + 6.5),
        ("fixed:30", 90 + 6.5),
        ("refill:30", 90 + 6.5),
        ("sliding", 120 + 6.5),
        ("refusals-count", (104 - 5) * 60 / 50 + 6.5),
        # 5 and 50 in the first minute, 49 of the next 50 in two.
        ("halved", 60 + 49 * 60 / 25 + 6.5),
    ],
)
def test_the_bound_is_that_of_the_reading(reading: str, seconds: float) -> None:
    assert lower_bound(Scenario(workers=12, items=104, reading=reading)) == approx(seconds)


def test_a_sliding_window_and_few_workers_bound_together() -> None:
    # 50 within 13 rounds of 4, then each at the earliest a minute after the one 50 before it.
    scenario = Scenario(workers=4, items=60, reading="sliding", latency=2.0)
    assert lower_bound(scenario) == approx(60.0 + 4.0 + 2.0)


def test_other_tenants_are_served_first() -> None:
    scenario = Scenario(workers=12, items=104)
    shared = lower_bound(scenario.replace(reading="other-tenants:0.5"))
    assert 1.5 * lower_bound(scenario) < shared < 3 * lower_bound(scenario)
    tokens = scenario.replace(quota=Quota(tokens_per_minute=40_000), tokens=Tokens())
    assert lower_bound(tokens.replace(reading="other-tenants:0.5")) > 1.5 * lower_bound(tokens)


def test_nothing_is_admitted_while_the_service_is_overloaded() -> None:
    scenario = Scenario(items=4, overloads=((0.0, 10.0), (10.0, 12.0)))
    assert lower_bound(scenario) == approx(12 + 6.5)


@pytest.mark.parametrize(
    ("reading", "seconds"),
    [("fixed:30", 90 + 6.5), ("refill:30", 90 + 6.5), ("sliding", 120 + 6.5), ("halved", 60 + 60 + 6.5)],
)
def test_tokens_are_bounded_by_the_reading(reading: str, seconds: float) -> None:
    # 90 x 1,300 tokens; the last has reserved 1,000 + 1,000.
    quota, tokens = Quota(tokens_per_minute=39_500), Tokens(1_000, 1_000, 1_000, 60)
    scenario = Scenario(workers=90, items=90, quota=quota, tokens=tokens, reading=reading)
    expected = seconds if reading != "halved" else 60 + (117_700 - 79_000) / (39_500 / 120) + 6.5
    assert lower_bound(scenario) == approx(expected)


@pytest.mark.parametrize("seed", seeds(8, 60))
def test_no_simulated_run_is_faster_under_any_reading(seed: int) -> None:
    rng = random.Random(seed)
    tokens = rng.choice([None, Tokens(500, 3_000, 1_000, rng.choice([0, 200, 600]))])
    readings = ("bucket:2", "refill:20", "fixed:40", "sliding", "sliding+halved", "fixed+halved")
    scenario = Scenario(
        instances=rng.randint(1, 3),
        workers=rng.randint(1, 8),
        items=rng.randint(1, 15),
        offset=rng.choice([0.0, 5.0, 60.0]),
        quota=Quota(requests_per_minute=rng.choice([15, 40]), tokens_per_minute=20_000 if tokens else None),
        latency=rng.choice([0.0, 0.5, 6.5]),
        tokens=tokens,
        overloads=rng.choice([(), ((5.0, 25.0),)]),
        reading=rng.choice(readings),
    )
    policy = RetryPolicy(max_retries=1_000, max_delay=3.0, retry_on=(Fault.THROTTLING, Fault.SERVICE_UNAVAILABLE))
    report = simulate(scenario, policy=policy, seed=seed)
    assert report.succeeded == report.submitted
    assert report.ratio >= 1 - 1e-9


@pytest.mark.parametrize("reading", ["bucket", "bucket-of-1", "fixed:20", "sliding", "refill:5", "halved"])
def test_one_instance_that_asks_all_the_time_reaches_the_bound(reading: str) -> None:
    scenario = Scenario(workers=7, items=30, refusal=0.0, network=0.0, latency=3.0, reading=reading)
    scenario = scenario.replace(quota=Quota(requests_per_minute=20, burst=5))
    policy = RetryPolicy(max_retries=100_000, base_delay=0.2, multiplier=1.0, max_delay=0.2, jitter=NoJitter())
    assert simulate(scenario, policy=policy).ratio == approx(1.0, within=0.02)
