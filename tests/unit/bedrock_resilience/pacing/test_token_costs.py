"""What requests cost of the tokens of a quota, under the rules of both endpoints."""

from __future__ import annotations

import pytest

from bedrock_resilience.pacing import QuotaPacer, SharedPacer
from bedrock_resilience.pacing._token_costs import TokenCosts
from bedrock_resilience.pacing.shared import MemoryPaceStore
from bedrock_resilience.quotas import Quota, Usage
from bedrock_resilience.simulation import Scenario, Tokens, simulate

MANTLE = Quota.mantle(input_tokens_per_minute=20_000, output_tokens_per_minute=4_000)


def test_bedrock_runtime_counts_output_by_its_burndown() -> None:
    quota = Quota(requests_per_minute=5, tokens_per_minute=4_000)
    costs = TokenCosts(quota, burndown=5.0)
    assert (costs.quota, costs.ratio) == (quota, 1.5)
    assert costs.of(Usage(3_000, 600)) == 6_000
    assert TokenCosts(quota, burndown=1.0).ratio == 1.0


def test_bedrock_mantle_counts_what_takes_longer_to_refill() -> None:
    costs = TokenCosts(MANTLE, burndown=5.0)
    assert (costs.quota, costs.ratio) == (Quota(tokens_per_minute=20_000), 5.0)
    assert costs.of(Usage(3_000, 600)) == 3_600  # 600 of output are 3,000 of input
    assert costs.of(Usage(100, 600)) == 3_000
    assert costs.of(Usage(100, 0, cache_read_input_tokens=5_000)) == 100


@pytest.mark.parametrize(
    ("quota", "tokens", "cost"),
    [
        (Quota.mantle(input_tokens_per_minute=20_000), 20_000, 700),
        (Quota.mantle(output_tokens_per_minute=4_000), 4_000, 700),
    ],
)
def test_one_of_the_two_is_enough(quota: Quota, tokens: float, cost: float) -> None:
    costs = TokenCosts(quota, burndown=5.0)
    assert (costs.quota.tokens_per_minute, costs.ratio) == (tokens, 1.0)
    assert costs.of(Usage(100, 600)) == cost


def test_the_expectation_rises_at_once_and_falls_slowly() -> None:
    costs = TokenCosts(Quota(tokens_per_minute=4_000), burndown=5.0)
    costs.learn(2_000, 1_000)
    assert costs.ratio == 2.0
    costs.learn(500, 1_000)
    assert costs.ratio == pytest.approx(1.99)  # pyright: ignore[reportUnknownMemberType] - untyped
    costs.learn(5_000, 0)  # it says nothing
    assert costs.ratio == pytest.approx(1.99)  # pyright: ignore[reportUnknownMemberType] - untyped


def test_without_a_burndown_each_request_states_its_own() -> None:
    costs = TokenCosts(Quota(tokens_per_minute=4_000), burndown=None)
    assert [costs.expected(1_000), costs.expected(1_000, 5.0), costs.expected(1_000, 1.0)] == [1_500, 1_500, 1_000]
    assert [costs.of(Usage(100, 10)), costs.of(Usage(100, 10), 5.0), costs.of(Usage(100, 10), 1.0)] == [150, 150, 110]


def test_a_burndown_of_its_own_counts_for_every_request() -> None:
    costs = TokenCosts(Quota(tokens_per_minute=4_000), burndown=2.0)
    assert costs.expected(1_000, 1.0) == 1_500
    assert costs.of(Usage(100, 10), 1.0) == 120


def test_output_may_cost_less_than_input() -> None:
    assert TokenCosts(Quota(tokens_per_minute=4_000), burndown=0.5).of(Usage(0, 100)) == 50


def test_a_reservation_of_one_token_is_enough_to_learn() -> None:
    costs = TokenCosts(Quota(tokens_per_minute=4_000), burndown=5.0)
    costs.learn(3, 1)
    assert costs.ratio == 3.0


def test_bedrock_mantle_ignores_the_burndown_of_a_request() -> None:
    costs = TokenCosts(MANTLE, burndown=None)
    assert costs.expected(1_000, 1.0) == 5_000
    assert costs.of(Usage(3_000, 600), 5.0) == 3_600


