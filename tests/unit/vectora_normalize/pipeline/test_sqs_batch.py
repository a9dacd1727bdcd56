"""Every message of a batch is stored, dead-lettered with its reason, or retried."""

from __future__ import annotations

import datetime as dt
import json
import logging
from pathlib import Path  # noqa: TC003 - pytest reads the annotations
from typing import TYPE_CHECKING, Any, cast

import pytest

from bedrock_resilience.retrying._deadline import Deadline
from bedrock_resilience.retrying._policy import RetryPolicy
from support.answering import FunctionClient, client_error, extraction, tool_answer
from support.clients import NOW, configure
from support.items import raw_item
from support.ticking import Ticking
from vectora_normalize.normalize.extraction import item_id
from vectora_normalize.pipeline import Dependencies, Invocation
from vectora_normalize.pipeline.messages import ItemMessage
from vectora_normalize.pipeline.sqs_batch import ClientConfigCache, QueuedMessage, SqsBatchProcessor, SqsBatchResult
from vectora_normalize.settings import Settings
from vectora_normalize.storage.objects import FolderStore, StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from vectora_normalize.sqs import OutgoingMessage, SqsQueue
    from vectora_normalize.storage.objects import ObjectStore

LIST = "normalized/small/2026/11/21/items.json"
ITEMS = [raw_item(f"Camurus reports on item number {number}.", number=number) for number in range(4)]


class DeadLetters:
    """A dead-letter queue that records its messages, or refuses them."""

    def __init__(self) -> None:
        self.refuse: str | None = None
        self.sent: list[OutgoingMessage] = []

    def send(self, messages: Sequence[OutgoingMessage]) -> dict[int, str]:
        if self.refuse is not None:
            return dict.fromkeys(range(len(messages)), self.refuse)
        self.sent.extend(messages)
        return {}


class Worker:
    """A worker with its folder, its dead-letter queue and its client of Bedrock."""

    def __init__(self, root: Path) -> None:
        self.clock = Ticking()
        self.config = FolderStore(root / "config")
        self.data: ObjectStore = FolderStore(root / "data")
        self.dead_letters: DeadLetters | None = DeadLetters()
        self.requests: list[str] = []
        self.answer: Callable[[str], dict[str, Any]] = lambda _: tool_answer(extraction(companies=["Camurus"]))
        self.client_configs = ClientConfigCache()
        configure(self.config)

    def dependencies(self) -> Dependencies:
        def respond(text: str) -> dict[str, Any]:
            self.requests.append(text)
            return self.answer(text)

        return Dependencies(
            settings=Settings(
                config_bucket="c", data_bucket="d", policy=RetryPolicy(max_retries=0), max_workers=2, max_receives=3
            ),
            config=self.config,
            data=self.data,
            fetcher=cast("Any", None),
            bedrock=FunctionClient(respond),
            dead_letters=cast("SqsQueue | None", self.dead_letters),
            clock=self.clock,
        )

    def process(self, *messages: QueuedMessage, deadline: Deadline | None = None) -> SqsBatchResult:
        invocation = Invocation(now=NOW, request_id="w-1", deadline=deadline)
        return SqsBatchProcessor(self.dependencies(), invocation, self.client_configs).process(messages)

    def listed(self) -> list[str]:
        return sorted(row["url"] for row in json.loads(self.data.get(LIST)))


@pytest.fixture
def worker(tmp_path: Path) -> Worker:
    return Worker(tmp_path)


def queued(number: int, *, receives: int = 1, **fields: Any) -> QueuedMessage:  # noqa: ANN401 - of a message
    given: dict[str, Any] = {"client_id": "small", "day": NOW.date(), "ingested_at": NOW, "run_id": "r-1"}
    given |= {"item": ITEMS[number], **fields}
    message = ItemMessage(**given)
    return QueuedMessage(message_id=f"m-{number}", body=message.to_json(), receives=receives)


def failing_at(worker: Worker, number: int, code: str, status: int = 400) -> None:
    def answer(text: str) -> dict[str, Any]:
        if f"number {number}" in text:
            raise client_error(code, "no", status)
        return tool_answer(extraction())

    worker.answer = answer


def test_items_are_normalised_and_listed(worker: Worker) -> None:
    received = worker.process(*map(queued, range(4)))
    assert (received.retried, received.dead_lettered) == ({}, {})
    assert len(received.batch.succeeded) == 4
    assert worker.listed() == sorted(item.url for item in ITEMS)
    assert list(worker.data.list("normalized/small/parts")) == []
    (row, *_) = json.loads(worker.data.get(LIST))
    assert (row["companies_in_scopes"], row["ingested_at"]) == (["Camurus"], "2026-11-21T06:30:00Z")


