"""``PaceUpdates``: the updates of one instance to the shared pace, each of which takes effect exactly once.

A write can take effect although its response is lost. Every update therefore has a number, and the shared state
contains the number of the last update of each instance. An update whose write failed is kept: the next one finds in the
state whether the earlier one took effect, and repeats it if it did not. Numbers of one instance only grow, and an
update repeats all earlier ones that are in doubt, so one number suffices for all of them.

The state also brings the clocks of instances together. If it was changed later than this instance's clock shows, that
clock is behind, and is put forward (a hybrid logical clock, Kulkarni and others, 2014). Instances whose clocks differ
therefore agree to within the time between two updates, and the differences shrink with each update. Where the quota is
learned, an instance that joins others follows their clock if its own is ahead: for them, a jump of the time would look
like a quota that has become smaller.
"""

from __future__ import annotations

import dataclasses
import uuid
from typing import TYPE_CHECKING, Final, NamedTuple

from bedrock_resilience._errors import StoreUnavailableError
from bedrock_resilience.pacing.shared._booked_limit import MAX_CLOCK_SKEW_SECONDS
from bedrock_resilience.pacing.shared._compare_and_swap import change_pace
from bedrock_resilience.pacing.shared._fair_shares import ABSENCE_SECONDS, used_by, waiting, with_share
from bedrock_resilience.pacing.shared._pace import InstanceShare, SharedPace
from bedrock_resilience.pacing.shared._schedule import RequestOutcome

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Sequence

    from bedrock_resilience.clock import Clock
    from bedrock_resilience.pacing.shared._schedule import Cost, PaceSchedule
    from bedrock_resilience.pacing.shared._stores import PaceStore

_CONTENTION_WAIT_SECONDS: Final = 0.2
"""Wait of a request after other instances were faster in all attempts to book it."""
_MAX_UPDATE_SECONDS: Final = 1.5
"""Time after which no further attempt is made to store an update: a thread, or an event loop, waits for it."""
_MIN_LEAD_SECONDS: Final = 0.05
"""A store that answers within this time is fast: the slots are exact to more than that anyway."""
_MAX_LEAD_SECONDS: Final = 2.0
_LEAD_DECAY: Final = 0.8
_MAX_IN_DOUBT: Final = 64
_MAX_SILENCE_SECONDS: Final = 5.0
"""Seconds for which instances that have requests under way may change nothing."""
_MAX_CLOCK_LEAD_SECONDS: Final = 300.0
"""A clock that is further ahead of the last change says that a new run begins."""


class Update(NamedTuple):
    """What an instance tells the others, and what it books.

    Attributes:
        outcomes: How requests ended.
        costs: The requests to book, in this order.
        waits: Whether more requests wait than these.
    """

    outcomes: tuple[RequestOutcome, ...] = ()
    costs: tuple[Cost, ...] = ()
    waits: bool = False


class Booking(NamedTuple):
    """The result of an update.

    Attributes:
        slots: When the first of the requests may be sent, in shared seconds.
        again_at: When to book the next ones.
    """

    slots: list[float]
    again_at: float


