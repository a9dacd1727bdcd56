"""A dispatcher uses stored responses and sends the other items; those that cannot be sent stay unstarted."""

from __future__ import annotations

import datetime as dt
from pathlib import Path  # noqa: TC003 - pytest reads the annotations
from typing import TYPE_CHECKING, cast

import pytest

from support.answering import answer
from support.items import raw_item
from support.ticking import Ticking
from vectora_normalize.normalize.extraction import watchlists_of
from vectora_normalize.normalize.normalizer import Normalizer
from vectora_normalize.normalize.response_cache import ResponseCache
from vectora_normalize.pipeline.dispatch import Dispatcher
from vectora_normalize.pipeline.messages import ItemMessage
from vectora_normalize.pipeline.worklist import QUEUED
from vectora_normalize.storage.expiry import RunClock
from vectora_normalize.storage.objects import FolderStore

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bedrock_resilience.batch._report import BatchReport
    from bedrock_resilience.retrying._deadline import Deadline
    from vectora_normalize.items import RawItem
    from vectora_normalize.normalize.normalizer import Normalized
    from vectora_normalize.sqs import OutgoingMessage, SqsQueue

NOW = dt.datetime(2026, 11, 21, 6, 30, tzinfo=dt.UTC)
ITEMS = [raw_item(f"Item {number}.", number=number) for number in range(4)]


class Queue:
    """A queue that records messages, and refuses those whose body contains one of these words."""

    def __init__(self, *refused: str) -> None:
        self.refused = refused
        self.sent: list[ItemMessage] = []

    def send(self, messages: Sequence[OutgoingMessage], *, deadline: Deadline | None = None) -> dict[int, str]:
        del deadline
        unsent: dict[int, str] = {}
        for place, message in enumerate(messages):
            if any(word in message.body for word in self.refused):
                unsent[place] = "SQS is out"
            else:
                self.sent.append(ItemMessage.from_json(message.body))
        return unsent


class Setup:
    def __init__(self, root: Path) -> None:
        self.clock = Ticking()
        self.cache = ResponseCache(
            FolderStore(root), "small", run_id="r", run_clock=RunClock(NOW, self.clock), attempt_seconds=1.0
        )
        self.normalizer = Normalizer(client=None, model_id="m", watchlists=watchlists_of({}), ingested_at=NOW)

    def dispatch(self, queue: Queue) -> BatchReport[RawItem, Normalized]:
        dispatcher = Dispatcher(cast("SqsQueue", queue), client_id="small", run_id="r-1", now=NOW, clock=self.clock)
        return dispatcher.dispatch(ITEMS, self.normalizer, self.cache)

    def answer(self, item: RawItem) -> None:
        self.cache.put(self.normalizer.prepare(item).key, answer("Stored.", NOW))


@pytest.fixture
def setup(tmp_path: Path) -> Setup:
    return Setup(tmp_path)


def test_every_item_without_a_response_is_sent_once(setup: Setup) -> None:
    queue = Queue()
    report = setup.dispatch(queue)
    assert [message.item for message in queue.sent] == ITEMS
    assert {(message.client_id, message.day, message.run_id) for message in queue.sent} == {
        ("small", NOW.date(), "r-1")
    }
    assert {outcome.reason for outcome in report.unstarted} == {QUEUED}
    assert (len(report.unstarted), report.attempts) == (4, 0)


def test_an_item_with_a_stored_response_is_not_sent(setup: Setup) -> None:
    setup.answer(ITEMS[1])
    queue = Queue()
    report = setup.dispatch(queue)
    assert [message.item for message in queue.sent] == [ITEMS[0], ITEMS[2], ITEMS[3]]
    assert [outcome.status for outcome in report.outcomes] == ["unstarted", "succeeded", "unstarted", "unstarted"]
    assert report.values[0]["item"].summary == "Stored."
    assert report.values[0]["origin"] == "store"


def test_an_item_that_cannot_be_sent_is_unstarted_with_the_reason(setup: Setup) -> None:
    setup.answer(ITEMS[0])
    report = setup.dispatch(Queue("Item 2"))
    assert [outcome.reason for outcome in report.outcomes] == [None, QUEUED, "not sent: SQS is out", QUEUED]
    assert [outcome.item for outcome in report.outcomes] == ITEMS
