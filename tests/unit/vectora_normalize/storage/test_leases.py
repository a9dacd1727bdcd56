"""One run at a time has the lease of a client, and none has it for longer than it lives."""

from __future__ import annotations

import datetime as dt
from pathlib import Path  # noqa: TC003 - pytest reads the annotations
from typing import TYPE_CHECKING

import pytest

from support.ticking import Ticking
from vectora_normalize.storage.expiry import RunClock
from vectora_normalize.storage.leases import LEASE_SECONDS, Lease
from vectora_normalize.storage.objects import FolderStore, NotFoundError, Stored, StoreError

if TYPE_CHECKING:
    from vectora_normalize.storage.objects import ObjectStore

NOW = dt.datetime(2026, 11, 21, 6, 30, tzinfo=dt.UTC)
KEY = "normalized/small/lease.json"


class Office:
    """Where leases are asked for."""

    def __init__(self, root: Path) -> None:
        self.clock = Ticking()
        self.run_clock = RunClock(NOW, self.clock)
        self.store: ObjectStore = FolderStore(root)

    def lease(self, owner: str, *, seconds: float | None = None) -> Lease:
        until = None if seconds is None else self.run_clock.after(seconds)
        return Lease(self.store, KEY, owner=owner, run_clock=self.run_clock, until=until)


@pytest.fixture
def office(tmp_path: Path) -> Office:
    return Office(tmp_path)


def test_the_first_has_it_and_the_others_learn_who(office: Office) -> None:
    assert office.lease("one", seconds=60).acquire() is None
    current_holder = office.lease("two").acquire()
    assert current_holder is not None
    assert (current_holder.owner, current_holder.expires_at) == ("one", NOW + dt.timedelta(seconds=60))


def test_it_is_anybodys_when_it_was_given_back(office: Office) -> None:
    one = office.lease("one")
    one.acquire()
    one.release()
    one.release()
    assert list(office.store.list("")) == []
    assert office.lease("two").acquire() is None


def test_it_is_taken_over_when_it_must_be_over(office: Office) -> None:
    one, two = office.lease("one", seconds=60), office.lease("two")
    one.acquire()
    office.clock.sleep(60 + office.store.clock_skew)
    assert two.acquire() is not None
    office.clock.sleep(0.01)
    assert two.acquire() is None
    one.release()  # it is not the first one's any more
    assert office.lease("three").acquire() is not None


def test_without_a_deadline_it_lasts_as_long_as_it_is_renewed(office: Office) -> None:
    one, two = office.lease("one"), office.lease("two")
    one.acquire()
    for _ in range(10):
        office.clock.sleep(LEASE_SECONDS / 2 + 1)
        one.renew()
        assert two.acquire() is not None
    office.clock.sleep(LEASE_SECONDS + office.store.clock_skew + 1)
    assert two.acquire() is None


def test_it_is_written_anew_only_when_half_of_its_time_is_over(office: Office) -> None:
    one = office.lease("one")
    one.renew()  # nothing was taken
    one.acquire()
    body = office.store.get(KEY)
    office.clock.sleep(LEASE_SECONDS / 2 - 1)
    one.renew()
    assert office.store.get(KEY) == body
    limited = office.lease("two", seconds=10)
    office.clock.sleep(2 * LEASE_SECONDS)
    limited.acquire()
    body = office.store.get(KEY)
    office.clock.sleep(9)
    limited.renew()  # it ends with its run, whatever happens
    assert office.store.get(KEY) == body


def test_a_lease_that_was_lost_is_not_renewed(office: Office) -> None:
    one, two = office.lease("one"), office.lease("two")
    one.acquire()
    office.clock.sleep(2 * LEASE_SECONDS)
    two.acquire()
    one.renew()
    one.release()
    current_holder = office.lease("three").acquire()
    assert current_holder is not None
    assert current_holder.owner == "two"


@pytest.mark.parametrize("body", [b"", b"{}", b"\xff", b'{"owner": "x", "expires_at": "2026-11-21T06:30:00"}'])
def test_an_object_that_is_no_lease_holds_nobody_up(office: Office, body: bytes) -> None:
    office.store.put(KEY, body)
    assert office.lease("one").acquire() is None


class _Forgetful(FolderStore):
    def put_if_absent(self, key: str, body: bytes) -> str | None:
        super().put_if_absent(key, body)
        return None


def test_a_put_whose_answer_was_lost_has_been_done(office: Office, tmp_path: Path) -> None:
    office.store = _Forgetful(tmp_path)
    assert office.lease("one").acquire() is None
    assert office.lease("two").acquire() is not None


class _Vanishing(FolderStore):
    gone = False

    def read(self, key: str) -> Stored:
        if not self.gone:
            self.gone = True
            (self.root / key).unlink()
            raise NotFoundError(key)
        return super().read(key)


class _Restless(FolderStore):
    def put_if_unchanged(self, key: str, body: bytes, version: str) -> str | None:
        return None


def test_a_lease_that_is_given_back_at_this_moment_is_tried_again(office: Office, tmp_path: Path) -> None:
    office.lease("one").acquire()
    office.store = _Vanishing(tmp_path)
    assert office.lease("two").acquire() is None


def test_whoever_never_gets_a_turn_says_so(office: Office, tmp_path: Path) -> None:
    office.store = _Restless(tmp_path)
    office.store.put(KEY, b"{}")
    with pytest.raises(StoreError, match="cannot be written: others kept writing it"):
        office.lease("one").acquire()


class _Broken(FolderStore):
    def put_if_unchanged(self, key: str, body: bytes, version: str) -> str | None:
        raise StoreError("no")

    def delete_if_unchanged(self, key: str, version: str) -> bool:
        raise StoreError("no")


def test_what_goes_wrong_while_it_is_held_disturbs_nobody(
    office: Office, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    office.store = _Broken(tmp_path)
    one = office.lease("one")
    one.acquire()
    office.clock.sleep(LEASE_SECONDS)
    one.renew()
    one.release()
    assert "could not be released and expires at 2026-11-21 06:35:00+00:00: no" in caplog.text
