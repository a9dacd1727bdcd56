"""A store that counts its requests: what S3 charges for."""

from __future__ import annotations

import threading
from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vectora_normalize.storage.objects import ObjectStore, Stored


class CountingStore:
    """Counts the operations of a store by the classes of S3's prices. Threads may share it.

    The attempts that a client makes within an operation are not visible here, and S3 does not charge for a 503.

    Args:
        store: The store.
    """

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self._counted: Counter[str] = Counter()
        self._lock = threading.Lock()

    @property
    def requests(self) -> dict[str, int]:
        """The operations so far: ``reads`` (GET, HEAD), ``writes`` (PUT, LIST) and ``deletes``, which are free."""
        with self._lock:
            return {name: self._counted[name] for name in ("reads", "writes", "deletes")}

    @property
    def clock_skew(self) -> float:
        """See ``ObjectStore.clock_skew``."""
        return self._store.clock_skew

    def get(self, key: str) -> bytes:
        """Return the object's bytes; see ``ObjectStore.get``."""
        self._count("reads")
        return self._store.get(key)

    def read(self, key: str) -> Stored:
        """Return the object with its version; see ``ObjectStore.read``."""
        self._count("reads")
        return self._store.read(key)

    def put(self, key: str, body: bytes) -> None:
        """Write the object; see ``ObjectStore.put``."""
        self._count("writes")
        self._store.put(key, body)

    def put_if_absent(self, key: str, body: bytes) -> str | None:
        """Write the object unless there is one; see ``ObjectStore.put_if_absent``."""
        self._count("writes")
        return self._store.put_if_absent(key, body)

    def put_if_unchanged(self, key: str, body: bytes, version: str) -> str | None:
        """Write the object if it still has that version; see ``ObjectStore.put_if_unchanged``."""
        self._count("writes")
        return self._store.put_if_unchanged(key, body, version)

    def delete(self, key: str) -> None:
        """Remove the object; see ``ObjectStore.delete``."""
        self._count("deletes")
        self._store.delete(key)

    def delete_if_unchanged(self, key: str, version: str) -> bool:
        """Remove the object if it still has that version; see ``ObjectStore.delete_if_unchanged``."""
        self._count("deletes")
        return self._store.delete_if_unchanged(key, version)

    def exists(self, key: str) -> bool:
        """Return whether there is such an object; see ``ObjectStore.exists``."""
        self._count("reads")
        return self._store.exists(key)

    def list(self, prefix: str) -> Iterator[str]:
        """Return the keys that begin with the prefix, in order; see ``ObjectStore.list``."""
        self._count("writes")
        return self._store.list(prefix)

    def _count(self, name: str) -> None:
        with self._lock:
            self._counted[name] += 1
