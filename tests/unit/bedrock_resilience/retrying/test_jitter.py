"""Jitter: each docstring's formula, evaluated."""

from __future__ import annotations

import math
import sys

import pytest

from bedrock_resilience.retrying._jitter import (
    JITTERS,
    AdditiveJitter,
    Backoff,
    DecorrelatedJitter,
    EqualJitter,
    FullJitter,
    NoJitter,
    format_jitter,
    grow,
    parse_jitter,
)
from support.approx import approx
from support.refusals import refusal_of

# The third retry of 0.5 s that doubles: 2 s, far from a cap of 20 s.
MIDDLE = Backoff(retry=2, base=0.5, exponential=2.0, cap=20.0)
AT_CAP = Backoff(retry=9, base=0.5, exponential=20.0, cap=20.0)
ALMOST_ONE = math.nextafter(1.0, 0.0)


class TestNoJitter:
    def test_the_delay_is_the_exponential_one(self) -> None:
        assert NoJitter().bounds(MIDDLE) == (2.0, 2.0)
        assert [NoJitter().delay(MIDDLE, u) for u in (0.0, 0.5, ALMOST_ONE)] == [2.0, 2.0, 2.0]


class TestAdditiveJitter:
    def test_random_seconds_are_added_on_top(self) -> None:
        jitter = AdditiveJitter(0.1)
        assert jitter.bounds(MIDDLE) == (2.0, 2.1)
        assert jitter.delay(MIDDLE, 0.0) == 2.0
        assert jitter.delay(MIDDLE, 0.5) == approx(2.05)
        assert jitter.delay(MIDDLE, 0.25) == approx(2.025)

    def test_near_the_cap_the_range_keeps_its_width_below_it(self) -> None:
        jitter = AdditiveJitter(0.5)
        assert jitter.bounds(AT_CAP) == (19.5, 20.0)
        assert jitter.bounds(Backoff(3, 0.5, 19.75, 20.0)) == (19.5, 20.0)
        assert jitter.bounds(Backoff(3, 0.5, 19.5, 20.0)) == (19.5, 20.0)
        assert jitter.bounds(Backoff(3, 0.5, 19.25, 20.0)) == (19.25, 19.75)

    def test_a_spread_wider_than_the_cap_fills_it(self) -> None:
        assert AdditiveJitter(30).bounds(AT_CAP) == (0.0, 20.0)
        assert AdditiveJitter(30).delay(AT_CAP, 0.5) == 10.0

    def test_the_default_is_the_contracts(self) -> None:
        assert AdditiveJitter() == AdditiveJitter(0.1)
        assert AdditiveJitter(0) == AdditiveJitter(0.0)
        assert AdditiveJitter(sys.float_info.max).spread == sys.float_info.max
        assert repr(AdditiveJitter(1)) == "AdditiveJitter(spread=1)"

    @pytest.mark.parametrize("given", [-0.1, math.inf, math.nan, True, "0.1", None])
    def test_an_invalid_spread_is_refused(self, given: float) -> None:
        with pytest.raises(refusal_of(given, int, float)) as refused:
            AdditiveJitter(given)
        assert str(refused.value) == (
            f"AdditiveJitter: spread: got {given!r}; accepted: a finite number of seconds >= 0"
        )


class TestFullJitter:
    def test_the_delay_is_a_share_of_the_exponential_one(self) -> None:
        assert FullJitter().bounds(MIDDLE) == (0.0, 2.0)
        assert [FullJitter().delay(MIDDLE, u) for u in (0.0, 0.25, 0.5)] == [0.0, 0.5, 1.0]


class TestEqualJitter:
    def test_half_is_fixed_and_half_is_random(self) -> None:
        assert EqualJitter().bounds(MIDDLE) == (1.0, 2.0)
        assert [EqualJitter().delay(MIDDLE, u) for u in (0.0, 0.25, 0.5)] == [1.0, 1.25, 1.5]


