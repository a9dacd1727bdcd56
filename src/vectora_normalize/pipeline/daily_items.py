"""The `items.json` of a day, written by many workers that know nothing of each other.

A worker that rewrote the list with every ten items would spend its time on that, and on losing to the others. So it
puts its rows aside as a part, and one of the workers, the one that gets a lease, adds all the parts there are. Who does
not get the lease may go: whoever has it looks once more after giving it back, and sees every part that was put aside
before. What a worker that is killed leaves lying is added by the next worker or run of the client.
"""

from __future__ import annotations

import datetime as dt
import logging
import re
from collections import defaultdict
from typing import TYPE_CHECKING, Any, Final

import msgspec

from vectora_normalize.pipeline.keys import ObjectKeys, add_rows, to_json
from vectora_normalize.storage.leases import Lease
from vectora_normalize.storage.objects import NotFoundError, StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from vectora_normalize.pipeline.keys import Row
    from vectora_normalize.storage.expiry import RunClock
    from vectora_normalize.storage.objects import ObjectStore

_logger = logging.getLogger(__name__)
# Some ten times what adding takes. If it takes longer, two add at once, which costs time and nothing else.
_LEASE_SECONDS: Final = 30.0
_DAY: Final = re.compile(r"/parts/(\d{4}-\d{2}-\d{2})/[^/]+\.json$")


class DailyLists:
    """The lists of a client, as one worker or run sees them.

    Args:
        store: The data bucket.
        client_id: The client.
        run: Name of the worker's invocation or run, which nobody else has.
        wall: Tells when the lease of another is over.
        may_go_on: Asked before each round of adding parts; whoever stops leaves them to the next.
    """

    def __init__(
        self,
        store: ObjectStore,
        client_id: str,
        *,
        run: str,
        wall: RunClock,
        may_go_on: Callable[[], bool] = lambda: True,
    ) -> None:
        self._store = store
        self._client_id = client_id
        self._run = run
        self._prefix = f"normalized/{client_id}/parts/"
        self._lease = Lease(
            store, f"normalized/{client_id}/parts.lease.json", owner=run, wall=wall, seconds=_LEASE_SECONDS
        )
        self._may_go_on = may_go_on
        self._seen: set[str] = set()  # a part that cannot be read or removed is not looked at for ever

    def put_aside(self, day: dt.date, rows: Sequence[Row], name: str) -> None:
        """Put rows aside for the list of a day; from here on they cannot be lost.

        Args:
            day: Whose list they belong to.
            rows: The items.
            name: Tells this part from others of the same run.

        Raises:
            StoreError: The store could not be written.
        """
        self._store.put(f"{self._prefix}{day.isoformat()}/{self._run}-{name}.json", to_json(rows))

    def add_parts(self) -> int:
        """Add what was put aside by anybody, unless somebody is at it; the number of parts that were added.

        Raises:
            StoreError: The store failed; the parts stay.
        """
        added = 0
        while self._may_go_on() and self._waiting() and self._lease.take() is None:
            try:
                added += sum(self._add(day, keys) for day, keys in self._waiting().items())
            finally:
                self._lease.give_back()
        return added

    def _waiting(self) -> dict[dt.date, list[str]]:
        """The parts that were not seen yet, by their day."""
        keys: dict[dt.date, list[str]] = defaultdict(list)
        for key in self._store.list(self._prefix):
            day = _day_of(key)
            if day is not None and key not in self._seen:
                keys[day].append(key)
        return keys

    def _add(self, day: dt.date, keys: Sequence[str]) -> int:
        parts = self._read(keys)
        self._seen.update(keys)
        if parts:
            rows = [row for part in parts.values() for row in part]
            total = add_rows(self._store, ObjectKeys(self._client_id, day, self._run).items, rows)
            _logger.info("%d items of %d parts added to the %d of %s", len(rows), len(parts), total, day)
        for key in parts:
            self._remove(key)
        return len(parts)

    def _read(self, keys: Iterable[str]) -> Mapping[str, list[Row]]:
        parts: dict[str, list[Row]] = {}
        for key in keys:
            try:
                parts[key] = msgspec.json.decode(self._store.get(key), type=list[dict[str, Any]])
            except NotFoundError:  # added by somebody whose lease was over before he was done
                continue
            except msgspec.DecodeError as error:
                _logger.warning("%s: cannot be read, and is left alone: %s", key, error)
        return parts

    def _remove(self, key: str) -> None:
        try:
            self._store.delete(key)
        except StoreError as error:
            _logger.warning("%s: is added, and will be again: %s", key, error)


def _day_of(key: str) -> dt.date | None:
    found = _DAY.search(key)
    try:
        return dt.date.fromisoformat(found[1]) if found else None
    except ValueError:
        return None
