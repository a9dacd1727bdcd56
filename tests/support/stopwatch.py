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


def machine_slowness() -> float:
    """How much longer this machine takes for fixed work than the one on which limits of time were set; at least 1."""
    best = float("inf")
    for _ in range(3):
        watch, total = Stopwatch(), 0
        for number in range(2_000_000):
            total += number * number
        best = min(best, watch.seconds)
    return max(1.0, best / _REFERENCE_SECONDS)


_REFERENCE_SECONDS = 0.11
