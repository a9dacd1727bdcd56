"""An asyncio event loop whose time jumps to the next timer, so that an hour of waiting takes as long as its arithmetic.

Nothing else is replaced: tasks, timers and their order are asyncio's own, so a coroutine runs here exactly as it runs
in production, and twice the same way.
"""

from __future__ import annotations

import asyncio
import selectors
import threading
from typing import TYPE_CHECKING, TypeVar

from bedrock_resilience.clock import SystemClock

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any, NoReturn

T = TypeVar("T")


class SimulationStalledError(RuntimeError):
    """Every task waits for something that no timer will ever bring."""


class _JumpingSelector(selectors.SelectSelector):
    """Where the loop would wait for sockets until the next timer, it lets the virtual time pass instead."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Pass so many seconds at once."""
        if timeout is None:
            raise SimulationStalledError(
                "no task can go on and no timer is set: is something awaited that is not simulated?"
            )
        self.now += timeout
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop that starts at 0 and never waits. It serves no sockets and no other threads."""

    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)

    def time(self) -> float:
        """Virtual seconds since the start."""
        return self._jumping.now


class VirtualClock(SystemClock):
    """The clock of a `VirtualLoop`; to be used by what runs in it."""

    __slots__ = ("_loop",)

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop

    def monotonic(self) -> float:
        """Virtual seconds since the start."""
        return self._loop.time()

    def sleep(self, seconds: float, /) -> NoReturn:
        """Refused: it would block all of the simulation.

        Raises:
            RuntimeError: always.
        """
        raise RuntimeError(f"sleep({seconds!r}) in virtual time: await clock.asleep() instead")

    def __repr__(self) -> str:
        return "VirtualClock()"


def run_virtually(main: Callable[[VirtualClock], Coroutine[Any, Any, T]]) -> T:
    """Run a coroutine function, given the clock, in virtual time; returns what it returns.

    Works inside a running event loop as well (a notebook): the simulation then has a thread of its own.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return _run(main)
    results: list[T] = []
    errors: list[BaseException] = []

    def work() -> None:
        try:
            results.append(_run(main))
        except BaseException as error:  # noqa: BLE001 - handed over to the thread that waits for it
            errors.append(error)

    thread = threading.Thread(target=work, name="bedrock-resilience-simulation")
    thread.start()
    thread.join()
    if errors:
        raise errors[0]
    return results[0]


def _run(main: Callable[[VirtualClock], Coroutine[Any, Any, T]]) -> T:
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main(VirtualClock(runner.get_loop())))
