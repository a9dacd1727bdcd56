"""The run itself, from a request to stored items.

Nothing is written before the plan stands, so a refused request leaves no trace. What was ingested is stored before the
first call to Bedrock, what was normalised as soon as the batch is over, whatever ended it; the report comes last and
accounts for every source and every item.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from bedrock_resilience.clock import SYSTEM_CLOCK
from bedrock_resilience.executor import BatchInterrupted
from bedrock_resilience.faults import Fault
from bedrock_resilience.report import BatchReport
from vectora_normalize.contract import ErrorType, RunRefused
from vectora_normalize.ingest.window import ingest
from vectora_normalize.normalize.batch import Normalizer, normalize_items_batch
from vectora_normalize.normalize.extraction import watchlists_of
from vectora_normalize.pipeline.objects import Places, add_rows, to_json
from vectora_normalize.pipeline.plan import make_plan
from vectora_normalize.pipeline.report import Story, run_report
from vectora_normalize.pipeline.summary import RunSummary, counts
from vectora_normalize.stores import BucketMissing

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable

    from bedrock_resilience.clock import Clock
    from bedrock_resilience.deadline import Deadline
    from bedrock_resilience.pacing import Pacer
    from bedrock_resilience.report import Progress
    from vectora_normalize.contract import RunRequest
    from vectora_normalize.ingest.fetch import Fetcher
    from vectora_normalize.ingest.window import Ingested
    from vectora_normalize.pipeline.plan import Plan
    from vectora_normalize.pipeline.summary import Batch
    from vectora_normalize.settings import Settings
    from vectora_normalize.stores import ObjectStore

_logger = logging.getLogger(__name__)
_NO_ITEMS: Final[Batch] = BatchReport(())
# Whose exceptions are failures of a call rather than mistakes of this program, even where they are not classified.
_OTHERS: Final = frozenset({"boto3", "botocore", "urllib3"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What a run touches; the same parts serve many runs.

    Args:
        settings: The environment.
        config: The configuration bucket.
        data: The data bucket.
        fetcher: Opens the connections to sources.
        bedrock: A `bedrock-runtime` client with no retries of its own, and a pool for all workers.
        pacer: Shared by all calls of this process; None: nothing is paced.
        clock: Where time comes from.
    """

    settings: Settings
    config: ObjectStore
    data: ObjectStore
    fetcher: Fetcher
    bedrock: Any
    pacer: Pacer | None = None
    clock: Clock = SYSTEM_CLOCK


@dataclass(frozen=True, slots=True, kw_only=True)
class Invocation:
    """What is true of one run only.

    Args:
        now: The instant it began, with its time zone.
        request_id: Its name.
        deadline: After it nothing is started; None: there is all the time in the world.
        on_progress: Called after each item.
    """

    now: dt.datetime
    request_id: str
    deadline: Deadline | None = None
    on_progress: Callable[[Progress], object] | None = None


def run(request: RunRequest, parts: Parts, invocation: Invocation) -> RunSummary:
    """Ingest, normalise and store.

    Args:
        request: What the event asks for.
        parts: What the run touches.
        invocation: What is true of this run only.

    Raises:
        RunRefused: The request or the configuration is wrong (a 400); nothing was written.
        StoreError: A bucket could not be read or written.
        BatchInterrupted: Ctrl-C came; what was normalised is stored.
        Exception: A mistake of this program, met in an item; what was normalised is stored.
    """
    try:
        return _Run(request, parts, invocation).to_the_end()
    except BucketMissing as error:
        raise RunRefused(ErrorType.INVALID_CONFIGURATION, f"CONFIG_BUCKET or DATA_BUCKET: {error}") from error


