"""Quotas as data, the token bucket and the ledger that enforces them."""

from __future__ import annotations

import math
from typing import Any, cast

import pytest

from bedrock_resilience.quotas import READINGS, Limit, Quota, QuotaLedger, TokenBucket, Usage
from support.approx import approx

SONNET = "eu.anthropic.claude-sonnet-4-5-20250929-v1:0"


class TestQuota:
    def test_nothing_is_limited_by_default(self) -> None:
        assert Quota().unlimited
        assert Quota().request_burst == math.inf
        assert not Quota(tokens_per_day=1).unlimited

    @pytest.mark.parametrize(("per_minute", "burst"), [(50, 5), (600, 60), (5, 1), (0.5, 1)])
    def test_the_default_burst_is_a_tenth_of_a_minute_and_at_least_one(self, per_minute: float, burst: float) -> None:
        assert Quota(requests_per_minute=per_minute).request_burst == burst

    def test_an_explicit_burst_is_kept(self) -> None:
        assert Quota(requests_per_minute=50, burst=7).request_burst == 7

    @pytest.mark.parametrize("field", ["requests_per_minute", "tokens_per_minute", "tokens_per_day"])
    @pytest.mark.parametrize("given", [0, -5, math.inf, math.nan, 10**400])
    def test_a_value_out_of_range_is_refused_by_name(self, field: str, given: float) -> None:
        with pytest.raises(ValueError, match=rf"^Quota: {field}: got .+; accepted: a finite number > 0, or None$"):
            Quota(**{field: given})

    @pytest.mark.parametrize("given", ["50", True, [50]])
    def test_a_value_that_is_no_number_is_refused_by_name(self, given: object) -> None:
        with pytest.raises(TypeError, match=r"^Quota: requests_per_minute: got .+; accepted: a finite number > 0"):
            Quota(requests_per_minute=cast("float", given))

    def test_a_burst_needs_a_rate_and_must_admit_a_request(self) -> None:
        with pytest.raises(ValueError, match=r"^Quota: burst: got 5; accepted: None without requests_per_minute$"):
            Quota(burst=5)
        with pytest.raises(ValueError, match=r"^Quota: burst: got 0\.5; accepted: a finite number >= 1, or None$"):
            Quota(requests_per_minute=50, burst=0.5)
        with pytest.raises(ValueError, match=r"^Quota: burst: got -1; accepted: a finite number >= 1, or None$"):
            Quota(requests_per_minute=50, burst=-1)

    def test_a_share_scales_every_limit_and_keeps_a_burst_of_one(self) -> None:
        quota = Quota(requests_per_minute=60, tokens_per_minute=6_000, tokens_per_day=60_000, burst=2)
        assert quota.share(0.25) == Quota(15, 1_500, 15_000, 1)
        assert Quota(requests_per_minute=60).share(0.5) == Quota(requests_per_minute=30)
        assert quota.share(1) == quota

    @pytest.mark.parametrize("fraction", [0, -1, 1.01])
    def test_a_share_outside_its_range_is_refused(self, fraction: float) -> None:
        with pytest.raises(
            ValueError, match=r"^Quota.share: fraction: got .+; accepted: a finite number > 0 and <= 1$"
        ):
            Quota().share(fraction)

    @pytest.mark.parametrize("fraction", ["1/3", None, True])
    def test_a_share_that_is_no_number_is_refused(self, fraction: object) -> None:
        with pytest.raises(
            TypeError, match=rf"^Quota.share: fraction: got {fraction!r}; accepted: a finite number > 0 and <= 1$"
        ):
            Quota().share(cast("float", fraction))

    def test_replace_validates_again(self) -> None:
        assert Quota(requests_per_minute=50).replace(burst=3) == Quota(requests_per_minute=50, burst=3)
        with pytest.raises(ValueError, match="tokens_per_day"):
            Quota().replace(tokens_per_day=-1)


