"""``SharedPacer``: one pace for every process that calls the same model, kept in a shared store.

How it works:

1. A request books a slot in the one schedule of all instances, by a conditional change of one small item
   (``bedrock_resilience.pacing.shared._schedule`` has the arithmetic). Only requests that wait are booked, so an
   instance that crashes, freezes or ends leaves a gap of a few seconds at most.
2. Fair shares result from batches: an instance books as many of its waiting requests as the quota refills in
   ``batch_seconds``, and books again when the last of those is due. So every instance that has something to send gets
   as much as every other, however many workers it has, and what one does not need goes to the rest.
3. A slot that was missed by more than half a second lapses, and the request books another: requests that are delayed
   and then sent all at once would exceed the quota.
4. A throttle ends the burst of all instances at once, and bounds what they send in a minute; see ``BookedLimit``. One
   that this does not explain means that the quota is smaller than given, or that others use it. It lowers the pace,
   which then grows back; see ``RateLimits.throttled``.
5. If the store cannot be reached, each instance continues at a pace that it finds by itself, and tries the store again
   later. Pacing never stops a run.

``reserve`` and ``due`` call the store, one thread at a time, outside of the lock that the other methods take: a few
milliseconds in the region, the store's timeout and the backoff of lost races at worst. On an event loop this blocks the
loop for as long.
"""

from __future__ import annotations

import dataclasses
import logging
import math
import random
import threading
from collections import deque
from typing import TYPE_CHECKING, Final

from bedrock_resilience._checks import Problem, function, has_methods, number, refuse, wrong_value
from bedrock_resilience._checks import instance as instance_of
from bedrock_resilience._errors import StoreUnavailableError
from bedrock_resilience.clock import SYSTEM_CLOCK, wall_clock
from bedrock_resilience.pacing._status import PacerStatus, status_of
from bedrock_resilience.pacing._token_costs import TokenCosts
from bedrock_resilience.pacing._tracked_reservation import TrackedReservation
from bedrock_resilience.pacing.shared._booked_limit import MAX_AHEAD_SECONDS
from bedrock_resilience.pacing.shared._learned_schedule import LearnedSchedule, share_of_learned
from bedrock_resilience.pacing.shared._pace import SharedPace
from bedrock_resilience.pacing.shared._schedule import Cost, RateLimits, RequestOutcome
from bedrock_resilience.pacing.shared._stores import MemoryPaceStore
from bedrock_resilience.pacing.shared._updates import Booking, PaceUpdates, Update
from bedrock_resilience.quotas import settled_tokens
from bedrock_resilience.quotas._quota_limit import MANTLE, SECONDS_A_MINUTE

if TYPE_CHECKING:
    from collections.abc import Callable

    from bedrock_resilience.clock import Clock
    from bedrock_resilience.pacing._protocol import Pacer, Reservation
    from bedrock_resilience.pacing.shared._schedule import PaceSchedule
    from bedrock_resilience.pacing.shared._stores import PaceStore
    from bedrock_resilience.quotas import Limit, Quota, Usage

_LOGGER = logging.getLogger(__name__)
_LATE_TOLERANCE_SECONDS: Final = 0.5
"""By so much a slot may be missed: a thread of a busy Lambda with a fraction of a processor wakes up late."""
_NETWORK_TOLERANCE_SECONDS: Final = 0.05
"""By so much one request may reach the service later than another sent at the same time, as in ``QuotaPacer``."""
_FAIR_BATCHES: Final = 2.0
"""An instance may be ahead of others that wait by so many batches: one booked while theirs are due, one spare."""
_MAX_OUTCOMES: Final = 1_000
"""Of requests sent while the store cannot be reached: those of some minutes. What is older says nothing any more."""
_EPSILON_SECONDS: Final = 1e-6
"""A caller that slept exactly its wait must not have to sleep again because of rounding."""
_START_POLL_SECONDS: Final = 0.1
"""Longest wait of a request that an answer may release."""
_MAX_SLOT_AHEAD_SECONDS: Final = MAX_AHEAD_SECONDS + 60.0
"""No slot lies further ahead, unless this machine's clock has been set back."""
_AT_ONCE: Final = -math.inf
"""No batch is booked: the next request books one."""


def _machine_time(now: float) -> float:  # noqa: ARG001 - the caller's own time says nothing about other machines
    return wall_clock()


