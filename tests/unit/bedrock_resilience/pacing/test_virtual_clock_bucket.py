"""A token bucket whose claims wait for permits."""

from __future__ import annotations

import pytest

from bedrock_resilience.pacing._virtual_clock_bucket import VirtualClockBucket
from support.approx import approx


def test_the_level_may_be_claimed_at_once_and_the_rest_is_granted_at_the_rate() -> None:
    bucket = VirtualClockBucket(rate=2.0, capacity=3.0)
    bucket.advance(100.0)
    assert [bucket.wait(bucket.claim()) for _ in range(5)] == approx_list([0.0, 0.0, 0.0, 0.5, 1.0])


def test_it_may_start_below_its_capacity() -> None:
    bucket = VirtualClockBucket(rate=2.0, capacity=3.0, level=0.5)
    bucket.advance(0.0)
    assert bucket.wait(bucket.claim()) == approx(0.25)


def test_unclaimed_permits_are_kept_up_to_the_capacity() -> None:
    bucket = VirtualClockBucket(rate=2.0, capacity=3.0, level=0.0)
    bucket.advance(0.0)
    bucket.advance(1.0)
    assert bucket.level == approx(2.0)
    bucket.advance(1_000.0)
    assert bucket.level == approx(3.0)


def test_a_change_of_rate_changes_all_waits() -> None:
    bucket = VirtualClockBucket(rate=1.0, capacity=1.0, level=0.0)
    bucket.advance(0.0)
    claims = [bucket.claim() for _ in range(3)]
    bucket.advance(0.5)
    bucket.rate = 0.25
    assert [bucket.wait(claim) for claim in claims] == approx_list([2.0, 6.0, 10.0])


def test_a_clock_that_goes_back_grants_nothing_twice() -> None:
    bucket = VirtualClockBucket(rate=1.0, capacity=10.0, level=0.0)
    for now in (0.0, 4.0, 2.0, 4.0):
        bucket.advance(now)
    assert bucket.level == approx(4.0)


def test_a_claim_is_due_after_exactly_its_wait_in_spite_of_rounding() -> None:
    bucket = VirtualClockBucket(rate=1 / 3, capacity=1.0)
    now = 1e6 / 7
    bucket.advance(now)
    for _ in range(1_000):
        claim = bucket.claim()
        now += bucket.wait(claim)
        bucket.advance(now)
        assert bucket.wait(claim) == 0.0


def test_a_withdrawn_claim_moves_up_only_those_behind_it() -> None:
    bucket = VirtualClockBucket(rate=1.0, capacity=1.0, level=0.0)
    bucket.advance(0.0)
    first, second, third = (bucket.claim() for _ in range(3))
    bucket.withdraw(second)
    assert [bucket.wait(first), bucket.wait(third)] == approx_list([1.0, 2.0])
    assert bucket.wait(bucket.claim()) == approx(3.0)


def test_a_claim_withdrawn_after_it_was_due_can_be_used_by_the_next() -> None:
    bucket = VirtualClockBucket(rate=1.0, capacity=1.0)
    bucket.advance(0.0)
    claim = bucket.claim()
    assert bucket.wait(claim) == 0.0
    bucket.advance(0.25)
    bucket.withdraw(claim)
    assert bucket.wait(bucket.claim()) == 0.0
    assert bucket.level == approx(0.0)  # never more than the capacity


def test_unused_permits_of_a_claim_count_against_the_capacity() -> None:
    bucket = VirtualClockBucket(rate=1.0, capacity=5.0)
    bucket.advance(0.0)
    claim = bucket.claim(3.0)
    bucket.set_unused(claim, 3.0)
    bucket.advance(100.0)
    assert bucket.level == approx(2.0)  # the other three are in the bucket still
    bucket.set_unused(claim, 1.0)
    bucket.advance(101.5)
    assert bucket.level == approx(3.5)
    bucket.advance(200.0)
    assert bucket.level == approx(4.0)
    bucket.withdraw(claim)
    assert bucket.level == approx(5.0)