class TestDecorrelatedJitter:
    def test_it_grows_with_the_delays_it_drew(self) -> None:
        jitter = DecorrelatedJitter()
        assert jitter.delay(MIDDLE, 0.0, 4.0) == 0.5
        assert jitter.delay(MIDDLE, 0.5, 4.0) == approx(0.5 + 0.5 * (3 * 4.0 - 0.5))

    def test_the_first_delay_starts_from_the_base(self) -> None:
        first = Backoff(0, 0.5, 0.5, 20.0)
        assert DecorrelatedJitter().delay(first, 0.5) == approx(0.5 + 0.5 * (3 * 0.5 - 0.5))
        assert DecorrelatedJitter(5).delay(first, 0.5) == approx(0.5 + 0.5 * (5 * 0.5 - 0.5))

    def test_the_cap_bounds_the_range_and_not_the_draw(self) -> None:
        assert DecorrelatedJitter().delay(AT_CAP, 0.5, 15.0) == approx(0.5 + 0.5 * 19.5)

    def test_no_previous_delay_reaches_beyond_the_bounds(self) -> None:
        assert DecorrelatedJitter().bounds(MIDDLE) == (0.5, 13.5)
        assert DecorrelatedJitter().delay(MIDDLE, ALMOST_ONE, 1e6) <= 13.5

    def test_a_previous_delay_below_the_base_counts_as_the_base(self) -> None:
        assert DecorrelatedJitter(1).delay(MIDDLE, 0.5, 0.1) == 0.5

    def test_a_base_above_the_cap_is_the_cap(self) -> None:
        above = Backoff(0, 30.0, 20.0, 20.0)
        assert DecorrelatedJitter().bounds(above) == (20.0, 20.0)
        assert DecorrelatedJitter().delay(above, 0.5) == 20.0

    def test_a_base_of_zero_never_waits(self) -> None:
        zero = Backoff(3, 0.0, 0.0, 20.0)
        assert DecorrelatedJitter().bounds(zero) == (0.0, 0.0)
        assert DecorrelatedJitter().delay(zero, 0.5, 4.0) == 0.0

    def test_a_factor_of_one_is_accepted(self) -> None:
        assert DecorrelatedJitter(1).factor == 1.0
        assert DecorrelatedJitter().factor == 3.0
        assert repr(DecorrelatedJitter(2)) == "DecorrelatedJitter(factor=2)"

    @pytest.mark.parametrize("given", [0.999, 0, -1, math.inf, math.nan, True, "3", None])
    def test_an_invalid_factor_is_refused(self, given: float) -> None:
        with pytest.raises(refusal_of(given, int, float)) as refused:
            DecorrelatedJitter(given)
        assert str(refused.value) == f"DecorrelatedJitter: factor: got {given!r}; accepted: a finite number >= 1"


@pytest.mark.parametrize("jitter", [NoJitter(), AdditiveJitter(0.1), FullJitter(), EqualJitter()])
def test_rounding_never_leads_out_of_the_bounds(jitter: NoJitter) -> None:
    for tenths in range(1, 400):
        backoff = Backoff(0, 0.5, tenths / 10, 40.0)
        low, high = jitter.bounds(backoff)
        assert low <= jitter.delay(backoff, ALMOST_ONE) <= high
        assert low <= jitter.delay(backoff, 1.0) <= high


class TestGrow:
    def test_it_is_a_power_below_the_cap(self) -> None:
        assert [grow(0.5, 2.0, times, 20.0) for times in range(7)] == [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 20.0]
        assert grow(3.0, 1.0, 5_000, 20.0) == 3.0

    @pytest.mark.parametrize("times", [1_023, 1_024, 5_000, 10**9])
    def test_beyond_any_float_it_is_the_cap(self, times: int) -> None:
        assert grow(0.5, 2.0, times, 20.0) == 20.0

    def test_a_product_beyond_any_float_is_the_cap(self) -> None:
        assert grow(1e300, 2.0, 1_000, 20.0) == 20.0
        assert grow(3600.0, sys.float_info.max, 1, 20.0) == 20.0

    @pytest.mark.parametrize("times", [0, 3, 5_000])
    def test_nothing_grows_from_nothing(self, times: int) -> None:
        assert grow(0.0, 2.0, times, 20.0) == 0.0

    def test_a_tiny_base_grows(self) -> None:
        assert grow(5e-324, 2.0, 1, 20.0) == 1e-323


KINDS = [
    ("none", NoJitter()),
    ("additive:0.1", AdditiveJitter(0.1)),
    ("full", FullJitter()),
    ("equal", EqualJitter()),
    ("decorrelated:3.0", DecorrelatedJitter(3.0)),
]


class TestText:
    @pytest.mark.parametrize(("text", "jitter"), KINDS)
    def test_a_kind_and_its_text(self, text: str, jitter: NoJitter) -> None:
        assert parse_jitter(text) == jitter
        assert format_jitter(jitter) == text

    def test_all_kinds_are_named(self) -> None:
        assert list(JITTERS) == ["none", "additive", "full", "equal", "decorrelated"]

    def test_an_argument_may_be_left_to_its_default_and_case_and_blanks_do_not_matter(self) -> None:
        assert parse_jitter("additive") == AdditiveJitter(0.1)
        assert parse_jitter("decorrelated") == DecorrelatedJitter(3.0)
        assert parse_jitter(" Additive : 0.25 ") == AdditiveJitter(0.25)

    @pytest.mark.parametrize(
        "text", ["", "gauss", "additive:", "additive:much", "additive:-1", "full:1", "decorrelated:0.5"]
    )
    def test_an_unknown_text_is_refused(self, text: str) -> None:
        with pytest.raises(ValueError) as refused:  # noqa: PT011 - the whole text is compared
            parse_jitter(text)
        assert str(refused.value) == (
            f"jitter: got {text!r}; accepted: none, additive:<seconds>, full, equal, decorrelated:<factor>"
        )
        assert refused.value.__cause__ is None
        assert refused.value.__suppress_context__

    def test_a_custom_jitter_has_no_text(self) -> None:
        class Mine(FullJitter):
            __slots__ = ()

        with pytest.raises(ValueError) as refused:  # noqa: PT011 - the whole text is compared
            format_jitter(Mine())
        assert str(refused.value) == (
            f"jitter: got {Mine()!r}; accepted: a jitter of this package, because no variable names another"
        )


def test_a_range_jitter_needs_bounds() -> None:
    (base,) = NoJitter.__bases__
    with pytest.raises(NotImplementedError):
        base().bounds(MIDDLE)
