"""The items of past days are collected, each text once; other objects are ignored."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path  # noqa: TC003 - pytest reads the annotations
from typing import TYPE_CHECKING

import msgspec

from support.items import raw_item
from vectora_normalize.backfill.collect_raw import collect_raw
from vectora_normalize.storage.objects import FolderStore

if TYPE_CHECKING:
    import pytest

    from vectora_normalize.backfill.collect_raw import CollectedItem
    from vectora_normalize.items import RawItem

FIRST, LAST = dt.date(2026, 11, 1), dt.date(2026, 11, 30)
ITEMS = [raw_item(f"Item {number}.", number=number) for number in range(4)]


def put(store: FolderStore, day: str, *items: RawItem, source: str = "one", client: str = "small") -> None:
    store.put(f"raw/{client}/{source}/{day}/raw.json", json.dumps([item.to_dict() for item in items]).encode())


def found(store: FolderStore, **options: object) -> list[CollectedItem]:
    return collect_raw(store, "small", **{"first": FIRST, "last": LAST, **options})  # type: ignore[arg-type]  # the options


def test_items_come_in_the_order_of_their_days_with_all_of_them(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    put(store, "2026/11/21", ITEMS[1], ITEMS[0])
    put(store, "2026/11/20", ITEMS[0], source="two")
    put(store, "2026/11/20", ITEMS[2], source="one")
    assert [(one.item, [day.day for day in one.days]) for one in found(store)] == [
        (ITEMS[2], [20]),
        (ITEMS[0], [20, 21]),
        (ITEMS[1], [21]),
    ]


def test_an_item_of_two_sources_on_one_day_is_collected_once(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    put(store, "2026/11/20", ITEMS[0], source="one")
    put(store, "2026/11/20", ITEMS[0], source="two")
    (one,) = found(store)
    assert one.days == [dt.date(2026, 11, 20)]


def test_only_the_given_days_sources_and_client_are_collected(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    put(store, "2026/10/31", ITEMS[0])
    put(store, "2026/12/01", ITEMS[0])
    put(store, "2026/11/01", ITEMS[1], source="other")
    put(store, "2026/11/02", ITEMS[2], client="smaller")
    put(store, "2026/11/30", ITEMS[3])
    assert [one.item for one in found(store)] == [ITEMS[1], ITEMS[3]]
    assert [one.item for one in found(store, sources=["one"])] == [ITEMS[3]]


def test_other_objects_are_ignored(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    put(store, "2026/11/31", ITEMS[0])
    store.put("raw/small/one/2026/11/20/raw.unreadable-1.json", b"[]")
    store.put("raw/small/notes.txt", b"")
    assert found(store) == []


def test_what_cannot_be_read_is_ignored_with_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    store = FolderStore(tmp_path)
    undated = msgspec.structs.replace(ITEMS[1], published_at=None)
    rows = [ITEMS[0].to_dict(), {"title": "no more"}, undated.to_dict(), "text"]
    store.put("raw/small/one/2026/11/20/raw.json", json.dumps(rows).encode())
    store.put("raw/small/two/2026/11/20/raw.json", b"{")
    assert [one.item for one in found(store)] == [ITEMS[0]]
    assert "raw.json: item 1 is ignored: " in caplog.text
    assert "raw.json: item 3 is ignored: " in caplog.text
    assert "two/2026/11/20/raw.json: cannot be read, and is ignored" in caplog.text


def test_a_period_includes_its_first_and_last_day(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    put(store, "2026/11/01", ITEMS[0])
    put(store, "2026/11/30", ITEMS[1])
    assert [one.item for one in found(store)] == ITEMS[:2]
