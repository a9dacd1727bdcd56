"""The executor's synchronous engine: worker threads that pull from the input, so that no item needs a future."""

from __future__ import annotations

import contextvars
import logging
from collections import deque
from contextlib import nullcontext
from queue import SimpleQueue
from threading import Event, Lock, Semaphore, Thread
from types import CoroutineType
from typing import TYPE_CHECKING, Generic, TypeVar, cast

from bedrock_resilience._fault import Fault
from bedrock_resilience.batch._ledger import Ledger, fatal_reason, outcome_of, unusable
from bedrock_resilience.batch._report import ItemOutcome
from bedrock_resilience.retrying._attempts import StopReason
from bedrock_resilience.retrying._deadline_var import enclosing
from bedrock_resilience.retrying._policy import not_awaited

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from contextlib import AbstractContextManager

    from bedrock_resilience.batch._report import Progress
    from bedrock_resilience.retrying._retrier import Retrier

T = TypeVar("T")
R = TypeVar("R")

# Seconds. A signal that comes just before a wait is noticed after it only: a Ctrl-C must not wait for the worker.
_GLANCE = 0.5


class ThreadedRun(Generic[T, R]):
    """One run: its workers, its ledger, and the switch that wakes every sleeper when the run is stopped.

    Args:
        retrier: Carries each call through.
        fn: Called with each item.
        items: The input; at most ``max_workers`` of its items are taken ahead of the results.
        max_workers: Threads.
        on_progress: Called after each item, by one thread at a time.
        streamed: Hand the outcomes to ``finished``, instead of keeping them for a report.
    """

    def __init__(
        self,
        retrier: Retrier,
        fn: Callable[[T], R],
        items: Iterable[T],
        max_workers: int,
        on_progress: Callable[[Progress], object] | None,
        *,
        streamed: bool = False,
    ) -> None:
        total = length_of(items)
        self.items = iter(items)
        self.ledger: Ledger[T, R] = Ledger(total, keep=not streamed)
        self._finished: deque[ItemOutcome[T, R]] = deque()
        self._news: SimpleQueue[bool] = SimpleQueue()  # True: something is finished; False: there will be nothing more
        self._retrier = retrier
        self._plain = retrier.plain and isinstance(retrier.tokens, int) and enclosing.get() is None
        self._fn = fn
        self._on_progress = on_progress
        self._progress_lock = Lock()
        self._halt = Event()
        self._all_done = Event()
        # A stream's window: a place is free again when the consumer has taken a result, not when a worker has one.
        self._window = Semaphore(max_workers) if streamed else None
        self._streamed = streamed
        # One worker at least: a length is a promise that an input need not keep.
        workers = max_workers if total is None else min(max_workers, max(1, total))
        self._working = workers
        self._count_lock = Lock()
        context = contextvars.copy_context()
        announce = getattr(retrier.clock, "worker", nullcontext)  # a test's clock wants to know who works by it
        self._threads = [
            Thread(target=context.copy().run, args=(self._work, turn), name=f"bedrock-resilience-{number}", daemon=True)
            for number, turn in enumerate([announce() for _ in range(workers)])
        ]

    def start(self) -> None:
        """Start the workers; where the system refuses some of them, the others do the work.

        Raises:
            RuntimeError: Not a single thread could be started.
        """
        for number, thread in enumerate(self._threads):
            try:
                thread.start()
            except RuntimeError:
                if number == 0:
                    raise
                self._leave(len(self._threads) - number)
                return

    def wait(self) -> None:
        """Block until every worker is done; Ctrl-C gets through."""
        self._all_done.wait()
        self.join()

    def abort(self, reason: str) -> None:
        """Stop, and wait for the calls that are in flight."""
        self.stop(reason)
        self.join()

    def stop(self, reason: str) -> None:
        """Take no more items, and wake those that sleep between attempts."""
        self.ledger.stop(reason)
        self._wake()

    def outcomes(self) -> Iterator[ItemOutcome[T, R]]:
        """What is finished, as it finishes. After an interrupt, ``undelivered`` has what was not yielded."""
        window = cast("Semaphore", self._window)  # a stream has one
        while self._news.get():
            # Peek, then remove: an interrupt comes after a call only, and a pop would lose what it returns.
            outcome = self._finished[0]
            del self._finished[0]
            yield outcome
            del outcome  # the consumer's from here on
            window.release()  # one more item may be taken

    def undelivered(self) -> list[ItemOutcome[T, R]]:
        """What is finished and was not handed out by ``outcomes``."""
        return list(self._finished)

    def join(self) -> None:
        """Wait for the workers that were started."""
        for thread in self._threads:
            while thread.is_alive():  # an interrupt may have come before it was started
                thread.join(_GLANCE)

    def rest(self, *, listed: bool) -> Iterator[ItemOutcome[T, R]]:
        """Close as unstarted what was not started any more; with ``listed``, also what is left of the input."""
        ledger = self.ledger
        yield from ledger.leave_late()
        if listed and ledger.stopped is not None and ledger.input_error is None:
            yield from ledger.leave_rest(self.items)

    def tell_progress(self) -> None:
        """Call ``on_progress`` with a balanced snapshot; one that raises is logged and disturbs nothing."""
        if self._on_progress is None:
            return
        with self._progress_lock:
            tell(self._on_progress, self.ledger.progress())

    def _work(self, turn: AbstractContextManager[object]) -> None:
        try:
            with turn:
                while (taken := self._take()) is not None:
                    try:
                        outcome = self._one(*taken)
                    except BaseException as error:  # noqa: BLE001 - not the item's: of a part handed in, such as classify
                        self._broken(error)
                        outcome = unusable(*taken, error, Fault.UNKNOWN)
                    self.ledger.close(outcome)
                    if self._streamed:
                        self._finished.append(outcome)
                        self._news.put(True)  # noqa: FBT003 - there is something
                    self.tell_progress()
                    del outcome  # its error's traceback leads to this frame
        except BaseException as error:  # noqa: BLE001 - whoever waits for the run raises it
            self._broken(error)
        finally:
            self._leave(1)

    def _broken(self, error: BaseException) -> None:
        self.ledger.worker_failed(error)
        self._wake()

    def _leave(self, workers: int) -> None:
        with self._count_lock:
            self._working -= workers
            last = self._working == 0
        if last:
            self._end()

    def _end(self) -> None:
        self._news.put(False)  # noqa: FBT003 - there is nothing more
        self._all_done.set()

    def _take(self) -> tuple[int, T] | None:
        if self._window is not None:
            self._window.acquire()
        deadline = self._retrier.deadline
        if deadline is not None and not deadline.allows(self._retrier.clock.monotonic()):
            self.stop(StopReason.DEADLINE.value)
        taken = self.ledger.take(self.items)
        if self.ledger.stopped is not None:  # by the input, it may be
            self._wake()
        return taken

    def _one(self, index: int, item: T) -> ItemOutcome[T, R]:
        now = self._retrier.clock.monotonic
        started = now()
        if not self._plain:
            return self._driven(index, item, started)
        # Nothing has to be decided before a first attempt, and most of them succeed: no machine is built for those.
        try:
            value = self._fn(item)
        except BaseException as error:  # noqa: BLE001 - whatever it is, the machine decides
            first = error
        else:
            if type(value) is not CoroutineType:
                return ItemOutcome(
                    index=index, item=item, status="succeeded", value=value, attempts=1, elapsed=now() - started
                )
            first = not_awaited(self._fn, value)
        try:
            return self._driven(index, item, started, first)
        finally:
            del first  # the error's traceback holds this frame

    def _driven(self, index: int, item: T, started: float, first: BaseException | None = None) -> ItemOutcome[T, R]:
        retrier = self._retrier
        now = retrier.clock.monotonic
        try:
            call = retrier.begin((item,), {})
        except Exception as error:  # noqa: BLE001 - tokens() is the caller's; its error is this item's
            return unusable(index, item, error, retrier.classify(error))
        try:
            value = retrier.drive(call, self._fn, (item,), {}, self._pause, first)
        except BaseException as error:  # noqa: BLE001 - a failing item never stops the others; every error is accounted
            reason = fatal_reason(call)
            if reason is not None:
                self.stop(reason)
            # No name for the outcome: its error's traceback holds this frame.
            return outcome_of(index, item, call, now() - started, error=error)
        return outcome_of(index, item, call, now() - started, value)

    def _pause(self, seconds: float) -> bool:
        wait = getattr(self._retrier.clock, "wait", None)
        if wait is not None:
            return bool(wait(self._halt, seconds))
        self._retrier.clock.sleep(seconds)
        return self._halt.is_set()

    def _wake(self) -> None:
        self._halt.set()
        if self._window is not None:
            self._window.release(len(self._threads))


def length_of(items: object) -> int | None:
    """The number of items, where the input knows it."""
    try:
        return len(items)  # type: ignore[arg-type]  # what has no length says so
    except Exception:  # noqa: BLE001 - whatever it says
        return None


def tell(on_progress: Callable[[Progress], object], progress: Progress) -> None:
    """Call a progress callback; an error of its own is logged."""
    try:
        on_progress(progress)
    except Exception:
        logging.getLogger("bedrock_resilience").exception("on_progress failed")
