"""Halve, hold, raise: the reaction to a service without capacity."""

from __future__ import annotations

from bedrock_resilience.pacing._slowdown import HOLD_SECONDS, MIN_FACTOR, MIN_SECONDS_BETWEEN_CUTS, Slowdown


def test_it_is_halved_held_and_raised_by_half_until_it_is_one_again() -> None:
    slowdown = Slowdown()
    slowdown.cut(sent=9.0, now=10.0)
    factors: list[float] = []
    for minute in (0.0, 0.99, 1.0, 2.0, 3.0):
        slowdown.advance(10.0 + minute * HOLD_SECONDS)
        factors.append(slowdown.factor)
    assert factors == [0.5, 0.5, 0.75, 1.0, 1.0]


def test_several_raises_that_are_due_are_made_at_once() -> None:
    slowdown = Slowdown()
    slowdown.cut(sent=0.0, now=0.0)
    slowdown.cut(sent=20.0, now=20.0)
    slowdown.advance(20.0 + 2 * HOLD_SECONDS)
    assert slowdown.factor == 0.25 * 1.5 * 1.5


def test_requests_in_flight_at_a_cut_do_not_cut_again() -> None:
    slowdown = Slowdown()
    for _ in range(12):
        slowdown.cut(sent=1.0, now=5.0)
    assert slowdown.factor == 0.5
    slowdown.cut(sent=4.9, now=30.0)
    assert slowdown.factor == 0.5
    slowdown.cut(sent=5.0, now=30.0)
    assert slowdown.factor == 0.25


def test_an_outage_of_some_seconds_is_one_cut() -> None:
    slowdown = Slowdown()
    for tenth in range(50):
        slowdown.cut(sent=tenth / 10, now=tenth / 10)
    assert slowdown.factor == 0.5
    slowdown.cut(sent=MIN_SECONDS_BETWEEN_CUTS, now=MIN_SECONDS_BETWEEN_CUTS)
    assert slowdown.factor == 0.25
    slowdown.advance(MIN_SECONDS_BETWEEN_CUTS + 4 * HOLD_SECONDS)
    assert slowdown.factor == 1.0


def test_the_factor_never_falls_below_its_minimum() -> None:
    slowdown = Slowdown()
    for cut in range(10):
        slowdown.cut(sent=cut * MIN_SECONDS_BETWEEN_CUTS, now=cut * MIN_SECONDS_BETWEEN_CUTS)
    assert slowdown.factor == MIN_FACTOR
