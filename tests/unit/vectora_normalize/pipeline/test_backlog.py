"""What a run has taken on is known to the next one, however the run ended."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path  # noqa: TC003 - pytest reads the annotations
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from bedrock_resilience._fault import Fault
from bedrock_resilience.batch._report import ItemOutcome
from support.items import raw_item
from support.ticking import Ticking
from vectora_normalize.pipeline.backlog import MAX_FAILED_RUNS, Backlog, BacklogItem
from vectora_normalize.storage.expiry import RunClock
from vectora_normalize.storage.objects import FolderStore, NotFoundError, StoreError

if TYPE_CHECKING:
    from vectora_normalize.items import RawItem
    from vectora_normalize.storage.objects import ObjectStore

NOW = dt.datetime(2026, 11, 21, 6, 30, tzinfo=dt.UTC)
ITEMS = [raw_item(f"Item {number}.", number=number) for number in range(3)]
ENTRIES = [BacklogItem(item=item) for item in ITEMS]


class Desk:
    """Where runs leave their lists."""

    def __init__(self, root: Path) -> None:
        self.clock = Ticking()
        self.run_clock = RunClock(NOW, self.clock)
        self.store: ObjectStore = FolderStore(root)

    def of(self, run: str) -> Backlog:
        return Backlog(self.store, "small", run_id=run, run_clock=self.run_clock)

    def lists(self) -> list[str]:
        return [key.rpartition("/")[2].removesuffix(".json") for key in self.store.list("")]


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def failed(item: RawItem, fault: Fault, **fields: Any) -> ItemOutcome[RawItem, Any]:  # noqa: ANN401 - of an outcome
    error = ValueError("too long")
    return ItemOutcome(
        index=0, item=item, status="failed", fault=fault, error=error, attempts=4, backoff_seconds=3.50004, **fields
    )


def test_a_run_that_is_done_leaves_nothing(desk: Desk) -> None:
    one = desk.of("one")
    one.begin(ENTRIES, until=NOW)
    assert desk.lists() == ["one"]
    one.finish([])
    assert desk.lists() == []


def test_a_run_that_had_nothing_to_do_writes_nothing(desk: Desk) -> None:
    desk.of("one").finish([])
    assert desk.lists() == []


def test_a_run_that_was_killed_leaves_everything_when_it_must_be_dead(desk: Desk) -> None:
    desk.of("one").begin(ENTRIES, until=desk.run_clock.after(60))
    desk.clock.sleep(60 + desk.store.clock_skew)
    assert desk.of("two").adopt() == {}
    desk.clock.sleep(0.01)
    assert set(desk.of("two").adopt()) == {item.content_hash for item in ITEMS}


def test_a_run_that_nobody_kills_shares_its_list(desk: Desk) -> None:
    desk.of("one").begin(ENTRIES, until=None)
    assert len(desk.of("two").adopt()) == 3


def test_whoever_takes_a_list_over_has_it_in_writing_before_the_old_one_goes(desk: Desk) -> None:
    desk.of("one").finish(ENTRIES[:2])
    two = desk.of("two")
    left = two.adopt()
    assert desk.lists() == ["one"]
    two.begin([*left.values(), ENTRIES[2]], until=desk.run_clock.after(60))
    assert desk.lists() == ["two"]
    desk.clock.sleep(100)
    assert len(desk.of("three").adopt()) == 3


def test_what_is_left_is_the_next_runs_at_once(desk: Desk) -> None:
    one = desk.of("one")
    one.begin(ENTRIES, until=desk.run_clock.after(600))
    one.finish(ENTRIES[:1])
    assert list(desk.of("two").adopt().values()) == ENTRIES[:1]


def test_of_two_lists_with_one_item_the_longer_history_counts(desk: Desk) -> None:
    again = BacklogItem(item=ITEMS[0], status="failed", failures=2)
    desk.of("one").finish([again])
    desk.of("two").finish([ENTRIES[0]])
    assert desk.of("three").adopt() == {ITEMS[0].content_hash: again}


def test_a_failure_is_told_with_all_that_an_operator_asks(desk: Desk) -> None:
    left = desk.of("one").record(ENTRIES[0], failed(ITEMS[0], Fault.VALIDATION, reason="not retryable"), "k1")
    desk.of("one").finish([left])
    (key,) = desk.store.list("")
    (told,) = json.loads(desk.store.get(key))["entries"]
    told.pop("item")
    assert told == {
        "status": "failed",
        "fault": "validation",
        "error": "ValueError: too long",
        "reason": "not retryable",
        "attempts": 4,
        "backoff_seconds": 3.5,
        "failures": 1,
        "key": "k1",
        "failed_at": "2026-11-21T06:30:00Z",
        "run_id": "one",
    }


def test_failures_through_an_items_own_fault_are_counted_while_the_request_is_the_same(desk: Desk) -> None:
    one, entry = desk.of("one"), ENTRIES[0]
    for times in range(1, MAX_FAILED_RUNS + 1):
        entry = one.record(entry, failed(ITEMS[0], Fault.MALFORMED_RESPONSE), "k1")
        assert entry.failures == times
    entry = one.record(entry, failed(ITEMS[0], Fault.THROTTLING), "k1")
    assert (entry.failures, entry.fault) == (MAX_FAILED_RUNS, "throttling")
    assert one.record(entry, failed(ITEMS[0], Fault.VALIDATION), "k2").failures == 1


def test_an_item_that_was_not_started_keeps_its_history(desk: Desk) -> None:
    one = desk.of("one")
    entry = one.record(ENTRIES[0], failed(ITEMS[0], Fault.VALIDATION), "k1")
    desk.clock.sleep(60)
    outcome: ItemOutcome[RawItem, Any] = ItemOutcome(index=0, item=ITEMS[0], status="unstarted", reason="deadline")
    left = desk.of("two").record(entry, outcome, "k1")
    assert (left.status, left.reason, left.fault, left.failures) == ("unstarted", "deadline", "validation", 1)
    assert (left.failed_at, left.run_id, left.error) == (NOW, "two", "ValueError: too long")


@pytest.mark.parametrize("body", [b"", b"[]", b"\xff", b'{"run": "x", "until": "2026-11-21T06:30:00", "entries": []}'])
def test_a_list_that_cannot_be_read_is_left_alone(desk: Desk, body: bytes, caplog: pytest.LogCaptureFixture) -> None:
    desk.store.put("normalized/small/outstanding/odd.json", body)
    one = desk.of("one")
    assert one.adopt() == {}
    one.begin(ENTRIES, until=None)
    assert desk.lists() == ["odd", "one"]
    assert "cannot be read, and is ignored" in caplog.text


class _Crowded(FolderStore):
    """Another run takes the list over between its listing and its reading."""

    def get(self, key: str) -> bytes:
        raise NotFoundError(key)


def test_a_list_that_another_run_takes_over_at_this_moment_is_not_ours(desk: Desk, tmp_path: Path) -> None:
    desk.of("one").finish(ENTRIES)
    desk.store = _Crowded(tmp_path)
    assert desk.of("two").adopt() == {}


class _Clinging(FolderStore):
    def delete(self, key: str) -> None:
        raise StoreError(f"{key}: cannot be removed: AccessDenied")


def test_a_list_that_cannot_be_removed_costs_a_look_and_nothing_else(
    desk: Desk, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    desk.of("one").finish(ENTRIES)
    desk.store = _Clinging(tmp_path)
    two = desk.of("two")
    two.begin(two.adopt().values(), until=None)
    two.finish([])
    assert desk.lists() == ["one", "two"]
    assert caplog.text.count("is finished, but could not be removed") == 2
    assert len(desk.of("three").adopt()) == 3


def test_lists_of_other_clients_are_none_of_ours(desk: Desk) -> None:
    desk.of("one").finish(ENTRIES)
    assert Backlog(desk.store, "smaller", run_id="two", run_clock=desk.run_clock).adopt() == {}


def test_an_item_survives_the_way(desk: Desk) -> None:
    whole = msgspec.structs.replace(ITEMS[0], title="Étude «PRÉLUDE»", published_at=None, company_id=None)
    desk.of("one").finish([BacklogItem(item=whole)])
    assert [entry.item for entry in desk.of("two").adopt().values()] == [whole]
