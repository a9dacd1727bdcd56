"""instant_retries: no retry in the process waits."""

from __future__ import annotations

import math
import threading
from typing import TYPE_CHECKING, Any

import pytest

from bedrock_resilience import BoundedExecutor, NoJitter, Retrier, RetryPolicy
from bedrock_resilience.clock import SYSTEM_CLOCK, SystemClock
from bedrock_resilience.retrying._attempts import CallState
from bedrock_resilience.retrying._deadline import Deadline
from bedrock_resilience.testing import (
    FakeClock,
    ascripted,
    instant_retries,
    no_retries,
    scripted,
    throttling_error,
    throttling_errors,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

PLAIN = RetryPolicy(jitter=NoJitter(), base_delay=600.0, max_delay=3_600.0)


@pytest.fixture(autouse=True)
def everything_is_put_back() -> Iterator[None]:
    before = dict(vars(SystemClock))
    yield
    assert dict(vars(SystemClock)) == before
    assert CallState.retry_limit is None


def test_retries_deep_inside_do_not_wait() -> None:
    with instant_retries() as clock:
        assert PLAIN.call(scripted(*throttling_errors(2), "answer")) == "answer"
        assert Retrier(PLAIN).call(scripted(throttling_error(), "answer")) == "answer"
    assert clock.sleeps == [600.0, 1_200.0, 600.0]


async def test_tasks_do_not_wait() -> None:
    with instant_retries() as clock:
        assert await Retrier(PLAIN).acall(ascripted(*throttling_errors(2), "answer")) == "answer"
    assert clock.sleeps == [600.0, 1_200.0]


def test_tasks_of_trio_do_not_wait() -> None:
    trio = pytest.importorskip("trio")

    async def main() -> object:
        return await Retrier(PLAIN).acall(ascripted(*throttling_errors(2), "answer"))

    with instant_retries() as clock:
        before = clock.monotonic()
        assert trio.run(main) == "answer"
        assert clock.monotonic() == before + 1_800.0
    assert clock.sleeps == [600.0, 1_200.0]


def test_a_task_of_trio_that_is_canceled_does_not_sleep() -> None:
    trio = pytest.importorskip("trio")
    clock = FakeClock()

    async def main() -> bool:
        with trio.CancelScope() as scope:
            scope.cancel()
            await clock.asleep(1.0)
        return bool(scope.cancelled_caught)

    assert trio.run(main)


def test_workers_of_an_executor_do_not_wait() -> None:
    with instant_retries() as clock:
        report = BoundedExecutor(4, policy=PLAIN).run(scripted(*throttling_errors(4), then="answer"), range(8))
    assert len(report.succeeded) == 8
    assert clock.sleeps == [600.0] * 4
    assert math.isclose(report.elapsed, 600.0)


def test_events_are_waited_for_on_virtual_time() -> None:
    with instant_retries() as clock:
        assert SYSTEM_CLOCK.wait(threading.Event(), 600.0) is False
    assert clock.sleeps == [600.0]


def test_virtual_time_starts_at_the_real_time() -> None:
    deadline = Deadline.after(1_000.0)
    with instant_retries(), pytest.raises(type(throttling_error())) as raised:
        Retrier(PLAIN, deadline=deadline).call(scripted(then=throttling_error()))
    assert raised.value.__notes__ == ["bedrock_resilience: gave up after 2 attempts and 600.00 s of waiting: deadline"]


def test_nested_blocks_restore_the_outer_clock() -> None:
    with instant_retries() as outer:
        with instant_retries() as inner:
            SYSTEM_CLOCK.sleep(5.0)
        SYSTEM_CLOCK.sleep(7.0)
    assert (outer.sleeps, inner.sleeps) == ([7.0], [5.0])


def test_it_is_restored_after_an_exception() -> None:
    with pytest.raises(LookupError), instant_retries():
        raise LookupError
    assert SYSTEM_CLOCK.wait(threading.Event(), 0.0) is False


def test_retrying_turned_off() -> None:
    fn = scripted(then=throttling_error())
    with no_retries(), pytest.raises(type(throttling_error())) as raised:
        PLAIN.call(fn)
    assert fn.calls == 1
    assert raised.value.__notes__ == [
        "bedrock_resilience: gave up after 1 attempt and 0.00 s of waiting: retries exhausted"
    ]


def test_retrying_turned_off_for_a_batch() -> None:
    with no_retries():
        report = BoundedExecutor(2, policy=PLAIN).run(scripted(then=throttling_error()), range(4))
    assert (report.attempts, report.retries, len(report.failed)) == (4, 0, 4)


def test_fewer_retries() -> None:
    fn = scripted(then=throttling_error())
    with instant_retries(max_retries=2) as clock, pytest.raises(type(throttling_error())):
        PLAIN.call(fn)
    assert fn.calls == 3
    assert clock.sleeps == [600.0, 1_200.0]


def test_a_limit_above_the_policys_adds_no_retries() -> None:
    fn = scripted(then=throttling_error())
    with instant_retries(max_retries=2), pytest.raises(type(throttling_error())):
        PLAIN.replace(max_retries=1).call(fn)
    assert fn.calls == 2


def test_the_inner_limit_does_not_loosen_the_outer_one() -> None:
    fn = scripted(then=throttling_error())
    with no_retries(), instant_retries(max_retries=2), pytest.raises(type(throttling_error())):
        PLAIN.call(fn)
    assert fn.calls == 1


@pytest.mark.parametrize(("wrong", "error"), [(-1, ValueError), ("1", TypeError)])
def test_an_invalid_limit_is_refused(wrong: Any, error: type[Exception]) -> None:  # noqa: ANN401 - that is the point
    with pytest.raises(error, match=r"^instant_retries: max_retries: got "), instant_retries(max_retries=wrong):
        pass
