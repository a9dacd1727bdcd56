"""Ctrl-C while the main thread waits for a run, or for the end of one that was canceled."""

from __future__ import annotations

import signal
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType, TracebackType
    from typing import Self


class InterruptHandler:
    """Calls a function for each Ctrl-C inside the ``with`` block, instead of raising ``KeyboardInterrupt``.

    Python may raise ``KeyboardInterrupt`` between any two instructions, also between the end of a run and the statement
    that builds its report. The function is called at the same points, but it only queues a message for the thread that
    waits, so that no outcome is lost.

    Outside of the main thread, or if the program has its own handler for SIGINT, it changes nothing. The handler of
    ``asyncio.run`` is replaced: after the first Ctrl-C, which cancels the main task, it raises, too.

    Args:
        on_interrupt: Called in the main thread. It must not take a lock.

    Attributes:
        count: Calls so far.
    """

    def __init__(self, on_interrupt: Callable[[], object]) -> None:
        self._on_interrupt = on_interrupt
        self._replaced: Any = None
        self.count = 0

    def __enter__(self) -> Self:
        handler = signal.getsignal(signal.SIGINT)
        if threading.current_thread() is threading.main_thread() and _raises(handler):
            signal.signal(signal.SIGINT, self._handle)
            self._replaced = handler
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.restore()

    def restore(self) -> None:
        """Restore the previous handler before an exception leaves the event loop but not the block."""
        if self._replaced is not None:
            signal.signal(signal.SIGINT, self._replaced)
            self._replaced = None  # pragma: no mutate - not restored twice

    def raise_pending(self) -> None:
        """Raise a Ctrl-C that arrived after the last wait for a message."""
        if self.count:
            raise KeyboardInterrupt

    def _handle(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002 - the signature of a handler
        self.count += 1
        self._on_interrupt()


def _raises(handler: object) -> bool:
    """Return whether it is a handler that raises ``KeyboardInterrupt``: that of Python, or of ``asyncio.run``."""
    function: object = getattr(handler, "func", None)  # asyncio binds its handler to the main task
    module = str(getattr(function, "__module__", None))
    of_asyncio = getattr(function, "__name__", None) == "_on_sigint" and module.startswith("asyncio.")
    return handler is signal.default_int_handler or of_asyncio
