"""One run at a time has the lease of a client, and no longer than until its end."""

from __future__ import annotations

import datetime as dt
from pathlib import Path  # noqa: TC003 - pytest reads the annotations
from typing import TYPE_CHECKING

import pytest

from support.memory_store import MemoryStore, NoDeleteStore
from support.ticking import Ticking
from vectora_normalize.storage.expiry import RunClock
from vectora_normalize.storage.leases import LEASE_SECONDS, Lease
from vectora_normalize.storage.objects import FolderStore, NotFoundError, Stored, StoreError

if TYPE_CHECKING:
    from vectora_normalize.storage.objects import ObjectStore

NOW = dt.datetime(2026, 11, 21, 6, 30, tzinfo=dt.UTC)
KEY = "normalized/small/lease.json"


class Setup:
    """A store and a clock that several leases share."""

    def __init__(self, root: Path) -> None:
        self.clock = Ticking()
        self.run_clock = RunClock(NOW, self.clock)
        self.store: ObjectStore = FolderStore(root)

    def lease(self, owner: str, *, seconds: float | None = None) -> Lease:
        until = None if seconds is None else self.run_clock.after(seconds)
        return Lease(self.store, KEY, owner=owner, run_clock=self.run_clock, until=until)


@pytest.fixture
def setup(tmp_path: Path) -> Setup:
    return Setup(tmp_path)


def test_the_first_run_acquires_it_and_the_others_get_its_record(setup: Setup) -> None:
    assert setup.lease("one", seconds=60).acquire() is None
    current_holder = setup.lease("two").acquire()
    assert current_holder is not None
    assert (current_holder.owner, current_holder.expires_at) == ("one", NOW + dt.timedelta(seconds=60))


def test_a_released_lease_can_be_acquired(setup: Setup) -> None:
    one = setup.lease("one")
    one.acquire()
    one.release()
    one.release()
    assert list(setup.store.list("")) == []
    assert setup.lease("two").acquire() is None


def test_an_expired_lease_is_acquired_after_the_clock_skew(setup: Setup) -> None:
    one, two = setup.lease("one", seconds=60), setup.lease("two")
    one.acquire()
    setup.clock.sleep(60 + setup.store.clock_skew)
    assert two.acquire() is not None
    setup.clock.sleep(0.01)
    assert two.acquire() is None
    one.release()  # the first one does not have it any more
    assert setup.lease("three").acquire() is not None


def test_without_a_deadline_it_lasts_while_it_is_renewed(setup: Setup) -> None:
    one, two = setup.lease("one"), setup.lease("two")
    one.acquire()
    for _ in range(10):
        setup.clock.sleep(LEASE_SECONDS / 2 + 1)
        one.renew()
        assert two.acquire() is not None
    setup.clock.sleep(LEASE_SECONDS + setup.store.clock_skew + 1)
    assert two.acquire() is None


def test_it_is_renewed_only_after_half_of_its_time(setup: Setup) -> None:
    one = setup.lease("one")
    one.renew()  # it has no lease
    one.acquire()
    body = setup.store.get(KEY)
    setup.clock.sleep(LEASE_SECONDS / 2 - 1)
    one.renew()
    assert setup.store.get(KEY) == body
    limited = setup.lease("two", seconds=10)
    setup.clock.sleep(2 * LEASE_SECONDS)
    limited.acquire()
    body = setup.store.get(KEY)
    setup.clock.sleep(9)
    limited.renew()  # it expires with its run
    assert setup.store.get(KEY) == body


def test_a_lease_that_was_lost_is_not_renewed(setup: Setup) -> None:
    one, two = setup.lease("one"), setup.lease("two")
    one.acquire()
    setup.clock.sleep(2 * LEASE_SECONDS)
    two.acquire()
    one.renew()
    one.release()
    current_holder = setup.lease("three").acquire()
    assert current_holder is not None
    assert current_holder.owner == "two"


