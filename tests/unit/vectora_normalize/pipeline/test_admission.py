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


class Setup:
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
def setup(tmp_path: Path) -> Setup:
    return Setup(tmp_path)


@pytest.mark.parametrize("mode", OnConcurrentRun)
def test_without_another_run_a_run_begins(setup: Setup, mode: OnConcurrentRun) -> None:
    assert setup.acquire(mode) is None
    assert setup.first.acquire() is not None
    assert setup.clock.slept == []


def test_join_begins_at_once(setup: Setup, caplog: pytest.LogCaptureFixture) -> None:
    setup.first.acquire()
    with caplog.at_level(logging.INFO):
        assert setup.acquire(OnConcurrentRun.JOIN) == "first"
    assert "the run first is in progress until 2026-11-21 06:31:00+00:00: sharing its work" in caplog.text
    assert setup.clock.slept == []


def test_refuse_is_a_409_that_names_the_run_and_its_end(setup: Setup) -> None:
    setup.first.acquire()
    with pytest.raises(RunRefusedError) as caught:
        setup.acquire(OnConcurrentRun.REFUSE)
    assert caught.value.error_type is ErrorType.CONCURRENT_RUN
    assert caught.value.error_type.status == 409
    assert str(caught.value) == (
        "client_id: got 'small', for which the run first is in progress until 2026-11-21T06:31:00Z at the latest; "
        "accepted: a client without a run in progress, or ON_CONCURRENT_RUN=join"
    )


def test_wait_begins_when_the_other_run_is_over(setup: Setup) -> None:
    setup.first.acquire()
    assert setup.acquire(OnConcurrentRun.WAIT) is None
    assert 60 < sum(setup.clock.slept) < 65


def test_wait_ends_at_the_deadline(setup: Setup) -> None:
    setup.first.acquire()
    with pytest.raises(RunRefusedError, match="is in progress"):
        setup.acquire(OnConcurrentRun.WAIT, Deadline(setup.clock.now + 40, attempt=20))
    assert sum(setup.clock.slept) == 18


def test_a_waiting_run_begins_when_the_lease_is_released(setup: Setup, monkeypatch: pytest.MonkeyPatch) -> None:
    setup.first.acquire()
    sleep: Callable[[float], None] = setup.clock.sleep

    def meanwhile(seconds: float) -> None:
        sleep(seconds)
        setup.first.release()

    monkeypatch.setattr(setup.clock, "sleep", meanwhile)
    assert setup.acquire(OnConcurrentRun.WAIT) is None
    assert len(setup.clock.slept) == 1
