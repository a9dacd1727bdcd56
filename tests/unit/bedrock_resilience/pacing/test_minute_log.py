"""MinuteLog: what was sent in the last minute."""

from __future__ import annotations

from bedrock_resilience.pacing._minute_log import MinuteLog

EPOCH = 1_764_000_000.0


def test_it_adds_up_a_minute_by_the_second() -> None:
    log = MinuteLog()
    for second in range(100):
        log.add(EPOCH + second, 2.0)
        log.add(EPOCH + second + 0.5, 1.0)
    assert log.total(EPOCH + 99.9) == 180
    assert log.total(EPOCH + 99.9, 10) == 30
    assert log.after(EPOCH + 97.2) == 6


def test_a_refused_request_is_subtracted() -> None:
    log = MinuteLog()
    log.add(10.2, 1.0)
    log.add(12.0, 1.0)
    log.add(10.2, -1.0)
    assert log.total(13.0) == 1
    assert log.oldest(13.0) == 12


def test_what_is_booked_may_come_in_any_order() -> None:
    log = MinuteLog()
    for at in (20.0, 10.0, 15.0):
        log.add(at, 1.0)
    assert log.entries() == [[10, 1.0], [15, 1.0], [20, 1.0]]
    assert log.oldest(20.0) == 10


def test_it_forgets_what_is_older() -> None:
    log = MinuteLog()
    log.add(0.0, 1.0)
    log.add(200.0, 1.0)
    log.add(5.0, 1.0)  # reported far too late
    assert log.entries() == [[200, 1.0]]
    assert log.oldest(300.0) is None


def test_it_survives_json() -> None:
    log = MinuteLog()
    log.add(EPOCH, 2.5)
    assert MinuteLog(log.entries()).total(EPOCH + 1) == 2.5


def test_seventy_seconds_are_kept() -> None:
    for second, kept in ((30.0, [[30, 1.0], [100, 1.0]]), (29.0, [[100, 1.0]])):
        log, earlier = MinuteLog(), MinuteLog()
        log.add(100.0, 1.0)
        log.add(second, 1.0)
        earlier.add(second, 1.0)
        earlier.add(100.0, 1.0)
        assert log.entries() == earlier.entries() == kept
