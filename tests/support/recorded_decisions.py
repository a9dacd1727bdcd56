"""What the pacers, their learners and the quotas decide about single requests: a record like that of whole runs.

Drawn operations, at times that lie exactly on the limits of the pacers: so many seconds after an earlier operation as
one of their constants says. ``make runs`` writes the record that the unit tests of the pacers compare with.
"""

from __future__ import annotations

import functools
import json
import logging
import math
import random
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from bedrock_resilience.pacing import (
    AdaptiveConfig,
    AdaptivePacer,
    MemoryPaceStore,
    QuotaPacer,
    SharedPacer,
    StoreUnavailableError,
)
from bedrock_resilience.pacing._learner import Learner
from bedrock_resilience.pacing._limit_learner import LimitLearner
from bedrock_resilience.pacing._minute_log import MinuteLog
from bedrock_resilience.pacing._single_permit import SinglePermitTest
from bedrock_resilience.pacing._status import status_of
from bedrock_resilience.pacing._token_costs import TokenCosts
from bedrock_resilience.pacing._window_reading import WindowReading
from bedrock_resilience.pacing.shared._learned_schedule import LearnedSchedule
from bedrock_resilience.pacing.shared._pace import SharedPace, to_json
from bedrock_resilience.pacing.shared._schedule import Cost, RateLimits, RequestOutcome
from bedrock_resilience.quotas import Limit, Quota, QuotaLedger, TokenBucket, Usage
from bedrock_resilience.quotas._limiters import FixedWindow, RefilledBucket, SlidingWindow
from bedrock_resilience.testing import FakeClock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from bedrock_resilience.pacing import Pacer, Reservation
    from bedrock_resilience.pacing.shared._schedule import OutcomeKind, PaceSchedule
    from bedrock_resilience.quotas import QuotaAdmission
    from bedrock_resilience.quotas._limiters import RateLimiter

T = TypeVar("T")

RECORD = Path(__file__).parents[1] / "recorded_decisions.txt"

_SEEDS = 100
_STEPS = 70
_OFFSETS = (0.0, 0.05, 0.2, 0.25, 0.3, 0.5, 0.65, 0.8, 1.0, 1.1, 1.3, 1.8, 3.0, 8.0, 10.0, 20.0, 58.0, 59.0, 60.0, 61.0)
_AMOUNTS = (100, 500, 1_000, 5_000)
_LIMITS = (None, None, Limit.REQUESTS_PER_MINUTE, Limit.TOKENS_PER_MINUTE)

_QUOTAS = {
    "50 a minute": Quota(requests_per_minute=50, burst=5),
    "12 a minute without a burst": Quota(requests_per_minute=12, burst=1),
    "1 a minute": Quota(requests_per_minute=1, burst=1),
    "tokens": Quota(tokens_per_minute=20_000),
    "both": Quota(requests_per_minute=30, tokens_per_minute=40_000),
    "tokens a day": Quota(requests_per_minute=60, tokens_per_day=100_000),
    "mantle": Quota.mantle(input_tokens_per_minute=30_000, output_tokens_per_minute=6_000),
}

_READINGS = (
    "bucket",
    "bucket:1",
    "refill:7",
    "fixed:37",
    "sliding",
    "refusals-count",
    "refill:7+refusals-count",
    "fixed:37+refusals-count",
    "sliding+refusals-count",
    "halved",
    "fixed+halved",
    "other-tenants",
    "sliding+other-tenants+refusals-count",
)


