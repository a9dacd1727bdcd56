"""What Bedrock has answered, kept under the request it answered; and the claims of those who are asking.

One object an item, `normalized/<client_id>/items/<key>.json`, in one of three states. It is not there: nobody has
asked. It holds a claim: somebody is asking, until the claim is over. It holds an answer: paid for, and never asked
again. Every step from one state to the next is a conditional put, so of many runs that meet at an item exactly one
asks, and a process that is killed between two steps leaves a state that the next one understands.

The key is a hash of the whole request: model, prompt, schema, language, hints and the item's text. Whatever would make
another request makes another key. What is kept is the model's extraction, not the finished item: names are held
against the text and the client's scopes each time it is used, so scopes that change are neither stale nor paid for
again, unless a name that the text holds came or went, which makes another request.
"""

from __future__ import annotations

import datetime as dt  # noqa: TC003 - msgspec reads the annotations when it is first used
import hashlib
import json
import uuid
from typing import TYPE_CHECKING, Any, Final

import msgspec

from bedrock_resilience.batch._executor import BoundedExecutor
from bedrock_resilience.retrying._policy import RetryPolicy
from vectora_normalize.normalize.extraction import Extraction  # noqa: TC001 - as datetime
from vectora_normalize.storage.expiry import Hold
from vectora_normalize.storage.objects import NotFoundError, StoreError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bedrock_resilience.clock import Clock
    from bedrock_resilience.retrying._deadline import Deadline
    from vectora_normalize.storage.expiry import RunClock
    from vectora_normalize.storage.objects import ObjectStore

# A try is lost only to somebody who changed the object in between, and each item has few who care for it.
_TRIES: Final = 10
_PATIENCE: Final = 1.25
# Kept answers that are looked up at once: each is a request of some 20 ms to S3, and there may be thousands.
_LOOKERS: Final = 16


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """A paid answer.

    Args:
        extraction: What the model read out of the item.
        usage: The tokens it cost.
        ingested_at: The instant of the run that asked; a row of `items.json` keeps it for good.
        model_id: Which model answered.
        paid_by: The run that asked, for people.
        content_hash: Of the item, for people.
        url: Of the item, for people.
    """

    extraction: Extraction
    usage: dict[str, int]
    ingested_at: dt.datetime
    model_id: str = ""
    paid_by: str = ""
    content_hash: str = ""
    url: str = ""


class _Entry(msgspec.Struct, kw_only=True, omit_defaults=True):
    """The object as it is stored: one of the two."""

    claim: Hold | None = None
    answer: Answer | None = None


class Claim(msgspec.Struct, frozen=True):
    """The right to ask, for a while.

    Args:
        key: The item's.
        hold: As it is stored.
        version: Of the object that holds it.
    """

    key: str
    hold: Hold
    version: str


