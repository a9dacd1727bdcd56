"""Every message of a batch is stored, set aside with its reason, or comes back."""

from __future__ import annotations

import dataclasses
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
    """Remembers what was set aside, or takes nothing."""

    def __init__(self) -> None:
        self.refuse: str | None = None
        self.taken: list[OutgoingMessage] = []

    def send(self, messages: Sequence[OutgoingMessage]) -> dict[int, str]:
        if self.refuse is not None:
            return dict.fromkeys(range(len(messages)), self.refuse)
        self.taken.extend(messages)
        return {}


class Shop:
    """A worker with its folder, its dead letters and its Bedrock."""

    def __init__(self, root: Path) -> None:
        self.clock = Ticking()
        self.config = FolderStore(root / "config")
        self.data: ObjectStore = FolderStore(root / "data")
        self.dead: DeadLetters | None = DeadLetters()
        self.asked: list[str] = []
        self.answer: Callable[[str], dict[str, Any]] = lambda _: tool_answer(extraction(companies=["Camurus"]))
        self.readers = ClientConfigCache()
        configure(self.config)

    def dependencies(self) -> Dependencies:
        def ask(text: str) -> dict[str, Any]:
            self.asked.append(text)
            return self.answer(text)

        return Dependencies(
            settings=Settings(
                config_bucket="c", data_bucket="d", policy=RetryPolicy(max_retries=0), max_workers=2, max_receives=3
            ),
            config=self.config,
            data=self.data,
            fetcher=cast("Any", None),
            bedrock=FunctionClient(ask),
            dead_letters=cast("SqsQueue | None", self.dead),
            clock=self.clock,
        )

    def process(self, *messages: QueuedMessage, deadline: Deadline | None = None) -> SqsBatchResult:
        invocation = Invocation(now=NOW, request_id="w-1", deadline=deadline)
        return SqsBatchProcessor(self.dependencies(), invocation, self.readers).process(messages)

    def listed(self) -> list[str]:
        return sorted(row["url"] for row in json.loads(self.data.get(LIST)))


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


def queued(number: int, *, receives: int = 1, **fields: Any) -> QueuedMessage:  # noqa: ANN401 - of a message
    given: dict[str, Any] = {"client_id": "small", "day": NOW.date(), "ingested_at": NOW, "run_id": "r-1"}
    given |= {"item": ITEMS[number], **fields}
    message = ItemMessage(**given)
    return QueuedMessage(message_id=f"m-{number}", body=message.to_json(), receives=receives)


def failing_at(shop: Shop, number: int, code: str, status: int = 400) -> None:
    def answer(text: str) -> dict[str, Any]:
        if f"number {number}" in text:
            raise client_error(code, "no", status)
        return tool_answer(extraction())

    shop.answer = answer


def test_items_are_normalised_and_listed(shop: Shop) -> None:
    received = shop.process(*map(queued, range(4)))
    assert (received.retried, received.dead_lettered) == ({}, {})
    assert len(received.batch.succeeded) == 4
    assert shop.listed() == sorted(item.url for item in ITEMS)
    assert list(shop.data.list("normalized/small/parts")) == []
    (row, *_) = json.loads(shop.data.get(LIST))
    assert (row["companies_in_scopes"], row["ingested_at"]) == (["Camurus"], "2026-11-21T06:30:00Z")


def test_an_item_that_is_delivered_twice_is_paid_once(shop: Shop) -> None:
    shop.process(queued(0), queued(1))
    received = shop.process(queued(1, receives=2), queued(2))
    assert received.retried == {}
    assert [value["origin"] for value in received.batch.values] == ["store", "bedrock"]
    assert len(shop.asked) == 3
    assert len(shop.listed()) == 3


def test_items_go_to_the_list_of_the_day_they_were_sent(shop: Shop) -> None:
    shop.process(queued(0), queued(1, day=dt.date(2026, 11, 20)))
    assert shop.listed() == [ITEMS[0].url]
    assert len(json.loads(shop.data.get("normalized/small/2026/11/20/items.json"))) == 1


