"""Batch inference of old items: the command, over sockets to the bucket and to a fake of the job service."""

from __future__ import annotations

import datetime as dt
import json
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner, Result

from bedrock_resilience.emulator import BedrockEmulator
from support.answering import USAGE, extraction
from support.batchjobs import BatchService, batch_service
from support.deployment import Context, deployed, function_process
from support.schemas import conforms
from support.tags import answered_tags
from vectora_normalize.cli.app import app
from vectora_normalize.handler import lambda_handler
from vectora_normalize.items import items_schema

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from support.deployment import Deployment

ROLE = "arn:aws:iam::123456789012:role/batch"
TODAY = dt.datetime.now(dt.UTC).date()  # noqa: TID251 - as the command
ITEMS = f"normalized/lai_weekly/{TODAY:%Y/%m/%d}/items.json"


def command(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["backfill", *map(str, arguments)])


def start(*options: object) -> Result:
    return command("start", "--client", "lai_weekly", "--from", TODAY, "--role-arn", ROLE, *options)


def collect(*options: object) -> Result:
    return command("collect", "--client", "lai_weekly", *options)


@pytest.fixture(scope="module")
def raw_objects(aws_url: str) -> dict[str, bytes]:
    """The ``raw.json`` objects of a run that ingested the items of a day and had no time to normalise any."""
    with BedrockEmulator() as emulator, deployed(aws_url, emulator) as deployment, function_process(deployment):
        lambda_handler({"client_id": "lai_weekly"}, Context("run", 25.0))
        assert emulator.requests == 0
        return {key: deployment.read(key) for key in deployment.keys("raw/")}


