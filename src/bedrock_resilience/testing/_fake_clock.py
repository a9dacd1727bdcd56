"""FakeClock: virtual time for tests. It stands still while anybody works, and jumps when everybody sleeps.

A test of retries then takes no time, and the same test takes the same course every time. The idea of a clock that jumps
by itself is trio's ``MockClock``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bedrock_resilience.testing._virtual_time import VirtualTime

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from threading import Event


class FakeClock:
    """A clock for tests, in place of ``SystemClock``: nobody waits, and every wait is on record.

    - Plain synchronous code: a sleep moves the time on at once.
    - ``BoundedExecutor``: its workers are announced to the clock. They take turns, one at a time, in the order in which
      their sleeps end; when all of them sleep, the time jumps to where the first of them wakes up.
    - asyncio: the time jumps when the event loop has nothing else to do.
    - Threads of your own: the time jumps when none of them has come to the clock for ``quiet`` seconds of real time.
      Announce them with ``worker``, and nothing has to be waited for.

    Args:
        start: What ``monotonic`` says first; seconds.
        quiet: Real seconds without a sign of life after which threads that are not announced are taken for asleep.
        patience: Real seconds after which a worker that has its turn, but does not come to the clock, is taken for
            blocked (by a lock of yours that a sleeping worker holds, say), and the others go on without it.

    Attributes:
        sleeps: Every sleep asked for, in the order in which they began; seconds.
    """

    def __init__(self, start: float = 0.0, *, quiet: float = 0.02, patience: float = 0.5) -> None:
        self.sleeps: list[float] = []
        self._time = VirtualTime(start, quiet, patience)

    def monotonic(self) -> float:
        """Seconds of virtual time."""
        return self._time.read()

    def sleep(self, seconds: float, /) -> None:
        """Block this thread for so many seconds of virtual time.

        Raises:
            ValueError: Less than 0, or NaN, as ``time.sleep`` does.
        """
        self._record(seconds)
        self._time.block(seconds)

    async def asleep(self, seconds: float, /) -> None:
        """Suspend this task for so many seconds of virtual time (asyncio)."""
        self._record(seconds)
        await self._time.suspend(seconds)

    def wait(self, event: Event, seconds: float, /) -> bool:
        """Block until the event is set or the virtual time is over; True if the event is set."""
        if not event.is_set():
            self._record(seconds)
            self._time.block(seconds, event)
        return event.is_set()

    def advance(self, seconds: float, /) -> None:
        """Let so many seconds pass, as a slow call does: a sleep that is not put on record."""
        _check(seconds)
        self._time.block(seconds)

    async def aadvance(self, seconds: float, /) -> None:
        """The asynchronous twin of ``advance``."""
        _check(seconds)
        await self._time.suspend(seconds)

    @property
    def slept(self) -> float:
        """All of ``sleeps`` together; seconds."""
        return sum(self.sleeps)

    def worker(self) -> AbstractContextManager[object]:
        """Announce one worker: time stands still until it sleeps, or is done.

        Call this before the thread is started, and enter the result inside the thread. ``BoundedExecutor`` does.
        """
        return self._time.announce()

    def _record(self, seconds: float) -> None:
        _check(seconds)
        self.sleeps.append(seconds)

    def __repr__(self) -> str:
        return f"FakeClock(now={self._time.now!r}, sleeps={self.sleeps!r})"


def _check(seconds: float) -> None:
    if not seconds >= 0:  # NaN, too: a time that is NaN once is NaN for ever
        raise ValueError(f"FakeClock: seconds: got {seconds!r}; accepted: a number >= 0")