def test_a_postponed_bucket_is_empty_and_grants_nothing_for_a_time() -> None:
    bucket = VirtualClockBucket(rate=1.0, capacity=5.0)
    bucket.advance(0.0)
    bucket.postpone(0.0)
    assert bucket.level == 0.0
    first, second = bucket.claim(2.0), bucket.claim()
    bucket.advance(0.5)
    assert [bucket.wait(first), bucket.wait(second)] == approx_list([1.5, 2.5])
    bucket.postpone(0.0)  # what the first one was granted is gone
    assert [bucket.wait(first), bucket.wait(second)] == approx_list([2.0, 3.0])
    bucket.postpone(3.0)
    assert [bucket.wait(first), bucket.wait(second)] == approx_list([5.0, 6.0])
    bucket.postpone(1.0)  # earlier: it was postponed for longer
    assert bucket.wait(first) == approx(5.0)


def test_a_postponed_bucket_without_claims_counts_from_the_next_one() -> None:
    bucket = VirtualClockBucket(rate=2.0, capacity=5.0)
    bucket.advance(0.0)
    bucket.postpone(3.0)
    assert bucket.wait(bucket.claim()) == approx(3.5)


def test_the_next_wait_is_that_of_a_claim_made_now() -> None:
    bucket = VirtualClockBucket(rate=2.0, capacity=1.0)
    bucket.advance(0.0)
    assert bucket.next_wait() == 0.0
    bucket.claim()
    assert bucket.next_wait() == bucket.wait(bucket.claim()) == approx(0.5)


def test_permits_can_be_added_and_removed_beside_the_rate() -> None:
    bucket = VirtualClockBucket(rate=1.0, capacity=10.0, level=5.0)
    bucket.grant(-7.0)
    assert bucket.level == approx(-2.0)
    bucket.grant(100.0)
    assert bucket.level == approx(10.0)


def approx_list(expected: list[float]) -> object:
    return pytest.approx(expected)  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType] - untyped


def test_a_claim_that_is_not_due_any_more_moves_up_when_one_before_it_is_withdrawn() -> None:
    bucket = VirtualClockBucket(rate=1.0, capacity=2.0)
    bucket.advance(0.0)
    first, second = bucket.claim(), bucket.claim()
    for claim in (first, second):
        bucket.set_unused(claim, 1.0)
    bucket.grant(-2.0)
    bucket.withdraw(first)
    assert bucket.wait(second) == approx(1.0)
    bucket.advance(1.0)
    assert bucket.wait(second) == 0.0


def test_a_bucket_is_postponed_for_the_first_claim_that_is_not_due() -> None:
    bucket = VirtualClockBucket(rate=1.0, capacity=1.0)
    bucket.advance(0.0)
    due, waiting = bucket.claim(), bucket.claim()
    bucket.postpone(0.5)
    assert [bucket.wait(due), bucket.wait(waiting)] == approx_list([0.5, 1.5])


def test_a_claim_that_is_held_is_due_after_the_hold_and_those_behind_it_as_much_later() -> None:
    bucket = VirtualClockBucket(rate=2.0, capacity=5.0)
    bucket.advance(0.0)
    first, second = bucket.claim(), bucket.claim()
    bucket.hold(first, 3.0)
    assert [bucket.wait(first), bucket.wait(second)] == approx_list([3.0, 3.5])
    bucket.hold(first, 1.0)  # it is held for longer
    assert bucket.wait(first) == approx(3.0)


def test_a_used_claim_leaves_the_rest_unused() -> None:
    bucket = VirtualClockBucket(rate=1.0, capacity=5.0)
    bucket.advance(0.0)
    claim = bucket.claim(3.0)
    bucket.set_unused(claim, 3.0)
    bucket.use(claim, 1.0)
    bucket.advance(100.0)
    assert bucket.level == approx(4.0)
    other = bucket.claim(3.0)
    bucket.use(other)
    bucket.advance(200.0)
    assert bucket.level == approx(4.0)


def test_a_claim_on_nothing_moves_up_with_those_behind_a_withdrawn_one() -> None:
    bucket = VirtualClockBucket(rate=1.0, capacity=5.0, level=0.0)
    bucket.advance(0.0)
    withdrawn, nothing = bucket.claim(5.0), bucket.claim(0.0)
    bucket.withdraw(withdrawn)
    assert bucket.wait(nothing) == 0.0
