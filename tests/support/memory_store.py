"""A store in memory, for tests that make thousands of them."""

from __future__ import annotations

import itertools
import threading
from typing import TYPE_CHECKING

from vectora_normalize.storage.objects import NotFoundError, Stored, StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vectora_normalize.storage.objects import ObjectStore


class MemoryStore:
    """Keeps the contract of stores: complete objects and atomic conditions."""

    clock_skew = 1.0

    def __init__(self) -> None:
        self._objects: dict[str, Stored] = {}
        self._versions = itertools.count()
        self._lock = threading.Lock()

    def get(self, key: str) -> bytes:
        return self.read(key).body

    def read(self, key: str) -> Stored:
        with self._lock:
            if key not in self._objects:
                raise NotFoundError(key)
            return self._objects[key]

    def put(self, key: str, body: bytes) -> None:
        with self._lock:
            self._write(key, body)

    def put_if_absent(self, key: str, body: bytes) -> str | None:
        with self._lock:
            return None if key in self._objects else self._write(key, body)

    def put_if_unchanged(self, key: str, body: bytes, version: str) -> str | None:
        with self._lock:
            return self._write(key, body) if self._is_of(key, version) else None

    def delete(self, key: str) -> None:
        with self._lock:
            self._objects.pop(key, None)

    def delete_if_unchanged(self, key: str, version: str) -> bool:
        with self._lock:
            return self._is_of(key, version) and self._objects.pop(key, None) is not None

    def exists(self, key: str) -> bool:
        return key in self._objects

    def list(self, prefix: str) -> Iterator[str]:
        with self._lock:
            return iter(sorted(key for key in self._objects if key.startswith(prefix)))

    def _write(self, key: str, body: bytes) -> str:
        version = str(next(self._versions))
        self._objects[key] = Stored(body, version)
        return version

    def _is_of(self, key: str, version: str) -> bool:
        return key in self._objects and self._objects[key].version == version


class NoDeleteStore(MemoryStore):
    """A store for a role that may not remove objects."""

    def delete(self, key: str) -> None:
        raise StoreError(f"{key}: cannot be removed: AccessDenied")

    def delete_if_unchanged(self, key: str, version: str) -> bool:
        raise StoreError(f"{key}: cannot be removed: AccessDenied")


if TYPE_CHECKING:
    _conforms: ObjectStore = MemoryStore()
