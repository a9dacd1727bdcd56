"""What a run came to: the answer for its caller, the numbers for the metrics, the account of every item."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vectora_normalize import contract
from vectora_normalize.normalize.extraction import item_id

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bedrock_resilience.report import BatchReport, ItemOutcome
    from vectora_normalize.items import RawItem
    from vectora_normalize.normalize.batch import Normalized

    Batch = BatchReport[RawItem, Normalized]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSummary:
    """A run that was done, or that came to nothing for reasons beyond this function.

    Args:
        client_id: The client.
        items_ingested: Items inside the window, after filters and deduplication.
        items_normalized: Those that Bedrock has read.
        seconds: What the run took.
        refusal: Why the answer is a 502; None where it is a 200.
        counts: Name to value, for the metrics.
        report: The run report, as it was stored.
        report_key: Where it was stored in the data bucket.
        items_key: Where the items are; None where none were written.
    """

    client_id: str
    items_ingested: int
    items_normalized: int
    seconds: float
    refusal: contract.RunRefused | None
    counts: Mapping[str, float]
    report: Mapping[str, Any]
    report_key: str
    items_key: str | None

    def answer(self) -> dict[str, Any]:
        """The answer of the contract."""
        if self.refusal is not None:
            return contract.refused(self.refusal, client_id=self.client_id, seconds=self.seconds)
        return contract.succeeded(
            client_id=self.client_id,
            items_ingested=self.items_ingested,
            items_normalized=self.items_normalized,
            seconds=self.seconds,
        )


def accounts(batch: Batch) -> list[dict[str, Any]]:
    """What became of every item and what it cost, in the order of the batch."""
    return [_account(outcome) for outcome in batch.outcomes]


def bedrock_numbers(batch: Batch) -> dict[str, Any]:
    """The numbers of the batch, without its outcomes; tokens are those of the answers that were used."""
    numbers = {name: value for name, value in batch.to_dict().items() if name != "outcomes"}
    used = [value["usage"] for value in batch.values]
    tokens = {name: sum(usage.get(name, 0) for usage in used) for name in ("inputTokens", "outputTokens")}
    return {**numbers, "input_tokens": tokens["inputTokens"], "output_tokens": tokens["outputTokens"]}


def counts(batch: Batch, *, sources: int, sources_failed: int, seconds: float) -> dict[str, float]:
    """The run as metrics; names that end in `Rate` are percentages."""
    numbers = bedrock_numbers(batch)
    return {
        "Calls": batch.calls,
        "Retries": batch.retries,
        "Throttles": batch.throttles,
        "RetryRate": 100 * batch.retry_rate,
        "FailureRate": 100 * batch.failure_rate,
        "ItemsIngested": batch.submitted,
        "ItemsNormalized": len(batch.succeeded),
        "ItemsFailed": len(batch.failed),
        "ItemsUnstarted": len(batch.unstarted),
        "SourcesRead": sources - sources_failed,
        "SourcesFailed": sources_failed,
        "InputTokens": numbers["input_tokens"],
        "OutputTokens": numbers["output_tokens"],
        "BackoffSeconds": batch.waited,
        "PacingSeconds": batch.paced,
        "DurationSeconds": seconds,
    }


def _account(outcome: ItemOutcome[RawItem, Normalized]) -> dict[str, Any]:
    item = outcome.item
    told = {name: value for name, value in outcome.to_dict().items() if name != "index"}
    return {
        "item_id": item_id(item),
        "source_key": item.source_key,
        "title": item.title,
        "url": item.url,
        "published_at": str(item.published_at),
        "content_hash": item.content_hash,
        **told,
    }
