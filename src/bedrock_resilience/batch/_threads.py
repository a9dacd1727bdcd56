"""The synchronous engine of the executor: worker threads that take items from the input themselves.

Locking. Every worker runs the same loop: take an item, carry its call through, close it in the ledger. The ledger has
the only lock around the numbers. This module adds what crosses threads beside them:

* ``_stopping`` is set once, when the run stops; it wakes workers that sleep between attempts.
* ``_ready`` counts finished outcomes of a stream: one True for each, and one False after the last worker.
* ``_window`` bounds a stream: a worker requires one permit for each item it takes, and the consumer returns the permit
  when it has processed an outcome. When the run stops, every worker gets a permit, so that none waits for a consumer
  that has stopped reading.
* ``_messages`` wakes the caller's thread, which only waits: the last worker puts a message when it leaves, and so does
  a signal handler for each Ctrl-C. A queue, not an event: a handler may run while its thread holds a lock, and
  ``SimpleQueue.put`` is the one call that is safe then.

The clock may provide the threads, and with them all of these (``clock.threads_of``).

Every item runs in a copy of the caller's context, so that no context variable leaks from one item to the next.
"""

from __future__ import annotations

import contextvars
import logging
from collections import deque
from contextlib import nullcontext
from queue import Empty
from typing import TYPE_CHECKING, Generic, TypeVar, cast

from bedrock_resilience._fault import Fault
from bedrock_resilience._stop_reason import StopReason
from bedrock_resilience.batch._ledger import PROGRAMMING_ERRORS, Ledger, fatal_reason, outcome_of, unusable_item
from bedrock_resilience.clock import threads_of
from bedrock_resilience.retrying._driver import begin, drive
from bedrock_resilience.retrying._retry_layers import enter_layer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from contextlib import AbstractContextManager
    from queue import SimpleQueue
    from threading import Semaphore

    from bedrock_resilience.batch._progress import Progress
    from bedrock_resilience.batch._report import ItemOutcome
    from bedrock_resilience.retrying._driver import CallSettings

T = TypeVar("T")
R = TypeVar("R")

# The longest wait in the caller's thread, in seconds. Python handles a signal that arrives immediately before a wait,
# or in another thread, only after the wait, and Ctrl-C must not wait for a worker.
_POLL_SECONDS = 0.5


