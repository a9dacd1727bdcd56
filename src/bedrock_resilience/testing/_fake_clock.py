"""FakeClock: virtual time for tests. It stops while a thread or task works, and jumps when all of them sleep.

A test of retries takes no real time, and runs the same way every time. The idea of a clock that jumps by itself is from
trio's ``MockClock``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bedrock_resilience._checks import number, refuse
from bedrock_resilience.testing._virtual_time import VirtualTime

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from threading import Event


class FakeClock:
    """A clock for tests, in place of ``SystemClock``: no sleep takes real time, and every sleep is recorded.

    - Plain synchronous code: a sleep advances the time at once.
    - ``BoundedExecutor``: it registers its workers with the clock. They run one at a time, in the order in which their
      sleeps end. When all of them sleep, the time jumps to the first wake-up.
    - asyncio: the time jumps when the event loop has nothing else to do.
    - trio: a sleep advances the time at once. For several tasks, leave this clock out, and use trio's ``MockClock``.
    - Your own threads: the time jumps when none of them has called the clock for ``idle_after`` seconds of real time.
      Register them with ``worker`` to avoid that wait.

    Args:
        start: The first time that ``monotonic`` returns; seconds.
        idle_after: Real seconds without a call of the clock after which unregistered threads count as asleep.
        stuck_after: Real seconds without a call of the clock after which the running worker counts as blocked, for
            example by a lock that a sleeping worker holds, and the others continue without it.

    Attributes:
        sleeps: The seconds of every sleep, in the order in which the sleeps began.

    Raises:
        TypeError: An argument is not a number.
        ValueError: An argument is not finite, ``idle_after`` is not positive, or ``stuck_after`` is negative.
    """

    def __init__(self, start: float = 0.0, *, idle_after: float = 0.02, stuck_after: float = 0.5) -> None:
        refuse(
            "FakeClock",
            number("start", start),
            number("idle_after", idle_after, above=0, unit="seconds"),
            number("stuck_after", stuck_after, least=0, unit="seconds"),
        )
        self.sleeps: list[float] = []
        self._time = VirtualTime(start, idle_after, stuck_after)

    def monotonic(self) -> float:
        """Return the virtual time; seconds."""
        return self._time.read()

    def sleep(self, seconds: float, /) -> None:
        """Block this thread for so many seconds of virtual time.

        Raises:
            ValueError: ``seconds`` is negative or NaN, as for ``time.sleep``.
        """
        self._record(seconds)
        self._time.block(seconds)

    async def asleep(self, seconds: float, /) -> None:
        """Suspend this task for so many seconds of virtual time, under asyncio or trio."""
        self._record(seconds)
        await self._time.suspend(seconds)

    def wait(self, event: Event, seconds: float, /) -> bool:
        """Block until the event is set or so many seconds of virtual time have passed; True if the event is set."""
        if not event.is_set():
            self._record(seconds)
            self._time.block(seconds, event)
        return event.is_set()

    def advance(self, seconds: float, /) -> None:
        """Let so many seconds pass, as a slow call does: a sleep that is not recorded."""
        _check(seconds)
        self._time.block(seconds)

    async def aadvance(self, seconds: float, /) -> None:
        """The asynchronous twin of ``advance``."""
        _check(seconds)
        await self._time.suspend(seconds)

    timer = aadvance  # a time limit is no sleep of the call

    @property
    def slept(self) -> float:
        """The sum of ``sleeps``; seconds."""
        return sum(self.sleeps)

    def worker(self) -> AbstractContextManager[object]:
        """Register a worker: the time stops until the worker sleeps or ends.

        Call this before you start the thread, and enter the result inside the thread, as ``BoundedExecutor`` does.
        """
        return self._time.register()

    def _record(self, seconds: float) -> None:
        _check(seconds)
        self.sleeps.append(seconds)

    def __repr__(self) -> str:
        return f"FakeClock(now={self._time.now!r}, sleeps={self.sleeps!r})"


def _check(seconds: float) -> None:
    if not seconds >= 0:  # refuses NaN, too: a time that is NaN stays NaN
        raise ValueError(f"FakeClock: seconds: got {seconds!r}; accepted: a number >= 0")
