"""VirtualTime: the scheduler of ``FakeClock``. It records who sleeps until when, and decides when the time jumps.

Three kinds of sleepers share one time line: registered workers, of which one runs at a time; tasks of event loops; and
unregistered threads. The clock cannot observe an unregistered thread that is awake, so such a thread counts as asleep
after some real time without activity. When all of them sleep, the time jumps to the first wake-up.
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import AbstractContextManager
from threading import Condition, Lock, get_ident
from typing import TYPE_CHECKING, Final, Self

from bedrock_resilience.clock import running_trio

if TYPE_CHECKING:
    from threading import Event
    from types import TracebackType

# Iterations of an event loop after which ready callbacks no longer count as work in progress: a task that never rests
# (``while True: await sleep(0)``) must not stop the time.
_MAX_LOOP_TURNS: Final = 1_000


class VirtualTime:
    """The time line of one ``FakeClock``.

    Args:
        start: The first virtual time; seconds.
        idle_after: As for ``FakeClock``; real seconds.
        stuck_after: As for ``FakeClock``; real seconds.
    """

    def __init__(self, start: float, idle_after: float, stuck_after: float) -> None:
        self.now: float = float(start)
        self._idle_after = idle_after
        self._stuck_after = stuck_after
        self._lock = Lock()
        self._test_thread = get_ident()  # the thread that makes the clock
        self._activity = 0  # counts every sign of activity
        self._order = 0
        self._sleepers: list[_Thread | _Task] = []
        self._workers: dict[int, Worker] = {}
        self._ready: deque[Worker] = deque()  # workers that wait to run
        self._running: Worker | None = None
        self._unaccounted: set[int] = set()  # threads that were woken and have not called the clock since
        self._loops: dict[asyncio.AbstractEventLoop, _Loop] = {}

    def read(self) -> float:
        """Return the virtual time; the call is a sign of activity."""
        self._activity += 1
        return self.now

    def block(self, seconds: float, event: Event | None = None) -> None:
        """Block this thread for so long, or until the event is set."""
        me = get_ident()
        with self._lock:
            self._activity += 1
            self._unaccounted.discard(me)
            worker = self._workers.get(me)
            if worker is None and self._is_alone(me):
                self.now += seconds
                return
            sleeper = _Thread(self._lock, event, worker, unregistered=worker is None and me != self._test_thread)
            self._push(sleeper, seconds)
            self._stop_running(worker)
            self._block_until_called(sleeper)

    async def suspend(self, seconds: float) -> None:
        """Suspend this task for so long. Under trio, the time advances at once."""
        trio = running_trio()
        if trio is not None:
            with self._lock:
                self._activity += 1
                self.now += seconds
            await trio.lowlevel.checkpoint()
            return
        loop = asyncio.get_running_loop()
        sleeper = _Task(loop)
        with self._lock:
            self._push(sleeper, seconds)
            self._watch(loop)
        try:
            await sleeper.future
        finally:
            with self._lock:
                if sleeper in self._sleepers:  # it was canceled
                    self._sleepers.remove(sleeper)

    def register(self) -> Worker:
        """Register a new worker; it runs after those that were registered before."""
        worker = Worker(self, self._lock)
        with self._lock:
            self._ready.append(worker)
        return worker

    def enter(self, worker: Worker) -> None:
        """Block the worker's thread until it is the one to run."""
        with self._lock:
            self._workers[get_ident()] = worker
            self._progress()
            self._block_until_called(worker)

    def leave(self, worker: Worker) -> None:
        """End the worker."""
        with self._lock:
            del self._workers[get_ident()]
            self._stop_running(worker)

    # The caller of the following methods holds the lock.

    def _is_alone(self, me: int) -> bool:
        return me == self._test_thread and not (self._sleepers or self._workers or self._ready)

    def _push(self, sleeper: _Thread | _Task, seconds: float) -> None:
        self._activity += 1
        self._order += 1
        sleeper.until = self.now + seconds
        sleeper.order = self._order
        self._sleepers.append(sleeper)

    def _stop_running(self, worker: Worker | None) -> None:
        if worker is not None and self._running is worker:
            self._running = None
        self._progress()

    def _block_until_called(self, waiting: _Thread | Worker) -> None:
        """Block until this one is called; after a time without activity, stop waiting for whoever seems active."""
        inactive = 0.0
        while not waiting.called:
            activity = self._activity
            waiting.condition.wait(self._idle_after)
            inactive = 0.0 if activity != self._activity else inactive + self._idle_after
            limit = self._idle_after if self._running is None else self._stuck_after
            if not waiting.called and inactive >= limit:
                self._force_progress()
                inactive = 0.0

    def _progress(self) -> None:
        """Run the next ready worker; if there is none and all sleepers sleep, let the time jump."""
        while self._running is None:
            if self._ready:
                self._running = self._ready.popleft()
                self._running.call()
            elif not self._sleepers or self._may_be_awake():
                return
            else:
                self._jump()

    def _force_progress(self) -> None:
        self._activity += 1
        self._running = None
        self._unaccounted.clear()
        if not self._ready and self._sleepers:
            self._jump()
        self._progress()

    def _may_be_awake(self) -> bool:
        if any(sleeper.unregistered and sleeper.until <= self.now for sleeper in self._sleepers):
            return False  # unregistered threads that wake up at the same instant do not wait for each other
        return (
            bool(self._unaccounted)
            or any(sleeper.unregistered for sleeper in self._sleepers)
            or any(not loop.idle for loop in self._loops.values())
        )

    def _jump(self) -> None:
        for sleeper in self._sleepers:
            if sleeper.event is not None and sleeper.event.is_set():
                sleeper.until = self.now
        first = min(self._sleepers, key=_wake_up)
        self._sleepers.remove(first)
        self.now = max(self.now, first.until)
        if isinstance(first, _Task):
            self._loops[first.loop].idle = False
            first.loop.call_soon_threadsafe(self._wake_task, first)
            return
        first.call()
        if first.worker is not None:
            self._running = first.worker
        else:
            self._unaccounted.add(first.ident)

    def _watch(self, loop: asyncio.AbstractEventLoop) -> None:
        watched = self._loops.setdefault(loop, _Loop())
        watched.idle = False
        watched.turns = 0
        if watched.check is None:
            watched.check = loop.call_soon(self._check_idle, loop)

    # An event loop calls the following methods.

    def _wake_task(self, sleeper: _Task) -> None:
        if not sleeper.future.done():
            sleeper.future.set_result(None)
        with self._lock:
            self._watch(sleeper.loop)

    def _check_idle(self, loop: asyncio.AbstractEventLoop) -> None:
        """Note whether this loop has anything else to do; if not, all of its tasks sleep."""
        with self._lock:
            watched = self._loops[loop]
            watched.check = None
            watched.turns += 1
            if not any(isinstance(sleeper, _Task) and sleeper.loop is loop for sleeper in self._sleepers):
                del self._loops[loop]
            # asyncio has no public sign of an idle loop, but it keeps the callbacks to run in this attribute.
            elif getattr(loop, "_ready", ()) and watched.turns < _MAX_LOOP_TURNS:
                watched.check = loop.call_soon(self._check_idle, loop)
                return
            else:
                watched.idle = True
            self._progress()
            if watched.idle:  # other threads are active: check again when they may be done
                loop.call_later(self._idle_after, self._recheck, loop, self._activity)

    def _recheck(self, loop: asyncio.AbstractEventLoop, activity: int) -> None:
        with self._lock:
            if activity == self._activity:
                self._force_progress()
            self._watch(loop)