class PaceUpdates:
    """Stores the updates of one instance. Not thread-safe, except for ``shared``.

    Args:
        store: Where the pace is stored.
        key: Its key.
        schedule: The arithmetic.
        instance: The name of this instance, for people who read the store.
        slack: How far this instance may be ahead of others that wait, in seconds of the quota.
        shared_time: Converts the driver's time to the time that the instances share, in seconds.
        clock: Sleeps between attempts.
        rng: The source of jitter of these sleeps.

    Attributes:
        known: The shared state as last seen.
        lead: Seconds that a request to the store takes; 0 if it is fast.
    """

    def __init__(
        self,
        store: PaceStore,
        key: str,
        schedule: PaceSchedule,
        *,
        instance: str,
        slack: float,
        shared_time: Callable[[float], float],
        clock: Clock,
        rng: random.Random,
    ) -> None:
        self._store = store
        self._key = key
        self._schedule = schedule
        self._instance = instance
        self._slack = slack
        self._shared_time = shared_time
        self._clock = clock
        self._rng = rng
        self._id = uuid.uuid4().hex[:12]  # pragma: no mutate - of any length
        self._behind = 0.0  # seconds by which this clock is behind the others
        self._interrupted = False  # pragma: no mutate - as good as None
        self._sequence = 0  # pragma: no mutate - any number of at least 0
        self._in_doubt: list[tuple[int, Update, list[float], int]] = []
        self._slots: list[float]  # of the last attempt
        self._cuts: int  # of the schedule, when these were booked
        self.known: SharedPace = SharedPace()
        self.lead: float = 0.0

    def shared(self, now: float) -> float:
        """Return the time of the shared clock."""
        return self._shared_time(now) + self._behind

    def waiting_instances(self, now: float) -> int:
        """Return how many instances wait, as far as known, this one included."""
        return 1 + len(waiting(self.known, self._id, self.shared(now)))

    def store(self, now: float, update: Update) -> Booking:
        """Store an update, and everything before it that is in doubt.

        Raises:
            StoreUnavailableError: The store was not reached. The update takes effect with a later one, but for what it
                books.
        """
        self._sequence += 1  # pragma: no mutate - any larger number
        sequence = self._sequence
        started = self.shared(now)
        try:
            known, booking = change_pace(
                self._store,
                self._key,
                self.known,
                lambda pace: self._change(pace, now, sequence, update),
                instance=self._instance,
                clock=self._clock,
                rng=self._rng,
                contains=lambda pace: self._applied(pace) >= sequence,
                give_up=lambda: self.shared(now) - started > _MAX_UPDATE_SECONDS,
            )
        except StoreUnavailableError:
            self._keep(sequence, update)
            self._interrupted = True
            raise
        self.known = known
        self._measure(self.shared(now) - started)
        if booking is None:
            self._keep(sequence, update)
            return Booking([], self.shared(now) + _CONTENTION_WAIT_SECONDS)
        self._in_doubt.clear()
        self._interrupted = False  # pragma: no mutate - as good as None
        return booking

    def _keep(self, sequence: int, update: Update) -> None:
        self._in_doubt.append((sequence, update, self._slots, self._cuts))
        del self._in_doubt[:-_MAX_IN_DOUBT]

    def _measure(self, seconds: float) -> None:
        lead = max(seconds, _LEAD_DECAY * self.lead)
        self.lead = 0.0 if lead <= _MIN_LEAD_SECONDS else min(lead, _MAX_LEAD_SECONDS)

    def _applied(self, pace: SharedPace) -> int:
        share = pace.instances.get(self._id)
        return 0 if share is None else share.sequence

    def _change(self, pace: SharedPace, now: float, sequence: int, update: Update) -> tuple[SharedPace, Booking]:
        shared = self._adopt(pace, now)
        applied = self._applied(pace)
        for earlier, kept, slots, cuts in self._in_doubt:
            if earlier < applied:
                continue  # the update with that number has dealt with it
            outcomes = kept.outcomes
            if earlier == applied:  # it took effect, and no request uses the slots that it booked
                booked = zip(slots, kept.costs, strict=False)  # pragma: no mutate - None is as good as False
                outcomes = tuple(RequestOutcome("unsent", slot, cost, cuts=cuts) for slot, cost in booked)
            pace = self._observe(pace, now, outcomes)
        pace = self._observe(pace, now, update.outcomes)
        if self._interrupted:
            pace = self._schedule.interrupted(pace, shared)
        pace, booking = self._book(pace, shared, sequence, update)
        self._slots, self._cuts = booking.slots, self._schedule.cuts(pace)
        return pace, booking

    def _adopt(self, pace: SharedPace, now: float) -> float:
        shared = self.shared(now)
        ahead = pace.at - shared
        # A clock that is further ahead is wrong: no instance follows it.
        behind = ahead > 0  # pragma: no mutate - at 0, nothing is added
        if (behind and ahead <= MAX_CLOCK_SKEW_SECONDS) or (self.known.revision == 0 and _overdue(pace, shared)):
            self._behind += ahead
        return self.shared(now)

    def _observe(self, pace: SharedPace, now: float, outcomes: tuple[RequestOutcome, ...]) -> SharedPace:
        shared = self.shared(now)
        for outcome in outcomes:
            if outcome.kind == "elsewhere":
                outcome = outcome._replace(sent_at=shared - (now - outcome.sent_at))  # noqa: PLW2901 - the same, by the shared clock
            pace = self._schedule.observe(pace, shared, outcome)
        return pace

    def _book(self, pace: SharedPace, shared: float, sequence: int, update: Update) -> tuple[SharedPace, Booking]:
        if not update.costs:
            share = pace.instances.get(self._id, InstanceShare())
            share = dataclasses.replace(share, sequence=sequence, at=shared)
            nothing = Booking([], shared)  # pragma: no mutate - no request reads the time
            return with_share(pace, self._id, shared, share), nothing
        allowed = self._allowed(pace, shared, update.costs)
        others = waiting(pace, self._id, shared)
        seconds = [self._schedule.seconds(pace, shared, cost) for cost in allowed]
        used, _ = used_by(pace, self._id, shared, self._slack)
        pace, slots = self._schedule.book(pace, shared + self.lead, allowed)
        if slots:
            again_at = slots[-1] - self.lead
        elif allowed:
            again_at = self._schedule.again_at(pace, shared, allowed[0])
        else:  # until the instance that is behind books
            back_at = min(share.waits_until for share in others) - ABSENCE_SECONDS
            again_at = max(shared + _CONTENTION_WAIT_SECONDS, back_at)
        waits = update.waits or len(slots) < len(update.costs)
        share = InstanceShare(
            sequence=sequence,
            at=shared,
            used=used + sum(seconds[: len(slots)]),
            waits_until=again_at + self.lead + ABSENCE_SECONDS if waits else 0.0,
        )
        return with_share(pace, self._id, shared, share), Booking(slots, again_at)

    def _allowed(self, pace: SharedPace, shared: float, costs: Sequence[Cost]) -> list[Cost]:
        """Return the first of the requests, as many as the share of this instance has room for."""
        used, most = used_by(pace, self._id, shared, self._slack)
        allowed: list[Cost] = []
        for cost in costs:
            if used >= most:
                break
            allowed.append(cost)
            used += self._schedule.seconds(pace, shared, cost)
        return allowed


def _overdue(pace: SharedPace, shared: float) -> bool:
    """Whether the others should have changed the pace since, by a clock that is new to them: it is ahead of theirs.

    They may as well have had nothing to send. A learned pace is then wrong for some seconds. The schedule of a given
    quota would send what it has not: after a clock that jumps back, requests are due too early.
    """
    if not pace.learned or not pace.instances:
        return False
    latest = max(share.waits_until for share in pace.instances.values())
    return max(latest, pace.at + _MAX_SILENCE_SECONDS) < shared <= pace.at + _MAX_CLOCK_LEAD_SECONDS
