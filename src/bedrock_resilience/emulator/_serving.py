"""Runs an emulator until somebody stops it: what the command line starts."""

from __future__ import annotations

import contextlib
import signal
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from types import FrameType

    from bedrock_resilience.emulator._emulator import BedrockEmulator


def serve(
    emulator: BedrockEmulator,
    *,
    on_ready: Callable[[BedrockEmulator], None] | None = None,
    stop: threading.Event | None = None,
) -> BedrockEmulator:
    """Start the emulator and block until Ctrl-C, SIGTERM or `stop`; then end it cleanly.

    Args:
        emulator: what to run, not started yet.
        on_ready: called once it listens, for instance to print its address.
        stop: an event that ends it from another thread.

    Returns:
        The emulator, stopped; its counts and log can still be read.

    Raises:
        OSError: the port is taken.
    """
    stop = stop or threading.Event()
    with emulator, _ended_by_sigterm(stop), contextlib.suppress(KeyboardInterrupt):
        if on_ready is not None:
            on_ready(emulator)
        stop.wait()
    return emulator


@contextlib.contextmanager
def _ended_by_sigterm(stop: threading.Event) -> Generator[None]:
    """Let SIGTERM set the event; only the main thread may ask for that."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(number: int, frame: FrameType | None) -> None:
        del number, frame
        stop.set()

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
