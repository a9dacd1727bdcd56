"""What a run has taken on and not finished: written down before the first call, and taken up by the next run.

One object a run, `normalized/<client_id>/outstanding/<run>.json`. It is there before anything is paid and goes when
all of it is done, so whatever ends a run (an error, the deadline, kill -9), the items that it had before it are known,
and the next run of the client has them before it too, whatever its window. What stays at the end of a run is what
failed, with its fault and how often, and what was not started.

An item that fails through its own fault is not asked about for ever: after three runs it is given up, until another
prompt, model or scope makes another request of it. It stays on the list, which is how the run knows.
"""

from __future__ import annotations

import datetime as dt  # noqa: TC003 - msgspec reads the annotations when it is first used
import logging
from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec

from bedrock_resilience._fault import Fault
from vectora_normalize.items import RawItem  # noqa: TC001 - as datetime
from vectora_normalize.storage.expiry import Hold
from vectora_normalize.storage.objects import NotFoundError, StoreError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bedrock_resilience.batch._report import ItemOutcome
    from vectora_normalize.storage.expiry import RunClock
    from vectora_normalize.storage.objects import ObjectStore

MOST_FAILURES: Final = 3
"""Runs in which an item may fail through its own fault before it is given up."""

_OWN_FAULTS: Final = frozenset(
    {Fault.VALIDATION, Fault.CONFLICT, Fault.MODEL_ERROR, Fault.MALFORMED_RESPONSE, Fault.INCOMPLETE_RESPONSE}
)
_logger = logging.getLogger(__name__)


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """An item that is not finished.

    Args:
        item: As it was ingested.
        status: `open` (a run is at work on it, or was when it ended), `failed` or `unstarted`.
        fault: What went wrong last.
        error: The same for people.
        reason: Why it was given up or not started.
        calls: Requests sent for it by the run that left it.
        backoff_seconds: Seconds that run slept between attempts.
        failures: Runs in which it failed through its own fault, with this request.
        key: Of that request.
        failed_at: When it failed last.
        left_by: The run that left it.
    """

    item: RawItem
    status: str = "open"
    fault: str | None = None
    error: str | None = None
    reason: str | None = None
    attempts: int = 0
    backoff_seconds: float = 0.0
    failures: int = 0
    key: str = ""
    failed_at: dt.datetime | None = None
    left_by: str = ""


class _List(msgspec.Struct, frozen=True, kw_only=True):
    """The object as it is stored; `until` says how long its run keeps it to itself, None that it does not."""

    run: str
    until: Annotated[dt.datetime, msgspec.Meta(tz=True)] | None
    entries: tuple[Entry, ...]


class Backlog:
    """The lists of a client, as one run sees them.

    Args:
        store: The data bucket.
        client_id: The client.
        run: Name of the run, which nobody else has.
        wall: Tells whose list is nobody's any more.
    """

    def __init__(self, store: ObjectStore, client_id: str, *, run: str, wall: RunClock) -> None:
        self._store = store
        self._prefix = f"normalized/{client_id}/outstanding/"
        self._run = run
        self._wall = wall
        self._taken: list[str] = []
        self._written = False

    def take_over(self) -> dict[str, Entry]:
        """What runs that are over have left, by the hash of the item's text.

        Raises:
            StoreError: The store could not be read.
        """
        found: dict[str, Entry] = {}
        for key in self._store.list(self._prefix):
            left = self._read(key)
            if left is not None:
                self._taken.append(key)
                for entry in left:
                    name = entry.item.content_hash
                    found[name] = max(found.get(name, entry), entry, key=lambda one: one.failures)
        return found

    def undertake(self, entries: Iterable[Entry], *, until: dt.datetime | None) -> None:
        """Write the run's own list; those it took over are not needed any more.

        Args:
            entries: All that the run has before it, and what stays given up.
            until: When the run will be killed; until then nobody takes its list over. None: nobody kills it, and
                nobody could tell when it is dead; so whoever comes may share its work, which its claims allow.

        Raises:
            StoreError: The store could not be written.
        """
        self._write(tuple(entries), until)
        for key in self._taken:
            self._remove(key)
        self._taken.clear()

    def leave(self, entries: Iterable[Entry]) -> None:
        """End the run's own list: with what is left to do, or with nothing.

        Raises:
            StoreError: The store could not be written.
        """
        left = tuple(entries)
        if left:
            self._write(left, None)
        elif self._written:
            self._remove(self._own)

    def left(self, entry: Entry, outcome: ItemOutcome[RawItem, Any], key: str) -> Entry:
        """The entry of an item that failed or was not started in this run.

        Args:
            entry: As it was before.
            outcome: What became of it.
            key: Of the request that was sent.
        """
        before = entry.failures if entry.key == key else 0
        failed = outcome.status == "failed"
        return Entry(
            item=entry.item,
            status=outcome.status,
            fault=outcome.fault.value if outcome.fault else entry.fault,
            error=f"{type(outcome.error).__name__}: {outcome.error}" if outcome.error else entry.error,
            reason=outcome.reason,
            attempts=outcome.attempts,
            backoff_seconds=round(outcome.backoff_seconds, 3),
            failures=before + (failed and outcome.fault in _OWN_FAULTS),
            key=key,
            failed_at=self._wall.now() if failed else entry.failed_at,
            left_by=self._run,
        )

    @property
    def _own(self) -> str:
        return f"{self._prefix}{self._run}.json"

    def _read(self, key: str) -> tuple[Entry, ...] | None:
        """The entries of a list whose run is over."""
        try:
            found = msgspec.json.decode(self._store.get(key), type=_List)
        except NotFoundError:  # another run has taken it over at this moment
            return None
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            _logger.warning("%s: cannot be read, and is left alone: %s", key, error)
            return None
        if found.until is not None and not Hold(found.run, found.until).is_over(
            self._wall.now(), self._store.clock_skew
        ):
            return None
        return found.entries

    def _write(self, entries: tuple[Entry, ...], until: dt.datetime | None) -> None:
        body = msgspec.json.encode(_List(run=self._run, until=until, entries=entries))
        self._store.put(self._own, body)
        self._written = True

    def _remove(self, key: str) -> None:
        try:
            self._store.delete(key)
        except StoreError as error:  # the next run finds its items done, at the price of looking
            _logger.warning("%s: is done with, but stays: %s", key, error)
