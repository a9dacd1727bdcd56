"""BatchReport: the outcome of every item of a batch, and the totals."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, Literal, TypeVar

from bedrock_resilience._errors import ItemsNotStartedError
from bedrock_resilience.retrying._faults import message_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bedrock_resilience._fault import Fault
    from bedrock_resilience.quotas import TokenUsage

T = TypeVar("T")
R = TypeVar("R")

Status = Literal["succeeded", "failed", "unstarted"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemOutcome(Generic[T, R]):
    """The outcome of one item.

    Attributes:
        index: Its position in the input, from 0.
        item: The item itself.
        status: ``"succeeded"``, ``"failed"``, or ``"unstarted"`` if it was not started.
        value: The return value of the function; None unless it succeeded.
        error: The last exception of the function; None unless it failed.
        fault: What that exception means.
        attempts: Requests sent for it.
        retries: Retries decided for it.
        throttles: Responses that were a throttle: ``throttling`` or ``tokens_per_day``.
        backoff_seconds: Seconds slept between attempts.
        pacing_seconds: Seconds slept for the pacer.
        tokens: Tokens that its requests reserved and used; None if unknown, because the executor was given
            no ``RequestTokens``, or because no request has reserved any.
        elapsed: Seconds from its start to its end.
        reason: Why it failed for good or was not started; None if it succeeded. If its value is the fallback's,
            why the fallback was called.
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
        """Return the outcome for JSON, without item and value, which may be of any type."""
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
            "error": None if self.error is None else f"{type(self.error).__name__}: {message_of(self.error)}",
            "reason": self.reason,
        }


@dataclass(frozen=True, slots=True)
class BatchReport(Generic[T, R]):
    """The outcome of a batch: ``submitted == len(succeeded) + len(failed) + len(unstarted)``.

    Attributes:
        outcomes: One for each item, in input order.
        elapsed: Seconds from start to end of the batch.
        stopped: Why the batch ended before its input; None if it did not.
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
        """The items that succeeded, in input order."""
        return self._with("succeeded")

    @property
    def failed(self) -> tuple[ItemOutcome[T, R], ...]:
        """The items that failed for good, in input order."""
        return self._with("failed")

    @property
    def unstarted(self) -> tuple[ItemOutcome[T, R], ...]:
        """The items that were not started, in input order."""
        return self._with("unstarted")

    @property
    def values(self) -> list[R]:
        """The return values of the items that succeeded, in input order."""
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
        """Responses that were a throttle: ``throttling`` or ``tokens_per_day``."""
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
        """Tokens that the requests reserved and used; None if no outcome states them."""
        known = [outcome.tokens for outcome in self.outcomes if outcome.tokens is not None]
        return sum(known[1:], known[0]) if known else None

    @property
    def retry_rate(self) -> float:
        """Retries / attempts: the monitoring guide's WARNING lines over Bedrock calls; target < 0.20."""
        return self.retries / self.attempts if self.attempts else 0.0

    @property
    def failure_rate(self) -> float:
        """Failed / submitted: the monitoring guide's ERROR lines over items; target < 0.05."""
        return len(self.failed) / self.submitted if self.submitted else 0.0

    def raise_for_failures(self) -> None:
        """Raise the errors of the items, if there are any.

        Raises:
            ExceptionGroup: The errors of all failed items, and one ``ItemsNotStartedError`` if items were not
                started.
        """
        failed, unstarted = self.failed, self.unstarted
        errors = [outcome.error for outcome in failed if outcome.error is not None]
        if unstarted:
            errors.append(ItemsNotStartedError(f"{len(unstarted)} items were not started: {unstarted[0].reason}"))
        if errors:
            message = f"{len(failed)} of {self.submitted} items failed, {len(unstarted)} were not started"
            raise BaseExceptionGroup(message, errors)  # an ExceptionGroup, if all of them are Exceptions

    def to_dict(self) -> dict[str, object]:
        """Return the report for JSON: the numbers, a count of each fault, and the outcomes without items and values."""
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
