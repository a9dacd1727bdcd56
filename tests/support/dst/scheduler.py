"""One seeded scheduler for the threads of many processes: greenlets in one thread, on virtual time."""

from __future__ import annotations

import heapq
import random
from bisect import bisect
from collections import deque
from itertools import accumulate
from typing import TYPE_CHECKING, Any, cast

from greenlet import getcurrent, greenlet

if TYPE_CHECKING:
    import datetime as dt
    import queue
    import threading
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager

    from bedrock_resilience.clock import InterruptibleClock, ThreadsClock

MAX_STEPS = 200_000
"""After so many steps a schedule counts as one that does not end."""


class Killed(BaseException):
    """The process of this thread is dead."""


class ViolationError(Exception):
    """An invariant does not hold."""


class Choices:
    """The choices of one schedule: random ones of a seed, or a list of recorded ones. 0 is always the plainest.

    Args:
        seed: Of the random choices.
        replay: Recorded choices, which are made again; after the last one, every choice is 0.

    Attributes:
        made: The choices so far.
    """

    def __init__(self, seed: int = 0, replay: Sequence[int] | None = None) -> None:
        self._random = random.Random(seed).random
        self._replay = None if replay is None else iter(replay)
        self.made: list[int] = []

    def below(self, count: int) -> int:
        """A number from 0 to ``count`` - 1, each as likely."""
        chosen = int(self._random() * count) if self._replay is None else min(next(self._replay, 0), count - 1)
        self.made.append(chosen)
        return chosen

    def pick(self, weights: Weights) -> int:
        """An index into the weights, each as likely as its weight says."""
        if self._replay is None:
            chosen = bisect(weights.limits, self._random() * weights.total)
        else:
            chosen = min(next(self._replay, 0), len(weights.limits) - 1)
        self.made.append(chosen)
        return chosen


class Weights:
    """How likely each of some choices is."""

    def __init__(self, *weights: float) -> None:
        self.limits = tuple(accumulate(weights))
        self.total = self.limits[-1]


class Task:
    """A thread of a process.

    Args:
        process: The process.
        name: Name of the thread.
        priority: Of the tasks that may run, the one with the highest priority does.
    """

    def __init__(self, process: Process, name: str, priority: int) -> None:
        self.process = process
        self.name = name
        self.priority = priority
        self.greenlet: greenlet
        self.sleep = 0  # number of its sleeps; a timer of an earlier sleep is void
        self.waiting = False
        self.done = False
        self.joining: list[Task] = []


class Process:
    """A process: threads that die together, with a clock of its own.

    Args:
        scheduler: Runs its threads.
        name: Its name, which no other process has.
        skew: Seconds by which its wall clock is ahead of true time.

    Attributes:
        dead: Whether it was killed; nothing that it does has an effect any more.
        ended: Whether its main thread has ended by itself.
        error: What its main thread raised.
        faults: The requests of it that failed, or had no reply.
        late_requests: Requests of it that are given up, and will be carried out.
        killed_at: When it will be killed at the latest, by its own clock on the wall; None: it is not.
    """

    def __init__(self, scheduler: Scheduler, name: str, skew: float = 0.0) -> None:
        self.scheduler = scheduler
        self.name = name
        self.skew = skew
        self.tasks: list[Task] = []
        self.dead = False
        self.ended = False
        self.error: BaseException | None = None
        self.faults = 0
        self.late_requests = 0
        self.killed_at: dt.datetime | None = None
        self.clock = SimulatedClock(self)
        scheduler.processes.append(self)

    def start(self, main: Callable[[], object], at: float = 0.0) -> None:
        """Run the main thread, beginning at some time."""

        def body() -> None:
            try:
                main()
            except Killed:
                return
            except BaseException as error:  # noqa: BLE001 - whatever it is, it ends the process
                if self.dead:
                    return
                self.error = error
            self.ended = True

        self.scheduler.spawn(self, "main", body, at)

    def kill(self) -> None:
        """End all of its threads, without any effect of their cleaning up."""
        if self.dead or self.ended:
            return
        self.dead = True
        self.scheduler.log("killed", process=self.name)
        for task in self.tasks:
            if not task.done:
                self.scheduler.wake(task)


