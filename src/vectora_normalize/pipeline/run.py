"""The run, from a request to stored items.

Nothing is written before the plan is made, so a refused request writes nothing. The run stores the collected items and
the backlog before the first call to Bedrock. It stores each response as soon as it arrives, in parallel to the calls,
and all of them before the batch ends. It then writes the list of the day, whatever ended the batch. The report is last
and lists every source and every item.
"""

from __future__ import annotations

import contextlib
import logging
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any, Final

from bedrock_resilience import BatchReport, Fault, ItemOutcome
from bedrock_resilience.errors import BatchInterrupted
from vectora_normalize.contract import ErrorType, RunRefusedError
from vectora_normalize.normalize.batch import normalize_items_batch
from vectora_normalize.normalize.extraction import item_id, watchlists_of
from vectora_normalize.normalize.normalizer import Normalizer
from vectora_normalize.normalize.response_cache import ResponseCache
from vectora_normalize.pipeline.admission import RunAdmission
from vectora_normalize.pipeline.backlog import Backlog
from vectora_normalize.pipeline.daily_items import DailyItems
from vectora_normalize.pipeline.keys import ObjectKeys, add_rows, to_json
from vectora_normalize.pipeline.plan import make_plan
from vectora_normalize.pipeline.report import ReportInputs, run_report
from vectora_normalize.pipeline.source_health import count_failed_runs
from vectora_normalize.pipeline.summary import RunSummary, counts, counts_by_source
from vectora_normalize.pipeline.worklist import DRY_RUN, QUEUED, WorkList, make_work_list
from vectora_normalize.sources.article_cache import ArticleCache
from vectora_normalize.sources.collect import ingest
from vectora_normalize.storage.counting import CountingStore
from vectora_normalize.storage.expiry import RunClock, unique_name
from vectora_normalize.storage.leases import Lease
from vectora_normalize.storage.objects import BucketMissingError, StoreError, TransientStoreError
from vectora_normalize.storage.persistent import PersistentStore

if TYPE_CHECKING:
    from collections.abc import Generator

    from bedrock_resilience import Progress
    from bedrock_resilience.clock import Clock
    from vectora_normalize.contract import RunRequest
    from vectora_normalize.pipeline.dependencies import Dependencies, Invocation
    from vectora_normalize.pipeline.plan import Plan
    from vectora_normalize.pipeline.worklist import Batch
    from vectora_normalize.sources.reports import IngestResult

_logger = logging.getLogger(__name__)
_NO_ITEMS: Final[Batch] = BatchReport(())
_NO_WORK: Final = WorkList(items=(), entries={}, given_up=frozenset())
_LAST_SECONDS: Final = 3.0  # before the process is killed; in them no attempt at a request to S3 begins
_DRY_RUN_COUNTS: Final = {"DryRuns": 1.0}
# Their exceptions are failures of a call, not programming errors, even if they are not classified.
_SDK_PACKAGES: Final = frozenset({"boto3", "botocore", "urllib3"})


def run(request: RunRequest, dependencies: Dependencies, invocation: Invocation) -> RunSummary:
    """Collect, normalize and store items; or send them to the workers, if the settings say so.

    Args:
        request: The parsed event.
        dependencies: What the run uses.
        invocation: What belongs to this run only.

    Raises:
        RunRefusedError: The request or the configuration is wrong (a 400), or another run is in progress and the
            settings say not to share its work (a 409); nothing was written.
        StoreError: A bucket could not be read or written.
        BatchInterrupted: Ctrl-C was pressed; what was normalized is stored.
        Exception: A programming error in an item; what was normalized is stored.
    """
    try:
        return _Run(request, dependencies, invocation).execute()
    except BucketMissingError as error:
        raise RunRefusedError(ErrorType.INVALID_CONFIGURATION, f"CONFIG_BUCKET or DATA_BUCKET: {error}") from error


