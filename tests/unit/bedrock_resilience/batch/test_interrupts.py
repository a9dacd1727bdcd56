"""InterruptHandler: Ctrl-C as a callback, in the main thread only."""

from __future__ import annotations

import asyncio
import functools
import signal
import threading
from typing import TYPE_CHECKING, Any

import pytest

from bedrock_resilience import BoundedExecutor
from bedrock_resilience.batch import report_of
from bedrock_resilience.batch._interrupts import InterruptHandler

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine


def test_ctrl_c_calls_the_handler_and_raises_nothing() -> None:
    calls: list[int] = []
    with InterruptHandler(lambda: calls.append(1)) as interrupts:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
    assert (len(calls), interrupts.count) == (2, 2)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_an_unhandled_interrupt_is_raised_afterwards() -> None:
    with InterruptHandler(lambda: None) as interrupts:
        interrupts.raise_pending()
        signal.raise_signal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        interrupts.raise_pending()


def test_a_signal_handler_of_the_program_is_kept() -> None:
    received: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: received.append(number))
    try:
        with InterruptHandler(lambda: None) as interrupts:
            signal.raise_signal(signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)
    assert (received, interrupts.count) == ([signal.SIGINT], 0)


def test_a_handler_of_another_function_of_asyncio_is_kept() -> None:
    handler = functools.partial(asyncio.sleep, 0)  # noqa: TID251 - it is never called
    before = signal.signal(signal.SIGINT, handler)
    try:
        with InterruptHandler(lambda: None):
            assert signal.getsignal(signal.SIGINT) is handler
    finally:
        signal.signal(signal.SIGINT, before)


def test_another_thread_changes_nothing() -> None:
    handlers: list[object] = []

    def enter() -> None:
        with InterruptHandler(lambda: None):
            handlers.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert handlers == [signal.default_int_handler]


def test_the_handler_of_asyncio_is_replaced_and_put_back() -> None:
    async def main() -> tuple[int, bool]:
        before = signal.getsignal(signal.SIGINT)
        with InterruptHandler(lambda: None) as interrupts:
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)
        return interrupts.count, signal.getsignal(signal.SIGINT) is before

    assert asyncio.run(main()) == (2, True)


class Calls:
    """The call of item 0 succeeds; the other waits until it has been cancelled so many times, with a Ctrl-C at some.

    Args:
        cancellations: How many cancellations it takes.
        interrupts: At how many of them a Ctrl-C comes.
    """

    def __init__(self, cancellations: int, interrupts: int) -> None:
        self.cancelled = 0
        self._cancellations = cancellations
        self._interrupts = interrupts

    async def __call__(self, item: int) -> int:
        while item and self.cancelled < self._cancellations:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                self.cancelled += 1
                if self.cancelled <= self._interrupts:
                    asyncio.get_running_loop().call_soon(signal.raise_signal, signal.SIGINT)
        if item:
            raise asyncio.CancelledError
        return item


def cancelling_executor() -> BoundedExecutor:
    task = asyncio.current_task()
    assert task is not None
    return BoundedExecutor(2, on_progress=lambda progress: task.cancel() if progress.succeeded else None)


async def with_arun(calls: Calls) -> None:
    await cancelling_executor().arun(calls, [0, 1])


async def with_astream(calls: Calls) -> None:
    async with cancelling_executor().astream(calls, [0, 1]) as outcomes:
        async for _ in outcomes:
            pass


@pytest.mark.parametrize("run", [with_arun, with_astream])
def test_a_ctrl_c_at_the_end_of_a_cancelled_run_loses_nothing(
    run: Callable[[Calls], Coroutine[Any, Any, None]],
) -> None:
    with pytest.raises(KeyboardInterrupt) as raised:
        asyncio.run(run(Calls(1, 1)))
    report = report_of(raised.value)
    assert report is not None
    assert [outcome.item for outcome in report.succeeded] == [0]
    assert [outcome.item for outcome in report.failed] == [1]


def test_a_second_ctrl_c_ends_the_wait_for_a_call_that_is_not_cancelled() -> None:
    calls = Calls(3, 2)
    with pytest.raises(KeyboardInterrupt):
        asyncio.run(with_arun(calls))
    assert calls.cancelled == 3  # by asyncio.run, which cancels what is left
    # asyncio.run puts Python's handler back only where it finds its own.
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_ctrl_c_just_before_it_is_deferred_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    interrupts = [KeyboardInterrupt()]

    def enter(handler: InterruptHandler) -> InterruptHandler:
        if interrupts:
            raise interrupts.pop()
        return handler

    monkeypatch.setattr(InterruptHandler, "__enter__", enter)
    with pytest.raises(KeyboardInterrupt) as raised:
        asyncio.run(with_arun(Calls(1, 0)))
    report = report_of(raised.value)
    assert report is not None
    assert [outcome.item for outcome in report.succeeded] == [0]
