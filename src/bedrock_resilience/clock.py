"""Clock: the one place that reads the machine's time and waits for it.

Everything else takes a ``Clock``, so that tests and the simulator can bring their own (the linter bans the rest).
"""

from __future__ import annotations

import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from threading import Event
    from typing import Protocol

    class Clock(Protocol):
        """Time as it is handed in: three methods, all in seconds."""

        def monotonic(self) -> float:
            """Seconds since some fixed instant; never goes back."""
            ...

        def sleep(self, seconds: float, /) -> None:
            """Block this thread for so many seconds."""
            ...

        async def asleep(self, seconds: float, /) -> None:
            """Suspend this task for so many seconds."""
            ...

    class InterruptibleClock(Clock, Protocol):
        """A clock whose sleepers can be woken. The executor uses it, where it is there, to stop a run at once."""

        def wait(self, event: Event, seconds: float, /) -> bool:
            """Block until the event is set or the time is over; True if the event is set."""
            ...

    class TurnTakingClock(Clock, Protocol):
        """A clock that wants to know who works by it: a test's, whose time passes when all of them sleep."""

        def worker(self) -> AbstractContextManager[object]:
            """Announce a worker, before its thread is started; the thread does its work inside of the result."""
            ...


class SystemClock:
    """The machine's monotonic clock."""

    __slots__ = ()

    def monotonic(self) -> float:
        """Seconds since some fixed instant; never goes back."""
        return time.monotonic()

    def sleep(self, seconds: float, /) -> None:
        """Block this thread for so many seconds."""
        time.sleep(seconds)

    async def asleep(self, seconds: float, /) -> None:
        """Suspend this task for so many seconds (asyncio)."""
        import asyncio  # noqa: PLC0415 - importing asyncio costs more than all of the retry core

        await asyncio.sleep(seconds)

    def wait(self, event: Event, seconds: float, /) -> bool:
        """Block until the event is set or the time is over; True if the event is set."""
        return event.wait(seconds)

    def __repr__(self) -> str:
        return "SystemClock()"


SYSTEM_CLOCK = SystemClock()


def wall_clock() -> float:
    """Seconds since 1970 by this machine's clock: what several machines agree on, to within their skew.

    It may be set back. Whatever can do with the time of one process takes `Clock.monotonic` instead.
    """
    return time.time()
