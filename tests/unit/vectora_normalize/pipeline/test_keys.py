"""Runs of one day add to each other's items; nobody's are lost, whatever lay there before."""

from __future__ import annotations

import datetime as dt
import functools
import json
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from vectora_normalize.pipeline.keys import ObjectKeys, add_rows, to_json
from vectora_normalize.storage.objects import FolderStore, NotFoundError, Stored, StoreError, check_key

if TYPE_CHECKING:
    from pathlib import Path

PLACES = ObjectKeys("lai_weekly", dt.date(2026, 1, 9), "1b7c-4d")


def row(name: str, day: str = "2026-11-20", **fields: object) -> dict[str, object]:
    return {"content_hash": name, "published_at": day, **fields}


def add(store: FolderStore, *rows: dict[str, object]) -> int:
    return add_rows(store, PLACES.items, rows)


def items(store: FolderStore) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = json.loads(store.get(PLACES.items))
    return rows


def test_keys_are_those_of_the_contract() -> None:
    assert PLACES.items == "normalized/lai_weekly/2026/01/09/items.json"
    assert PLACES.report == "normalized/lai_weekly/2026/01/09/run-1b7c-4d.json"
    assert PLACES.raw("press_sector__endpoints") == "raw/lai_weekly/press_sector__endpoints/2026/01/09/raw.json"


@pytest.mark.parametrize("name", ["", "../..", "a/b", "x" * 500, "é", "a b\n"])
def test_any_name_gives_a_valid_key(name: str) -> None:
    places = ObjectKeys("c", dt.date(2026, 1, 9), name)
    for key in (places.report, places.raw(name)):
        assert check_key(key).count("/") == 6 - (key == places.report)


def test_the_first_run_of_a_day_writes_its_rows(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    assert add(store, row("a", title="Société")) == 1
    assert items(store) == [row("a", title="Société")]
    assert "Société".encode() in store.get(PLACES.items)


def test_a_run_without_items_leaves_an_empty_list(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    assert add(store) == 0
    assert items(store) == []


def test_a_second_run_keeps_the_rows_of_the_first_and_replaces_its_own(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    add(store, row("a", summary="old"), row("b", summary="old"))
    assert add(store, row("b", summary="new"), row("c", summary="new")) == 3
    assert {item["content_hash"]: item["summary"] for item in items(store)} == {"a": "old", "b": "new", "c": "new"}


def test_the_order_of_rows_does_not_depend_on_the_order_of_writes(tmp_path: Path) -> None:
    rows = [row("b", "2026-11-19"), row("a", "2026-11-20"), row("c", "2026-11-20"), row("d", "2026-11-18")]
    stores = [FolderStore(tmp_path / name) for name in ("one", "other")]
    for store, order in zip(stores, (rows, rows[::-1]), strict=True):
        for one in order:
            add(store, one)
    assert [item["content_hash"] for item in items(stores[0])] == ["a", "c", "b", "d"]
    assert stores[0].get(PLACES.items) == stores[1].get(PLACES.items)


def test_rows_with_unknown_fields_are_not_changed(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    foreign: list[dict[str, object]] = [{"id": 7, "text": "older"}, {"id": 8, "text": "older"}, {"content_hash": None}]
    store.put(PLACES.items, to_json(foreign))
    assert add(store, row("a")) == 4
    assert all(one in items(store) for one in foreign)


NESTED = b'[{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}]"


@pytest.mark.parametrize("body", [b"", b"\xff", b"{", b"{}", b'"text"', b"[1]", b"null", NESTED])
def test_an_object_that_is_not_a_list_is_copied_and_replaced(
    tmp_path: Path, body: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    store = FolderStore(tmp_path)
    store.put(PLACES.items, body)
    assert add(store, row("a")) == 1
    assert items(store) == [row("a")]
    aside = [key for key in store.list("") if key != PLACES.items]
    assert [store.get(key) for key in aside] == [body]
    assert aside[0].startswith("normalized/lai_weekly/2026/01/09/items.unreadable-")
    assert caplog.messages == [
        f"UnreadableListError: {PLACES.items}: is not a list of items, or nested too deeply; it is kept as {aside[0]}"
    ]


def test_concurrent_runs_lose_no_rows(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    rows = [row(str(number)) for number in range(16)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(functools.partial(add, store), rows))
    assert {item["content_hash"] for item in items(store)} == {str(number) for number in range(16)}


class _RestlessStore(FolderStore):
    """Somebody else always writes between a read and the write that follows it."""

    def read(self, key: str) -> Stored:
        return Stored(super().read(key).body, uuid.uuid4().hex)


def test_a_writer_that_always_loses_raises(tmp_path: Path) -> None:
    FolderStore(tmp_path).put(PLACES.items, b"[]")
    with pytest.raises(StoreError, match=r"items\.json: cannot be written: others kept writing it"):
        add(_RestlessStore(tmp_path), row("a"))
    assert items(FolderStore(tmp_path)) == []


class _TidiedStore(FolderStore):
    """Somebody deletes the object between two looks at it."""

    def read(self, key: str) -> Stored:
        stored = super().read(key)
        (self.root / key).unlink()
        raise NotFoundError(f"{key}: {len(stored.body)} bytes are gone")


def test_an_object_deleted_meanwhile_is_written_again(tmp_path: Path) -> None:
    FolderStore(tmp_path).put(PLACES.items, to_json([row("old")]))
    assert add(_TidiedStore(tmp_path), row("a")) == 1
    assert items(FolderStore(tmp_path)) == [row("a")]
