"""Ledger: the running account of a batch. Items are taken from the input, and each is closed exactly once."""

from __future__ import annotations

from collections import deque
from threading import Lock
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from bedrock_resilience.batch._report import BatchReport, ItemOutcome, Progress
from bedrock_resilience.retrying._attempts import StopReason

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bedrock_resilience._fault import Fault
    from bedrock_resilience.batch._report import Status
    from bedrock_resilience.retrying._attempts import CallState

T = TypeVar("T")
R = TypeVar("R")


class Ledger(Generic[T, R]):
    """Hands out the items and takes their outcomes; for any number of threads, each method one critical section.

    Args:
        total: The length of the input, where it is known.
        keep: Keep the outcomes for a report; a stream does not, so that its memory stays flat.
    """

    def __init__(self, total: int | None = None, *, keep: bool = True) -> None:
        self._lock = Lock()
        self._input = Lock()  # of its own: while one worker waits for the input, the others can close theirs
        self._late: deque[T] = deque()
        self._keep = keep
        self._outcomes: dict[int, ItemOutcome[T, R]] = {}
        self._taken = 0
        self._closed = {"succeeded": 0, "failed": 0, "unstarted": 0}
        self._attempts = 0
        self._retries = 0
        self._throttles = 0
        self.total: int | None = total
        self.stopped: str | None = None
        self.input_error: BaseException | None = None
        self.worker_error: BaseException | None = None

    def take(self, items: Iterator[T]) -> tuple[int, T] | None:
        """The next item with its index, or None where there is none or the run is stopped."""
        with self._input:  # a generator cannot be asked by two threads at once, and it may keep the one that asks
            if self.stopped is not None:
                return None
            try:
                item = next(items)
            except StopIteration:
                return None
            except BaseException as error:  # noqa: BLE001 - the input is the caller's; what it raises ends the run
                self.input_failed(error)
                return None
        return self.enter(item)

    def enter(self, item: T) -> tuple[int, T] | None:
        """Hand out an item of the input, with its index; one that comes too late is kept for ``leave_late``."""
        with self._lock:
            if self.stopped is not None:
                self._late.append(item)
                return None
            return self._hand_out(), item

    def input_failed(self, error: BaseException) -> None:
        """The input raised: there is nothing more to take."""
        self.input_error = error
        self.stop(f"the input raised {type(error).__name__}")

    def worker_failed(self, error: BaseException) -> None:
        """A worker failed outside of an item's call: the run is not to be trusted with more items."""
        self.worker_error = self.worker_error or error
        self.stop(f"a worker failed with {type(error).__name__}")

    def close(self, outcome: ItemOutcome[T, R]) -> None:
        """Enter what became of an item that was taken."""
        with self._lock:
            self._closed[outcome.status] += 1
            self._attempts += outcome.attempts
            self._retries += outcome.retries
            self._throttles += outcome.throttles
            if self._keep:
                self._outcomes[outcome.index] = outcome

    def stop(self, reason: str) -> None:
        """Hand out no more items. The first reason stays."""
        with self._lock:
            if self.stopped is None:
                self.stopped = reason

    def leave_late(self) -> Iterator[ItemOutcome[T, R]]:
        """Close as unstarted what was taken from the input, but came after the run was stopped."""
        while self._late:
            yield self.leave(self._late.popleft())

    def leave_rest(self, items: Iterator[T]) -> Iterator[ItemOutcome[T, R]]:
        """Close what is left of the input as unstarted, one item at a time."""
        while True:
            try:
                item = next(items)
            except StopIteration:
                return
            except Exception as error:  # noqa: BLE001 - the input is the caller's
                self.input_error = error
                return
            yield self.leave(item)

    def leave(self, item: T) -> ItemOutcome[T, R]:
        """Close an item as unstarted."""
        with self._lock:
            index = self._hand_out()
        outcome: ItemOutcome[T, R] = ItemOutcome(index=index, item=item, status="unstarted", reason=self.stopped)
        self.close(outcome)
        return outcome

    def progress(self) -> Progress:
        """A balanced snapshot."""
        with self._lock:
            return Progress(
                submitted=self._taken,
                succeeded=self._closed["succeeded"],
                failed=self._closed["failed"],
                unstarted=self._closed["unstarted"],
                in_flight=self._taken - sum(self._closed.values()),
                attempts=self._attempts,
                retries=self._retries,
                throttles=self._throttles,
                total=self.total,
            )

    def report(self, elapsed: float) -> BatchReport[T, R]:
        """The frozen account, in input order, handed out once: an error's traceback leads to the run, and so here."""
        with self._lock:
            kept, self._outcomes = self._outcomes, {}
        return BatchReport(tuple(kept[index] for index in sorted(kept)), elapsed, self.stopped)

    def _hand_out(self) -> int:
        self._taken += 1
        return self._taken - 1


def outcome_of(
    index: int, item: T, call: CallState, elapsed: float, value: R | None = None, error: BaseException | None = None
) -> ItemOutcome[T, R]:
    """What the machine's account says of an item."""
    begun = call.attempts or call.reason not in {StopReason.DEADLINE, StopReason.RUN_STOPPED}
    ended: Status = "failed" if begun else "unstarted"
    return ItemOutcome(
        index=index,
        item=item,
        status="succeeded" if error is None else ended,
        value=value,
        error=error if begun else None,
        fault=call.fault if error is not None else None,
        attempts=call.attempts,
        retries=call.retries,
        throttles=call.throttles,
        backoff_seconds=call.backoff_seconds,
        pacing_seconds=call.pacing_seconds,
        tokens=call.spent,
        elapsed=elapsed,
        reason=None if call.reason is None else call.reason.value,
    )


def fatal_reason(call: CallState) -> str | None:
    """Why the whole run should stop after this call, or None."""
    if call.fault is not None and call.fault.fatal and call.reason is not None:
        return f"{call.fault.value}: every other item would fail the same way"
    if call.reason is StopReason.DEADLINE and not call.attempts:
        return StopReason.DEADLINE.value
    return None


def unusable(index: int, item: T, error: BaseException, fault: Fault) -> ItemOutcome[T, Any]:
    """An item that failed before any request could be made of it."""
    return ItemOutcome(index=index, item=item, status="failed", error=error, fault=fault, reason="not a usable item")
