"""From the dispatcher through a queue to the workers: the functions, the queues, the buckets, all over sockets."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, cast

import pytest

from support.deployment import Context
from support.schemas import conforms
from support.sqs import Queues, queues, record_of
from support.tags import answered_tags
from vectora_normalize import worker
from vectora_normalize.handler import lambda_handler
from vectora_normalize.items import items_schema
from vectora_normalize.pipeline import dependencies as wiring

if TYPE_CHECKING:
    from collections.abc import Generator

    from support.deployment import Deployment

DEPOT = "press_sector__depot_dispatch"  # 27 items
NORDLAI = "press_corporate__nordlai"  # 13 items


@pytest.fixture
def scaled(deployment: Deployment, aws_url: str, monkeypatch: pytest.MonkeyPatch) -> Generator[Queues]:
    """The deployment with queues; both functions live in this process, with the environment of the dispatcher."""
    with queues(aws_url) as made:
        monkeypatch.setenv("AWS_ENDPOINT_URL_SQS", aws_url)
        monkeypatch.setenv("MODE", "queue")
        monkeypatch.setenv("QUEUE_URL", made.url)
        monkeypatch.setenv("DEAD_LETTER_QUEUE_URL", made.dead_url)
        monkeypatch.setenv("MAX_RECEIVES", "2")
        # A configuration that was read for another test's deployment is not this one's.
        monkeypatch.setattr(worker, "_client_configs", type(cast("Any", worker)._client_configs)())
        yield made
        del deployment


def dispatch(request_id: str = "dispatcher", **fields: object) -> dict[str, Any]:
    return lambda_handler({"client_id": "lai_weekly", **fields}, Context(request_id))


def work(scaled: Queues) -> list[dict[str, Any]]:
    """Deliver until nothing visible is left."""
    answers: list[dict[str, Any]] = []
    while (answer := scaled.deliver(worker.lambda_handler, Context("worker")))["records"]:
        answers.append(answer)
    return answers


def test_the_dispatcher_sends_and_answers_by_the_contract(deployment: Deployment, scaled: Queues) -> None:
    answer = dispatch(sources=[DEPOT])
    assert answer["statusCode"] == 200
    assert set(answer["body"]) == {"client_id", "items_ingested", "items_normalized", "execution_time_seconds"}
    assert (answer["body"]["items_ingested"], answer["body"]["items_normalized"]) == (27, 0)
    assert scaled.waiting() == 27
    assert deployment.emulator.requests == 0
    report = deployment.report("dispatcher")
    assert report["work"]["queued"] == 27
    assert report["settings"]["mode"] == "queue"
    assert {account["reason"] for account in report["items"]} == {"sent to the queue"}
    assert deployment.keys("normalized/lai_weekly/outstanding/") == []


def test_what_the_dispatcher_sends_the_workers_normalise_and_list(deployment: Deployment, scaled: Queues) -> None:
    dispatch(sources=[DEPOT, NORDLAI])
    answers = work(scaled)
    assert [answer["batchItemFailures"] for answer in answers] == [[]] * len(answers)
    assert scaled.waiting() == 0
    items = deployment.items()
    assert conforms(items, items_schema())
    assert len(items) == 40
    assert deployment.keys("normalized/lai_weekly/parts") == []
    # What the queue has done is what a run would have done, and the dispatcher knows of it.
    again = dispatch("later", sources=[DEPOT, NORDLAI])
    assert again["body"]["items_normalized"] == again["body"]["items_ingested"] == 40
    assert scaled.waiting() == 0
    assert deployment.report("later")["work"]["reused"] == 40


def test_a_message_that_is_delivered_twice_is_paid_once(deployment: Deployment, scaled: Queues) -> None:
    dispatch(sources=[NORDLAI])
    messages = scaled.receive()
    event = {"Records": [record_of(message) for message in messages]}
    for _ in range(2):
        assert worker.lambda_handler(event, Context()) == {"batchItemFailures": []}
    assert len(deployment.items()) == len(messages) == 10
    assert set(answered_tags(deployment.emulator).values()) == {1}
    assert deployment.emulator.requests == 10


def test_failures_are_dead_lettered_or_retried_by_their_kind(deployment: Deployment, scaled: Queues) -> None:
    scaled.send('{"not": "an item"}')
    dispatch(sources=[NORDLAI])
    deployment.emulator.fail_next(1, "ValidationException")
    deployment.emulator.fail_next(1, "ModelErrorException")
    answers = work(scaled)
    came_back = [failure for answer in answers for failure in answer["batchItemFailures"]]
    assert len(came_back) == scaled.waiting() == 1
    dead = scaled.dead()
    assert sorted(attributes["reason"] for _, attributes in dead) == ["malformed_message", "validation"]
    for body, attributes in dead:
        assert attributes["error"]
        assert attributes["receives"] == "1"
        assert body == '{"not": "an item"}' or json.loads(body)["item"]["source_key"] == NORDLAI
    assert len(deployment.items()) == 11


@pytest.mark.nightly  # a message is delivered until its last delivery
def test_a_failure_at_the_last_delivery_is_dead_lettered_with_its_reason(
    deployment: Deployment, aws_url: str, scaled: Queues, monkeypatch: pytest.MonkeyPatch
) -> None:
    with queues(aws_url, visibility=1) as quick:
        monkeypatch.setenv("QUEUE_URL", quick.url)
        monkeypatch.setenv("DEAD_LETTER_QUEUE_URL", quick.dead_url)
        deployment.emulator.fail_next(None, "ModelErrorException", containing="Nordlai")
        dispatch(sources=[NORDLAI])
        failing = 0
        while quick.waiting():
            failing += len(quick.deliver(worker.lambda_handler, Context())["batchItemFailures"])
        reasons = [(attributes["reason"], attributes["receives"]) for _, attributes in quick.dead()]
        assert failing == len(reasons) > 0
        assert set(reasons) == {("model_error", "2")}
        assert len(reasons) + len(deployment.items()) == 13
        assert scaled.waiting() == 0


def test_messages_of_a_worker_without_time_are_retried(deployment: Deployment, scaled: Queues) -> None:
    dispatch(sources=[NORDLAI])
    answer = scaled.deliver(worker.lambda_handler, Context(seconds=25.0))
    assert len(answer["batchItemFailures"]) == answer["records"] == 10
    assert deployment.emulator.requests == 0


def test_a_worker_logs_its_counts(deployment: Deployment, scaled: Queues, capsys: pytest.CaptureFixture[str]) -> None:
    dispatch(sources=[NORDLAI])
    capsys.readouterr()
    deployment.emulator.fail_next(1, "ValidationException")
    scaled.deliver(worker.lambda_handler, Context("worker-7"))
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    of_source, metrics = [line for line in lines if "_aws" in line]
    assert (of_source["Source"], of_source["ItemsNormalized"], of_source["ItemsFailed"]) == (NORDLAI, [9], [1])
    assert (metrics["Attempts"], metrics["ItemsNormalized"], metrics["ItemsFailed"]) == ([10], [9], [1])
    assert (metrics["MessagesDeadLettered"], metrics["MessagesRetried"], metrics["request_id"]) == (
        [1],
        [0],
        "worker-7",
    )
    used = [entry.usage for entry in deployment.emulator.log if entry.usage]
    assert metrics["TokensReserved"] == [sum(usage.input_tokens + 1000 for usage in used)]
    assert metrics["TokensOverReserved"] == [sum(max(0, 1000 - 5 * usage.output_tokens) for usage in used)]
    assert {line["request_id"] for line in lines if "_aws" not in line} == {"worker-7"}
    logged = next(line for line in lines if line.get("dead_lettered"))
    assert list(logged["dead_lettered"].values()) == ["validation"]


@pytest.mark.nightly  # two dispatchers
def test_an_item_that_cannot_be_sent_is_in_the_backlog_and_sent_by_the_next_dispatcher(
    deployment: Deployment, scaled: Queues, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QUEUE_URL", f"{scaled.url}-that-is-not-there")
    answer = dispatch(sources=[NORDLAI])
    assert (answer["statusCode"], answer["body"]["items_normalized"]) == (200, 0)
    assert len(deployment.keys("normalized/lai_weekly/outstanding/")) == 1
    reasons = [account["reason"] for account in deployment.report("dispatcher")["items"]]
    assert ["not sent: " in reason for reason in reasons] == [True] * 13
    monkeypatch.setenv("QUEUE_URL", scaled.url)
    dispatch("later", from_date="2001-01-01", to_date="2001-01-02")
    assert scaled.waiting() == 13
    assert deployment.keys("normalized/lai_weekly/outstanding/") == []
    assert wiring.aws_dependencies.cache_info().misses >= 2
