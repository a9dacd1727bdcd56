"""A scenario checks its fields."""

from __future__ import annotations

import math
import random
from typing import Any

import pytest

from bedrock_resilience.quotas import Quota
from bedrock_resilience.simulation import QuotaChange, Scenario, Tokens
from support.approx import approx


def test_the_default_is_one_instance_of_the_incident() -> None:
    scenario = Scenario()
    assert (scenario.instances, scenario.workers, scenario.items, scenario.latency) == (1, 4, 50, 6.5)
    assert scenario.quota == Quota(requests_per_minute=50, burst=5)


@pytest.mark.parametrize(
    ("field", "given", "error"),
    [
        ("instances", 0, ValueError),
        ("instances", 1.5, TypeError),
        ("workers", True, TypeError),
        ("workers", -1, ValueError),
        ("items", -1, ValueError),
        ("items", "50", TypeError),
        ("offset", -1.0, ValueError),
        ("offset", "60", TypeError),
        ("refusal", math.inf, ValueError),
        ("latency", math.nan, ValueError),
        ("latency", True, TypeError),
        ("timeout", -1.0, ValueError),
        ("quota", 50, TypeError),
        ("quota", None, TypeError),
        ("overloads", ((5.0, 5.0),), ValueError),
        ("overloads", ((-1.0, 5.0),), ValueError),
        ("overloads", ((5.0,),), TypeError),
        ("overloads", (5.0,), TypeError),
        ("overloads", 5.0, TypeError),
        ("tokens", 4_000, TypeError),
        ("changes", 5, TypeError),
        ("changes", (5,), TypeError),
    ],
)
def test_an_invalid_field_is_refused_by_name(field: str, given: Any, error: type[Exception]) -> None:  # noqa: ANN401 - each field has its own type
    with pytest.raises(error, match=rf"^Scenario: {field}: got .+; accepted: "):
        Scenario(**{field: given})


@pytest.mark.parametrize("seconds", [math.nan, -1.0, "soon"])
def test_a_latency_that_draws_invalid_seconds_is_refused(seconds: Any) -> None:  # noqa: ANN401 - as above
    with pytest.raises((TypeError, ValueError), match=r"^Scenario: latency: got .+; accepted: "):
        Scenario(latency=lambda _: seconds)


def test_a_change_needs_a_quota() -> None:
    with pytest.raises(TypeError, match=r"^QuotaChange: quota: got 50; accepted: a Quota"):
        QuotaChange(5.0, 50)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(("field", "given"), [("least", -1), ("max_tokens", 1.5), ("output", -3)])
def test_invalid_token_counts_are_refused_by_name(field: str, given: Any) -> None:  # noqa: ANN401 - as above
    with pytest.raises(
        (TypeError, ValueError), match=rf"^Tokens: {field}: got {given}; accepted: a whole number >= 0$"
    ):
        Tokens(**{field: given})


def test_the_longest_item_is_no_shorter_than_the_shortest() -> None:
    with pytest.raises(ValueError, match=r"^Tokens: most: got 5; accepted: a whole number >= least \(10\)$"):
        Tokens(least=10, most=5)


def test_a_change_has_a_time() -> None:
    with pytest.raises(ValueError, match=r"^QuotaChange: at: got -1; accepted: a finite number of seconds >= 0$"):
        QuotaChange(-1, Quota())


def test_changes_are_sorted_by_time() -> None:
    late, early = QuotaChange(20.0, Quota()), QuotaChange(10.0, Quota())
    assert Scenario(changes=(late, early)).changes == (early, late)


def test_a_latency_is_a_number_or_a_distribution() -> None:
    rng = random.Random(0)
    assert Scenario(latency=2).draw_latency(rng) == 2
    assert Scenario(latency=2).mean_latency() == 2
    drawn = Scenario(latency=lambda rng: 2 * rng.random())
    assert 0 <= drawn.draw_latency(rng) < 2
    assert drawn.mean_latency() == approx(1.0, within=0.05)


def test_a_copy_is_checked_again() -> None:
    assert Scenario().replace(workers=8).workers == 8
    assert Scenario(instances=3).submitted == 150
    with pytest.raises(ValueError, match="workers"):
        Scenario().replace(workers=0)


def test_all_invalid_fields_are_named_at_once() -> None:
    with pytest.raises(ValueError, match=r"^Scenario: workers: got 0; accepted: .+; offset: got -1; accepted: "):
        Scenario(workers=0, offset=-1)
