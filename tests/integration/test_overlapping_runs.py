"""Several invocations of one client at the same time: each item is paid for once, and every answer is whole."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest  # noqa: TC002 - fixtures are asked for their types

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
    # As slow beside the bucket as Bedrock is: whoever comes later must be able to pass by what the first has claimed.
    deployment.emulator.latency = 0.5
    monkeypatch.setenv("MAX_BEDROCK_WORKERS", "3")
    answers = invoke_together("one", "two", "three")
    assert [answer["statusCode"] for answer in answers] == [200, 200, 200]
    assert {answer["body"]["items_normalized"] for answer in answers} == {112}
    paid = answered_tags(deployment.emulator)
    assert len(paid) == paid.total() == deployment.emulator.requests == 112
    assert len(deployment.items()) == 112
    reports = [deployment.report(name) for name in ("one", "two", "three")]
    assert sum(report["bedrock"]["attempts"] for report in reports) == 112
    assert sum(report["work"]["invoked"] for report in reports) == 112
    for report in reports:
        assert report["work"]["invoked"] + report["work"]["reused"] + report["work"]["joined"] == 112
    # The work was shared, not done by one and waited for by the others.
    assert sum(report["work"]["invoked"] > 0 for report in reports) >= 2
    assert sum(report["shared_with"] is None for report in reports) == 1
    assert deployment.keys("normalized/lai_weekly/lease") == deployment.keys("normalized/lai_weekly/outstanding/") == []


def test_where_overlapping_runs_are_refused_one_is_done(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
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


def test_where_overlapping_runs_wait_the_later_ones_find_everything_done(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ON_CONCURRENT_RUN", "wait")
    monkeypatch.setattr("vectora_normalize.pipeline.admission._POLL_SECONDS", 0.1)
    answers = invoke_together("one", "two", sources=[DEPOT])
    assert [answer["body"]["items_normalized"] for answer in answers] == [27, 27]
    asked = sorted(deployment.report(name)["work"]["invoked"] for name in ("one", "two"))
    assert asked == [0, 27]
    assert deployment.emulator.requests == 27


def test_a_failing_item_is_tried_by_whoever_comes_to_it_and_paid_for_once(deployment: Deployment) -> None:
    deployment.emulator.latency = 0.02
    deployment.emulator.fail_next(1, "ValidationException")
    answers = invoke_together("one", "two", sources=[DEPOT])
    paid = answered_tags(deployment.emulator)
    assert max(paid.values()) == 1
    # Whoever did not fail at it has it in the end; the list has it in any case, or the outstanding items have.
    left = [
        entry["item"]["url"]
        for key in deployment.keys("normalized/lai_weekly/outstanding/")
        for entry in json.loads(
            deployment.s3.get_object(Bucket=deployment.data_bucket, Key=key)["Body"].read(),
        )["entries"]
    ]
    assert len(deployment.items()) == len(paid)
    assert len(paid) == 27 or len(left) >= 1
    assert all(answer["statusCode"] == 200 for answer in answers)
