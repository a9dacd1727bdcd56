"""The objects that a run writes to the data bucket: their keys, and how rows are added to them.

Several runs of one client and day share ``items.json`` and ``raw.json``. Each run adds its rows to the stored ones and
replaces rows with the same text. So runs of the same day, also at the same time, do not lose each other's rows.
"""

from __future__ import annotations

import hashlib
import json
import logging
import re
from typing import TYPE_CHECKING, Any, Final, cast

import msgspec

from bedrock_resilience.clock import SYSTEM_CLOCK
from vectora_normalize.storage.compare_and_swap import CompareAndSwap

if TYPE_CHECKING:
    import datetime as dt
    import random
    from collections.abc import Iterable, Sequence

    from bedrock_resilience.clock import Clock
    from vectora_normalize.storage.objects import ObjectStore, Stored

Row = dict[str, Any]
"""An item as JSON types."""

_logger = logging.getLogger(__name__)
_UNSAFE = re.compile(r"[^A-Za-z0-9_-]+")
_MAX_NAME_CHARACTERS: Final = 200


class ObjectKeys(msgspec.Struct, frozen=True):
    """The keys of one run's objects.

    Args:
        client_id: The client.
        day: Day of the run, UTC.
        request_id: Id of the invocation.
    """

    client_id: str
    day: dt.date
    request_id: str

    @property
    def items(self) -> str:
        """The normalized items of the client and day."""
        return f"normalized/{self.client_id}/{self._day}/items.json"

    @property
    def report(self) -> str:
        """The report of this run."""
        return f"normalized/{self.client_id}/{self._day}/run-{self.safe_request_id}.json"

    @property
    def lease(self) -> str:
        """The lease, which names the run of the client that is in progress."""
        return f"normalized/{self.client_id}/lease.json"

    @property
    def safe_request_id(self) -> str:
        """The request id as a part of a key."""
        return _safe(self.request_id)

    def raw(self, source_key: str) -> str:
        """What was collected from a source on that day."""
        return f"raw/{self.client_id}/{_safe(source_key)}/{self._day}/raw.json"

    @property
    def _day(self) -> str:
        return self.day.strftime("%Y/%m/%d")


def add_rows(
    store: ObjectStore,
    key: str,
    rows: Sequence[Row],
    *,
    clock: Clock = SYSTEM_CLOCK,
    rng: random.Random | None = None,
) -> int:
    """Add rows to a stored list of rows, atomically; return the number of rows in the list afterward.

    A row replaces a stored one with the same ``content_hash``. All other stored rows stay, even if they have fields
    that this version does not read. An object that is not a list of rows is replaced, and a copy of it is kept.

    Args:
        store: The data bucket.
        key: Key of the list.
        rows: The rows to add.
        clock: How to wait while other runs write the same list.
        rng: The random part of those waits.

    Raises:
        StoreError: The store failed, or others kept writing the object.
    """
    total = 0

    def change(stored: Stored | None) -> bytes:
        nonlocal total
        old = [] if stored is None else _parse_rows(stored.body)
        if stored is not None and old is None:
            _save_unreadable(store, key, stored.body)
        merged = _merge(old or [], rows)
        total = len(merged)
        return to_json(merged)

    CompareAndSwap(store, clock=clock, rng=rng).update(key, change)
    return total


def to_json(value: object) -> bytes:
    """Return a value as indented JSON; the same value gives the same bytes."""
    return msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n"


def _safe(name: str) -> str:
    """Return a name as a part of a key. Names from events and files may hold any character."""
    return _UNSAFE.sub("-", name)[:_MAX_NAME_CHARACTERS] or "unnamed"


def _save_unreadable(store: ObjectStore, key: str, body: bytes) -> None:
    digest = hashlib.sha256(body).hexdigest()[:12]
    copy = f"{key.removesuffix('.json')}.unreadable-{digest}.json"
    store.put(copy, body)
    _logger.error("UnreadableListError: %s: is not a list of items, or nested too deeply; it is kept as %s", key, copy)


def _parse_rows(body: bytes) -> list[Row] | None:
    try:
        value: object = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):  # RecursionError: nested a thousand times
        return None
    if not isinstance(value, list) or not all(isinstance(row, dict) for row in cast("list[object]", value)):
        return None
    return cast("list[Row]", value)


def _merge(old: Iterable[Row], new: Iterable[Row]) -> list[Row]:
    """Return both, the newest day first, in an order that does not depend on the order of the writes."""
    rows = {_identity(row): row for row in (*old, *new)}
    by_identity = [rows[identity] for identity in sorted(rows)]
    return sorted(by_identity, key=lambda row: str(row.get("published_at")), reverse=True)


def _identity(row: Row) -> str:
    content_hash = row.get("content_hash")
    return content_hash if isinstance(content_hash, str) else json.dumps(row, sort_keys=True)
