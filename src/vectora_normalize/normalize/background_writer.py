"""Stores responses in the background. With a fast model, waiting for the store would take 5 % of a run's time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from bedrock_resilience.clock import threads_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from bedrock_resilience.clock import Threads


class BackgroundWriter:
    """Starts each write at once, in a thread of its own. A context manager: at its end all writes are done.

    Args:
        max_threads: Writes at the same time. Submitting one more blocks. If the store hangs, no further response is
            therefore paid for and lost.
        threads: Makes the threads; None: those of this process.
    """

    def __init__(self, max_threads: int, *, threads: Threads | None = None) -> None:
        self._max_threads = max_threads
        self._threads = threads or threads_of(None)
        self._slots = self._threads.semaphore(max_threads)

    def submit(self, write: Callable[[], None]) -> None:
        """Start a write; it must not raise."""
        self._slots.acquire()  # released by _run
        try:
            self._threads.thread(self._run, write, name="background-writer").start()
        except RuntimeError:  # the process can start no more threads, so the caller's thread writes
            self._run(write)

    def _run(self, write: Callable[[], None]) -> None:
        try:
            write()
        finally:
            self._slots.release()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Wait until all writes are done."""
        for _thread in range(self._max_threads):
            self._slots.acquire()
