"""The ``items.json`` of a day, written by many independent workers.

If each worker rewrote the list for every ten items, most of these writes would fail and be repeated. So a worker
stages its rows in an object of their own, and the worker that has the lease compacts all staged objects into the list.
A worker without the lease need not wait: the holder lists the staged objects again after it has released the lease, and
finds every object that was staged before. The next worker or run compacts those of a killed worker.
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
    import random
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from vectora_normalize.pipeline.keys import Row
    from vectora_normalize.storage.expiry import RunClock
    from vectora_normalize.storage.objects import ObjectStore

_logger = logging.getLogger(__name__)
# Some ten times what compaction takes. If it takes longer, two workers compact at the same time, which only costs time.
_LEASE_SECONDS: Final = 30.0
_STAGED_KEY: Final = re.compile(r"/parts/(\d{4}-\d{2}-\d{2})/[^/]+\.json$")


class DailyItems:
    """The daily lists of a client, as one worker or run writes them.

    Args:
        store: The data bucket.
        client_id: The client.
        run_id: Name of the worker's invocation or run, which no other has.
        run_clock: Decides whether the lease of another worker is expired.
        may_continue: Called before each round of compaction; if it returns False, the next worker continues.
        rng: The random part of the delays between attempts to write.
    """

    def __init__(
        self,
        store: ObjectStore,
        client_id: str,
        *,
        run_id: str,
        run_clock: RunClock,
        may_continue: Callable[[], bool] = lambda: True,
        rng: random.Random | None = None,
    ) -> None:
        self._store = store
        self._client_id = client_id
        self._run_id = run_id
        self._run_clock = run_clock
        self._prefix = f"normalized/{client_id}/parts/"
        self._lease = Lease(
            store,
            f"normalized/{client_id}/parts.lease.json",
            owner=run_id,
            run_clock=run_clock,
            seconds=_LEASE_SECONDS,
            rng=rng,
        )
        self._rng = rng
        self._may_continue = may_continue
        self._processed: set[str] = set()  # an object that cannot be read or removed is not tried again

    def stage(self, day: dt.date, rows: Sequence[Row], name: str) -> None:
        """Store rows for the list of a day. When this returns, they cannot be lost.

        Args:
            day: The day of the list.
            rows: The items.
            name: Distinguishes this object from others of the same run.

        Raises:
            StoreError: The store could not be written.
        """
        self._store.put(f"{self._prefix}{day.isoformat()}/{self._run_id}-{name}.json", to_json(rows))

    def compact(self) -> int:
        """Add all staged rows to their lists, unless another worker does; return the number of objects added.

        Raises:
            StoreError: The store failed; the staged objects stay.
        """
        added = 0
        while self._may_continue() and self._staged():
            try:
                if self._lease.acquire() is not None:
                    break
                added += sum(self._add(day, keys) for day, keys in self._staged().items())
            finally:
                self._lease.release()  # also if the reply to the acquisition was lost
        return added

    def _staged(self) -> dict[dt.date, list[str]]:
        """Return the keys of the staged objects that were not processed yet, by their day."""
        keys: dict[dt.date, list[str]] = defaultdict(list)
        for key in self._store.list(self._prefix):
            day = _day_of(key)
            if day is not None and key not in self._processed:
                keys[day].append(key)
        return keys

    def _add(self, day: dt.date, keys: Sequence[str]) -> int:
        staged = self._read(keys)
        self._processed.update(keys)
        if staged:
            rows = [row for of_object in staged.values() for row in of_object]
            items_key = ObjectKeys(self._client_id, day, self._run_id).items
            total = add_rows(self._store, items_key, rows, clock=self._run_clock.clock, rng=self._rng)
            _logger.info("%d items of %d staged objects added; %d items of %s", len(rows), len(staged), total, day)
        for key in staged:
            self._remove(key)
        return len(staged)

    def _read(self, keys: Iterable[str]) -> Mapping[str, list[Row]]:
        staged: dict[str, list[Row]] = {}
        for key in keys:
            try:
                staged[key] = msgspec.json.decode(self._store.get(key), type=list[dict[str, Any]])
            except NotFoundError:  # added by a worker whose lease expired before it was done
                continue
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                _logger.warning("%s: cannot be read, and is ignored: %s", key, error)
        return staged

    def _remove(self, key: str) -> None:
        try:
            self._store.delete(key)
        except StoreError as error:
            _logger.warning(
                "%s: is added, but could not be removed, so the next compaction adds it again: %s", key, error
            )


def _day_of(key: str) -> dt.date | None:
    found = _STAGED_KEY.search(key)
    try:
        return dt.date.fromisoformat(found[1]) if found else None
    except ValueError:
        return None
