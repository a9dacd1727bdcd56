"""The run itself, from a request to stored items.

Nothing is written before the plan stands, so a refused request leaves no trace. What was ingested, and what the run
takes on, is stored before the first call to Bedrock; each answer from the moment it is there, beside the calls, and all
of them before the batch is over; the list of the day right after that, whatever ended it. The report comes last and
accounts for every source and every item.
"""

from __future__ import annotations

import contextlib
import logging
import uuid
from collections import defaultdict
from typing import TYPE_CHECKING, Any, Final

from bedrock_resilience._fault import Fault
from bedrock_resilience.batch._report import BatchReport
from bedrock_resilience.errors import BatchInterrupted
from vectora_normalize.contract import ErrorType, RunRefusedError
from vectora_normalize.normalize.batch import normalize_items_batch
from vectora_normalize.normalize.extraction import item_id, watchlists_of
from vectora_normalize.normalize.normalizer import Normalizer
from vectora_normalize.normalize.response_cache import AnswerStore
from vectora_normalize.pipeline.admission import Admission
from vectora_normalize.pipeline.backlog import Backlog
from vectora_normalize.pipeline.daily_items import DailyLists
from vectora_normalize.pipeline.keys import ObjectKeys, add_rows, to_json
from vectora_normalize.pipeline.plan import make_plan
from vectora_normalize.pipeline.report import Story, run_report
from vectora_normalize.pipeline.summary import RunSummary, counts, counts_by_source
from vectora_normalize.pipeline.worklist import QUEUED, WorkList, make_work_list
from vectora_normalize.sources.collect import ingest
from vectora_normalize.storage.expiry import RunClock
from vectora_normalize.storage.leases import Lease
from vectora_normalize.storage.objects import BucketMissingError

if TYPE_CHECKING:
    from collections.abc import Generator

    from bedrock_resilience.batch._report import Progress
    from bedrock_resilience.clock import Clock
    from vectora_normalize.contract import RunRequest
    from vectora_normalize.pipeline.dependencies import Invocation, Parts
    from vectora_normalize.pipeline.plan import Plan
    from vectora_normalize.pipeline.worklist import Batch
    from vectora_normalize.sources.collect import Ingested

_logger = logging.getLogger(__name__)
_NO_ITEMS: Final[Batch] = BatchReport(())
_NOTHING: Final = WorkList(items=(), entries={}, given_up=frozenset())
# Whose exceptions are failures of a call rather than mistakes of this program, even where they are not classified.
_OTHERS: Final = frozenset({"boto3", "botocore", "urllib3"})


def run(request: RunRequest, parts: Parts, invocation: Invocation) -> RunSummary:
    """Ingest, normalise and store; or send to the workers, where the settings say so.

    Args:
        request: What the event asks for.
        parts: What the run touches.
        invocation: What is true of this run only.

    Raises:
        RunRefusedError: The request or the configuration is wrong (a 400), or another run is under way and the settings
            say not to share its work (a 409); nothing was written.
        StoreError: A bucket could not be read or written.
        BatchInterrupted: Ctrl-C came; what was normalised is stored.
        Exception: A mistake of this program, met in an item; what was normalised is stored.
    """
    try:
        return _Run(request, parts, invocation).to_the_end()
    except BucketMissingError as error:
        raise RunRefusedError(ErrorType.INVALID_CONFIGURATION, f"CONFIG_BUCKET or DATA_BUCKET: {error}") from error


