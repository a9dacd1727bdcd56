"""Ledger: the running account of a batch. Items are taken from the input, and each is closed exactly once."""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from bedrock_resilience.attempts import StopReason
from bedrock_resilience.report import BatchReport, ItemOutcome, Progress

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bedrock_resilience.attempts import Attempts
    from bedrock_resilience.faults import Fault
    from bedrock_resilience.report import Status

T = TypeVar("T")
R = TypeVar("R")


class InputFailed(Exception):  # noqa: N818 - it is what happened
    """The input raised while the next item was asked for. ``report`` has what was finished; the cause is its error."""

    def __init__(self, report: BatchReport[Any, Any]) -> None:
        super().__init__(f"the input failed after {report.submitted} items")
        self.report = report


class Ledger(Generic[T, R]):
    """Hands out the items and takes their outcomes; for any number of threads, each method one critical section.

    Args:
        total: The length of the input, where it is known.
        keep: Keep the outcomes for a report; a stream does not, so that its memory stays flat.
        on_stop: Called once, when the ledger is stopped.
    """

    def __init__(
        self, total: int | None = None, *, keep: bool = True, on_stop: Callable[[], object] | None = None
    ) -> None:
        self._lock = Lock()
        self._keep = keep
        self._on_stop = on_stop
        self._outcomes: dict[int, ItemOutcome[T, R]] = {}
        self._taken = 0
        self._closed = {"succeeded": 0, "failed": 0, "unstarted": 0}
        self._calls = 0
        self._retries = 0
        self._throttles = 0
        self.total = total
        self.stopped: str | None = None
        self.input_error: BaseException | None = None

    def take(self, items: Iterator[T]) -> tuple[int, T] | None:
        """The next item with its index, or None where there is none or the run is stopped."""
        with self._lock:
            if self.stopped is not None:
                return None
            try:
                item = next(items)
            except StopIteration:
                return None
            except BaseException as error:  # noqa: BLE001 - the input is the caller's; what it raises ends the run
                self.input_error = error
                failure = f"the input raised {type(error).__name__}"
            else:
                return self._hand_out(item)
        self.stop(failure)
        return None

    def take_item(self, item: T) -> int:
        """Enter an item that was got elsewhere, and its index."""
        with self._lock:
            return self._hand_out(item)[0]

    def close(self, outcome: ItemOutcome[T, R]) -> None:
        """Enter what became of an item that was taken."""
        with self._lock:
            self._closed[outcome.status] += 1
            self._calls += outcome.calls
            self._retries += outcome.retries
            self._throttles += outcome.throttles
            if self._keep:
                self._outcomes[outcome.index] = outcome

    def stop(self, reason: str) -> None:
        """Hand out no more items. The first reason stays."""
        with self._lock:
            if self.stopped is not None:
                return
            self.stopped = reason
        if self._on_stop is not None:
            self._on_stop()

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
        index = self.take_item(item)
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
                calls=self._calls,
                retries=self._retries,
                throttles=self._throttles,
                total=self.total,
            )

    def report(self, elapsed: float) -> BatchReport[T, R]:
        """The frozen account, in input order."""
        with self._lock:
            outcomes = tuple(self._outcomes[index] for index in sorted(self._outcomes))
            return BatchReport(outcomes, elapsed, self.stopped)

    def _hand_out(self, item: T) -> tuple[int, T]:
        index = self._taken
        self._taken += 1
        return index, item


def outcome_of(
    index: int, item: T, call: Attempts, elapsed: float, value: R | None = None, error: BaseException | None = None
) -> ItemOutcome[T, R]:
    """What the machine's account says of an item."""
    ended: Status = "failed" if call.calls else "unstarted"
    return ItemOutcome(
        index=index,
        item=item,
        status="succeeded" if error is None else ended,
        value=value,
        error=error if call.calls else None,
        fault=call.fault if error is not None else None,
        calls=call.calls,
        retries=call.retries,
        throttles=call.throttles,
        waited=call.waited,
        paced=call.paced,
        elapsed=elapsed,
        reason=None if call.reason is None else call.reason.value,
    )


def ends_run(call: Attempts) -> str | None:
    """Why the whole run should stop after this call, or None."""
    if call.fault is not None and call.fault.ends_run and call.reason is not None:
        return f"{call.fault.value}: every other item would fail the same way"
    if call.reason is StopReason.DEADLINE and not call.calls:
        return StopReason.DEADLINE.value
    return None


def unusable(index: int, item: T, error: Exception, fault: Fault) -> ItemOutcome[T, Any]:
    """An item that failed before any request could be made of it."""
    return ItemOutcome(index=index, item=item, status="failed", error=error, fault=fault, reason="not a usable item")
