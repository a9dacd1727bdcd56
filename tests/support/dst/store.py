"""A model of S3: strongly consistent, with conditions, and with every fault that a client may see."""

from __future__ import annotations

import datetime as dt
import hashlib
from typing import TYPE_CHECKING, Any, Final

import msgspec

from support.dst.scheduler import Weights
from vectora_normalize.storage.expiry import LeaseRecord
from vectora_normalize.storage.objects import NotFoundError, StoreConflictError, Stored, StoreError, TransientStoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from support.dst.scheduler import Choices, Process, Scheduler
    from vectora_normalize.storage.objects import ObjectStore

START: Final = dt.datetime(2026, 11, 28, 6, 30, tzinfo=dt.UTC)
"""The true time at virtual second 0."""

CLOCK_SKEW: Final = 5.0

# Seconds of an operation's way to S3, and of its reply's way back. Most are short, a few outlast a claim.
_LATENCIES: Final = (0.0, 0.02, 0.5, 4.0, 11.0, 33.0)
_USUAL: Final = Weights(60, 25, 15, 0, 0, 0)
_SLOW: Final = Weights(45, 20, 12, 10, 8, 5)
# None, 503 or a connection that breaks, 409, sent twice, reply lost, done after the client has given up.
_FAULTS: Final = ("", "refused", "conflict", "sent twice", "reply lost", "done late")
_KINDS: Final = tuple(
    Weights(100 - 5 * rate, rate, rate, rate, rate, rate) if rate else Weights(100, 0, 0, 0, 0, 0)
    for rate in (0, 1, 4, 10)
)


class Entry(msgspec.Struct):
    """What an object of an item, or a lease, says; only what is checked."""

    claim: LeaseRecord | None = None
    answer: dict[str, Any] | None = None
    owner: str | None = None
    expires_at: dt.datetime | None = None


