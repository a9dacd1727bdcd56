"""The pace that the Lambda shares by default: over the data bucket, with no quota in its configuration."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, cast

import pytest
from botocore.exceptions import ClientError

from bedrock_resilience.quotas import Quota
from support.deployment import Context, deployed, function_process
from support.sqs import queues
from vectora_normalize import worker
from vectora_normalize.handler import lambda_handler

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bedrock_resilience.emulator import BedrockEmulator
    from support.deployment import Deployment

SOURCE = "press_corporate__nordlai"  # 13 items
PACE = "normalized/_pace/eu-west-3/eu.anthropic.claude-sonnet-4-5-20250929-v1:0.json"


@pytest.fixture
def system(aws_url: str, emulator: BedrockEmulator, monkeypatch: pytest.MonkeyPatch) -> Iterator[Deployment]:
    """A function with nothing configured beyond the contract's variables."""
    # On a busy machine moto may answer later than after a second, and the function would continue at its own pace.
    monkeypatch.setattr("vectora_normalize.aws_clients._PACE_TIMEOUT_SECONDS", 60.0)
    with deployed(aws_url, emulator) as running:
        del running.environ["BEDROCK_PACING"]
        with function_process(running):
            yield running


class Denied:
    """A client of S3 whose role may not touch the pace."""

    def put_object(self, **_: object) -> None:
        raise ClientError({"Error": {"Code": "AccessDenied", "Message": "not authorized"}}, "PutObject")


def invoke(request_id: str = "request-1") -> dict[str, Any]:
    answer = lambda_handler({"client_id": "lai_weekly", "sources": [SOURCE]}, Context(request_id))
    assert (answer["statusCode"], answer["body"]["items_normalized"]) == (200, 13)
    return answer


def test_nothing_is_configured_and_the_pace_lies_in_the_data_bucket(system: Deployment) -> None:
    invoke()
    stored = system.load(PACE)
    assert stored["granted"] >= 13  # a request that misses its slot books another one, and counts twice
    assert len(stored["instances"]) == 1
    pacing = system.report("request-1")["pacing"]
    assert pacing["pacer"] == "SharedPacer"
    assert pacing["store"] == f"S3PaceStore('{system.data_bucket}', 'normalized/_pace/')"
    assert pacing["confidence"] == 0.0  # nothing was refused
    assert 0 <= pacing["waiting_share"] < 1
    assert system.report("request-1")["settings"]["pacing"] == "auto"


def test_a_quota_that_is_given_is_shared(system: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BEDROCK_REQUESTS_PER_MINUTE", "3000")
    system.emulator.quota = Quota(requests_per_minute=3000)
    invoke()
    assert system.emulator.throttles == 0
    assert system.load(PACE)["learned"] == {}
    pacing = system.report("request-1")["pacing"]
    assert (pacing["requests_per_minute"], pacing["confidence"]) == (3000, 1.0)


def test_the_worker_of_a_queue_shares_it_with_a_run(
    system: Deployment, aws_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with queues(aws_url, visibility=600) as made, monkeypatch.context() as scaled:
        scaled.setenv("AWS_ENDPOINT_URL_SQS", aws_url)
        scaled.setenv("MODE", "queue")
        scaled.setenv("QUEUE_URL", made.url)
        scaled.setenv("DEAD_LETTER_QUEUE_URL", made.dead_url)
        # A configuration that was read for another test's deployment is not this one's.
        scaled.setattr(worker, "_client_configs", type(cast("Any", worker)._client_configs)())
        lambda_handler({"client_id": "lai_weekly", "sources": [SOURCE]}, Context("dispatcher"))
        assert PACE not in system.keys(PACE)  # the dispatcher calls no model
        while made.deliver(worker.lambda_handler, Context("worker"))["records"]:
            pass
        assert made.waiting() == 0
    of_worker = system.load(PACE)
    assert of_worker["granted"] >= 13  # a request that misses its slot counts twice
    assert len(of_worker["instances"]) == 1
    lambda_handler({"client_id": "lai_weekly", "sources": ["press_sector__depot_dispatch"]}, Context("run"))
    stored = system.load(PACE)
    assert stored["granted"] >= of_worker["granted"] + 27
    assert len(stored["instances"]) == 2
    assert set(of_worker["instances"]) < set(stored["instances"])
    assert system.report("run")["pacing"]["store"] == f"S3PaceStore('{system.data_bucket}', 'normalized/_pace/')"


@pytest.mark.usefixtures("system")
def test_a_role_that_may_not_use_the_key_paces_itself_and_says_so_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def denied(*_: object) -> Denied:
        return Denied()

    monkeypatch.setattr("vectora_normalize.pipeline.dependencies.make_pace_client", denied)
    invoke()
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines() if "shared pace" in line]
    assert [line["level"] for line in lines] == ["WARNING"]
    assert "continues at its own pace: s3://" in lines[0]["message"]
    assert "AccessDenied" in lines[0]["message"]
