"""Statistics of a function, which threads may share."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from bedrock_resilience import NoJitter, Quota, QuotaPacer, RetryPolicy, retry
from bedrock_resilience.retrying import PacingWait, RetryStatistics, StatisticsListener
from bedrock_resilience.testing import FakeClock, scripted, throttling_error, throttling_errors, validation_error

PLAIN = RetryPolicy(jitter=NoJitter())


def test_each_function_has_its_own() -> None:
    clock, ask_statistics, other_statistics = FakeClock(), StatisticsListener(), StatisticsListener()
    ask = retry(PLAIN, clock=clock, listeners=[ask_statistics])(
        scripted(*throttling_errors(2), "a", validation_error())
    )
    other = retry(PLAIN, clock=clock, listeners=[other_statistics])(scripted(then=throttling_error()))
    ask()
    with pytest.raises(type(validation_error())):
        ask()
    with pytest.raises(type(throttling_error())):
        other()
    assert ask_statistics.snapshot() == RetryStatistics(
        succeeded=1, failed=1, attempts=4, retries=2, throttles=2, backoff_seconds=1.5
    )
    assert ask_statistics.snapshot().calls == 2
    assert other_statistics.snapshot() == RetryStatistics(
        failed=1, attempts=4, retries=3, throttles=4, backoff_seconds=3.5
    )


def test_waits_for_the_pacer_are_counted_once() -> None:
    clock, statistics = FakeClock(), StatisticsListener()
    pacer = QuotaPacer(Quota(requests_per_minute=60, burst=1))
    ask = retry(PLAIN, clock=clock, pacer=pacer, listeners=[statistics])(scripted(then="answer"))
    for _ in range(3):
        ask()
    assert statistics.snapshot().pacing_seconds == pytest.approx(clock.slept)
    assert statistics.snapshot().pacing_seconds > 0


def test_no_thread_loses_a_count() -> None:
    statistics = StatisticsListener()
    ask = retry(PLAIN.replace(base_delay=0.0), listeners=[statistics])(scripted(then="answer"))
    with ThreadPoolExecutor(8) as pool:
        for _ in range(8):
            pool.submit(lambda: [ask() for _ in range(200)])
    assert statistics.snapshot() == RetryStatistics(succeeded=1_600, attempts=1_600)


def test_a_snapshot_does_not_change_and_a_reset_starts_again() -> None:
    statistics = StatisticsListener()
    ask = retry(PLAIN, listeners=[statistics])(scripted(then="answer"))
    ask()
    before = statistics.snapshot()
    ask()
    assert before == RetryStatistics(succeeded=1, attempts=1)
    assert statistics.reset() == RetryStatistics(succeeded=2, attempts=2)
    assert statistics.snapshot() == RetryStatistics()
    statistics(PacingWait(seconds=5.0))
    assert repr(statistics) == f"StatisticsListener({RetryStatistics()!r})"