class ModelS3:
    """The bucket.

    Args:
        scheduler: Each operation is two of its points: on its way, and on its way back.
        choices: Decide about latencies and faults.
        max_claim_seconds: The longest time that a claim may be valid.

    Attributes:
        objects: What is stored.
        answered: When the answer of a key was stored first.
        late: Keys whose answer replaced the claim of another run.
        begun: Items that a run has stored in its backlog: the next runs know them, whatever their sources have.
    """

    def __init__(self, scheduler: Scheduler, choices: Choices, *, max_claim_seconds: float) -> None:
        self.scheduler = scheduler
        self.choices = choices
        self.objects: dict[str, Stored] = {}
        self.answered: dict[str, float] = {}
        self.late: set[str] = set()
        self.begun: set[str] = set()
        self.removes = choices.below(8) < 7  # or the role may not remove anything
        self._owners: dict[str, Process] = {}
        self._has: dict[str, str] = {}  # what is in each object: nothing, an answer, or the claim of a process
        self._max_claim_seconds = max_claim_seconds
        rate = choices.below(4)
        self._faults = _KINDS[rate]
        self._faulty = rate > 0
        self._latency = (_USUAL, _SLOW)[choices.below(2)]

    def view(self, process: Process) -> StoreView:
        """The bucket as a process sees it."""
        return StoreView(self, process)

    def calm_down(self) -> None:
        """No faults and no long latencies from now on."""
        self._faults, self._faulty, self._latency = _KINDS[0], False, _USUAL

    def operate(self, process: Process, name: str, key: str, do: Callable[[], Any], *, conditional: bool) -> Any:  # noqa: ANN401 - what the operation returns
        """Carry out an operation of a process, with what may go wrong."""
        scheduler, choices = self.scheduler, self.choices
        scheduler.sleep(_LATENCIES[choices.pick(self._latency)])
        fault = _FAULTS[choices.pick(self._faults)] if self._faulty else ""
        if fault:
            scheduler.count(fault)
        if fault == "refused":
            scheduler.log(f"{name} {key}: 503")
            self._failed(process, f"{key}: 503")
        if fault == "conflict" and conditional:
            scheduler.log(f"{name} {key}: 409")
            raise StoreConflictError(f"{key}: 409")
        if fault == "done late":
            self._do_late(process, name, key, do)
            scheduler.sleep(_LATENCIES[choices.pick(self._latency)])
            self._failed(process, f"{key}: no reply")
        result = do()
        if fault == "sent twice":
            scheduler.log(f"{name} {key}: {_shown(result)}, and sent again")
            scheduler.sleep(_LATENCIES[choices.pick(self._latency)])
            result = do()
        if scheduler.tracing:
            scheduler.log(f"{name} {key}: {_shown(result)}")
        scheduler.sleep(_LATENCIES[choices.pick(self._latency)])
        if fault == "reply lost":
            scheduler.log(f"{name} {key}: no reply")
            self._failed(process, f"{key}: no reply")
        return result

    def _failed(self, process: Process, text: str) -> None:
        process.faults += 1
        raise TransientStoreError(text)

    def _do_late(self, process: Process, name: str, key: str, do: Callable[[], Any]) -> None:
        """S3 carries out a request after its client has given it up."""

        def later() -> None:
            result = do()
            process.late_requests -= 1
            self.scheduler.log(f"{name} {key} of {process.name}, late: {_shown(result)}")

        delay = _LATENCIES[1 + self.choices.below(len(_LATENCIES) - 1)]
        process.late_requests += 1
        self.scheduler.spawn(self.scheduler.network, process.name, later, self.scheduler.now + delay)

    # The operations, each in one step

    def get(self, key: str) -> Stored | NotFoundError:
        return self.objects.get(key) or NotFoundError(key)

    def put(self, process: Process, key: str, body: bytes) -> str:
        stored = Stored(body, hashlib.md5(body, usedforsecurity=False).hexdigest())  # as an ETag is
        self._check(process, key, self.objects.get(key), body)
        self.objects[key] = stored
        return stored.version

    def put_if_absent(self, process: Process, key: str, body: bytes) -> str | None:
        return None if key in self.objects else self.put(process, key, body)

    def put_if_unchanged(self, process: Process, key: str, body: bytes, version: str) -> str | None:
        stored = self.objects.get(key)
        return self.put(process, key, body) if stored is not None and stored.version == version else None

    def delete(self, process: Process, key: str, version: str | None = None) -> bool | StoreError:
        if not self.removes:
            return StoreError(f"{key}: AccessDenied")
        stored = self.objects.get(key)
        if stored is None or (version is not None and stored.version != version):
            return False
        self._check(process, key, stored, None)
        del self.objects[key]
        return True

    def is_held_by(self, process: Process, key: str) -> bool:
        """Whether a claim or lease is valid on the clock of a process, and of it."""
        stored = self.objects.get(key)
        if stored is None:
            return False
        record = _entry(stored.body).claim if "/items/" in key else _record(stored.body)
        return record is not None and self._owner(record) is process and record.expires_at >= wall_time(process)

    def listed(self, *, staged: bool = False) -> set[str]:
        """The items that are in a list, or staged for one."""
        found: set[str] = set()
        for key, stored in self.objects.items():
            if key.endswith("items.json") or (staged and "/parts/" in key):
                found |= _hashes(stored.body)
        return found

    # The invariants of every step

    def _check(self, process: Process, key: str, stored: Stored | None, body: bytes | None) -> None:
        """Check a step from one state of an object to the next."""
        if "/items/" in key:
            self._check_item(process, key, stored, body)
        elif key.endswith("lease.json"):
            self._check_owner(process, key, _record(_body(stored)), _record(body))
        elif key.endswith("items.json"):
            self._check_list(key, stored, body)
        elif "/parts/" in key and body is None:
            lost = _hashes(_body(stored)) - self.listed()
            if lost:
                self.scheduler.fail(f"{process.name} removes staged rows that are in no list: {sorted(lost)}")
        elif "/outstanding/" in key and body is not None:
            self.begun |= {entry["item"]["content_hash"] for entry in msgspec.json.decode(body)["entries"]}
        self.scheduler.reached(key, self._has.get(key, ""))

    def _check_item(self, process: Process, key: str, stored: Stored | None, body: bytes | None) -> None:
        old, new = _entry(_body(stored)), _entry(body)
        if old.answer is not None and (new.answer is None or new.answer != old.answer):
            self.scheduler.fail(f"{process.name} replaces a stored answer: {key}")
        if new.answer is None:
            self._check_owner(process, key, old.claim, new.claim)
            return
        self._has[key] = "answer"
        if old.answer is None:
            self.answered[key] = self.scheduler.now
            if old.claim is not None and self._owner(old.claim) is not process:
                self.late.add(key)

    def _check_owner(self, process: Process, key: str, old: LeaseRecord | None, new: LeaseRecord | None) -> None:
        """Nobody else changes a claim or lease that is valid on its owner's clock, and none lasts too long."""
        scheduler = self.scheduler
        owner = None if old is None else self._owner(old)
        if old is not None and owner is not process and owner is not None and old.expires_at >= wall_time(owner):
            scheduler.fail(f"{process.name} takes what {owner.name} has until {old.expires_at}: {key}")
        self._has[key] = "" if new is None else process.name
        if new is not None:
            self._owners.setdefault(new.owner, process)  # who first writes a name is its owner
            left = (new.expires_at - wall_time(process)).total_seconds()
            if left > self._max_claim_seconds + 0.001 and "/items/" in key:
                scheduler.fail(f"{process.name} claims for {left} s: {key}")
            short = key.endswith("parts.lease.json")  # lasts for seconds, whatever its process does
            if process.killed_at is not None and new.expires_at > process.killed_at and not short:
                scheduler.fail(f"{process.name} claims until after its end: {key}")

    def _owner(self, record: LeaseRecord) -> Process | None:
        return self._owners.get(record.owner)

    def _check_list(self, key: str, stored: Stored | None, body: bytes | None) -> None:
        old, new = _hashes(_body(stored)), _hashes(body)
        if not old <= new:
            self.scheduler.fail(f"the list goes back from {sorted(old)} to {sorted(new)}: {key}")