class Scheduler:
    """Runs one task at a time: that with the highest priority (PCT), until it waits for something.

    Args:
        choices: The choices of this schedule.
        changes: At how many random steps the running task gets the lowest priority.
        kills: At how many random steps the process of the running task is killed.
        within: The number of steps within which these happen.
    """

    def __init__(self, choices: Choices, *, changes: int = 0, kills: int = 0, within: int = 100) -> None:
        self.choices = choices
        self.now = 0.0
        self.steps = 0
        self.trace: list[str] = []
        self.counts: dict[str, int] = {}
        self.states: set[int] = set()  # hashes are comparable within a Python process
        self.tracing = False
        self.failure: ViolationError | None = None
        self.calm = False
        self.current: Task
        self.processes: list[Process] = []
        self._state: dict[str, str] = {}
        self._changes = {choices.below(within) for _ in range(changes)}
        self._kills = {choices.below(within) for _ in range(kills)}
        self._lowest = 0
        self._ready: list[Task] = []
        self._timers: list[tuple[float, int, int, Task]] = []
        self._sequence = 0
        self._tasks: list[Task] = []
        self._main: greenlet = getcurrent()
        # Carries out requests that were given up, and ends processes at their time; it is never killed.
        self.network = Process(self, "network")

    # What processes and models call

    def spawn(self, process: Process, name: str, body: Callable[[], object], at: float = 0.0) -> Task:
        """Start a thread, at some time."""
        task = Task(process, name, 1 + self.choices.below(1000))

        def run() -> None:
            try:
                if not process.dead:
                    body()
            except Killed:
                pass
            finally:
                task.done = True
                for other in task.joining:
                    self.wake(other)

        task.greenlet = greenlet(run, parent=self._main)
        process.tasks.append(task)
        self._tasks.append(task)
        if at > self.now:
            self._sleep_until(task, at)
        else:
            self._ready.append(task)
        return task

    def sleep(self, seconds: float) -> None:
        """Let the running task wait so long; with 0, let others go first if they have a higher priority."""
        task = self.current
        if task.process.dead:
            raise Killed
        if seconds > 0:
            self._sleep_until(task, self.now + seconds)
        else:
            self._ready.append(task)
        self._main.switch()
        if task.process.dead:
            raise Killed

    def block(self, timeout: float | None = None) -> None:
        """Let the running task wait until another one wakes it, or until the time is over."""
        task = self.current
        if task.process.dead:
            raise Killed
        task.waiting = True
        if timeout is not None:
            self._sleep_until(task, self.now + timeout)
        self._main.switch()
        if task.process.dead:
            raise Killed

    def wake(self, task: Task) -> None:
        """Let a task go on that waits."""
        if not task.done and task not in self._ready and task is not getattr(self, "current", None):
            task.waiting = False
            task.sleep += 1
            self._ready.append(task)

    def fail(self, text: str) -> None:
        """An invariant does not hold: end the schedule, whatever the running code would make of the exception."""
        if self.failure is None:
            self.failure = ViolationError(text)
            self.log(f"VIOLATION: {text}")
        raise Killed

    def count(self, what: str) -> None:
        """Count an event of that name."""
        self.counts[what] = self.counts.get(what, 0) + 1

    def reached(self, what: str, state: str) -> None:
        """Note that a part of the system has reached a state; with the others, that is a state of the whole."""
        self._state[what] = state
        processes = tuple((process.dead, process.ended) for process in self.processes)
        self.states.add(hash((processes, *sorted(self._state.items()))))

    def log(self, text: str, *, process: str | None = None) -> None:
        """Record a line of the schedule."""
        if self.tracing:
            who = process or f"{self.current.process.name}/{self.current.name}"
            self.trace.append(f"{self.now:9.2f} s  {who:<28} {text}")

    # The loop

    def run(self) -> None:
        """Run until no task is left that could go on.

        Raises:
            ViolationError: An invariant does not hold, or there is no end.
        """
        self._main = getcurrent()
        for task in self._tasks:
            task.greenlet.parent = self._main
        while self._ready or self._timers:
            self._advance()
            chosen = self._choose()
            if chosen is None:
                continue
            chosen.greenlet.switch()
            if self.failure is not None:
                raise self.failure
        stuck = [task for task in self._tasks if task.waiting and not task.done and not task.process.dead]
        if stuck:
            names = ", ".join(f"{task.process.name}/{task.name}" for task in stuck)
            raise ViolationError(f"deadlock: {names} wait for each other")

    def _advance(self) -> None:
        """Let the tasks go on whose sleep is over; where all sleep, move time to the end of the first sleep."""
        ready, timers = self._ready, self._timers
        if not ready:
            self.now = max(self.now, timers[0][0])
        while timers and timers[0][0] <= self.now:
            _, _, sleep, task = heapq.heappop(timers)
            if sleep == task.sleep and not task.done:
                task.waiting = False
                task.sleep += 1
                ready.append(task)

    def _choose(self) -> Task | None:
        """Return the task to run; None where the priorities have changed, or none can run."""
        ready = self._ready
        if not ready:
            return None
        task = ready[0] if len(ready) == 1 else max(ready, key=_priority)
        self.steps += 1
        if self.steps > MAX_STEPS:
            raise ViolationError(f"no end after {MAX_STEPS} steps")
        if self.steps in self._changes and not self.calm:
            self._lowest -= 1
            task.priority = self._lowest
            self.count("priority changed")
            return None
        ready.remove(task)
        self.current = task
        if self.steps in self._kills and not self.calm and task.process is not self.network:
            self.count("process killed")
            task.process.kill()
        return task

    def close(self) -> None:
        """End all tasks that are left, without effect."""
        for task in self._tasks:
            task.process.dead = True
        for task in self._tasks:
            if not task.done and task.greenlet:
                self.current = task
                task.greenlet.throw(Killed)

    def _sleep_until(self, task: Task, at: float) -> None:
        self._sequence += 1
        task.sleep += 1
        heapq.heappush(self._timers, (at, self._sequence, task.sleep, task))