@pytest.mark.parametrize(
    "quota", [Quota(tokens_per_minute=4_000), Quota(tokens_per_day=4_000), MANTLE], ids=["minute", "day", "mantle"]
)
def test_a_quota_of_tokens_that_no_request_reserves_is_logged_once(
    quota: Quota, caplog: pytest.LogCaptureFixture
) -> None:
    costs = TokenCosts(quota, burndown=None)
    assert costs.expected(100) > 0
    assert caplog.messages == []
    assert (costs.expected(0), costs.expected(0)) == (0, 0)
    assert [(record.name, record.levelname) for record in caplog.records] == [("bedrock_resilience", "WARNING")]
    (message,) = caplog.messages
    assert message == (
        "A pacer with a quota of tokens reserves 0 tokens for a request, so this quota is not kept. Pass tokens= to "
        "the retrier or the executor: the tokens of a request (input + max_tokens), or a function that returns them, "
        "such as quotas.request_tokens."
    )


@pytest.mark.parametrize(
    ("quota", "limit"),
    [
        (Quota(tokens_per_minute=4_000, tokens_per_day=90_000), "4,000 tokens a minute"),
        (Quota(tokens_per_minute=90_000, tokens_per_day=4_000), "4,000 tokens a day"),
        (Quota(tokens_per_minute=4_001, tokens_per_day=4_000), "4,000 tokens a day"),
    ],
)
def test_a_request_that_can_never_fit_into_the_quota_is_logged_once(
    quota: Quota, limit: str, caplog: pytest.LogCaptureFixture
) -> None:
    costs = TokenCosts(quota, burndown=None)
    assert costs.expected(4_000) > 0
    assert caplog.messages == []
    costs.expected(4_001)
    costs.expected(5_000)
    assert [(record.name, record.levelname) for record in caplog.records] == [("bedrock_resilience", "WARNING")]
    (message,) = caplog.messages
    assert message == (
        f"A request reserves 4,001 tokens (input + max_tokens), and the quota of the pacer has {limit}. Bedrock "
        "throttles it however long it waits, unless the quota of the account is larger. Lower max_tokens, or shorten "
        "the input."
    )


@pytest.mark.parametrize("quota", [Quota(requests_per_minute=60), MANTLE])
def test_every_request_fits_into_a_quota_that_does_not_count_its_reservation(
    quota: Quota, caplog: pytest.LogCaptureFixture
) -> None:
    TokenCosts(quota, burndown=None).expected(1_000_000)
    assert caplog.messages == []


def test_requests_without_tokens_need_none_under_a_quota_of_requests(caplog: pytest.LogCaptureFixture) -> None:
    assert TokenCosts(Quota(requests_per_minute=60), burndown=None).expected(0) == 0
    assert caplog.messages == []


@pytest.mark.parametrize("output", [200, 900])
def test_under_a_quota_of_mantle_nothing_is_throttled_or_cut_short(output: int) -> None:
    scenario = Scenario(
        instances=1, workers=8, items=60, quota=MANTLE, latency=2.0, tokens=Tokens(200, 1_500, 1_000, output)
    )
    unpaced = simulate(scenario)
    paced = simulate(scenario, pacer=lambda: QuotaPacer(MANTLE))
    assert unpaced.throttles + unpaced.failed > 0
    assert (paced.throttles, paced.failed, paced.succeeded) == (0, 0, 60)


def test_instances_that_share_a_quota_of_mantle_keep_both_limits() -> None:
    store = MemoryPaceStore()
    scenario = Scenario(
        instances=3, workers=4, items=20, offset=1.0, quota=MANTLE, latency=2.0, tokens=Tokens(200, 1_500, 1_000, 500)
    )

    def pacer() -> SharedPacer:
        return SharedPacer(store, "model", MANTLE, shared_time=lambda now: now + 1.0)

    report = simulate(scenario, pacer=pacer)
    assert (report.throttles, report.failed) == (0, 0)
    assert pacer().status().token_limit == 20_000
