"""Processor time: what a piece of work costs, however busy the machine is that it runs on."""

from __future__ import annotations

import time


class Stopwatch:
    """Measures the processor time of this thread from the moment it is made."""

    def __init__(self) -> None:
        self._begin = time.thread_time()

    @property
    def seconds(self) -> float:
        """Processor time since then."""
        return time.thread_time() - self._begin
