"""Of any runs, in any order of their steps, with any of them dying at any moment: one asks, and its answer stays."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from support.answering import answer
from support.memory_store import MemoryStore
from support.ticking import Ticking
from vectora_normalize.normalize.response_cache import CachedResponse, ItemClaim, ResponseCache
from vectora_normalize.storage.expiry import RunClock

if TYPE_CHECKING:
    from vectora_normalize.storage.expiry import LeaseRecord

NOW = dt.datetime(2026, 11, 21, 6, 30, tzinfo=dt.UTC)
ATTEMPT = 10.0
NAMES = ("one", "two")  # whatever three can do wrong, two of them do
RUNS = st.sampled_from(NAMES)


class PaidOnce(RuleBasedStateMachine):
    """Runs that meet at one item, each as a batch does it: take, renew before an attempt, keep or give back."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = Ticking()
        self.run_clock = RunClock(NOW, self.clock)
        self.store = MemoryStore()
        self.runs = {
            name: ResponseCache(self.store, "small", run_id=name, run_clock=self.run_clock, attempt_seconds=ATTEMPT)
            for name in NAMES
        }
        self.claims: dict[str, ItemClaim] = {}
        self.asking: dict[str, float] = {}  # until when an attempt of that run may be under way
        self.first: CachedResponse | None = None
        self.item = 0

    @property
    def key(self) -> str:
        return f"item-{self.item}"

    def ended(self, run: str) -> bool:
        return self.asking.get(run, -1.0) < self.clock.now

    @rule(run=RUNS, begins=st.booleans())
    def come(self, run: str, *, begins: bool) -> None:
        """ItemClaim the item, and perhaps ask about it at once; the pacer may let it wait."""
        if run not in self.claims:
            taken = self.runs[run].claim(self.key)
            if isinstance(taken, ItemClaim):
                assert self.first is None, "an item with an answer was claimed"
                self.claims[run] = taken
            elif isinstance(taken, CachedResponse):
                assert taken == self.first
        if begins:
            self.attempt(run)

    @rule(run=RUNS)
    def attempt(self, run: str) -> None:
        """Ask under the claim, as a batch does: not without renewing it."""
        claim = self.claims.get(run)
        if claim is None or not self.ended(run):
            return
        renewed = self.runs[run].renew(claim, ATTEMPT)
        if renewed is None:
            del self.claims[run]
            return
        assert self.first is None, "an item with an answer is asked about"
        others = [other for other in self.asking if other != run and not self.ended(other)]
        assert not others, f"{run} asks while {others} may still be asking"
        self.claims[run] = renewed
        self.asking[run] = self.clock.now + ATTEMPT

    @rule(run=RUNS, how=st.sampled_from(["answered", "failed", "killed"]))
    def end(self, run: str, how: str) -> None:
        """The attempt of a run ends, or the run does; whoever is killed may have asked, and forgets all."""
        claim = self.claims.pop(run, None)
        if claim is None or how == "killed":
            return
        under_way = not self.ended(run)
        self.asking.pop(run, None)
        if how == "failed":
            self.runs[run].release(claim)
        elif under_way:
            mine = answer(f"by {run}", NOW)
            standing = self.runs[run].save(claim, mine)
            assert self.first is None or standing == self.first
            self.first = standing

    @precondition(lambda self: self.first is not None)
    @rule()
    def go_on_to_the_next_item(self) -> None:
        """An item that is answered can go wrong no more."""
        self.item += 1
        self.first = None
        self.claims.clear()
        self.asking.clear()

    @rule(seconds=st.sampled_from([0.5, 2.0, 4.5, 8.5, 9.5, 14.0]))
    def pass_time(self, seconds: float) -> None:
        self.clock.sleep(seconds)

    @invariant()
    def everybody_sees_the_same(self) -> None:
        seen = {name: answers.get(self.key) for name, answers in self.runs.items()}
        found: list[CachedResponse | LeaseRecord | None] = list(seen.values())
        assert found.count(found[0]) == len(NAMES)
        if self.first is not None:
            assert found[0] == self.first


TestPaidOnce = PaidOnce.TestCase
TestPaidOnce.settings = settings(stateful_step_count=40)
