"""A store that retries its requests, for the objects without which a run cannot continue.

S3 answers 503 while it adapts to a load, at times to most requests for many seconds. A client itself makes few
attempts, because a claim of an item must not outlive its reply. But the configuration, the backlog, the list of the day
and the report are read and written once a run: without them nothing that was paid for is delivered. Each of these
operations is idempotent, or conditional on what is stored.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Final, TypeVar

from bedrock_resilience import EqualJitter, RetryPolicy
from bedrock_resilience.clock import SYSTEM_CLOCK
from vectora_normalize.storage.objects import TransientStoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bedrock_resilience.clock import Clock
    from vectora_normalize.storage.objects import ObjectStore, Stored

T = TypeVar("T")

MAX_SECONDS: Final = 60.0
"""Seconds from the first attempt at an operation after which no further one begins."""

BACKOFF: Final = RetryPolicy(max_retries=30, base_delay=0.05, max_delay=2.0, jitter=EqualJitter())
"""The delays between the attempts: at 60 % of refused requests, one operation in five million fails."""


class PersistentStore:
    """A store whose transient failures are retried.

    Args:
        store: The store.
        clock: How to wait.
        has_time: Whether there is time for another attempt; the deadline of a run.
        rng: The random part of the delays.
    """

    def __init__(
        self,
        store: ObjectStore,
        *,
        clock: Clock = SYSTEM_CLOCK,
        has_time: Callable[[], bool] = lambda: True,
        rng: random.Random | None = None,
    ) -> None:
        self._store = store
        self._clock = clock
        self._has_time = has_time
        self._rng = rng or random.Random()  # noqa: S311 - jitter is not a secret

    @property
    def clock_skew(self) -> float:
        """See ``ObjectStore.clock_skew``."""
        return self._store.clock_skew

    def get(self, key: str) -> bytes:
        """Return the object's bytes; see ``ObjectStore.get``."""
        return self._persist(lambda: self._store.get(key))

    def read(self, key: str) -> Stored:
        """Return the object with its version; see ``ObjectStore.read``."""
        return self._persist(lambda: self._store.read(key))

    def put(self, key: str, body: bytes) -> None:
        """Write the object; see ``ObjectStore.put``."""
        self._persist(lambda: self._store.put(key, body))

    def put_if_absent(self, key: str, body: bytes) -> str | None:
        """Write the object unless there is one; see ``ObjectStore.put_if_absent``."""
        return self._persist(lambda: self._store.put_if_absent(key, body))

    def put_if_unchanged(self, key: str, body: bytes, version: str) -> str | None:
        """Write the object if it still has that version; see ``ObjectStore.put_if_unchanged``."""
        return self._persist(lambda: self._store.put_if_unchanged(key, body, version))

    def delete(self, key: str) -> None:
        """Remove the object; see ``ObjectStore.delete``."""
        self._persist(lambda: self._store.delete(key))

    def delete_if_unchanged(self, key: str, version: str) -> bool:
        """Remove the object if it still has that version; see ``ObjectStore.delete_if_unchanged``."""
        return self._persist(lambda: self._store.delete_if_unchanged(key, version))

    def exists(self, key: str) -> bool:
        """Return whether there is such an object; see ``ObjectStore.exists``."""
        return self._persist(lambda: self._store.exists(key))

    def list(self, prefix: str) -> Iterator[str]:
        """Return the keys that begin with the prefix, in order; see ``ObjectStore.list``."""
        return iter(self._persist(lambda: tuple(self._store.list(prefix))))

    def _persist(self, operation: Callable[[], T]) -> T:
        until = self._clock.monotonic() + MAX_SECONDS
        for delay in BACKOFF.delays(self._rng):
            try:
                return operation()
            except TransientStoreError:
                if self._clock.monotonic() + delay > until or not self._has_time():
                    raise
            self._clock.sleep(delay)
        return operation()
