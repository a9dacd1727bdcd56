"""Reads the items of past days from the ``raw.json`` of each source and day."""

from __future__ import annotations

import datetime as dt
import logging
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import msgspec

from vectora_normalize.items import RawItem

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from vectora_normalize.storage.objects import ObjectStore

_logger = logging.getLogger(__name__)
_RAW: Final = re.compile(r"raw/[^/]+/(?P<source>[^/]+)/(?P<day>\d{4}/\d{2}/\d{2})/raw\.json")


@dataclass(slots=True)
class CollectedItem:
    """An item, and the days on which a run ingested it.

    Args:
        item: The item as it was ingested first.
        days: The days in order; the item is added to the list of each of them.
    """

    item: RawItem
    days: list[dt.date] = field(default_factory=list["dt.date"])


def collect_raw(
    data: ObjectStore, client_id: str, *, first: dt.date, last: dt.date, sources: Collection[str] | None = None
) -> list[CollectedItem]:
    """Return the items that were ingested in a period, each text once, in the order of the days.

    Args:
        data: The data bucket.
        client_id: The client.
        first: First day.
        last: Last day, included.
        sources: Source keys; None: all.

    Raises:
        StoreError: The store could not be read.
    """
    found: dict[str, CollectedItem] = {}
    for day, key in sorted(_objects(data, client_id, sources)):
        if not first <= day <= last:
            continue
        for item in _items(data, key):
            entry = found.setdefault(item.content_hash, CollectedItem(item))
            if day not in entry.days:
                entry.days.append(day)
    return list(found.values())


def _objects(data: ObjectStore, client_id: str, sources: Collection[str] | None) -> Iterator[tuple[dt.date, str]]:
    for key in data.list(f"raw/{client_id}/"):
        match = _RAW.fullmatch(key)
        if match is not None and (sources is None or match["source"] in sources):
            try:
                yield dt.date.fromisoformat(match["day"].replace("/", "-")), key
            except ValueError:
                continue


def _items(data: ObjectStore, key: str) -> Iterator[RawItem]:
    try:
        rows: list[Any] = msgspec.json.decode(data.get(key), type=list[Any])
    except msgspec.DecodeError as error:
        _logger.warning("%s: cannot be read, and is ignored: %s", key, error)
        return
    for number, row in enumerate(rows):
        try:
            item = msgspec.convert(row, RawItem)
        except msgspec.ValidationError as error:
            _logger.warning("%s: item %d is ignored: %s", key, number, error)
            continue
        if item.published_at is not None:
            yield item
