"""What a run has before it: what the sources gave, and what earlier runs of the client have left."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

import msgspec

from bedrock_resilience._fault import Fault
from bedrock_resilience.batch._report import BatchReport, ItemOutcome
from vectora_normalize.pipeline.backlog import MOST_FAILURES, Entry

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from vectora_normalize.items import RawItem
    from vectora_normalize.normalize.normalizer import Normalized

    Batch = BatchReport[RawItem, Normalized]

QUEUED: Final = "sent to the queue"
"""The reason of an item that was not started here, and need not come back: a worker has it before it."""


class WorkList(msgspec.Struct, frozen=True, kw_only=True):
    """The items of a run.

    Args:
        items: All of them, those of the sources first.
        entries: What earlier runs have left of them, by the hash of the item's text.
        given_up: Hashes of those that are not asked about any more.
        set_aside: Given up, and in no source of this run; they stay on the list.
    """

    items: tuple[RawItem, ...]
    entries: Mapping[str, Entry]
    given_up: frozenset[str]
    set_aside: tuple[Entry, ...] = ()

    @property
    def asked(self) -> tuple[RawItem, ...]:
        """The items that are to be normalised."""
        return tuple(item for item in self.items if item.content_hash not in self.given_up)

    @property
    def resumed(self) -> int:
        """How many of those an earlier run has left."""
        return len(self.entries.keys() - self.given_up)

    def listed(self) -> list[Entry]:
        """The whole as the run's own list, before anything is done."""
        return [self.entry(item) for item in self.items] + list(self.set_aside)

    def entry(self, item: RawItem) -> Entry:
        """What is known of an item."""
        known = self.entries.get(item.content_hash)
        return Entry(item=item) if known is None else known

    def account(self, batch: Batch) -> Batch:
        """The report of a batch over `asked`, with those that were given up at their places."""
        outcomes = {outcome.item.content_hash: outcome for outcome in batch.outcomes}
        whole = (
            replace(outcomes.get(item.content_hash) or _given_up(self.entries[item.content_hash]), index=index)
            for index, item in enumerate(self.items)
        )
        return BatchReport(tuple(whole), batch.elapsed, batch.stopped)


def make_work_list(
    ingested: Sequence[RawItem], left: Mapping[str, Entry], key_of: Callable[[RawItem], str]
) -> WorkList:
    """What is to be done.

    Args:
        ingested: What the sources gave, each text once.
        left: What earlier runs have left, by the hash of the item's text.
        key_of: The key of an item's request.
    """
    hashes = {item.content_hash for item in ingested}
    # Few have failed so often, and only for them the request is made.
    failing = {name: entry for name, entry in left.items() if entry.failures >= MOST_FAILURES}
    given_up = frozenset(name for name, entry in failing.items() if entry.key == key_of(entry.item))
    added = [entry.item for name, entry in left.items() if name not in hashes and name not in given_up]
    items = (*ingested, *added)
    known = {item.content_hash for item in items}
    return WorkList(
        items=items,
        entries={name: entry for name, entry in left.items() if name in known},
        given_up=given_up & known,
        set_aside=tuple(left[name] for name in sorted(given_up - known)),
    )


def _given_up(entry: Entry) -> ItemOutcome[RawItem, Normalized]:
    return ItemOutcome(
        index=0,
        item=entry.item,
        status="failed",
        fault=Fault(entry.fault),
        reason=f"given up: failed in {entry.failures} runs, the last time at {entry.failed_at}",
    )
