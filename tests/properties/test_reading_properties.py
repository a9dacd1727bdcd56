"""Invariants of every reading of a quota."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from bedrock_resilience.quotas import Limit, OtherTenants, Quota, QuotaLedger, QuotaReading, Usage

if TYPE_CHECKING:
    from collections.abc import Iterable

MODEL = "anthropic.claude-sonnet-4-5"
PER_MINUTE = 5
TOKENS = 1_000

pauses = st.one_of(st.sampled_from([0.0, 12.0, 30.0, 59.999, 60.0, 60.001]), st.floats(min_value=0, max_value=130))
starts = st.one_of(st.just(0.0), st.floats(min_value=-1e6, max_value=1e9))
sizes = st.integers(min_value=1, max_value=TOKENS)
schedules = st.lists(
    st.tuples(st.floats(0, 300), st.sampled_from([0.5, 1.0, 2.0])), max_size=3, unique_by=lambda step: step[0]
).map(lambda steps: tuple(sorted(steps)))
phases = st.floats(min_value=0, max_value=60)
readings = st.one_of(
    st.builds(QuotaReading, burst=st.one_of(st.none(), st.floats(1, 20)), schedule=schedules),
    st.builds(QuotaReading, window=st.sampled_from(["refill", "fixed"]), phase=phases, schedule=schedules),
    st.builds(QuotaReading, window=st.just("sliding"), schedule=schedules),
)
quotas = st.sampled_from(
    [
        Quota(requests_per_minute=PER_MINUTE, burst=2),
        Quota(requests_per_minute=0.7),
        Quota(requests_per_minute=7.5, tokens_per_minute=TOKENS),
        Quota(tokens_per_minute=2 * TOKENS, tokens_per_day=30 * TOKENS),
    ]
)


def admitted(ledger: QuotaLedger, start: float, requests: Iterable[tuple[float, int]]) -> list[tuple[float, int]]:
    """Times and tokens of the admitted requests."""
    now, found = start, list[tuple[float, int]]()
    for pause, tokens in requests:
        now += pause
        if ledger.admit(now, MODEL, tokens).admitted:
            found.append((now, tokens))
    return found


@given(readings, quotas, starts, st.lists(st.tuples(pauses, sizes), max_size=60))
def test_after_retry_after_the_request_is_admitted(
    reading: QuotaReading, quota: Quota, start: float, requests: list[tuple[float, int]]
) -> None:
    ledger, now = QuotaLedger(quota, reading=reading), start
    for pause, tokens in requests:
        now += pause
        admission = ledger.admit(now, MODEL, tokens)
        if not admission.admitted and admission.retry_after < 1e6:
            now += admission.retry_after
            assert ledger.admit(now, MODEL, tokens).admitted


@given(readings, st.lists(st.tuples(pauses, sizes), min_size=10, max_size=60))
def test_retry_after_holds_on_a_clock_that_goes_back(reading: QuotaReading, requests: list[tuple[float, int]]) -> None:
    ledger, now = QuotaLedger(Quota(requests_per_minute=PER_MINUTE), reading=reading), 0.0
    for pause, tokens in requests:
        now += pause
        admission = ledger.admit(now - 40.0, MODEL, tokens)
        if not admission.admitted:
            later = max(now, now - 40.0 + admission.retry_after)
            assert ledger.admit(later, MODEL, tokens).admitted


@given(starts, st.lists(st.tuples(pauses, sizes), max_size=80))
def test_a_sliding_window_never_exceeds_the_quota_in_any_60_seconds(
    start: float, requests: list[tuple[float, int]]
) -> None:
    quota = Quota(requests_per_minute=PER_MINUTE, tokens_per_minute=TOKENS)
    found = admitted(QuotaLedger(quota, reading="sliding"), start, requests)
    for at, _ in found:
        window = [tokens for other, tokens in found if at <= other and at + 60.0 > other]
        assert len(window) <= PER_MINUTE
        assert sum(window) <= TOKENS


@given(st.floats(0, 60), st.lists(st.tuples(pauses, sizes), max_size=80))
def test_a_fixed_window_never_exceeds_the_quota_in_a_window(phase: float, requests: list[tuple[float, int]]) -> None:
    quota = Quota(requests_per_minute=PER_MINUTE, tokens_per_minute=TOKENS)
    reading = QuotaReading(window="fixed", phase=phase)
    found = admitted(QuotaLedger(quota, reading=reading, start=0.0), 0.0, requests)
    for number in range(-1, 150):
        start, end = phase + number * 60.0, phase + (number + 1) * 60.0
        window = [tokens for at, tokens in found if start <= at < end]
        assert len(window) <= PER_MINUTE
        assert sum(window) <= TOKENS


@given(st.floats(0, 60), st.lists(st.tuples(pauses, sizes), max_size=80))
def test_a_refilled_bucket_never_exceeds_its_capacity_and_the_refills(
    phase: float, requests: list[tuple[float, int]]
) -> None:
    quota = Quota(requests_per_minute=PER_MINUTE, burst=12)
    reading = QuotaReading(window="refill", phase=phase)
    found = [at for at, _ in admitted(QuotaLedger(quota, reading=reading, start=0.0), 0.0, requests)]
    for first, last in itertools.combinations(range(len(found)), 2):
        refills = (found[last] - phase) // 60.0 - (found[first] - phase) // 60.0
        assert last - first + 1 <= 12 + PER_MINUTE * refills


@given(st.floats(1, 20), st.lists(st.tuples(pauses, sizes), max_size=80))
def test_a_bucket_of_any_burst_admits_the_burst_and_the_refill(burst: float, requests: list[tuple[float, int]]) -> None:
    ledger = QuotaLedger(Quota(requests_per_minute=PER_MINUTE), reading=QuotaReading(burst=burst))
    found = [at for at, _ in admitted(ledger, 0.0, requests)]
    for first, last in itertools.combinations(range(len(found)), 2):
        assert last - first + 1 <= burst + PER_MINUTE / 60.0 * (found[last] - found[first]) + 1e-6


@given(readings, quotas, starts, st.lists(st.tuples(pauses, sizes, st.integers(0, 5)), max_size=40))
def test_refused_requests_cost_nothing(
    reading: QuotaReading, quota: Quota, start: float, requests: list[tuple[float, int, int]]
) -> None:
    once, often, now = QuotaLedger(quota, reading=reading), QuotaLedger(quota, reading=reading), start
    for pause, tokens, repeats in requests:
        now += pause
        first = once.admit(now, MODEL, tokens)
        assert often.admit(now, MODEL, tokens).admitted == first.admitted
        for _ in range(0 if first.admitted else repeats):
            assert not often.admit(now, MODEL, tokens).admitted


@given(readings, st.lists(st.tuples(pauses, sizes), max_size=60))
def test_refusals_that_count_never_lock_out_a_sender_that_pauses(
    reading: QuotaReading, requests: list[tuple[float, int]]
) -> None:
    quota = Quota(requests_per_minute=PER_MINUTE, tokens_per_minute=10 * TOKENS)
    ledger, now = QuotaLedger(quota, reading=reading.replace(refusals_count=True, schedule=())), 0.0
    for pause, tokens in requests:
        now += pause
        admission = ledger.admit(now, MODEL, tokens)
        for _ in range(0 if admission.admitted else 30):
            again = ledger.admit(now, MODEL, tokens)
            assert not again.admitted
            assert admission.retry_after <= again.retry_after + 1e-6
            assert again.retry_after <= 120.0
    assert ledger.admit(now + 120.0, MODEL, TOKENS).admitted


@given(
    readings, st.lists(st.tuples(pauses, sizes, st.one_of(st.none(), st.integers(0, 4 * TOKENS)), pauses), max_size=40)
)
def test_what_is_settled_is_charged_and_what_is_refunded_can_be_used(
    reading: QuotaReading, requests: list[tuple[float, int, int | None, float]]
) -> None:
    quota = Quota(tokens_per_minute=2 * TOKENS)
    ledger, now = QuotaLedger(quota, reading=reading.replace(schedule=())), 0.0
    for pause, tokens, used, seconds in requests:
        now += pause
        admission = ledger.admit(now, MODEL, tokens)
        now += seconds
        ledger.settle(admission, now, None if used is None else Usage(used, 0))
        assert ledger.level(now, MODEL, Limit.TOKENS_PER_MINUTE) <= 2 * TOKENS * (1 + 1e-9)
    assert ledger.in_flight == 0


@given(readings, st.integers(0, 100), st.lists(st.tuples(pauses, sizes), max_size=30))
def test_other_tenants_only_ever_take(reading: QuotaReading, seed: int, requests: list[tuple[float, int]]) -> None:
    quota = Quota(requests_per_minute=PER_MINUTE)
    shared = reading.replace(tenants=OtherTenants(share=0.5, swing=0.5, period=100.0))
    first, second = (admitted(QuotaLedger(quota, reading=shared, seed=seed), 0.0, requests) for _ in range(2))
    assert first == second
    alone = admitted(QuotaLedger(quota, reading=reading), 0.0, requests)
    assert len(first) <= len(alone) + PER_MINUTE
