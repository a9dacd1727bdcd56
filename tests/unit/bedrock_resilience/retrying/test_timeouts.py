"""A time limit for each attempt of an awaited call, under asyncio and trio."""

from __future__ import annotations

import asyncio

import pytest

from bedrock_resilience import BoundedExecutor, Fault, NoJitter, Retrier, RetryPolicy, retry
from bedrock_resilience.errors import AttemptTimeoutError
from bedrock_resilience.retrying import classify
from bedrock_resilience.retrying._timeouts import AttemptTimeout
from bedrock_resilience.testing import FakeClock, scripted

TRANSIENT = RetryPolicy(jitter=NoJitter(), retry_on="transient")


class Hanging:
    """Hangs in the first ``times`` attempts."""

    def __init__(self, times: int) -> None:
        self.times = times
        self.calls = 0

    async def ask(self, item: int = 0) -> str:
        self.calls += 1
        if self.calls <= self.times:
            await asyncio.Event().wait()
        return f"answer {item}"


async def test_an_attempt_that_times_out_is_retried_as_a_read_timeout() -> None:
    clock, model = FakeClock(), Hanging(1)
    assert await Retrier(TRANSIENT, clock=clock, attempt_timeout=30.0).acall(model.ask) == "answer 0"
    assert clock.sleeps == [0.5], "the time limit is no sleep"
    assert clock.monotonic() == 30.5
    await asyncio.sleep(0)  # noqa: TID251 - the turn of the loop in which the timer ends
    assert len(asyncio.all_tasks()) == 1


async def test_the_last_timeout_is_raised() -> None:
    model = Hanging(9)
    with pytest.raises(AttemptTimeoutError) as raised:
        await Retrier(TRANSIENT, clock=FakeClock(), attempt_timeout=30.0).acall(model.ask)
    assert str(raised.value) == "no result within 30 s"
    assert isinstance(raised.value, TimeoutError)
    assert classify(raised.value) is Fault.READ_TIMEOUT
    assert model.calls == 2, "what may be billed is retried once"


async def test_the_default_policy_does_not_retry_a_timeout() -> None:
    model = Hanging(9)
    with pytest.raises(AttemptTimeoutError):
        await Retrier(clock=FakeClock(), attempt_timeout=30.0).acall(model.ask)
    assert model.calls == 1


async def test_it_works_with_the_system_clock() -> None:
    with pytest.raises(AttemptTimeoutError):
        await Retrier(attempt_timeout=0.01).acall(Hanging(1).ask)


async def test_a_timeout_error_of_the_function_is_not_a_read_timeout() -> None:
    async def work() -> None:
        raise TimeoutError("mine")

    with pytest.raises(TimeoutError, match="mine") as raised:
        await Retrier(clock=FakeClock(), attempt_timeout=30.0).acall(work)
    assert type(raised.value) is TimeoutError


async def test_a_cancellation_from_outside_is_a_cancellation() -> None:
    task = asyncio.create_task(Retrier(TRANSIENT, attempt_timeout=30.0).acall(Hanging(1).ask))
    await asyncio.sleep(0.01)  # noqa: TID251 - the attempt has begun
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_an_outer_timeout_that_ends_first_is_raised() -> None:
    with pytest.raises(TimeoutError) as raised:
        async with asyncio.timeout(0.01):
            await Retrier(TRANSIENT, attempt_timeout=30.0).acall(Hanging(1).ask)
    assert type(raised.value) is TimeoutError


async def test_items_of_a_batch() -> None:
    model = Hanging(2)
    executor = BoundedExecutor(2, policy=TRANSIENT, clock=FakeClock(), attempt_timeout=30.0)
    report = await executor.arun(model.ask, range(4))
    assert [outcome.value for outcome in report.outcomes] == [f"answer {item}" for item in range(4)]
    assert report.retries == 2


