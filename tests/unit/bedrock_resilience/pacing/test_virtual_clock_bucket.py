"""Permits on a time line of their own."""

from __future__ import annotations

import pytest

from bedrock_resilience.pacing._virtual_clock_bucket import Meter
from support.approx import approx


def test_what_is_there_may_be_claimed_at_once_and_the_rest_comes_at_the_rate() -> None:
    meter = Meter(rate=2.0, capacity=3.0)
    meter.advance(100.0)
    assert [meter.wait(meter.claim()) for _ in range(5)] == approx_list([0.0, 0.0, 0.0, 0.5, 1.0])


def test_it_may_start_with_less_than_it_holds() -> None:
    meter = Meter(rate=2.0, capacity=3.0, level=0.5)
    meter.advance(0.0)
    assert meter.wait(meter.claim()) == approx(0.25)


def test_what_nobody_claims_is_kept_up_to_the_capacity() -> None:
    meter = Meter(rate=2.0, capacity=3.0, level=0.0)
    meter.advance(0.0)
    meter.advance(1.0)
    assert meter.level == approx(2.0)
    meter.advance(1_000.0)
    assert meter.level == approx(3.0)


def test_a_change_of_rate_moves_everyone_who_waits() -> None:
    meter = Meter(rate=1.0, capacity=1.0, level=0.0)
    meter.advance(0.0)
    claims = [meter.claim() for _ in range(3)]
    meter.advance(0.5)
    meter.rate = 0.25
    assert [meter.wait(claim) for claim in claims] == approx_list([2.0, 6.0, 10.0])


def test_a_clock_that_goes_back_grants_nothing_twice() -> None:
    meter = Meter(rate=1.0, capacity=10.0, level=0.0)
    for now in (0.0, 4.0, 2.0, 4.0):
        meter.advance(now)
    assert meter.level == approx(4.0)


def test_whoever_waited_exactly_so_long_is_due_in_spite_of_rounding() -> None:
    meter = Meter(rate=1 / 3, capacity=1.0)
    now = 1e6 / 7
    meter.advance(now)
    for _ in range(1_000):
        claim = meter.claim()
        now += meter.wait(claim)
        meter.advance(now)
        assert meter.wait(claim) == 0.0


def test_a_claim_given_back_moves_up_those_behind_it_only() -> None:
    meter = Meter(rate=1.0, capacity=1.0, level=0.0)
    meter.advance(0.0)
    first, second, third = (meter.claim() for _ in range(3))
    meter.withdraw(second)
    assert [meter.wait(first), meter.wait(third)] == approx_list([1.0, 2.0])
    assert meter.wait(meter.claim()) == approx(3.0)


def test_a_claim_given_back_after_it_was_due_can_be_used_by_the_next() -> None:
    meter = Meter(rate=1.0, capacity=1.0)
    meter.advance(0.0)
    claim = meter.claim()
    assert meter.wait(claim) == 0.0
    meter.advance(0.25)
    meter.withdraw(claim)
    assert meter.wait(meter.claim()) == 0.0
    assert meter.level == approx(0.0)  # never more than the capacity


def test_what_is_held_of_a_claim_counts_against_the_capacity_until_it_is_used() -> None:
    meter = Meter(rate=1.0, capacity=5.0)
    meter.advance(0.0)
    claim = meter.claim(3.0)
    meter.hold(claim, 3.0)
    meter.advance(100.0)
    assert meter.level == approx(2.0)  # the other three are in the bucket still
    meter.hold(claim, 1.0)
    meter.advance(101.5)
    assert meter.level == approx(3.5)
    meter.advance(200.0)
    assert meter.level == approx(4.0)
    meter.withdraw(claim)
    assert meter.level == approx(5.0)


def test_a_restart_forgets_what_was_saved_up_but_moves_nobody_who_waits_forward() -> None:
    meter = Meter(rate=1.0, capacity=5.0)
    meter.advance(0.0)
    meter.restart(0.25)
    first, second = meter.claim(), meter.claim()
    assert [meter.wait(first), meter.wait(second)] == approx_list([0.75, 1.75])
    meter.restart(0.5)
    assert meter.wait(first) == approx(0.75)
    meter.restart(-1.0)
    assert meter.wait(first) == approx(2.0)


def test_the_next_wait_is_that_of_a_claim_made_now() -> None:
    meter = Meter(rate=2.0, capacity=1.0)
    meter.advance(0.0)
    assert meter.next_wait() == 0.0
    meter.claim()
    assert meter.next_wait() == meter.wait(meter.claim()) == approx(0.5)


def test_permits_can_be_granted_and_taken_beside_the_rate() -> None:
    meter = Meter(rate=1.0, capacity=10.0, level=5.0)
    meter.grant(-7.0)
    assert meter.level == approx(-2.0)
    meter.grant(100.0)
    assert meter.level == approx(10.0)


def approx_list(expected: list[float]) -> object:
    return pytest.approx(expected)  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType] - untyped
