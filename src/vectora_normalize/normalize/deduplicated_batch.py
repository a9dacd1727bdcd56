"""A batch that pays for no item twice: it takes what is kept, asks about the rest, and waits for what others ask about.

In that order, because only the middle part costs anything. An item is claimed shortly before a worker is free for it:
of several runs over the same items each does as many as it has time for, and one that dies holds back no more than
three items for each of its workers: claimed ahead, asked about, being kept. Claiming and keeping go on beside the
calls, so that workers do nothing but ask.
"""

from __future__ import annotations

import functools
import logging
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from bedrock_resilience.batch._executor import BoundedExecutor
from bedrock_resilience.batch._report import BatchReport, ItemOutcome, Progress
from bedrock_resilience.errors import BatchInterrupted
from bedrock_resilience.retrying._deadline import Deadline
from bedrock_resilience.retrying._faults import classify
from bedrock_resilience.retrying._policy import RetryPolicy
from vectora_normalize.normalize.background_writer import BackgroundWriter
from vectora_normalize.normalize.claim_queue import Feed, Task
from vectora_normalize.normalize.extraction import item_id
from vectora_normalize.normalize.response_cache import Answer, look_up

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bedrock_resilience.quotas import RequestTokens
    from vectora_normalize.items import RawItem
    from vectora_normalize.normalize.normalizer import Normalized, Normalizer
    from vectora_normalize.normalize.response_cache import AnswerStore, Claim

_HELPERS: Final = 16  # requests to the store at once, when a batch is over

BUSY_ELSEWHERE: Final = "another run is at work on it"
"""Why an item was not started, where another run had not answered it before the deadline of this one."""

_logger = logging.getLogger(__name__)
# Seconds between two looks at what other runs ask about; an answer of Bedrock takes several.
_FIRST_PAUSE: Final = 0.1
_LONGEST_PAUSE: Final = 2.0