def test_a_permanent_failure_is_set_aside_with_its_reason(shop: Shop) -> None:
    failing_at(shop, 1, "ValidationException")
    sent = queued(1)
    received = shop.process(queued(0), sent, queued(2))
    assert received.retried == {}
    assert received.dead_lettered == {"m-1": "validation"}
    assert shop.dead is not None
    (one,) = shop.dead.taken
    assert one.body == sent.body
    assert dict(one.attributes) == {
        "reason": "validation",
        "error": "ClientError: An error occurred (ValidationException) when calling the Converse operation: no",
        "client_id": "small",
        "run": "r-1",
        "receives": "1",
        "message_id": "m-1",
    }
    assert len(shop.listed()) == 2


@pytest.mark.parametrize(("code", "status"), [("ThrottlingException", 429), ("ServiceUnavailableException", 503)])
def test_what_may_go_better_next_time_comes_back(shop: Shop, code: str, status: int) -> None:
    failing_at(shop, 1, code, status)
    received = shop.process(queued(0), queued(1))
    assert list(received.retried) == ["m-1"]
    assert code in received.retried["m-1"]
    assert received.dead_lettered == {}


def test_what_has_come_back_too_often_is_set_aside_with_its_reason(shop: Shop) -> None:
    failing_at(shop, 1, "ThrottlingException", 429)
    assert list(shop.process(queued(1, receives=2)).retried) == ["m-1"]
    assert shop.process(queued(1, receives=3)).dead_lettered == {"m-1": "throttling"}


def test_a_run_that_bedrock_refuses_sends_everything_back(shop: Shop) -> None:
    failing_at(shop, 0, "AccessDeniedException", 403)
    received = shop.process(*map(queued, range(4)))
    assert "m-0" in received.retried
    assert len(received.retried) + len(received.batch.succeeded) == 4
    assert received.dead_lettered == {}


def test_what_was_not_started_comes_back(shop: Shop) -> None:
    received = shop.process(queued(0), queued(1), deadline=Deadline(shop.clock.now - 1))
    assert received.retried == {"m-0": "unstarted: deadline", "m-1": "unstarted: deadline"}
    assert shop.asked == []


@pytest.mark.parametrize("body", ["", "{", "[]", "[" * 100_000, '{"version": 9}'], ids=len)
def test_what_is_no_item_is_set_aside(shop: Shop, body: str) -> None:
    received = shop.process(QueuedMessage(message_id="odd", body=body, receives=1), queued(0))
    assert received.dead_lettered == {"odd": "malformed_message"}
    assert shop.dead is not None
    assert shop.dead.taken[0].body == body
    assert shop.dead.taken[0].attributes["message_id"] == "odd"
    assert len(shop.listed()) == 1


def test_an_unknown_client_is_set_aside_and_the_others_are_served(shop: Shop) -> None:
    received = shop.process(queued(0, client_id="nobody"), queued(1))
    assert received.dead_lettered == {"m-0": "UnknownClient"}
    assert shop.listed() == [ITEMS[1].url]


def test_an_inactive_client_is_set_aside(shop: Shop) -> None:
    configure(shop.config, small="client_profile: {client_id: small, active: false}")
    assert shop.process(queued(0)).dead_lettered == {"m-0": "InactiveClient"}


def test_a_wrong_configuration_may_be_mended_so_its_items_come_back(shop: Shop) -> None:
    configure(shop.config, small="client_profile: [")
    received = shop.process(queued(0), queued(1, receives=3))
    assert list(received.retried) == ["m-0"]
    assert received.retried["m-0"].startswith("InvalidConfiguration: clients/small.yaml")
    assert received.dead_lettered == {"m-1": "InvalidConfiguration"}


def test_a_configuration_is_good_for_a_minute(shop: Shop) -> None:
    shop.process(queued(0))
    configure(shop.config, small="client_profile: {client_id: small, active: false}")
    assert shop.process(queued(1)).dead_lettered == {}
    shop.clock.sleep(61)
    assert shop.process(queued(2)).dead_lettered == {"m-2": "InactiveClient"}


