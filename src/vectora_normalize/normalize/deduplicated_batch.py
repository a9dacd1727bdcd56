"""A batch that pays for no item twice: stored responses first, then requests, then the responses of other runs.

In that order, because only the requests cost anything. An item is claimed shortly before a worker is free for it. If
several runs have the same items, each processes as many as it has time for. A run that is killed blocks at most three
items per worker: one claimed ahead, one at Bedrock, one being stored. Other threads claim and store, so that workers
only call Bedrock.
"""

from __future__ import annotations

import functools
import logging
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from bedrock_resilience import (
    BatchReport,
    BoundedExecutor,
    Deadline,
    Fault,
    ItemOutcome,
    Progress,
    RetryPolicy,
    classify,
)
from bedrock_resilience.clock import threads_of
from bedrock_resilience.errors import BatchInterrupted
from vectora_normalize.normalize.background_writer import BackgroundWriter
from vectora_normalize.normalize.claim_queue import ClaimQueue, Task
from vectora_normalize.normalize.extraction import item_id
from vectora_normalize.normalize.response_cache import CachedResponse, look_up
from vectora_normalize.storage.objects import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bedrock_resilience.quotas import RequestTokens
    from vectora_normalize.items import RawItem
    from vectora_normalize.normalize.normalizer import Normalized, Normalizer
    from vectora_normalize.normalize.response_cache import ItemClaim, ResponseCache

BUSY_ELSEWHERE: Final = "another run is at work on it"
"""Why an item was not started, if another run had not answered it before the deadline of this one."""

_CLEANUP_WORKERS: Final = 16  # requests to the store at once when a batch is over
# Seconds between two polls of the items that other runs have claimed; a response of Bedrock takes several seconds.
_MIN_POLL_SECONDS: Final = 0.1
_MAX_POLL_SECONDS: Final = 2.0
_MAX_FAILED_POLLS: Final = 10  # of one item in a wait, before the item fails
_logger = logging.getLogger(__name__)


