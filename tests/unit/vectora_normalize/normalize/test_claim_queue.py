"""A queue yields the tasks that this run has claimed, and records the others."""

from __future__ import annotations

import datetime as dt
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, cast

import pytest

from support.answering import answer
from support.items import raw_item
from vectora_normalize.normalize.claim_queue import ClaimQueue, Task
from vectora_normalize.normalize.normalizer import PreparedRequest
from vectora_normalize.normalize.response_cache import ItemClaim, ResponseCache
from vectora_normalize.storage.expiry import LeaseRecord
from vectora_normalize.storage.objects import StoreError

if TYPE_CHECKING:
    from collections.abc import Mapping

NOW = dt.datetime(2026, 11, 21, tzinfo=dt.UTC)
LEASE = LeaseRecord("other", NOW)
ANSWER = answer("It happened.", NOW)


class FixedCache:
    """A cache whose results of claims are given."""

    def __init__(self, results: Mapping[str, object]) -> None:
        self.results = results
        self.claims: list[str] = []
        self._changed = threading.Condition()

    def claim(self, key: str) -> Any:  # noqa: ANN401 - one of three
        with self._changed:
            self.claims.append(key)
            self._changed.notify_all()
        found = self.results.get(key, ItemClaim(key, LEASE, "v"))
        if isinstance(found, Exception):
            raise found
        return found

    def wait_for_claims(self, times: int) -> None:
        """Return when so many claims were requested."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.claims) >= times, timeout=10)


def tasks(count: int) -> list[Task]:
    return [Task(number, PreparedRequest(raw_item(f"item {number}"), {}, str(number))) for number in range(count)]


def in_another_thread(queue: ClaimQueue) -> list[Task]:
    with queue, ThreadPoolExecutor(1) as pool:
        return pool.submit(list[Task], queue).result()


def test_claimed_tasks_are_yielded_and_the_others_recorded() -> None:
    unclaimable = StoreError("no")
    cache = FixedCache({"1": ANSWER, "2": LEASE, "3": unclaimable})
    all_tasks = tasks(5)
    queue = ClaimQueue(all_tasks, cast("ResponseCache", cache))
    assert len(queue) == 5
    yielded = in_another_thread(queue)
    assert yielded == [all_tasks[0], all_tasks[4]]
    assert [task.claim and task.claim.key for task in all_tasks] == ["0", None, None, None, "4"]
    assert queue.answered == [(all_tasks[1], ANSWER)]
    assert queue.claimed_elsewhere == [all_tasks[2]]
    assert queue.unclaimable == [(all_tasks[3], unclaimable)]


@pytest.mark.parametrize("ahead", [1, 3])
def test_few_tasks_are_claimed_ahead(ahead: int) -> None:
    cache = FixedCache({"1": ANSWER})  # tasks of other runs use no slot
    all_tasks = tasks(9)
    with ClaimQueue(all_tasks, cast("ResponseCache", cache), ahead=ahead) as queue, ThreadPoolExecutor(1) as pool:
        cache.wait_for_claims(ahead + 1 if ahead > 1 else 1)
        assert pool.submit(next, queue).result() is all_tasks[0]
        cache.wait_for_claims(ahead + 2)
    assert cache.claims == [str(number) for number in range(ahead + 2)]


def test_tasks_claimed_and_not_started_are_listed_first() -> None:
    cache = FixedCache({})
    all_tasks = tasks(5)
    with ClaimQueue(all_tasks, cast("ResponseCache", cache), ahead=2) as queue:
        cache.wait_for_claims(2)
        assert list(queue) == all_tasks
    assert [task.claim is not None for task in all_tasks] == [True, True, False, False, False]


def test_the_end_is_signalled_to_all_workers() -> None:
    with ClaimQueue(tasks(1), cast("ResponseCache", FixedCache({}))) as queue, ThreadPoolExecutor(3) as pool:
        each = [pool.submit(list[Task], queue) for _ in range(3)]
        assert sum(len(one.result()) for one in each) == 1


def test_an_error_in_claiming_is_raised_by_the_next_call() -> None:
    cache = FixedCache({"1": KeyError("mistake")})
    with ClaimQueue(tasks(3), cast("ResponseCache", cache)) as queue, ThreadPoolExecutor(1) as pool:
        assert pool.submit(next, queue).result().index == 0
        for _ in range(2):
            with pytest.raises(KeyError, match="mistake"):
                pool.submit(next, queue).result()


def test_tasks_listed_by_the_thread_that_started_the_run_are_not_claimed() -> None:
    cache = FixedCache({})
    all_tasks = tasks(2)
    assert list(ClaimQueue(all_tasks, cast("ResponseCache", cache))) == all_tasks
    assert cache.claims == []


def test_without_a_cache_nothing_is_claimed() -> None:
    all_tasks = tasks(2)
    assert in_another_thread(ClaimQueue(all_tasks, None)) == all_tasks
    assert [task.claim for task in all_tasks] == [None, None]
