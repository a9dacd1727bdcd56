"""A queue hands out what is nobody else's, and remembers the rest."""

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
HOLD = LeaseRecord("other", NOW)
ANSWER = answer("It happened.", NOW)


class Answers:
    """Answers a claim as it is told to."""

    def __init__(self, told: Mapping[str, object]) -> None:
        self.told = told
        self.asked: list[str] = []
        self._news = threading.Condition()

    def claim(self, key: str) -> Any:  # noqa: ANN401 - one of three
        with self._news:
            self.asked.append(key)
            self._news.notify_all()
        found = self.told.get(key, ItemClaim(key, HOLD, "v"))
        if isinstance(found, Exception):
            raise found
        return found

    def asks(self, times: int) -> None:
        """Return when so many were asked for."""
        with self._news:
            assert self._news.wait_for(lambda: len(self.asked) >= times, timeout=10)


def tasks(count: int) -> list[Task]:
    return [Task(number, PreparedRequest(raw_item(f"item {number}"), {}, str(number))) for number in range(count)]


def in_another_thread(queue: ClaimQueue) -> list[Task]:
    with queue, ThreadPoolExecutor(1) as pool:
        return pool.submit(list[Task], queue).result()


def test_what_is_claimed_comes_out_and_the_rest_is_sorted() -> None:
    unclaimable = StoreError("no")
    answers = Answers({"1": ANSWER, "2": HOLD, "3": unclaimable})
    all_tasks = tasks(5)
    queue = ClaimQueue(all_tasks, cast("ResponseCache", answers))
    assert len(queue) == 5
    taken = in_another_thread(queue)
    assert taken == [all_tasks[0], all_tasks[4]]
    assert [task.claim and task.claim.key for task in all_tasks] == ["0", None, None, None, "4"]
    assert queue.answered == [(all_tasks[1], ANSWER)]
    assert queue.claimed_elsewhere == [all_tasks[2]]
    assert queue.unclaimable == [(all_tasks[3], unclaimable)]


@pytest.mark.parametrize("ahead", [1, 3])
def test_few_tasks_are_claimed_ahead(ahead: int) -> None:
    answers = Answers({"1": ANSWER})  # others' tasks take no place
    all_tasks = tasks(9)
    with ClaimQueue(all_tasks, cast("ResponseCache", answers), ahead=ahead) as queue, ThreadPoolExecutor(1) as pool:
        answers.asks(ahead + 1 if ahead > 1 else 1)
        assert pool.submit(next, queue).result() is all_tasks[0]
        answers.asks(ahead + 2)
    assert answers.asked == [str(number) for number in range(ahead + 2)]


def test_what_was_claimed_and_not_handed_out_is_listed_first() -> None:
    answers = Answers({})
    all_tasks = tasks(5)
    with ClaimQueue(all_tasks, cast("ResponseCache", answers), ahead=2) as queue:
        answers.asks(2)
        assert list(queue) == all_tasks
    assert [task.claim is not None for task in all_tasks] == [True, True, False, False, False]


def test_all_workers_hear_that_there_is_nothing_more() -> None:
    with ClaimQueue(tasks(1), cast("ResponseCache", Answers({}))) as queue, ThreadPoolExecutor(3) as pool:
        each = [pool.submit(list[Task], queue) for _ in range(3)]
        assert sum(len(one.result()) for one in each) == 1


def test_a_mistake_in_claiming_is_raised_where_the_next_task_is_asked_for() -> None:
    answers = Answers({"1": KeyError("mistake")})
    with ClaimQueue(tasks(3), cast("ResponseCache", answers)) as queue, ThreadPoolExecutor(1) as pool:
        assert pool.submit(next, queue).result().index == 0
        for _ in range(2):
            with pytest.raises(KeyError, match="mistake"):
                pool.submit(next, queue).result()


def test_what_is_listed_by_the_thread_that_started_the_run_needs_no_claim() -> None:
    answers = Answers({})
    all_tasks = tasks(2)
    assert list(ClaimQueue(all_tasks, cast("ResponseCache", answers))) == all_tasks
    assert answers.asked == []


def test_where_nobody_else_can_be_at_work_nothing_is_claimed() -> None:
    all_tasks = tasks(2)
    assert in_another_thread(ClaimQueue(all_tasks, None)) == all_tasks
    assert [task.claim for task in all_tasks] == [None, None]
