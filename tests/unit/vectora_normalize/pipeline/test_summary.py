"""The numbers of a run, as its report states them."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any, cast

import pytest

from bedrock_resilience import BatchReport, ItemOutcome
from bedrock_resilience.pacing import MemoryPaceStore, QuotaPacer, S3PaceStore, SharedPacer
from bedrock_resilience.quotas import Quota, TokenBucket
from bedrock_resilience.retrying._policy import RetryPolicy
from bedrock_resilience.testing import FakeClock
from support.answering import FunctionClient, client_error, extraction, tool_answer
from support.clients import NOW, FixedFetcher, configure, feed
from vectora_normalize.contract import RunRequest
from vectora_normalize.pipeline import Dependencies, Invocation, run
from vectora_normalize.pipeline.summary import pacing_report
from vectora_normalize.settings import Settings
from vectora_normalize.storage.objects import FolderStore

if TYPE_CHECKING:
    from pathlib import Path

    from bedrock_resilience.pacing import Pacer
    from vectora_normalize.pipeline.worklist import Batch

ITEMS = 100
ANSWER_SECONDS = 0.5
QUOTA = Quota(requests_per_minute=60, burst=5)


def report_of_a_run(folder: Path, quota: Quota | None) -> dict[str, Any]:
    """The report of a run with one worker, whose account has ``QUOTA``; without ``quota``, the pacer learns it."""
    clock, bucket = FakeClock(), TokenBucket(rate_per_second=1, capacity=5)

    def answer(_: str) -> dict[str, Any]:
        if not bucket.take(clock.monotonic()):
            raise client_error("ThrottlingException", "Too many requests", 429)
        clock.advance(ANSWER_SECONDS)
        return tool_answer(extraction())

    config = FolderStore(folder / "config")
    configure(config)
    titles = (f"News {number}" for number in range(ITEMS))
    dependencies = Dependencies(
        settings=Settings(config_bucket="c", data_bucket="d", max_workers=1, policy=RetryPolicy(max_retries=8)),
        config=config,
        data=FolderStore(folder / "data"),
        fetcher=FixedFetcher({"https://one.example/feed": feed(*titles), "https://two.example/feed": feed()}),
        bedrock=FunctionClient(answer),
        pacer=SharedPacer(MemoryPaceStore(), "model", quota, shared_time=lambda now: 1_000.0 + now, clock=clock),
        clock=clock,
        rng=random.Random(1),
    )
    summary = run(RunRequest(client_id="small"), dependencies, Invocation(now=NOW, request_id="r-1"))
    assert summary.items_normalized == ITEMS
    return dict(summary.report)


def batch_with(pacing_seconds: float, elapsed: float) -> Batch:
    outcome: ItemOutcome[Any, Any] = ItemOutcome(index=0, item=None, status="succeeded", pacing_seconds=pacing_seconds)
    return BatchReport((outcome,), elapsed)


@pytest.fixture(scope="module")
def learned(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return report_of_a_run(tmp_path_factory.mktemp("learned"), None)


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return report_of_a_run(tmp_path_factory.mktemp("given"), QUOTA)


class OwnPacer:
    """A pacer of the application, without a status."""


class TestPacingReport:
    def test_the_rate_that_was_found_and_how_sure_it_is(self, learned: dict[str, Any]) -> None:
        pacing = learned["pacing"]
        assert learned["bedrock"]["throttles"] > 0
        assert pacing["pacer"] == "SharedPacer"
        assert pacing["requests_per_minute"] == pytest.approx(QUOTA.requests_per_minute, rel=0.15)
        assert pacing["tokens_per_minute"] is None
        assert 0.5 < pacing["confidence"] < 1.0
        assert pacing["reading"] == "bucket"

    def test_a_quota_that_is_given_is_certain(self, given: dict[str, Any]) -> None:
        assert given["bedrock"]["throttles"] == 0
        assert (given["pacing"]["requests_per_minute"], given["pacing"]["confidence"]) == (60.0, 1.0)

    def test_what_of_the_time_was_waiting(self, learned: dict[str, Any], given: dict[str, Any]) -> None:
        for report in (learned, given):
            pacing, bedrock = report["pacing"], report["bedrock"]
            # One worker waits for the pacer whenever it neither waits for an answer nor backs off.
            waiting = bedrock["elapsed"] - ITEMS * ANSWER_SECONDS - bedrock["backoff_seconds"]
            assert pacing["waiting_seconds"] == pytest.approx(waiting, abs=0.01)
            assert pacing["waiting_share"] == pytest.approx(waiting / bedrock["elapsed"], abs=0.001)
            assert 0.3 < pacing["waiting_share"] < 0.6

    def test_the_share_is_that_of_the_time_of_all_workers(self) -> None:
        report = pacing_report(None, batch_with(pacing_seconds=6.0, elapsed=10.0), workers=4)
        assert (report["waiting_seconds"], report["waiting_share"]) == (6.0, 0.15)

    def test_a_batch_that_took_no_time_did_not_wait(self) -> None:
        assert pacing_report(None, batch_with(pacing_seconds=0.0, elapsed=0.0), workers=4)["waiting_share"] == 0.0

    @pytest.mark.parametrize(
        ("pacer", "name", "store", "rate", "confidence"),
        [
            (None, None, None, None, None),
            (cast("Pacer", OwnPacer()), "OwnPacer", None, None, None),
            (QuotaPacer(QUOTA), "QuotaPacer", None, 60.0, 1.0),
            (
                SharedPacer(S3PaceStore("b", "pace/", client=object()), "model", QUOTA),
                "SharedPacer",
                "S3PaceStore('b', 'pace/')",
                60.0,
                1.0,
            ),
        ],
        ids=["none", "own", "quota", "shared"],
    )
    def test_the_pacer_and_what_it_knows(
        self, pacer: Pacer | None, name: str | None, store: str | None, rate: float | None, confidence: float | None
    ) -> None:
        report = pacing_report(pacer, batch_with(pacing_seconds=0.0, elapsed=1.0), workers=1)
        assert (report["pacer"], report["store"]) == (name, store)
        assert (report["requests_per_minute"], report["confidence"]) == (rate, confidence)
        assert (report["tokens_per_minute"], report["reading"]) == (None, None)
