"""An answer is held against the contract, to the last key."""

from __future__ import annotations

from typing import Any

import pytest

from vectora_normalize.contract import ErrorType, RunRefusedError, refused, succeeded
from vectora_normalize.operations.deploy import DeployError, SmokeTestResult
from vectora_normalize.operations.deploy.smoke_test import judge

GOOD = succeeded(client_id="lai_weekly", items_ingested=12, items_normalized=12, seconds=30.5)


def test_the_answer_of_a_run_that_was_done_is_good() -> None:
    trial = judge(GOOD)
    assert trial == SmokeTestResult(items_ingested=12, items_normalized=12, seconds=30.5)
    assert str(trial) == "answer 200: 12 of 12 items normalised in 30.5 s"
    assert trial.remark is None


@pytest.mark.parametrize(
    ("ingested", "normalized", "remark"),
    [(0, 0, "Bedrock has not been asked"), (12, 11, "the run report in the data bucket says why")],
)
def test_what_is_good_may_still_be_worth_a_look(ingested: int, normalized: int, remark: str) -> None:
    trial = judge(succeeded(client_id="c", items_ingested=ingested, items_normalized=normalized, seconds=1))
    assert trial.remark is not None
    assert remark in trial.remark


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        (ErrorType.UNKNOWN_CLIENT, "but the event or the configuration is wrong: 400 UnknownClient: why"),
        (ErrorType.CONCURRENT_RUN, "but another run of the client is under way: 409 ConcurrentRun: why"),
        (ErrorType.BEDROCK_REFUSED, "but sources or Bedrock failed: 502 BedrockRefused: why"),
    ],
)
def test_a_refusal_is_a_failure_with_its_reason(kind: ErrorType, told: str) -> None:
    with pytest.raises(DeployError) as failed:
        judge(refused(RunRefusedError(kind, "why"), client_id="c", seconds=1))
    assert str(failed.value) == f"the code is in place, {told}"


BODY = GOOD["body"]


@pytest.mark.parametrize(
    "answer",
    [
        None,
        "ok",
        [GOOD],
        {},
        {"statusCode": 200},
        {"statusCode": "200", "body": BODY},
        {"statusCode": 200, "body": "{}"},
        {"statusCode": 200, "body": {}},
        {"statusCode": 200, "body": {**BODY, "more": 1}},
        {"statusCode": 200, "body": {"client_id": "c", "items_ingested": 1, "items_normalized": 1}},
        {"statusCode": 200, "body": {**BODY, "items_ingested": "12"}},
    ],
)
def test_anything_else_is_no_answer_of_the_contract(answer: Any) -> None:  # noqa: ANN401 - anything else
    with pytest.raises(DeployError, match=r"^the code is in place, but its answer is none of the contract: "):
        judge(answer)
