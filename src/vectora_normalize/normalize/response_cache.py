"""The responses of Bedrock, stored under the request that they answer, and the claims of the runs that send requests.

One object an item, ``normalized/<client_id>/items/<key>.json``, in one of three states:

- There is no object: no run has sent the request.
- It contains a claim: a run is sending the request, until the claim expires.
- It contains a response: it is paid for, and never requested again.

Every step from one state to the next is a conditional put. If many runs have the same item, exactly one sends the
request. A process that is killed between two steps leaves a state from which the next run continues.

The key is a hash of the whole request: model, prompt, schema, language, hints and the item's text. Any change of the
request changes the key. The cache stores the model's extraction, not the finished item: each use compares the names
with the text and the client's scopes again. Changed scopes are therefore neither stale nor paid for again, unless a
name that the text contains was added or removed, which changes the request.
"""

from __future__ import annotations

import datetime as dt  # noqa: TC003 - msgspec reads the annotations when it is first used
import hashlib
import json
import logging
from typing import TYPE_CHECKING, Any, Final

import msgspec

from bedrock_resilience import BoundedExecutor, RetryPolicy
from vectora_normalize.normalize.extraction import Extraction  # noqa: TC001 - as datetime
from vectora_normalize.storage.compare_and_swap import CompareAndSwap, Written
from vectora_normalize.storage.expiry import LeaseRecord, claim_seconds, unique_name
from vectora_normalize.storage.objects import BucketMissingError, NotFoundError, Stored, StoreError, TransientStoreError

if TYPE_CHECKING:
    import random
    from collections.abc import Mapping, Sequence

    from bedrock_resilience import Deadline
    from bedrock_resilience.clock import Clock
    from vectora_normalize.storage.expiry import RunClock
    from vectora_normalize.storage.objects import ObjectStore

_logger = logging.getLogger(__name__)
# How often a renewal is repeated whose reply came so late that the renewed claim is too short again.
_MAX_RENEWALS: Final = 3
# Responses that are looked up at once: each is a request of some 20 ms to S3, and there may be thousands.
_LOOK_UP_WORKERS: Final = 16


class CachedResponse(msgspec.Struct, frozen=True, kw_only=True):
    """A response that was paid for.

    Args:
        extraction: What the model extracted from the item.
        usage: The tokens that it used.
        ingested_at: The start of the run that sent the request; a row of ``items.json`` keeps it for good.
        model_id: The model that answered.
        run_id: The run that sent the request, for people.
        content_hash: Of the item, for people.
        url: Of the item, for people.
    """

    extraction: Extraction
    usage: dict[str, int]
    ingested_at: dt.datetime
    model_id: str = ""
    run_id: str = ""
    content_hash: str = ""
    url: str = ""


class _CacheEntry(msgspec.Struct, kw_only=True, omit_defaults=True):
    """The object as it is stored: one of the two. The field names are those that version 0.1 wrote."""

    claim: LeaseRecord | None = None
    answer: CachedResponse | None = None


class ItemClaim(msgspec.Struct, frozen=True):
    """The exclusive right to send an item's request, for a limited time.

    Args:
        key: The item's key.
        lease: The claim as it is stored.
        version: Version of the object with the claim.
    """

    key: str
    lease: LeaseRecord
    version: str


