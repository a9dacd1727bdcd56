"""Ledger: the numbers of a running batch. Every item read from the input is closed exactly once.

Locking. ``_input_lock`` serializes the calls of ``next`` on the input, where a generator must not be entered by two
threads, and the numbering of what they return; ``next`` may block for long. ``_lock`` guards the numbers of the
outcomes; it is held for a few statements only and never while the caller's code runs. They are two locks so that
workers can close their items while another one waits for the input. An item takes each of them once: threads that
wait for a lock slow each other down even where it is held for short.
``stopped`` is read without a lock. It is set once, and read after ``next`` has returned, so that no item is numbered
that the input returned after the run had stopped.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from bedrock_resilience._errors import ScriptExhaustedError
from bedrock_resilience._fault import Fault
from bedrock_resilience._stop_reason import StopReason
from bedrock_resilience.batch._progress import Progress
from bedrock_resilience.batch._report import BatchReport, ItemOutcome
from bedrock_resilience.clock import threads_of
from bedrock_resilience.retrying._callables import UnusableResultError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bedrock_resilience.batch._report import Status
    from bedrock_resilience.clock import Threads
    from bedrock_resilience.retrying._attempts import CallState

T = TypeVar("T")
R = TypeVar("R")


PROGRAMMING_ERRORS: Final = (UnusableResultError, ScriptExhaustedError)
"""Errors of the program or of a test, not of an item: every other item would be sent, and its result lost."""


class Ledger(Generic[T, R]):
    """Numbers the items and records their outcomes, for any number of threads.

    Args:
        total: The length of the input, if it is known.
        keep: Keep the outcomes for a report. A stream does not, so that its memory stays flat.
        threads: Makes the locks; None: for the threads of this process.
    """

    def __init__(self, total: int | None = None, *, keep: bool = True, threads: Threads | None = None) -> None:
        threads = threads or threads_of(None)
        self._lock = threads.lock()
        self._input_lock = threads.lock()
        self._late: deque[T] = deque()
        self._keep = keep
        self._outcomes: dict[int, ItemOutcome[T, R]] = {}
        self._submitted = 0
        self._closed = {"succeeded": 0, "failed": 0, "unstarted": 0}
        self._attempts = 0
        self._retries = 0
        self._throttles = 0
        self.total: int | None = total
        self.stopped: str | None = None
        self.input_error: BaseException | None = None
        self.worker_error: BaseException | None = None

    def next_item(self, items: Iterator[T]) -> tuple[int, T] | None:
        """Return the next item with its index, or None if there is none or the run has stopped."""
        with self._input_lock:
            if self.stopped is not None:
                return None
            try:
                item = next(items)
            except StopIteration:
                return None
            except BaseException as error:  # noqa: BLE001 - an exception of the input ends the run
                self.input_failed(error)
                return None
            return self.register(item)

    def register(self, item: T) -> tuple[int, T] | None:
        """Return an item of the input with its index; after the run has stopped, keep the item and return None.

        The caller calls it for one item at a time.
        """
        if self.stopped is not None:
            self._late.append(item)
            return None
        return self._next_index(), item

    def input_failed(self, error: BaseException) -> None:
        """Stop the run because the input raised an exception."""
        self.input_error = error
        self.stop(f"the input raised {type(error).__name__}")

    def worker_failed(self, error: BaseException) -> None:
        """Stop the run because a worker failed outside an item's call, so that the run cannot continue."""
        self.worker_error = self.worker_error or error
        self.stop(f"a worker failed with {type(error).__name__}")

    def close(self, outcome: ItemOutcome[T, R]) -> None:
        """Record the outcome of an item."""
        with self._lock:
            self._closed[outcome.status] += 1
            self._attempts += outcome.attempts
            self._retries += outcome.retries
            self._throttles += outcome.throttles
            if self._keep:
                self._outcomes[outcome.index] = outcome

    def stop(self, reason: str) -> None:
        """Start no more items. The first reason is kept."""
        with self._lock:
            if self.stopped is None:
                self.stopped = reason

    def close_late(self) -> Iterator[ItemOutcome[T, R]]:
        """Record the items that the input returned after the run had stopped as unstarted."""
        while self._late:
            yield self._close_unstarted(self._late.popleft())

    def close_input(self, items: Iterator[T]) -> Iterator[ItemOutcome[T, R]]:
        """Record the items that are left in the input as unstarted, one at a time."""
        while True:
            try:
                item = next(items)
            except StopIteration:
                return
            except Exception as error:  # noqa: BLE001 - the input is the caller's
                self.input_error = error
                return
            yield self._close_unstarted(item)

    def _close_unstarted(self, item: T) -> ItemOutcome[T, R]:
        outcome: ItemOutcome[T, R] = ItemOutcome(
            index=self._next_index(), item=item, status="unstarted", reason=self.stopped
        )
        self.close(outcome)
        return outcome

    def progress(self) -> Progress:
        """Return a balanced snapshot."""
        with self._lock:
            submitted = self._submitted  # once: another worker may number an item meanwhile
            return Progress(
                submitted=submitted,
                succeeded=self._closed["succeeded"],
                failed=self._closed["failed"],
                unstarted=self._closed["unstarted"],
                in_flight=submitted - sum(self._closed.values()),
                attempts=self._attempts,
                retries=self._retries,
                throttles=self._throttles,
                total=self.total,
            )

    def report(self, elapsed: float) -> BatchReport[T, R]:
        """Return the report, and drop its outcomes: a traceback in them may refer to this object."""
        with self._lock:
            kept, self._outcomes = self._outcomes, {}
        return BatchReport(tuple(kept[index] for index in sorted(kept)), elapsed, self.stopped)

    def _next_index(self) -> int:
        self._submitted += 1
        return self._submitted - 1


def outcome_of(
    index: int, item: T, call: CallState, elapsed: float, value: R | None = None, error: BaseException | None = None
) -> ItemOutcome[T, R]:
    """Return the outcome of an item from the state of its call."""
    started = call.attempts or call.reason not in {StopReason.DEADLINE, StopReason.RUN_STOPPED}
    status: Status = "failed" if started else "unstarted"
    return ItemOutcome(
        index=index,
        item=item,
        status="succeeded" if error is None else status,
        value=value,
        error=error if started else None,
        fault=call.fault if error is not None else None,
        attempts=call.attempts,
        retries=call.retries,
        throttles=call.throttles,
        backoff_seconds=call.backoff_seconds,
        pacing_seconds=call.pacing_seconds,
        tokens=call.token_usage,
        elapsed=elapsed,
        reason=None if call.reason is None else call.reason.value,
    )


def fatal_reason(call: CallState) -> str | None:
    """Return why the whole run should stop after this call, or None."""
    if call.fault is not None and call.fault.fatal and call.reason is not None:
        return f"{call.fault.value}: every other item would fail the same way"
    if call.reason is StopReason.DEADLINE and (
        not call.attempts
        # The next item would be throttled as well, with no more time for a retry: sent once, it would be used up.
        or (call.attempts == 1 and call.fault is Fault.THROTTLING and call.late)
    ):
        return StopReason.DEADLINE.value
    return None


def unusable_item(index: int, item: T, error: BaseException, fault: Fault) -> ItemOutcome[T, Any]:
    """Return the outcome of an item that failed before a request was made for it."""
    return ItemOutcome(index=index, item=item, status="failed", error=error, fault=fault, reason="not a usable item")
