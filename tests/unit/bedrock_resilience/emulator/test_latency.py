"""Latencies as numbers, as distributions and as text."""

from __future__ import annotations

from random import Random
from statistics import median
from typing import TYPE_CHECKING, cast

import pytest

from bedrock_resilience.emulator._latency import Constant, Latency, LogNormal, Uniform, distribution, parse_latency
from support.approx import approx

if TYPE_CHECKING:
    from collections.abc import Callable


def test_a_number_is_always_itself() -> None:
    assert distribution(1.5)(Random(0)) == 1.5
    assert distribution(0) == Constant(0)


def test_a_uniform_latency_lies_between_its_ends() -> None:
    rng = Random(0)
    drawn = [Uniform(1, 3)(rng) for _ in range(500)]
    assert 1 <= min(drawn) < 1.1
    assert 2.9 < max(drawn) < 3


def test_a_lognormal_latency_has_its_median_and_a_long_tail() -> None:
    rng = Random(0)
    drawn = [LogNormal(6.5, 0.4)(rng) for _ in range(4_000)]
    assert median(drawn) == approx(6.5, within=0.3)
    # The claim of its docstring: nine in ten between 0.5 and 1.9 medians.
    assert 0.87 < sum(0.5 < one / 6.5 < 1.9 for one in drawn) / len(drawn) < 0.93


def test_a_function_is_its_own_distribution() -> None:
    def slow(rng: Random) -> float:
        return 5 + rng.random()

    assert distribution(slow) is slow


@pytest.mark.parametrize(
    ("text", "latency"),
    [
        ("6.5", Constant(6.5)),
        (" constant:2 ", Constant(2)),
        ("uniform:1,3", Uniform(1, 3)),
        ("lognormal:6.5,0.4", LogNormal(6.5, 0.4)),
    ],
)
def test_a_latency_can_be_written_as_text(text: str, latency: object) -> None:
    assert parse_latency(text) == latency


@pytest.mark.parametrize("text", ["", "fast", "uniform:1", "uniform:1,2,3", "normal:1,2", "uniform:a,b"])
def test_a_text_that_is_not_a_latency_is_refused(text: str) -> None:
    with pytest.raises(
        ValueError, match=r"^parse_latency: latency: got .*; accepted: seconds \(6\.5\), uniform:low,high or lognormal:"
    ):
        parse_latency(text)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Constant(-1), "Constant: seconds: got -1; accepted: a finite number of seconds >= 0"),
        (lambda: Uniform(3, 1), "Uniform: high: got 1; accepted: a finite number of seconds >= 3"),
        (lambda: LogNormal(0, 1), "LogNormal: median: got 0; accepted: a finite number of seconds > 0"),
        (lambda: LogNormal(1, float("inf")), "LogNormal: sigma: got inf; accepted: a finite number >= 0"),
        (lambda: parse_latency("uniform:3,1"), r"high: got 1\.0"),
    ],
)
def test_a_latency_out_of_range_is_refused(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize("given", ["6.5", True, None])
def test_a_latency_that_is_not_a_number_is_refused(given: object) -> None:
    with pytest.raises(
        TypeError, match=r"^BedrockEmulator: latency: got .+; accepted: a finite number of seconds >= 0$"
    ):
        distribution(cast("Latency", given))
