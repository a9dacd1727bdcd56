"""InterruptHandler: Ctrl-C as a message, for the main thread only."""

from __future__ import annotations

import signal
import threading

import pytest

from bedrock_resilience.batch._interrupts import InterruptHandler


def test_ctrl_c_is_a_call_and_no_exception() -> None:
    calls: list[int] = []
    with InterruptHandler(lambda: calls.append(1)) as interrupts:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
    assert (len(calls), interrupts.count) == (2, 2)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_one_that_nobody_waits_for_is_raised_afterwards() -> None:
    with InterruptHandler(lambda: None) as interrupts:
        interrupts.raise_pending()
        signal.raise_signal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        interrupts.raise_pending()


def test_a_handler_of_the_program_stays() -> None:
    seen: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: seen.append(number))
    try:
        with InterruptHandler(lambda: None) as interrupts:
            signal.raise_signal(signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)
    assert (seen, interrupts.count) == ([signal.SIGINT], 0)


def test_another_thread_changes_nothing() -> None:
    handlers: list[object] = []

    def enter() -> None:
        with InterruptHandler(lambda: None):
            handlers.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert handlers == [signal.default_int_handler]
