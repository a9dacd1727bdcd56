"""Of many writers none is lost, and none waits for ever."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from support.memory_store import MemoryStore, NoDeleteStore
from support.ticking import Ticking
from vectora_normalize.storage.compare_and_swap import BACKOFF, CompareAndSwap, Written
from vectora_normalize.storage.objects import StoreConflictError, Stored, StoreError

if TYPE_CHECKING:
    from collections.abc import Callable


class _Contended(MemoryStore):
    """Refuses the first writes, as if others had written in between."""

    def __init__(self, lost: int, *, conflict: bool = False) -> None:
        super().__init__()
        self.lost = lost
        self.conflict = conflict
        self.reads = 0

    def read(self, key: str) -> Stored:
        self.reads += 1
        return super().read(key)

    def put_if_absent(self, key: str, body: bytes) -> str | None:
        return self._attempt(lambda: super(_Contended, self).put_if_absent(key, body))

    def put_if_unchanged(self, key: str, body: bytes, version: str) -> str | None:
        return self._attempt(lambda: super(_Contended, self).put_if_unchanged(key, body, version))

    def _attempt(self, write: Callable[[], str | None]) -> str | None:
        if self.lost:
            self.lost -= 1
            if self.conflict:
                raise StoreConflictError("another write was under way")
            return None
        return write()


def increment(stored: Stored | None) -> bytes:
    return b"%d" % (1 if stored is None else int(stored.body) + 1)


def test_the_first_attempt_needs_no_read() -> None:
    store = _Contended(0)
    written = CompareAndSwap(store, clock=Ticking()).update("n", increment)
    assert (written.body, store.get("n"), store.reads) == (b"1", b"1", 1)
    again = CompareAndSwap(store, clock=Ticking()).update("n", increment, current=Stored(b"1", written.version))
    assert (again.body, store.reads) == (b"2", 1)


@pytest.mark.parametrize("conflict", [False, True])
def test_after_a_wrong_expectation_lost_writes_are_tried_again_after_a_delay(*, conflict: bool) -> None:
    clock, store = Ticking(), _Contended(3, conflict=conflict)
    assert CompareAndSwap(store, clock=clock, rng=random.Random(7)).update("n", increment).body == b"1"
    rng = random.Random(7)
    assert clock.slept == [BACKOFF.delay(retry, rng.random()) for retry in range(2)]
    assert store.reads == 3


def test_a_change_may_end_without_a_write() -> None:
    store = MemoryStore()
    store.put("n", b"41")
    swap = CompareAndSwap(store, clock=Ticking())
    result: Written | int = swap.update("n", lambda stored: increment(None) if stored is None else int(stored.body))
    assert (result, store.get("n")) == (41, b"41")


def test_a_writer_that_always_loses_gives_up_within_ten_seconds() -> None:
    clock = Ticking()
    with pytest.raises(StoreError, match=r"^n: cannot be written: others kept writing it at the same moment$"):
        CompareAndSwap(_Contended(1000), clock=clock).update("n", increment)
    assert len(clock.slept) == BACKOFF.max_retries - 1
    assert sum(BACKOFF.bounds(retry)[1] for retry in range(BACKOFF.max_retries)) < 10


def test_the_changes_of_many_writers_are_all_kept() -> None:
    store = MemoryStore()

    def write(_: int) -> None:
        CompareAndSwap(store).update("n", increment)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(64)))
    assert store.get("n") == b"64"


def is_mine(body: bytes) -> bool:
    return body.startswith(b"mine")


class TestRemove:
    def test_a_known_version_needs_no_read(self) -> None:
        store = _Contended(0)
        version = store.put_if_absent("n", b"mine")
        CompareAndSwap(store, clock=Ticking()).remove("n", is_mine, instead=b"over", version=version)
        assert (store.exists("n"), store.reads) == (False, 0)

    @pytest.mark.parametrize("version", [None, "old"])
    def test_another_version_of_the_same_owner_is_removed(self, version: str | None) -> None:
        store = MemoryStore()
        store.put("n", b"mine, renewed")
        CompareAndSwap(store, clock=Ticking()).remove("n", is_mine, instead=b"over", version=version)
        assert not store.exists("n")

    @pytest.mark.parametrize("version", [None, "old"])
    def test_what_is_gone_or_of_another_owner_stays_so(self, version: str | None) -> None:
        store = MemoryStore()
        swap = CompareAndSwap(store, clock=Ticking())
        swap.remove("n", is_mine, instead=b"over", version=version)
        assert not store.exists("n")
        store.put("n", b"theirs")
        swap.remove("n", is_mine, instead=b"over", version=version)
        assert store.get("n") == b"theirs"

    def test_what_may_not_be_removed_is_overwritten(self) -> None:
        store = NoDeleteStore()
        store.put("n", b"mine")
        CompareAndSwap(store, clock=Ticking()).remove("n", is_mine, instead=b"over", version="old")
        assert store.get("n") == b"over"

    @pytest.mark.parametrize("times", [1, 2, BACKOFF.max_retries])
    def test_a_conflict_is_tried_again_after_a_delay(self, times: int) -> None:
        store, clock = _ConflictsOnDelete(times), Ticking()
        store.put("n", b"mine")
        CompareAndSwap(store, clock=clock).remove("n", is_mine, instead=b"over")
        assert not store.exists("n")
        assert len(clock.slept) == times - 1

    def test_conflicts_without_end_raise(self) -> None:
        store, clock = _ConflictsOnDelete(1000), Ticking()
        store.put("n", b"mine")
        with pytest.raises(StoreError, match="n: cannot be removed: others kept writing it"):
            CompareAndSwap(store, clock=clock).remove("n", is_mine, instead=b"over")
        assert len(clock.slept) == BACKOFF.max_retries - 1


class _ConflictsOnDelete(MemoryStore):
    def __init__(self, conflicts: int) -> None:
        super().__init__()
        self.conflicts = conflicts

    def delete_if_unchanged(self, key: str, version: str) -> bool:
        if self.conflicts:
            self.conflicts -= 1
            raise StoreConflictError("another write was under way")
        return super().delete_if_unchanged(key, version)
