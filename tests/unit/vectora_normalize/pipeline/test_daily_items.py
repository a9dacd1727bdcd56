"""Many workers write one list, and one of them at a time adds what all have put aside."""

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


class Desk:
    def __init__(self, root: Path) -> None:
        self.clock = Ticking()
        self.run_clock = RunClock(NOW, self.clock)
        self.store: ObjectStore = FolderStore(root)

    def lists(self, run: str = "one") -> DailyItems:
        return DailyItems(self.store, "small", run_id=run, run_clock=self.run_clock)

    def listed(self, key: str = LIST) -> set[str]:
        return {row["content_hash"] for row in json.loads(self.store.get(key))}

    def parts(self) -> list[str]:
        return list(self.store.list("normalized/small/parts/"))


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def rows(*names: str) -> list[dict[str, object]]:
    return [{"content_hash": name, "published_at": "2026-11-20"} for name in names]


def test_what_is_put_aside_is_added_by_whoever_comes(desk: Desk) -> None:
    desk.lists("one").stage(DAY, rows("a", "b"), "1")
    desk.lists("one").stage(DAY, rows("c"), "2")
    assert desk.parts() == [f"normalized/small/parts/2026-11-21/one-{number}.json" for number in (1, 2)]
    assert desk.lists("two").compact() == 2
    assert desk.listed() == {"a", "b", "c"}
    assert list(desk.store.list("normalized/small/parts")) == []


def test_where_nothing_was_put_aside_nothing_is_written(desk: Desk) -> None:
    assert desk.lists().compact() == 0
    assert list(desk.store.list("")) == []


def test_each_part_goes_to_the_list_of_its_day(desk: Desk) -> None:
    desk.lists().stage(DAY, rows("a"), "1")
    desk.lists().stage(dt.date(2026, 11, 20), rows("b"), "2")
    assert desk.lists().compact() == 2
    assert desk.listed() == {"a"}
    assert desk.listed("normalized/small/2026/11/20/items.json") == {"b"}


def test_what_is_in_the_list_already_stays(desk: Desk) -> None:
    desk.store.put(LIST, json.dumps(rows("old")).encode())
    desk.lists().stage(DAY, rows("a"), "1")
    desk.lists().compact()
    assert desk.listed() == {"old", "a"}


class _Busy(FolderStore):
    """While one adds, another puts a part aside, finds the lease taken, and goes."""

    other: DailyItems | None = None

    def put_if_absent(self, key: str, body: bytes) -> str | None:
        if key == LIST and self.other is not None:
            other, self.other = self.other, None
            other.stage(DAY, rows("late"), "9")
            assert other.compact() == 0
        return super().put_if_absent(key, body)


def test_whoever_adds_looks_once_more_for_those_who_went(desk: Desk, tmp_path: Path) -> None:
    store = _Busy(tmp_path)
    desk.store = store
    store.other = desk.lists("two")
    one = desk.lists("one")
    one.stage(DAY, rows("a"), "1")
    assert one.compact() == 2
    assert desk.listed() == {"a", "late"}
    assert desk.parts() == []


def test_many_workers_at_once_lose_nothing(desk: Desk) -> None:
    start = threading.Barrier(6)

    def work(number: int) -> None:
        start.wait()
        mine = desk.lists(f"worker-{number}")
        for turn in range(5):
            mine.stage(DAY, rows(f"{number}-{turn}"), str(turn))
            mine.compact()

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(work, range(6)))
    assert desk.listed() == {f"{number}-{turn}" for number in range(6) for turn in range(5)}
    assert desk.parts() == []


def test_a_worker_without_time_leaves_the_parts_to_the_next(desk: Desk) -> None:
    tired = DailyItems(desk.store, "small", run_id="one", run_clock=desk.run_clock, may_continue=lambda: False)
    tired.stage(DAY, rows("a"), "1")
    assert tired.compact() == 0
    assert desk.lists("two").compact() == 1


def test_the_lease_of_a_worker_that_was_killed_is_over_soon(desk: Desk) -> None:
    expires = (NOW + dt.timedelta(seconds=30)).isoformat()
    desk.store.put("normalized/small/parts.lease.json", json.dumps({"owner": "dead", "expires_at": expires}).encode())
    desk.lists().stage(DAY, rows("a"), "1")
    assert desk.lists().compact() == 0
    desk.clock.sleep(30 + desk.store.clock_skew + 0.1)
    assert desk.lists().compact() == 1


def test_a_part_that_cannot_be_read_is_left_alone(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    desk.store.put("normalized/small/parts/2026-11-21/bad.json", b"{")
    desk.store.put("normalized/small/parts/2026-02-31/no-day.json", b"[]")
    desk.store.put("normalized/small/parts/note.txt", b"")
    desk.lists().stage(DAY, rows("a"), "1")
    assert desk.lists().compact() == 1
    assert desk.listed() == {"a"}
    assert len(desk.parts()) == 3
    assert "bad.json: cannot be read, and is ignored" in caplog.text


def test_only_parts_that_cannot_be_read_make_no_list(desk: Desk) -> None:
    desk.store.put("normalized/small/parts/2026-11-21/bad.json", b"{")
    assert desk.lists().compact() == 0
    assert not desk.store.exists(LIST)


class _Gone(FolderStore):
    def get(self, key: str) -> bytes:
        if "/parts/" in key:
            raise NotFoundError(key)
        return super().get(key)


def test_a_part_that_somebody_else_has_added_meanwhile_is_no_loss(desk: Desk, tmp_path: Path) -> None:
    desk.store = _Gone(tmp_path)
    desk.lists().stage(DAY, rows("a"), "1")
    assert desk.lists().compact() == 0


class _Clinging(FolderStore):
    def delete(self, key: str) -> None:
        raise StoreError(f"{key}: cannot be removed: AccessDenied")


def test_a_part_that_cannot_be_removed_is_added_once_by_each(
    desk: Desk, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    desk.store = _Clinging(tmp_path)
    desk.lists().stage(DAY, rows("a"), "1")
    assert desk.lists().compact() == 1
    assert desk.listed() == {"a"}
    assert "so it will be added again" in caplog.text