class _Run:
    """One run: its steps in the order in which they are taken, and the seconds that each took."""

    def __init__(self, request: RunRequest, parts: Parts, invocation: Invocation) -> None:
        self.request = request
        self.parts = parts
        self.invocation = invocation
        self.watch = _StopWatch(parts.clock)
        self.places = ObjectKeys(request.client_id, invocation.now.date(), invocation.request_id)
        # A request id may come twice (an event can be delivered again); this name never does.
        self.name = f"{self.places.run}-{uuid.uuid4().hex[:8]}"
        wall = RunClock(invocation.now, parts.clock)
        self.lease = Lease(parts.data, self.places.lease, owner=self.name, wall=wall, until=invocation.killed_at)
        self.answers = AnswerStore(
            parts.data,
            request.client_id,
            run=self.name,
            wall=wall,
            attempt=parts.settings.read_timeout,
            until=invocation.killed_at,
        )
        self.outstanding = Backlog(parts.data, request.client_id, run=self.name, wall=wall)
        self.lists = DailyLists(
            parts.data,
            request.client_id,
            run=self.name,
            wall=wall,
            may_go_on=lambda: invocation.has_time(parts.clock),
        )

    def to_the_end(self) -> RunSummary:
        plan = make_plan(self.request, self.parts.config, today=self.invocation.now.date())
        self.watch.lap("configuration")
        with self._admitted() as shared_with:
            ingested = self._ingest(plan)
            self.watch.lap("ingest")
            self._store_raw(ingested)
            normalizer = self._normalizer(plan)
            todo = self._undertake(ingested, normalizer)
            batch, mistake = self._work_off(todo, normalizer)
            self.watch.lap("normalize")
            refusal = _refusal(ingested, batch)
            if refusal is None:
                self._store_items(batch)
            self._leave(todo, batch, normalizer)
            self.watch.lap("store")
            summary = self._summarize(plan, ingested, todo, batch, refusal, shared_with)
            self.parts.data.put(self.places.report, to_json(summary.report))
        if mistake is not None:
            raise mistake
        return summary

    @contextlib.contextmanager
    def _admitted(self) -> Generator[str | None]:
        """The client's lease, or the name of the run whose work this one shares."""
        admission = Admission(self.parts.settings.on_concurrent_run, self.parts.clock, self.invocation.deadline)
        try:
            yield admission.ask(self.lease, self.request.client_id)
        finally:
            self.lease.give_back()

    def _ingest(self, plan: Plan) -> Ingested:
        deadline = self.invocation.deadline
        filters = plan.client.content_filters
        until = deadline.at if deadline else None
        return ingest(plan.sources, plan.window, filters, self.parts.fetcher, until=until)

    def _store_raw(self, ingested: Ingested) -> None:
        rows: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for item in ingested.items:
            rows[item.source_key].append(item.to_dict())
        for source_key, found in rows.items():
            add_rows(self.parts.data, self.places.raw(source_key), found)

    def _normalizer(self, plan: Plan) -> Normalizer:
        settings = self.parts.settings
        return Normalizer(
            client=self.parts.bedrock,
            client_within=self.parts.bedrock_within,
            model_id=settings.model_id,
            watchlists=watchlists_of(plan.scopes),
            ingested_at=self.invocation.now,
            language=plan.client.language,
            run=self.name,
            read_timeout=settings.read_timeout,
        )

    def _undertake(self, ingested: Ingested, normalizer: Normalizer) -> WorkList:
        """What the run has before it, written down before anything of it is done."""
        if ingested.all_failed:
            return _NOTHING
        left = self.outstanding.take_over()
        todo = make_work_list(ingested.items, left, lambda item: normalizer.work(item).key)
        if todo.items or todo.set_aside:
            self.outstanding.undertake(todo.listed(), until=self.invocation.killed_at)
        return todo

    def _work_off(self, todo: WorkList, normalizer: Normalizer) -> tuple[Batch, BaseException | None]:
        """The batch, and what is to be raised once its results are stored."""
        if not todo.items:
            return _NO_ITEMS, None
        try:
            batch = self._batch(todo, normalizer)
        except BatchInterrupted as interruption:
            return todo.account(interruption.report), interruption
        return todo.account(batch), _mistake(batch)

    def _batch(self, todo: WorkList, normalizer: Normalizer) -> Batch:
        parts, deadline = self.parts, self.invocation.deadline
        if parts.queue is not None:
            from vectora_normalize.pipeline.dispatch import Dispatcher  # noqa: PLC0415 - for whom it is asked for

            dispatcher = Dispatcher(
                parts.queue,
                client_id=self.request.client_id,
                run=self.name,
                now=self.invocation.now,
                clock=parts.clock,
                deadline=deadline,
            )
            return dispatcher.dispatch(todo.asked, normalizer, self.answers)
        return normalize_items_batch(
            todo.asked,
            normalizer,
            answers=self.answers,
            max_workers=parts.settings.max_workers,
            policy=parts.settings.policy,
            pacer=parts.pacer,
            deadline=deadline,
            clock=parts.clock,
            on_progress=self._tell,
        )

    def _tell(self, progress: Progress) -> None:
        self.lease.renew()
        if self.invocation.on_progress is not None:
            self.invocation.on_progress(progress)

    def _store_items(self, batch: Batch) -> None:
        rows = [value["item"].to_dict() for value in batch.values]
        total = add_rows(self.parts.data, self.places.items, rows)
        _logger.info("%s: %d items of this run, %d of the day", self.places.items, len(rows), total)
        self.lists.add_parts()  # of a worker that was killed; usually there are none

    def _leave(self, todo: WorkList, batch: Batch, normalizer: Normalizer) -> None:
        """Write down what is left for the next run."""
        left = list(todo.set_aside)
        for outcome in batch.outcomes:
            if outcome.item.content_hash in todo.given_up:
                left.append(todo.entry(outcome.item))
            elif outcome.status != "succeeded" and outcome.reason != QUEUED:
                key = normalizer.work(outcome.item).key
                left.append(self.outstanding.left(todo.entry(outcome.item), outcome, key))
        self.outstanding.leave(left)

    def _summarize(
        self,
        plan: Plan,
        ingested: Ingested,
        todo: WorkList,
        batch: Batch,
        refusal: RunRefusedError | None,
        shared_with: str | None,
    ) -> RunSummary:
        failed = {source.source_key: source.failure is not None for source in ingested.sources}
        seconds = self.watch.total
        story = Story(
            request=self.request,
            request_id=self.invocation.request_id,
            run=self.name,
            started_at=self.invocation.now,
            settings=self.parts.settings,
            plan=plan,
            ingested=ingested,
            todo=todo,
            batch=batch,
            refusal=refusal,
            shared_with=shared_with,
            seconds={**self.watch.laps, "total": seconds},
        )
        return RunSummary(
            client_id=self.request.client_id,
            items_ingested=len(todo.items),
            items_normalized=len(batch.succeeded),
            seconds=seconds,
            refusal=refusal,
            counts=counts(todo, batch, sources_failed=failed, refused=refusal is not None, seconds=seconds),
            by_source=counts_by_source(batch, failed),
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


def _refusal(ingested: Ingested, batch: Batch) -> RunRefusedError | None:
    """Why the run came to nothing through no fault of the request; None where it came to something."""
    if ingested.all_failed:
        told = [f"{source.source_key}: {source.message}" for source in ingested.sources]
        return RunRefusedError(ErrorType.ALL_SOURCES_FAILED, f"sources: all {len(told)} of them failed", *told)
    if batch.succeeded:
        return None
    for outcome in batch.failed:
        if outcome.fault is not None and outcome.fault.fatal:
            return RunRefusedError(
                ErrorType.BEDROCK_REFUSED, f"Bedrock refused the run: {outcome.fault.value}: {outcome.error}"
            )
    return None


def _mistake(batch: Batch) -> BaseException | None:
    """An error that no service made; where one stands, the results are stored and it is raised."""
    for outcome in batch.failed:
        error = outcome.error
        if outcome.fault is Fault.UNKNOWN and error is not None and _package(error) not in _OTHERS:
            error.add_note(f"met while normalising {item_id(outcome.item)}")
            return error
    return None


def _package(error: BaseException) -> str:
    return type(error).__module__.partition(".")[0]
