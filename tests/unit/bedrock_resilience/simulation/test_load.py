"""A service under load: the metastable failure, and what ends it."""

from __future__ import annotations

from typing import Any

import pytest

from bedrock_resilience import AdaptivePacer, Fault, RetryBudget, RetryPolicy
from bedrock_resilience.simulation import LoadReport, LoadScenario, simulate_load
from support.approx import approx

RETRIES = RetryPolicy(max_retries=3, retry_on=(Fault.READ_TIMEOUT, Fault.SERVICE_UNAVAILABLE))
SMALL = LoadScenario(
    clients=2, calls_per_second=3.5, capacity=5.0, seconds=160.0, trigger=(20.0, 50.0), max_in_flight=None
)


def small(**changes: Any) -> LoadScenario:  # noqa: ANN401 - fields of LoadScenario
    fields = {name: getattr(SMALL, name) for name in LoadScenario.__slots__}
    return LoadScenario(**{**fields, **changes})


class TestScenario:
    def test_all_problems_at_once(self) -> None:
        with pytest.raises(ValueError, match=r"clients: got 0.*latency: got 0.*trigger: got \(5.0, 5.0\).*_capacity: "):
            LoadScenario(clients=0, latency=0, trigger=(5.0, 5.0), trigger_capacity=1.1)

    def test_the_trigger_ends_before_the_calls(self) -> None:
        with pytest.raises(ValueError, match=r"trigger: got .*; accepted: a span that ends before 90"):
            LoadScenario(seconds=90.0)

    @pytest.mark.parametrize("argument", ["scenario", "policy", "pacer", "budget"])
    def test_arguments_are_checked(self, argument: str) -> None:
        arguments: dict[str, Any] = {"scenario": SMALL, argument: 5}
        with pytest.raises(TypeError, match=f"simulate_load: {argument}: got 5; accepted: "):
            simulate_load(**arguments)


class TestService:
    def test_a_service_that_is_not_busy_answers_after_its_latency(self) -> None:
        report = simulate_load(small(trigger_capacity=1.0), RETRIES)
        assert report.timeouts == report.failed == report.refused == 0
        assert report.attempts == report.calls == 560
        assert report.calls - len(report.answered) <= 5, "those of the last second"
        assert report.seconds_to_recover == 0.0
        assert report.unused_share == 0.0
        assert report.work == len(report.answered)

    def test_requests_in_flight_share_the_capacity(self) -> None:
        # 8 a second on a capacity of 4: after 10 s, half of them are answered.
        busy = LoadScenario(
            calls_per_second=8.0, capacity=4.0, seconds=10.0, timeout=60.0, trigger=(1.0, 2.0), trigger_capacity=1.0
        )
        report = simulate_load(busy)
        assert report.work <= 4.0 * 10.0
        assert len(report.answered) == approx(40 - 16, within=12)
        assert report.timeouts == 0

    def test_beyond_its_limit_it_refuses(self) -> None:
        report = simulate_load(small(max_in_flight=10, timeout=100.0), RetryPolicy(max_retries=0))
        assert report.refused > 0
        assert report.failed == report.refused

    def test_the_same_arguments_give_the_same_report(self) -> None:
        first, second = (simulate_load(SMALL, RETRIES, seed=3) for _ in range(2))
        assert first == second
        assert first != simulate_load(SMALL, RETRIES, seed=4)


class TestMetastableFailure:
    def test_without_retries_it_recovers_by_itself(self) -> None:
        report = simulate_load(SMALL, RetryPolicy(max_retries=0))
        assert report.seconds_to_recover is not None
        assert report.seconds_to_recover <= 60.0

    def test_retries_alone_keep_it_down_although_the_capacity_is_back(self) -> None:
        report = simulate_load(SMALL, RETRIES)
        assert report.seconds_to_recover is None
        assert max(report.goodput[6:]) < 0.2 * SMALL.calls_per_second
        assert report.to_dict()["seconds_to_recover"] is None
        assert report.attempts > 2 * report.calls

    def test_a_retry_budget_ends_it(self) -> None:
        report = simulate_load(SMALL, RETRIES, budget=lambda: RetryBudget(0.1, 5))
        assert report.seconds_to_recover is not None
        assert report.seconds_to_recover <= 90.0
        assert report.unused_work > 0

    def test_a_pacer_slows_down_where_the_service_says_that_it_is_overloaded(self) -> None:
        scenario = small(max_in_flight=50)
        alone = simulate_load(scenario, RETRIES)
        paced = simulate_load(scenario, RETRIES, pacer=AdaptivePacer)
        assert paced.refused < alone.refused / 4
        assert paced.failed < alone.failed / 4


def test_a_report_that_ends_down_has_not_recovered() -> None:
    def report(*answered: float) -> LoadReport:
        scenario = LoadScenario(calls_per_second=0.1, seconds=45.0, trigger=(5.0, 10.0))
        return LoadReport(scenario, 5, answered, 0, 5, 0, 0, 0.0, 0.0)

    assert report(1.0, 11.0, 21.0, 31.0, 41.0).goodput == (0.1, 0.1, 0.1, 0.1)
    assert report(1.0, 11.0, 21.0, 31.0).seconds_to_recover == 0.0
    assert report(1.0, 11.0, 31.0).seconds_to_recover == 20.0
    assert report(1.0, 11.0, 21.0).seconds_to_recover is None
    assert report().unused_share == 0.0
