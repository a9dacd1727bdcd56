"""A sweep makes a trial of each combination of values."""

from __future__ import annotations

import re

import pytest

from bedrock_resilience import AdaptivePacer, FullJitter, Quota, QuotaPacer, RetryPolicy
from bedrock_resilience.simulation import Scenario, Tokens, simulate
from bedrock_resilience.simulation._sweep import make_pacer, parse_sweep, parse_sweeps, sweep
from bedrock_resilience.simulation._trials import Trial
from support.approx import approx

SCENARIO = Scenario(instances=2, quota=Quota(requests_per_minute=60, burst=6))
BASE = Trial(name="base", scenario=SCENARIO, policy=RetryPolicy(max_retries=2))


@pytest.mark.parametrize(
    ("text", "field", "values"),
    [
        ("workers=2,4,6,8", "workers", ["2", "4", "6", "8"]),
        (" retries = 3, 5,", "max_retries", ["3", "5"]),
        ("base-delay=0.5,1.0", "base_delay", ["0.5", "1.0"]),
        ("pacer=none,adaptive", "pacer", ["none", "adaptive"]),
    ],
)
def test_a_sweep_is_a_field_and_its_values(text: str, field: str, values: list[str]) -> None:
    assert parse_sweep(text) == (field, values)


@pytest.mark.parametrize("text", ["", "workers", "workers=", "workers=,", "colour=red", "=1"])
def test_an_invalid_sweep_is_refused(text: str) -> None:
    message = f"sweep: got {text!r}; accepted: <field>=<value>,<value>,... with one of instances, workers,"
    with pytest.raises(ValueError, match=re.escape(message)):
        parse_sweep(text)


def test_every_combination_is_a_trial() -> None:
    trials = sweep(BASE, {"workers": ["2", "4"], "jitter": ["none", "full"]})
    assert [trial.name for trial in trials] == [
        "workers=2 jitter=none",
        "workers=2 jitter=full",
        "workers=4 jitter=none",
        "workers=4 jitter=full",
    ]
    assert [trial.scenario.workers for trial in trials] == [2, 2, 4, 4]
    assert trials[1].policy == RetryPolicy(max_retries=2, jitter=FullJitter())
    assert all(trial.scenario.quota == SCENARIO.quota and trial.pacer is None for trial in trials)


def test_without_axes_the_base_is_the_trial() -> None:
    (trial,) = sweep(BASE, {}, pacer="adaptive")
    assert (trial.name, trial.scenario, trial.policy, trial.pacer) == ("base", SCENARIO, BASE.policy, AdaptivePacer)


def test_a_swept_pacer_goes_before_the_given_one() -> None:
    none, adaptive = sweep(BASE, {"pacer": ["none", "adaptive"]}, pacer="quota")
    assert none.pacer is None
    assert adaptive.pacer is AdaptivePacer


def test_the_quota_pacer_knows_its_share() -> None:
    make = make_pacer("quota", SCENARIO)
    assert make is not None
    pacer = make()
    assert isinstance(pacer, QuotaPacer)
    assert pacer.quota == SCENARIO.quota.share(1 / 2)


def test_the_shares_start_one_after_the_other_also_in_the_next_simulation() -> None:
    scenario = Scenario(instances=3, items=1, quota=Quota(requests_per_minute=60, burst=1), network=0.0)
    make = make_pacer("quota", scenario)
    for _ in range(2):
        first, second, third = (request.at for request in simulate(scenario, pacer=make).requests)
        assert (first, second, third) == (0.0, approx(3.05 / 3), approx(6.1 / 3))


def test_a_pace_is_shared_by_the_instances_of_one_simulation_and_new_in_the_next() -> None:
    scenario = Scenario(instances=3, items=10, quota=Quota(requests_per_minute=60, burst=6))
    make = make_pacer("shared", scenario)
    first, second = (simulate(scenario, pacer=make) for _ in range(2))
    assert first == second
    assert first.throttles == 0
    assert first.ratio < 1.1
    assert first.pacer == "SharedPacer"


def test_the_quota_and_the_tokens_can_be_swept_over() -> None:
    small, large = sweep(BASE, {"rpm": ["25"], "burst": ["2", "5"]})
    assert small.scenario.quota == Quota(requests_per_minute=25, burst=2)
    assert large.scenario.quota == Quota(requests_per_minute=25, burst=5)
    assert small.scenario.tokens is None
    (limited,) = sweep(BASE, {"tpm": ["40000"]})
    assert limited.scenario.quota.tokens_per_minute == 40_000
    assert limited.scenario.tokens == Tokens()
    (lower,) = sweep(limited, {"max_tokens": ["300"]})
    assert lower.scenario.tokens == Tokens(max_tokens=300)


def test_a_field_is_swept_over_once() -> None:
    assert parse_sweeps(["workers=2,4", "pacer=none"]) == {"workers": ["2", "4"], "pacer": ["none"]}
    with pytest.raises(ValueError, match="sweep: got workers twice; accepted: workers=2,4,8"):
        parse_sweeps(["workers=2,4", "workers=8"])


def test_an_unknown_pacer_is_refused() -> None:
    with pytest.raises(ValueError, match="pacer: got 'fast'; accepted: none, adaptive, quota, shared"):
        make_pacer("fast", SCENARIO)


@pytest.mark.parametrize("axes", [{"workers": ["many"]}, {"base_delay": ["soon"]}])
def test_a_value_that_cannot_be_read_is_refused(axes: dict[str, list[str]]) -> None:
    ((field, (value,)),) = axes.items()
    with pytest.raises(ValueError, match=f"sweep: {field}: got '{value}'"):
        sweep(BASE, axes)