def test_a_thread_cannot_be_interrupted() -> None:
    text = (
        "attempt_timeout: got 5.0 for a synchronous call; accepted: None, because a thread cannot be interrupted: give "
        "the client a read timeout (bedrock_runtime_client(..., read_timeout=60)), or await the call (acall, arun)"
    )
    fn = scripted("answer")
    with pytest.raises(TypeError) as refused:
        Retrier(attempt_timeout=5.0).call(fn)
    assert str(refused.value) == f"Retrier: {text}"
    with pytest.raises(TypeError) as refused:
        retry(attempt_timeout=5.0)(lambda: None)
    assert str(refused.value) == f"Retrier: {text}"
    with pytest.raises(TypeError) as refused:
        next(iter(Retrier(attempt_timeout=5.0)))
    assert str(refused.value) == f"Retrier: {text}"
    for start in (BoundedExecutor(attempt_timeout=5.0).run, BoundedExecutor(attempt_timeout=5.0).stream):
        with pytest.raises(TypeError) as refused:
            start(fn, [1])
        assert str(refused.value) == f"BoundedExecutor: {text}"
    assert fn.calls == 0


async def test_it_needs_a_task() -> None:
    caught: list[Exception] = []

    def outside_of_a_task() -> None:
        try:
            AttemptTimeout(FakeClock(), 1.0).__enter__()
        except RuntimeError as error:
            caught.append(error)

    asyncio.get_running_loop().call_soon(outside_of_a_task)
    await asyncio.sleep(0)  # noqa: TID251 - one turn of the event loop
    assert [str(error) for error in caught] == ["attempt_timeout needs a task of asyncio or trio"]


async def test_its_timer_is_named_and_ends_with_the_attempt() -> None:
    with AttemptTimeout(FakeClock(), 30.0):
        (timer,) = asyncio.all_tasks() - {asyncio.current_task()}
    await asyncio.sleep(0)  # noqa: TID251 - as above
    assert timer.get_name() == "bedrock-resilience-timeout"
    assert timer.cancelled()


async def test_a_limit_reached_while_the_attempt_ends_does_not_cancel_the_task() -> None:
    due = asyncio.Event()

    class EventClock(FakeClock):
        async def timer(self, seconds: float, /) -> None:
            assert seconds == 30.0
            await due.wait()

    with AttemptTimeout(EventClock(), 30.0):
        await asyncio.sleep(0)  # noqa: TID251 - the timer starts
        due.set()
        await asyncio.sleep(0)  # noqa: TID251 - the timer ends, and its callback is due in the next turn
    await asyncio.sleep(0)  # noqa: TID251 - that turn


class TestTrio:
    """Under trio, ``acall`` works; these tests run where trio is installed."""

    def test_backoff_and_a_time_limit(self) -> None:
        trio = pytest.importorskip("trio")
        calls: list[float] = []
        policy = TRANSIENT.replace(base_delay=40.0, max_delay=40.0)

        async def ask() -> str:
            calls.append(trio.current_time())
            if len(calls) == 1:
                await trio.sleep_forever()
            return "answer"

        async def main() -> tuple[str, float]:
            started = trio.current_time()
            answer = await Retrier(policy, attempt_timeout=30.0).acall(ask)
            return answer, trio.current_time() - started

        answer, elapsed = trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))
        assert answer == "answer"
        assert elapsed == pytest.approx(70.0)

    def test_the_last_timeout_is_raised(self) -> None:
        trio = pytest.importorskip("trio")

        async def main() -> None:
            await Retrier(TRANSIENT.replace(max_retries=0), attempt_timeout=30.0).acall(trio.sleep_forever)

        with pytest.raises(AttemptTimeoutError) as raised:
            trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))
        assert raised.value.seconds == 30.0

    def test_a_cancellation_is_not_retried(self) -> None:
        trio = pytest.importorskip("trio")

        async def main() -> bool:
            with trio.move_on_after(5) as scope:
                await Retrier(TRANSIENT, attempt_timeout=30.0).acall(trio.sleep_forever)
            return bool(scope.cancelled_caught)

        assert trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))

    def test_the_executor_refuses_trio_and_names_the_remedy(self) -> None:
        trio = pytest.importorskip("trio")

        async def main() -> None:
            async def work(item: int) -> int:
                return item

            await BoundedExecutor().arun(work, [1])

        with pytest.raises(TypeError) as refused:
            trio.run(main)
        assert str(refused.value) == (
            "BoundedExecutor: arun and astream need asyncio; under trio, start Retrier.acall for each item in a "
            "nursery, with a trio.CapacityLimiter"
        )
