"""`SharedPacer`: one pace for every process that calls the same model, kept in a shared table.

How it goes:

1. A request that wants to be sent books a place in the one schedule of all instances, by a conditional change of one
   small item (`bedrock_resilience.pacing.shared._schedule` has the arithmetic). Nothing is booked in advance of the
   requests that wait, so an instance that crashes, freezes or ends leaves a gap of a few seconds at most.
2. Fair shares come from taking turns: an instance books for as many of its waiting requests as the quota refills in
   `turn` seconds, and books again when the last of those is due. So every instance that has something to send gets as
   much as every other, however many workers it has, and what one does not need goes to the rest.
3. A place that was missed by more than half a second lapses, and the request books another: requests that are held up
   and then sent all at once would exceed the quota.
4. A throttle means that the quota is smaller than told, or that others use it. It lowers the pace for all instances at
   once, which then grows back; see `Lines.throttled`.
5. Where the table cannot be reached, each instance goes on at a pace that it finds by itself, and tries the table again
   later. Pacing never stops a run.

The table is asked inside of `reserve` and `due`, by one thread at a time, outside of the lock that the other methods
take: a few milliseconds in the region, the table's timeout at worst. On an event loop that blocks the loop for as long.
"""

from __future__ import annotations

import dataclasses
import logging
import math
import threading
from collections import deque
from typing import TYPE_CHECKING, Final

from bedrock_resilience._errors import StoreUnavailableError
from bedrock_resilience.clock import wall_clock
from bedrock_resilience.pacing._adaptive import AdaptivePacer
from bedrock_resilience.pacing._protocol import Reservation
from bedrock_resilience.pacing.shared._schedule import LONGEST, UNLIMITED, Cost, Lines, SharedPace
from bedrock_resilience.quotas import settled_tokens
from bedrock_resilience.quotas._quota import SECONDS_A_MINUTE

if TYPE_CHECKING:
    from collections.abc import Callable

    from bedrock_resilience.pacing._protocol import Pacer
    from bedrock_resilience.pacing.shared._stores import SharedTable
    from bedrock_resilience.quotas import Quota, Usage

_LOGGER = logging.getLogger(__name__)
_LATE: Final = 0.5
"""Seconds by which a place may be missed: a thread of a busy Lambda with a fraction of a processor wakes up late."""
_DELAY: Final = 0.05
"""Seconds by which one request may reach the service later than another sent at the same time, as in `QuotaPacer`."""
_TRIES: Final = 8
"""Conditional changes tried in a row. Each one that fails means that another instance has succeeded."""
_CONTENDED: Final = 0.2
"""Seconds to wait after that."""
_NO_TIME: Final = 1e-6
"""Seconds; whoever slept exactly as long as told must not be sent to sleep again for the rounding of the sums."""
_FAR: Final = LONGEST + 60.0
"""Seconds ahead that nothing can lie, unless this machine's clock has been put back."""
_FIRST_RATIO: Final = 1.5
"""What a call is expected to cost, over its reservation, before any was answered, as in `QuotaPacer`."""
_FORGET: Final = 0.01
"""Share by which the ratio of settlement to reservation sinks with each call that needed less, as in `QuotaPacer`."""


def _machine_time(now: float) -> float:  # noqa: ARG001 - the caller's own time says nothing about other machines
    return wall_clock()


class _Booking(Reservation):
    """A reservation with its place in the shared schedule, or with one of the fallback's."""

    __slots__ = ("cost", "fallback", "open", "pacer", "sent_at", "slot")

    def __init__(self, pacer: SharedPacer, at: float, tokens: int, cost: Cost) -> None:
        super().__init__(0.0, at, tokens)
        self.pacer = pacer
        self.cost = cost
        self.slot: float | None = None  # shared seconds
        self.sent_at: float | None = None  # shared seconds
        self.fallback: Reservation | None = None
        self.open = True