def test_a_mistake_of_the_program_is_set_aside_and_logged(shop: Shop, caplog: pytest.LogCaptureFixture) -> None:
    def answer(_: str) -> dict[str, Any]:
        raise KeyError("mistake")

    shop.answer = answer
    with caplog.at_level(logging.ERROR, "vectora_normalize.pipeline.sqs_batch"):
        assert shop.process(queued(0)).dead_lettered == {"m-0": "unknown"}
    assert f"{item_id(ITEMS[0])}: programming error" in caplog.text
    assert ITEMS[0].url not in caplog.text  # which may hold a secret
    assert "KeyError: 'mistake'" in caplog.text


def test_a_dead_letter_that_cannot_be_sent_comes_back(shop: Shop) -> None:
    assert shop.dead is not None
    shop.dead.refuse = "SQS is out"
    received = shop.process(QueuedMessage(message_id="odd", body="", receives=9))
    assert received.retried == {"odd": "malformed_message, and no dead letter: SQS is out"}
    assert received.dead_lettered == {}


def test_without_a_dead_letter_queue_nothing_is_set_aside(shop: Shop) -> None:
    shop.dead = None
    received = shop.process(QueuedMessage(message_id="odd", body="", receives=1))
    assert received.retried == {"odd": "malformed_message, and no dead letter: DEAD_LETTER_QUEUE_URL is not set"}


def test_a_dead_letter_holds_only_what_sqs_takes(shop: Shop) -> None:
    shop.process(QueuedMessage(message_id="odd", body="a\x00b\ud800c", receives=1))
    assert shop.dead is not None
    assert shop.dead.taken.pop().body == "a?b?c"
    failing_at(shop, 0, "ValidationException")
    shop.answer = _raising(client_error("ValidationException", "a\x00b\ud800c" + "x" * 5000))
    shop.process(queued(0))
    error = shop.dead.taken[0].attributes["error"]
    assert "a?b?c" in error
    assert len(error) == 1000


def _raising(error: Exception) -> Callable[[str], dict[str, Any]]:
    def answer(_: str) -> dict[str, Any]:
        raise error

    return answer


class _Full(FolderStore):
    """Takes no dependencies of lists."""

    def put(self, key: str, body: bytes) -> None:
        if "/parts/" in key:
            raise StoreError(f"{key}: cannot be written: SlowDown")
        super().put(key, body)


def test_what_could_not_be_listed_comes_back_and_is_not_paid_again(shop: Shop, tmp_path: Path) -> None:
    shop.data = _Full(tmp_path / "data")
    received = shop.process(queued(0), queued(1))
    assert sorted(received.retried) == ["m-0", "m-1"]
    shop.data = FolderStore(tmp_path / "data")
    assert shop.process(queued(0, receives=2), queued(1, receives=2)).retried == {}
    assert len(shop.asked) == 2
    assert len(shop.listed()) == 2


class _Unlistable(FolderStore):
    def put_if_absent(self, key: str, body: bytes) -> str | None:
        if key == LIST:
            raise StoreError(f"{key}: cannot be written: SlowDown")
        return super().put_if_absent(key, body)


def test_a_list_that_cannot_be_written_now_is_written_by_the_next_worker(
    shop: Shop, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    shop.data = _Unlistable(tmp_path / "data")
    assert shop.process(queued(0)).retried == {}
    assert "items stay staged for the next worker" in caplog.text
    shop.data = FolderStore(tmp_path / "data")
    shop.process(queued(1))
    assert len(shop.listed()) == 2


class _Unclaimable(FolderStore):
    def put_if_absent(self, key: str, body: bytes) -> str | None:
        if "/items/" in key:
            raise StoreError(f"{key}: cannot be written: SlowDown")
        return super().put_if_absent(key, body)


def test_an_item_that_cannot_be_claimed_comes_back(shop: Shop, tmp_path: Path) -> None:
    shop.data = _Unclaimable(tmp_path / "data")
    received = shop.process(queued(0))
    assert list(received.retried) == ["m-0"]
    assert shop.asked == []


def test_an_empty_batch_is_done(shop: Shop) -> None:
    assert shop.process() == SqsBatchResult()


def test_deliveries_are_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        queued(0).receives = 2  # type: ignore[misc]
