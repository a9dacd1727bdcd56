"""The work list has the items of the sources and the unfinished ones of earlier runs, each text once."""

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


def by_hash(*entries: BacklogItem) -> dict[str, BacklogItem]:
    return {entry.item.content_hash: entry for entry in entries}


def failed_too_often(item: RawItem, key: str | None = None) -> BacklogItem:
    return BacklogItem(
        item=item,
        status="failed",
        fault="validation",
        failures=MAX_FAILED_RUNS,
        key=key_of(item) if key is None else key,
    )


def work_list_of(ingested: list[RawItem], *entries: BacklogItem) -> WorkList:
    return make_work_list(ingested, by_hash(*entries), key_of)


def test_without_a_backlog_it_has_the_items_of_the_sources() -> None:
    work_list = work_list_of(ITEMS[:3])
    assert work_list.items == work_list.to_normalize == tuple(ITEMS[:3])
    assert work_list.resumed == 0
    assert work_list.backlog_items() == [BacklogItem(item=item) for item in ITEMS[:3]]


def test_unfinished_items_follow_those_of_the_sources() -> None:
    old = BacklogItem(item=ITEMS[5], status="unstarted", failures=1)
    work_list = work_list_of(ITEMS[:2], old)
    assert work_list.items == (ITEMS[0], ITEMS[1], ITEMS[5])
    assert work_list.resumed == 1
    assert work_list.entry(ITEMS[5]) == old
    assert work_list.backlog_items()[-1] == old


def test_an_unfinished_item_that_is_in_the_sources_is_listed_once() -> None:
    work_list = work_list_of(ITEMS[:2], BacklogItem(item=ITEMS[0], status="failed", failures=2))
    assert work_list.items == tuple(ITEMS[:2])
    assert work_list.resumed == 1
    assert work_list.entry(ITEMS[0]).failures == 2


def test_an_item_that_is_given_up_is_not_requested_but_reported() -> None:
    work_list = work_list_of(ITEMS[:3], failed_too_often(ITEMS[1]))
    assert work_list.to_normalize == (ITEMS[0], ITEMS[2])
    assert (work_list.items, work_list.resumed) == (tuple(ITEMS[:3]), 0)
    batch: BatchReport[RawItem, Any] = BatchReport(
        tuple(
            ItemOutcome(index=place, item=item, status="succeeded") for place, item in enumerate(work_list.to_normalize)
        ),
        7.0,
        "s",
    )
    merged = work_list.merge_outcomes(batch)
    assert [outcome.item for outcome in merged.outcomes] == ITEMS[:3]
    assert [outcome.index for outcome in merged.outcomes] == [0, 1, 2]
    assert (merged.elapsed, merged.stopped) == (7.0, "s")
    (given_up,) = merged.failed
    assert given_up.fault is not None
    assert (given_up.fault.value, given_up.attempts) == ("validation", 0)
    assert str(given_up.reason).startswith("given up: failed in 3 runs")


def test_a_given_up_item_that_is_in_no_source_stays_in_the_backlog_only() -> None:
    entry = failed_too_often(ITEMS[4])
    work_list = work_list_of(ITEMS[:1], entry)
    assert work_list.items == (ITEMS[0],)
    assert work_list.dormant == (entry,)
    assert work_list.backlog_items() == [BacklogItem(item=ITEMS[0]), entry]
    assert work_list.given_up == frozenset()


def test_an_item_with_another_request_is_tried_again() -> None:
    work_list = work_list_of([], failed_too_often(ITEMS[0], key="of an older prompt"))
    assert work_list.to_normalize == (ITEMS[0],)
    assert work_list.resumed == 1
