"""The ledger balances at every step, under any interleaving of workers."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import hypothesis.strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
)

from bedrock_resilience.batch._ledger import Ledger
from bedrock_resilience.batch._report import BatchReport, ItemOutcome

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bedrock_resilience.batch._report import Status


NOTHING = cast("object", multiple())  # for a bundle that gets nothing


class LedgerMachine(RuleBasedStateMachine):
    """A ledger, and the same counts kept in the simplest way."""

    claimed = Bundle("claimed")

    @initialize(size=st.integers(0, 12), breaks=st.booleans())
    def begin(self, size: int, breaks: bool) -> None:  # noqa: FBT001 - drawn by Hypothesis
        self.size = size
        self.ledger: Ledger[int, int] = Ledger(size)
        self.items = self.source(size, breaks=breaks)
        self.read = 0  # items that have left the source
        self.in_flight: set[int] = set()
        self.closed: dict[int, ItemOutcome[int, int]] = {}
        self.late = 0
        self.reason: str | None = None

    def source(self, size: int, *, breaks: bool) -> Iterator[int]:
        for number in range(size):
            self.read += 1
            yield number
        if breaks:
            raise ValueError("broken")

    @rule(target=claimed)
    def claim(self) -> object:
        numbered = self.ledger.next_item(self.items)
        if numbered is None:
            if self.ledger.stopped is not None and self.reason is None:
                self.reason = "the input raised ValueError"
            return NOTHING
        self.in_flight.add(numbered[0])
        return numbered

    @rule(target=claimed)
    @precondition(lambda self: self.read < self.size)
    def register(self) -> object:
        """Claim as an asynchronous input does: the item is read first, then registered."""
        item = next(self.items)
        numbered = self.ledger.register(item)
        if numbered is None:
            self.late += 1
            return NOTHING
        self.in_flight.add(numbered[0])
        return numbered

    @rule(
        numbered=consumes(claimed),
        status=st.sampled_from(["succeeded", "failed", "unstarted"]),
        attempts=st.integers(0, 4),
        throttles=st.integers(0, 4),
    )
    def close(self, numbered: tuple[int, int], status: Status, attempts: int, throttles: int) -> None:
        outcome: ItemOutcome[int, int] = ItemOutcome(
            index=numbered[0],
            item=numbered[1],
            status=status,
            attempts=attempts,
            retries=max(0, attempts - 1),
            throttles=throttles,
        )
        self.ledger.close(outcome)
        self.in_flight.remove(numbered[0])
        self.closed[numbered[0]] = outcome

    @rule(reason=st.sampled_from(["deadline", "interrupted"]))
    def stop(self, reason: str) -> None:
        self.ledger.stop(reason)
        self.reason = self.reason or reason

    @rule()
    def close_late(self) -> None:
        for outcome in self.ledger.close_late():
            self.late -= 1
            self.closed_as_unstarted(outcome)

    @rule()
    @precondition(lambda self: self.reason is not None)
    def close_one_of_the_input(self) -> None:
        for outcome in self.ledger.close_input(self.items):
            self.closed_as_unstarted(outcome)
            break

    def closed_as_unstarted(self, outcome: ItemOutcome[int, int]) -> None:
        assert outcome.status == "unstarted"
        assert outcome.reason == self.reason
        assert outcome.index not in self.closed
        self.closed[outcome.index] = outcome

    @invariant()
    def it_balances(self) -> None:
        progress = self.ledger.progress()
        assert progress.submitted == progress.succeeded + progress.failed + progress.unstarted + progress.in_flight
        assert progress.submitted == len(self.closed) + len(self.in_flight)
        assert progress.submitted + self.late == self.read, "every item that left the source is accounted for"
        assert progress.in_flight == len(self.in_flight)
        assert progress.done == len(self.closed)
        assert progress.total == self.size
        for status in ("succeeded", "failed", "unstarted"):
            assert getattr(progress, status) == sum(outcome.status == status for outcome in self.closed.values())
        for number in ("attempts", "retries", "throttles"):
            assert getattr(progress, number) == sum(getattr(outcome, number) for outcome in self.closed.values())

    @invariant()
    def it_stops_once(self) -> None:
        assert self.ledger.stopped == self.reason

    def teardown(self) -> None:
        if not hasattr(self, "ledger"):
            return
        report = self.ledger.report(1.0)
        assert report == BatchReport(tuple(self.closed[index] for index in sorted(self.closed)), 1.0, self.reason)


TestLedger = LedgerMachine.TestCase
