"""All items of a run through Bedrock: few workers, one retry policy, and a report on every item."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from bedrock_resilience import BoundedExecutor, RetryPolicy
from bedrock_resilience.clock import SYSTEM_CLOCK
from vectora_normalize.bedrock_retry import ContractLoggingListener
from vectora_normalize.normalize.deduplicated_batch import DeduplicatedBatch

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Sequence

    from bedrock_resilience import BatchReport, Clock, Deadline, Pacer, Progress
    from vectora_normalize.items import RawItem
    from vectora_normalize.normalize.normalizer import Normalized, Normalizer
    from vectora_normalize.normalize.response_cache import ResponseCache

MAX_BEDROCK_WORKERS = 4
"""Calls in flight at the same time, unless the environment sets another number."""

_logger = logging.getLogger(__name__)


def normalize_items_batch(  # noqa: PLR0913 - the options of a batch, all by name
    items: Sequence[RawItem],
    normalizer: Normalizer,
    *,
    cache: ResponseCache | None = None,
    max_workers: int = MAX_BEDROCK_WORKERS,
    policy: RetryPolicy = RetryPolicy(),  # noqa: B008 - a frozen value
    pacer: Pacer | None = None,
    deadline: Deadline | None = None,
    clock: Clock = SYSTEM_CLOCK,
    rng: random.Random | None = None,
    on_progress: Callable[[Progress], object] | None = None,
) -> BatchReport[RawItem, Normalized]:
    """Normalize all items; the report has successes and failures in input order.

    A failing item does not stop the others, unless its fault is ``fatal``: every other item would fail the same way.
    Logs retries and abandoned calls in the two lines that CloudWatch filters count, and one INFO line with the numbers
    of successes and failures.

    Args:
        items: The items to normalize.
        normalizer: Normalizes one item.
        cache: Where responses are stored and shared with other runs; None: a request is sent for every item.
        max_workers: Calls in flight at the same time.
        policy: The retry policy of each call.
        pacer: Paces the requests; None: a request is sent as soon as a worker is free.
        deadline: No item is started that could not finish before it.
        clock: The source of time.
        rng: The source of jitter; None: a new one.
        on_progress: Called after each item.

    Raises:
        BatchInterrupted: Ctrl-C was pressed; it carries the report.
        StoreError: The stored responses could not be read; no request was sent.
    """
    batch = DeduplicatedBatch(items, normalizer, cache, on_progress=on_progress)
    executor = BoundedExecutor(
        max_workers,
        policy=policy,
        pacer=pacer,
        deadline=deadline,
        clock=clock,
        rng=rng,
        listeners=[ContractLoggingListener(_logger)],
        on_progress=batch.report_progress,
        tokens=batch.tokens,
    )
    report = batch.run(executor)
    _logger.info(
        "Normalized: %d succeeded, %d failed, %d not started",
        len(report.succeeded),
        len(report.failed),
        len(report.unstarted),
    )
    return report
