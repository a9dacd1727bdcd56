"""InterruptHandler: Ctrl-C as a callback, in the main thread only."""

from __future__ import annotations

import signal
import threading

import pytest

from bedrock_resilience.batch._interrupts import InterruptHandler


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


def test_another_thread_changes_nothing() -> None:
    handlers: list[object] = []

    def enter() -> None:
        with InterruptHandler(lambda: None):
            handlers.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert handlers == [signal.default_int_handler]
