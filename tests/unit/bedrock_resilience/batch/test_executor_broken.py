"""A run with failing parts loses no item and raises their error; an interrupt loses no finished result."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import textwrap
from typing import TYPE_CHECKING, Any, cast

import pytest

from bedrock_resilience import BoundedExecutor, Deadline, Fault, RetryPolicy
from bedrock_resilience.batch import report_of
from bedrock_resilience.bedrock import converse_stream
from bedrock_resilience.errors import ScriptExhaustedError
from bedrock_resilience.testing import FakeClock, ScriptedBedrock, ascripted, scripted

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


def boom(item: int) -> int:
    raise RuntimeError(f"boom {item}")


def test_a_classifier_that_returns_no_fault_ends_the_run_with_its_error() -> None:
    executor = BoundedExecutor(2, classify=lambda _: cast("Any", "no fault"))
    with pytest.raises(AttributeError) as caught:
        executor.run(boom, range(10))
    report = report_of(caught.value)
    assert report is not None
    assert report.submitted == 10
    assert len(report.failed) >= 1
    assert len(report.failed) + len(report.unstarted) == 10
    assert report.stopped == "a worker failed with AttributeError"


def failing_classifier(_: BaseException) -> Fault:
    raise LookupError("no idea")


def test_a_classifier_that_raises_fails_its_item_only() -> None:
    report = BoundedExecutor(2, classify=failing_classifier).run(boom, range(6))
    assert [type(outcome.error) for outcome in report.failed] == [LookupError] * 6


def test_an_outcome_that_cannot_be_made_ends_the_run_with_the_error() -> None:
    with pytest.raises(LookupError, match="no idea") as caught:
        BoundedExecutor(1, classify=failing_classifier, tokens=boom).run(boom, range(6))
    report = report_of(caught.value)
    assert report is not None
    assert report.submitted == 6
    assert report.stopped == "a worker failed with LookupError"
    assert {(outcome.error, outcome.fault) for outcome in report.failed} == {(caught.value, Fault.UNKNOWN)}


def test_arun_and_astream_do_the_same() -> None:
    async def aboom(item: int) -> int:
        return boom(item)

    executor = BoundedExecutor(2, classify=failing_classifier, tokens=boom)
    with pytest.raises(LookupError, match="no idea") as caught:
        asyncio.run(executor.arun(aboom, range(6)))
    report = report_of(caught.value)
    assert report is not None
    assert report.submitted == 6
    assert {outcome.fault for outcome in report.failed} == {Fault.UNKNOWN}
    assert caught.value in {outcome.error for outcome in report.failed}

    async def consume() -> list[str]:
        return [outcome.status async for outcome in executor.astream(aboom, range(6))]

    with pytest.raises(LookupError, match="no idea"):
        asyncio.run(consume())


def test_a_stream_yields_all_outcomes_before_it_raises() -> None:
    stream = BoundedExecutor(1, classify=failing_classifier, tokens=boom).stream(boom, range(4))
    results = [next(stream).status for _ in range(4)]
    assert results == ["failed", "unstarted", "unstarted", "unstarted"]
    with pytest.raises(LookupError, match="no idea"):
        next(stream)


def test_system_exit_in_the_progress_callback_is_raised() -> None:
    def leave(_: object) -> None:
        raise SystemExit(3)

    with pytest.raises(SystemExit) as caught:
        BoundedExecutor(2, on_progress=leave).run(lambda item: item, range(10))
    report = report_of(caught.value)
    assert report is not None
    assert len(report.succeeded) >= 1


class FailsAtSecondReading(FakeClock):
    """Fails at the second reading, which the first worker makes before it reads an item."""

    readings = 0

    def monotonic(self) -> float:
        self.readings += 1
        if self.readings == 2:
            raise OSError("no time")
        return super().monotonic()


def test_an_error_of_a_worker_between_items_is_raised() -> None:
    async def answer(item: int) -> int:
        return item

    with pytest.raises(OSError, match="no time") as caught:
        BoundedExecutor(1, clock=FailsAtSecondReading(), deadline=Deadline(5.0)).run(lambda item: item, range(4))
    with pytest.raises(OSError, match="no time") as acaught:
        asyncio.run(BoundedExecutor(1, clock=FailsAtSecondReading(), deadline=Deadline(5.0)).arun(answer, range(4)))
    for report in (report_of(caught.value), report_of(acaught.value)):
        assert report is not None
        assert (report.submitted, len(report.unstarted)) == (4, 4)
        assert report.stopped == "a worker failed with OSError"


def test_an_input_with_a_broken_length_is_accepted() -> None:
    class NegativeLength(list[int]):
        def __len__(self) -> int:
            return 0

    class RaisingLength(list[int]):
        def __len__(self) -> int:
            raise NotImplementedError

    assert BoundedExecutor(4).run(lambda item: item, NegativeLength([1, 2, 3])).values == [1, 2, 3]
    assert BoundedExecutor(4).run(lambda item: item, RaisingLength([1, 2, 3])).values == [1, 2, 3]


@pytest.mark.parametrize("call", ["run", "stream"])
def test_a_coroutine_function_is_refused_before_anything_starts(call: str) -> None:
    async def answer(item: int) -> int:
        return item

    with pytest.raises(TypeError, match=r"fn: got the coroutine function .*answer.*; use arun or astream"):
        list(getattr(BoundedExecutor(2), call)(answer, [1, 2]))


@pytest.mark.parametrize("max_retries", [0, 3])
def test_a_function_that_returns_a_coroutine_ends_the_run(max_retries: int) -> None:
    async def answer(item: int) -> int:
        return item

    def ask(item: int) -> Any:  # noqa: ANN401 - a coroutine that nobody awaits
        return answer(item)

    with pytest.raises(TypeError) as raised:
        BoundedExecutor(1, policy=RetryPolicy(max_retries)).run(ask, range(50))
    assert str(raised.value) == (
        f"{ask!r} returned a coroutine: use Retrier.acall, or BoundedExecutor.arun, which await it"
    )
    report = report_of(raised.value)
    assert report is not None
    assert (len(report.failed), report.attempts, len(report.unstarted)) == (1, 1, 49)


@pytest.mark.parametrize("call", ["run", "stream", "arun"])
async def test_a_function_that_returns_a_stream_sends_one_request(call: str) -> None:
    client = ScriptedBedrock(then="Hello")

    def ask(item: int) -> Any:  # noqa: ANN401 - a stream that nobody reads
        return converse_stream(client, modelId=str(item))

    async def ask_later(item: int) -> Any:  # noqa: ANN401 - as above
        return ask(item)

    async def submit(executor: BoundedExecutor) -> None:
        if call == "arun":
            await executor.arun(ask_later, range(50))
        else:
            list(getattr(executor, call)(ask, range(50)) or ())

    with pytest.raises(TypeError, match="returned a stream"):
        await submit(BoundedExecutor(1))
    assert client.calls == 1


@pytest.mark.parametrize("call", ["run", "arun"])
async def test_a_call_after_the_end_of_a_script_ends_the_run(call: str) -> None:
    async def submit(executor: BoundedExecutor) -> None:
        if call == "arun":
            await executor.arun(ascripted("Hello"), range(50))
        else:
            executor.run(scripted("Hello"), range(50))

    with pytest.raises(ScriptExhaustedError, match="call number 2, but the script has only 1 outcome") as raised:
        await submit(BoundedExecutor(1))
    report = report_of(raised.value)
    assert report is not None
    assert (len(report.succeeded), len(report.failed), len(report.unstarted)) == (1, 1, 48)


async def test_what_cannot_be_called_is_refused_before_anything_starts() -> None:
    refusal = "BoundedExecutor: fn: got None; accepted: a function of one item"
    executor = BoundedExecutor(2)
    nothing = cast("Any", None)
    with pytest.raises(TypeError) as refused:
        executor.run(nothing, [1])
    assert str(refused.value) == refusal
    with pytest.raises(TypeError) as refused:
        next(executor.stream(nothing, [1]))
    assert str(refused.value) == refusal
    with pytest.raises(TypeError) as refused:
        await executor.arun(nothing, [1])
    assert str(refused.value) == refusal
    with pytest.raises(TypeError) as refused:
        _ = [outcome async for outcome in cast("AsyncIterator[Any]", executor.astream(nothing, [1]))]
    assert str(refused.value) == refusal
    with pytest.raises(TypeError) as refused:
        BoundedExecutor(2, on_progress=cast("Any", 5))
    assert str(refused.value) == "BoundedExecutor: on_progress: got 5; accepted: a function of one Progress"


def test_a_policy_refuses_a_returned_coroutine() -> None:
    async def answer() -> int:
        return 1

    with pytest.raises(TypeError) as refused:
        _ = RetryPolicy().call(answer)
    assert str(refused.value) == (
        f"{answer!r} returned a coroutine: use Retrier.acall, or BoundedExecutor.arun, which await it"
    )


INTERRUPTED = """
import asyncio, os, signal, sys, threading, time
from bedrock_resilience import BoundedExecutor
from bedrock_resilience.batch import report_of