def _priority(task: Task) -> int:
    return task.priority


class SimulatedClock:
    """The clock of a process, which also brings its threads."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._scheduler = process.scheduler
        self.threads = SimulatedThreads(process)

    def monotonic(self) -> float:
        """Virtual seconds."""
        return self._scheduler.now

    def sleep(self, seconds: float, /) -> None:
        """Wait."""
        self._scheduler.sleep(seconds)

    async def asleep(self, seconds: float, /) -> None:
        """Not used: the simulation has no event loop."""
        raise NotImplementedError

    def wait(self, event: threading.Event, seconds: float, /) -> bool:
        """Wait for an event of this simulation."""
        return event.wait(seconds)


class SimulatedThreads:
    """Makes the threads of a process, and what they wait for."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._scheduler = process.scheduler

    def thread(self, target: Callable[..., object], *args: object, name: str, daemon: bool = False) -> threading.Thread:
        return cast("threading.Thread", _Thread(self._process, name, lambda: target(*args)))

    def current(self) -> int:
        return id(self._scheduler.current)

    def lock(self) -> AbstractContextManager[object]:
        return _Lock(self._scheduler)

    def semaphore(self, value: int) -> threading.Semaphore:
        return cast("threading.Semaphore", _Semaphore(self._scheduler, value))

    def event(self) -> threading.Event:
        return cast("threading.Event", _Event(self._scheduler))

    def queue(self) -> queue.SimpleQueue[Any]:
        return cast("queue.SimpleQueue[Any]", _Queue(self._scheduler))


class _Thread:
    def __init__(self, process: Process, name: str, body: Callable[[], object]) -> None:
        self._process = process
        self._name = name
        self._body = body
        self._task: Task | None = None

    def start(self) -> None:
        scheduler = self._process.scheduler
        self._task = scheduler.spawn(self._process, self._name, self._body)
        scheduler.sleep(0)

    def is_alive(self) -> bool:
        return self._task is not None and not self._task.done

    def join(self, timeout: float | None = None) -> None:  # a thread that ends is always noticed
        scheduler, task = self._process.scheduler, self._task
        while task is not None and not task.done:
            task.joining.append(scheduler.current)
            scheduler.block()


class _Semaphore:
    def __init__(self, scheduler: Scheduler, value: int) -> None:
        self._scheduler = scheduler
        self._value = value
        self._waiting: deque[Task] = deque()

    def acquire(self) -> bool:
        if self._scheduler.current.process.dead:
            raise Killed
        while self._value == 0:
            self._waiting.append(self._scheduler.current)
            self._scheduler.block()
        self._value -= 1
        return True

    def release(self, n: int = 1) -> None:
        if self._scheduler.current.process.dead:
            raise Killed
        self._value += n
        for _ in range(min(n, len(self._waiting))):
            self._scheduler.wake(self._waiting.popleft())


class _Lock(_Semaphore):
    def __init__(self, scheduler: Scheduler) -> None:
        super().__init__(scheduler, 1)

    def __enter__(self) -> None:
        self.acquire()

    def __exit__(self, *_: object) -> None:
        self.release()


class _Event:
    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self._set = False
        self._waiting: list[Task] = []

    def is_set(self) -> bool:
        return self._set

    def set(self) -> None:
        self._set = True
        for task in self._waiting:
            self._scheduler.wake(task)
        self._waiting.clear()

    def wait(self, timeout: float | None = None) -> bool:
        if not self._set:
            task = self._scheduler.current
            self._waiting.append(task)
            self._scheduler.block(timeout)
            if task in self._waiting:
                self._waiting.remove(task)
        return self._set


class _Queue:
    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self._items: deque[Any] = deque()
        self._waiting: deque[Task] = deque()

    def put(self, item: object) -> None:
        if self._scheduler.current.process.dead:
            raise Killed
        self._items.append(item)
        if self._waiting:
            self._scheduler.wake(self._waiting.popleft())

    def get(self, timeout: float | None = None) -> Any:  # noqa: ANN401 - signals do not come, so no timeout is needed
        if self._scheduler.current.process.dead:
            raise Killed
        while not self._items:
            self._waiting.append(self._scheduler.current)
            self._scheduler.block()
        return self._items.popleft()

    def empty(self) -> bool:
        return not self._items


if TYPE_CHECKING:
    _clock: ThreadsClock = cast("SimulatedClock", None)
    _interruptible: InterruptibleClock = cast("SimulatedClock", None)
