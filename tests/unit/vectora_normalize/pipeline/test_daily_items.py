"""Many workers write one list; one of them at a time adds what all have staged."""

from __future__ import annotations

import datetime as dt
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path  # noqa: TC003 - pytest reads the annotations
from typing import TYPE_CHECKING

import pytest

from support.ticking import Ticking
from vectora_normalize.pipeline.daily_items import DailyItems
from vectora_normalize.storage.expiry import RunClock
from vectora_normalize.storage.objects import FolderStore, NotFoundError, StoreError

if TYPE_CHECKING:
    from vectora_normalize.storage.objects import ObjectStore

NOW = dt.datetime(2026, 11, 21, 6, 30, tzinfo=dt.UTC)
DAY = NOW.date()
LIST = "normalized/small/2026/11/21/items.json"


class Setup:
    def __init__(self, root: Path) -> None:
        self.clock = Ticking()
        self.run_clock = RunClock(NOW, self.clock)
        self.store: ObjectStore = FolderStore(root)

    def worker(self, run: str = "one") -> DailyItems:
        return DailyItems(self.store, "small", run_id=run, run_clock=self.run_clock)

    def listed(self, key: str = LIST) -> set[str]:
        return {row["content_hash"] for row in json.loads(self.store.get(key))}

    def staged(self) -> list[str]:
        return list(self.store.list("normalized/small/parts/"))


@pytest.fixture
def setup(tmp_path: Path) -> Setup:
    return Setup(tmp_path)


def rows(*names: str) -> list[dict[str, object]]:
    return [{"content_hash": name, "published_at": "2026-11-20"} for name in names]


def test_staged_rows_are_added_by_any_worker(setup: Setup) -> None:
    setup.worker("one").stage(DAY, rows("a", "b"), "1")
    setup.worker("one").stage(DAY, rows("c"), "2")
    assert setup.staged() == [f"normalized/small/parts/2026-11-21/one-{number}.json" for number in (1, 2)]
    assert setup.worker("two").compact() == 2
    assert setup.listed() == {"a", "b", "c"}
    assert list(setup.store.list("normalized/small/parts")) == []


def test_without_staged_rows_nothing_is_written(setup: Setup) -> None:
    assert setup.worker().compact() == 0
    assert list(setup.store.list("")) == []


def test_staged_rows_are_added_to_the_list_of_their_day(setup: Setup) -> None:
    setup.worker().stage(DAY, rows("a"), "1")
    setup.worker().stage(dt.date(2026, 11, 20), rows("b"), "2")
    assert setup.worker().compact() == 2
    assert setup.listed() == {"a"}
    assert setup.listed("normalized/small/2026/11/20/items.json") == {"b"}


def test_rows_of_the_list_stay(setup: Setup) -> None:
    setup.store.put(LIST, json.dumps(rows("old")).encode())
    setup.worker().stage(DAY, rows("a"), "1")
    setup.worker().compact()
    assert setup.listed() == {"old", "a"}


class _StagedMeanwhile(FolderStore):
    """While one worker compacts, another stages rows and does not get the lease."""

    other: DailyItems | None = None

    def put_if_absent(self, key: str, body: bytes) -> str | None:
        if key == LIST and self.other is not None:
            other, self.other = self.other, None
            other.stage(DAY, rows("late"), "9")
            assert other.compact() == 0
        return super().put_if_absent(key, body)


def test_rows_staged_while_the_lease_was_taken_are_added(setup: Setup, tmp_path: Path) -> None:
    store = _StagedMeanwhile(tmp_path)
    setup.store = store
    store.other = setup.worker("two")
    one = setup.worker("one")
    one.stage(DAY, rows("a"), "1")
    assert one.compact() == 2
    assert setup.listed() == {"a", "late"}
    assert setup.staged() == []


def test_many_workers_at_the_same_time_lose_no_rows(setup: Setup) -> None:
    start = threading.Barrier(6)

    def work(number: int) -> None:
        start.wait()
        mine = setup.worker(f"worker-{number}")
        for turn in range(5):
            mine.stage(DAY, rows(f"{number}-{turn}"), str(turn))
            mine.compact()

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(work, range(6)))
    assert setup.listed() == {f"{number}-{turn}" for number in range(6) for turn in range(5)}
    assert setup.staged() == []


def test_rows_of_a_worker_without_time_are_added_by_the_next(setup: Setup) -> None:
    without_time = DailyItems(setup.store, "small", run_id="one", run_clock=setup.run_clock, may_continue=lambda: False)
    without_time.stage(DAY, rows("a"), "1")
    assert without_time.compact() == 0
    assert setup.worker("two").compact() == 1


def test_the_lease_of_a_killed_worker_expires(setup: Setup) -> None:
    expires = (NOW + dt.timedelta(seconds=30)).isoformat()
    setup.store.put("normalized/small/parts.lease.json", json.dumps({"owner": "dead", "expires_at": expires}).encode())
    setup.worker().stage(DAY, rows("a"), "1")
    assert setup.worker().compact() == 0
    setup.clock.sleep(30 + setup.store.clock_skew + 0.1)
    assert setup.worker().compact() == 1


def test_an_unreadable_object_is_ignored(setup: Setup, caplog: pytest.LogCaptureFixture) -> None:
    setup.store.put("normalized/small/parts/2026-11-21/bad.json", b"{")
    setup.store.put("normalized/small/parts/2026-02-31/no-day.json", b"[]")
    setup.store.put("normalized/small/parts/note.txt", b"")
    setup.worker().stage(DAY, rows("a"), "1")
    assert setup.worker().compact() == 1
    assert setup.listed() == {"a"}
    assert len(setup.staged()) == 3
    assert "bad.json: cannot be read, and is ignored" in caplog.text


def test_unreadable_objects_alone_create_no_list(setup: Setup) -> None:
    setup.store.put("normalized/small/parts/2026-11-21/bad.json", b"{")
    assert setup.worker().compact() == 0
    assert not setup.store.exists(LIST)


class _AddedMeanwhile(FolderStore):
    def get(self, key: str) -> bytes:
        if "/parts/" in key:
            raise NotFoundError(key)
        return super().get(key)


def test_an_object_that_another_worker_added_meanwhile_is_skipped(setup: Setup, tmp_path: Path) -> None:
    setup.store = _AddedMeanwhile(tmp_path)
    setup.worker().stage(DAY, rows("a"), "1")
    assert setup.worker().compact() == 0


class _RefusesDeletes(FolderStore):
    def delete(self, key: str) -> None:
        raise StoreError(f"{key}: cannot be removed: AccessDenied")


def test_an_object_that_cannot_be_removed_is_added_once_by_each_worker(
    setup: Setup, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    setup.store = _RefusesDeletes(tmp_path)
    setup.worker().stage(DAY, rows("a"), "1")
    assert setup.worker().compact() == 1
    assert setup.listed() == {"a"}
    assert "so the next compaction adds it again" in caplog.text