def press(after, times=1):
    # Called by the first item, not before the run: on a busy machine the run may take longer to start.
    def work():
        for _ in range(times):
            time.sleep(after)
            os.kill(os.getpid(), signal.SIGINT)
    threading.Thread(target=work, daemon=True).start()

def four_quick(item):
    if item == 0:
        press(0.3, times=2)
    time.sleep(0.05 if item < 4 else 30)

def twice():
    BoundedExecutor(2).run(four_quick, range(50))

def twice_in_a_stream():
    for outcome in BoundedExecutor(2).stream(four_quick, range(50)):
        pass

def in_asyncio():
    async def answer(item):
        if item == 0:
            press(0.3)
        await asyncio.sleep(0.02)
        return item
    asyncio.run(BoundedExecutor(2).arun(answer, range(1000)))

def by_a_handler():
    class Term(Exception):
        pass
    def end(*_):
        raise Term
    def answer(item):
        if item == 0:
            press(0.3)
        time.sleep(0.02)
    signal.signal(signal.SIGINT, end)
    BoundedExecutor(2).run(answer, range(1000))

try:
    globals()[sys.argv[1]]()
except BaseException as error:
    print(type(error).__name__, len(report_of(error).succeeded) > 2, flush=True)
    os._exit(0)
"""


@pytest.mark.parametrize(
    ("way", "raised"),
    [
        ("twice", "BatchInterrupted True"),
        ("twice_in_a_stream", "BatchInterrupted False"),  # what was finished had been yielded
        ("in_asyncio", "KeyboardInterrupt True"),
        ("by_a_handler", "Term True"),
    ],
)
def test_the_exception_of_an_interrupted_run_has_its_report(way: str, raised: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(INTERRUPTED), way],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout == f"{raised}\n", done.stderr
