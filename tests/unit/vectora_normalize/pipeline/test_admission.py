"""Whether a run may begin while another one is under way is a setting."""

from __future__ import annotations

import datetime as dt
import logging
from pathlib import Path  # noqa: TC003 - pytest reads the annotations
from typing import TYPE_CHECKING

import pytest

from bedrock_resilience.retrying._deadline import Deadline
from support.ticking import Ticking
from vectora_normalize.contract import ErrorType, RunRefusedError
from vectora_normalize.pipeline.admission import RunAdmission
from vectora_normalize.settings import OnConcurrentRun
from vectora_normalize.storage.expiry import RunClock
from vectora_normalize.storage.leases import Lease
from vectora_normalize.storage.objects import FolderStore

if TYPE_CHECKING:
    from collections.abc import Callable

NOW = dt.datetime(2026, 11, 21, 6, 30, tzinfo=dt.UTC)


class Door:
    """Two runs of one client: one that is under way for a minute, and one that asks."""

    def __init__(self, root: Path) -> None:
        self.clock = Ticking()
        run_clock = RunClock(NOW, self.clock)
        store = FolderStore(root)
        self.first = Lease(store, "lease.json", owner="first", run_clock=run_clock, until=run_clock.after(60))
        self.second = Lease(store, "lease.json", owner="second", run_clock=run_clock)

    def acquire(self, mode: OnConcurrentRun, deadline: Deadline | None = None) -> str | None:
        return RunAdmission(mode, self.clock, deadline).acquire(self.second, "small")


@pytest.fixture
def door(tmp_path: Path) -> Door:
    return Door(tmp_path)


@pytest.mark.parametrize("mode", OnConcurrentRun)
def test_alone_everybody_may_begin(door: Door, mode: OnConcurrentRun) -> None:
    assert door.acquire(mode) is None
    assert door.first.acquire() is not None
    assert door.clock.slept == []


def test_to_join_is_to_begin_at_once(door: Door, caplog: pytest.LogCaptureFixture) -> None:
    door.first.acquire()
    with caplog.at_level(logging.INFO):
        assert door.acquire(OnConcurrentRun.JOIN) == "first"
    assert "the run first is under way until 2026-11-21 06:31:00+00:00: sharing its work" in caplog.text
    assert door.clock.slept == []


def test_to_refuse_is_a_409_that_names_the_run_and_its_end(door: Door) -> None:
    door.first.acquire()
    with pytest.raises(RunRefusedError) as caught:
        door.acquire(OnConcurrentRun.REFUSE)
    assert caught.value.error_type is ErrorType.CONCURRENT_RUN
    assert caught.value.error_type.status == 409
    assert str(caught.value) == (
        "client_id: got 'small', for which the run first is under way until 2026-11-21T06:31:00Z at the latest; "
        "accepted: a client without a run under way, or ON_CONCURRENT_RUN=join"
    )


def test_to_wait_is_to_begin_when_the_other_run_is_over(door: Door) -> None:
    door.first.acquire()
    assert door.acquire(OnConcurrentRun.WAIT) is None
    assert 60 < sum(door.clock.slept) < 65


def test_nobody_waits_beyond_the_deadline(door: Door) -> None:
    door.first.acquire()
    with pytest.raises(RunRefusedError, match="is under way"):
        door.acquire(OnConcurrentRun.WAIT, Deadline(door.clock.now + 40, attempt=20))
    assert sum(door.clock.slept) == 18


def test_a_run_that_gives_its_lease_back_lets_the_waiting_one_in(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    door.first.acquire()
    sleep: Callable[[float], None] = door.clock.sleep

    def meanwhile(seconds: float) -> None:
        sleep(seconds)
        door.first.release()

    monkeypatch.setattr(door.clock, "sleep", meanwhile)
    assert door.acquire(OnConcurrentRun.WAIT) is None
    assert len(door.clock.slept) == 1