class _Draw:
    """Drawn values, the same with every version of Python."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self.now = 0.0
        self._times = [0.0]

    def share(self) -> float:
        return self._random.random()

    def one_of(self, values: Sequence[T]) -> T:
        return values[int(self._random.random() * len(values))]

    def advance(self, due_at: float) -> float:
        """Go on to where a request is due, or to a limit after one of the last times; return the time."""
        if self.share() < 0.5 and self.now <= due_at < self.now + 200.0:
            self.now = due_at
        else:
            self.now = max(self.now, self.one_of(self._times) + self.one_of(_OFFSETS))
        self._times = [*self._times[-4:], self.now]
        return self.now


class _UnreliableStore(MemoryPaceStore):
    """A store that cannot be reached at some of the calls."""

    def __init__(self, draw: _Draw) -> None:
        super().__init__()
        self._draw = draw

    def compare_and_swap(
        self, key: str, expected: SharedPace, new: SharedPace, instance: str = ""
    ) -> SharedPace | None:
        if self._draw.share() < 0.04:
            raise StoreUnavailableError("away")
        return super().compare_and_swap(key, expected, new, instance)


def lines() -> Iterator[tuple[str, Callable[[], str]]]:
    """The name of each line of the record, and what returns its text."""
    for seed in range(_SEEDS):
        for name, tokens in (("requests", False), ("tokens", True)):
            yield f"LimitLearner, {name}, {seed}", functools.partial(_limit_learner, seed, tokens=tokens)
        yield f"WindowReading, {seed}", functools.partial(_window_reading, seed)
        yield f"SinglePermitTest, {seed}", functools.partial(_single_permit, seed)
        yield f"QuotaLedger, {seed}", functools.partial(_ledger, seed)
        yield f"RateLimiter, {seed}", functools.partial(_limiter, seed)
        yield f"Learner, {seed}", functools.partial(_learner, seed)
        yield f"AdaptivePacer, {seed}", functools.partial(_pacers, seed, _adaptive)
        yield f"SharedPacer, {seed}", functools.partial(_pacers, seed, functools.partial(_shared, quota=None))
        quota = list(_QUOTAS)[seed % len(_QUOTAS)]
        yield f"RateLimits, {quota}, {seed}", functools.partial(_schedule, seed, _QUOTAS[quota])
        yield f"LearnedSchedule, {seed}", functools.partial(_schedule, seed, None)
        for name, make in (("QuotaPacer", _known), ("SharedPacer", _shared)):
            made = functools.partial(make, quota=_QUOTAS[quota])
            yield f"{name}, {quota}, {seed}", functools.partial(_pacers, seed, made)


def _limit_learner(seed: int, *, tokens: bool) -> str:
    draw, config, states = _Draw(seed), AdaptiveConfig(), _States()
    learner = LimitLearner(config, tokens=tokens)
    states.add([learner.to_dict()])
    sent: list[tuple[float, float]] = []
    refuses = draw.one_of((0.1, 0.3, 0.6))
    for step in range(_STEPS):
        amount = float(draw.one_of(_AMOUNTS)) if tokens else 1.0
        now = draw.advance(learner.due_at(draw.now, amount, 1.0))
        roll = draw.share()
        if roll < 0.9 or not sent:
            learner.sent(now, amount)
            sent = [*sent[-3:], (now, amount)]
            if draw.share() < refuses:
                at, amount = sent.pop(-1 if draw.share() < 0.8 else 0)
                learner.refused(at, draw.advance(now + 0.2), amount)
        elif roll < 0.92:
            learner.unsent(*sent.pop())
        elif roll < 0.95:
            learner.corrected(draw.one_of(sent)[0], draw.one_of((-0.5, 0.25)) * amount)
        elif roll < 0.98:
            learner.admitted_elsewhere(draw.one_of(sent)[0], amount)
        else:
            learner.interrupted(now)
        if step % 20 == 19:
            learner = LimitLearner.from_dict(json.loads(json.dumps(learner.to_dict())), config, tokens=tokens)
        now = draw.now
        dues = [learner.due_at(now, amount, factor) for factor in (1.0, 0.5)]
        flags = (learner.reading, learner.confidence, learner.pairs, learner.probing)
        states.add([learner.to_dict(), dues, learner.rate(now), learner.mean_rate(now), *flags])
    return f"{states}, at {draw.now:.3f} {60 * learner.mean_rate(draw.now):.4g} a minute, {learner.reading}"


def _window_reading(seed: int) -> str:
    draw, states = _Draw(seed), _States()
    reading, log = WindowReading(tokens=seed % 2 == 1), MinuteLog()
    reading.limit = draw.one_of((0.0, 0.0, 10.0, 50.0))
    amount = draw.one_of((1.0, 2.0, 4.0))
    total, consecutive = 0.0, 0
    for _ in range(_STEPS):
        now = draw.advance(math.inf)
        level = amount * draw.one_of((2.0, 3.0, 4.0, 9.0, 10.0, 48.5, 50.0, 52.0, 53.0))
        roll = draw.share()
        if roll < 0.4:
            consecutive += 1
            most, oldest = level + amount * draw.one_of((0, 1)), draw.one_of((None, now - 58.0, now - 59.0, now - 30.0))
            reading.refused(now, level, most, amount, oldest, consecutive=consecutive)
            cuts = draw.one_of((1, 4, 5))
            seconds = draw.one_of((0.5, 2.0, 30.0, 90.0))
            states.add([reading.pause(now, seconds, draw.one_of((0.0, 2.0)), consecutive=consecutive, cuts=cuts)])
        elif roll < 0.7:
            total += amount * draw.one_of((1, 4, 20))
            log.add(now, amount)
            states.add([reading.recovered(now, level, total, consecutive=max(1, consecutive))])
            consecutive = 0
        elif roll < 0.75:
            reading.admitted(now, level)
        elif roll < 0.8:
            reading.exceeded(level)
        elif roll < 0.85:
            reading.exclude(now - draw.one_of((0.0, 0.5, 59.5, 60.0, 61.0)), amount)
        elif roll < 0.9:
            reading.used(level)
        elif roll < 0.92:
            reading.restart()
        elif roll < 0.95:
            reading.since = now
        later = now + draw.one_of(_OFFSETS)
        states.add(
            [reading.to_dict(), reading.possible, reading.likely, reading.limit_at(later), reading.seconds(later)]
        )
        contradicts = [
            reading.amount > 0 and reading.contradicts_bucket(at, total + amount * more)
            for at in (now, now + 20.0, now + 60.0)
            for more in (0, 2, 3, 4, 8, 20, 40)
        ]
        states.add([contradicts, [reading.free_at(now, size, log) for size in (amount, 8.0, 99.0)]])
    return f"{states}, {reading.sliding}, {reading.ends:x}"


def _single_permit(seed: int) -> str:
    draw, states = _Draw(seed), _States()
    test = SinglePermitTest()
    cut_at = -math.inf
    for _ in range(_STEPS):
        now = draw.advance(draw.now + draw.one_of((0.001, 0.125, 0.25, 0.251, 1.0, 1.25)))
        rate = draw.one_of((0.5, 2.0, 2.5))
        wanted = test.wanted(rate)
        test.sent(now, cut_at, rate)
        states.add([wanted, test.to_dict(), test.bounds(now + draw.one_of((0.25, 1.0)), rate)])
        if draw.share() < 0.3:
            test.refused(now + draw.one_of((0.0, 0.0, 0.001, 0.0005)))
            cut_at = draw.one_of((now, now + 0.25, cut_at))
    return f"{states}, {test.single}"


def _ledger(seed: int) -> str:
    draw, states = _Draw(seed), _States()
    reading, model = _READINGS[seed % len(_READINGS)], "amazon.nova-lite"
    quota = draw.one_of(list(_QUOTAS.values()))
    ledger = QuotaLedger(quota, reading=reading, start=draw.one_of((None, 0.0, -25.0)), seed=seed)
    admitted: list[QuotaAdmission] = []
    wait, requests = math.inf, 0
    for _ in range(_STEPS):
        now = draw.advance(draw.now + wait)
        at = now - draw.one_of((0.0,) * 9 + (1.0,))  # some on a clock that went back
        roll = draw.share()
        if roll < 0.6 or not admitted:
            tokens = draw.one_of((0, *_AMOUNTS))
            for _ in range(draw.one_of((1, 1, 5, 60))):
                admission = ledger.admit(at, model, tokens)
                wait, by = admission.retry_after, admission.throttled_by
                states.add([admission.admitted, wait, by and by.name])
                requests += admission.admitted
                admitted += [admission] if admission.admitted else []
        elif roll < 0.95:
            admission = admitted.pop(int(draw.share() * len(admitted)))
            generated = ledger.generate(admission, at, draw.one_of((50, 500, 5_000)))
            usage = Usage(draw.one_of((50, 400, 2_000)), max(1, generated))
            states.add([generated, ledger.settle(admission, at, draw.one_of((None, usage, usage)))])
        elif roll < 0.99:
            ledger.change(draw.one_of((quota, *_QUOTAS.values())), at)
        else:
            ledger.change(quota, draw.one_of((None, at)), reading=draw.one_of(_READINGS))
        states.add([ledger.level(at, model, limit) for limit in Limit])
    return f"{states}, {requests} admitted in {draw.now:.3f} s under {reading}"


def _limiter(seed: int) -> str:
    draw, states = _Draw(seed), _States()
    kinds: list[Callable[[], RateLimiter]] = [
        lambda: TokenBucket(1.0, 5.0),
        lambda: FixedWindow(1.0, 7.0),
        lambda: RefilledBucket(1.0, 60.0, 7.0),
        lambda: SlidingWindow(1.0),
    ]
    limiter = kinds[seed % len(kinds)]()
    for _ in range(_STEPS):
        amount = draw.one_of((0.5, 1.0, 2.0, 4.0, 5.0, 59.0, 60.0, 61.0))
        now = draw.advance(draw.now + limiter.wait(draw.now, amount))
        roll = draw.share()
        if roll < 0.7 and (roll > 0.65 or limiter.fits(now, amount)):
            limiter.debit(now, amount)
        elif roll < 0.8:
            limiter.correct(now, now - draw.one_of(_OFFSETS), draw.one_of((-2.0, -0.5, 0.5, 2.0)))
        elif roll < 0.9:
            limiter.penalise(now, amount)
        elif roll < 0.93:
            limiter.resize(now, *draw.one_of(((1.0, 5.0), (0.5, 5.0), (2.0, 120.0))))
        at = now + draw.one_of(_OFFSETS)
        states.add([limiter.level(now), limiter.fits(now), limiter.wait(now), limiter.wait(now, amount)])
        states.add([limiter.fits(now, amount), *([limiter.level(at)] if roll > 0.7 else [])])
    return f"{states}, {limiter.level(draw.now):.3f} at {draw.now:.3f}"


def _learner(seed: int) -> str:
    draw, states = _Draw(seed), _States()
    learner = Learner(draw.one_of((AdaptiveConfig(), AdaptiveConfig(start=1.0))))
    amounts = draw.one_of(((0, *_AMOUNTS), (0, 1)))
    states.add([learner.to_dict()])
    sent: list[tuple[float, int]] = []
    refuses = draw.one_of((0.1, 0.3, 0.6))
    for step in range(_STEPS):
        tokens = draw.one_of(amounts)
        wait = learner.wait(draw.now, tokens)
        now = draw.advance(draw.now + wait)
        if draw.share() < 0.6 or not sent:
            learner.sent(now, tokens)
            sent.append((now, tokens))
        else:
            at, tokens = sent.pop(int(draw.share() * len(sent)))
            roll = draw.share()
            cost = draw.one_of((None, tokens * 0.5, tokens * 1.2))
            if roll < refuses:
                learner.refused(at, now, tokens, draw.one_of(_LIMITS))
            elif roll < 0.9:
                learner.admitted(at, now, tokens, cost)
            elif roll < 0.93:
                learner.overloaded(at, now)
            elif roll < 0.95:
                learner.truncated(at, now, tokens, cost)
            elif roll < 0.97:
                learner.unsent(at, tokens)
            else:
                learner.admitted_elsewhere(at, tokens, cost)
        if draw.share() < 0.01:
            learner.interrupted(now)
        if step % 20 == 19:
            learner = learner.copy()
        polls = [learner.first_poll(now, tokens), *(learner.poll(now, tokens, ahead, 3_000) for ahead in (1, 4))]
        states.add([learner.to_dict(), wait, polls, learner.pace(now), *learner.rates(now)])
        states.add([learner.starting, learner.probing, learner.confidence(), learner.reading(), learner.claim(1_000.0)])
    return f"{states}, at {draw.now:.3f} {learner.pace(draw.now):.4g} a minute, {learner.reading()}"


def _schedule(seed: int, quota: Quota | None) -> str:
    draw, states = _Draw(seed), _States()
    draw.advance(1_000.0)
    known = None if quota is None else TokenCosts(quota, 5.0).quota
    schedule: PaceSchedule = LearnedSchedule() if known is None else RateLimits.of(known, draw.one_of((0.0, 0.5)))
    pace, booked = SharedPace(), list[RequestOutcome]()
    refuses = draw.one_of((0.1, 0.3, 0.6))
    again_at = math.inf
    for _ in range(_STEPS):
        now = draw.advance(again_at)
        roll = draw.share()
        costs = [Cost(tokens=draw.one_of((0.0, *_AMOUNTS))) for _ in range(draw.one_of((1, 1, 2, 5)))]
        if roll < 0.5 or not booked:
            pace, slots = schedule.book(pace, now, costs)
            cuts = schedule.cuts(pace)
            booked += [
                RequestOutcome("unsent", slot, cost, cuts=cuts) for slot, cost in zip(slots, costs, strict=False)
            ]
            states.add([slots])
        else:
            outcome = booked.pop(int(draw.share() * len(booked)))
            end = draw.share()
            kind: OutcomeKind = draw.one_of(("answered", "answered", "answered", "unsent", "sent", "overloaded"))
            outcome = outcome._replace(
                kind="throttled" if end < refuses else kind,
                limit=draw.one_of(_LIMITS),
                used=draw.one_of((None, outcome.cost.tokens * 0.5, outcome.cost.tokens * 1.5)),
                seconds=draw.one_of((None, 0.5, 6.5)),
            )
            pace = schedule.observe(pace, max(now, draw.one_of((now, outcome.sent_at))), outcome)
        if roll > 0.98:
            pace = schedule.interrupted(pace, now)
        again_at = schedule.again_at(pace, now, costs[0])
        status = schedule.status(pace, now)
        states.add(
            [again_at, schedule.cuts(pace), schedule.starting(pace), pace.factor_at(now + draw.one_of(_OFFSETS))]
        )
        states.add([status.requests_per_minute, status.tokens_per_minute, status.confidence, status.reading])
        states.add([to_json(pace), *(schedule.seconds(pace, now, cost) for cost in costs)])
    return f"{states}, {pace.granted:.0f} booked in {draw.now:.3f} s"


def _pacers(seed: int, make: Callable[[_Draw], list[Pacer]]) -> str:
    draw, states = _Draw(seed), _States()
    pacers = make(draw)
    waiting: list[tuple[Pacer, Reservation]] = []
    sent: list[tuple[Pacer, Reservation]] = []
    refuses = draw.one_of((0.05, 0.2, 0.5))
    requests = 0
    wait = 0.0
    for _ in range(_STEPS):
        now = draw.advance(draw.now + wait)
        roll = draw.share()
        if roll < 0.5:
            pacer = draw.one_of(pacers)
            reservation = pacer.reserve(now, draw.one_of(_AMOUNTS))
            reservation.retries = int(3 * draw.share())
            waiting.append((pacer, reservation))
        elif sent:
            _end(draw, *sent.pop(int(draw.share() * len(sent))), refuses)
        elif waiting:  # without a call of due()
            pacer, reservation = waiting.pop()
            if roll < 0.8:
                _end(draw, pacer, reservation, refuses)
            else:
                pacer.abandoned(reservation, now)
                states.add([pacer.due(reservation, now)])
        wait = math.inf
        for pacer, reservation in list(waiting):
            seconds = pacer.due(reservation, now)
            states.add([seconds])
            if seconds <= 0:
                waiting.remove((pacer, reservation))
                sent.append((pacer, reservation))
                requests += 1
            wait = min(wait, seconds or math.inf)
        for pacer in pacers:
            status: Any = status_of(pacer)
            states.add([status.requests_per_minute, status.tokens_per_minute, status.reading, status.confidence])
    return f"{states}, {requests} sent in {draw.now:.3f} s"


def _end(draw: _Draw, pacer: Pacer, reservation: Reservation, refuses: float) -> None:
    roll = draw.share()
    if roll < refuses:
        pacer.throttled(reservation, draw.now, draw.one_of(_LIMITS))
    elif roll < 0.9:
        usage = Usage(draw.one_of((50, 400, 2_000)), draw.one_of((20, 300)))
        pacer.answered(reservation, draw.now, draw.one_of((None, usage, usage)))
    elif roll < 0.95:
        pacer.overloaded(reservation, draw.now)
    elif isinstance(pacer, AdaptivePacer) and roll < 0.97:
        pacer.truncated(reservation, draw.now, Usage(100, 20))
    else:
        pacer.abandoned(reservation, draw.now)


def _adaptive(draw: _Draw) -> list[Pacer]:
    del draw
    return [AdaptivePacer()]


def _known(draw: _Draw, quota: Quota) -> list[Pacer]:
    return [QuotaPacer(quota, share=draw.one_of((1.0, 0.5)), phase=draw.one_of((0.0, 0.25)), burndown=5.0)]


def _shared(draw: _Draw, quota: Quota | None) -> list[Pacer]:
    store = _UnreliableStore(draw)
    return [
        SharedPacer(
            store,
            "m",
            quota,
            instance=name,
            shared_time=functools.partial(_shared_time, ahead),
            clock=FakeClock(),
            rng=random.Random(1),
        )
        for name, ahead in (("a", 0.0), ("b", 0.25), ("c", 3.0))
    ]


def _shared_time(ahead: float, now: float) -> float:
    return 1_000.0 + ahead + now


class _States:
    """A check sum of states, whose numbers are rounded to six digits: platforms differ in the last ones."""

    def __init__(self) -> None:
        self._sum = 0

    def add(self, state: list[Any]) -> None:
        rounded = json.loads(json.dumps(state), parse_float=_six_digits)
        self._sum = zlib.crc32(json.dumps(rounded).encode(), self._sum)

    def __str__(self) -> str:
        return f"{self._sum:08x}"


def _six_digits(number: str) -> str:
    return f"{float(number):.6g}"


if __name__ == "__main__":
    logging.disable()  # the stores that are away
    RECORD.write_text("".join(f"{name}: {text()}\n" for name, text in lines()), encoding="utf-8")
