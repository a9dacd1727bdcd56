"""Ctrl-C while the main thread waits for a run."""

from __future__ import annotations

import signal
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType, TracebackType
    from typing import Self


class InterruptHandler:
    """Calls a function for each Ctrl-C inside the ``with`` block, instead of raising ``KeyboardInterrupt``.

    ``KeyboardInterrupt`` may be raised between any two instructions, also between the end of a run and the statement
    that builds its report. The function is called at the same points, but it only leaves a message for the thread that
    waits, so that nothing is lost.

    Outside of the main thread, and where the program has a handler of its own for SIGINT, it changes nothing.

    Args:
        on_interrupt: Called in the main thread. It must not take a lock.

    Attributes:
        count: Calls so far.
    """

    def __init__(self, on_interrupt: Callable[[], object]) -> None:
        self._on_interrupt = on_interrupt
        self._installed = False
        self.count = 0

    def __enter__(self) -> Self:
        in_main_thread = threading.current_thread() is threading.main_thread()
        if in_main_thread and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, self._handle)
            self._installed = True
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._installed:
            self._installed = False
            signal.signal(signal.SIGINT, signal.default_int_handler)

    def raise_pending(self) -> None:
        """Raise a Ctrl-C that came when nobody waited for a message any more."""
        if self.count:
            raise KeyboardInterrupt

    def _handle(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002 - the signature of a handler
        self.count += 1
        self._on_interrupt()
