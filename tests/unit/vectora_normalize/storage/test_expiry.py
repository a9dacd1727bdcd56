"""A hold is over when it is over on every clock."""

from __future__ import annotations

import datetime as dt

import msgspec
import pytest

from support.ticking import Ticking
from vectora_normalize.storage.expiry import LeaseRecord, RunClock, claim_seconds

NOW = dt.datetime(2026, 11, 21, 6, 30, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("seconds", "skew", "over"),
    [(-1.0, 0.0, False), (0.0, 0.0, False), (1.0, 0.0, True), (5.0, 5.0, False), (5.1, 5.0, True)],
)
def test_a_lease_is_expired_after_its_end_and_the_clock_skew(seconds: float, skew: float, *, over: bool) -> None:
    assert LeaseRecord("me", NOW).is_expired(NOW + dt.timedelta(seconds=seconds), skew) is over


def test_a_lease_without_a_time_zone_is_invalid() -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(b'{"owner": "me", "expires_at": "2026-11-21T06:30:00"}', type=LeaseRecord)


def test_wall_time_advances_with_the_monotonic_clock() -> None:
    clock = Ticking()
    run_clock = RunClock(NOW, clock)
    assert run_clock.now() == NOW
    clock.sleep(90.0)
    assert run_clock.now() == NOW + dt.timedelta(seconds=90)
    assert run_clock.after(10.0) == NOW + dt.timedelta(seconds=100)


def test_a_claim_lasts_longer_than_an_attempt_on_any_clock() -> None:
    assert claim_seconds(120.0, 5.0) == 160.0
    assert claim_seconds(1.0, 5.0) == 11.25


def test_a_released_record_has_expired_for_every_reader() -> None:
    record = LeaseRecord("me", NOW).expired()
    assert record.owner == "me"
    assert record.is_expired(NOW - dt.timedelta(days=365), skew=900.0)
