"""One object a client that says which run is under way; it ends by itself at the deadline of that run.

The lease is how a second run of the same client is noticed, and what it then does is a setting. It is not what keeps an
item from being paid twice: the claims of the items do that, with or without a lease.
"""

from __future__ import annotations

import contextlib
import logging
from typing import TYPE_CHECKING, Final

import msgspec

from vectora_normalize.storage.expiry import Hold
from vectora_normalize.storage.objects import NotFoundError, StoreError

if TYPE_CHECKING:
    import datetime as dt

    from vectora_normalize.storage.expiry import RunClock
    from vectora_normalize.storage.objects import ObjectStore

LEASE_SECONDS: Final = 300.0
"""How long a lease lasts that has no deadline to end with, unless it is renewed: beyond any single call."""

_TRIES: Final = 10
_logger = logging.getLogger(__name__)


class _Held(msgspec.Struct, frozen=True):
    """The lease as this run wrote it."""

    hold: Hold
    version: str


class Lease:
    """A lease that a run may take, renew and give back.

    Args:
        store: The data bucket.
        key: Where it lies.
        owner: Name of the run, which nobody else has.
        wall: Tells when it is over.
        until: When the run will be killed; None: the lease lasts for `seconds`, and has to be renewed.
        seconds: How long it lasts where there is no `until`.
    """

    def __init__(
        self,
        store: ObjectStore,
        key: str,
        *,
        owner: str,
        wall: RunClock,
        until: dt.datetime | None = None,
        seconds: float = LEASE_SECONDS,
    ) -> None:
        self._store = store
        self._key = key
        self._owner = owner
        self._wall = wall
        self._until = until
        self._seconds = seconds
        self._held: _Held | None = None

    def take(self) -> Hold | None:
        """Take it; the hold of the run that has it, or None where it is this run's now.

        Raises:
            StoreError: The store failed, or others kept writing the object.
        """
        hold = Hold(self._owner, self._until or self._wall.after(self._seconds))
        body = msgspec.json.encode(hold)
        for _ in range(_TRIES):
            version = self._store.put_if_absent(self._key, body)
            if version is None:
                try:
                    stored = self._store.read(self._key)
                except NotFoundError:  # given back at this moment
                    continue
                standing = _read(stored.body)
                if standing is not None and standing.owner == self._owner:  # the answer to the put was lost
                    version = stored.version
                elif standing is not None and not standing.is_over(self._wall.now(), self._store.clock_skew):
                    return standing
                else:
                    version = self._store.put_if_unchanged(self._key, body, stored.version)
            if version is not None:
                self._held = _Held(hold, version)
                return None
        raise StoreError(f"{self._key}: cannot be taken: others kept writing it at the same moment")

    def renew(self) -> None:
        """Let it last longer, where it has no deadline and half of its time is over. Whether it worked is no matter."""
        held = self._held
        if held is None or self._until is not None or held.hold.expires_at > self._wall.after(self._seconds / 2):
            return
        hold = msgspec.structs.replace(held.hold, expires_at=self._wall.after(self._seconds))
        with contextlib.suppress(StoreError):
            version = self._store.put_if_unchanged(self._key, msgspec.json.encode(hold), held.version)
            self._held = None if version is None else _Held(hold, version)

    def give_back(self) -> None:
        """End it, if it is still this run's."""
        held, self._held = self._held, None
        if held is None:
            return
        try:
            self._store.delete_if_unchanged(self._key, held.version)
        except StoreError as error:
            _logger.warning("%s: ends by itself at %s: %s", self._key, held.hold.expires_at, error)


def _read(body: bytes) -> Hold | None:
    """The hold; an object that is none holds nobody up."""
    try:
        return msgspec.json.decode(body, type=Hold)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