class StoreView:
    """The ``ObjectStore`` of one process."""

    clock_skew = CLOCK_SKEW

    def __init__(self, s3: ModelS3, process: Process) -> None:
        self._s3 = s3
        self._process = process

    def get(self, key: str) -> bytes:
        return self.read(key).body

    def read(self, key: str) -> Stored:
        found: Stored = self._returned(self._operate("get", key, lambda: self._s3.get(key)))
        return found

    def put(self, key: str, body: bytes) -> None:
        self._operate("put", key, lambda: self._s3.put(self._process, key, body))

    def put_if_absent(self, key: str, body: bytes) -> str | None:
        put = self._s3.put_if_absent
        version: str | None = self._conditional("put if absent", key, lambda: put(self._process, key, body))
        return version

    def put_if_unchanged(self, key: str, body: bytes, version: str) -> str | None:
        put = self._s3.put_if_unchanged
        new: str | None = self._conditional("put if unchanged", key, lambda: put(self._process, key, body, version))
        return new

    def delete(self, key: str) -> None:
        self._returned(self._operate("delete", key, lambda: self._s3.delete(self._process, key)))

    def delete_if_unchanged(self, key: str, version: str) -> bool:
        delete = self._s3.delete
        removed = self._conditional("delete if unchanged", key, lambda: delete(self._process, key, version))
        return self._returned(removed) is True

    def exists(self, key: str) -> bool:
        return not isinstance(self._operate("head", key, lambda: self._s3.get(key)), NotFoundError)

    def list(self, prefix: str) -> Iterator[str]:
        objects = self._s3.objects
        keys: list[str] = self._operate(
            "list", prefix, lambda: sorted(key for key in objects if key.startswith(prefix))
        )
        return iter(keys)

    def _operate(self, name: str, key: str, do: Callable[[], Any]) -> Any:  # noqa: ANN401 - as in ModelS3
        return self._s3.operate(self._process, name, key, do, conditional=False)

    def _conditional(self, name: str, key: str, do: Callable[[], Any]) -> Any:  # noqa: ANN401 - as in ModelS3
        return self._s3.operate(self._process, name, key, do, conditional=True)

    @staticmethod
    def _returned(result: Any) -> Any:  # noqa: ANN401 - as in ModelS3
        if isinstance(result, StoreError):
            raise result
        return result


def wall_time(process: Process) -> dt.datetime:
    """What the clock on the wall of a process says."""
    return START + dt.timedelta(seconds=process.scheduler.now + process.skew)


def _body(stored: Stored | None) -> bytes | None:
    return None if stored is None else stored.body


def _entry(body: bytes | None) -> Entry:
    return Entry() if body is None else msgspec.json.decode(body, type=Entry)


def _record(body: bytes | None) -> LeaseRecord | None:
    return None if body is None else msgspec.json.decode(body, type=LeaseRecord)


def _hashes(body: bytes | None) -> set[str]:
    rows: list[dict[str, Any]] = [] if body is None else msgspec.json.decode(body)
    return {row["content_hash"] for row in rows}


def _shown(result: object) -> str:
    if isinstance(result, Stored):
        return result.body.decode()[:90]
    return str(result)[:90]


if TYPE_CHECKING:
    _conforms: type[ObjectStore] = StoreView
