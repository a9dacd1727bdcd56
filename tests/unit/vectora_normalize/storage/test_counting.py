"""The operations of a store are counted by what S3 charges for them."""

from __future__ import annotations

from support.memory_store import MemoryStore
from vectora_normalize.storage.counting import CountingStore


def test_each_operation_is_counted_once_and_passed_on() -> None:
    inner = MemoryStore()
    store = CountingStore(inner)
    assert store.requests == {"reads": 0, "writes": 0, "deletes": 0}
    version = store.put_if_absent("a", b"1")
    assert version is not None
    changed = store.put_if_unchanged("a", b"2", version)
    assert changed is not None
    assert store.get("a") == store.read("a").body == inner.get("a") == b"2"
    assert store.exists("a")
    assert list(store.list("")) == ["a"]
    assert store.delete_if_unchanged("a", changed)
    store.put("b", b"3")
    store.delete("b")
    assert list(inner.list("")) == []
    assert store.requests == {"reads": 3, "writes": 4, "deletes": 2}
    assert store.clock_skew == inner.clock_skew