class Worker(AbstractContextManager["Worker"]):
    """A registered worker: inside ``with``, its thread is the only registered one that runs."""

    def __init__(self, time: VirtualTime, lock: Lock) -> None:
        self._time = time
        self.condition: Condition = Condition(lock)
        self.called: bool = False

    def call(self) -> None:
        """Wake its thread."""
        self.called = True
        self.condition.notify()

    def __enter__(self) -> Self:
        self._time.enter(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._time.leave(self)


class _Thread:
    """A sleeping thread."""

    until = 0.0
    order = 0

    def __init__(self, lock: Lock, event: Event | None, worker: Worker | None, *, unregistered: bool) -> None:
        self.ident = get_ident()
        self.condition: Condition = Condition(lock)
        self.called: bool = False
        self.event = event
        self.worker = worker
        self.unregistered = unregistered

    def call(self) -> None:
        """Wake it."""
        self.called = True
        self.condition.notify()


class _Task:
    """A sleeping task."""

    until = 0.0
    order = 0
    event: Event | None = None
    unregistered = False

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.future: asyncio.Future[None] = loop.create_future()


class _Loop:
    """The state of an event loop with sleeping tasks."""

    idle = False
    check: asyncio.Handle | None = None
    turns = 0


def _wake_up(sleeper: _Thread | _Task) -> tuple[float, int]:
    return sleeper.until, sleeper.order
