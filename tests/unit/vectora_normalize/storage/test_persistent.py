"""Operations that a run cannot do without are tried again for as long as there is time."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import pytest

from bedrock_resilience.testing import FakeClock
from support.memory_store import MemoryStore
from vectora_normalize.storage.objects import NotFoundError, Stored, StoreError, TransientStoreError
from vectora_normalize.storage.persistent import BACKOFF, MAX_SECONDS, PersistentStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class FlakyStore(MemoryStore):
    """Refuses a share of all requests."""

    def __init__(self, share: float, *, seed: int = 1) -> None:
        super().__init__()
        self._share = share
        self._rng = random.Random(seed)
        self.refused = 0

    def _refuse(self) -> None:
        if self._rng.random() < self._share:
            self.refused += 1
            raise TransientStoreError("k: cannot be read: SlowDown: reduce your request rate")

    def read(self, key: str) -> Stored:
        self._refuse()
        return super().read(key)

    def put(self, key: str, body: bytes) -> None:
        self._refuse()
        super().put(key, body)

    def put_if_absent(self, key: str, body: bytes) -> str | None:
        self._refuse()
        return super().put_if_absent(key, body)

    def put_if_unchanged(self, key: str, body: bytes, version: str) -> str | None:
        self._refuse()
        return super().put_if_unchanged(key, body, version)

    def delete(self, key: str) -> None:
        self._refuse()
        super().delete(key)

    def delete_if_unchanged(self, key: str, version: str) -> bool:
        self._refuse()
        return super().delete_if_unchanged(key, version)

    def exists(self, key: str) -> bool:
        self._refuse()
        return super().exists(key)

    def list(self, prefix: str) -> Iterator[str]:
        self._refuse()
        return super().list(prefix)


def persistent(store: MemoryStore, clock: FakeClock, has_time: Callable[[], bool] = lambda: True) -> PersistentStore:
    return PersistentStore(store, clock=clock, has_time=has_time, rng=random.Random(2))


def test_every_operation_survives_a_store_that_refuses_most_requests() -> None:
    flaky = FlakyStore(0.6)
    store = persistent(flaky, FakeClock())
    for number in range(100):
        key = f"a/{number}"
        version = store.put_if_absent(key, b"1")
        assert version is not None
        assert store.put_if_absent(key, b"2") is None
        assert store.put_if_unchanged(key, b"2", version) is not None
        assert store.get(key) == store.read(key).body == b"2"
        assert store.exists(key)
        assert list(store.list("a/")) == [key]
        assert store.delete_if_unchanged(key, version) is False
        store.delete(key)
        store.put("b", b"3")
    assert flaky.refused > 1000
    assert store.clock_skew == flaky.clock_skew


def test_a_store_that_stays_away_is_given_up_after_a_minute() -> None:
    clock = FakeClock()
    flaky = FlakyStore(1.0)
    with pytest.raises(TransientStoreError):
        persistent(flaky, clock).get("a")
    assert 30 < clock.monotonic() <= MAX_SECONDS
    assert 20 < flaky.refused <= BACKOFF.max_retries + 1


def test_no_attempt_begins_where_there_is_no_time() -> None:
    flaky = FlakyStore(1.0)
    with pytest.raises(TransientStoreError):
        persistent(flaky, FakeClock(), has_time=lambda: False).get("a")
    assert flaky.refused == 1


@pytest.mark.parametrize("error", [NotFoundError("a"), StoreError("a: AccessDenied")])
def test_any_other_error_is_raised_at_once(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    store = MemoryStore()
    calls: list[str] = []

    def refuse(key: str) -> Any:  # noqa: ANN401 - never returns
        calls.append(key)
        raise error

    monkeypatch.setattr(store, "get", refuse)
    with pytest.raises(type(error)):
        persistent(store, FakeClock()).get("a")
    assert calls == ["a"]


def test_the_last_attempt_is_made_after_the_last_delay(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = FakeClock()
    monkeypatch.setattr("vectora_normalize.storage.persistent.MAX_SECONDS", 1e9)
    flaky = FlakyStore(1.0)
    with pytest.raises(TransientStoreError):
        persistent(flaky, clock).put("a", b"")
    assert flaky.refused == BACKOFF.max_retries + 1
