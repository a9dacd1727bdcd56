"""The claims and leases alone: the real ``ResponseCache`` and ``Lease``, used as a batch and a run use them.

A few processes want the same item. Each claims it, is paced, renews the claim, sends the request, and stores the
response or gives the claim back; or it waits for the others. All invariants of one item are here, at some thousands of
schedules a second.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import random
from typing import TYPE_CHECKING, Final

from support.answering import answer
from support.dst.bedrock import Payments
from support.dst.scheduler import Process, Scheduler, ViolationError, Weights
from support.dst.store import CLOCK_SKEW, START, ModelS3, wall_time
from vectora_normalize.normalize.response_cache import CachedResponse, ItemClaim, ResponseCache
from vectora_normalize.storage.expiry import LeaseRecord, RunClock
from vectora_normalize.storage.leases import Lease
from vectora_normalize.storage.objects import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.dst.scheduler import Choices

ATTEMPT_SECONDS: Final = 10.0
CLAIM_SECONDS: Final = 22.5  # as docs/explanation/paid-once.md says: a quarter longer than an attempt, plus 10 s
LEASE_SECONDS: Final = 30.0
KEY: Final = "k"
OBJECT_KEY: Final = f"normalized/c/items/{KEY}.json"
LEASE_KEY: Final = "normalized/c/lease.json"

_SKEWS: Final = (0.0, 2.5, -2.5, 1.0)
_STARTS: Final = (0.0, 0.02, 5.0, 20.0, 24.9, 31.0)
_LIVES: Final = (None, None, None, 15.0, 30.0, 60.0)
_PACING: Final = (0.0, 0.5, 3.0, 9.0, 14.0, 40.0)
_PACED: Final = Weights(50, 10, 15, 10, 10, 5)
_LENGTHS: Final = (1.0, ATTEMPT_SECONDS, 6.0)
_ANSWERED, _THROTTLED, _FAILED = range(3)
_ENDINGS: Final = Weights(80, 12, 8)
_FEW: Final = Weights(50, 25, 15, 10)


def simulate_claims(choices: Choices, *, on_start: Callable[[Scheduler], object] | None = None) -> Scheduler:
    """Run one schedule.

    Args:
        choices: What decides about all that may happen.
        on_start: Called with the scheduler before it runs; it then records its steps.

    Raises:
        ViolationError: An invariant does not hold.
    """
    scheduler = Scheduler(choices, changes=choices.pick(_FEW), kills=choices.pick(_FEW), within=60)
    if on_start is not None:
        scheduler.tracing = True
        on_start(scheduler)
    s3 = ModelS3(scheduler, choices, max_claim_seconds=CLAIM_SECONDS)
    payments = Payments(scheduler, s3)
    rng = random.Random(choices.below(1 << 20))
    actors = [_Actor(scheduler, s3, payments, f"run{n}", choices, rng) for n in range(2 + choices.below(2))]
    try:
        scheduler.run()
        s3.calm_down()
        scheduler.calm = True
        last = _Actor(scheduler, s3, payments, "last", choices, rng, plain=True)
        scheduler.run()
        _check_end(s3, actors, last)
    finally:
        scheduler.close()
    return scheduler


def _check_end(s3: ModelS3, actors: list[_Actor], last: _Actor) -> None:
    """Once there are no faults, an item is answered, at once where no process was killed or saw a fault."""
    scheduler = s3.scheduler
    scheduler.failure = None
    problems: list[str] = []
    if last.process.error is not None:
        problems.append(f"a run without faults fails: {last.process.error!r}")
    elif OBJECT_KEY not in s3.answered:
        problems.append("the item is lost: a run without faults has not answered it")
    peaceful = all(actor.process.ended and actor.process.faults == 0 for actor in actors)
    limit = CLAIM_SECONDS + 4 * CLOCK_SKEW + 5
    if last.waited > (0.0 if peaceful else limit):
        problems.append(f"a run without faults waits {last.waited:.1f} s for runs that have ended")
    if peaceful and last.shared:
        problems.append("the lease of a run that has ended stands")
    if problems:
        raise ViolationError("; ".join(problems))


class _Actor:
    """A run with one item, as ``DeduplicatedBatch`` handles it."""

    def __init__(
        self,
        scheduler: Scheduler,
        s3: ModelS3,
        payments: Payments,
        name: str,
        choices: Choices,
        rng: random.Random,
        *,
        plain: bool = False,
    ) -> None:
        skew = 0.0 if plain else _SKEWS[choices.below(len(_SKEWS))]
        self.process = process = Process(scheduler, name, skew)
        self.waited = 0.0
        self.shared = False
        self._payments = payments
        self._s3 = s3
        self._choices = choices
        self._plain = plain
        self._now = scheduler
        begins = scheduler.now if plain else _STARTS[choices.below(len(_STARTS))]
        lives = None if plain else _LIVES[choices.below(len(_LIVES))]
        if lives is not None:
            process.killed_at = START + dt.timedelta(seconds=begins + lives + skew)
            scheduler.spawn(scheduler.network, f"end of {name}", process.kill, begins + lives)
        store = s3.view(process)

        def main() -> None:
            run_clock = RunClock(wall_time(process), process.clock)
            until = process.killed_at
            cache = ResponseCache(
                store,
                "c",
                run_id=name,
                run_clock=run_clock,
                attempt_seconds=ATTEMPT_SECONDS,
                until=until,
                rng=rng,
            )
            lease = Lease(
                store, LEASE_KEY, owner=name, run_clock=run_clock, until=until, seconds=LEASE_SECONDS, rng=rng
            )
            try:
                self.shared = lease.acquire() is not None
                self._work(cache, lease)
            finally:
                self._release(LEASE_KEY, lease.release)

        process.start(main, begins)

    def _work(self, cache: ResponseCache, lease: Lease) -> None:
        found = cache.get(KEY)
        while not isinstance(found, CachedResponse):
            claim = cache.claim(KEY)
            if isinstance(claim, CachedResponse):
                return
            if isinstance(claim, ItemClaim) and self._call(cache, claim, lease):
                return
            found = self._wait_for_others(cache)

    def _wait_for_others(self, cache: ResponseCache) -> CachedResponse | None:
        """Poll until the claim of another run has become an answer, or has ended."""
        started = self._now.now
        while isinstance(found := cache.get(KEY), LeaseRecord):
            if self.process.faults == 0 and found.owner.startswith(f"{self.process.name}/"):
                self._now.fail(f"{self.process.name} waits for its own claim until {found.expires_at}")
            if found.is_expired(wall_time(self.process), 2 * CLOCK_SKEW):
                self._now.fail(f"{self.process.name} waits for a claim that has expired at {found.expires_at}")
            if self._now.now - started > 5 * CLAIM_SECONDS:
                self._now.fail(f"{self.process.name} has waited for {5 * CLAIM_SECONDS} s for {found}")
            self.process.clock.sleep(1.0)
            self.waited = self._now.now - started
        return found

    def _call(self, cache: ResponseCache, claim: ItemClaim, lease: Lease) -> bool:
        """Carry an item's call through; False where another run has the item by now."""
        choices, clock = self._choices, self.process.clock
        held = claim
        try:
            for _ in range(3):
                if not self._plain:
                    clock.sleep(_PACING[choices.pick(_PACED)])
                lease.renew()
                renewed = cache.renew(held, ATTEMPT_SECONDS)
                if renewed is None:
                    return False
                held = renewed
                seconds = 1.0 if self._plain else _LENGTHS[choices.below(len(_LENGTHS))]
                self._payments.pay(self.process, OBJECT_KEY, seconds)
                ending = _ANSWERED if self._plain else choices.pick(_ENDINGS)
                if ending == _ANSWERED:
                    self._save(cache, held)
                    return True
                if ending == _FAILED:
                    break
        except StoreError:
            pass
        self._release(OBJECT_KEY, lambda: cache.release(held))
        return True

    def _release(self, key: str, release: Callable[[], None]) -> None:
        """Release a claim or a lease. It has ended then, unless the release itself had a fault."""
        process = self.process
        faults = -1 if process.late_requests else process.faults
        with contextlib.suppress(StoreError):
            release()
        if process.faults == faults and not process.dead and self._s3.is_held_by(process, key):
            self._now.fail(f"{process.name} still has what it has released: {key}")

    def _save(self, cache: ResponseCache, claim: ItemClaim) -> None:
        """Store the answer; once more at the end of the batch, where it fails."""
        response = answer(f"by {self.process.name}", START)
        try:
            cache.save(claim, response)
        except StoreError:
            with contextlib.suppress(StoreError):
                cache.save(claim, response)
