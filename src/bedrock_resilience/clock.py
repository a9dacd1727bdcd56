"""Clock: the only module that reads the machine's time and waits.

Everything else takes a ``Clock``, so that tests and the simulator can pass their own. The linter bans every other
source of time. A clock may also provide the threads that use it. A deterministic simulation then decides when each of
them runs.
"""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from queue import SimpleQueue
    from threading import Event, Semaphore, Thread

__all__ = [
    "SYSTEM_CLOCK",
    "Clock",
    "InterruptibleClock",
    "SystemClock",
    "Threads",
    "ThreadsClock",
    "TimerClock",
    "WorkerClock",
    "threads_of",
    "wall_clock",
]


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
    """A clock whose sleeping threads can be woken, so that the executor stops a run at once."""

    def wait(self, event: Event, seconds: float, /) -> bool:
        """Block until the event is set or the time is over; return True if the event is set."""
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


class Threads(Protocol):
    """Makes threads and the objects that threads wait for, as the classes of the same names do."""

    def thread(self, target: Callable[..., object], *args: object, name: str, daemon: bool = False) -> Thread:
        """Return a thread that calls ``target(*args)`` once it is started."""
        ...

    def current(self) -> int:
        """Return the identity of the calling thread, as ``threading.get_ident`` does."""
        ...

    def lock(self) -> AbstractContextManager[object]:
        """Return a new lock."""
        ...

    def semaphore(self, value: int) -> Semaphore:
        """Return a new semaphore with so many permits."""
        ...

    def event(self) -> Event:
        """Return a new event."""
        ...

    def queue(self) -> SimpleQueue[Any]:
        """Return a new queue without a limit."""
        ...


class ThreadsClock(Clock, Protocol):
    """A clock with its own threads. The executor, and any other part that starts threads with this clock, uses them."""

    @property
    def threads(self) -> Threads:
        """The threads that use this clock."""
        ...


class SystemThreads:
    """The threads of this process; their modules are imported on first use, because most programs need none."""

    __slots__ = ()

    def thread(self, target: Callable[..., object], *args: object, name: str, daemon: bool = False) -> Thread:
        """Return a new thread."""
        from threading import Thread  # noqa: PLC0415 - as the class says

        return Thread(target=target, args=args, name=name, daemon=daemon)

    def current(self) -> int:
        """Return the identity of the calling thread."""
        from threading import get_ident  # noqa: PLC0415 - as the class says

        return get_ident()

    def lock(self) -> AbstractContextManager[object]:
        """Return a new lock."""
        from threading import Lock  # noqa: PLC0415 - as the class says

        return Lock()

    def semaphore(self, value: int) -> Semaphore:
        """Return a new semaphore."""
        from threading import Semaphore  # noqa: PLC0415 - as the class says

        return Semaphore(value)

    def event(self) -> Event:
        """Return a new event."""
        from threading import Event  # noqa: PLC0415 - as the class says

        return Event()

    def queue(self) -> SimpleQueue[Any]:
        """Return a new queue."""
        from queue import SimpleQueue  # noqa: PLC0415 - as the class says

        return SimpleQueue()


_SYSTEM_THREADS = SystemThreads()


def threads_of(clock: object) -> Threads:
    """Return the threads of a clock: its own (``ThreadsClock``), or those of this process."""
    threads: Threads = getattr(clock, "threads", _SYSTEM_THREADS)
    return threads


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
        """Block until the event is set or the time is over; return True if the event is set."""
        return event.wait(seconds)

    def __repr__(self) -> str:
        return "SystemClock()"


def running_trio() -> Any:  # noqa: ANN401 - trio is not needed here, nor are its types
    """Return the module trio if this code runs in a trio task, else None."""
    trio = sys.modules.get("trio")  # a program with a trio task has loaded trio
    return trio if trio is not None and trio.lowlevel.in_trio_task() else None


SYSTEM_CLOCK = SystemClock()
"""The default of every ``clock`` argument."""


def wall_clock() -> float:
    """Return the seconds since 1970 by this machine's clock, on which machines agree to within their clock skew.

    It may be set back. Code that requires the time of one process only uses ``Clock.monotonic`` instead.
    """
    return time.time()
