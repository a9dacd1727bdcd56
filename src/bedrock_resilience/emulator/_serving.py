"""Runs an emulator until a signal or an event stops it: what the command line starts."""

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
    """Start the emulator, block until Ctrl-C, SIGTERM or ``stop``, and stop it.

    Args:
        emulator: The emulator, not started yet.
        on_ready: Called once it listens, for instance to print its address.
        stop: An event with which another thread stops it.

    Returns:
        The emulator, stopped; its counts and log can still be read.

    Raises:
        OSError: The port is in use.
    """
    stop = stop or threading.Event()
    with emulator, _sigterm_sets(stop), contextlib.suppress(KeyboardInterrupt):
        if on_ready is not None:
            on_ready(emulator)
        stop.wait()
    return emulator


@contextlib.contextmanager
def _sigterm_sets(stop: threading.Event) -> Generator[None]:
    """Let SIGTERM set the event; Python allows this in the main thread only."""
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
