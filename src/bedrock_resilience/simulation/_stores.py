"""The store of a shared pace in virtual time: slow, failing, and used by instances whose clocks differ."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bedrock_resilience._checks import number, refuse
from bedrock_resilience._errors import StoreUnavailableError
from bedrock_resilience.simulation._spans import spans_problem

if TYPE_CHECKING:
    from bedrock_resilience.pacing import Pacer, PacerStatus, PaceStore, Reservation
    from bedrock_resilience.pacing.shared import SharedPace
    from bedrock_resilience.quotas import Limit, Usage


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreConditions:
    """How the store behaves through which instances share a pace.

    Args:
        latency: Seconds of a request to it.
        outages: Spans (from, to), in seconds, in which it is unavailable.
        timeout: Seconds after which a request in such a span fails.
        skew: Seconds by which the clock of each instance is ahead of the previous one's.

    Raises:
        TypeError: A field has the wrong type.
        ValueError: A field is negative or not finite, or a span ends before it starts.
    """

    latency: float = 0.0
    outages: tuple[tuple[float, float], ...] = ()
    timeout: float = 1.0
    skew: float = 0.0

    def __post_init__(self) -> None:
        refuse(
            "StoreConditions",
            *(number(name, getattr(self, name), least=0, unit="seconds") for name in ("latency", "timeout", "skew")),
            *spans_problem("outages", self.outages),
        )
        object.__setattr__(self, "outages", tuple(self.outages))


class SimulatedStore:
    """One instance's view of a store: it fails in outages, and counts the seconds that its requests take.

    Args:
        store: The store of all instances.
        conditions: How it behaves.
    """

    def __init__(self, store: PaceStore, conditions: StoreConditions) -> None:
        self._store = store
        self._conditions = conditions
        self.now: float = 0.0
        self.requests: int = 0
        self.failures: int = 0
        self.seconds: float = 0.0
        self.busy_until: float = 0.0

    def compare_and_swap(self, key: str, expected: SharedPace, new: SharedPace, instance: str) -> SharedPace | None:
        """Replace ``expected`` by ``new``, as ``PaceStore`` says."""
        self.requests += 1
        if any(start <= self.now < end for start, end in self._conditions.outages):
            self.failures += 1
            self._took(self._conditions.timeout)
            raise StoreUnavailableError("the simulated store is unavailable")
        self._took(self._conditions.latency)
        return self._store.compare_and_swap(key, expected, new, instance)

    def _took(self, seconds: float) -> None:
        self.seconds += seconds
        self.busy_until = max(self.busy_until, self.now) + seconds  # a pacer calls it from one thread at a time


class StoreBoundPacer:
    """A pacer that waits as long as its store takes: no request is sent before the store has answered.

    Args:
        pacer: The pacer, whose store is ``store``.
        store: Its view of the store.
    """

    def __init__(self, pacer: Pacer, store: SimulatedStore) -> None:
        self._pacer = pacer
        self.store: SimulatedStore = store

    @property
    def requests_per_minute(self) -> float | None:
        """The present rate of all instances together; None if it is not limited."""
        return self.status().requests_per_minute

    def status(self) -> PacerStatus:
        """Return the status of the pacer."""
        return self._pacer.status()  # type: ignore[attr-defined,no-any-return]  # a SharedPacer

    def reserve(self, now: float, tokens: int = 0) -> Reservation:
        """Reserve one request."""
        requests = self._at(now)
        reservation = self._pacer.reserve(now, tokens)
        reservation.wait = max(reservation.wait, self._store_wait(requests, now))
        return reservation

    def due(self, reservation: Reservation, now: float) -> float:
        """Return the seconds still to wait."""
        requests = self._at(now)
        return max(self._pacer.due(reservation, now), self._store_wait(requests, now))

    def answered(self, reservation: Reservation, now: float, usage: Usage | None = None) -> None:
        """The request was admitted."""
        self._at(now)
        self._pacer.answered(reservation, now, usage)

    def throttled(self, reservation: Reservation, now: float, limit: Limit | None = None) -> None:
        """The request was refused for its rate."""
        self._at(now)
        self._pacer.throttled(reservation, now, limit)

    def overloaded(self, reservation: Reservation, now: float) -> None:
        """The service had no capacity."""
        self._at(now)
        self._pacer.overloaded(reservation, now)

    def abandoned(self, reservation: Reservation, now: float) -> None:
        """The request was never sent."""
        self._at(now)
        self._pacer.abandoned(reservation, now)

    def _store_wait(self, requests: int, now: float) -> float:
        """Return the seconds until the store has answered, if this request needed it."""
        return self.store.busy_until - now if self.store.requests > requests else 0.0

    def _at(self, now: float) -> int:
        self.store.now = now
        return self.store.requests
