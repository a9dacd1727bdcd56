"""Running until somebody stops it."""

from __future__ import annotations

import os
import signal
import threading
from typing import TYPE_CHECKING

import pytest

from bedrock_resilience.emulator import BedrockEmulator, serve

if TYPE_CHECKING:
    from collections.abc import Callable


def test_it_runs_until_it_is_stopped() -> None:
    stop = threading.Event()
    urls: list[str] = []

    def ready(emulator: BedrockEmulator) -> None:
        urls.append(emulator.endpoint_url)
        stop.set()

    emulator = BedrockEmulator()
    assert serve(emulator, on_ready=ready, stop=stop) is emulator
    assert urls[0].startswith("http://127.0.0.1:")
    with pytest.raises(RuntimeError, match="the emulator is not running"):
        _ = emulator.endpoint_url


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_end_it_cleanly(number: signal.Signals) -> None:
    before = signal.getsignal(signal.SIGTERM)
    serve(BedrockEmulator(), on_ready=lambda _: os.kill(os.getpid(), number))
    assert signal.getsignal(signal.SIGTERM) is before


def test_it_runs_in_any_thread() -> None:
    stop = threading.Event()
    ready: Callable[[BedrockEmulator], None] = lambda _: stop.set()  # noqa: E731 - typed, as a lambda cannot be inline
    thread = threading.Thread(target=serve, args=(BedrockEmulator(),), kwargs={"on_ready": ready, "stop": stop})
    thread.start()
    thread.join(5)
    assert not thread.is_alive()


def test_the_ready_callback_is_optional() -> None:
    stop = threading.Event()
    stop.set()
    assert serve(BedrockEmulator(), stop=stop).requests == 0


def test_a_port_in_use_is_an_os_error() -> None:
    with BedrockEmulator() as emulator:
        port = int(emulator.endpoint_url.rpartition(":")[2])
        with pytest.raises(OSError, match="Address already in use"):
            serve(BedrockEmulator(port=port))