class _Run:
    """One run: its steps in the order in which they are taken, and the seconds that each took."""

    def __init__(self, request: RunRequest, parts: Parts, invocation: Invocation) -> None:
        self.request = request
        self.parts = parts
        self.invocation = invocation
        self.watch = _StopWatch(parts.clock)
        self.places = Places(request.client_id, invocation.now.date(), invocation.request_id)

    def to_the_end(self) -> RunSummary:
        plan = make_plan(self.request, self.parts.config, today=self.invocation.now.date())
        self.watch.lap("configuration")
        deadline = self.invocation.deadline
        ingested = ingest(
            plan.sources,
            plan.window,
            plan.client.content_filters,
            self.parts.fetcher,
            until=deadline.at if deadline else None,
        )
        self.watch.lap("ingest")
        self._store_raw(ingested)
        batch, mistake = self._normalize(plan, ingested)
        self.watch.lap("normalize")
        refusal = _refusal(ingested, batch)
        if refusal is None:
            self._store_items(batch)
        self.watch.lap("store")
        summary = self._summarize(plan, ingested, batch, refusal)
        self.parts.data.put(self.places.report, to_json(summary.report))
        if mistake is not None:
            raise mistake
        return summary

    def _store_raw(self, ingested: Ingested) -> None:
        rows: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for item in ingested.items:
            rows[item.source_key].append(item.to_dict())
        for source_key, found in rows.items():
            add_rows(self.parts.data, self.places.raw(source_key), found)

    def _normalize(self, plan: Plan, ingested: Ingested) -> tuple[Batch, BaseException | None]:
        """The batch, and what is to be raised once its results are stored."""
        if ingested.all_failed:
            return _NO_ITEMS, None
        settings = self.parts.settings
        normalizer = Normalizer(
            client=self.parts.bedrock,
            model_id=settings.model_id,
            watchlists=watchlists_of(plan.scopes),
            ingested_at=self.invocation.now,
            language=plan.client.language,
        )
        try:
            batch = normalize_items_batch(
                ingested.items,
                normalizer,
                max_workers=settings.max_workers,
                policy=settings.policy,
                pacer=self.parts.pacer,
                deadline=self.invocation.deadline,
                clock=self.parts.clock,
                on_progress=self.invocation.on_progress,
            )
        except BatchInterrupted as interruption:
            return interruption.report, interruption
        return batch, _mistake(batch)

    def _store_items(self, batch: Batch) -> None:
        rows = [value["item"].to_dict() for value in batch.values]
        total = add_rows(self.parts.data, self.places.items, rows)
        _logger.info("%s: %d items of this run, %d of the day", self.places.items, len(rows), total)

    def _summarize(self, plan: Plan, ingested: Ingested, batch: Batch, refusal: RunRefused | None) -> RunSummary:
        failed = sum(1 for source in ingested.sources if source.failure)
        seconds = self.watch.total
        story = Story(
            request=self.request,
            request_id=self.invocation.request_id,
            started_at=self.invocation.now,
            settings=self.parts.settings,
            plan=plan,
            ingested=ingested,
            batch=batch,
            refusal=refusal,
            seconds={**self.watch.laps, "total": seconds},
        )
        return RunSummary(
            client_id=self.request.client_id,
            items_ingested=len(ingested.items),
            items_normalized=len(batch.succeeded),
            seconds=seconds,
            refusal=refusal,
            counts=counts(batch, sources=len(ingested.sources), sources_failed=failed, seconds=seconds),
            report=run_report(story),
            report_key=self.places.report,
            items_key=self.places.items if refusal is None else None,
        )


class _StopWatch:
    """Seconds since the start, and between the laps."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._start = self._last = clock.monotonic()
        self.laps: dict[str, float] = {}

    @property
    def total(self) -> float:
        return self._clock.monotonic() - self._start

    def lap(self, name: str) -> None:
        now = self._clock.monotonic()
        self.laps[name] = now - self._last
        self._last = now


def _refusal(ingested: Ingested, batch: Batch) -> RunRefused | None:
    """Why the run came to nothing through no fault of the request; None where it came to something."""
    if ingested.all_failed:
        told = [f"{source.source_key}: {source.message}" for source in ingested.sources]
        return RunRefused(ErrorType.ALL_SOURCES_FAILED, f"sources: all {len(told)} of them failed", *told)
    if batch.succeeded:
        return None
    for outcome in batch.failed:
        if outcome.fault is not None and outcome.fault.ends_run:
            return RunRefused(
                ErrorType.BEDROCK_REFUSED, f"Bedrock refused the run: {outcome.fault.value}: {outcome.error}"
            )
    return None


def _mistake(batch: Batch) -> BaseException | None:
    """An error that no service made; where one stands, the results are stored and it is raised."""
    for outcome in batch.failed:
        error = outcome.error
        if outcome.fault is Fault.UNKNOWN and error is not None and _package(error) not in _OTHERS:
            error.add_note(f"met while normalising {outcome.item.url}")
            return error
    return None


def _package(error: BaseException) -> str:
    return type(error).__module__.partition(".")[0]
