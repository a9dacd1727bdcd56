"""The items of a run: those of the sources, and the unfinished ones of earlier runs of the client."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

import msgspec

from bedrock_resilience import BatchReport, Fault, ItemOutcome
from vectora_normalize.pipeline.backlog import MAX_FAILED_RUNS, BacklogItem

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from vectora_normalize.items import RawItem
    from vectora_normalize.normalize.normalizer import Normalized

    Batch = BatchReport[RawItem, Normalized]

QUEUED: Final = "sent to the queue"
"""The reason of an item that was not started here and does not go to the backlog: a worker normalizes it."""

DRY_RUN: Final = "dry run"
"""The reason of an item that was not started because the event says ``dry_run``."""


class WorkList(msgspec.Struct, frozen=True, kw_only=True):
    """The items of a run.

    Args:
        items: All of them, those of the sources first.
        entries: What earlier runs recorded of them, by the hash of the item's text.
        given_up: Hashes of the items for which no further request is sent.
        dormant: Abandoned items that are in no source of this run; they stay in the backlog.
    """

    items: tuple[RawItem, ...]
    entries: Mapping[str, BacklogItem]
    given_up: frozenset[str]
    dormant: tuple[BacklogItem, ...] = ()

    @property
    def to_normalize(self) -> tuple[RawItem, ...]:
        """The items that are to be normalized."""
        return tuple(item for item in self.items if item.content_hash not in self.given_up)

    @property
    def resumed(self) -> int:
        """The number of items that earlier runs did not finish and that this run retries."""
        return len(self.entries.keys() - self.given_up)

    def backlog_items(self) -> list[BacklogItem]:
        """Return the backlog of the run before anything is done."""
        return [self.entry(item) for item in self.items] + list(self.dormant)

    def entry(self, item: RawItem) -> BacklogItem:
        """Return what earlier runs recorded of an item, or a new entry."""
        known = self.entries.get(item.content_hash)
        return BacklogItem(item=item) if known is None else known

    def merge_outcomes(self, batch: Batch) -> Batch:
        """Return the report of a batch over ``to_normalize``, with the given-up items inserted at their positions."""
        outcomes = {outcome.item.content_hash: outcome for outcome in batch.outcomes}
        merged = (
            replace(outcomes.get(item.content_hash) or _given_up(self.entries[item.content_hash]), index=index)
            for index, item in enumerate(self.items)
        )
        return BatchReport(tuple(merged), batch.elapsed, batch.stopped)


def make_work_list(
    ingested: Sequence[RawItem], backlog: Mapping[str, BacklogItem], key_of: Callable[[RawItem], str]
) -> WorkList:
    """Return the work list of a run.

    Args:
        ingested: The items of the sources, each text once.
        backlog: The unfinished items of earlier runs, by the hash of the item's text.
        key_of: Returns the key of an item's request.
    """
    hashes = {item.content_hash for item in ingested}
    # Few items have failed so often, and the request is built only for those.
    failing = {name: entry for name, entry in backlog.items() if entry.failures >= MAX_FAILED_RUNS}
    given_up = frozenset(name for name, entry in failing.items() if entry.key == key_of(entry.item))
    added = [entry.item for name, entry in backlog.items() if name not in hashes and name not in given_up]
    items = (*ingested, *added)
    known = {item.content_hash for item in items}
    return WorkList(
        items=items,
        entries={name: entry for name, entry in backlog.items() if name in known},
        given_up=given_up & known,
        dormant=tuple(backlog[name] for name in sorted(given_up - known)),
    )


def _given_up(entry: BacklogItem) -> ItemOutcome[RawItem, Normalized]:
    return ItemOutcome(
        index=0,
        item=entry.item,
        status="failed",
        fault=Fault(entry.fault),
        reason=f"given up: failed in {entry.failures} runs, the last time at {entry.failed_at}",
    )
