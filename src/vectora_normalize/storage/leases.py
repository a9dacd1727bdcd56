"""Leases: one object that names the run in progress. A lease expires at the deadline of its run.

The lease lets a second run of the same client detect the first; a setting decides what the second run does. The claims
of the items, not the lease, keep an item from being paid for twice.
"""

from __future__ import annotations

import contextlib
import logging
from typing import TYPE_CHECKING, Final

import msgspec

from vectora_normalize.storage.compare_and_swap import CompareAndSwap, Written
from vectora_normalize.storage.expiry import LeaseRecord
from vectora_normalize.storage.objects import Stored, StoreError

if TYPE_CHECKING:
    import datetime as dt
    import random

    from vectora_normalize.storage.expiry import RunClock
    from vectora_normalize.storage.objects import ObjectStore

LEASE_SECONDS: Final = 300.0
"""How long a lease without a deadline lasts unless it is renewed: longer than any single call."""

_logger = logging.getLogger(__name__)


class Lease:
    """A lease that a run may acquire, renew and release.

    Args:
        store: The data bucket.
        key: Key of the lease's object.
        owner: Name of the run, which no other run has.
        run_clock: Decides whether the lease of another run is expired.
        until: When the run's process is killed; None: the lease lasts for ``seconds`` and must be renewed.
        seconds: How long it lasts if there is no ``until``.
        rng: The random part of the delays between attempts to write.
    """

    def __init__(
        self,
        store: ObjectStore,
        key: str,
        *,
        owner: str,
        run_clock: RunClock,
        until: dt.datetime | None = None,
        seconds: float = LEASE_SECONDS,
        rng: random.Random | None = None,
    ) -> None:
        self._store = store
        self._swap = CompareAndSwap(store, clock=run_clock.clock, rng=rng)
        self._key = key
        self._owner = owner
        self._run_clock = run_clock
        self._until = until
        self._seconds = seconds
        self._held: Stored | None = None
        self._uncertain = False  # a write had no reply: the lease may be this run's
        self._record = LeaseRecord(owner, run_clock.now())

    def acquire(self) -> LeaseRecord | None:
        """Acquire the lease. Return None if this run has it now, else the record of the run that has it.

        Raises:
            StoreError: The store failed, or others kept writing the object.
        """
        record = self._record = LeaseRecord(self._owner, self._until or self._run_clock.after(self._seconds))
        body = msgspec.json.encode(record)

        def change(stored: Stored | None) -> bytes | Stored | LeaseRecord:
            holder = None if stored is None else _parse(stored.body)
            if stored is None or holder is None:
                return body
            if holder.owner == self._owner:  # the put succeeded, and its response was lost
                return stored
            return body if holder.is_expired(self._run_clock.now(), self._store.clock_skew) else holder

        self._uncertain = True
        result: Written | Stored | LeaseRecord = self._swap.update(self._key, change)
        self._uncertain = False
        if isinstance(result, LeaseRecord):
            return result
        self._held = Stored(result.body, result.version)
        return None

    def renew(self) -> None:
        """Extend a lease without a deadline once half of its time has passed. A failure is ignored."""
        held = self._held
        if held is None or self._until is not None:
            return
        if self._record.expires_at > self._run_clock.after(self._seconds / 2):
            return
        record = LeaseRecord(self._owner, self._run_clock.after(self._seconds))
        body = msgspec.json.encode(record)

        def change(stored: Stored | None) -> bytes | None:
            holder = None if stored is None else _parse(stored.body)
            return body if holder is not None and holder.owner == self._owner else None

        with contextlib.suppress(StoreError):
            result = self._swap.update(self._key, change, current=held)
            self._held = Stored(result.body, result.version) if isinstance(result, Written) else None
            self._record = record

    def release(self) -> None:
        """End the lease, if this run still has it. If its object may not be removed, it is stored as expired."""
        held, uncertain = self._held, self._uncertain
        self._held, self._uncertain = None, False
        if held is None and not uncertain:
            return
        try:
            self._swap.remove(
                self._key,
                self._is_own,
                instead=msgspec.json.encode(self._record.expired()),
                version=None if held is None else held.version,
            )
        except StoreError as error:
            expires_at = self._record.expires_at
            _logger.warning("%s: could not be released and expires at %s: %s", self._key, expires_at, error)

    def _is_own(self, body: bytes) -> bool:
        holder = _parse(body)
        return holder is not None and holder.owner == self._owner


def _parse(body: bytes) -> LeaseRecord | None:
    """Return the record; None if the object is not a record, so that it blocks no run."""
    try:
        return msgspec.json.decode(body, type=LeaseRecord)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