class TestTokenBucket:
    def test_it_starts_full_and_refills_up_to_its_capacity(self) -> None:
        bucket = TokenBucket(rate_per_second=2, capacity=3)
        assert [bucket.take(100.0) for _ in range(4)] == [True, True, True, False]
        assert bucket.level(100.5) == approx(1)
        assert bucket.level(1_000.0) == 3

    def test_wait_is_the_time_until_the_amount_fits(self) -> None:
        bucket = TokenBucket(rate_per_second=0.5, capacity=2)
        assert bucket.wait(0.0, 2) == 0
        assert bucket.take(0.0, 2)
        assert bucket.wait(1.0) == approx(1)
        assert not bucket.take(1.9)
        assert bucket.take(2.0)

    def test_more_than_the_capacity_never_fits(self) -> None:
        assert TokenBucket(1, 5).wait(0.0, 5.1) == math.inf

    def test_a_debit_beyond_the_level_is_paid_off_by_refill(self) -> None:
        bucket = TokenBucket(rate_per_second=10, capacity=100)
        bucket.debit(0.0, 150)
        assert bucket.level(0.0) == -50
        assert bucket.wait(0.0, 10) == approx(6)

    def test_a_refund_never_exceeds_the_capacity(self) -> None:
        bucket = TokenBucket(rate_per_second=1, capacity=10)
        assert bucket.take(0.0, 4)
        bucket.debit(0.0, -100)
        assert bucket.level(0.0) == 10

    def test_a_clock_that_goes_back_refills_nothing(self) -> None:
        bucket = TokenBucket(rate_per_second=1, capacity=1)
        assert bucket.take(10.0)
        assert not bucket.take(5.0)
        assert not bucket.take(10.5)
        assert bucket.take(11.0)

    @pytest.mark.parametrize(("rate", "capacity"), [(0, 1), (1, 0), (math.inf, 1)])
    def test_bad_arguments_are_refused(self, rate: float, capacity: float) -> None:
        with pytest.raises(
            ValueError, match=r"^TokenBucket: (rate_per_second|capacity): got .+; accepted: a finite number > 0$"
        ):
            TokenBucket(rate, capacity)

    def test_its_repr_shows_its_state(self) -> None:
        assert repr(TokenBucket(1, 2)) == "TokenBucket(rate_per_second=1, capacity=2, level=2.000)"


class TestMantle:
    """Quotas of the ``bedrock-mantle`` endpoint: input and output apart."""

    QUOTA = Quota.mantle(input_tokens_per_minute=6_000, output_tokens_per_minute=600)

    def test_a_quota_is_that_of_one_endpoint(self) -> None:
        assert (self.QUOTA.endpoint, Quota(burst=2, requests_per_minute=6).endpoint) == (
            "bedrock-mantle",
            "bedrock-runtime",
        )
        assert not self.QUOTA.unlimited
        assert Quota.mantle() == Quota()
        assert self.QUOTA.share(0.5) == Quota.mantle(input_tokens_per_minute=3_000, output_tokens_per_minute=300)
        with pytest.raises(
            ValueError, match=r"^Quota: requests_per_minute: got 5; accepted: None beside a quota of bed"
        ):
            Quota(requests_per_minute=5, input_tokens_per_minute=10)
        with pytest.raises(ValueError, match=r"tokens_per_minute: got 5; .*; tokens_per_day: got 6; "):
            self.QUOTA.replace(tokens_per_minute=5, tokens_per_day=6)
        with pytest.raises(ValueError, match=r"^Quota: output_tokens_per_minute: got 0; accepted: a finite number > 0"):
            Quota.mantle(output_tokens_per_minute=0)

    def test_input_and_max_tokens_are_admitted_by_the_first_quota(self) -> None:
        ledger = QuotaLedger(self.QUOTA)
        assert all(ledger.admit(0.0, SONNET, 100).admitted for _ in range(50))  # no quota of requests
        refused = ledger.admit(0.0, SONNET, 2_000)
        assert refused.throttled_by is Limit.INPUT_TOKENS_PER_MINUTE
        assert refused.retry_after == approx(10)
        assert ledger.level(0.0, SONNET, Limit.OUTPUT_TOKENS_PER_MINUTE) == 600
        assert ledger.level(0.0, SONNET, Limit.TOKENS_PER_MINUTE) == math.inf

    def test_the_unused_part_is_given_back_and_cache_reads_do_not_count(self) -> None:
        ledger = QuotaLedger(self.QUOTA, burndown={"claude": 5})
        admission = ledger.admit(0.0, SONNET, 4_000)
        assert ledger.generate(admission, 0.0, 200) == 200
        assert ledger.settle(admission, 0.0, Usage(1_000, 200, 100, cache_read_input_tokens=1_700)) == 1_300
        assert ledger.level(0.0, SONNET, Limit.INPUT_TOKENS_PER_MINUTE) == 6_000 - 1_300
        assert ledger.level(0.0, SONNET, Limit.OUTPUT_TOKENS_PER_MINUTE) == 400  # counted once

    def test_generation_stops_where_the_quota_of_output_is_used_up(self) -> None:
        ledger = QuotaLedger(self.QUOTA)
        first, second = ledger.admit(0.0, SONNET, 1_000), ledger.admit(0.0, SONNET, 1_000)
        assert ledger.generate(first, 0.0, 500) == 500
        assert (ledger.generate(second, 0.0, 500), ledger.generate(second, 0.0, 500)) == (100, 0)
        assert ledger.generate(second, 10.0, 500) == 100  # refilled since
        ledger.settle(second, 10.0, Usage(0, 200))
        assert ledger.level(10.0, SONNET, Limit.OUTPUT_TOKENS_PER_MINUTE) == approx(0)
        assert ledger.admit(10.0, SONNET, 1_000).admitted  # the quota of output refuses nothing

    def test_output_that_was_not_counted_before_counts_in_the_end(self) -> None:
        ledger = QuotaLedger(self.QUOTA)
        admission = ledger.admit(0.0, SONNET, 2_000)
        ledger.settle(admission, 0.0, Usage(100, 700))
        assert ledger.level(0.0, SONNET, Limit.OUTPUT_TOKENS_PER_MINUTE) == -100
        assert ledger.generate(ledger.admit(0.0, SONNET, 10), 0.0, 5) == 0
        assert ledger.generate(admission, 0.0, 5) == 5  # it has ended

    def test_a_failed_request_is_given_back_but_for_what_was_generated(self) -> None:
        ledger = QuotaLedger(self.QUOTA)
        admission = ledger.admit(0.0, SONNET, 2_000)
        ledger.settle(admission, 0.0, None)
        assert ledger.level(0.0, SONNET, Limit.INPUT_TOKENS_PER_MINUTE) == 6_000

    def test_without_a_quota_of_output_all_is_generated(self) -> None:
        for quota in (Quota(tokens_per_minute=100), Quota.mantle(input_tokens_per_minute=100)):
            ledger = QuotaLedger(quota)
            assert ledger.generate(ledger.admit(0.0, SONNET, 50), 0.0, 5_000) == 5_000

    @pytest.mark.parametrize("reading", sorted(READINGS))
    def test_every_reading_knows_it(self, reading: str) -> None:
        ledger = QuotaLedger(self.QUOTA, reading=reading, start=0.0)
        admission = ledger.admit(0.0, SONNET, 3_000)
        assert admission.admitted
        assert 0 < ledger.generate(admission, 0.0, 10_000) <= 600
        assert ledger.settle(admission, 1.0, Usage(1_000, 600)) == 1_600


