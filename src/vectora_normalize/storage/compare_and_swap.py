"""The one compare-and-swap loop over an object store.

Many runs and workers change the same small objects: leases, claims, lists of rows. Each change reads the object,
computes a new one, and writes it on the condition that no other writer has written since. A writer that loses waits
before the next attempt, because writers that retry at once collide again. Removing an object follows the same rules.
"""

from __future__ import annotations

import logging
import random
from typing import TYPE_CHECKING, Final, TypeVar

import msgspec

from bedrock_resilience import FullJitter, RetryPolicy
from bedrock_resilience.clock import SYSTEM_CLOCK
from vectora_normalize.storage.objects import NotFoundError, StoreConflictError, Stored, StoreError

if TYPE_CHECKING:
    from collections.abc import Callable

    from bedrock_resilience.clock import Clock
    from vectora_normalize.storage.objects import ObjectStore

T = TypeVar("T")
_logger = logging.getLogger(__name__)

BACKOFF: Final = RetryPolicy(max_retries=19, base_delay=0.02, max_delay=0.5, jitter=FullJitter())
"""The number of retries of a lost write, and their delays: 20 ms is one request to S3, and all 19 delays together stay
below the 10 s that a run reserves for storing.
"""


class Written(msgspec.Struct, frozen=True):
    """An object that was written, and its new version."""

    body: bytes
    version: str


class CompareAndSwap:
    """Changes objects of a store atomically.

    Args:
        store: The store.
        clock: How to wait between two attempts.
        rng: The random part of the delays.
    """

    def __init__(self, store: ObjectStore, *, clock: Clock = SYSTEM_CLOCK, rng: random.Random | None = None) -> None:
        self._store = store
        self._clock = clock
        self._rng = rng or random.Random()  # noqa: S311 - jitter is not a secret

    def update(
        self, key: str, change: Callable[[Stored | None], bytes | T], *, current: Stored | None = None
    ) -> Written | T:
        """Change one object.

        Args:
            key: The object.
            change: Gets the object as it is, or None if there is none. Returns the bytes to write; anything else
                ends the loop without a write.
            current: What the object is expected to be, so that the first attempt needs no read. If this is wrong,
                the second attempt follows without a delay.

        Returns:
            What was written, or what ``change`` returned instead of bytes.

        Raises:
            StoreError: The store failed, or other writers won every attempt.
        """
        for retry in range(BACKOFF.max_retries + 1):
            changed = change(current)
            if not isinstance(changed, bytes):
                return changed
            version = self._write(key, changed, current)
            if version is not None:
                return Written(changed, version)
            if 0 < retry < BACKOFF.max_retries:
                self._clock.sleep(BACKOFF.delay(retry - 1, self._rng.random()))
            current = self._read(key)
        raise StoreError(f"{key}: cannot be written: others kept writing it at the same moment")

    def remove(self, key: str, is_own: Callable[[bytes], bool], *, instead: bytes, version: str | None = None) -> None:
        """Remove an object that is still the caller's, and leave any other alone.

        Args:
            key: The object.
            is_own: Tells from its bytes whether the object is the caller's.
            instead: What the object becomes if it may not be removed, as for a role without ``s3:DeleteObject``.
            version: The version that the caller wrote last, so that the first attempt needs no read; None if its
                last write had no reply.

        Raises:
            StoreError: The store failed, or other writers won every attempt.
        """
        for retry in range(BACKOFF.max_retries + 1):
            if version is None:
                stored = self._read(key)
                if stored is None or not is_own(stored.body):
                    return
                version = stored.version
            if self._delete(key, version, instead):
                return
            version = None
            if 0 < retry < BACKOFF.max_retries:
                self._clock.sleep(BACKOFF.delay(retry - 1, self._rng.random()))
        raise StoreError(f"{key}: cannot be removed: others kept writing it at the same moment")

    def _delete(self, key: str, version: str, instead: bytes) -> bool:
        """Remove the object, or overwrite it; False if it has another version, or is gone."""
        try:
            return self._store.delete_if_unchanged(key, version)
        except StoreConflictError:
            return False
        except StoreError as error:
            replaced = self._write(key, instead, Stored(instead, version)) is not None
            if replaced:
                _logger.info("%s: is overwritten, because it could not be removed: %s", key, error)
            return replaced

    def _write(self, key: str, body: bytes, current: Stored | None) -> str | None:
        try:
            if current is None:
                return self._store.put_if_absent(key, body)
            return self._store.put_if_unchanged(key, body, current.version)
        except StoreConflictError:
            return None

    def _read(self, key: str) -> Stored | None:
        try:
            return self._store.read(key)
        except NotFoundError:
            return None
