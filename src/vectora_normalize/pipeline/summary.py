"""The results of a run: the answer to its caller, the numbers for the metrics, and one row for every item."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final

import msgspec

from vectora_normalize import contract
from vectora_normalize.normalize.extraction import item_id
from vectora_normalize.pipeline.source_health import FAILED_RUNS
from vectora_normalize.pipeline.worklist import QUEUED

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence, Sized

    from bedrock_resilience import ItemOutcome
    from bedrock_resilience.pacing import Pacer, PacerStatus
    from vectora_normalize.items import RawItem
    from vectora_normalize.normalize.normalizer import Normalized
    from vectora_normalize.pipeline.worklist import Batch, WorkList
    from vectora_normalize.sources.reports import SourceReport

# The status of an outcome, as a metric.
_ITEMS: Final = {"succeeded": "ItemsNormalized", "failed": "ItemsFailed", "unstarted": "ItemsUnstarted"}


class RunSummary(msgspec.Struct, frozen=True, kw_only=True):
    """A run that was done, or that failed as a whole for reasons outside of this function (a 502).

    Args:
        client_id: The client.
        items_ingested: Items of the run: those of the window, after filters and deduplication, and unfinished ones of
            earlier runs.
        items_normalized: Those of them that are normalized now, whichever run paid for them.
        seconds: Duration of the run.
        refusal: Why the answer is a 502; None if it is a 200.
        counts: Name to value, for the metrics.
        by_source: The same for each source, by its key.
        report: The run report, as it was stored.
        report_key: Key of the report in the data bucket.
        items_key: Key of the items; None if none were written.
    """

    client_id: str
    items_ingested: int
    items_normalized: int
    seconds: float
    refusal: contract.RunRefusedError | None
    counts: Mapping[str, float]
    by_source: Mapping[str, Mapping[str, float]]
    report: Mapping[str, Any]
    report_key: str
    items_key: str | None

    def answer(self) -> dict[str, Any]:
        """Return the answer of the contract."""
        if self.refusal is not None:
            return contract.refused(self.refusal, client_id=self.client_id, seconds=self.seconds)
        return contract.succeeded(
            client_id=self.client_id,
            items_ingested=self.items_ingested,
            items_normalized=self.items_normalized,
            seconds=self.seconds,
        )


def item_reports(batch: Batch) -> list[dict[str, Any]]:
    """Return the outcome and the cost of every item, in the order of the batch."""
    return [_item_report(outcome) for outcome in batch.outcomes]


def bedrock_numbers(batch: Batch) -> dict[str, Any]:
    """Return the numbers of the batch, without its outcomes.

    ``input_tokens`` and ``output_tokens`` are those of the responses that were used; ``tokens`` counts all that
    this run paid for, see ``bedrock_resilience.quotas.TokenUsage``.
    """
    numbers = {name: value for name, value in batch.to_dict().items() if name != "outcomes"}
    used = [value["usage"] for value in batch.values]
    tokens = {name: sum(usage.get(name, 0) for usage in used) for name in ("inputTokens", "outputTokens")}
    return {**numbers, "input_tokens": tokens["inputTokens"], "output_tokens": tokens["outputTokens"]}


def pacing_report(pacer: Pacer | None, batch: Batch, workers: int) -> dict[str, Any]:
    """Return the pacer, the rate that it found, its confidence in it, and the share of the time spent waiting.

    ``confidence`` is from 0 (unknown) to 1 (a quota that was given). ``waiting_share`` is the share of the workers'
    time that they waited for the pacer.
    """
    read: Callable[[], PacerStatus] | None = getattr(pacer, "status", None)  # optional in a pacer
    status = read() if read is not None else None
    store, worked = getattr(pacer, "store", None), workers * batch.elapsed
    return {
        "pacer": None if pacer is None else type(pacer).__name__,
        "store": None if store is None else repr(store),
        "requests_per_minute": _rounded(status.requests_per_minute if status else None),
        "tokens_per_minute": _rounded(status.tokens_per_minute if status else None),
        "confidence": _rounded(status.confidence if status else None),
        "reading": getattr(status, "reading", None),
        "waiting_seconds": round(batch.pacing_seconds, 3),
        "waiting_share": round(batch.pacing_seconds / worked, 3) if worked > 0 else 0.0,
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)


def work_counts(work_list: WorkList, batch: Batch) -> dict[str, int]:
    """Return where the normalized items came from, and how many items were not normalized by this run.

    ``invoked`` + ``reused`` + ``joined`` are the items that are normalized: paid for by this run, by an earlier one, by
    one at the same time. ``queued`` were sent to workers. ``resumed`` were not finished by earlier runs, whatever
    their outcome in this one. For ``given_up`` no request is sent any more.
    """
    origins = Counter(value["origin"] for value in batch.values)
    return {
        "invoked": origins["bedrock"],
        "reused": origins["store"],
        "joined": origins["another run"],
        "queued": sum(1 for outcome in batch.unstarted if outcome.reason == QUEUED),
        "resumed": work_list.resumed,
        "given_up": len(work_list.given_up),
    }


def counts(
    work_list: WorkList,
    batch: Batch,
    sources: Sequence[SourceReport],
    *,
    failed_runs: Mapping[str, int],
    refused: bool,
    seconds: float,
) -> dict[str, float]:
    """Return the metrics of a run; names that end in ``Rate`` are percentages.

    Args:
        work_list: The items of the run.
        batch: Their outcomes.
        sources: The reports of the sources.
        failed_runs: Source key to the runs in a row in which it failed.
        refused: Whether the answer is a 502.
        seconds: Duration of the run.
    """
    work, failed = work_counts(work_list, batch), sum(1 for source in sources if source.failure is not None)
    entries, kept = (sum(getattr(source.counts, name) for source in sources) for name in ("entries", "kept"))
    return {
        **_batch_counts(batch, seconds, given_up=work["given_up"]),
        "ItemsIngested": batch.submitted,
        "ItemsGivenUp": work["given_up"],
        "EntriesFound": entries,
        "EntriesKept": kept,
        "ItemsUnstarted": len(batch.unstarted) - work["queued"],
        "ItemsReused": work["reused"] + work["joined"],
        "ItemsResumed": work["resumed"],
        "ItemsQueued": work["queued"],
        "SourcesRead": len(sources) - failed,
        "SourcesFailed": failed,
        "SourcesFailingRepeatedly": sum(1 for runs in failed_runs.values() if runs >= FAILED_RUNS),
        "RunsNothingKept": float(bool(entries) and not kept),
        "RunsRefused": float(refused),
        "RunsCompleted": float(not refused),
    }


def counts_by_source(batch: Batch, sources_failed: Mapping[str, bool] | None = None) -> dict[str, dict[str, float]]:
    """Return the items of each source by their status, as metrics.

    Args:
        batch: The items.
        sources_failed: Source key to whether it failed, for the sources that were read; None if none were.
    """
    counted: dict[str, dict[str, float]] = {
        key: {**dict.fromkeys(_ITEMS.values(), 0.0), "SourcesFailed": float(failed)}
        for key, failed in (sources_failed or {}).items()
    }
    for outcome in batch.outcomes:
        of_source = counted.setdefault(outcome.item.source_key, dict.fromkeys(_ITEMS.values(), 0.0))
        name = "ItemsQueued" if outcome.reason == QUEUED else _ITEMS[outcome.status]
        of_source[name] = of_source.get(name, 0.0) + 1
    return counted


def worker_counts(batch: Batch, *, retried: Sized, dead_lettered: Sized, seconds: float) -> dict[str, float]:
    """Return the metrics of one invocation of the worker."""
    return {
        **_batch_counts(batch, seconds),
        "ItemsReused": sum(1 for value in batch.values if value["origin"] != "bedrock"),
        "MessagesRetried": len(retried),
        "MessagesDeadLettered": len(dead_lettered),
    }


def items_asked(batch: Batch, given_up: int = 0) -> int:
    """Return the number of items that the failure rate is over: a request was sent for them, or failed before it could.

    Args:
        batch: The items.
        given_up: Those of them for which no request is sent any more.
    """
    return sum(1 for outcome in batch.outcomes if outcome.attempts or outcome.status == "failed") - given_up


def _batch_counts(batch: Batch, seconds: float, *, given_up: int = 0) -> dict[str, float]:
    numbers, tokens = bedrock_numbers(batch), batch.tokens
    asked, failed = items_asked(batch, given_up), len(batch.failed) - given_up
    # If no usage is known, what was reserved of a quota is unknown too; a zero would be a false statement.
    known: dict[str, float] = {}
    if tokens is not None and tokens.answers:
        known = {"TokensReserved": tokens.reserved, "TokensOverReserved": tokens.unused}
    return {
        "Attempts": batch.attempts,
        "Retries": batch.retries,
        "Throttles": batch.throttles,
        "RetryRate": 100 * batch.retry_rate,
        "FailureRate": 100 * failed / asked if asked else 0.0,
        "ItemsAsked": asked,
        "ItemsNormalized": len(batch.succeeded),
        "ItemsFailed": failed,
        "ItemsUnstarted": len(batch.unstarted),
        "InputTokens": numbers["input_tokens"],
        "OutputTokens": numbers["output_tokens"],
        **known,
        "BackoffSeconds": batch.backoff_seconds,
        "PacingSeconds": batch.pacing_seconds,
        "DurationSeconds": seconds,
    }


def _item_report(outcome: ItemOutcome[RawItem, Normalized]) -> dict[str, Any]:
    item = outcome.item
    numbers = {name: value for name, value in outcome.to_dict().items() if name != "index"}
    return {
        "item_id": item_id(item),
        "source_key": item.source_key,
        "title": item.title,
        "url": item.url,
        "published_at": str(item.published_at),
        "content_hash": item.content_hash,
        "origin": None if outcome.value is None else outcome.value["origin"],
        **numbers,
    }