class ThreadedRun(Generic[T, R]):
    """One run of the executor with threads.

    Args:
        settings: What all calls share.
        fn: Called with each item.
        items: The input. At most ``max_workers`` of its items are read ahead of the results.
        max_workers: Number of threads.
        on_progress: Called after each item, by one thread at a time.
        streamed: Pass the outcomes to ``outcomes``, instead of keeping them for a report.
    """

    def __init__(
        self,
        settings: CallSettings,
        fn: Callable[[T], R],
        items: Iterable[T],
        max_workers: int,
        on_progress: Callable[[Progress], object] | None,
        *,
        streamed: bool = False,
    ) -> None:
        total = length_of(items)
        threads = threads_of(settings.clock)
        self.items: Iterator[T] = iter(items)
        self.ledger: Ledger[T, R] = Ledger(total, keep=not streamed, threads=threads)
        self._settings = settings
        self._fn = fn
        self._on_progress = on_progress
        self._progress_lock = threads.lock()
        self._finished: deque[ItemOutcome[T, R]] = deque()
        self._ready: SimpleQueue[bool] = threads.queue()
        self._stopping = threads.event()
        self._messages: SimpleQueue[bool] = threads.queue()  # True: a Ctrl-C; False: the last worker has left
        self._interrupts = 0
        self._window = threads.semaphore(max_workers) if streamed else None
        self._streamed = streamed
        # At least one worker: an input may yield items although its length is 0.
        workers = max_workers if total is None else min(max_workers, max(1, total))
        self._working = workers
        self._working_lock = threads.lock()
        self._context = contextvars.copy_context()
        self._context.run(enter_layer, settings.policy)
        register = getattr(settings.clock, "worker", nullcontext)  # a FakeClock counts the threads that sleep by it
        self._threads = [
            threads.thread(self._work, entry, name=f"bedrock-resilience-{number}", daemon=True)
            for number, entry in enumerate([register() for _ in range(workers)])
        ]

    def start(self) -> None:
        """Start the workers. If the system starts only some of them, those do all the work.

        Raises:
            RuntimeError: No thread can be started.
        """
        for number, thread in enumerate(self._threads):
            try:
                thread.start()
            except RuntimeError:
                if number == 0:
                    raise
                self._workers_ended(len(self._threads) - number)
                return

    def interrupt(self) -> None:
        """Note a Ctrl-C; safe in a signal handler."""
        self._messages.put(True)  # noqa: FBT003 - see the comment beside the queue

    def wait(self) -> bool:
        """Block until every worker is done, and return True.

        The first Ctrl-C stops the run. A second one ends the wait for the calls in flight. After either, return False.
        """
        while _next_message(self._messages):
            self._interrupts += 1
            if self._interrupts > 1:
                return False
            self.stop("interrupted")
        self.join()
        return not self._interrupts

    def abort(self, reason: str) -> None:
        """Stop the run, and wait for the calls in flight."""
        self.stop(reason)
        self.join()

    def stop(self, reason: str) -> None:
        """Take no more items, and wake the workers that sleep between attempts."""
        self.ledger.stop(reason)
        self._wake_workers()

    def outcomes(self) -> Iterator[ItemOutcome[T, R]]:
        """Yield the outcomes as they finish. After an interrupt, ``undelivered`` has those that were not yielded."""
        window = cast("Semaphore", self._window)  # a stream has one
        while _next_message(self._ready):
            # Read, then remove: Ctrl-C may raise after any call, and would lose what a pop had returned.
            outcome = self._finished[0]
            del self._finished[0]
            yield outcome
            del outcome  # the consumer may free its memory while the next one is awaited
            window.release()

    def undelivered(self) -> list[ItemOutcome[T, R]]:
        """Return the finished outcomes that ``outcomes`` has not yielded."""
        return list(self._finished)

    def join(self) -> None:
        """Wait for the workers that were started."""
        for thread in self._threads:
            while thread.is_alive():  # false for one that was never started
                thread.join(_POLL_SECONDS)

    def remaining(self, *, listed: bool) -> Iterator[ItemOutcome[T, R]]:
        """Close the items that were not started; with ``listed``, also those that are left in the input."""
        ledger = self.ledger
        yield from ledger.close_late()
        if listed and ledger.stopped is not None and ledger.input_error is None:
            yield from ledger.close_input(self.items)

    def report_progress(self) -> None:
        """Call ``on_progress`` with a balanced snapshot."""
        if self._on_progress is None:
            return
        with self._progress_lock:
            call_progress(self._on_progress, self.ledger.progress())

    def _work(self, entry: AbstractContextManager[object]) -> None:
        try:
            with entry:
                while (item := self._next_item()) is not None:
                    try:
                        outcome = self._context.copy().run(self._carry_through, *item)
                    except BaseException as error:  # noqa: BLE001 - raised by a part of the call, such as classify
                        self._worker_failed(error)
                        outcome = unusable_item(*item, error, Fault.UNKNOWN)
                    self.ledger.close(outcome)
                    if self._streamed:
                        self._finished.append(outcome)
                        self._ready.put(True)  # noqa: FBT003 - see the module's docstring
                    self.report_progress()
                    del outcome, item  # the traceback of its error refers to this frame
        except BaseException as error:  # noqa: BLE001 - raised again by the caller's thread
            self._worker_failed(error)
        finally:
            self._workers_ended(1)

    def _worker_failed(self, error: BaseException) -> None:
        self.ledger.worker_failed(error)
        self._wake_workers()

    def _workers_ended(self, workers: int) -> None:
        with self._working_lock:
            self._working -= workers
            last = self._working == 0
        if last:
            # Both are read as true or false.
            self._ready.put(False)  # noqa: FBT003 - see the module's docstring # pragma: no mutate - as good as None
            self._messages.put(False)  # noqa: FBT003 - as above # pragma: no mutate - as good as None

    def _next_item(self) -> tuple[int, T] | None:
        if self._window is not None:
            self._window.acquire()
        deadline = self._settings.deadline
        if deadline is not None and not deadline.allows(self._settings.clock.monotonic()):
            self.stop(StopReason.DEADLINE.value)
        if self._settings.stop_event is not None and self._settings.stop_event.is_set():
            self.stop(StopReason.RUN_STOPPED.value)
        item = self.ledger.next_item(self.items)
        if self.ledger.stopped is not None:  # the input may have stopped the run
            self._wake_workers()
        return item

    def _carry_through(self, index: int, item: T) -> ItemOutcome[T, R]:
        settings = self._settings
        now = settings.clock.monotonic
        started = now()
        try:
            call = begin(settings, (item,), {})
        except Exception as error:  # noqa: BLE001 - tokens() is the caller's function; its error belongs to this item
            return unusable_item(index, item, error, settings.classify(error))
        try:
            value = drive(settings, call, self._fn, (item,), {}, self._pause)
        except BaseException as error:  # noqa: BLE001 - an item that fails does not stop the others
            if isinstance(error, PROGRAMMING_ERRORS):
                self._worker_failed(error)
            reason = fatal_reason(call)
            if reason is not None:
                self.stop(reason)
            # The outcome has no name here: the traceback of its error refers to this frame.
            return outcome_of(index, item, call, now() - started, error=error)
        return outcome_of(index, item, call, now() - started, value)

    def _pause(self, seconds: float) -> bool:
        wait = getattr(self._settings.clock, "wait", None)  # optional in a clock
        if wait is not None:
            return bool(wait(self._stopping, seconds))
        self._settings.clock.sleep(seconds)
        return self._stopping.is_set()

    def _wake_workers(self) -> None:
        self._stopping.set()
        if self._window is not None:
            self._window.release(len(self._threads))


def length_of(items: object) -> int | None:
    """Return the number of items, or None if the input has no length."""
    try:
        return len(items)  # type: ignore[arg-type]  # an input without a length raises
    except Exception:  # noqa: BLE001 - the input is the caller's
        return None


def call_progress(on_progress: Callable[[Progress], object], progress: Progress) -> None:
    """Call a progress callback, and log an exception that it raises."""
    try:
        on_progress(progress)
    except Exception:
        logging.getLogger("bedrock_resilience").exception("on_progress failed")


def _next_message(messages: SimpleQueue[bool]) -> bool:
    while True:
        try:
            return messages.get(timeout=_POLL_SECONDS)
        except Empty:  # signals have been handled
            continue
