"""The answer of the smoke test is checked against the contract, down to its keys."""

from __future__ import annotations

from typing import Any

import pytest

from vectora_normalize.contract import ErrorType, RunRefusedError, refused, succeeded
from vectora_normalize.operations.deploy import DeployError, SmokeTestResult
from vectora_normalize.operations.deploy.smoke_test import check_answer

GOOD = succeeded(client_id="lai_weekly", items_ingested=12, items_normalized=12, seconds=30.5)


def test_the_answer_of_a_successful_run_is_accepted() -> None:
    result = check_answer(GOOD)
    assert result == SmokeTestResult(items_ingested=12, items_normalized=12, seconds=30.5)
    assert str(result) == "answer 200: 12 of 12 items normalized in 30.5 s"
    assert result.note is None


@pytest.mark.parametrize(
    ("ingested", "normalized", "note"),
    [(0, 0, "no request was sent to Bedrock"), (12, 11, "the run report in the data bucket says why")],
)
def test_an_accepted_answer_may_have_a_note(ingested: int, normalized: int, note: str) -> None:
    result = check_answer(succeeded(client_id="c", items_ingested=ingested, items_normalized=normalized, seconds=1))
    assert result.note is not None
    assert note in result.note


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (ErrorType.UNKNOWN_CLIENT, "because the event or the configuration is wrong: 400 UnknownClient: why"),
        (ErrorType.CONCURRENT_RUN, "because another run of the client is in progress: 409 ConcurrentRun: why"),
        (ErrorType.BEDROCK_REFUSED, "because sources or Bedrock failed: 502 BedrockRefused: why"),
    ],
)
def test_a_refusal_is_a_failure_with_its_reason(kind: ErrorType, message: str) -> None:
    with pytest.raises(DeployError) as failed:
        check_answer(refused(RunRefusedError(kind, "why"), client_id="c", seconds=1))
    assert str(failed.value) == f"the test failed, {message}"


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
def test_an_answer_that_does_not_conform_is_refused(answer: Any) -> None:  # noqa: ANN401 - anything else
    with pytest.raises(DeployError, match=r"^the code is deployed, but the answer does not conform to the contract: "):
        check_answer(answer)