class DeduplicatedBatch:
    """One batch, from the items to the report.

    Args:
        items: What to normalise.
        normalizer: How one item is read.
        answers: Where answers are kept; None: every item is asked about.
        on_progress: Called after each item, with the items of the whole batch.
    """

    def __init__(
        self,
        items: Sequence[RawItem],
        normalizer: Normalizer,
        answers: AnswerStore | None = None,
        *,
        on_progress: Callable[[Progress], object] | None = None,
    ) -> None:
        self._tasks = [Task(index, normalizer.work(item)) for index, item in enumerate(items)]
        self._normalizer = normalizer
        self._answers = answers
        self._on_progress = on_progress
        self._outcomes: dict[int, ItemOutcome[RawItem, Normalized]] = {}
        self._settled: Counter[str] = Counter()
        self._aside: list[Task] = []
        self._unkept: list[tuple[Task, Claim, Answer]] = []
        self._feed = Feed((), None)
        self._stopped: str | None = None

    def tokens(self, task: Task) -> RequestTokens:
        """What the request of a task may use of a token quota."""
        return self._normalizer.tokens(task.work)

    def tell(self, progress: Progress) -> None:
        """Pass on the progress of one round as that of the whole batch."""
        if self._on_progress is None:
            return
        settled, found = self._settled, len(self._feed.answered)
        whole = replace(
            progress,
            submitted=progress.submitted + settled.total() + found,
            succeeded=progress.succeeded + settled["succeeded"] + found,
            failed=progress.failed + settled["failed"],
            unstarted=progress.unstarted + settled["unstarted"],
            total=len(self._tasks),
        )
        self._on_progress(whole)

    def run(self, executor: BoundedExecutor) -> BatchReport[RawItem, Normalized]:
        """Do it.

        Args:
            executor: Asks Bedrock, with `tokens` and `tell` of this batch where it wants them.

        Raises:
            BatchInterrupted: Ctrl-C came; it carries the report.
            StoreError: The kept answers could not be read.
        """
        now = executor.retrier.clock.monotonic
        started = now()
        try:
            rest = self._take_what_is_kept(executor)
            while rest:
                self._ask(rest, executor)
                rest = [] if self._stopped else self._wait_for_others(executor)
        except KeyboardInterrupt:
            self._stopped = "interrupted"
            raise BatchInterrupted(self._report(now() - started)) from None
        finally:
            self._put_in_order(executor)
        return self._report(now() - started)

    def _take_what_is_kept(self, executor: BoundedExecutor) -> list[Task]:
        """Settle the tasks whose answers are kept; the others."""
        answers = self._answers
        if answers is None:
            return self._tasks
        retrier = executor.retrier
        keys = [task.work.key for task in self._tasks]
        rest: list[Task] = []
        for task, answer in zip(
            self._tasks, look_up(answers, keys, clock=retrier.clock, deadline=retrier.deadline), strict=True
        ):
            if answer is None:
                rest.append(task)
            else:
                self._settle_found(task, answer, origin="store")
        if len(rest) < len(self._tasks):
            self.tell(Progress(0, 0, 0, 0, 0, 0, 0, 0))
        return rest

    def _ask(self, tasks: Sequence[Task], executor: BoundedExecutor) -> None:
        """One round: ask about all of these that are nobody else's."""
        workers = executor.max_workers
        feed = self._feed = Feed(tasks, self._answers, ahead=workers)
        try:
            with feed, BackgroundWriter(workers) as keeper:
                report = executor.run(functools.partial(self._attempt, executor.retrier.clock.monotonic, keeper), feed)
        except BatchInterrupted as interruption:
            self._settle_round(interruption.report, feed)
            raise
        self._stopped = report.stopped
        self._settle_round(report, feed)

    def _attempt(self, now: Callable[[], float], keeper: BackgroundWriter, task: Task) -> Normalized | None:
        """One attempt, in a worker's thread; None where another run has the item by now."""
        deadline = Deadline.current()
        normalizer, answers = self._normalizer, self._answers
        if task.claim is not None and answers is not None:
            # Pacing and backing off may have taken longer than a claim lasts.
            task.claim = answers.renewed(task.claim, normalizer.read_timeout)
            if task.claim is None:
                return None
        answer = normalizer.ask(task.work, None if deadline is None else deadline.remaining(now()))
        # Before anything else its keeping begins: whatever goes wrong from here on, it is paid for.
        claim, task.claim = task.claim, None
        if claim is not None and answers is not None:
            keeper.begin(functools.partial(self._keep, answers, task, claim, answer))
        return normalizer.normalized(task.work.item, answer)

    def _keep(self, answers: AnswerStore, task: Task, claim: Claim, answer: Answer) -> None:
        """Store an answer, in a thread of the keeper's."""
        try:
            standing = answers.keep(claim, answer)
        except Exception as error:  # noqa: BLE001 - it is tried again when the batch is over, and told then
            _logger.warning("%s: its answer could not be kept yet: %s", item_id(task.work.item), error)
            self._unkept.append((task, claim, answer))
        else:
            task.standing = None if standing is answer else standing

    def _settle_round(self, report: BatchReport[Task, Normalized | None], feed: Feed) -> None:
        for outcome in report.outcomes:
            task = outcome.item
            if outcome.status == "succeeded" and outcome.value is None:
                task.spent = _sum(task.spent, _without_last_attempt(outcome))
                self._aside.append(task)
            elif outcome.status == "succeeded" and task.standing is not None:
                # Our claim was over, and another run was faster: the item is what all others see.
                task.spent = _sum(task.spent, outcome)
                self._settle_found(task, task.standing, origin="bedrock")
            else:
                self._settle(task, outcome)
        for task, answer in feed.answered:
            self._settle_found(task, answer, origin="another run")
        feed.answered = []  # counted among the settled from here on
        for task, error in feed.broken:
            self._settle(task, _failed(task, error, "not claimed, and so not asked about"))
        self._aside.extend(feed.elsewhere)

    def _wait_for_others(self, executor: BoundedExecutor) -> list[Task]:
        """Collect what other runs answer; the tasks that they let go of, or none where all is settled or time is up."""
        answers, deadline, clock = self._answers, executor.retrier.deadline, executor.retrier.clock
        pause = _FIRST_PAUSE
        while answers is not None and self._aside:
            free: list[Task] = []
            for task in tuple(self._aside):
                found = answers.find(task.work.key)
                if isinstance(found, Answer):
                    self._aside.remove(task)
                    self._settle_found(task, found, origin="another run")
                elif found is None:
                    self._aside.remove(task)
                    free.append(task)
            if free:
                return free
            if self._aside:
                if deadline is not None and not deadline.allows(clock.monotonic(), pause):
                    self._stopped = BUSY_ELSEWHERE
                    return []
                clock.sleep(pause)
                pause = min(1.5 * pause, _LONGEST_PAUSE)
        return []

    def _settle_found(self, task: Task, answer: Answer, *, origin: str) -> None:
        """An answer that cost this run nothing."""
        try:
            value = self._normalizer.normalized(task.work.item, answer, origin=origin)
        except Exception as error:  # noqa: BLE001 - as in the executor: it fails this item, and the run tells of it
            self._settle(task, _failed(task, error, "its answer could not be used"))
        else:
            self._settle(task, ItemOutcome(index=task.index, item=task, status="succeeded", value=value))

    def _settle(self, task: Task, outcome: ItemOutcome[Task, Any]) -> None:
        self._outcomes[task.index] = _of_item(task, outcome)
        self._settled[outcome.status] += 1

    def _put_in_order(self, executor: BoundedExecutor) -> None:
        """Give back the claims that came to nothing, and try once more to keep what could not be kept.

        Side by side, because what is left of the time is for storing; without any, the claims end by themselves.
        """
        answers, retrier = self._answers, executor.retrier
        if answers is None:
            return
        deadline = None if retrier.deadline is None else Deadline(retrier.deadline.at)
        helpers = BoundedExecutor(_HELPERS, policy=RetryPolicy(max_retries=0), deadline=deadline, clock=retrier.clock)
        for kept in helpers.run(lambda left: answers.keep(left[1], left[2]), self._unkept).outcomes:
            if kept.status != "succeeded":
                told = kept.error or kept.reason
                name = item_id(kept.item[0].work.item)
                _logger.error("%s: its answer was not kept, and may be paid for again: %s", name, told)
        claims = [task.claim for task in self._tasks if task.claim is not None]
        for given in helpers.run(answers.give_back, claims).outcomes:
            if given.status != "succeeded":
                _logger.warning(
                    "a claim ends by itself at %s: %s", given.item.hold.expires_at, given.error or given.reason
                )

    def _report(self, elapsed: float) -> BatchReport[RawItem, Normalized]:
        outcomes = (self._outcomes.get(task.index) or self._unstarted(task) for task in self._tasks)
        return BatchReport(tuple(outcomes), elapsed, self._stopped)

    def _unstarted(self, task: Task) -> ItemOutcome[RawItem, Normalized]:
        reason = BUSY_ELSEWHERE if task in self._aside else self._stopped
        return _of_item(task, ItemOutcome(index=task.index, item=task, status="unstarted", reason=reason))


def _failed(task: Task, error: Exception, reason: str) -> ItemOutcome[Task, Any]:
    """A failure that no request was sent for."""
    fault = classify(error)
    return ItemOutcome(index=task.index, item=task, status="failed", error=error, fault=fault, reason=reason)


def _without_last_attempt(outcome: ItemOutcome[Task, Any]) -> ItemOutcome[Task, Any]:
    """The outcome of a task that is another run's, whose last attempt the executor counted, but sent no request for."""
    tokens = outcome.tokens
    tokens = tokens and replace(tokens, unknown=tokens.unknown - 1)
    return replace(outcome, attempts=outcome.attempts - 1, tokens=tokens)


def _of_item(task: Task, outcome: ItemOutcome[Task, Any]) -> ItemOutcome[RawItem, Normalized]:
    """The outcome of a task as that of its item, at its place in the whole batch, with all that was spent on it."""
    whole: ItemOutcome[Any, Any] = _sum(task.spent, outcome)  # the type of the item changes
    return replace(whole, index=task.index, item=task.work.item)


def _sum(spent: ItemOutcome[Task, Any] | None, outcome: ItemOutcome[Task, Any]) -> ItemOutcome[Task, Any]:
    """The outcome with what had been spent on the item before."""
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
