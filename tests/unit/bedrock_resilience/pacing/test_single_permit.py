"""SinglePermitTest: whether a bucket holds one permit."""

from __future__ import annotations

import math

import pytest

from bedrock_resilience.pacing._single_permit import PAIR_SECONDS, SinglePermitTest
from support.approx import approx


def pair(test: SinglePermitTest, at: float, *, refused: bool) -> None:
    test.sent(at, -math.inf, 0.5)
    test.sent(at + PAIR_SECONDS, -math.inf, 0.5)
    if refused:
        test.refused(at + PAIR_SECONDS)


def test_two_failed_pairs_show_a_single_permit() -> None:
    test = SinglePermitTest()
    pair(test, 0.0, refused=True)
    assert test.wanted(0.5)
    pair(test, 10.0, refused=True)
    assert test.to_dict()["single"] is True
    pair(test, 20.0, refused=False)
    test.sent(30.0, -math.inf, 0.5)
    assert test.to_dict()["single"] is True


def test_one_admitted_pair_shows_a_larger_bucket() -> None:
    test = SinglePermitTest()
    pair(test, 0.0, refused=True)
    pair(test, 10.0, refused=False)
    assert not test.wanted(0.5)
    test.sent(11.5, -math.inf, 0.5)
    assert test.single is False
    assert not test.wanted(0.5)


@pytest.mark.parametrize("cut_at", [0.0, 0.1])
def test_a_request_from_before_the_cut_is_no_part_of_a_pair(cut_at: float) -> None:
    test = SinglePermitTest()
    test.sent(0.0, -math.inf, 0.5)
    test.sent(0.2, cut_at, 0.5)
    assert test.pair_at is None


def test_a_refused_request_is_no_part_of_a_pair() -> None:
    test = SinglePermitTest()
    test.sent(0.0, -math.inf, 0.5)
    test.refused(0.0)
    test.sent(0.2, -math.inf, 0.5)
    assert test.pair_at is None
    assert test.previous_at == 0.2


def test_the_last_intervals_bound_the_rate() -> None:
    test = SinglePermitTest()
    assert test.bounds(5.0, 0.5) == (0.5, 0.5)
    test.sent(0.0, -math.inf, 0.5)
    assert test.bounds(2.0, 9.0) == (0.5, 0.5)
    test.sent(4.0, -math.inf, 0.5)
    assert test.bounds(6.0, 9.0) == (0.25, 0.5)
    test.sent(4.5, -math.inf, 0.5)
    assert test.bounds(7.0, 9.0) == (approx(0.4), approx(0.4))  # the bounds contradict each other


def test_at_a_high_rate_a_pair_shows_nothing() -> None:
    test = SinglePermitTest()
    test.sent(0.0, -math.inf, 5.0)
    test.sent(0.2, -math.inf, 5.0)
    test.refused(0.2)
    assert test.failed == 0
    test.failed = 1
    assert test.wanted(0.5)
    assert not test.wanted(5.0)
