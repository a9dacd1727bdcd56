"""The quotas of one model under one reading, over time, as the ledger enforces them."""

from __future__ import annotations

import math

import pytest

from bedrock_resilience.quotas import READINGS, Limit, OtherTenants, Quota, QuotaLedger, QuotaReading, Usage
from bedrock_resilience.quotas._limits import ModelLimits, amounts_of
from support.approx import approx

MODEL = "amazon.nova-lite"
FIFTY = Quota(requests_per_minute=50, burst=5)


def admitted(ledger: QuotaLedger, at: float, most: int = 200) -> int:
    """Requests admitted at once."""
    return sum(ledger.admit(at, MODEL).admitted for _ in range(most))


@pytest.mark.parametrize(
    ("reading", "counts"),
    [
        ("bucket", [5, 5, 5]),
        ("bucket:1", [1, 1, 1]),
        ("bucket-of-1", [1, 1, 1]),
        ("refill", [50, 0, 50]),
        ("refill:20", [50, 50, 0]),
        ("fixed", [50, 0, 50]),
        ("fixed:20", [50, 50, 0]),
        ("sliding", [50, 0, 50]),
    ],
)
def test_what_a_burst_meets_at_0_30_and_60_seconds(reading: str, counts: list[int]) -> None:
    ledger = QuotaLedger(FIFTY, reading=reading, start=0.0)
    assert [admitted(ledger, at) for at in (0.0, 30.0, 60.0)] == counts


def test_without_a_start_the_first_request_is_the_start() -> None:
    ledger = QuotaLedger(FIFTY, reading="fixed:20")
    assert [admitted(ledger, at) for at in (1_007.0, 1_026.9, 1_027.0)] == [50, 0, 50]


def test_tokens_are_enforced_as_requests_are() -> None:
    quota = Quota(tokens_per_minute=1_000)
    for reading, fits in (("bucket", True), ("sliding", False), ("fixed", False), ("refill", False)):
        ledger = QuotaLedger(quota, reading=reading, start=0.0)
        assert ledger.admit(0.0, MODEL, 900).admitted
        assert ledger.admit(30.0, MODEL, 500).admitted is fits
        assert ledger.admit(60.0, MODEL, 100).admitted
    small = QuotaLedger(quota, reading=QuotaReading(token_burst=200.0))
    assert small.admit(0.0, MODEL, 200).admitted
    assert small.admit(0.0, MODEL, 201).retry_after == math.inf


def test_refusals_that_count_delay_the_next_admission() -> None:
    for window in ("bucket:5", "sliding", "refill", "fixed:1"):
        counting = QuotaLedger(FIFTY, reading=f"{window}+refusals-count", start=0.0)
        ledger = QuotaLedger(FIFTY, reading=window, start=0.0)
        for each in (counting, ledger):
            admitted(each, 2.0, most=70)
        assert counting.level(61.5, MODEL, Limit.REQUESTS_PER_MINUTE) <= ledger.level(
            61.5, MODEL, Limit.REQUESTS_PER_MINUTE
        )
    bucket = QuotaLedger(FIFTY, reading="refusals-count")
    assert admitted(bucket, 0.0, most=8) == 5
    assert bucket.level(0.0, MODEL, Limit.REQUESTS_PER_MINUTE) == -3.0
    assert bucket.admit(0.0, MODEL).retry_after == approx(5 * 60 / 50)


def test_the_schedule_changes_the_quota_from_its_time_on() -> None:
    ledger = QuotaLedger(Quota(requests_per_minute=60, burst=1), reading=READINGS["halved"], start=0.0)
    assert [ledger.admit(at, MODEL).admitted for at in (0.0, 1.0, 60.0, 61.0, 62.0, 180.0, 181.0)] == [
        *(True, True, True, False, True, True, True)
    ]


