"""BatchReport: what became of every item of a batch, and what it cost. Frozen facts; ``ledger`` writes them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, Literal, TypeVar

from bedrock_resilience.errors import ItemsNotStartedError
from bedrock_resilience.retrying._faults import told

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bedrock_resilience._fault import Fault
    from bedrock_resilience.quotas._usage import TokenUsage

T = TypeVar("T")
R = TypeVar("R")

Status = Literal["succeeded", "failed", "unstarted"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemOutcome(Generic[T, R]):
    """What became of one item.

    Attributes:
        index: Its place in the input, from 0.
        item: The item itself.
        status: ``"succeeded"``, ``"failed"``, or ``"unstarted"`` where no request was sent for it.
        value: What the function returned; None unless it succeeded.
        error: What the function raised last; None unless it failed.
        fault: What that error meant.
        calls: Requests sent for it.
        retries: Retries decided for it.
        throttles: Answers that were a throttle: ``throttling`` or ``tokens_per_day``.
        backoff_seconds: Seconds slept between attempts.
        pacing_seconds: Seconds slept for the pacer.
        tokens: What its requests reserved of a token quota and what came of it; None where nobody could tell: the
            executor got no ``RequestTokens``, or no request of it has reserved any.
        elapsed: Seconds from taking it up to its end.
        reason: Why it was given up or not started; None where it succeeded.
    """

    index: int
    item: T
    status: Status
    value: R | None = None
    error: BaseException | None = None
    fault: Fault | None = None
    attempts: int = 0
    retries: int = 0
    throttles: int = 0
    backoff_seconds: float = 0.0
    pacing_seconds: float = 0.0
    tokens: TokenUsage | None = None
    elapsed: float = 0.0
    reason: str | None = None

    def to_dict(self) -> dict[str, object]:
        """The outcome for JSON, without item and value, which may be anything."""
        return {
            "index": self.index,
            "status": self.status,
            "attempts": self.attempts,
            "retries": self.retries,
            "throttles": self.throttles,
            "backoff_seconds": round(self.backoff_seconds, 3),
            "pacing_seconds": round(self.pacing_seconds, 3),
            "tokens_reserved": None if self.tokens is None else self.tokens.reserved,
            "tokens_settled": None if self.tokens is None else round(self.tokens.settled, 1),
            "elapsed": round(self.elapsed, 3),
            "fault": None if self.fault is None else self.fault.value,
            "error": None if self.error is None else f"{type(self.error).__name__}: {told(self.error)}",
            "reason": self.reason,
        }


@dataclass(frozen=True, slots=True)
class Progress:
    """A balanced account of a running batch: ``submitted == succeeded + failed + unstarted + in_flight``, always.

    ``total`` is the number of items where the input knows its length, else None.
    """

    submitted: int
    succeeded: int
    failed: int
    unstarted: int
    in_flight: int
    attempts: int
    retries: int
    throttles: int
    total: int | None = None

    @property
    def done(self) -> int:
        """Items that need no more work."""
        return self.succeeded + self.failed + self.unstarted


@dataclass(frozen=True, slots=True)
class BatchReport(Generic[T, R]):
    """What became of a batch: ``submitted == len(succeeded) + len(failed) + len(unstarted)``.

    Attributes:
        outcomes: One for each item, in input order.
        elapsed: Seconds from start to end of the batch.
        stopped: Why the batch ended before its input did; None where it did not.
    """

    outcomes: tuple[ItemOutcome[T, R], ...]
    elapsed: float = 0.0
    stopped: str | None = None

    @property
    def submitted(self) -> int:
        """Items of the input."""
        return len(self.outcomes)

    @property
    def succeeded(self) -> tuple[ItemOutcome[T, R], ...]:
        """The items that were answered, in input order."""
        return self._with("succeeded")

    @property
    def failed(self) -> tuple[ItemOutcome[T, R], ...]:
        """The items that were given up, in input order."""
        return self._with("failed")

    @property
    def unstarted(self) -> tuple[ItemOutcome[T, R], ...]:
        """The items for which no request was sent, in input order."""
        return self._with("unstarted")

    @property
    def values(self) -> list[R]:
        """What the function returned for the succeeded items, in input order."""
        return [outcome.value for outcome in self.succeeded]  # type: ignore[misc]  # a success has a value, None among them

    @property
    def attempts(self) -> int:
        """Requests sent."""
        return sum(outcome.attempts for outcome in self.outcomes)

    @property
    def retries(self) -> int:
        """Retries decided."""
        return sum(outcome.retries for outcome in self.outcomes)

    @property
    def throttles(self) -> int:
        """Answers that were a throttle: ``throttling`` or ``tokens_per_day``."""
        return sum(outcome.throttles for outcome in self.outcomes)

    @property
    def backoff_seconds(self) -> float:
        """Seconds slept between attempts, all items together."""
        return sum(outcome.backoff_seconds for outcome in self.outcomes)

    @property
    def pacing_seconds(self) -> float:
        """Seconds slept for the pacer, all items together."""
        return sum(outcome.pacing_seconds for outcome in self.outcomes)

    @property
    def tokens(self) -> TokenUsage | None:
        """What the requests reserved of a token quota and what came of it; None where no outcome tells."""
        told = [outcome.tokens for outcome in self.outcomes if outcome.tokens is not None]
        return sum(told[1:], told[0]) if told else None

    @property
    def retry_rate(self) -> float:
        """Retries over calls, as the monitoring guide counts WARNING lines over Bedrock calls; target < 0.20."""
        return self.retries / self.attempts if self.attempts else 0.0

    @property
    def failure_rate(self) -> float:
        """Failed over submitted, as the monitoring guide counts ERROR lines; target < 0.05."""
        return len(self.failed) / self.submitted if self.submitted else 0.0

    def raise_for_failures(self) -> None:
        """Raise what went wrong, if anything did.

        Raises:
            ExceptionGroup: The errors of all failed items and, where items were not started, one ``ItemsNotStartedError``.
        """
        failed, unstarted = self.failed, self.unstarted
        errors = [outcome.error for outcome in failed if outcome.error is not None]
        if unstarted:
            errors.append(ItemsNotStartedError(f"{len(unstarted)} items were not started: {unstarted[0].reason}"))
        if errors:
            told = f"{len(failed)} of {self.submitted} items failed, {len(unstarted)} were not started"
            raise BaseExceptionGroup(told, errors)  # an ExceptionGroup, where all of them are Exceptions

    def to_dict(self) -> dict[str, object]:
        """The report for JSON: the numbers, the faults counted, and every outcome without its item and value."""
        tokens = self.tokens
        return {
            "submitted": self.submitted,
            "succeeded": len(self.succeeded),
            "failed": len(self.failed),
            "unstarted": len(self.unstarted),
            "attempts": self.attempts,
            "retries": self.retries,
            "throttles": self.throttles,
            "retry_rate": round(self.retry_rate, 4),
            "failure_rate": round(self.failure_rate, 4),
            "backoff_seconds": round(self.backoff_seconds, 3),
            "pacing_seconds": round(self.pacing_seconds, 3),
            "tokens": None if tokens is None else tokens.to_dict(),
            "elapsed": round(self.elapsed, 3),
            "stopped": self.stopped,
            "faults": dict(Counter(_fault_names(self.failed))),
            "outcomes": [outcome.to_dict() for outcome in self.outcomes],
        }

    def _with(self, status: Status) -> tuple[ItemOutcome[T, R], ...]:
        return tuple(outcome for outcome in self.outcomes if outcome.status == status)


def _fault_names(outcomes: Iterable[ItemOutcome[T, R]]) -> Iterable[str]:
    return (outcome.fault.value for outcome in outcomes if outcome.fault is not None)
