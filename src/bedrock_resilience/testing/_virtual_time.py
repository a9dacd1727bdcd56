"""VirtualTime: who sleeps until when, whose turn it is, and when the time may jump. The works of ``FakeClock``.

Three kinds of sleepers share one time line: announced workers, of which one at a time has its turn; tasks of event
loops; and threads nobody announced, of which nothing is known while they are awake, so that only a quiet time tells
that they rest. The time jumps to the first awakening when nobody may be awake any more.
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import AbstractContextManager
from threading import Condition, Lock, get_ident
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from threading import Event
    from types import TracebackType

# How many turns of an event loop are looked at before a task that never rests (``while True: await sleep(0)``) is no
# longer taken for work under way.
_LOOP_TURNS: Final = 1_000


class VirtualTime:
    """The time line. ``quiet`` and ``patience`` are real seconds; see ``FakeClock``."""

    def __init__(self, start: float, quiet: float, patience: float) -> None:
        self.now: float = float(start)
        self._quiet = quiet
        self._patience = patience
        self._lock = Lock()
        self._home = get_ident()  # the thread of the test itself
        self._signs = 0  # of life
        self._order = 0
        self._sleepers: list[_Thread | _Task] = []
        self._workers: dict[int, Worker] = {}
        self._queue: deque[Worker] = deque()  # workers that wait for their turn
        self._turn: Worker | None = None
        self._loose: set[int] = set()  # threads that were woken and have not been heard of since
        self._loops: dict[asyncio.AbstractEventLoop, _Loop] = {}

    def read(self) -> float:
        """The virtual time; whoever asks is alive."""
        self._signs += 1
        return self.now

    def block(self, seconds: float, event: Event | None = None) -> None:
        """Let this thread sleep, until the event is set if there is one."""
        me = get_ident()
        with self._lock:
            self._signs += 1
            self._loose.discard(me)
            worker = self._workers.get(me)
            if worker is None and self._is_alone(me):
                self.now += seconds
                return
            sleeper = _Thread(self._lock, event, worker, stranger=worker is None and me != self._home)
            self._push(sleeper, seconds)
            self._yield_turn(worker)
            self._attend(sleeper)

    async def suspend(self, seconds: float) -> None:
        """Let this task sleep."""
        loop = asyncio.get_running_loop()
        sleeper = _Task(loop)
        with self._lock:
            self._push(sleeper, seconds)
            self._watch(loop)
        try:
            await sleeper.future
        finally:
            with self._lock:
                if sleeper in self._sleepers:  # it was cancelled
                    self._sleepers.remove(sleeper)

    def announce(self) -> Worker:
        """A new worker, which has its turn after those that were announced before."""
        worker = Worker(self, self._lock)
        with self._lock:
            self._queue.append(worker)
        return worker

    def arrive(self, worker: Worker) -> None:
        """The worker's thread is there; it is let go on when it is its turn."""
        with self._lock:
            self._workers[get_ident()] = worker
            self._go_on()
            self._attend(worker)

    def leave(self, worker: Worker) -> None:
        """The worker is done."""
        with self._lock:
            del self._workers[get_ident()]
            self._yield_turn(worker)

    # What follows is called with the lock held.

    def _is_alone(self, me: int) -> bool:
        return me == self._home and not (self._sleepers or self._workers or self._queue)

    def _push(self, sleeper: _Thread | _Task, seconds: float) -> None:
        self._signs += 1
        self._order += 1
        sleeper.until = self.now + seconds
        sleeper.order = self._order
        self._sleepers.append(sleeper)

    def _yield_turn(self, worker: Worker | None) -> None:
        if worker is not None and self._turn is worker:
            self._turn = None
        self._go_on()

    def _attend(self, waiting: _Thread | Worker) -> None:
        """Block until this one is called; where nothing happens for too long, see to it that something does."""
        still = 0.0
        while not waiting.called:
            signs = self._signs
            waiting.condition.wait(self._quiet)
            still = 0.0 if signs != self._signs else still + self._quiet
            if not waiting.called and still >= (self._quiet if self._turn is None else self._patience):
                self._go_on_regardless()
                still = 0.0

    def _go_on(self) -> None:
        """Give the turn to the next worker; where none waits for it and everybody sleeps, let the time jump."""
        while self._turn is None:
            if self._queue:
                self._turn = self._queue.popleft()
                self._turn.call()
            elif not self._sleepers or self._somebody_may_be_awake():
                return
            else:
                self._jump()

    def _go_on_regardless(self) -> None:
        self._signs += 1
        self._turn = None
        self._loose.clear()
        if not self._queue and self._sleepers:
            self._jump()
        self._go_on()

    def _somebody_may_be_awake(self) -> bool:
        if any(sleeper.stranger and sleeper.until <= self.now for sleeper in self._sleepers):
            return False  # strangers that wake up at the same instant need not wait for each other
        return (
            bool(self._loose)
            or any(sleeper.stranger for sleeper in self._sleepers)
            or any(not loop.idle for loop in self._loops.values())
        )

    def _jump(self) -> None:
        for sleeper in self._sleepers:
            if sleeper.event is not None and sleeper.event.is_set():
                sleeper.until = self.now
        first = min(self._sleepers, key=_awakening)
        self._sleepers.remove(first)
        self.now = max(self.now, first.until)
        if isinstance(first, _Task):
            self._loops[first.loop].idle = False
            first.loop.call_soon_threadsafe(self._wake_task, first)
            return
        first.call()
        if first.worker is not None:
            self._turn = first.worker
        else:
            self._loose.add(first.ident)

    def _watch(self, loop: asyncio.AbstractEventLoop) -> None:
        watched = self._loops.setdefault(loop, _Loop())
        watched.idle = False
        watched.turns = 0
        if watched.look is None:
            watched.look = loop.call_soon(self._look, loop)

    # These three are called by an event loop.

    def _wake_task(self, sleeper: _Task) -> None:
        if not sleeper.future.done():
            sleeper.future.set_result(None)
        with self._lock:
            self._watch(sleeper.loop)

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        """Is there anything else to do in this loop? If not, its tasks sleep."""
        with self._lock:
            watched = self._loops[loop]
            watched.look = None
            watched.turns += 1
            if not any(isinstance(sleeper, _Task) and sleeper.loop is loop for sleeper in self._sleepers):
                del self._loops[loop]
            # asyncio tells nobody whether it is idle, but it keeps what is ready to run in this attribute.
            elif getattr(loop, "_ready", ()) and watched.turns < _LOOP_TURNS:
                watched.look = loop.call_soon(self._look, loop)
                return
            else:
                watched.idle = True
            self._go_on()
            if watched.idle:  # threads are at work: look again when they may be done
                loop.call_later(self._quiet, self._look_again, loop, self._signs)

    def _look_again(self, loop: asyncio.AbstractEventLoop, signs: int) -> None:
        with self._lock:
            if signs == self._signs:
                self._go_on_regardless()
            self._watch(loop)


