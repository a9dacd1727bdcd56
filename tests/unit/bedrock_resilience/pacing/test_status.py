"""PacerStatus: what each pacer knows at a moment."""

from __future__ import annotations

from bedrock_resilience import AdaptivePacer, Quota, QuotaPacer, SharedPacer
from bedrock_resilience.pacing import MemoryPaceStore, NoPacer, PacerStatus, StoreUnavailableError
from bedrock_resilience.pacing._status import status_of
from bedrock_resilience.quotas._limiters import SlidingWindow
from support.approx import approx


class TestQuotaPacer:
    def test_the_quota_and_the_present_rates(self) -> None:
        pacer = QuotaPacer(Quota(requests_per_minute=60, tokens_per_minute=6_000))
        assert pacer.status() == PacerStatus(
            requests_per_minute=60, tokens_per_minute=6_000, request_limit=60, token_limit=6_000, confidence=1.0
        )

    def test_an_overloaded_service_halves_the_rates_and_not_the_limits(self) -> None:
        pacer = QuotaPacer(Quota(requests_per_minute=60, tokens_per_minute=6_000))
        pacer.overloaded(pacer.reserve(0.0), 1.0)
        status = pacer.status()
        assert (status.requests_per_minute, status.tokens_per_minute) == (30, 3_000)
        assert (status.request_limit, status.token_limit) == (60, 6_000)

    def test_its_share_of_the_quota(self) -> None:
        status = QuotaPacer(Quota(requests_per_minute=60), share=0.5).status()
        assert (status.request_limit, status.token_limit, status.tokens_per_minute) == (30, None, None)


class TestAdaptivePacer:
    def test_a_guess_at_first(self) -> None:
        pacer = AdaptivePacer()
        assert pacer.status() == PacerStatus(requests_per_minute=pacer.requests_per_minute, confidence=0.0)

    def test_two_throttles_bound_the_rate(self) -> None:
        pacer, now = AdaptivePacer(), 0.0
        for number in range(1, 31):
            reservation = pacer.reserve(now)
            now += reservation.wait
            pacer.due(reservation, now)
            if number % 10:
                pacer.answered(reservation, now)
            else:
                pacer.throttled(reservation, now)
            if number == 10:
                assert pacer.status().confidence == 0.0
        assert 8 / 10 - 1e-12 <= pacer.status().confidence <= 1.0  # a quotient of sums, rounded down

    def test_refusals_alone_bound_no_rate(self) -> None:
        pacer, now = AdaptivePacer(), 0.0
        for _ in range(4):
            reservation = pacer.reserve(now)
            now += reservation.wait
            pacer.due(reservation, now)
            pacer.throttled(reservation, now)
            assert pacer.status().confidence == 0.0

    def test_a_window_is_known_to_within_one_request(self) -> None:
        pacer, quota, now = AdaptivePacer(), SlidingWindow(20 / 60), 0.0
        while now < 600.0:
            reservation = pacer.reserve(now)
            now += reservation.wait
            pacer.due(reservation, now)
            if quota.fits(now):
                quota.debit(now, 1.0)
                pacer.answered(reservation, now + 0.5)
            else:
                pacer.throttled(reservation, now)
        assert 0.8 < pacer.status().confidence < 1.0


class _Broken(MemoryPaceStore):
    def compare_and_swap(self, *_: object, **__: object) -> None:
        raise StoreUnavailableError("no network")


class TestSharedPacer:
    def test_the_pace_of_all_instances(self) -> None:
        pacer = SharedPacer(MemoryPaceStore(), "model", Quota(requests_per_minute=60, tokens_per_minute=6_000))
        status = pacer.status()
        assert status == PacerStatus(
            requests_per_minute=pacer.shared_requests_per_minute,
            tokens_per_minute=6_000,
            request_limit=60,
            token_limit=6_000,
            confidence=1.0,
        )

    def test_a_throttle_that_the_end_of_the_burst_does_not_explain_lowers_the_confidence(self) -> None:
        pacer = SharedPacer(MemoryPaceStore(), "model", Quota(requests_per_minute=60), shared_time=lambda now: now)
        pacer.throttled(pacer.reserve(100.0), 101.0)
        explained = pacer.status()
        assert explained.confidence == 1.0
        assert explained.requests_per_minute is not None
        assert explained.requests_per_minute == approx(60 / 1.05)
        reservation = pacer.reserve(110.0)
        pacer.throttled(reservation, reservation.at + 1.0)
        status = pacer.status()
        assert status.requests_per_minute is not None
        assert 0 < status.confidence < 1
        assert status.requests_per_minute < explained.requests_per_minute < 60 == status.request_limit

    def test_without_the_store_it_is_that_of_the_fallback(self) -> None:
        fallback = AdaptivePacer()
        pacer = SharedPacer(_Broken(), "model", Quota(requests_per_minute=600), fallback=lambda: fallback)
        pacer.reserve(0.0)
        assert pacer.status() == fallback.status()

    def test_a_fallback_may_say_nothing(self) -> None:
        pacer = SharedPacer(_Broken(), "model", Quota(requests_per_minute=600), fallback=NoPacer)
        pacer.reserve(0.0)
        assert pacer.status() == PacerStatus()


class TestStatusOf:
    def test_a_pacer_without_status_says_nothing(self) -> None:
        assert status_of(NoPacer()) is None
        assert status_of(None) is None

    def test_a_status_of_another_kind_is_ignored(self) -> None:
        class Other(NoPacer):
            def status(self) -> str:
                return "fine"

        assert status_of(Other()) is None
