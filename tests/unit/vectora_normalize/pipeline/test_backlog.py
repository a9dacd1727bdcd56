"""The items that a run has begun are known to the next run, however the run ended."""

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


class Runs:
    """A folder in which runs have their backlogs."""

    def __init__(self, root: Path) -> None:
        self.clock = Ticking()
        self.run_clock = RunClock(NOW, self.clock)
        self.store: ObjectStore = FolderStore(root)

    def of(self, run: str) -> Backlog:
        return Backlog(self.store, "small", run_id=run, run_clock=self.run_clock)

    def objects(self) -> list[str]:
        return [key.rpartition("/")[2].removesuffix(".json") for key in self.store.list("")]


@pytest.fixture
def runs(tmp_path: Path) -> Runs:
    return Runs(tmp_path)


def failed(item: RawItem, fault: Fault, **fields: Any) -> ItemOutcome[RawItem, Any]:  # noqa: ANN401 - of an outcome
    error = ValueError("too long")
    return ItemOutcome(
        index=0, item=item, status="failed", fault=fault, error=error, attempts=4, backoff_seconds=3.50004, **fields
    )


def test_a_complete_run_removes_its_backlog(runs: Runs) -> None:
    one = runs.of("one")
    one.begin(ENTRIES, until=NOW)
    assert runs.objects() == ["one"]
    one.finish([])
    assert runs.objects() == []


def test_a_run_without_items_writes_no_backlog(runs: Runs) -> None:
    runs.of("one").finish([])
    assert runs.objects() == []


def test_the_backlog_of_a_killed_run_is_adopted_after_its_end(runs: Runs) -> None:
    runs.of("one").begin(ENTRIES, until=runs.run_clock.after(60))
    runs.clock.sleep(60 + runs.store.clock_skew)
    assert runs.of("two").adopt() == {}
    runs.clock.sleep(0.01)
    assert set(runs.of("two").adopt()) == {item.content_hash for item in ITEMS}


def test_the_backlog_of_a_run_without_an_end_is_shared(runs: Runs) -> None:
    runs.of("one").begin(ENTRIES, until=None)
    assert len(runs.of("two").adopt()) == 3


def test_an_adopted_backlog_is_stored_again_before_the_old_one_is_removed(runs: Runs) -> None:
    runs.of("one").finish(ENTRIES[:2])
    two = runs.of("two")
    adopted = two.adopt()
    assert runs.objects() == ["one"]
    two.begin([*adopted.values(), ENTRIES[2]], until=runs.run_clock.after(60))
    assert runs.objects() == ["two"]
    runs.clock.sleep(100)
    assert len(runs.of("three").adopt()) == 3


def test_unfinished_items_can_be_adopted_at_once(runs: Runs) -> None:
    one = runs.of("one")
    one.begin(ENTRIES, until=runs.run_clock.after(600))
    one.finish(ENTRIES[:1])
    assert list(runs.of("two").adopt().values()) == ENTRIES[:1]


def test_of_two_entries_of_an_item_the_one_with_more_failures_counts(runs: Runs) -> None:
    again = BacklogItem(item=ITEMS[0], status="failed", failures=2)
    runs.of("one").finish([again])
    runs.of("two").finish([ENTRIES[0]])
    assert runs.of("three").adopt() == {ITEMS[0].content_hash: again}


def test_a_failure_is_stored_with_its_details(runs: Runs) -> None:
    recorded = runs.of("one").record(ENTRIES[0], failed(ITEMS[0], Fault.VALIDATION, reason="not retryable"), "k1")
    runs.of("one").finish([recorded])
    (key,) = runs.store.list("")
    (stored,) = json.loads(runs.store.get(key))["entries"]
    stored.pop("item")
    assert stored == {
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


def test_failures_through_an_items_own_fault_are_counted_while_the_request_is_the_same(runs: Runs) -> None:
    one, entry = runs.of("one"), ENTRIES[0]
    for times in range(1, MAX_FAILED_RUNS + 1):
        entry = one.record(entry, failed(ITEMS[0], Fault.MALFORMED_RESPONSE), "k1")
        assert entry.failures == times
    entry = one.record(entry, failed(ITEMS[0], Fault.THROTTLING), "k1")
    assert (entry.failures, entry.fault) == (MAX_FAILED_RUNS, "throttling")
    assert one.record(entry, failed(ITEMS[0], Fault.VALIDATION), "k2").failures == 1


def test_an_unstarted_item_keeps_its_earlier_failure(runs: Runs) -> None:
    one = runs.of("one")
    entry = one.record(ENTRIES[0], failed(ITEMS[0], Fault.VALIDATION), "k1")
    runs.clock.sleep(60)
    outcome: ItemOutcome[RawItem, Any] = ItemOutcome(index=0, item=ITEMS[0], status="unstarted", reason="deadline")
    recorded = runs.of("two").record(entry, outcome, "k1")
    assert (recorded.status, recorded.reason, recorded.fault, recorded.failures) == (
        "unstarted",
        "deadline",
        "validation",
        1,
    )
    assert (recorded.failed_at, recorded.run_id, recorded.error) == (NOW, "two", "ValueError: too long")


@pytest.mark.parametrize("body", [b"", b"[]", b"\xff", b'{"run": "x", "until": "2026-11-21T06:30:00", "entries": []}'])
def test_an_unreadable_object_is_ignored(runs: Runs, body: bytes, caplog: pytest.LogCaptureFixture) -> None:
    runs.store.put("normalized/small/outstanding/damaged.json", body)
    one = runs.of("one")
    assert one.adopt() == {}
    one.begin(ENTRIES, until=None)
    assert runs.objects() == ["damaged", "one"]
    assert "cannot be read, and is ignored" in caplog.text


class _AdoptedMeanwhile(FolderStore):
    """Another run adopts the object between its listing and its reading."""

    def get(self, key: str) -> bytes:
        raise NotFoundError(key)


def test_an_object_that_another_run_adopts_meanwhile_is_skipped(runs: Runs, tmp_path: Path) -> None:
    runs.of("one").finish(ENTRIES)
    runs.store = _AdoptedMeanwhile(tmp_path)
    assert runs.of("two").adopt() == {}


class _RefusesDeletes(FolderStore):
    def delete(self, key: str) -> None:
        raise StoreError(f"{key}: cannot be removed: AccessDenied")


def test_an_object_that_cannot_be_removed_is_adopted_again(
    runs: Runs, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    runs.of("one").finish(ENTRIES)
    runs.store = _RefusesDeletes(tmp_path)
    two = runs.of("two")
    two.begin(two.adopt().values(), until=None)
    two.finish([])
    assert runs.objects() == ["one", "two"]
    assert caplog.text.count("is finished, but could not be removed") == 2
    assert len(runs.of("three").adopt()) == 3


def test_backlogs_of_other_clients_are_not_adopted(runs: Runs) -> None:
    runs.of("one").finish(ENTRIES)
    assert Backlog(runs.store, "smaller", run_id="two", run_clock=runs.run_clock).adopt() == {}


def test_an_item_is_stored_unchanged(runs: Runs) -> None:
    item = msgspec.structs.replace(ITEMS[0], title="Étude «PRÉLUDE»", published_at=None, company_id=None)
    runs.of("one").finish([BacklogItem(item=item)])
    assert [entry.item for entry in runs.of("two").adopt().values()] == [item]