def test_retry_after_looks_beyond_a_change_of_the_quota() -> None:
    reading = QuotaReading(schedule=((10.0, 0.5), (20.0, 2.0)))
    ledger = QuotaLedger(Quota(requests_per_minute=6, burst=1), reading=reading, start=0.0)
    assert ledger.admit(5.0, MODEL).admitted
    # 0.5 until 10 s, 0.5 until 20 s.
    assert ledger.admit(5.0, MODEL).retry_after == approx(15.0)
    assert ledger.admit(20.0, MODEL).admitted
    assert ledger.admit(20.0, MODEL).retry_after == approx(5.0)


def test_tokens_per_day_are_not_concerned() -> None:
    quota = Quota(tokens_per_day=86_400)
    for reading in ("sliding", "fixed", "refusals-count", QuotaReading(schedule=((0.0, 0.5),))):
        ledger = QuotaLedger(quota, reading=reading, start=0.0)
        assert ledger.admit(0.0, MODEL, 86_400).admitted
        assert ledger.admit(0.0, MODEL, 10).retry_after == approx(10.0)
        assert ledger.admit(10.0, MODEL, 10).admitted


def test_retry_after_is_that_of_the_limit_that_takes_longest() -> None:
    ledger = QuotaLedger(Quota(requests_per_minute=60, burst=1, tokens_per_minute=600))
    ledger.admit(0.0, MODEL, 600)
    refused = ledger.admit(0.0, MODEL, 300)
    assert (refused.throttled_by, refused.retry_after) == (Limit.REQUESTS_PER_MINUTE, approx(30.0))


def test_other_tenants_take_their_share() -> None:
    def count(reading: QuotaReading | str, seed: int = 0) -> int:
        ledger = QuotaLedger(FIFTY, reading=reading, start=0.0, seed=seed)
        return sum(admitted(ledger, float(at), most=7) for at in range(600))

    alone = count("bucket")
    half = QuotaReading(tenants=OtherTenants(share=0.5, swing=0.0))
    assert 0.5 * alone < count(half) < 0.95 * alone
    assert count(half, seed=1) != count(half, seed=2)
    assert count(QuotaReading(tenants=OtherTenants(share=0.0, swing=0.0))) == alone


def test_the_share_of_other_tenants_follows_its_sine() -> None:
    quota = Quota(requests_per_minute=600, burst=600)
    reading = QuotaReading(tenants=OtherTenants(share=0.5, swing=0.5, period=100.0))
    ledger = QuotaLedger(quota, reading=reading, start=0.0)
    left: dict[int, float] = {}
    for at in range(0, 500, 25):
        left[at] = ledger.level(float(at), MODEL, Limit.REQUESTS_PER_MINUTE)
        admitted(ledger, float(at), most=600)
    # What is left of 25 s of refill: before the middle of each period, after the peak, and before its end.
    busy = sum(left[at] for at in range(150, 500, 100)) / 4
    quiet = sum(left[at] for at in range(200, 500, 100)) / 3
    assert quiet > 2 * busy


def test_an_hour_without_requests_is_not_simulated() -> None:
    ledger = QuotaLedger(Quota(requests_per_minute=60_000, burst=5), reading="other-tenants", start=0.0)
    ledger.admit(0.0, MODEL)
    assert ledger.level(1e9, MODEL, Limit.REQUESTS_PER_MINUTE) <= 5.0


def test_after_an_hour_without_requests_other_tenants_have_used_the_last_minutes() -> None:
    reading = QuotaReading(window="sliding", tenants=OtherTenants(share=0.5, swing=0.0))
    ledger = QuotaLedger(Quota(requests_per_minute=600), reading=reading, start=0.0)
    ledger.admit(0.0, MODEL)
    assert 200 < ledger.level(3_600.0, MODEL, Limit.REQUESTS_PER_MINUTE) < 400