class DeduplicatedBatch:
    """One batch, from the items to the report.

    Args:
        items: What to normalize.
        normalizer: How one item is normalized.
        cache: Where responses are stored; None: a request is sent for every item.
        on_progress: Called after each item, with the numbers of the whole batch.
    """

    def __init__(
        self,
        items: Sequence[RawItem],
        normalizer: Normalizer,
        cache: ResponseCache | None = None,
        *,
        on_progress: Callable[[Progress], object] | None = None,
    ) -> None:
        self._tasks = [Task(index, normalizer.prepare(item)) for index, item in enumerate(items)]
        self._normalizer = normalizer
        self._cache = cache
        self._on_progress = on_progress
        self._outcomes: dict[int, ItemOutcome[RawItem, Normalized]] = {}
        self._settled: Counter[str] = Counter()
        self._elsewhere: list[Task] = []
        self._unsaved: list[tuple[Task, ItemClaim, CachedResponse]] = []
        self._queue = ClaimQueue((), None)
        self._stopped: str | None = None

    def tokens(self, task: Task) -> RequestTokens:
        """Return what the request of a task may use of a token quota."""
        return self._normalizer.tokens(task.prepared)

    def report_progress(self, progress: Progress) -> None:
        """Pass on the progress of one round as that of the whole batch."""
        if self._on_progress is None:
            return
        settled, answered = self._settled, len(self._queue.answered)
        total = replace(
            progress,
            submitted=progress.submitted + settled.total() + answered,
            succeeded=progress.succeeded + settled["succeeded"] + answered,
            failed=progress.failed + settled["failed"],
            unstarted=progress.unstarted + settled["unstarted"],
            total=len(self._tasks),
        )
        self._on_progress(total)

    def run(self, executor: BoundedExecutor) -> BatchReport[RawItem, Normalized]:
        """Run the batch.

        Args:
            executor: Sends the requests; its ``tokens`` and ``on_progress`` are this batch's ``tokens`` and
                ``report_progress``.

        Raises:
            BatchInterrupted: Ctrl-C was pressed; it carries the report.
            StoreError: The stored responses could not be read.
        """
        now = executor.retrier.clock.monotonic
        started = now()
        try:
            tasks = self._settle_cached(executor)
            while tasks:
                self._run_round(tasks, executor)
                tasks = [] if self._stopped else self._wait_for_others(executor)
        except KeyboardInterrupt:
            self._stopped = "interrupted"
            raise BatchInterrupted(self._report(now() - started)) from None
        finally:
            self._cleanup(executor)
        return self._report(now() - started)

    def _settle_cached(self, executor: BoundedExecutor) -> list[Task]:
        """Settle the tasks whose responses are stored; return the others."""
        cache = self._cache
        if cache is None:
            return self._tasks
        retrier = executor.retrier
        keys = [task.prepared.key for task in self._tasks]
        responses = look_up(cache, keys, clock=retrier.clock, deadline=retrier.deadline)
        missing: list[Task] = []
        for task, response in zip(self._tasks, responses, strict=True):
            if response is None:
                missing.append(task)
            else:
                self._settle_response(task, response, origin="store")
        if len(missing) < len(self._tasks):
            self.report_progress(Progress(0, 0, 0, 0, 0, 0, 0, 0))
        return missing

    def _run_round(self, tasks: Sequence[Task], executor: BoundedExecutor) -> None:
        """Send the requests of all these tasks that no other run has claimed."""
        workers = executor.max_workers
        threads = threads_of(executor.retrier.clock)
        queue = self._queue = ClaimQueue(tasks, self._cache, ahead=workers, threads=threads)
        try:
            with queue, BackgroundWriter(workers, threads=threads) as writer:
                report = executor.run(functools.partial(self._attempt, executor.retrier.clock.monotonic, writer), queue)
        except BatchInterrupted as interruption:
            self._settle_round(interruption.report, queue)
            raise
        self._stopped = report.stopped
        self._settle_round(report, queue)

    def _attempt(self, now: Callable[[], float], writer: BackgroundWriter, task: Task) -> Normalized | None:
        """Make one attempt, in a worker's thread; None if no request was sent, because the claim is not certain."""
        deadline = Deadline.current()
        normalizer, cache = self._normalizer, self._cache
        if task.claim is not None and cache is not None:
            # Pacing and backoff may have taken longer than a claim lasts.
            try:
                task.claim = cache.renew(task.claim, normalizer.read_timeout)
            except StoreError as error:
                task.unrenewed = error
                return None
            if task.claim is None:
                return None
        response = normalizer.invoke(task.prepared, None if deadline is None else deadline.remaining(now()))
        # Store first: the response is paid for, whatever fails from here on.
        claim, task.claim = task.claim, None
        if claim is not None and cache is not None:
            writer.submit(functools.partial(self._save, cache, task, claim, response))
        return normalizer.build_item(task.prepared.item, response)

    def _save(self, cache: ResponseCache, task: Task, claim: ItemClaim, response: CachedResponse) -> None:
        """Store a response, in a thread of the background writer."""
        try:
            stored = cache.save(claim, response)
        except Exception as error:  # noqa: BLE001 - _cleanup tries again, and logs an error if that fails, too
            _logger.warning("%s: its response could not be stored yet: %s", item_id(task.prepared.item), error)
            self._unsaved.append((task, claim, response))
        else:
            task.earlier = None if stored is response else stored

    def _settle_round(self, report: BatchReport[Task, Normalized | None], queue: ClaimQueue) -> None:
        for outcome in report.outcomes:
            task = outcome.item
            if outcome.status == "succeeded" and outcome.value is None:
                task.spent = _sum(task.spent, _without_last_attempt(outcome))
                if task.unrenewed is None:
                    self._elsewhere.append(task)
                else:
                    self._settle(
                        task, _failed(task, task.unrenewed, "its claim could not be renewed, so no request was sent")
                    )
            elif outcome.status == "succeeded" and task.earlier is not None:
                # The claim of this run had expired and another run was faster: the stored response counts for all runs.
                task.spent = _sum(task.spent, outcome)
                self._settle_response(task, task.earlier, origin="bedrock")
            else:
                self._settle(task, outcome)
        for task, response in queue.answered:
            self._settle_response(task, response, origin="another run")
        queue.answered = []  # counted in _settled from here on
        for task, error in queue.unclaimable:
            self._settle(task, _failed(task, error, "not claimed, so no request was sent"))
        self._elsewhere.extend(queue.claimed_elsewhere)

    def _wait_for_others(self, executor: BoundedExecutor) -> list[Task]:
        """Collect the responses of other runs.

        Returns:
            The tasks whose claims were released or expired; none if all tasks are settled or the time is over.
        """
        cache, deadline, clock = self._cache, executor.retrier.deadline, executor.retrier.clock
        pause = _MIN_POLL_SECONDS
        failures: Counter[int] = Counter()
        while cache is not None and self._elsewhere:
            free: list[Task] = []
            for task in tuple(self._elsewhere):
                try:
                    found = cache.get(task.prepared.key)
                except StoreError as error:
                    failures[task.index] += 1
                    if failures[task.index] >= _MAX_FAILED_POLLS:
                        self._elsewhere.remove(task)
                        self._settle(task, _failed(task, error, "the response of another run could not be read"))
                    continue
                if isinstance(found, CachedResponse):
                    self._elsewhere.remove(task)
                    self._settle_response(task, found, origin="another run")
                elif found is None:
                    self._elsewhere.remove(task)
                    free.append(task)
            if free:
                return free
            if self._elsewhere:
                if deadline is not None and not deadline.allows(clock.monotonic(), pause):
                    self._stopped = BUSY_ELSEWHERE
                    return []
                clock.sleep(pause)
                pause = min(1.5 * pause, _MAX_POLL_SECONDS)
        return []

    def _settle_response(self, task: Task, response: CachedResponse, *, origin: str) -> None:
        """Settle a task with a response that cost this run nothing."""
        try:
            value = self._normalizer.build_item(task.prepared.item, response, origin=origin)
        except Exception as error:  # noqa: BLE001 - as in the executor: it fails this item, and the report shows it
            self._settle(task, _failed(task, error, "its response could not be used"))
        else:
            self._settle(task, ItemOutcome(index=task.index, item=task, status="succeeded", value=value))

    def _settle(self, task: Task, outcome: ItemOutcome[Task, Any]) -> None:
        self._outcomes[task.index] = _of_item(task, outcome)
        self._settled[outcome.status] += 1

    def _cleanup(self, executor: BoundedExecutor) -> None:
        """Store the responses that could not be stored before, and release the claims that are left.

        In parallel, because the remaining time is for storing. If no time remains, the claims expire.
        """
        cache, retrier = self._cache, executor.retrier
        if cache is None:
            return
        deadline = None if retrier.deadline is None else Deadline(retrier.deadline.at)
        helpers = BoundedExecutor(
            _CLEANUP_WORKERS, policy=RetryPolicy(max_retries=0), deadline=deadline, clock=retrier.clock
        )
        for saved in helpers.run(lambda unsaved: cache.save(unsaved[1], unsaved[2]), self._unsaved).outcomes:
            if saved.status != "succeeded":
                name = item_id(saved.item[0].prepared.item)
                cause = saved.error or saved.reason
                _logger.error("%s: its response was not stored, and may be paid for again: %s", name, cause)
        claims = [task.claim for task in self._tasks if task.claim is not None]
        for released in helpers.run(cache.release, claims).outcomes:
            if released.status != "succeeded":
                expires_at, cause = released.item.lease.expires_at, released.error or released.reason
                _logger.warning("a claim could not be released and expires at %s: %s", expires_at, cause)

    def _report(self, elapsed: float) -> BatchReport[RawItem, Normalized]:
        outcomes = (self._outcomes.get(task.index) or self._unstarted(task) for task in self._tasks)
        return BatchReport(tuple(outcomes), elapsed, self._stopped)

    def _unstarted(self, task: Task) -> ItemOutcome[RawItem, Normalized]:
        reason = BUSY_ELSEWHERE if task in self._elsewhere else self._stopped
        return _of_item(task, ItemOutcome(index=task.index, item=task, status="unstarted", reason=reason))


