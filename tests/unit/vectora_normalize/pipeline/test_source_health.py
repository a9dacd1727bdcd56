"""The runs in a row in which a source fails are counted from run to run."""

from __future__ import annotations

import pytest

from support.memory_store import MemoryStore
from support.ticking import Ticking
from vectora_normalize.pipeline.source_health import count_failed_runs
from vectora_normalize.storage.objects import Stored, StoreError

KEY = "normalized/c/sources.json"


def count(store: MemoryStore, **failed: bool) -> dict[str, int]:
    return count_failed_runs(store, "c", failed, clock=Ticking())


def test_runs_in_a_row_are_counted_and_a_success_ends_the_row() -> None:
    store = MemoryStore()
    assert count(store, a=True, b=False) == {"a": 1}
    assert count(store, a=True, b=True) == {"a": 2, "b": 1}
    assert count(store, b=True) == {"b": 2}, "a was not read, and keeps its count"
    assert count(store, a=True, b=False) == {"a": 3}
    assert store.get(KEY) == b'{"a":3}'


def test_nothing_is_written_where_nothing_fails() -> None:
    store = MemoryStore()
    store.put(KEY, b"{}")
    version = store.read(KEY).version
    assert count(store, a=False) == {}
    assert store.read(KEY).version == version


@pytest.mark.parametrize("body", [b"", b"\xff", b"[]", b'{"a": "x"}', b"[" * 100_000])
def test_an_object_that_cannot_be_read_is_replaced(body: bytes) -> None:
    store = MemoryStore()
    store.put(KEY, body)
    assert count(store, a=True) == {"a": 1}
    assert count(store, a=True) == {"a": 2}


class _BrokenStore(MemoryStore):
    def read(self, key: str) -> Stored:
        raise StoreError(f"{key}: cannot be read")

    def put_if_absent(self, key: str, body: bytes) -> str | None:
        raise StoreError(f"{key}: cannot be written")


def test_a_store_that_fails_costs_the_count_and_not_the_run() -> None:
    assert count(_BrokenStore(), a=True, b=False) == {"a": 1}


def test_the_number_of_sources_is_bounded() -> None:
    store = MemoryStore()
    count(store, worst=True)
    assert count(store, worst=True, **{f"s{number}": True for number in range(1500)})["worst"] == 2
    assert store.get(KEY).count(b":") == 1000
    assert b'"worst":2' in store.get(KEY)
