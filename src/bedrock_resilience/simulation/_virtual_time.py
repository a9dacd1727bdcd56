"""An asyncio event loop whose time jumps to the next timer, so that an hour of waiting takes no real time.

Nothing else is replaced: tasks, timers and their order are asyncio's own, so a coroutine runs exactly as in production,
and in the same order every time.
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
    """Every task waits, and no timer is set that could wake one."""


class _JumpingSelector(selectors.SelectSelector):
    """Advances the virtual time if the loop would wait for sockets until the next timer."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Advance the time by ``timeout`` seconds."""
        if timeout is None:
            raise SimulationStalledError(
                "no task can run and no timer is set: a task awaits something that is not simulated"
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
    """The clock of a ``VirtualLoop``, for the coroutines in it."""

    __slots__ = ("_loop",)

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop

    def monotonic(self) -> float:
        """Virtual seconds since the start."""
        return self._loop.time()

    def sleep(self, seconds: float, /) -> NoReturn:
        """Refused, because it would block the whole simulation.

        Raises:
            RuntimeError: Always.
        """
        raise RuntimeError(f"sleep({seconds!r}) in virtual time: await clock.asleep() instead")

    def __repr__(self) -> str:
        return "VirtualClock()"


def run_virtually(main: Callable[[VirtualClock], Coroutine[Any, Any, T]]) -> T:
    """Run a coroutine function in virtual time, with the clock as its argument, and return its result.

    Inside a running event loop (a notebook) the simulation runs in a thread of its own.
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
        except BaseException as error:  # noqa: BLE001 - raised again in the thread that waits
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
