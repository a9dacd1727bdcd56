"""What a run has before it is what the sources gave and what earlier runs left, each text once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bedrock_resilience.batch._report import BatchReport, ItemOutcome
from support.items import raw_item
from vectora_normalize.pipeline.backlog import MAX_FAILED_RUNS, BacklogItem
from vectora_normalize.pipeline.worklist import WorkList, make_work_list

if TYPE_CHECKING:
    from vectora_normalize.items import RawItem

ITEMS = [raw_item(f"Item {number}.", number=number) for number in range(6)]


def key_of(item: RawItem) -> str:
    return f"key of {item.url}"


def left(*entries: BacklogItem) -> dict[str, BacklogItem]:
    return {entry.item.content_hash: entry for entry in entries}


def often(item: RawItem, key: str | None = None) -> BacklogItem:
    return BacklogItem(
        item=item,
        status="failed",
        fault="validation",
        failures=MAX_FAILED_RUNS,
        key=key_of(item) if key is None else key,
    )


def todo_of(ingested: list[RawItem], *entries: BacklogItem) -> WorkList:
    return make_work_list(ingested, left(*entries), key_of)


def test_without_a_past_there_is_what_the_sources_gave() -> None:
    work_list = todo_of(ITEMS[:3])
    assert work_list.items == work_list.to_normalize == tuple(ITEMS[:3])
    assert work_list.resumed == 0
    assert work_list.backlog_items() == [BacklogItem(item=item) for item in ITEMS[:3]]


def test_what_was_left_comes_after_what_the_sources_gave() -> None:
    old = BacklogItem(item=ITEMS[5], status="unstarted", failures=1)
    work_list = todo_of(ITEMS[:2], old)
    assert work_list.items == (ITEMS[0], ITEMS[1], ITEMS[5])
    assert work_list.resumed == 1
    assert work_list.entry(ITEMS[5]) == old
    assert work_list.backlog_items()[-1] == old


def test_what_was_left_and_is_still_in_the_sources_is_there_once() -> None:
    work_list = todo_of(ITEMS[:2], BacklogItem(item=ITEMS[0], status="failed", failures=2))
    assert work_list.items == tuple(ITEMS[:2])
    assert work_list.resumed == 1
    assert work_list.entry(ITEMS[0]).failures == 2


def test_an_item_that_failed_too_often_is_not_asked_about_but_accounted_for() -> None:
    work_list = todo_of(ITEMS[:3], often(ITEMS[1]))
    assert work_list.to_normalize == (ITEMS[0], ITEMS[2])
    assert (work_list.items, work_list.resumed) == (tuple(ITEMS[:3]), 0)
    batch: BatchReport[RawItem, Any] = BatchReport(
        tuple(
            ItemOutcome(index=place, item=item, status="succeeded") for place, item in enumerate(work_list.to_normalize)
        ),
        7.0,
        "s",
    )
    whole = work_list.merge_outcomes(batch)
    assert [outcome.item for outcome in whole.outcomes] == ITEMS[:3]
    assert [outcome.index for outcome in whole.outcomes] == [0, 1, 2]
    assert (whole.elapsed, whole.stopped) == (7.0, "s")
    (given_up,) = whole.failed
    assert given_up.fault is not None
    assert (given_up.fault.value, given_up.attempts) == ("validation", 0)
    assert str(given_up.reason).startswith("given up: failed in 3 runs")


def test_an_item_that_was_given_up_and_left_the_sources_stays_on_the_list_and_nowhere_else() -> None:
    gone = often(ITEMS[4])
    work_list = todo_of(ITEMS[:1], gone)
    assert work_list.items == (ITEMS[0],)
    assert work_list.dormant == (gone,)
    assert work_list.backlog_items() == [BacklogItem(item=ITEMS[0]), gone]
    assert work_list.given_up == frozenset()


def test_another_request_is_another_chance() -> None:
    work_list = todo_of([], often(ITEMS[0], key="of an older prompt"))
    assert work_list.to_normalize == (ITEMS[0],)
    assert work_list.resumed == 1