def test_an_item_that_is_delivered_twice_is_paid_once(worker: Worker) -> None:
    worker.process(queued(0), queued(1))
    received = worker.process(queued(1, receives=2), queued(2))
    assert received.retried == {}
    assert [value["origin"] for value in received.batch.values] == ["store", "bedrock"]
    assert len(worker.requests) == 3
    assert len(worker.listed()) == 3


def test_items_go_to_the_list_of_the_day_they_were_sent(worker: Worker) -> None:
    worker.process(queued(0), queued(1, day=dt.date(2026, 11, 20)))
    assert worker.listed() == [ITEMS[0].url]
    assert len(json.loads(worker.data.get("normalized/small/2026/11/20/items.json"))) == 1


def test_a_permanent_failure_is_dead_lettered_with_its_reason(worker: Worker) -> None:
    failing_at(worker, 1, "ValidationException")
    sent = queued(1)
    received = worker.process(queued(0), sent, queued(2))
    assert received.retried == {}
    assert received.dead_lettered == {"m-1": "validation"}
    assert worker.dead_letters is not None
    (one,) = worker.dead_letters.sent
    assert one.body == sent.body
    assert dict(one.attributes) == {
        "reason": "validation",
        "error": "ClientError: An error occurred (ValidationException) when calling the Converse operation: no",
        "client_id": "small",
        "run": "r-1",
        "receives": "1",
        "message_id": "m-1",
    }
    assert len(worker.listed()) == 2


@pytest.mark.parametrize(("code", "status"), [("ThrottlingException", 429), ("ServiceUnavailableException", 503)])
def test_a_temporary_failure_is_retried(worker: Worker, code: str, status: int) -> None:
    failing_at(worker, 1, code, status)
    received = worker.process(queued(0), queued(1))
    assert list(received.retried) == ["m-1"]
    assert code in received.retried["m-1"]
    assert received.dead_lettered == {}


def test_a_failure_at_the_last_delivery_is_dead_lettered_with_its_reason(worker: Worker) -> None:
    failing_at(worker, 1, "ThrottlingException", 429)
    assert list(worker.process(queued(1, receives=2)).retried) == ["m-1"]
    assert worker.process(queued(1, receives=3)).dead_lettered == {"m-1": "throttling"}


def test_where_bedrock_refuses_the_run_all_messages_are_retried(worker: Worker) -> None:
    failing_at(worker, 0, "AccessDeniedException", 403)
    received = worker.process(*map(queued, range(4)))
    assert "m-0" in received.retried
    assert len(received.retried) + len(received.batch.succeeded) == 4
    assert received.dead_lettered == {}


def test_items_that_were_not_started_are_retried(worker: Worker) -> None:
    received = worker.process(queued(0), queued(1), deadline=Deadline(worker.clock.now - 1))
    assert received.retried == {"m-0": "unstarted: deadline", "m-1": "unstarted: deadline"}
    assert worker.requests == []


@pytest.mark.parametrize("body", ["", "{", "[]", "[" * 100_000, '{"version": 9}'], ids=len)
def test_a_malformed_message_is_dead_lettered(worker: Worker, body: str) -> None:
    received = worker.process(QueuedMessage(message_id="malformed", body=body, receives=1), queued(0))
    assert received.dead_lettered == {"malformed": "malformed_message"}
    assert worker.dead_letters is not None
    assert worker.dead_letters.sent[0].body == body
    assert worker.dead_letters.sent[0].attributes["message_id"] == "malformed"
    assert len(worker.listed()) == 1


def test_messages_of_an_unknown_client_are_dead_lettered_and_the_others_processed(worker: Worker) -> None:
    received = worker.process(queued(0, client_id="nobody"), queued(1))
    assert received.dead_lettered == {"m-0": "UnknownClient"}
    assert worker.listed() == [ITEMS[1].url]


def test_messages_of_an_inactive_client_are_dead_lettered(worker: Worker) -> None:
    configure(worker.config, small="client_profile: {client_id: small, active: false}")
    assert worker.process(queued(0)).dead_lettered == {"m-0": "InactiveClient"}


def test_messages_under_an_invalid_configuration_are_retried(worker: Worker) -> None:
    configure(worker.config, small="client_profile: [")
    received = worker.process(queued(0), queued(1, receives=3))
    assert list(received.retried) == ["m-0"]
    assert received.retried["m-0"].startswith("InvalidConfiguration: clients/small.yaml")
    assert received.dead_lettered == {"m-1": "InvalidConfiguration"}


