"""Every batch accounts for all items, whatever they do and however its workers interleave."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING, Any, NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from bedrock_resilience import BatchReport, BoundedExecutor, Fault, RetryPolicy
from bedrock_resilience.retrying._deadline import Deadline
from bedrock_resilience.testing import FakeClock, error_of
from bedrock_resilience.testing.strategies import faults, retry_policies

if TYPE_CHECKING:
    from bedrock_resilience.batch._progress import Progress
    from bedrock_resilience.batch._report import ItemOutcome


class Item(NamedTuple):
    """The outcomes of the attempts at one item, and how long each takes; after the script it succeeds."""

    script: list[Fault]
    latency: float


class Batch(NamedTuple):
    """A batch and its settings."""

    items: list[Item]
    workers: int
    policy: RetryPolicy
    deadline: float
    seed: int


BATCHES = st.builds(
    Batch,
    items=st.lists(st.builds(Item, st.lists(faults(), max_size=3), st.floats(0, 10)), max_size=10),
    workers=st.integers(1, 5),
    policy=retry_policies(max_retries=st.integers(0, 3), max_delay=st.floats(0, 100)),
    deadline=st.floats(0, 500),
    seed=st.integers(0, 1_000),
)


class Service:
    """The service of a batch: responds as its items say, and records the requests."""

    def __init__(self, batch: Batch) -> None:
        self.clock = FakeClock()
        self.progress: list[Progress] = []
        self.calls: dict[int, int] = {}
        self.in_flight = 0
        self.most = 0
        self.executor = BoundedExecutor(
            batch.workers,
            policy=batch.policy,
            deadline=Deadline(batch.deadline),
            clock=self.clock,
            rng=random.Random(batch.seed),
            on_progress=self.progress.append,
        )

    def enter(self, index: int) -> None:
        self.calls[index] = self.calls.get(index, 0) + 1
        self.in_flight += 1
        self.most = max(self.most, self.in_flight)

    def leave(self, index: int, item: Item) -> int:
        self.in_flight -= 1
        attempt = self.calls[index]
        if attempt <= len(item.script):
            raise error_of(item.script[attempt - 1])
        return index

    def answer(self, numbered: tuple[int, Item]) -> int:
        index, item = numbered
        self.enter(index)
        self.clock.advance(item.latency)
        return self.leave(index, item)

    async def aanswer(self, numbered: tuple[int, Item]) -> int:
        index, item = numbered
        self.enter(index)
        await self.clock.aadvance(item.latency)
        return self.leave(index, item)


def check(batch: Batch, service: Service, outcomes: list[ItemOutcome[Any, int]]) -> None:
    """Check what every batch must satisfy, however it was run."""
    assert [outcome.index for outcome in outcomes] == list(range(len(batch.items)))
    assert service.most <= batch.workers
    for outcome in outcomes:
        assert outcome.item == (outcome.index, batch.items[outcome.index])
        assert outcome.attempts == service.calls.get(outcome.index, 0) <= 1 + batch.policy.max_retries
        assert outcome.attempts - 1 <= outcome.retries <= batch.policy.max_retries
        assert (outcome.status == "unstarted") == (outcome.attempts == 0)
        assert (outcome.status == "succeeded") == (outcome.value is not None) == (outcome.reason is None)
        assert (outcome.status == "failed") == (outcome.error is not None)
    assert len(service.progress) == len(batch.items)
    for progress in service.progress:
        assert progress.submitted == progress.succeeded + progress.failed + progress.unstarted + progress.in_flight
        assert progress.in_flight <= batch.workers


def check_report(batch: Batch, service: Service, report: BatchReport[Any, int]) -> None:
    check(batch, service, list(report.outcomes))
    assert report.submitted == len(report.succeeded) + len(report.failed) + len(report.unstarted) == len(batch.items)
    assert report.values == [outcome.index for outcome in report.succeeded]
    assert report.attempts == sum(service.calls.values())
    assert (report.unstarted == ()) or report.stopped is not None


@given(BATCHES)
def test_a_run_accounts_for_everything(batch: Batch) -> None:
    service = Service(batch)
    check_report(batch, service, service.executor.run(service.answer, list(enumerate(batch.items))))


@given(BATCHES)
def test_arun_accounts_for_everything(batch: Batch) -> None:
    service = Service(batch)
    check_report(batch, service, asyncio.run(service.executor.arun(service.aanswer, list(enumerate(batch.items)))))


@given(BATCHES)
def test_a_stream_yields_every_outcome_once(batch: Batch) -> None:
    service = Service(batch)
    outcomes = list(service.executor.stream(service.answer, list(enumerate(batch.items))))
    assert sorted(outcome.index for outcome in outcomes) == list(range(len(batch.items)))


@given(BATCHES)
def test_threads_and_tasks_have_the_same_outcomes(batch: Batch) -> None:
    threads, tasks = Service(batch), Service(batch)
    one = threads.executor.run(threads.answer, list(enumerate(batch.items)))
    other = asyncio.run(tasks.executor.arun(tasks.aanswer, list(enumerate(batch.items))))
    assert one.to_dict() == other.to_dict()
    assert threads.clock.sleeps == tasks.clock.sleeps


@given(BATCHES)
def test_a_batch_can_be_repeated_exactly(batch: Batch) -> None:
    first, second = Service(batch), Service(batch)
    one = first.executor.run(first.answer, list(enumerate(batch.items)))
    other = second.executor.run(second.answer, list(enumerate(batch.items)))
    assert one.to_dict() == other.to_dict()
    assert first.clock.sleeps == second.clock.sleeps
