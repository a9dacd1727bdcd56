"""A sweep makes a trial of each combination of values."""

from __future__ import annotations

import re

import pytest

from bedrock_resilience import AdaptivePacer, FullJitter, Quota, QuotaPacer, RetryPolicy
from bedrock_resilience.simulation import Scenario
from bedrock_resilience.simulation.sweep import make_pacer, parse_sweep, sweep
from bedrock_resilience.simulation.trials import Trial

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
def test_what_is_no_sweep_is_refused(text: str) -> None:
    told = f"sweep: got {text!r}; accepted: <field>=<value>,<value>,... with one of instances, workers,"
    with pytest.raises(ValueError, match=re.escape(told)):
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


def test_the_quota_pacer_is_told_its_share() -> None:
    make = make_pacer("quota", SCENARIO)
    assert make is not None
    pacer = make()
    assert isinstance(pacer, QuotaPacer)
    assert pacer.quota == SCENARIO.quota.share(1 / 2)


def test_an_unknown_pacer_is_refused() -> None:
    with pytest.raises(ValueError, match="pacer: got 'fast'; accepted: none, adaptive, quota"):
        make_pacer("fast", SCENARIO)


@pytest.mark.parametrize("axes", [{"workers": ["many"]}, {"base_delay": ["soon"]}])
def test_a_value_that_cannot_be_read_is_refused(axes: dict[str, list[str]]) -> None:
    ((field, (value,)),) = axes.items()
    with pytest.raises(ValueError, match=f"sweep: {field}: got '{value}'"):
        sweep(BASE, axes)
