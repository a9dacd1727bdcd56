"""Several invocations of one client at the same time: each item is paid for once, and every answer is complete."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from support.deployment import Context
from support.tags import answered_tags
from vectora_normalize.handler import lambda_handler

if TYPE_CHECKING:
    from support.deployment import Deployment

DEPOT = "press_sector__depot_dispatch"  # 27 items


def invoke_together(*request_ids: str, **fields: object) -> list[dict[str, Any]]:
    """The answers of invocations that begin at the same moment."""
    together = threading.Barrier(len(request_ids))

    def invoke(request_id: str) -> dict[str, Any]:
        together.wait()
        return lambda_handler({"client_id": "lai_weekly", **fields}, Context(request_id, 120.0))

    with ThreadPoolExecutor(len(request_ids)) as pool:
        return list(pool.map(invoke, request_ids))


def test_three_overlapping_invocations_pay_for_each_item_once(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Slow compared with the bucket, as Bedrock is: later runs must have time to skip what the first has claimed.
    deployment.emulator.latency = 2.0  # so one run alone would take 18 s
    monkeypatch.setenv("MAX_BEDROCK_WORKERS", "3")
    answers = invoke_together("one", "two", "three", sources=[DEPOT])
    assert [answer["statusCode"] for answer in answers] == [200, 200, 200]
    assert {answer["body"]["items_normalized"] for answer in answers} == {27}
    paid = answered_tags(deployment.emulator)
    assert len(paid) == paid.total() == deployment.emulator.requests == 27
    assert len(deployment.items()) == 27
    reports = [deployment.report(name) for name in ("one", "two", "three")]
    assert sum(report["bedrock"]["attempts"] for report in reports) == 27
    assert sum(report["work"]["invoked"] for report in reports) == 27
    for report in reports:
        assert report["work"]["invoked"] + report["work"]["reused"] + report["work"]["joined"] == 27
    # The work was shared: it was not done by one run while the others waited.
    assert sum(report["work"]["invoked"] > 0 for report in reports) >= 2
    assert sum(report["shared_with"] is None for report in reports) == 1
    assert deployment.keys("normalized/lai_weekly/lease") == deployment.keys("normalized/lai_weekly/outstanding/") == []


@pytest.mark.nightly  # whole runs that wait for each other
def test_with_refuse_one_of_overlapping_runs_is_done(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ON_CONCURRENT_RUN", "refuse")
    deployment.emulator.latency = 0.2
    answers = invoke_together("one", "two", "three", sources=[DEPOT])
    assert sorted(answer["statusCode"] for answer in answers) == [200, 409, 409]
    refused = next(answer["body"] for answer in answers if answer["statusCode"] == 409)
    assert set(refused) == {"client_id", "error_type", "message", "execution_time_seconds"}
    assert (refused["client_id"], refused["error_type"]) == ("lai_weekly", "ConcurrentRun")
    assert "for which the run " in refused["message"]
    assert deployment.emulator.requests == 27
    assert len([key for key in deployment.stored() if "/run-" in key]) == 1


@pytest.mark.nightly  # whole runs that wait for each other
def test_with_wait_the_later_run_uses_the_stored_responses(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ON_CONCURRENT_RUN", "wait")
    monkeypatch.setattr("vectora_normalize.pipeline.admission._POLL_SECONDS", 0.1)
    answers = invoke_together("one", "two", sources=[DEPOT])
    assert [answer["body"]["items_normalized"] for answer in answers] == [27, 27]
    invoked = sorted(deployment.report(name)["work"]["invoked"] for name in ("one", "two"))
    assert invoked == [0, 27]
    assert deployment.emulator.requests == 27


@pytest.mark.nightly  # whole runs that wait for each other
def test_a_failing_item_is_tried_by_each_run_and_paid_for_once(deployment: Deployment) -> None:
    deployment.emulator.latency = 0.02
    deployment.emulator.fail_next(1, "ValidationException")
    answers = invoke_together("one", "two", sources=[DEPOT])
    paid = answered_tags(deployment.emulator)
    assert max(paid.values()) == 1
    # The run for which it did not fail has it in the end; otherwise it is in the backlog.
    unfinished = [
        entry["item"]["url"]
        for key in deployment.keys("normalized/lai_weekly/outstanding/")
        for entry in json.loads(
            deployment.s3.get_object(Bucket=deployment.data_bucket, Key=key)["Body"].read(),
        )["entries"]
    ]
    assert len(deployment.items()) == len(paid)
    assert len(paid) == 27 or len(unfinished) >= 1
    assert all(answer["statusCode"] == 200 for answer in answers)