def request_key(request: Mapping[str, Any]) -> str:
    """The sha256 of a request to Converse, in hex, whatever the order of its fields."""
    canonical = json.dumps(request, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    return hashlib.sha256(canonical.encode()).hexdigest()


class AnswerStore:
    """The kept answers of a client, as one run sees them; threads share it.

    Args:
        store: The data bucket.
        client_id: The client.
        run: Name of the run, which nobody else has; its claims are in it.
        wall: Tells when a claim is over.
        attempt: Seconds that one attempt at Bedrock may take; a claim lasts longer.
        until: When the run will be killed, and its claims are over at the latest; None: nobody kills it.
    """

    def __init__(
        self,
        store: ObjectStore,
        client_id: str,
        *,
        run: str,
        wall: RunClock,
        attempt: float,
        until: dt.datetime | None = None,
    ) -> None:
        self._store = store
        self._prefix = f"normalized/{client_id}/items/"
        self._run = run
        self._wall = wall
        # Time for an attempt on the slowest of the clocks, and some for the pacer before it; if that is not enough,
        # the claim is renewed.
        self._patience = _PATIENCE * attempt + 2 * store.clock_skew
        self._until = until

    def find(self, key: str) -> Answer | Hold | None:
        """The answer, or the claim that stands in its place; None where anybody may ask.

        Raises:
            StoreError: The store could not be read.
        """
        try:
            entry = _read(self._store.get(self._place(key)))
        except NotFoundError:
            return None
        return entry.answer or self._standing(entry)

    def take(self, key: str) -> Answer | Hold | Claim:
        """Claim an item; the answer if there is one by now, or the claim of somebody else that stands.

        Raises:
            StoreError: The store failed, or others kept writing the object.
        """
        place, hold = self._place(key), self._new_hold()
        body = msgspec.json.encode(_Entry(claim=hold))
        for _ in range(_TRIES):
            version = self._store.put_if_absent(place, body)
            if version is not None:
                return Claim(key, hold, version)
            try:
                stored = self._store.read(place)
            except NotFoundError:  # given back at this moment
                continue
            entry = _read(stored.body)
            if entry.answer is not None:
                return entry.answer
            if entry.claim == hold:  # the put was done, its answer lost, and the client sent it again
                return Claim(key, hold, stored.version)
            standing = self._standing(entry)
            if standing is not None:
                return standing
            version = self._store.put_if_unchanged(place, body, stored.version)
            if version is not None:
                return Claim(key, hold, version)
        raise StoreError(f"{place}: cannot be claimed: others kept writing it at the same moment")

    def renewed(self, claim: Claim, seconds: float) -> Claim | None:
        """The claim, good for at least so many seconds more; None where somebody else has the item by now.

        Raises:
            StoreError: The store could not be written.
        """
        needed = self._at_most(self._wall.after(seconds + self._store.clock_skew))
        if claim.hold.expires_at >= needed:
            return claim
        hold = self._new_hold()
        body = msgspec.json.encode(_Entry(claim=hold))
        version = self._store.put_if_unchanged(self._place(claim.key), body, claim.version)
        return None if version is None else Claim(claim.key, hold, version)

    def keep(self, claim: Claim, answer: Answer) -> Answer:
        """Store an answer in place of the claim; the answer that stands now, which may be an earlier one.

        Raises:
            StoreError: The store could not be written.
        """
        return self.put(claim.key, answer, version=claim.version)

    def put(self, key: str, answer: Answer, *, version: str | None = None) -> Answer:
        """Store an answer that was not asked for under a claim; otherwise as `keep`.

        Args:
            key: The item's.
            answer: What to store, unless there is an answer.
            version: Of the object that it takes the place of, where that is known.
        """
        place = self._place(key)
        body = msgspec.json.encode(_Entry(answer=answer))
        for _ in range(_TRIES):
            if version is None:
                written = self._store.put_if_absent(place, body)
            else:
                written = self._store.put_if_unchanged(place, body, version)
            if written is not None:
                return answer
            try:
                stored = self._store.read(place)
            except NotFoundError:
                version = None
                continue
            standing = _read(stored.body).answer
            if standing is not None:
                return standing
            version = stored.version  # a claim that came when ours was over: its owner will find this answer
        raise StoreError(f"{place}: cannot be written: others kept writing it at the same moment")

    def give_back(self, claim: Claim) -> None:
        """End a claim without an answer, so that anybody may ask at once.

        Raises:
            StoreError: The store could not be written; the claim ends by itself.
        """
        self._store.delete_if_unchanged(self._place(claim.key), claim.version)

    def _standing(self, entry: _Entry) -> Hold | None:
        claim = entry.claim
        if claim is None or claim.is_over(self._wall.now(), self._store.clock_skew):
            return None
        return claim

    def _new_hold(self) -> Hold:
        # Unlike the version of an object, which may be a hash of its bytes, it is never the same twice.
        return Hold(f"{self._run}/{uuid.uuid4().hex}", self._at_most(self._wall.after(self._patience)))

    def _at_most(self, instant: dt.datetime) -> dt.datetime:
        return instant if self._until is None else min(instant, self._until)

    def _place(self, key: str) -> str:
        return f"{self._prefix}{key}.json"


def look_up(
    answers: AnswerStore, keys: Sequence[str], *, clock: Clock, deadline: Deadline | None = None
) -> list[Answer | None]:
    """The kept answers of many items, in the order of their keys; None where there is none, or no time to look.

    Raises:
        StoreError: The store could not be read.
    """
    # The client of the store has retries of its own.
    executor = BoundedExecutor(_LOOKERS, policy=RetryPolicy(max_retries=0), clock=clock, deadline=deadline)
    report = executor.run(answers.find, keys)
    for outcome in report.failed:
        raise outcome.error or StoreError(f"{outcome.item}: cannot be looked up")
    return [outcome.value if isinstance(outcome.value, Answer) else None for outcome in report.outcomes]


def _read(body: bytes) -> _Entry:
    """The entry; one that cannot be read is as good as none, and is replaced by the next that asks."""
    try:
        return msgspec.json.decode(body, type=_Entry)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return _Entry()