@pytest.fixture
def service(
    deployment: Deployment, raw_objects: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> Generator[BatchService]:
    """A bucket with the ingested items of a day, none of them normalised, and the service for the jobs."""
    for key, body in raw_objects.items():
        deployment.s3.put_object(Bucket=deployment.data_bucket, Key=key, Body=body)
    with batch_service(deployment.s3) as running:
        monkeypatch.setenv("AWS_ENDPOINT_URL_BEDROCK", running.url)
        yield running


def converse(text: str, stop_reason: str = "end_turn") -> dict[str, Any]:
    message = {"role": "assistant", "content": [{"text": text}]}
    return {"modelOutput": {"output": {"message": message}, "stopReason": stop_reason, "usage": USAGE}}


def agree(_: dict[str, Any]) -> dict[str, Any]:
    return converse(json.dumps(extraction(summary="By the batch.", companies=["Camurus", "Nordlai"])))


def test_the_items_of_a_day_are_the_same_as_after_a_run(deployment: Deployment, service: BatchService) -> None:
    started = start()
    assert started.exit_code == 0, started.output
    (arn,) = service.created
    assert f"started with 112 items: {arn}" in started.output
    created = service.created[arn]
    assert created["modelInvocationType"] == "Converse"
    assert created["modelId"] == "eu.anthropic.claude-sonnet-4-5-20250929-v1:0"
    assert created["roleArn"] == ROLE
    shown = command("status", "--client", "lai_weekly")
    assert ": Submitted; 112 total" in shown.output
    service.finish(arn, agree)
    collected = collect()
    assert collected.exit_code == 0, collected.output
    assert "112 of 112 items answered, 0 of them answered before" in collected.output
    assert f"{TODAY}: 112 items written" in collected.output
    items = deployment.load(ITEMS)
    assert conforms(items, items_schema())
    assert len(items) == 112
    assert {item["summary"] for item in items} == {"By the batch."}
    # Names are compared with the text and with the client's scopes, as in a run.
    named = [item for item in items if "Camurus" in item["companies_detected"]]
    assert 0 < len(named) < 112
    assert all("Camurus" in item["title"] + item["content"] for item in named)
    # A run uses the stored responses.
    answer = lambda_handler({"client_id": "lai_weekly"}, Context("run"))
    assert answer["body"]["items_normalized"] == 112
    assert deployment.emulator.requests == 0
    assert collect().output == "lai_weekly has no job to collect\n"


def test_a_running_job_is_listed_and_not_collected(service: BatchService) -> None:
    start()
    shown = collect()
    assert shown.exit_code == 1
    assert ": Submitted; 112 total" in shown.output
    (name,) = [request["jobName"] for request in service.created.values()]
    assert collect("--job", name).exit_code == 1
    assert collect("--job", "nobody").exit_code == 2
    # Its records ask for JSON as text, not for a tool.
    (arn,) = service.created
    for record in service.records(arn):
        assert set(record) == {"recordId", "modelInput"}
        assert set(record["modelInput"]) == {"system", "messages", "inferenceConfig"}
    assert len({record["recordId"] for record in service.records(arn)}) == 112
    system = service.records(arn)[0]["modelInput"]["system"][0]["text"]
    assert "as one JSON object" in system
    assert '"summary"' in system
    assert "record_item" not in system


def test_responses_of_runs_are_not_requested_again_and_take_precedence(
    deployment: Deployment, service: BatchService
) -> None:
    lambda_handler({"client_id": "lai_weekly", "sources": ["press_sector__lettre_depot"]}, Context("run"))
    assert deployment.emulator.requests >= 10
    before = len(answered_tags(deployment.emulator))
    start()
    (arn,) = service.created
    assert len(service.records(arn)) == 112 - before
    lambda_handler({"client_id": "lai_weekly", "sources": ["press_corporate__nordlai"]}, Context("run"))
    by_runs = deployment.emulator.requests
    assert by_runs == before + 13
    service.finish(arn, agree)
    assert f"{112 - before} of {112 - before} items answered, 13 of them answered before" in collect().output
    summaries = [item["summary"] for item in deployment.load(ITEMS)]
    assert len(summaries) == 112
    assert sum(summary != "By the batch." for summary in summaries) == by_runs


def test_a_second_job_excludes_items_of_an_open_one(deployment: Deployment, service: BatchService) -> None:
    start()
    again = start()
    assert again.exit_code == 2
    assert "error: InvalidEvent: backfill: 112 items were ingested from" in again.stderr
    assert "0 of them have no response and are in no job; accepted: a period with at least 100 of these" in again.stderr
    (arn,) = service.created
    service.statuses[arn], service.messages[arn] = "Failed", "the role may not read the bucket"
    assert "Failed; 112 total; the role may not read the bucket" in command("status", "--client", "lai_weekly").output
    assert "112 without a response: no line in the output" in collect().output
    assert start().exit_code == 0
    assert not any(key == ITEMS and deployment.load(key) for key in deployment.stored())


def test_damaged_lines_are_counted_and_the_others_are_used(deployment: Deployment, service: BatchService) -> None:
    start()
    (arn,) = service.created
    odd: dict[str, Callable[[dict[str, Any]], dict[str, Any] | None]] = {}
    kinds: list[Callable[[dict[str, Any]], dict[str, Any] | None]] = [
        lambda _: None,
        lambda _: {"error": {"errorCode": 400, "errorMessage": "bad request"}},
        lambda _: {"modelOutput": {}},
        lambda _: converse("Sorry."),
        lambda _: converse(json.dumps(extraction(summary=" "))),
        lambda _: converse("{", "max_tokens"),
        lambda _: {"recordId": "unknown", **agree({})},
        lambda _: converse(f"```json\n{json.dumps(extraction(summary='Fenced.'))}\n```"),
    ]
    for record, kind in zip(service.records(arn), kinds, strict=False):
        odd[record["recordId"]] = kind
    service.finish(arn, lambda record: odd.get(record["recordId"], agree)(record), "PartiallyCompleted")
    shown = collect()
    assert shown.exit_code == 0
    assert "105 of 112 items answered" in shown.output
    assert {line.strip() for line in shown.output.splitlines() if "without a response" in line} == {
        "1 without a response: 400",
        "3 without a response: malformed_response",
        "1 without a response: incomplete_response",
        "1 without a response: a line without a record of the job",
        "2 without a response: no line in the output",
    }
    items = deployment.load(ITEMS)
    assert len(items) == 105
    assert sum(item["summary"] == "Fenced." for item in items) == 1


def test_a_refused_job_is_one_line_and_its_items_are_in_the_next_job(
    deployment: Deployment, service: BatchService
) -> None:
    service.refuse = (403, "AccessDeniedException", "no")
    refused = start()
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert refused.stderr.startswith("error: AccessDeniedException: ")
    assert ": NotStarted" in command("status", "--client", "lai_weekly").output
    service.refuse = None
    assert start().exit_code == 0
    assert len(service.created) == 1
    assert deployment.keys("normalized/lai_weekly/backfills/")


def test_days_and_sources_select_the_items(service: BatchService) -> None:
    yesterday = TODAY - dt.timedelta(days=1)
    none = start("--to", yesterday)
    assert (none.exit_code, service.created) == (2, {})
    few = start("--sources", "press_sector__lettre_depot,press_corporate__nordlai")
    assert few.exit_code == 2
    assert "23 items were ingested" in few.stderr


def test_a_wrong_client_is_refused(service: BatchService) -> None:
    assert command("status", "--client", "a/b").exit_code == 2
    unknown = command("start", "--client", "nobody", "--from", TODAY, "--role-arn", ROLE)
    assert unknown.exit_code == 2
    assert "UnknownClient" in unknown.stderr
    assert command("status", "--client", "nobody").output == "nobody has no jobs\n"
    assert service.created == {}