def request_key(request: Mapping[str, Any]) -> str:
    """Return the sha256 of a Converse request in hex; the order of its fields does not matter."""
    canonical = json.dumps(request, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    return hashlib.sha256(canonical.encode()).hexdigest()


class ResponseCache:
    """The stored responses of a client, as one run uses them. Threads may share it.

    Args:
        store: The data bucket.
        client_id: The client.
        run_id: Name of the run, which no other run has; it is a part of the run's claims.
        run_clock: Decides whether a claim is expired.
        attempt_seconds: How long one attempt at Bedrock may take; a claim lasts longer.
        until: When the process is killed, which is when its claims expire at the latest; None: it is not killed.
        rng: The random part of the delays between attempts to write, and of the names of claims.
    """

    def __init__(
        self,
        store: ObjectStore,
        client_id: str,
        *,
        run_id: str,
        run_clock: RunClock,
        attempt_seconds: float,
        until: dt.datetime | None = None,
        rng: random.Random | None = None,
    ) -> None:
        self._store = store
        self._swap = CompareAndSwap(store, clock=run_clock.clock, rng=rng)
        self._prefix = f"normalized/{client_id}/items/"
        self._run_id = run_id
        self._run_clock = run_clock
        # A claim that needs more time is renewed.
        self._claim_seconds = claim_seconds(attempt_seconds, store.clock_skew)
        self._until = until
        self._rng = rng

    def get(self, key: str) -> CachedResponse | LeaseRecord | None:
        """Return the response, or another run's claim; None if any run may send the request.

        Raises:
            StoreError: The store could not be read.
        """
        try:
            entry = _parse(self._store.get(self._object_key(key)))
        except NotFoundError:
            return None
        return entry.answer or self._valid_claim(entry)

    def claim(self, key: str) -> CachedResponse | LeaseRecord | ItemClaim:
        """Claim an item; return the response if there is one by now, or the valid claim of another run.

        Raises:
            StoreError: The store failed, or others kept writing the object.
        """
        lease = self._new_lease()
        body = _claim_body(lease)

        def change(stored: Stored | None) -> bytes | Stored | CachedResponse | LeaseRecord:
            if stored is None:
                return body
            entry = _parse(stored.body)
            if entry.answer is not None:
                return entry.answer
            if entry.claim == lease:  # the put succeeded, its response was lost, and the client sent it again
                return stored
            return self._valid_claim(entry) or body

        result: Written | Stored | CachedResponse | LeaseRecord = self._swap.update(self._object_key(key), change)
        if isinstance(result, (CachedResponse, LeaseRecord)):
            return result
        return ItemClaim(key, lease, result.version)

    def renew(self, claim: ItemClaim, seconds: float) -> ItemClaim | None:
        """Return the claim, valid for at least that many seconds more; None if another run may have the item.

        The clock is read again after each write: a reply may come when the renewed claim has nearly expired.

        Raises:
            StoreError: The store could not be written, or its replies came too late.
        """
        for _ in range(_MAX_RENEWALS + 1):
            if self._until is not None and self._run_clock.now() > self._until:
                return None  # by now the process counts as killed
            if claim.lease.expires_at >= self._limit(self._run_clock.after(seconds + self._store.clock_skew)):
                return claim
            renewed = self._renew(claim)
            if renewed is None:
                return None
            claim = renewed
        raise StoreError(f"{self._object_key(claim.key)}: cannot be renewed: the replies of the store come too late")

    def _renew(self, claim: ItemClaim) -> ItemClaim | None:
        """Write the claim with a new expiry; None if another run has the item by now."""
        lease = self._new_lease(claim.lease.owner)
        body = _claim_body(lease)

        def change(stored: Stored | None) -> bytes | Stored | None:
            found = None if stored is None else _parse(stored.body).claim
            if found is None or found.owner != lease.owner:
                return None
            return stored if found == lease else body  # as in claim

        current = Stored(_claim_body(claim.lease), claim.version)
        result = self._swap.update(self._object_key(claim.key), change, current=current)
        return None if result is None else ItemClaim(claim.key, lease, result.version)

    def save(self, claim: ItemClaim, response: CachedResponse) -> CachedResponse:
        """Store a response in place of the claim; return the stored response, which may be an earlier one.

        Raises:
            StoreError: The store could not be written.
        """
        return self.put(claim.key, response, current=Stored(_claim_body(claim.lease), claim.version))

    def put(self, key: str, response: CachedResponse, *, current: Stored | None = None) -> CachedResponse:
        """Store a response that was requested without a claim; otherwise as ``save``.

        Args:
            key: The item's key.
            response: What to store, unless a response is stored already.
            current: The object that it replaces, if that is known.
        """
        body = msgspec.json.encode(_CacheEntry(answer=response))

        def change(stored: Stored | None) -> bytes | CachedResponse:
            # This replaces a claim that another run made after that of this run had expired: its owner finds this
            # response.
            earlier = None if stored is None else _parse(stored.body).answer
            return body if earlier is None else earlier

        result = self._swap.update(self._object_key(key), change, current=current)
        return result if isinstance(result, CachedResponse) else response

    def release(self, claim: ItemClaim) -> None:
        """End a claim without a response, so that any run may send the request at once.

        Raises:
            StoreError: The store could not be written; the claim expires.
        """

        def is_own(body: bytes) -> bool:
            found = _parse(body).claim
            return found is not None and found.owner == claim.lease.owner

        self._swap.remove(
            self._object_key(claim.key), is_own, instead=_claim_body(claim.lease.expired()), version=claim.version
        )

    def _valid_claim(self, entry: _CacheEntry) -> LeaseRecord | None:
        claim = entry.claim
        if claim is None or claim.is_expired(self._run_clock.now(), self._store.clock_skew):
            return None
        return claim

    def _new_lease(self, owner: str | None = None) -> LeaseRecord:
        # The owner is never the same twice, unlike the version of an object, which may be a hash of its bytes.
        owner = owner or f"{self._run_id}/{unique_name(self._rng)}"
        return LeaseRecord(owner, self._limit(self._run_clock.after(self._claim_seconds)))

    def _limit(self, instant: dt.datetime) -> dt.datetime:
        return instant if self._until is None else min(instant, self._until)

    def _object_key(self, key: str) -> str:
        return f"{self._prefix}{key}.json"


def look_up(
    cache: ResponseCache, keys: Sequence[str], *, clock: Clock, deadline: Deadline | None = None
) -> list[CachedResponse | None]:
    """Return the stored responses of many items in the order of their keys; None if there is none, or no time.

    An item that could not be looked up has None, too: the run that claims it finds the response.

    Raises:
        StoreError: There is no such bucket, or none of several items could be looked up, for a reason that stays.
    """
    # The client of the store has its own retries.
    executor = BoundedExecutor(_LOOK_UP_WORKERS, policy=RetryPolicy(max_retries=0), clock=clock, deadline=deadline)
    report = executor.run(cache.get, keys)
    none_found = len(report.failed) == len(keys) > 1
    for outcome in report.failed:
        error = outcome.error or StoreError(f"{outcome.item}: cannot be looked up")
        passes = isinstance(error, TransientStoreError)
        if not isinstance(error, StoreError) or isinstance(error, BucketMissingError) or (none_found and not passes):
            raise error
        _logger.info("a stored response could not be looked up: %s", error)
    return [outcome.value if isinstance(outcome.value, CachedResponse) else None for outcome in report.outcomes]


def _claim_body(lease: LeaseRecord) -> bytes:
    return msgspec.json.encode(_CacheEntry(claim=lease))


def _parse(body: bytes) -> _CacheEntry:
    """Return the entry. An object that cannot be parsed counts as none, and the next claim replaces it."""
    try:
        return msgspec.json.decode(body, type=_CacheEntry)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _CacheEntry()