def test_a_configuration_is_cached_for_a_minute(worker: Worker) -> None:
    worker.process(queued(0))
    configure(worker.config, small="client_profile: {client_id: small, active: false}")
    assert worker.process(queued(1)).dead_lettered == {}
    worker.clock.sleep(61)
    assert worker.process(queued(2)).dead_lettered == {"m-2": "InactiveClient"}


def test_a_programming_error_is_dead_lettered_and_logged(worker: Worker, caplog: pytest.LogCaptureFixture) -> None:
    def answer(_: str) -> dict[str, Any]:
        raise KeyError("mistake")

    worker.answer = answer
    with caplog.at_level(logging.ERROR, "vectora_normalize.pipeline.sqs_batch"):
        assert worker.process(queued(0)).dead_lettered == {"m-0": "unknown"}
    assert f"{item_id(ITEMS[0])}: programming error" in caplog.text
    assert ITEMS[0].url not in caplog.text  # which may contain a secret
    assert "KeyError: 'mistake'" in caplog.text


def test_a_message_whose_dead_letter_cannot_be_sent_is_retried(worker: Worker) -> None:
    assert worker.dead_letters is not None
    worker.dead_letters.refuse = "SQS is out"
    received = worker.process(QueuedMessage(message_id="malformed", body="", receives=9))
    assert received.retried == {"malformed": "malformed_message, and no dead letter: SQS is out"}
    assert received.dead_lettered == {}


def test_without_a_dead_letter_queue_messages_are_retried(worker: Worker) -> None:
    worker.dead_letters = None
    received = worker.process(QueuedMessage(message_id="malformed", body="", receives=1))
    assert received.retried == {"malformed": "malformed_message, and no dead letter: DEAD_LETTER_QUEUE_URL is not set"}


def test_a_dead_letter_has_only_characters_that_sqs_accepts(worker: Worker) -> None:
    worker.process(QueuedMessage(message_id="malformed", body="a\x00b\ud800c", receives=1))
    assert worker.dead_letters is not None
    assert worker.dead_letters.sent.pop().body == "a?b?c"
    failing_at(worker, 0, "ValidationException")
    worker.answer = _raising(client_error("ValidationException", "a\x00b\ud800c" + "x" * 5000))
    worker.process(queued(0))
    error = worker.dead_letters.sent[0].attributes["error"]
    assert "a?b?c" in error
    assert len(error) == 1000


def _raising(error: Exception) -> Callable[[str], dict[str, Any]]:
    def answer(_: str) -> dict[str, Any]:
        raise error

    return answer


class _RefusesStaging(FolderStore):
    """Refuses staged rows."""

    def put(self, key: str, body: bytes) -> None:
        if "/parts/" in key:
            raise StoreError(f"{key}: cannot be written: SlowDown")
        super().put(key, body)


def test_an_item_that_could_not_be_staged_is_retried_and_not_paid_again(worker: Worker, tmp_path: Path) -> None:
    worker.data = _RefusesStaging(tmp_path / "data")
    received = worker.process(queued(0), queued(1))
    assert sorted(received.retried) == ["m-0", "m-1"]
    worker.data = FolderStore(tmp_path / "data")
    assert worker.process(queued(0, receives=2), queued(1, receives=2)).retried == {}
    assert len(worker.requests) == 2
    assert len(worker.listed()) == 2


class _RefusesList(FolderStore):
    def put_if_absent(self, key: str, body: bytes) -> str | None:
        if key == LIST:
            raise StoreError(f"{key}: cannot be written: SlowDown")
        return super().put_if_absent(key, body)


def test_a_list_that_cannot_be_written_now_is_written_by_the_next_worker(
    worker: Worker, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    worker.data = _RefusesList(tmp_path / "data")
    assert worker.process(queued(0)).retried == {}
    assert "items stay staged for the next worker" in caplog.text
    worker.data = FolderStore(tmp_path / "data")
    worker.process(queued(1))
    assert len(worker.listed()) == 2


class _RefusesClaims(FolderStore):
    def put_if_absent(self, key: str, body: bytes) -> str | None:
        if "/items/" in key:
            raise StoreError(f"{key}: cannot be written: SlowDown")
        return super().put_if_absent(key, body)


def test_an_item_that_cannot_be_claimed_is_retried(worker: Worker, tmp_path: Path) -> None:
    worker.data = _RefusesClaims(tmp_path / "data")
    received = worker.process(queued(0))
    assert list(received.retried) == ["m-0"]
    assert worker.requests == []


def test_an_empty_batch_is_done(worker: Worker) -> None:
    assert worker.process() == SqsBatchResult()
