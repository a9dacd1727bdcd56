"""Every item of a batch ends as a success or a failure, and the log has the numbers."""

from __future__ import annotations

import datetime as dt
import logging
import re
from typing import TYPE_CHECKING, Any

from bedrock_resilience import Fault, RetryPolicy
from bedrock_resilience.pacing import NoPacer, Reservation
from support.answering import USAGE, FunctionClient, client_error, extraction, tool_answer
from support.items import raw_item
from vectora_normalize.normalize.batch import MAX_BEDROCK_WORKERS, normalize_items_batch
from vectora_normalize.normalize.extraction import watchlists_of
from vectora_normalize.normalize.normalizer import Normalizer

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

    from bedrock_resilience.quotas import Usage

NOW = dt.datetime(2026, 11, 21, 6, 30, tzinfo=dt.UTC)
ITEMS = [raw_item(f"Camurus reports on item number {number}.", number=number) for number in range(10)]
AT_ONCE = RetryPolicy(base_delay=0.0)


def normalizer(answer: Callable[[str], dict[str, Any]]) -> Normalizer:
    return Normalizer(
        client=FunctionClient(answer),
        model_id="model",
        watchlists=watchlists_of({"companies": ("Camurus",)}),
        ingested_at=NOW,
    )


def number_in(text: str) -> int:
    match = re.search(r"item number (\d+)", text)
    assert match
    return int(match[1])


def test_results_are_in_the_order_of_the_items() -> None:
    report = normalize_items_batch(
        ITEMS, normalizer(lambda text: tool_answer(extraction(summary=f"{number_in(text)}", companies=["Camurus"])))
    )
    assert [value["item"].summary for value in report.values] == [str(number) for number in range(10)]
    assert [value["item"].url for value in report.values] == [item.url for item in ITEMS]
    assert all(value["item"].companies_in_scopes == ("Camurus",) for value in report.values)
    assert all(value["usage"] == USAGE for value in report.values)
    assert all(value["item"].ingested_at == NOW for value in report.values)


def test_a_failing_item_never_stops_the_others(caplog: pytest.LogCaptureFixture) -> None:
    def answer(text: str) -> dict[str, Any]:
        match number_in(text):
            case 1:
                raise client_error("ValidationException", "too long")
            case 2:
                return tool_answer({"summary": "no more"})
            case 3:
                raise client_error("ThrottlingException", status=429)
            case _:
                return tool_answer(extraction())

    with caplog.at_level(logging.INFO):
        report = normalize_items_batch(ITEMS, normalizer(answer), policy=AT_ONCE)
    failed = {outcome.index: (outcome.fault, outcome.attempts) for outcome in report.failed}
    assert failed == {1: (Fault.VALIDATION, 1), 2: (Fault.MALFORMED_RESPONSE, 1), 3: (Fault.THROTTLING, 4)}
    assert len(report.succeeded) == 7
    infos = [record.getMessage() for record in caplog.records if record.levelno == logging.INFO]
    assert infos == ["Normalized: 7 succeeded, 3 failed, 0 not started"]


def test_retries_and_abandoned_calls_are_logged_in_the_contracts_lines(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def refuse(_: str) -> dict[str, Any]:
        raise client_error("ThrottlingException", status=429)

    report = normalize_items_batch(ITEMS[:1], normalizer(refuse), policy=AT_ONCE)
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    errors = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    assert report.retries == len(warnings) == 3
    for number, line in enumerate(warnings, 1):
        assert re.fullmatch(rf"ThrottlingException détectée \(tentative {number}/4\)\. Retry dans 0\.\d\ds\.\.\.", line)
    assert errors == ["ThrottlingException - Échec après 4 tentatives. Abandon de l'appel Bedrock."]


def test_a_fatal_fault_ends_the_batch() -> None:
    def refuse(_: str) -> dict[str, Any]:
        raise client_error("AccessDeniedException", "no access to the model", 403)

    report = normalize_items_batch(ITEMS, normalizer(refuse), max_workers=1)
    assert report.attempts == 1
    assert len(report.unstarted) == 9
    assert report.stopped


def test_the_default_is_four_workers() -> None:
    assert MAX_BEDROCK_WORKERS == 4


class _CountingPacer(NoPacer):
    """Admits everything, and records reservations and usages."""

    __slots__ = ("reserved", "usages")

    def __init__(self) -> None:
        self.reserved: list[int] = []
        self.usages: list[Usage | None] = []

    def reserve(self, now: float, tokens: int = 0) -> Reservation:
        self.reserved.append(tokens)
        return super().reserve(now, tokens)

    def answered(self, reservation: Reservation, now: float, usage: Usage | None = None) -> None:
        self.usages.append(usage)


def test_a_pacer_gets_the_reservation_and_the_usage_of_each_request() -> None:
    pacer = _CountingPacer()
    normalize_items_batch(
        ITEMS[:3], normalizer(lambda _: tool_answer(extraction())), pacer=pacer, policy=AT_ONCE, max_workers=1
    )
    assert [usage and usage.output_tokens for usage in pacer.usages] == [100, 100, 100]
    first, *later = pacer.reserved
    assert 1000 + 100 < first < 1000 + 2000
    # The estimate follows what answers report: 700 input tokens a request here.
    assert all(abs(tokens - 1700) < abs(first - 1700) for tokens in later)


def test_a_response_without_usage_is_a_success() -> None:
    def answer(_: str) -> dict[str, Any]:
        return {key: value for key, value in tool_answer(extraction()).items() if key != "usage"}

    report = normalize_items_batch(ITEMS[:1], normalizer(answer))
    assert [value["usage"] for value in report.values] == [{}]


def test_progress_is_reported() -> None:
    done: list[int] = []
    normalize_items_batch(
        ITEMS, normalizer(lambda _: tool_answer(extraction())), on_progress=lambda progress: done.append(progress.done)
    )
    # A snapshot is taken when the callback runs: it may count items that ended since, whose own calls follow.
    assert len(done) == 10
    assert done == sorted(done)
    assert done[-1] == 10


def test_progress_of_one_worker_counts_item_by_item() -> None:
    done: list[int] = []
    normalize_items_batch(
        ITEMS,
        normalizer(lambda _: tool_answer(extraction())),
        max_workers=1,
        on_progress=lambda progress: done.append(progress.done),
    )
    assert done == list(range(1, 11))