class _Run:
    """One run: its steps in their order, and the seconds that each took."""

    def __init__(self, request: RunRequest, dependencies: Dependencies, invocation: Invocation) -> None:
        self.request = request
        self.dependencies = dependencies
        self.invocation = invocation
        self.stopwatch = _StopWatch(dependencies.clock)
        self.keys = ObjectKeys(request.client_id, invocation.now.date(), invocation.request_id)
        # A request id may occur twice (an event can be delivered again); the name of a run never does.
        self.run_id = f"{self.keys.safe_request_id}-{unique_name(dependencies.rng)[:8]}"
        run_clock = RunClock(invocation.now, dependencies.clock)
        # What a run reads and writes once is retried for up to a minute; a failed operation on one item fails that
        # item.
        self.counted = CountingStore(dependencies.config), CountingStore(dependencies.data)
        self.config, self.data = (
            PersistentStore(
                store,
                clock=dependencies.clock,
                has_time=lambda: self._is_alive(run_clock),
                rng=dependencies.rng,
            )
            for store in self.counted
        )
        data = self.data
        self.lease = Lease(
            data,
            self.keys.lease,
            owner=self.run_id,
            run_clock=run_clock,
            until=invocation.killed_at,
            rng=dependencies.rng,
        )
        self.cache = ResponseCache(
            self.counted[1],
            request.client_id,
            run_id=self.run_id,
            run_clock=run_clock,
            attempt_seconds=dependencies.settings.read_timeout,
            until=invocation.killed_at,
            rng=dependencies.rng,
        )
        self.backlog = Backlog(data, request.client_id, run_id=self.run_id, run_clock=run_clock)
        self.daily_items = DailyItems(
            data,
            request.client_id,
            run_id=self.run_id,
            run_clock=run_clock,
            may_continue=lambda: invocation.has_time(dependencies.clock),
            rng=dependencies.rng,
        )

    def _is_alive(self, run_clock: RunClock) -> bool:
        killed_at = self.invocation.killed_at
        return killed_at is None or run_clock.after(_LAST_SECONDS) < killed_at

    def execute(self) -> RunSummary:
        plan = make_plan(self.request, self.config, today=self.invocation.now.date())
        self.stopwatch.lap("configuration")
        if self.request.dry_run:
            return self._dry_run(plan)
        with self._admitted() as shared_with:
            ingested = self._ingest(plan)
            self.stopwatch.lap("ingest")
            self._store_raw(ingested)
            normalizer = self._normalizer(plan)
            work_list = self._begin_backlog(ingested, normalizer)
            batch, error = self._process_items(work_list, normalizer)
            self.stopwatch.lap("normalize")
            refusal = _refusal(ingested, batch)
            if refusal is None or batch.succeeded:
                self._store_items(batch)
            self._save_backlog(work_list, batch, normalizer)
            self.stopwatch.lap("store")
            summary = self._summarize(plan, ingested, work_list, batch, refusal, shared_with)
            self.data.put(self.keys.report, to_json(summary.report))
        if error is not None:
            raise error
        return summary

    def _dry_run(self, plan: Plan) -> RunSummary:
        """Fetch and count; write the report and nothing else. It changes nothing, so it needs no lease."""
        ingested = self._ingest(plan)
        self.stopwatch.lap("ingest")
        normalizer = self._normalizer(plan)
        work_list = make_work_list(ingested.items, self.backlog.adopt(), lambda item: normalizer.prepare(item).key)
        batch = work_list.merge_outcomes(
            BatchReport(
                tuple(
                    ItemOutcome(index=index, item=item, status="unstarted", reason=DRY_RUN)
                    for index, item in enumerate(work_list.to_normalize)
                ),
                stopped=DRY_RUN,
            )
        )
        summary = self._summarize(plan, ingested, work_list, batch, _refusal(ingested, _NO_ITEMS), None)
        self.data.put(self.keys.report, to_json(summary.report))
        return summary

    @contextlib.contextmanager
    def _admitted(self) -> Generator[str | None]:
        """Acquire the client's lease for the block; yield the name of the run whose work this one shares, or None."""
        mode = self.dependencies.settings.on_concurrent_run
        admission = RunAdmission(mode, self.dependencies.clock, self.invocation.deadline)
        try:
            yield admission.acquire(self.lease, self.request.client_id)
        finally:
            self.lease.release()

    def _ingest(self, plan: Plan) -> IngestResult:
        deadline = self.invocation.deadline
        filters = plan.client.content_filters
        until = deadline.at if deadline else None
        cache = ArticleCache(self.counted[1], self.invocation.now, read_only=self.request.dry_run)
        return ingest(plan.sources, plan.window, filters, self.dependencies.fetcher, until=until, cache=cache)

    def _store_raw(self, ingested: IngestResult) -> None:
        rows: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for item in ingested.items:
            rows[item.source_key].append(item.to_dict())
        for source_key, of_source in rows.items():
            self._add_rows(self.keys.raw(source_key), of_source)

    def _add_rows(self, key: str, rows: list[dict[str, Any]]) -> int:
        dependencies = self.dependencies
        return add_rows(self.data, key, rows, clock=dependencies.clock, rng=dependencies.rng)

    def _normalizer(self, plan: Plan) -> Normalizer:
        settings = self.dependencies.settings
        return Normalizer(
            client=self.dependencies.bedrock,
            client_for_timeout=self.dependencies.bedrock_for_timeout,
            model_id=settings.model_id,
            watchlists=watchlists_of(plan.scopes),
            ingested_at=self.invocation.now,
            language=plan.client.language,
            run_id=self.run_id,
            read_timeout=settings.read_timeout,
        )

    def _begin_backlog(self, ingested: IngestResult, normalizer: Normalizer) -> WorkList:
        """Return the items of the run, after they were stored in the backlog."""
        if ingested.all_failed:
            return _NO_WORK
        adopted = self.backlog.adopt()
        work_list = make_work_list(ingested.items, adopted, lambda item: normalizer.prepare(item).key)
        if work_list.items or work_list.dormant:
            self.backlog.begin(work_list.backlog_items(), until=self.invocation.killed_at)
        return work_list

    def _process_items(self, work_list: WorkList, normalizer: Normalizer) -> tuple[Batch, BaseException | None]:
        """Return the batch, and the error to raise once its results are stored."""
        if not work_list.items:
            return _NO_ITEMS, None
        try:
            batch = self._batch(work_list, normalizer)
        except BatchInterrupted as interruption:
            return work_list.merge_outcomes(interruption.report), interruption
        return work_list.merge_outcomes(batch), _programming_error(batch)

    def _batch(self, work_list: WorkList, normalizer: Normalizer) -> Batch:
        dependencies, deadline = self.dependencies, self.invocation.deadline
        if dependencies.queue is not None:
            from vectora_normalize.pipeline.dispatch import Dispatcher  # noqa: PLC0415 - only MODE=queue needs it

            dispatcher = Dispatcher(
                dependencies.queue,
                client_id=self.request.client_id,
                run_id=self.run_id,
                now=self.invocation.now,
                clock=dependencies.clock,
                deadline=deadline,
            )
            return dispatcher.dispatch(work_list.to_normalize, normalizer, self.cache)
        return normalize_items_batch(
            work_list.to_normalize,
            normalizer,
            cache=self.cache,
            max_workers=dependencies.settings.max_workers,
            policy=dependencies.settings.policy,
            pacer=dependencies.pacer,
            deadline=deadline,
            clock=dependencies.clock,
            rng=dependencies.rng,
            on_progress=self._on_progress,
        )

    def _on_progress(self, progress: Progress) -> None:
        self.lease.renew()
        if self.invocation.on_progress is not None:
            self.invocation.on_progress(progress)

    def _store_items(self, batch: Batch) -> None:
        rows = [value["item"].to_dict() for value in batch.values]
        total = self._add_rows(self.keys.items, rows)
        _logger.info("%s: %d items of this run, %d of the day", self.keys.items, len(rows), total)
        self.daily_items.compact()  # what killed workers have staged; usually nothing

    def _save_backlog(self, work_list: WorkList, batch: Batch, normalizer: Normalizer) -> None:
        """Store the unfinished items for the next run."""
        unfinished = list(work_list.dormant)
        for outcome in batch.outcomes:
            entry = work_list.entry(outcome.item)
            if outcome.item.content_hash in work_list.given_up:
                unfinished.append(entry)
            elif outcome.status != "succeeded" and outcome.reason != QUEUED:
                unfinished.append(self.backlog.record(entry, outcome, normalizer.prepare(outcome.item).key))
        self.backlog.finish(unfinished)

    def _store_requests(self) -> dict[str, int]:
        total: Counter[str] = Counter()
        for store in self.counted:
            total.update(store.requests)
        return dict(total)

    def _summarize(
        self,
        plan: Plan,
        ingested: IngestResult,
        work_list: WorkList,
        batch: Batch,
        refusal: RunRefusedError | None,
        shared_with: str | None,
    ) -> RunSummary:
        failed = {source.source_key: source.failure is not None for source in ingested.sources}
        failed_runs: dict[str, int] = {}
        if not self.request.dry_run:
            client_id, clock = self.request.client_id, self.dependencies.clock
            failed_runs = count_failed_runs(self.data, client_id, failed, clock=clock)
        seconds = self.stopwatch.total
        inputs = ReportInputs(
            request=self.request,
            request_id=self.invocation.request_id,
            run_id=self.run_id,
            started_at=self.invocation.now,
            settings=self.dependencies.settings,
            plan=plan,
            ingested=ingested,
            work_list=work_list,
            batch=batch,
            refusal=refusal,
            shared_with=shared_with,
            pacer=self.dependencies.pacer,
            failed_runs=failed_runs,
            memory_megabytes=self.invocation.memory_megabytes,
            store_requests=self._store_requests(),
            seconds={**self.stopwatch.laps, "total": seconds},
        )
        has_items = (refusal is None or bool(batch.succeeded)) and not self.request.dry_run
        return RunSummary(
            client_id=self.request.client_id,
            items_ingested=len(work_list.items),
            items_normalized=len(batch.succeeded),
            seconds=seconds,
            refusal=refusal,
            # Alarms neither count a dry run nor replace a missing run by it.
            counts=_DRY_RUN_COUNTS
            if self.request.dry_run
            else counts(
                work_list,
                batch,
                ingested.sources,
                failed_runs=failed_runs,
                refused=refusal is not None,
                seconds=seconds,
            ),
            by_source={} if self.request.dry_run else counts_by_source(batch, failed),
            report=run_report(inputs),
            report_key=self.keys.report,
            items_key=self.keys.items if has_items else None,
        )


