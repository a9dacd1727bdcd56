"""A feed hands out what is nobody else's, and remembers the rest."""

from __future__ import annotations

import datetime as dt
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, cast

from support.answering import answer
from support.items import raw_item
from vectora_normalize.holds import Hold
from vectora_normalize.normalize.answers import AnswerStore, Claim
from vectora_normalize.normalize.feed import Feed, Task
from vectora_normalize.normalize.normalizer import Work
from vectora_normalize.stores import StoreError

if TYPE_CHECKING:
    from collections.abc import Mapping

NOW = dt.datetime(2026, 11, 21, tzinfo=dt.UTC)
HOLD = Hold("other", NOW)
ANSWER = answer("It happened.", NOW)


class Answers:
    """Answers a claim as it is told to."""

    def __init__(self, told: Mapping[str, object]) -> None:
        self.told = told
        self.asked: list[str] = []

    def take(self, key: str) -> Any:  # noqa: ANN401 - one of three
        self.asked.append(key)
        found = self.told.get(key, Claim(key, HOLD, "v"))
        if isinstance(found, Exception):
            raise found
        return found


def tasks(count: int) -> list[Task]:
    return [Task(number, Work(raw_item(f"item {number}"), {}, str(number))) for number in range(count)]


def in_another_thread(feed: Feed) -> list[Task]:
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(list[Task], feed).result()


def test_what_is_claimed_comes_out_and_the_rest_is_sorted() -> None:
    broken = StoreError("no")
    answers = Answers({"1": ANSWER, "2": HOLD, "3": broken})
    all_tasks = tasks(5)
    feed = Feed(all_tasks, cast("AnswerStore", answers))
    assert len(feed) == 5
    taken = in_another_thread(feed)
    assert taken == [all_tasks[0], all_tasks[4]]
    assert [task.claim and task.claim.key for task in all_tasks] == ["0", None, None, None, "4"]
    assert feed.answered == [(all_tasks[1], ANSWER)]
    assert feed.elsewhere == [all_tasks[2]]
    assert feed.broken == [(all_tasks[3], broken)]


def test_a_task_is_claimed_when_it_is_asked_for_and_not_before() -> None:
    answers = Answers({})
    feed = Feed(tasks(3), cast("AnswerStore", answers))
    with ThreadPoolExecutor(1) as pool:
        pool.submit(next, feed).result()
    assert answers.asked == ["0"]


def test_what_is_listed_by_the_thread_that_started_the_run_needs_no_claim() -> None:
    answers = Answers({})
    all_tasks = tasks(2)
    assert list(Feed(all_tasks, cast("AnswerStore", answers))) == all_tasks
    assert answers.asked == []


def test_where_nobody_else_can_be_at_work_nothing_is_claimed() -> None:
    all_tasks = tasks(2)
    assert in_another_thread(Feed(all_tasks, None)) == all_tasks
    assert [task.claim for task in all_tasks] == [None, None]