def test_every_wrong_field_is_named() -> None:
    fields: dict[str, Any] = {
        "requests_per_minute": "a",
        "tokens_per_minute": -1,
        "tokens_per_day": 0,
        "burst": 0.5,
        "input_tokens_per_minute": 0,
        "output_tokens_per_minute": "x",
    }
    positive = "accepted: a finite number > 0, or None"
    beside = "accepted: None beside a quota of bedrock-mantle, which counts input and output tokens apart"
    with pytest.raises(TypeError) as refused:
        Quota(**fields)
    assert str(refused.value) == (
        f"Quota: requests_per_minute: got 'a'; {positive}; tokens_per_minute: got -1; {positive}; "
        f"tokens_per_day: got 0; {positive}; burst: got 0.5; accepted: a finite number >= 1, or None; "
        f"input_tokens_per_minute: got 0; {positive}; output_tokens_per_minute: got 'x'; {positive}; "
        f"requests_per_minute: got 'a'; {beside}; tokens_per_minute: got -1; {beside}; "
        f"tokens_per_day: got 0; {beside}; burst: got 0.5; {beside}"
    )


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        (
            {"tokens_per_day": 5, "output_tokens_per_minute": 10},
            (
                "tokens_per_day: got 5; accepted: None beside a quota of bedrock-mantle, which counts input and output "
                "tokens apart"
            ),
        ),
        ({"burst": 5}, "burst: got 5; accepted: None without requests_per_minute"),
    ],
)
def test_a_field_that_does_not_fit_the_others_is_named(fields: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValueError) as refused:  # noqa: PT011 - the whole text is compared
        Quota(**fields)
    assert str(refused.value) == f"Quota: {problem}"


def test_output_is_charged_once_by_default() -> None:
    assert Quota().tokens_charged(Usage(10, 20)) == 30
    assert Quota().tokens_charged(Usage(10, 20), 5.0) == 110
