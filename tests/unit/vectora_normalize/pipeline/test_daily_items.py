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
from vectora_normalize.pipeline.daily_items import DailyLists
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
        self.wall = RunClock(NOW, self.clock)
        self.store: ObjectStore = FolderStore(root)

    def lists(self, run: str = "one") -> DailyLists:
        return DailyLists(self.store, "small", run=run, wall=self.wall)

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
    desk.lists("one").put_aside(DAY, rows("a", "b"), "1")
    desk.lists("one").put_aside(DAY, rows("c"), "2")
    assert desk.parts() == [f"normalized/small/parts/2026-11-21/one-{number}.json" for number in (1, 2)]
    assert desk.lists("two").add_parts() == 2
    assert desk.listed() == {"a", "b", "c"}
    assert list(desk.store.list("normalized/small/parts")) == []


def test_where_nothing_was_put_aside_nothing_is_written(desk: Desk) -> None:
    assert desk.lists().add_parts() == 0
    assert list(desk.store.list("")) == []


def test_each_part_goes_to_the_list_of_its_day(desk: Desk) -> None:
    desk.lists().put_aside(DAY, rows("a"), "1")
    desk.lists().put_aside(dt.date(2026, 11, 20), rows("b"), "2")
    assert desk.lists().add_parts() == 2
    assert desk.listed() == {"a"}
    assert desk.listed("normalized/small/2026/11/20/items.json") == {"b"}


def test_what_is_in_the_list_already_stays(desk: Desk) -> None:
    desk.store.put(LIST, json.dumps(rows("old")).encode())
    desk.lists().put_aside(DAY, rows("a"), "1")
    desk.lists().add_parts()
    assert desk.listed() == {"old", "a"}


class _Busy(FolderStore):
    """While one adds, another puts a part aside, finds the lease taken, and goes."""

    other: DailyLists | None = None

    def put_if_absent(self, key: str, body: bytes) -> str | None:
        if key == LIST and self.other is not None:
            other, self.other = self.other, None
            other.put_aside(DAY, rows("late"), "9")
            assert other.add_parts() == 0
        return super().put_if_absent(key, body)


def test_whoever_adds_looks_once_more_for_those_who_went(desk: Desk, tmp_path: Path) -> None:
    store = _Busy(tmp_path)
    desk.store = store
    store.other = desk.lists("two")
    one = desk.lists("one")
    one.put_aside(DAY, rows("a"), "1")
    assert one.add_parts() == 2
    assert desk.listed() == {"a", "late"}
    assert desk.parts() == []


def test_many_workers_at_once_lose_nothing(desk: Desk) -> None:
    start = threading.Barrier(6)

    def work(number: int) -> None:
        start.wait()
        mine = desk.lists(f"worker-{number}")
        for turn in range(5):
            mine.put_aside(DAY, rows(f"{number}-{turn}"), str(turn))
            mine.add_parts()

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(work, range(6)))
    assert desk.listed() == {f"{number}-{turn}" for number in range(6) for turn in range(5)}
    assert desk.parts() == []


def test_a_worker_without_time_leaves_the_parts_to_the_next(desk: Desk) -> None:
    tired = DailyLists(desk.store, "small", run="one", wall=desk.wall, may_go_on=lambda: False)
    tired.put_aside(DAY, rows("a"), "1")
    assert tired.add_parts() == 0
    assert desk.lists("two").add_parts() == 1


def test_the_lease_of_a_worker_that_was_killed_is_over_soon(desk: Desk) -> None:
    expires = (NOW + dt.timedelta(seconds=30)).isoformat()
    desk.store.put("normalized/small/parts.lease.json", json.dumps({"owner": "dead", "expires_at": expires}).encode())
    desk.lists().put_aside(DAY, rows("a"), "1")
    assert desk.lists().add_parts() == 0
    desk.clock.sleep(30 + desk.store.clock_skew + 0.1)
    assert desk.lists().add_parts() == 1


def test_a_part_that_cannot_be_read_is_left_alone(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    desk.store.put("normalized/small/parts/2026-11-21/bad.json", b"{")
    desk.store.put("normalized/small/parts/2026-02-31/no-day.json", b"[]")
    desk.store.put("normalized/small/parts/note.txt", b"")
    desk.lists().put_aside(DAY, rows("a"), "1")
    assert desk.lists().add_parts() == 1
    assert desk.listed() == {"a"}
    assert len(desk.parts()) == 3
    assert "bad.json: cannot be read, and is left alone" in caplog.text


def test_only_parts_that_cannot_be_read_make_no_list(desk: Desk) -> None:
    desk.store.put("normalized/small/parts/2026-11-21/bad.json", b"{")
    assert desk.lists().add_parts() == 0
    assert not desk.store.exists(LIST)


class _Gone(FolderStore):
    def get(self, key: str) -> bytes:
        if "/parts/" in key:
            raise NotFoundError(key)
        return super().get(key)


def test_a_part_that_somebody_else_has_added_meanwhile_is_no_loss(desk: Desk, tmp_path: Path) -> None:
    desk.store = _Gone(tmp_path)
    desk.lists().put_aside(DAY, rows("a"), "1")
    assert desk.lists().add_parts() == 0


class _Clinging(FolderStore):
    def delete(self, key: str) -> None:
        raise StoreError(f"{key}: cannot be removed: AccessDenied")


def test_a_part_that_cannot_be_removed_is_added_once_by_each(
    desk: Desk, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    desk.store = _Clinging(tmp_path)
    desk.lists().put_aside(DAY, rows("a"), "1")
    assert desk.lists().add_parts() == 1
    assert desk.listed() == {"a"}
    assert "is added, and will be again" in caplog.text