class Worker(AbstractContextManager["Worker"]):
    """An announced worker: inside of ``with`` its thread runs only when it is its turn."""

    def __init__(self, time: VirtualTime, lock: Lock) -> None:
        self._time = time
        self.condition: Condition = Condition(lock)
        self.called: bool = False

    def call(self) -> None:
        """Wake its thread."""
        self.called = True
        self.condition.notify()

    def __enter__(self) -> Self:
        self._time.arrive(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._time.leave(self)


class _Thread:
    """A thread that sleeps."""

    until = 0.0
    order = 0

    def __init__(self, lock: Lock, event: Event | None, worker: Worker | None, *, stranger: bool) -> None:
        self.ident = get_ident()
        self.condition: Condition = Condition(lock)
        self.called: bool = False
        self.event = event
        self.worker = worker
        self.stranger = stranger

    def call(self) -> None:
        """Wake it."""
        self.called = True
        self.condition.notify()


class _Task:
    """A task that sleeps."""

    until = 0.0
    order = 0
    event: Event | None = None
    stranger = False

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.future: asyncio.Future[None] = loop.create_future()


class _Loop:
    """What is known of an event loop with sleeping tasks."""

    idle = False
    look: asyncio.Handle | None = None
    turns = 0


def _awakening(sleeper: _Thread | _Task) -> tuple[float, int]:
    return sleeper.until, sleeper.order
