"""Each kind of jitter against the formula of its docstring, its mean, and the cap."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from bedrock_resilience.retrying._jitter import (
    AdditiveJitter,
    Backoff,
    DecorrelatedJitter,
    EqualJitter,
    FullJitter,
    NoJitter,
    grow,
)
from support.approx import approx

if TYPE_CHECKING:
    from bedrock_resilience.retrying._jitter import Jitter

SECONDS = st.floats(0, 3_600)
UNIT = st.floats(0, 1, exclude_max=True)
GRID = [(step + 0.5) / 200 for step in range(200)]  # evenly over [0, 1): the distribution of draws in the long run


@st.composite
def backoffs(draw: st.DrawFn) -> Backoff:
    """What a policy passes to a jitter."""
    base, cap = draw(SECONDS), draw(SECONDS)
    retry = draw(st.integers(0, 50))
    return Backoff(retry, base, grow(base, draw(st.floats(1, 10)), retry, cap), cap)


def mean(jitter: Jitter, backoff: Backoff, previous: float | None = None) -> float:
    return sum(jitter.delay(backoff, u, previous) for u in GRID) / len(GRID)


@given(backoff=backoffs(), u=UNIT)
def test_no_jitter(backoff: Backoff, u: float) -> None:
    assert NoJitter().delay(backoff, u) == backoff.exponential


@given(backoff=backoffs(), u=UNIT)
def test_full_jitter(backoff: Backoff, u: float) -> None:
    assert FullJitter().delay(backoff, u) == approx(u * backoff.exponential)
    assert mean(FullJitter(), backoff) == approx(backoff.exponential / 2)


@given(backoff=backoffs(), u=UNIT)
def test_equal_jitter(backoff: Backoff, u: float) -> None:
    assert EqualJitter().delay(backoff, u) == approx(backoff.exponential / 2 + u * backoff.exponential / 2)
    assert mean(EqualJitter(), backoff) == approx(backoff.exponential * 3 / 4)


@given(backoff=backoffs(), u=UNIT, spread=SECONDS)
def test_additive_jitter(backoff: Backoff, u: float, spread: float) -> None:
    jitter = AdditiveJitter(spread)
    if backoff.exponential + spread <= backoff.cap:
        assert jitter.delay(backoff, u) == approx(backoff.exponential + u * spread)
        assert mean(jitter, backoff) == approx(backoff.exponential + spread / 2)
    elif spread <= backoff.cap:
        assert jitter.delay(backoff, u) == approx(min(backoff.exponential, backoff.cap - spread) + u * spread)
    else:
        assert jitter.delay(backoff, u) == approx(u * backoff.cap)


@given(backoff=backoffs(), u=UNIT, factor=st.floats(1, 100), previous=SECONDS)
def test_decorrelated_jitter(backoff: Backoff, u: float, factor: float, previous: float) -> None:
    jitter = DecorrelatedJitter(factor)
    low, high = jitter.bounds(backoff)
    assert (low, high) == (
        min(backoff.base, backoff.cap),
        max(low, grow(backoff.base, factor, backoff.retry + 1, backoff.cap)),
    )
    reach = max(low, min(high, factor * previous))
    assert jitter.delay(backoff, u, previous) == approx(low + u * (reach - low))
    assert mean(jitter, backoff, previous) == approx((low + reach) / 2)


KINDS = [NoJitter(), FullJitter(), EqualJitter(), AdditiveJitter(0.1), AdditiveJitter(30.0), DecorrelatedJitter()]


@pytest.mark.parametrize("jitter", KINDS, ids=repr)
@given(backoff=backoffs(), u=UNIT, previous=st.none() | SECONDS)
def test_the_cap_holds_with_jitter(jitter: Jitter, backoff: Backoff, u: float, previous: float | None) -> None:
    assert 0.0 <= jitter.delay(backoff, u, previous) <= backoff.cap


@pytest.mark.parametrize("jitter", KINDS, ids=repr)
@given(backoff=backoffs(), previous=st.none() | SECONDS)
def test_the_delay_never_falls_with_the_random_number(jitter: Jitter, backoff: Backoff, previous: float | None) -> None:
    delays = [jitter.delay(backoff, u, previous) for u in GRID]
    assert delays == sorted(delays)


@pytest.mark.parametrize("jitter", [kind for kind in KINDS if kind != NoJitter()], ids=repr)
@given(cap=st.floats(0.5, 3_600))
def test_delays_do_not_accumulate_at_the_cap(jitter: Jitter, cap: float) -> None:
    at_cap = Backoff(20, 0.25, cap, cap)
    delays = [jitter.delay(at_cap, u, cap) for u in GRID]
    low, high = min(delays), max(delays)
    assume(high - low > 1e-3)
    assert len(set(delays)) == len(delays)
    # A tenth of the range has a tenth of the draws, at the top as elsewhere.
    top = sum(delay > high - (high - low) / 10 for delay in delays)
    assert 15 <= top <= 25
