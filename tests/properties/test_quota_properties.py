"""Invariants of every bucket and every ledger."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bedrock_resilience.quotas import Limit, Quota, QuotaLedger, TokenBucket, Usage
from support.approx import approx

rates = st.floats(min_value=1e-3, max_value=1e5)
capacities = st.floats(min_value=1, max_value=1e7)
instants = st.floats(min_value=0, max_value=1e7)
pauses = st.floats(min_value=0, max_value=100)


@given(rates, capacities, instants, st.floats(min_value=0, max_value=1))
def test_after_the_returned_wait_the_amount_fits(rate: float, capacity: float, start: float, fraction: float) -> None:
    bucket = TokenBucket(rate, capacity)
    bucket.debit(start, capacity)
    amount = max(1e-3, capacity * fraction)
    assert bucket.take(start + bucket.wait(start, amount), amount)


@given(rates, capacities, st.lists(st.tuples(pauses, st.floats(min_value=0.1, max_value=1e6)), max_size=50))
def test_no_more_is_admitted_than_the_capacity_plus_the_refill(
    rate: float, capacity: float, requests: list[tuple[float, float]]
) -> None:
    bucket = TokenBucket(rate, capacity)
    now, admitted = 0.0, 0.0
    for pause, amount in requests:
        now += pause
        if bucket.take(now, amount):
            admitted += amount
    assert admitted <= (capacity + rate * now) * (1 + 1e-6) + 1e-3


@given(rates, capacities, st.lists(st.tuples(pauses, st.floats(min_value=-1e6, max_value=1e6)), max_size=50))
def test_the_level_never_exceeds_the_capacity(rate: float, capacity: float, debits: list[tuple[float, float]]) -> None:
    bucket = TokenBucket(rate, capacity)
    now = 0.0
    for pause, amount in debits:
        now += pause
        bucket.debit(now, amount)
        assert bucket.level(now) <= capacity


calls = st.lists(
    st.tuples(
        pauses,
        st.integers(min_value=1, max_value=5_000),
        st.one_of(st.none(), st.builds(Usage, st.integers(0, 3_000), st.integers(0, 1_000))),
    ),
    max_size=40,
)


@given(calls)
def test_the_ledger_charges_exactly_the_settlements(made: list[tuple[float, int, Usage | None]]) -> None:
    # So small a refill that it cannot hide a wrong debit.
    ledger = QuotaLedger(Quota(tokens_per_day=1e6))
    now, charged = 0.0, 0.0
    for pause, tokens, usage in made:
        now += pause / 1e6
        admission = ledger.admit(now, "anthropic.claude-sonnet-4-5", tokens)
        assert admission.admitted
        charged += ledger.settle(admission, now, usage)
    assert ledger.in_flight == 0
    assert ledger.level(now, "anthropic.claude-sonnet-4-5", Limit.TOKENS_PER_DAY) == approx(1e6 - charged, within=1.0)


@given(
    st.floats(min_value=1, max_value=1e4),
    st.floats(min_value=1, max_value=1e3),
    st.floats(min_value=0.01, max_value=1),
)
def test_shares_add_up_to_the_whole(per_minute: float, burst: float, fraction: float) -> None:
    quota = Quota(requests_per_minute=per_minute, burst=burst)
    shared = quota.share(fraction)
    assert shared.requests_per_minute == approx(per_minute * fraction)
    assert 1 <= shared.request_burst <= max(1, burst)
