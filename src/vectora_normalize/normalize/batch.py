"""All items of a run through Bedrock: few workers, one policy, and an account of every item."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypedDict

from bedrock_resilience.bedrock import converse
from bedrock_resilience.clock import SYSTEM_CLOCK
from bedrock_resilience.executor import BoundedExecutor
from bedrock_resilience.listeners.logging import LoggingListener
from bedrock_resilience.policy import RetryPolicy
from bedrock_resilience.quota import TokenEstimator, reserved_tokens, usage_from
from vectora_normalize.normalize.extraction import normalize, read_answer
from vectora_normalize.normalize.prompt import MAX_TOKENS, build_request

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Mapping, Sequence

    from bedrock_resilience.clock import Clock
    from bedrock_resilience.deadline import Deadline
    from bedrock_resilience.pacing import Pacer
    from bedrock_resilience.report import BatchReport, Progress
    from vectora_normalize.items import NormalizedItem, RawItem
    from vectora_normalize.normalize.extraction import Watchlists

MAX_BEDROCK_WORKERS = 4
"""Calls in flight at once, where the environment does not say otherwise."""

_logger = logging.getLogger(__name__)


class Normalized(TypedDict):
    """What came of an item: it, and the tokens it cost. A mapping with `usage`, which is where a pacer looks."""

    item: NormalizedItem
    usage: Mapping[str, int]


@dataclass(frozen=True, kw_only=True)
class Normalizer:
    """Reads one item with one request; everything that the items of a run have in common.

    Args:
        client: A `bedrock-runtime` client without retries of its own, as `bedrock_runtime_client` makes it.
        model_id: Bedrock model or inference profile.
        watchlists: The client's names by kind.
        ingested_at: The instant of the run, with its time zone.
        language: Language of the summaries.
    """

    client: Any
    model_id: str
    watchlists: Watchlists
    ingested_at: dt.datetime
    language: str = "en"
    _estimator: TokenEstimator = field(default_factory=TokenEstimator, repr=False)

    def __call__(self, item: RawItem) -> Normalized:
        """One attempt.

        Raises:
            MalformedExtraction: The answer is no extraction.
            Exception: What boto3 raised, or `bedrock_resilience.bedrock.converse` made of an answer without content.
        """
        request = self._request(item)
        answer = converse(self.client, **request)
        usage = usage_from(answer)
        if usage is not None:
            self._estimator.learn(request, usage)
        normalized = normalize(item, read_answer(answer), self.watchlists, ingested_at=self.ingested_at)
        return {"item": normalized, "usage": answer.get("usage", {})}

    def tokens(self, item: RawItem) -> int:
        """What the item's request will reserve of a token quota, as far as can be told before it is sent."""
        return reserved_tokens(self._estimator.estimate(self._request(item)), MAX_TOKENS)

    def _request(self, item: RawItem) -> dict[str, Any]:
        return build_request(item, self.watchlists, model_id=self.model_id, language=self.language)


def normalize_items_batch(
    items: Sequence[RawItem],
    normalizer: Normalizer,
    *,
    max_workers: int = MAX_BEDROCK_WORKERS,
    policy: RetryPolicy = RetryPolicy(),  # noqa: B008 - a frozen value
    pacer: Pacer | None = None,
    deadline: Deadline | None = None,
    clock: Clock = SYSTEM_CLOCK,
    on_progress: Callable[[Progress], object] | None = None,
) -> BatchReport[RawItem, Normalized]:
    """Normalise all items; the report has them in input order, failures beside successes.

    A failing item never stops the others, unless its fault says that all others would fail the same way. Writes the
    two lines that the CloudWatch filters count, and one INFO line with the numbers of successes and failures.

    Args:
        items: What to normalise.
        normalizer: How one item is read.
        max_workers: Calls in flight at once.
        policy: How a call is retried.
        pacer: Asked before every request; None: requests are sent as soon as a worker is free.
        deadline: No item is started that could not be finished before it.
        clock: Where time comes from.
        on_progress: Called after each item.
    """
    executor = BoundedExecutor(
        max_workers,
        policy=policy,
        pacer=pacer,
        deadline=deadline,
        clock=clock,
        listeners=[LoggingListener(_logger, language="fr")],
        on_progress=on_progress,
        # An estimate costs the making of a request, and only a pacer wants it.
        tokens=normalizer.tokens if pacer is not None else 0,
    )
    report = executor.run(normalizer, items)
    _logger.info(
        "Normalised: %d succeeded, %d failed, %d not started",
        len(report.succeeded),
        len(report.failed),
        len(report.unstarted),
    )
    return report