def test_other_tenants_take_tokens_where_those_are_limited() -> None:
    ledger = QuotaLedger(Quota(tokens_per_minute=6_000), reading=QuotaReading(tenants=OtherTenants(share=1.0, swing=0)))
    ledger.admit(0.0, MODEL, 6_000)
    assert ledger.level(60.0, MODEL, Limit.TOKENS_PER_MINUTE) < 2_000


def test_a_look_ahead_changes_nothing() -> None:
    ledger = QuotaLedger(FIFTY, reading="sliding+halved", start=0.0)
    assert admitted(ledger, 0.0) == 50
    assert ledger.admit(55.0, MODEL).retry_after == approx(5.0)
    assert not ledger.admit(56.0, MODEL).admitted


@pytest.mark.parametrize("first", [False, True])
def test_other_tenants_are_served_first_if_asked_for(*, first: bool) -> None:
    reading = QuotaReading(tenants=OtherTenants(share=1.0, swing=0.0))
    limits = ModelLimits(Quota(requests_per_minute=60, burst=1), reading, 0.0, seed=0, tenants_first=first)
    limits.debit(0.0, amounts_of(0.0))
    assert (limits.level(600.0, Limit.REQUESTS_PER_MINUTE) < -1.0) == first


class TestChange:
    def test_what_was_used_stays_used(self) -> None:
        for reading in ("fixed", "sliding", "refill", "bucket"):
            ledger = QuotaLedger(Quota(requests_per_minute=60, burst=60), reading=reading, start=0.0)
            admitted(ledger, 0.0, most=50)
            ledger.change(Quota(requests_per_minute=55, burst=55, tokens_per_minute=1_000), 0.0)
            assert 5 <= admitted(ledger, 0.0) <= 10
            ledger.change(Quota(tokens_per_minute=1_000), 0.0)
            assert ledger.level(0.0, MODEL, Limit.REQUESTS_PER_MINUTE) == math.inf

    def test_other_tenants_take_a_share_of_the_new_quota(self) -> None:
        ledger = QuotaLedger(FIFTY, reading=QuotaReading(tenants=OtherTenants(share=1.0, swing=0)), start=0.0)
        admitted(ledger, 0.0)
        ledger.change(Quota(requests_per_minute=6_000, burst=10), 1.0)
        assert admitted(ledger, 31.0) <= 10

    def test_each_model_has_its_own_new_quota(self) -> None:
        ledger = QuotaLedger({MODEL: FIFTY, "other": FIFTY})
        assert admitted(ledger, 0.0) == 5
        ledger.change({MODEL: FIFTY.replace(requests_per_minute=6_000)}, 0.0)
        assert admitted(ledger, 0.05) == 5

    def test_another_reading_starts_unused(self) -> None:
        ledger = QuotaLedger(FIFTY)
        admitted(ledger, 100.0)
        ledger.change(FIFTY, 100.0, reading="fixed")
        assert ledger.reading == READINGS["fixed"]
        assert admitted(ledger, 130.0) == 50
        ledger.change(FIFTY, reading="fixed:1")
        assert [admitted(ledger, at) for at in (500.0, 500.9, 501.0)] == [50, 0, 50]

    def test_the_same_reading_changes_nothing(self) -> None:
        ledger = QuotaLedger(FIFTY, reading="fixed", start=0.0)
        admitted(ledger, 10.0)
        ledger.change(FIFTY, 10.0, reading="fixed")
        assert admitted(ledger, 10.0) == 0


def test_a_settlement_on_a_clock_that_went_back() -> None:
    ledger = QuotaLedger(Quota(tokens_per_minute=1_000), reading="sliding", start=0.0)
    ledger.admit(50.0, MODEL, 400)
    late = ledger.admit(20.0, MODEL, 600)
    assert late.at == 50.0
    ledger.settle(late, 20.0, Usage(100, 0))
    assert ledger.level(20.0, MODEL, Limit.TOKENS_PER_MINUTE) == approx(500.0)
    assert ledger.admit(20.0, MODEL, 600).retry_after == approx(90.0)
