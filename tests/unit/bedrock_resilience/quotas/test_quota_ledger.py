"""QuotaLedger: what the service admits, refuses and charges."""

from __future__ import annotations

import functools
import math
import threading
from typing import TYPE_CHECKING

import pytest

from bedrock_resilience.quotas import Limit, Quota, QuotaLedger, Usage
from support.approx import approx

if TYPE_CHECKING:
    from collections.abc import Callable

    from bedrock_resilience.quotas import QuotaAdmission

SONNET = "eu.anthropic.claude-sonnet-4-5-20250929-v1:0"


class TestQuotaLedger:
    def test_without_a_quota_everything_is_admitted(self) -> None:
        ledger = QuotaLedger()
        assert all(ledger.admit(0.0, SONNET, 1e12).admitted for _ in range(100))
        assert ledger.level(0.0, SONNET, Limit.TOKENS_PER_DAY) == math.inf

    def test_requests_beyond_the_burst_are_throttled_until_the_bucket_refills(self) -> None:
        ledger = QuotaLedger(Quota(requests_per_minute=60, burst=2))
        assert [ledger.admit(0.0, SONNET).admitted for _ in range(3)] == [True, True, False]
        refused = ledger.admit(0.25, SONNET)
        assert refused.throttled_by is Limit.REQUESTS_PER_MINUTE
        assert refused.retry_after == approx(0.75)
        assert ledger.admit(1.0, SONNET).admitted

    def test_a_reservation_that_does_not_fit_is_throttled_by_tokens(self) -> None:
        ledger = QuotaLedger(Quota(tokens_per_minute=4_000))
        assert ledger.admit(0.0, SONNET, 3_000).admitted
        refused = ledger.admit(0.0, SONNET, 1_001)
        assert (refused.throttled_by, refused.reserved) == (Limit.TOKENS_PER_MINUTE, 0)
        assert ledger.admit(0.0, SONNET, 1_000).admitted
        assert ledger.admit(0.0, SONNET, 64_000).retry_after == math.inf

    def test_the_day_quota_is_separate(self) -> None:
        ledger = QuotaLedger(Quota(tokens_per_minute=4_000, tokens_per_day=5_000))
        assert ledger.admit(0.0, SONNET, 4_000).admitted
        assert ledger.admit(60.0, SONNET, 4_000).throttled_by is Limit.TOKENS_PER_DAY

    def test_a_refused_request_costs_nothing(self) -> None:
        ledger = QuotaLedger(Quota(requests_per_minute=60, burst=1, tokens_per_minute=1_000))
        assert not ledger.admit(0.0, SONNET, 2_000).admitted
        assert ledger.level(0.0, SONNET, Limit.REQUESTS_PER_MINUTE) == 1
        assert ledger.admit(0.0, SONNET, 1_000).admitted

    def test_settling_refunds_what_was_not_used(self) -> None:
        ledger = QuotaLedger(Quota(tokens_per_minute=10_000))
        admission = ledger.admit(0.0, SONNET, 5_000)
        assert ledger.in_flight == 1
        assert ledger.settle(admission, 0.0, Usage(1_000, 100)) == 1_500
        assert ledger.in_flight == 0
        assert ledger.level(0.0, SONNET, Limit.TOKENS_PER_MINUTE) == 8_500

    def test_settling_above_the_reservation_leaves_a_debt(self) -> None:
        ledger = QuotaLedger(Quota(tokens_per_minute=4_000))
        admission = ledger.admit(0.0, SONNET, 4_000)
        ledger.settle(admission, 0.0, Usage(3_000, 600))
        assert ledger.level(0.0, SONNET, Limit.TOKENS_PER_MINUTE) == -2_000
        assert ledger.admit(0.0, SONNET, 1_000).retry_after == approx(45)

    def test_a_call_that_generated_nothing_is_refunded_its_reservation_but_not_its_request(self) -> None:
        ledger = QuotaLedger(Quota(requests_per_minute=60, burst=5, tokens_per_minute=4_000))
        assert ledger.settle(ledger.admit(0.0, SONNET, 4_000), 0.0, None) == 0
        assert ledger.level(0.0, SONNET, Limit.TOKENS_PER_MINUTE) == 4_000
        assert ledger.level(0.0, SONNET, Limit.REQUESTS_PER_MINUTE) == 4

    def test_settling_twice_or_settling_a_refused_request_changes_nothing(self) -> None:
        ledger = QuotaLedger(Quota(tokens_per_minute=4_000))
        admission = ledger.admit(0.0, SONNET, 4_000)
        refused = ledger.admit(0.0, SONNET, 4_000)
        ledger.settle(admission, 0.0, Usage(100, 0))
        assert ledger.settle(admission, 0.0, Usage(100, 0)) == 0
        assert ledger.settle(refused, 0.0, Usage(100, 0)) == 0
        assert ledger.level(0.0, SONNET, Limit.TOKENS_PER_MINUTE) == 3_900

    def test_a_burndown_can_be_overridden(self) -> None:
        ledger = QuotaLedger(Quota(tokens_per_minute=4_000), burndown={"claude-sonnet-4-5": 1})
        assert ledger.settle(ledger.admit(0.0, SONNET, 1_000), 0.0, Usage(100, 10)) == 110

    def test_each_model_has_the_quota_for_itself_and_an_arn_shares_it(self) -> None:
        ledger = QuotaLedger(Quota(requests_per_minute=60, burst=1))
        arn = f"arn:aws:bedrock:eu-west-3:123456789012:inference-profile/{SONNET}"
        assert ledger.admit(0.0, SONNET).admitted
        assert ledger.admit(0.0, "anthropic.claude-sonnet-4-5-20250929-v1:0").admitted
        assert not ledger.admit(0.0, arn).admitted

    def test_quotas_can_be_given_by_model(self) -> None:
        quota = Quota(requests_per_minute=60, burst=1)
        arn = f"arn:aws:bedrock:eu-west-3:1:inference-profile/{SONNET}"
        ledger = QuotaLedger({SONNET: quota, "arn:aws:bedrock:eu-west-3:1:custom-model/x": quota})
        assert ledger.quota_of(SONNET) == ledger.quota_of(arn) == quota
        assert ledger.quota_of("arn:aws:bedrock:eu-west-3:1:custom-model/x") == quota
        assert ledger.quota_of("amazon.nova-lite-v1:0") == Quota()

    def test_a_changed_quota_applies_at_once(self) -> None:
        ledger = QuotaLedger(Quota(requests_per_minute=60, burst=1))
        assert ledger.admit(0.0, SONNET).admitted
        ledger.change(Quota(requests_per_minute=60, burst=2))
        assert [ledger.admit(0.0, SONNET).admitted for _ in range(3)] == [True, True, False]

    def test_a_changed_quota_may_keep_what_is_left(self) -> None:
        ledger = QuotaLedger(Quota(requests_per_minute=60, burst=4))
        assert all(ledger.admit(0.0, SONNET).admitted for _ in range(3))
        ledger.change(Quota(requests_per_minute=30, burst=2, tokens_per_minute=100), now=0.0)
        assert ledger.level(0.0, SONNET, Limit.REQUESTS_PER_MINUTE) == 1
        assert ledger.level(0.0, SONNET, Limit.TOKENS_PER_MINUTE) == 100
        ledger.change(Quota(tokens_per_minute=100), now=0.0)
        assert ledger.level(0.0, SONNET, Limit.REQUESTS_PER_MINUTE) == math.inf

    def test_threads_together_are_admitted_exactly_the_burst(self) -> None:
        ledger = QuotaLedger(Quota(requests_per_minute=60, burst=500))
        admitted: list[bool] = []
        start = threading.Barrier(8)

        def admit() -> None:
            start.wait()
            admitted.extend([ledger.admit(0.0, SONNET).admitted for _ in range(100)])

        threads = [threading.Thread(target=admit) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert (len(admitted), sum(admitted), ledger.in_flight) == (800, 500, 500)


class TestStart:
    MANTLE = Quota.mantle(input_tokens_per_minute=10_000, output_tokens_per_minute=600)

    def test_requests_are_numbered_from_one_and_reserve_nothing_by_default(self) -> None:
        admission = QuotaLedger(self.MANTLE).admit(0.0, SONNET)
        assert (admission.serial, admission.reserved) == (1, 0.0)

    def test_after_everything_was_forgotten_the_next_use_is_the_start(self) -> None:
        uses: list[Callable[[QuotaLedger, QuotaAdmission], object]] = [
            lambda ledger, _: ledger.admit(90.0, SONNET),
            lambda ledger, admission: ledger.generate(admission, 90.0, 10),
            lambda ledger, admission: ledger.settle(admission, 90.0, None),
            lambda ledger, _: ledger.level(90.0, SONNET, Limit.TOKENS_PER_DAY),
        ]
        for use in uses:
            ledger = QuotaLedger(self.MANTLE, reading="fixed")
            admission = ledger.admit(7.0, SONNET, 100)
            ledger.change(self.MANTLE)
            use(ledger, admission)
            assert ledger._start == 90.0  # pyright: ignore[reportPrivateUsage]

    def test_another_reading_keeps_the_start(self) -> None:
        ledger = QuotaLedger(Quota(requests_per_minute=60, burst=60))
        ledger.admit(7.0, SONNET)
        ledger.change(Quota(requests_per_minute=60), 30.0, reading="fixed")
        refused = [ledger.admit(30.0, SONNET) for _ in range(61)][-1]
        assert refused.retry_after == 37.0

    def test_a_call_that_generated_nothing_uses_no_output(self) -> None:
        ledger = QuotaLedger({SONNET: self.MANTLE})
        ledger.settle(ledger.admit(0.0, SONNET, 100), 0.0, None)
        assert ledger.level(0.0, SONNET, Limit.OUTPUT_TOKENS_PER_MINUTE) == 600
        charged = ledger.settle(ledger.admit(0.0, SONNET, 100), 0.0, Usage(50, 20))
        assert charged == 70  # output counts once

    def test_the_seed_of_other_tenants_is_zero_by_default(self) -> None:
        make = functools.partial(
            QuotaLedger, Quota(requests_per_minute=600), reading="sliding+other-tenants", start=0.0
        )
        ledgers = (make(), make(seed=0), make(seed=1))
        levels = [ledger.level(300.0, SONNET, Limit.REQUESTS_PER_MINUTE) for ledger in ledgers]
        assert levels[0] == levels[1] != levels[2]

    def test_a_wrong_burndown_is_named(self) -> None:
        with pytest.raises(ValueError, match=r"claude-9.*got 0"):
            QuotaLedger(burndown={"claude-9": 0})
