"""What a run leaves in the data bucket: where it lies, and how it is written.

Several runs of one client and day share `items.json` and `raw.json`. Each run adds its rows to what is there and takes
the place of rows with the same text, so a second run of a day, or one that is under way at the same moment, loses
nothing of the first.
"""

from __future__ import annotations

import hashlib
import json
import logging
import re
from typing import TYPE_CHECKING, Any, Final, cast

import msgspec

from vectora_normalize.storage.objects import NotFoundError, StoreError

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable, Sequence

    from vectora_normalize.storage.objects import ObjectStore

Row = dict[str, Any]
"""An item as JSON types."""

_logger = logging.getLogger(__name__)
_UNSAFE = re.compile(r"[^A-Za-z0-9_-]+")
# A try is lost only to another run of the same client that wrote in between; nobody has so many.
_TRIES: Final = 20


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
        """The normalised items of the client and day."""
        return f"normalized/{self.client_id}/{self._day}/items.json"

    @property
    def report(self) -> str:
        """The report of this run."""
        return f"normalized/{self.client_id}/{self._day}/run-{self.run}.json"

    @property
    def lease(self) -> str:
        """Says which run of the client is under way."""
        return f"normalized/{self.client_id}/lease.json"

    @property
    def run(self) -> str:
        """The request id, as a part of a key."""
        return _safe(self.request_id)

    def raw(self, source_key: str) -> str:
        """What a source gave that day."""
        return f"raw/{self.client_id}/{_safe(source_key)}/{self._day}/raw.json"

    @property
    def _day(self) -> str:
        return self.day.strftime("%Y/%m/%d")


def add_rows(store: ObjectStore, key: str, rows: Sequence[Row]) -> int:
    """Add rows to a list of rows in the store, atomically; the number of rows that are there now.

    Rows are told apart by `content_hash`; a new one takes the place of an old one. What is there stays, even if it has
    fields that this version does not know. An object that is no list of rows is replaced, and kept beside its place.

    Raises:
        StoreError: The store failed, or others kept writing the object.
    """
    first = _merged([], rows)
    for _ in range(_TRIES):
        if store.put_if_absent(key, to_json(first)):
            return len(first)
        try:
            stored = store.read(key)
        except NotFoundError:  # somebody has just deleted it
            continue
        old = _rows_in(stored.body)
        if old is None:
            _keep_aside(store, key, stored.body)
        merged = _merged(old or [], rows)
        if store.put_if_unchanged(key, to_json(merged), stored.version):
            return len(merged)
    raise StoreError(f"{key}: cannot be written: other runs kept writing it at the same moment")


def to_json(value: object) -> bytes:
    """A value as JSON that a human can read too; the same value gives the same bytes."""
    return msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n"


def _safe(name: str) -> str:
    """The name as a part of a key; what comes from an event or a file may be anything."""
    return _UNSAFE.sub("-", name)[:200] or "unnamed"


def _keep_aside(store: ObjectStore, key: str, body: bytes) -> None:
    digest = hashlib.sha256(body).hexdigest()[:12]
    aside = f"{key.removesuffix('.json')}.unreadable-{digest}.json"
    store.put(aside, body)
    _logger.info("%s: is no list of items, so it is kept as %s", key, aside)


def _rows_in(body: bytes) -> list[Row] | None:
    try:
        value: object = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    if not isinstance(value, list) or not all(isinstance(row, dict) for row in cast("list[object]", value)):
        return None
    return cast("list[Row]", value)


def _merged(old: Iterable[Row], new: Iterable[Row]) -> list[Row]:
    """Both, the newest day first, in an order that does not depend on who wrote when."""
    rows = {_identity(row): row for row in (*old, *new)}
    by_identity = [rows[identity] for identity in sorted(rows)]
    return sorted(by_identity, key=lambda row: str(row.get("published_at")), reverse=True)


def _identity(row: Row) -> str:
    content_hash = row.get("content_hash")
    return content_hash if isinstance(content_hash, str) else json.dumps(row, sort_keys=True)
