"""Clock: the one module that reads the machine's time and waits for it.

Everything else takes a ``Clock``, so that tests and the simulator can pass their own. The linter bans every other
source of time.
"""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from threading import Event

__all__ = ["SYSTEM_CLOCK", "Clock", "InterruptibleClock", "SystemClock", "TimerClock", "WorkerClock", "wall_clock"]


class Clock(Protocol):
    """The interface of a clock: three methods, all in seconds."""

    def monotonic(self) -> float:
        """Return the seconds since some fixed instant; never decreases."""
        ...

    def sleep(self, seconds: float, /) -> None:
        """Block this thread for so many seconds."""
        ...

    async def asleep(self, seconds: float, /) -> None:
        """Suspend this task for so many seconds."""
        ...


class InterruptibleClock(Clock, Protocol):
    """A clock whose sleepers can be woken. With one, the executor stops a run without waiting for its sleepers."""

    def wait(self, event: Event, seconds: float, /) -> bool:
        """Block until the event is set or the time is over; return True where the event is set."""
        ...


class WorkerClock(Clock, Protocol):
    """A clock that counts the threads that use it. Its time advances when all of them sleep; tests use one."""

    def worker(self) -> AbstractContextManager[object]:
        """Register a worker before its thread starts; the thread works inside the returned context manager."""
        ...


class TimerClock(Clock, Protocol):
    """A clock that distinguishes a time limit from a sleep. With one, ``attempt_timeout`` does not count as a sleep."""

    async def timer(self, seconds: float, /) -> None:
        """Return after so many seconds."""
        ...


class SystemClock:
    """The machine's monotonic clock."""

    __slots__ = ()

    def monotonic(self) -> float:
        """Return the seconds since some fixed instant; never decreases."""
        return time.monotonic()

    def sleep(self, seconds: float, /) -> None:
        """Block this thread for so many seconds."""
        time.sleep(seconds)

    async def asleep(self, seconds: float, /) -> None:
        """Suspend this task for so many seconds, under asyncio or trio."""
        trio = running_trio()
        if trio is not None:
            await trio.sleep(seconds)
            return
        import asyncio  # noqa: PLC0415 - asyncio takes longer to import than the whole retry core

        await asyncio.sleep(seconds)

    def wait(self, event: Event, seconds: float, /) -> bool:
        """Block until the event is set or the time is over; return True where the event is set."""
        return event.wait(seconds)

    def __repr__(self) -> str:
        return "SystemClock()"


def running_trio() -> Any:  # noqa: ANN401 - trio is not needed here, nor are its types
    """Return the module trio where this code runs in a task of it, else None."""
    trio = sys.modules.get("trio")  # who has a task has loaded it
    return trio if trio is not None and trio.lowlevel.in_trio_task() else None


SYSTEM_CLOCK = SystemClock()
"""The default of every ``clock`` argument."""


def wall_clock() -> float:
    """Return the seconds since 1970 by this machine's clock, on which machines agree to within their clock skew.

    It may be set back. Code that needs the time of one process only takes ``Clock.monotonic`` instead.
    """
    return time.time()
