"""Answers are stored while their workers go on: with a fast model, waiting would cost a run a twentieth of its time."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Callable


class BackgroundWriter:
    """Runs what stores an answer at once, in a thread of its own; a context manager, at whose end all is stored.

    Args:
        most: How many run at the same time. Whoever brings one more waits: where the store hangs, no more is paid for
            that could be lost.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._room = threading.Semaphore(most)

    def begin(self, store: Callable[[], None]) -> None:
        """Begin to store an answer.

        Args:
            store: Stores it, and raises nothing.
        """
        self._room.acquire()  # given back when it is stored
        try:
            threading.Thread(target=self._run, args=(store,), name="keeper").start()
        except RuntimeError:  # no more threads: whoever brings it stores it
            self._run(store)

    def _run(self, store: Callable[[], None]) -> None:
        try:
            store()
        finally:
            self._room.release()

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Wait until all is stored."""
        for _thread in range(self._most):
            self._room.acquire()