@pytest.mark.parametrize("body", [b"", b"{}", b"\xff", b'{"owner": "x", "expires_at": "2026-11-21T06:30:00"}'])
def test_an_object_that_is_not_a_lease_is_replaced(setup: Setup, body: bytes) -> None:
    setup.store.put(KEY, body)
    assert setup.lease("one").acquire() is None


class _LosesAnswer(FolderStore):
    def put_if_absent(self, key: str, body: bytes) -> str | None:
        super().put_if_absent(key, body)
        return None


def test_a_put_whose_response_was_lost_counts(setup: Setup, tmp_path: Path) -> None:
    setup.store = _LosesAnswer(tmp_path)
    assert setup.lease("one").acquire() is None
    assert setup.lease("two").acquire() is not None


class _RemovedMeanwhile(FolderStore):
    gone = False

    def read(self, key: str) -> Stored:
        if not self.gone:
            self.gone = True
            (self.root / key).unlink()
            raise NotFoundError(key)
        return super().read(key)


class _LosesEveryWrite(FolderStore):
    def put_if_unchanged(self, key: str, body: bytes, version: str) -> str | None:
        return None


def test_a_lease_released_meanwhile_is_tried_again(setup: Setup, tmp_path: Path) -> None:
    setup.lease("one").acquire()
    setup.store = _RemovedMeanwhile(tmp_path)
    assert setup.lease("two").acquire() is None


def test_a_writer_that_always_loses_raises(setup: Setup, tmp_path: Path) -> None:
    setup.store = _LosesEveryWrite(tmp_path)
    setup.store.put(KEY, b"{}")
    with pytest.raises(StoreError, match="cannot be written: others kept writing it"):
        setup.lease("one").acquire()


class _RefusesWrites(FolderStore):
    def put_if_unchanged(self, key: str, body: bytes, version: str) -> str | None:
        raise StoreError("no")

    def delete_if_unchanged(self, key: str, version: str) -> bool:
        raise StoreError("no")


def test_failures_to_renew_and_release_are_only_logged(
    setup: Setup, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    setup.store = _RefusesWrites(tmp_path)
    one = setup.lease("one")
    one.acquire()
    setup.clock.sleep(LEASE_SECONDS)
    one.renew()
    one.release()
    assert "could not be released and expires at 2026-11-21 06:35:00+00:00: no" in caplog.text


def test_a_lease_that_may_not_be_removed_ends_with_its_run(setup: Setup) -> None:
    setup.store = NoDeleteStore()
    setup.lease("one", seconds=900).acquire()
    for owner in ("two", "three"):
        setup.lease(owner).release()  # not theirs
    one, two, three = (setup.lease(owner, seconds=900) for owner in ("one", "two", "three"))
    assert one.acquire() is None
    one.release()
    assert two.acquire() is None
    one.release()
    current_holder = three.acquire()
    assert current_holder is not None
    assert current_holder.owner == "two"


class _LosesReplies(MemoryStore):
    """Writes, and fails as if the reply had been lost, as often as told."""

    lost = 0

    def put_if_absent(self, key: str, body: bytes) -> str | None:
        return self._reply(super().put_if_absent(key, body))

    def put_if_unchanged(self, key: str, body: bytes, version: str) -> str | None:
        return self._reply(super().put_if_unchanged(key, body, version))

    def _reply(self, version: str | None) -> str | None:
        if self.lost:
            self.lost -= 1
            raise StoreError("no reply")
        return version


def test_a_lease_is_released_although_no_reply_said_that_it_was_acquired(setup: Setup) -> None:
    setup.store = store = _LosesReplies()
    store.lost = 1
    one = setup.lease("one", seconds=900)
    with pytest.raises(StoreError):
        one.acquire()
    one.release()
    assert setup.lease("two").acquire() is None


def test_a_lease_is_released_although_no_reply_said_that_it_was_renewed(setup: Setup) -> None:
    setup.store = store = _LosesReplies()
    one = setup.lease("one")
    one.acquire()
    setup.clock.sleep(LEASE_SECONDS)
    store.lost = 1
    one.renew()
    one.release()
    assert setup.lease("two").acquire() is None