class _SharedReservation(TrackedReservation):
    """A reservation with its slot in the shared schedule, or with a reservation of the fallback pacer."""

    __slots__ = ("cost", "cuts", "fallback", "sent_at", "slot")

    def __init__(self, pacer: SharedPacer, tokens: int, cost: Cost) -> None:
        super().__init__(pacer, 0.0, tokens)  # pragma: no mutate - ``due`` sets ``at`` before anyone reads it
        self.cost: Cost = cost
        self.slot: float | None = None  # shared seconds
        self.cuts: int = 0  # of the schedule, when the slot was booked
        self.sent_at: float = 0.0  # pragma: no mutate - shared seconds, set when it is sent
        self.fallback: Reservation | None = None


class SharedPacer:
    """Paces all instances together under one quota, through a store that they share. Thread-safe.

    With a quota: if it is right, no other caller uses it, and the clocks agree to within ``skew``, nothing is
    throttled under a token bucket. The first throttle ends the burst, as in ``QuotaPacer``; later ones correct a quota
    that is too large.

    Without a quota: all instances learn one, of requests and of tokens, from everything that was admitted and refused.
    What they learned stays in the store, and the next run starts with it.

    Args:
        store: The store of the pace: ``S3PaceStore``, ``DynamoPaceStore``, or in one process ``MemoryPaceStore``.
        model: The model id, the key in the store; one quota, one key. Under a quota of ``bedrock-mantle``, which has
            an allocation of its own, the key is the model id and ``@bedrock-mantle``.
        quota: What the account may send, all instances together; None: they learn it. All instances must be given the
            same.
        instance: A name of this instance, for the log and for people who read the store.
        fallback: Makes the pacer for the time in which the store cannot be reached; called when that happens first.
            None: with a quota an ``AdaptivePacer``, without one a pacer that goes on with its share of what was
            learned.
        skew: Seconds by which the clocks of two instances may differ.
        batch_seconds: Seconds of the quota that an instance books at a time.
        retry_after: Seconds after which a store that could not be reached is tried again.
        burndown: Tokens of quota that an output token costs, see ``bedrock_resilience.quotas.burndown_rate``.
        shared_time: Converts the driver's ``now`` to the time that the instances share, in seconds > 0. The default
            returns the machine's wall clock.
        clock: Sleeps between the attempts to change the store while other instances change it, 0.18 s at most.
        rng: The source of jitter of these sleeps.

    Raises:
        TypeError: An argument has the wrong type.
        ValueError: A number is out of range, or ``model`` is empty. Both name every such argument.
    """

    def __init__(  # noqa: PLR0913 - settings by name, each with a default
        self,
        store: PaceStore,
        model: str,
        quota: Quota | None = None,
        *,
        instance: str = "",
        fallback: Callable[[], Pacer] | None = None,
        skew: float = 0.1,
        batch_seconds: float = 3.0,
        retry_after: float = 10.0,
        burndown: float = 5.0,
        shared_time: Callable[[float], float] = _machine_time,
        clock: Clock = SYSTEM_CLOCK,
        rng: random.Random | None = None,
    ) -> None:
        refuse(
            "SharedPacer",
            has_methods("store", store, ("compare_and_swap",), "a PaceStore, such as DynamoPaceStore('table')"),
            instance_of("model", model, str, "the id of the model") or _empty_model(model),
            _check_quota(quota),
            instance_of("instance", instance, str, "a str"),
            function("fallback", fallback, "a function without arguments that returns a pacer, or None", optional=True),
            number("skew", skew, least=0, unit="seconds"),
            number("batch_seconds", batch_seconds, above=0, unit="seconds"),
            number("retry_after", retry_after, above=0, unit="seconds"),
            number("burndown", burndown, above=0),
            function("shared_time", shared_time, "a function of the driver's time that returns seconds"),
            has_methods("clock", clock, ("sleep",), "a Clock"),
            has_methods("rng", rng, ("uniform",), "a random.Random", optional=True),
        )
        self.store = store
        self.model = model
        self.quota = quota
        self.instance = instance
        self._make_fallback = fallback
        self._batch_seconds = batch_seconds
        self._retry_after = retry_after
        self._burndown = burndown
        # The learner corrects what requests claim by itself.
        self._costs = None if quota is None else TokenCosts(quota, burndown)
        self._schedule: PaceSchedule = (
            LearnedSchedule()
            if self._costs is None
            else RateLimits.of(self._costs.quota, _LATE_TOLERANCE_SECONDS + _NETWORK_TOLERANCE_SECONDS + skew)
        )
        self._updates = PaceUpdates(
            store,
            model if quota is None or quota.endpoint != MANTLE else f"{model}@{MANTLE}",
            self._schedule,
            instance=instance,
            slack=_FAIR_BATCHES * batch_seconds,
            shared_time=shared_time,
            clock=clock,
            rng=random.Random() if rng is None else rng,  # noqa: S311 - jitter is not a secret
        )
        self._store_lock = threading.Lock()  # for the calls of the store; acquired before the other one, never after it
        self._lock = threading.Lock()
        self._waiting: deque[_SharedReservation] = deque()
        self._next_batch_at = _AT_ONCE  # shared seconds
        self._outcomes: list[RequestOutcome] = []
        self._booked: dict[_SharedReservation, float] = {}  # the slots of those not sent yet, in the order of booking
        self._fallback: Pacer | None = None
        self._unavailable_until = -math.inf
        self._unavailable = False  # pragma: no mutate - as good as None

    @property
    def shared_requests_per_minute(self) -> float | None:
        """The pace of all instances together, as known to this one; None if requests are not limited."""
        return self._shared_status().requests_per_minute

    def status(self) -> PacerStatus:
        """Return the pace of all instances together, as known to this one, and the quota.

        The confidence is 1 while the pace is that of the quota, with a burst or without. A throttle that shows the
        quota to be smaller lowers it by as much as the pace. While the store cannot be reached, it is the status of the
        fallback.
        """
        if self._unavailable and self._fallback is not None:
            return status_of(self._fallback) or PacerStatus()
        if self._costs is None:
            return self._shared_status()
        return dataclasses.replace(
            self._shared_status(),
            request_limit=self._costs.quota.requests_per_minute,
            token_limit=self._costs.quota.tokens_per_minute,
        )

    def reserve(self, now: float, tokens: int = 0) -> Reservation:
        """Reserve one request. May call the store."""
        with self._lock:
            expected = tokens if self._costs is None else self._costs.expected(tokens)
            tracked = _SharedReservation(self, tokens, Cost(tokens=expected))
            self._waiting.append(tracked)
        tracked.wait = self.due(tracked, now)
        return tracked

    def due(self, reservation: Reservation, now: float) -> float:
        """Return the seconds still to wait; 0 means: send it now. May call the store."""
        tracked = _SharedReservation.of(self, reservation)
        wait = self._known_wait(tracked, now)
        if wait is None:
            with self._store_lock:
                wait = self._known_wait(tracked, now)
                while wait is None:
                    self._update_store(now, self._next_batch(now))
                    wait = self._known_wait(tracked, now)
        tracked.at = now + wait
        return wait

    def answered(self, reservation: Reservation, now: float, usage: Usage | None = None) -> None:
        """Correct what was booked to what the call cost. The store receives it with the next batch."""
        tracked = _SharedReservation.of(self, reservation)
        with self._lock:
            if not self._close(tracked, now):
                return
            used = None if usage is None else self._cost(usage)
            if tracked.fallback is not None and self._fallback is not None:
                self._fallback.answered(tracked.fallback, now, usage)
                self._remember_fallback(tracked, used)
                return
            if used is not None and self._costs is not None:
                self._costs.learn(used, tracked.tokens)
            seconds = max(0.0, now - tracked.at)
            self._outcomes.append(RequestOutcome("answered", tracked.sent_at, tracked.cost, used, seconds=seconds))
            if self._waiting and self._schedule.starting(self._updates.known):
                self._next_batch_at = _AT_ONCE

    def _cost(self, usage: Usage) -> float:
        return settled_tokens(usage, self._burndown) if self._costs is None else self._costs.of(usage)

    def throttled(self, reservation: Reservation, now: float, limit: Limit | None = None) -> None:
        """Lower the pace of all instances. Calls the store, unless another thread does."""
        tracked = _SharedReservation.of(self, reservation)
        with self._lock:
            if not self._close(tracked, now):
                return
            if tracked.fallback is not None and self._fallback is not None:
                # It says nothing about the rate of all instances: each of them sends at its own.
                self._fallback.throttled(tracked.fallback, now, limit)
                return
            self._outcomes.append(
                RequestOutcome("throttled", tracked.sent_at, tracked.cost, limit=limit, cuts=tracked.cuts)
            )
        self._share_outcomes(now)

    def overloaded(self, reservation: Reservation, now: float) -> None:
        """Halve the pace of all instances. Calls the store, unless another thread does."""
        tracked = _SharedReservation.of(self, reservation)
        with self._lock:
            if not self._close(tracked, now):
                return
            if tracked.fallback is not None and self._fallback is not None:
                self._fallback.overloaded(tracked.fallback, now)
                return
            self._outcomes.append(RequestOutcome("overloaded", tracked.sent_at, tracked.cost))
        self._share_outcomes(now)

    def abandoned(self, reservation: Reservation, now: float) -> None:
        """Return its tokens; its slot lapses."""
        tracked = _SharedReservation.of(self, reservation)
        with self._lock:
            if not tracked.close():
                return
            if tracked.fallback is not None and self._fallback is not None:
                self._fallback.abandoned(tracked.fallback, now)
            elif tracked in self._waiting:
                self._waiting.remove(tracked)
            else:
                self._outcomes.append(
                    RequestOutcome("unsent", tracked.slot or tracked.sent_at, tracked.cost, cuts=tracked.cuts)
                )
            self._booked.pop(tracked, None)

    def __repr__(self) -> str:
        return f"SharedPacer({self.store!r}, {self.model!r}, {self.quota!r}, instance={self.instance!r})"

    def _known_wait(self, tracked: _SharedReservation, now: float) -> float | None:
        """Return the seconds still to wait; None if a batch must be booked first."""
        # Read anew each time: a call of the store takes time, which must not be waited for twice.
        shared = self._updates.shared(now)
        with self._lock:
            if tracked.sent or not tracked.open:
                return 0.0
            wait = self._wait(tracked, now, shared)
            if wait is not None and wait <= _EPSILON_SECONDS:  # pragma: no mutate - no wait is as long to the last bit
                tracked.sent, tracked.sent_at = True, shared
                self._booked.pop(tracked, None)
                return 0.0
            return wait

    def _wait(self, tracked: _SharedReservation, now: float, shared: float) -> float | None:
        if tracked.slot is not None:
            earliest = shared - _LATE_TOLERANCE_SECONDS - _EPSILON_SECONDS
            latest = shared + _MAX_SLOT_AHEAD_SECONDS
            if earliest <= tracked.slot <= latest:  # pragma: no mutate - no slot is as far away to the last bit
                return tracked.slot - shared
            self._unbook(tracked)  # missed, or booked by a clock that has been set back since: book another
        if tracked.fallback is None and now < self._unavailable_until:
            tracked.fallback = self._fallback_pacer().reserve(now, tracked.tokens)
            self._waiting.remove(tracked)
        if tracked.fallback is not None:
            if now < self._unavailable_until:
                return self._fallback_pacer().due(tracked.fallback, now)
            # Try the store again, and wait with those that come after it.
            self._fallback_pacer().abandoned(tracked.fallback, now)
            tracked.fallback = None
            self._waiting.append(tracked)
        left = self._next_batch_at - shared
        if not _EPSILON_SECONDS < left <= _MAX_SLOT_AHEAD_SECONDS:  # pragma: no mutate - to the last bit
            return None
        return min(left, _START_POLL_SECONDS) if self._schedule.starting(self._updates.known) else left

    def _unbook(self, tracked: _SharedReservation) -> None:
        if tracked.slot is not None:
            self._outcomes.append(RequestOutcome("unsent", tracked.slot, tracked.cost, cuts=tracked.cuts))
            tracked.slot = None
            del self._booked[tracked]
            self._waiting.appendleft(tracked)

    def _next_batch(self, now: float) -> list[_SharedReservation]:
        """Return the requests to book now: the oldest ones, for ``batch_seconds`` of the quota, but one at least."""
        batch: list[_SharedReservation] = []
        seconds, known, shared = 0.0, self._updates.known, self._updates.shared(now)
        most = self._batch_seconds
        if self.quota is None:  # what is booked ahead by all is sent at a rate that may be found wrong meanwhile
            most /= self._updates.waiting_instances(now)
        with self._lock:
            for tracked in self._waiting:
                seconds += self._schedule.seconds(known, shared, tracked.cost)
                if batch and seconds > most:
                    break
                batch.append(tracked)
        return batch

    def _share_outcomes(self, now: float) -> None:
        """Store them at once; with the next batch where another thread calls the store, or it is unavailable."""
        if now >= self._unavailable_until and self._store_lock.acquire(blocking=False):
            try:
                self._update_store(now, [])
            finally:
                self._store_lock.release()

    def _update_store(self, now: float, batch: list[_SharedReservation]) -> None:
        """Book a batch, and store the outcomes, refunds and unbooked requests since the last update."""
        with self._lock:
            update = Update(
                outcomes=tuple(self._outcomes),
                costs=tuple(tracked.cost for tracked in batch),
                waits=len(self._waiting) > len(batch),
            )
            self._outcomes = []
        cuts = self._schedule.cuts(self._updates.known)
        try:
            booking = self._updates.store(now, update)
        except StoreUnavailableError as error:
            self._store_failed(now, error)
            return
        with self._lock:
            self._store_answered()
            lowered = self._schedule.cuts(self._updates.known) != cuts
            if lowered:  # the slots that were booked before are too close together
                booked = sorted(self._booked, key=self._booked.__getitem__)
                while booked:
                    self._unbook(booked.pop())
            if batch:
                self._assign(batch, booking)
            if lowered:
                self._next_batch_at = _AT_ONCE

    def _assign(self, batch: list[_SharedReservation], booking: Booking) -> None:
        cuts = self._schedule.cuts(self._updates.known)
        self._next_batch_at = booking.again_at
        for tracked, slot in zip(batch, booking.slots, strict=False):  # pragma: no mutate - None is as good as False
            if tracked in self._waiting:  # else it was closed in between, and its slot lapses
                self._waiting.remove(tracked)
                self._booked[tracked] = tracked.slot = slot
                tracked.cuts = cuts
            else:
                self._outcomes.append(RequestOutcome("unsent", slot, tracked.cost, cuts=cuts))

    def _close(self, tracked: _SharedReservation, now: float) -> bool:
        was_open = tracked.close()
        if was_open and not tracked.sent:  # without a call of due()
            tracked.sent_at = self._updates.shared(now)
            if tracked in self._waiting:
                self._waiting.remove(tracked)
                self._outcomes.append(RequestOutcome("sent", tracked.sent_at, tracked.cost))
        self._booked.pop(tracked, None)
        return was_open

    def _remember_fallback(self, tracked: _SharedReservation, used: float | None) -> None:
        """Tell the others later what was admitted without the store, where the quota is learned."""
        if self.quota is None:
            self._outcomes.append(RequestOutcome("elsewhere", tracked.at, tracked.cost, used))
            del self._outcomes[:-_MAX_OUTCOMES]

    def _store_failed(self, now: float, error: StoreUnavailableError) -> None:
        with self._lock:
            self._unavailable_until = now + self._retry_after
            was_available, self._unavailable = not self._unavailable, True
        if was_available:
            _LOGGER.warning(
                "the store of the shared pace of %s is unavailable, %s continues at its own pace: %s",
                self.model,
                self._this_instance(),
                error,
            )

    def _store_answered(self) -> None:
        if self._unavailable:
            self._unavailable = False  # pragma: no mutate - as good as None
            _LOGGER.info(
                "the store of the shared pace of %s is available again, %s shares the pace",
                self.model,
                self._this_instance(),
            )

    def _this_instance(self) -> str:
        return f"instance {self.instance!r}" if self.instance else "this instance"

    def _shared_status(self) -> PacerStatus:
        known = self._updates.known
        return self._schedule.status(known, known.at)

    def _fallback_pacer(self) -> Pacer:
        if self._fallback is None:
            self._fallback = (self._make_fallback or self._default_fallback)()
        return self._fallback

    def _default_fallback(self) -> Pacer:
        """Return a pacer that goes on with this instance's share of what was learned."""
        known = self._updates.known
        if self.quota is not None or not known.learned:
            from bedrock_resilience.pacing._adaptive import AdaptivePacer  # noqa: PLC0415 - most stores can be reached

            return AdaptivePacer()
        store = MemoryPaceStore()
        instances = sum(share.at > known.at - SECONDS_A_MINUTE for share in known.instances.values())
        store.compare_and_swap(self.model, SharedPace(), share_of_learned(known, 1.0 / max(1, instances)))
        return SharedPacer(store, self.model, burndown=self._burndown, shared_time=self._updates.shared)


def _check_quota(given: object) -> Problem | None:
    if given is None:
        return None
    from bedrock_resilience.quotas import Quota  # noqa: PLC0415 - who has one has loaded it

    return instance_of("quota", given, Quota, "a Quota, such as Quota(requests_per_minute=50), or None")


def _empty_model(model: str) -> Problem | None:
    return None if model else wrong_value("model", model, "the id of the model")


if TYPE_CHECKING:
    _conforms: Pacer = SharedPacer(MemoryPaceStore(), "model")