def _failed(task: Task, error: Exception, reason: str) -> ItemOutcome[Task, Any]:
    """Return the outcome of a failure for which no request was sent."""
    # A refusal by the store concerns this object. As a fault of Bedrock it would look like a refusal of the whole run.
    fault = Fault.UNKNOWN if isinstance(error, StoreError) else classify(error)
    return ItemOutcome(index=task.index, item=task, status="failed", error=error, fault=fault, reason=reason)


def _without_last_attempt(outcome: ItemOutcome[Task, Any]) -> ItemOutcome[Task, Any]:
    """Return the outcome without its last attempt: the executor counted it, but no request was sent."""
    tokens = outcome.tokens
    tokens = tokens and replace(tokens, unknown=tokens.unknown - 1)
    return replace(outcome, attempts=outcome.attempts - 1, tokens=tokens)


def _of_item(task: Task, outcome: ItemOutcome[Task, Any]) -> ItemOutcome[RawItem, Normalized]:
    """Return the outcome of a task as that of its item, at its position in the batch, with all that was spent on it."""
    total: ItemOutcome[Any, Any] = _sum(task.spent, outcome)  # the type of the item changes
    return replace(total, index=task.index, item=task.prepared.item)


def _sum(spent: ItemOutcome[Task, Any] | None, outcome: ItemOutcome[Task, Any]) -> ItemOutcome[Task, Any]:
    """Return the outcome with what was spent on the item before."""
    if spent is None:
        return outcome
    return replace(
        outcome,
        attempts=outcome.attempts + spent.attempts,
        retries=outcome.retries + spent.retries,
        throttles=outcome.throttles + spent.throttles,
        backoff_seconds=outcome.backoff_seconds + spent.backoff_seconds,
        pacing_seconds=outcome.pacing_seconds + spent.pacing_seconds,
        tokens=BatchReport((spent, outcome)).tokens,
        elapsed=outcome.elapsed + spent.elapsed,
    )