class SharedPacer:
    """Paces all instances together under one quota, through a table that they share. Thread-safe.

    As long as the quota is right, nobody else uses it, and the clocks agree to within `skew`, nothing is throttled. A
    quota that is too large is found out by the first throttles. Where nothing is known, `AdaptivePacer` needs no table.

    Args:
        table: Where the pace is kept: `DynamoTable`, or `MemoryTable` for pacers of one process.
        model: The model id, the key in the table; one quota, one key.
        quota: What the account may send, all instances together. Every instance must be told the same.
        instance: A name of this instance, for the log and for whoever looks at the table.
        fallback: Makes the pacer for the time in which the table cannot be reached; called when that happens first.
        skew: Seconds by which the clocks of two instances may differ.
        turn: Seconds of the quota that an instance books at a time.
        retry_after: Seconds after which a table that could not be reached is tried again.
        burndown: Tokens of quota that an output token costs, see `bedrock_resilience.quotas.burndown_rate`.
        wall: What the clock that the instances share shows when the driver's shows `now`: seconds, > 0. The default is
            the machine's clock.

    Raises:
        ValueError: skew, turn, retry_after or burndown lies outside its range, or model is empty; the message names it.
    """

    def __init__(  # noqa: PLR0913 - settings by name, each with a default; who they are for is told apart by it
        self,
        table: SharedTable,
        model: str,
        quota: Quota,
        *,
        instance: str = "",
        fallback: Callable[[], Pacer] = AdaptivePacer,
        skew: float = 0.1,
        turn: float = 3.0,
        retry_after: float = 10.0,
        burndown: float = 5.0,
        wall: Callable[[float], float] = _machine_time,
    ) -> None:
        _check(model, skew=skew, turn=turn, retry_after=retry_after, burndown=burndown)
        self.table = table
        self.model = model
        self.quota = quota
        self.instance = instance
        self._make_fallback = fallback
        self._turn = turn
        self._retry_after = retry_after
        self._burndown = burndown
        self._wall = wall
        self._lines = Lines.of(quota, _LATE + _DELAY + skew)
        self._ratio = max(1.0, min(_FIRST_RATIO, burndown))
        self._asking = threading.Lock()  # who talks to the table; taken before the other one, never after it
        self._lock = threading.Lock()
        self._seen = SharedPace()
        self._waiting: deque[_Booking] = deque()
        self._turn_ends = -math.inf
        self._news: list[tuple[Callable[[SharedPace, float, float], SharedPace], float]] = []
        self._owed: list[Cost] = []
        self._back = 0.0
        self._fallback: Pacer | None = None
        self._down_until = -math.inf
        self._down = False

    @property
    def shared_requests_per_minute(self) -> float | None:
        """The pace of all instances together, as of the last look; None where requests are not limited."""
        if self._lines.requests == UNLIMITED:
            return None
        return self._seen.factor_at(self._seen.at) * SECONDS_A_MINUTE / self._lines.requests.interval

    def reserve(self, now: float, tokens: int = 0) -> Reservation:
        """Book a place; may ask the table."""
        with self._lock:
            booking = _Booking(self, now, tokens, Cost(tokens=tokens * self._ratio))
            self._waiting.append(booking)
        booking.wait = self.due(booking, now)
        return booking

    def due(self, reservation: Reservation, now: float) -> float:
        """Seconds still to wait; 0 means: send it now. May ask the table."""
        booking = self._own(reservation)
        wait = self._known_wait(booking, now)
        if wait is None:
            with self._asking:
                wait = self._known_wait(booking, now)
                while wait is None:
                    self._ask(now, self._next_turn())
                    wait = self._known_wait(booking, now)
        booking.at = now + wait
        return wait

    def answered(self, reservation: Reservation, now: float, usage: Usage | None = None) -> None:
        """Correct what was booked to what the call cost; the table is told with the next booking."""
        booking = self._own(reservation)
        with self._lock:
            if not self._close(booking, now):
                return
            if booking.fallback is not None and self._fallback is not None:
                self._fallback.answered(booking.fallback, now, usage)
            elif usage is not None:
                cost = settled_tokens(usage, self._burndown)
                self._back += booking.cost.tokens - cost
                if booking.tokens > 0:
                    needed = max(1.0, cost / booking.tokens)
                    self._ratio = max(needed, self._ratio + _FORGET * (needed - self._ratio))

    def throttled(self, reservation: Reservation, now: float) -> None:
        """Lower the pace of all instances. Asks the table, unless another thread is about to."""
        booking = self._own(reservation)
        with self._lock:
            if not self._close(booking, now):
                return
            if booking.fallback is not None and self._fallback is not None:
                self._fallback.throttled(booking.fallback, now)
                return
            self._back += booking.cost.tokens  # a refused request costs no tokens
            self._news.append((self._lines.throttled, booking.sent_at or 0.0))
        self._spread(now)

    def overloaded(self, reservation: Reservation, now: float) -> None:
        """Halve the pace of all instances. Asks the table, unless another thread is about to."""
        booking = self._own(reservation)
        with self._lock:
            if not self._close(booking, now):
                return
            if booking.fallback is not None and self._fallback is not None:
                self._fallback.overloaded(booking.fallback, now)
                return
            self._news.append((self._lines.overloaded, booking.sent_at or 0.0))
        self._spread(now)

    def abandoned(self, reservation: Reservation, now: float) -> None:
        """Give its tokens back; its place lapses."""
        booking = self._own(reservation)
        with self._lock:
            if not booking.open:
                return
            booking.open = False
            if booking.fallback is not None and self._fallback is not None:
                self._fallback.abandoned(booking.fallback, now)
            elif booking in self._waiting:
                self._waiting.remove(booking)
            else:
                self._back += booking.cost.tokens

    def __repr__(self) -> str:
        return f"SharedPacer({self.table!r}, {self.model!r}, {self.quota!r}, instance={self.instance!r})"

    def _own(self, reservation: Reservation) -> _Booking:
        if not isinstance(reservation, _Booking) or reservation.pacer is not self:
            raise TypeError(f"reservation: got {reservation!r}; accepted: what this pacer's reserve() returned")
        return reservation

    def _known_wait(self, booking: _Booking, now: float) -> float | None:
        """Seconds still to wait; None if only the table can tell."""
        # Read anew each time: asking the table takes time, which must not be waited for twice.
        shared = self._wall(now)
        with self._lock:
            if booking.sent_at is not None or not booking.open:
                return 0.0
            wait = self._wait(booking, now, shared)
            if wait is not None and wait <= _NO_TIME:
                booking.sent_at = shared
                return 0.0
            return wait

    def _wait(self, booking: _Booking, now: float, shared: float) -> float | None:
        if booking.slot is not None:
            # Missed, or set by a clock that has been put back since: book another.
            if not shared - _LATE - _NO_TIME <= booking.slot <= shared + _FAR:
                booking.slot = None
                self._back += booking.cost.tokens
                self._waiting.appendleft(booking)
            else:
                return booking.slot - shared
        if booking.fallback is None and now < self._down_until:
            booking.fallback = self._own_pace().reserve(now, booking.tokens)
            self._waiting.remove(booking)
        if booking.fallback is not None:
            return self._own_pace().due(booking.fallback, now)
        left = self._turn_ends - shared
        return left if _NO_TIME < left <= _FAR else None

    def _next_turn(self) -> list[_Booking]:
        """Who books now: those that wait longest, as many as the turn holds, but one at least."""
        chosen: list[_Booking] = []
        seconds = 0.0
        with self._lock:
            for booking in self._waiting:
                cost = booking.cost
                seconds += max(cost.requests * self._lines.requests.interval, cost.tokens * self._lines.tokens.interval)
                if chosen and seconds > self._turn:
                    break
                chosen.append(booking)
        return chosen

    def _spread(self, now: float) -> None:
        """Tell the table at once; with the next booking if somebody is there already, or it is out of reach."""
        if now >= self._down_until and self._asking.acquire(blocking=False):
            try:
                self._ask(now, [])
            finally:
                self._asking.release()

    def _ask(self, now: float, bookings: list[_Booking]) -> None:
        with self._lock:
            news, self._news = self._news, []
            owed, self._owed = self._owed, []
            back, self._back = self._back, 0.0

        def change(pace: SharedPace, shared: float) -> tuple[SharedPace, list[float]]:
            for what, sent in news:
                pace = what(pace, shared, sent)
            pace = self._lines.give_back(pace, shared, back)
            # Those that were sent without asking take their places first; they are not waited for.
            pace, _ = self._lines.book(pace, shared, owed)
            return self._lines.book(pace, shared, [booking.cost for booking in bookings])

        try:
            slots = self._exchange(now, change)
        except StoreUnavailableError as error:
            self._go_on_alone(now, error)
            return
        with self._lock:
            self._come_back()
            if slots is None:
                self._news, self._owed, self._back = news + self._news, owed + self._owed, back + self._back
                self._turn_ends = self._wall(now) + _CONTENDED
            elif bookings:
                self._hand_out(bookings, slots, self._wall(now))

    def _exchange(
        self, now: float, change: Callable[[SharedPace, float], tuple[SharedPace, list[float]]]
    ) -> list[float] | None:
        """The places booked; None if others were quicker again and again."""
        for _ in range(_TRIES):
            seen = self._seen
            changed, slots = change(seen, self._wall(now))
            new = dataclasses.replace(changed, revision=seen.revision + 1)
            there = self.table.exchange(self.model, seen, new, self.instance)
            if there is None:
                self._seen = new
                return slots
            self._seen = there
        return None

    def _hand_out(self, bookings: list[_Booking], slots: list[float], shared: float) -> None:
        self._turn_ends = max(slots, default=shared + LONGEST)
        for booking, slot in zip(bookings, slots, strict=False):
            if booking in self._waiting:  # else it was closed meanwhile, and its place lapses
                self._waiting.remove(booking)
                booking.slot = slot
            else:
                self._back += booking.cost.tokens

    def _close(self, booking: _Booking, now: float) -> bool:
        was_open, booking.open = booking.open, False
        if was_open and booking.sent_at is None:  # without asking whether it was due
            booking.sent_at = self._wall(now)
            if booking in self._waiting:
                self._waiting.remove(booking)
                self._owed.append(booking.cost)
        return was_open

    def _go_on_alone(self, now: float, error: StoreUnavailableError) -> None:
        with self._lock:
            self._down_until = now + self._retry_after
            first, self._down = not self._down, True
        if first:
            _LOGGER.warning(
                "shared pace of %s out of reach for instance %r, going on at its own pace: %s",
                self.model,
                self.instance,
                error,
            )

    def _come_back(self) -> None:
        if self._down:
            self._down = False
            _LOGGER.info("shared pace of %s is within reach of instance %r again", self.model, self.instance)

    def _own_pace(self) -> Pacer:
        if self._fallback is None:
            self._fallback = self._make_fallback()
        return self._fallback


def _check(model: str, **numbers: float) -> None:
    if not model:
        raise ValueError(f"SharedPacer.model: got {model!r}; accepted: the id of the model")
    for name, given in numbers.items():
        least = ">= 0" if name == "skew" else "> 0"
        if not (given > 0 or (given == 0 and name == "skew")) or given == math.inf:
            raise ValueError(f"SharedPacer.{name}: got {given!r}; accepted: a finite number {least}")


if TYPE_CHECKING:
    from bedrock_resilience.pacing.shared._stores import MemoryTable
    from bedrock_resilience.quotas._quota import Quota as _Quota

    _conforms: Pacer = SharedPacer(MemoryTable(), "model", _Quota())