class _StopWatch:
    """Measures the seconds since the start, and of each lap."""

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


def _refusal(ingested: IngestResult, batch: Batch) -> RunRefusedError | None:
    """Return why the run failed as a whole although its request is right; None if it did not."""
    if ingested.all_failed:
        failures = [f"{source.source_key}: {source.message}" for source in ingested.sources]
        return RunRefusedError(ErrorType.ALL_SOURCES_FAILED, f"sources: all {len(failures)} of them failed", *failures)
    # Items that earlier runs paid for are always delivered; they say nothing about the calls of this run.
    if any(value["origin"] == "bedrock" for value in batch.values):
        return None
    for outcome in batch.failed:
        if outcome.fault is not None and outcome.fault.fatal:
            return RunRefusedError(
                ErrorType.BEDROCK_REFUSED, f"Bedrock refused the run: {outcome.fault.value}: {outcome.error}"
            )
    return None


def _programming_error(batch: Batch) -> BaseException | None:
    """Return an exception that neither a service nor the SDK raised; it is raised after the results are stored.

    A failure of the store is not one, unless every item failed with it: it costs the item, which stays in the backlog.
    """
    for outcome in batch.failed:
        error = outcome.error
        if isinstance(error, StoreError) and (batch.succeeded or isinstance(error, TransientStoreError)):
            continue
        if outcome.fault is Fault.UNKNOWN and error is not None and _package(error) not in _SDK_PACKAGES:
            error.add_note(f"raised while normalizing {item_id(outcome.item)}")
            return error
    return None


def _package(error: BaseException) -> str:
    return type(error).__module__.partition(".")[0]
