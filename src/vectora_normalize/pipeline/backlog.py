"""The items that a run has begun and not finished: stored before the first call, and adopted by the next run.

One object a run, ``normalized/<client_id>/outstanding/<run>.json``. It is written before anything is paid for, and
removed when all of it is done. Whatever ends a run (an error, the deadline, kill -9), its items are stored, and the
next run of the client processes them, too, whatever its window. At the end of a run the object has the items that
failed, with the fault and the number of failures, and those that were not started.

An item that fails through its own fault is abandoned after three runs, until another prompt, model or scope changes its
request. It stays in the backlog, so that later runs leave it out.
"""

from __future__ import annotations

import datetime as dt  # noqa: TC003 - msgspec reads the annotations when it is first used
import logging
from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec

from bedrock_resilience import Fault
from vectora_normalize.items import RawItem  # noqa: TC001 - as datetime
from vectora_normalize.storage.expiry import LeaseRecord
from vectora_normalize.storage.objects import NotFoundError, StoreError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bedrock_resilience import ItemOutcome
    from vectora_normalize.storage.expiry import RunClock
    from vectora_normalize.storage.objects import ObjectStore

MAX_FAILED_RUNS: Final = 3
"""Runs in which an item may fail through its own fault before it is abandoned."""

_OWN_FAULTS: Final = frozenset(
    {Fault.VALIDATION, Fault.CONFLICT, Fault.MODEL_ERROR, Fault.MALFORMED_RESPONSE, Fault.INCOMPLETE_RESPONSE}
)
_logger = logging.getLogger(__name__)


class BacklogItem(msgspec.Struct, frozen=True, kw_only=True):
    """An item that is not finished.

    Args:
        item: As it was collected.
        status: ``open`` (a run processes it, or did so when it ended), ``failed`` or ``unstarted``.
        fault: The fault of the last failure.
        error: The same for people.
        reason: Why no further attempt was made, or why it was not started.
        attempts: Requests that the last run sent for it.
        backoff_seconds: Seconds that run slept between attempts.
        failures: Runs in which it failed through its own fault, with this request.
        key: Key of that request.
        failed_at: When it failed last.
        run_id: The run that wrote this.
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
    run_id: str = ""


class _BacklogObject(msgspec.Struct, frozen=True, kw_only=True):
    """The object as it is stored, under the field names that version 0.1 wrote.

    Args:
        run_id: The run that wrote it.
        expires_at: Until when no other run may adopt it; None: any run may.
        items: What is not finished.
    """

    run_id: str = msgspec.field(name="run")
    expires_at: Annotated[dt.datetime, msgspec.Meta(tz=True)] | None = msgspec.field(name="until")
    items: tuple[BacklogItem, ...] = msgspec.field(name="entries")


class Backlog:
    """The backlog of a client, as one run uses it.

    Args:
        store: The data bucket.
        client_id: The client.
        run_id: Name of the run, which no other run has.
        run_clock: Decides which objects are of runs that are over.
    """

    def __init__(self, store: ObjectStore, client_id: str, *, run_id: str, run_clock: RunClock) -> None:
        self._store = store
        self._prefix = f"normalized/{client_id}/outstanding/"
        self._run_id = run_id
        self._run_clock = run_clock
        self._adopted: list[str] = []
        self._written = False

    def adopt(self) -> dict[str, BacklogItem]:
        """Return the unfinished items of runs that are over, by the hash of the item's text.

        Raises:
            StoreError: The store could not be read.
        """
        adopted: dict[str, BacklogItem] = {}
        for key in self._store.list(self._prefix):
            items = self._read(key)
            if items is not None:
                self._adopted.append(key)
                for entry in items:
                    name = entry.item.content_hash
                    adopted[name] = max(adopted.get(name, entry), entry, key=lambda one: one.failures)
        return adopted

    def begin(self, items: Iterable[BacklogItem], *, until: dt.datetime | None) -> None:
        """Write the run's own object, then remove those that it adopted.

        Args:
            items: The items that the run processes, and those that stay abandoned.
            until: When the process is killed; until then no other run adopts the object. None: the process is not
                killed, so other runs cannot detect whether it has ended; any run may share its work, as claims allow.

        Raises:
            StoreError: The store could not be written.
        """
        self._write(tuple(items), until)
        for key in self._adopted:
            self._remove(key)
        self._adopted.clear()

    def finish(self, items: Iterable[BacklogItem]) -> None:
        """Replace the run's own object by what is not finished, or remove it if everything is.

        Raises:
            StoreError: The store could not be written.
        """
        unfinished = tuple(items)
        if unfinished:
            self._write(unfinished, None)
        elif self._written:
            self._remove(self._own_key)

    def record(self, entry: BacklogItem, outcome: ItemOutcome[RawItem, Any], key: str) -> BacklogItem:
        """Return the entry of an item that failed or was not started in this run.

        Args:
            entry: The entry before this run.
            outcome: The outcome in this run.
            key: Key of the request.
        """
        before = entry.failures if entry.key == key else 0
        failed = outcome.status == "failed"
        return BacklogItem(
            item=entry.item,
            status=outcome.status,
            fault=outcome.fault.value if outcome.fault else entry.fault,
            error=f"{type(outcome.error).__name__}: {outcome.error}" if outcome.error else entry.error,
            reason=outcome.reason,
            attempts=outcome.attempts,
            backoff_seconds=round(outcome.backoff_seconds, 3),
            failures=before + (failed and outcome.fault in _OWN_FAULTS),
            key=key,
            failed_at=self._run_clock.now() if failed else entry.failed_at,
            run_id=self._run_id,
        )

    @property
    def _own_key(self) -> str:
        return f"{self._prefix}{self._run_id}.json"

    def _read(self, key: str) -> tuple[BacklogItem, ...] | None:
        """Return the items of an object whose run is over."""
        try:
            found = msgspec.json.decode(self._store.get(key), type=_BacklogObject)
        except NotFoundError:  # another run has adopted it at this moment
            return None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            _logger.warning("%s: cannot be read, and is ignored: %s", key, error)
            return None
        lease = None if found.expires_at is None else LeaseRecord(found.run_id, found.expires_at)
        if lease is not None and not lease.is_expired(self._run_clock.now(), self._store.clock_skew):
            return None
        return found.items

    def _write(self, items: tuple[BacklogItem, ...], until: dt.datetime | None) -> None:
        body = msgspec.json.encode(_BacklogObject(run_id=self._run_id, expires_at=until, items=items))
        self._store.put(self._own_key, body)
        self._written = True

    def _remove(self, key: str) -> None:
        try:
            self._store.delete(key)
        except StoreError as error:  # the next run looks these items up, and finds their responses
            _logger.warning("%s: is finished, but could not be removed: %s", key, error)
