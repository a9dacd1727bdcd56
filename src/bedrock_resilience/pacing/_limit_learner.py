"""``LimitLearner``: the rate of one limit, of requests or of tokens, from what was admitted and what was refused.

Until the first refusal it only records. Then it paces: permits are granted at a rate, and a request waits until its own
amount is granted. A refusal is read in the ways that have not been eliminated: a bucket of any size, a bucket of a
single permit, windows of a minute. See docs/explanation/learner.md.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, ClassVar, Final

from bedrock_resilience.pacing._estimate import Throttles
from bedrock_resilience.pacing._minute_log import MinuteLog
from bedrock_resilience.pacing._single_permit import PAIR_SECONDS, SinglePermitTest
from bedrock_resilience.pacing._window_reading import WINDOW_SECONDS, WindowReading

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bedrock_resilience.pacing._adaptive_config import AdaptiveConfig
    from bedrock_resilience.pacing._estimate import Estimate

_MAX_CONSECUTIVE: Final = 8
_MAX_RATE: Final = 1e9
_REFUSAL_SECONDS: Final = 0.8
"""Seconds after which a request that was not refused was admitted: a refusal takes less, an answer much longer."""
_IN_FLIGHT_SECONDS: Final = 8.0
"""Seconds after the first refusal in which the log still has the minute before it."""
_SURE_SECONDS: Final = 58.0
"""Of what was sent in the whole seconds of this span, all was sent within 60 seconds before a refusal at its end."""
_LATE_SECONDS: Final = 0.05
"""A request that is sent by more than this later than it might have been was not waiting: nobody wanted to send."""
_MEAN_WEIGHT: Final = 0.1
_GUESSED_REQUESTS: Final = 2.0
"""Requests admitted before the first refusal, at least, for the first guess."""
_SURE_GUESS_SECONDS: Final = 3.0
_BURST_REQUESTS: Final = 5.0
_SINGLE_PAUSE: Final = 0.35
"""Permits to wait after a refusal by a bucket of a single permit: the next may be due at once."""
_SINGLE_HOLDS: Final = (5.0, 80.0)
"""Requests in which the rate of a single permit doubles, before and after its first measurement."""
_SINGLE_MARGINS: Final = (0.97, 0.985)
"""The rate after a refusal over the middle of the bounds, and over the lower one."""
_MAX_SINGLE_DECREASE: Final = 0.5
_CONSECUTIVE_DECREASE: Final = 0.5
_MIN_THIRD_PAUSE_SECONDS: Final = 10.0
"""Seconds after a third refusal in a row, at least: others are answered meanwhile, and one of them is the next."""
_MAX_BLIND_REFUSALS: Final = 2
_BLIND_PAUSE_SECONDS: Final = 2.0
"""Seconds after the first refusal if nothing was ever admitted, twice as many after the second: the rate is unknown."""
_JITTER: Final = 0.1
"""Share of a pause that differs between instances, so that they do not all end it at once."""
_JITTER_STEP: Final = 0.6180339887
"""Added to the jitter at each pause: a multiple of the golden ratio repeats no value soon."""
_CATCH_UP: Final = 2.0
"""Where a fixed window has begun, the rate over the long-term one ..."""
_CATCH_UP_SHARE: Final = 0.7
"""... until this share of a window is used."""
_WINDOW_SPEED: Final = 4.0
"""Where only windows are left, the rate within one over the rate over a minute."""
_MIN_WINDOW_LEVEL: Final = 0.7
"""Share of a window at which a refusal corrects it; below, others send, or it was no window."""
_MAX_WINDOW_REFUSALS: Final = 4
"""Refusals in a row up to which a window corrects its amount; more contradict it."""
_MIN_WINDOW_SECONDS: Final = 10.0
"""Seconds after a correction in which a used-up window admits nothing, at least: an admission contradicts it."""
_WINDOW_PERMITS: Final = 0.4
"""Permits by which the first pause is longer where a window may be used up within the first minute: the longer the
refusals last, the less a bucket can have refilled."""
_WINDOW_PAUSE_SECONDS: Final = 1.0
"""Seconds after the first refusal by a window; twice as many after each further one in a row."""
_SAME_WINDOW: Final = 0.96
"""Share of a window at which a refusal leaves its amount as it is: the request was sent a little too early."""
_MIN_TOKEN_HOLD: Final = 12.0
_TOKEN_HOLD_FACTOR: Final = 6.0
"""Requests in which a first guess about tokens is held, per request that it rests on."""


class LimitLearner:
    """Learns the rate of one limit. Not thread-safe; times are seconds of any clock, amounts requests or tokens.

    Args:
        config: The constants.
        tokens: Whether the amounts are tokens, of which each request takes another number.
    """

    FIELDS: ClassVar = (
        "active",
        "admitted_total",
        "admitted_at",
        "anchor",
        "base",
        "best",
        "catch_up_until",
        "complete_from",
        "consecutive",
        "cut_at",
        "cuts",
        "first_at",
        "first_cut_at",
        "hold",
        "hold_seconds",
        "jitter",
        "least",
        "mean",
        "pending",
        "resume_at",
        "sends",
        "since",
        "spread",
    )
    __slots__ = (*FIELDS, "_config", "_single", "_throttles", "_tokens", "_windows", "log")

    def __init__(self, config: AdaptiveConfig, *, tokens: bool = False) -> None:
        self._config = config
        self._tokens = tokens
        self.log = MinuteLog()
        self._throttles = Throttles()
        self._single = SinglePermitTest()
        self._windows = WindowReading(tokens=tokens)
        self.active = False
        self.admitted_total = 0.0
        self.admitted_at: float | None = None  # the first request since the last cut that was not refused
        self.pending = False  # whether it may still be
        self.anchor: float | None = None
        self.base = 0.0
        self.best = 0.0
        self.catch_up_until: float | None = None
        self.consecutive = 0
        self.complete_from: float | None = None  # from when on all is known that was admitted; None: always
        self.cut_at: float | None = None
        self.cuts = 0
        self.first_at: float | None = None
        self.first_cut_at = 0.0
        self.hold = config.initial_hold_requests
        self.hold_seconds = config.initial_hold_seconds
        self.jitter = 0.0
        self.least = 0.0
        self.mean = 0.0
        self.resume_at = 0.0
        self.sends = 0.0
        self.since = 0.0
        self.spread = 0.0

    @property
    def reading(self) -> str | None:
        """The reading that is left; None if several are."""
        if not self.active or self.consecutive > 1:
            return None
        if self._single.single:
            return "bucket-of-1"
        if not self._windows.possible:
            return "bucket"
        return "fixed" if self._windows.fixed and not self._windows.sliding else None

    @property
    def confidence(self) -> float:
        """The lower bound of the rate over the upper one; 0 until two refusals, and what was admitted, bounded it."""
        return self.spread if self.cuts > 1 else 0.0

    @property
    def pairs(self) -> bool:
        """Whether the next two requests are sent together, to tell a bucket of a single permit from larger ones."""
        return not self._tokens and self.active and self._single.wanted(self.base) and self.consecutive <= 1

    @property
    def probing(self) -> bool:
        """Whether nothing was sent since the last refusal that lowered the rate."""
        return self.active and self.admitted_at is None

    def rate(self, now: float) -> float:
        """Return the present rate, in amounts a second; infinite before the first refusal."""
        if not self.active:
            return math.inf
        if self._windows.limit:
            return _WINDOW_SPEED * self._windows.limit / WINDOW_SECONDS
        if self.catch_up_until is not None:
            return self.base * _CATCH_UP
        seconds = self.hold_seconds
        if self._tokens:
            seconds = max(seconds, min(self._config.max_token_hold_seconds, self.mean / self.base))
        least = self._config.min_seconds_hold_requests if self.cuts > 1 else self.hold
        held = max(self.sends / self.hold, (now - self.since) / (seconds * max(least, self.hold)))
        grown = held**3
        if held > 1:  # pragma: no mutate - at 1 both are 1
            grown = 3 * held - 2  # with the slope that it has then
        return min(_MAX_RATE, self.base + self.best * grown)

    def mean_rate(self, now: float) -> float:
        """Return the present rate over a minute, in amounts a second: within a window more is sent at first."""
        return self._windows.limit_at(now) / WINDOW_SECONDS if self._windows.limit else self.rate(now)

    def due_at(self, now: float, amount: float, factor: float) -> float:
        """Return when a request of this amount may be sent, as far as is known; ``factor`` slows the rate."""
        if self.anchor is None:
            return -math.inf
        if self.pairs and self.admitted_at is not None and self._single.previous_at == self.admitted_at:
            return max(self.resume_at, self.admitted_at + PAIR_SECONDS)
        due_at = max(self.resume_at, self.anchor + amount / (self.rate(now) * factor))
        if self._windows.limit:
            return self._windows.free_at(max(now, due_at), amount / factor, self.log)
        return due_at

    def sent(self, at: float, amount: float) -> None:
        """Record a request that is sent at this time."""
        self.admitted_total += amount
        self.mean += (_MEAN_WEIGHT if self.mean else 1.0) * (amount - self.mean)
        if self.first_at is None:
            self.first_at = at
        cut_at = -math.inf if self.cut_at is None else self.cut_at
        self._single.sent(at, cut_at, self.base)
        if self.admitted_at is None and at > cut_at:
            self.admitted_at, self.pending = at, True
        elif self.pending and self.admitted_at is not None and at > self.admitted_at + _REFUSAL_SECONDS:
            self.pending = False
            self._recovered(self.admitted_at)
        self.log.add(at, amount)
        if self.consecutive > 1 and not self.pending and self.admitted_at is not None:
            self._windows.exceeded(self._surely_admitted(at))
            if self._windows.contradicts_bucket(at, self.admitted_total):
                self._enter_window(at)
        if self._windows.limit:
            self._windows.used(self.log.total(at, min(_SURE_SECONDS, self._windows.seconds(at))))
            self.anchor = at
        elif self.anchor is not None:
            self._use(at, amount, self.anchor)

    def _use(self, at: float, amount: float, anchor: float) -> None:
        seconds = amount / self.rate(at)
        late = at - anchor - seconds
        if late > max(_LATE_SECONDS, seconds / 2):
            self.since = min(at, self.since + late)  # no evidence that a higher rate would be admitted
            self.anchor = at
        else:
            self.sends += 1
            self.anchor = max(anchor + seconds, at - (0.0 if self._single.single else seconds / 2))
        if self.catch_up_until is not None and self.admitted_total >= self.catch_up_until:
            self.catch_up_until = None
            self.since, self.sends = at, 0.0

    def _enter_window(self, at: float) -> None:
        windows = self._windows
        windows.least = windows.level
        windows.limit = windows.level + (windows.amount / 2 if self._tokens else 0.0)
        windows.since = at
        self.catch_up_until = None

    def _refused_window(self, at: float, now: float, level: float, amount: float) -> bool:
        """Correct the amount of a window; return False where the refusal contradicts windows."""
        windows = self._windows
        # A window that is used up admits none.
        again = self.consecutive == 1 and at - windows.since < _MIN_WINDOW_SECONDS and not self._tokens
        if again or self.consecutive > _MAX_WINDOW_REFUSALS or level + amount < _MIN_WINDOW_LEVEL * windows.limit:
            level = max(_MIN_WINDOW_LEVEL * windows.limit, min(level, windows.limit))
            windows.limit = 0.0
            self.base = self.best = max(self.least, self._config.headroom * level / WINDOW_SECONDS)
            return False
        if self._tokens:
            windows.least = min(windows.least, level + amount)
            level = (windows.least + level + amount) / 2
        if self._tokens or level < _SAME_WINDOW * windows.limit - amount:
            windows.limit = level
        windows.limit = max(windows.limit, level)  # where it is a little below, the request was a little too early
        windows.since = now
        if self.consecutive > 1:
            windows.phase = None  # by what was known of its end, it had capacity
        self.base = self.best = max(self.least, windows.limit / WINDOW_SECONDS)
        self.spread = windows.limit / (windows.limit + amount)
        self.cuts += 1
        self.cut_at = self.since = now
        self.sends = 0.0
        pause = _WINDOW_PAUSE_SECONDS * 2.0 ** (self.consecutive - 1)
        self.resume_at = max(now, at + pause)
        self.anchor = at
        return True

    def _recovered(self, at: float) -> None:
        level, total = self.log.total(at - 1), self.admitted_total
        if self._windows.recovered(at, level, total, consecutive=self.consecutive) and not self._tokens:
            self.catch_up_until = self.admitted_total + _CATCH_UP_SHARE * self._windows.level

    def unsent(self, at: float, amount: float) -> None:
        """Take back a request that was not admitted, for a reason that says nothing about this limit."""
        self.log.add(at, -amount)
        self.admitted_total -= amount
        self._throttles.exclude(at, amount)
        self._windows.exclude(at, amount)

    def admitted_elsewhere(self, at: float, amount: float) -> None:
        """Record an amount that was admitted without a permit, at some time in the past."""
        self.log.add(at, amount)
        self.admitted_total += amount
        self._throttles.exclude(at, -amount)

    def interrupted(self, now: float) -> None:
        """Record that more may have been admitted up to now than was recorded."""
        self.complete_from = now
        self._throttles.clear()
        if self.active:  # so much is known to have been admitted, at least
            self.base = max(self.base, self._config.headroom * self.log.total(now) / WINDOW_SECONDS)
            self.best = max(self.best, self.base)

    def corrected(self, at: float, amount: float) -> None:
        """Add what a request turned out to cost beyond its claim; a negative amount is what it did not use."""
        self.log.add(at, amount)
        self.admitted_total += amount

    def refused(self, at: float, now: float, amount: float) -> None:
        """Record that this limit refused a request that was sent at ``at``."""
        self.unsent(at, amount)
        was_single = self._single.single
        self._single.refused(at)
        if self.cut_at is not None and at <= self.cut_at:
            if self.cuts == 1 and now <= self.first_cut_at + _IN_FLIGHT_SECONDS:
                self._guess(amount)  # one of those that were in flight: fewer were admitted than it seemed
            return
        level = self.log.total(at)
        self._count(at)
        admitted = self.admitted_total - self.log.after(at)
        estimate = self._throttles.observe(at, admitted, amount)
        most = self.log.total(at, WINDOW_SECONDS + 1)
        oldest = self.log.oldest(at)
        used = self.log.total(at, self._windows.seconds(at))
        if self._windows.limit and self._refused_window(at, now, used, amount):
            self._windows.refused(at, level, most, amount, oldest, consecutive=self.consecutive)
            return
        if not self.active:
            self.active, self.first_cut_at, self.least = True, at, amount / WINDOW_SECONDS
            self._guess(amount)
        elif self.consecutive > 1:
            self._lower(level, amount)
        elif self._single.single and not self._tokens:
            self._measure_single(at, was_single=bool(was_single))
        else:
            self._measure(at, level, amount, estimate)
        self._windows.refused(at, level, most, amount, oldest, consecutive=self.consecutive)
        self._cut(at, now, amount)

    def _count(self, at: float) -> None:
        if self.admitted_at is not None and at > self.admitted_at and self.active:
            if self.consecutive > 1 and self._windows.contradicts_bucket(at, self.admitted_total):
                self._enter_window(at)
            self.consecutive = 0
            if self._seconds(self._windows.last_refused_at) > WINDOW_SECONDS or self.complete_from is None:
                self._eliminate(self.admitted_at, at)
        self.admitted_at, self.pending = None, False
        self.consecutive = min(_MAX_CONSECUTIVE, self.consecutive + 1)
        if self.consecutive > 3:  # noqa: PLR2004 - a bucket would have been refilled
            self._windows.restart()

    def _surely_admitted(self, at: float) -> float:
        """Return what was admitted in a minute before ``at``, without the seconds whose refusals are not known yet."""
        # The log has whole seconds. One that is not over by then may have requests that are refused a moment later.
        return self.log.total(at - _REFUSAL_SECONDS - 1.0, _SURE_SECONDS)

    def _eliminate(self, admitted_at: float, at: float) -> None:
        least = self._surely_admitted(at)
        if not self._tokens:
            self._windows.admitted(admitted_at, least)
        elif self.log.total(at, at - self._windows.last_refused_at) >= self._windows.amount:
            # Only what does not fit beside the refused request shows that its window has ended.
            self._windows.admitted(at, least)

    def _seconds(self, at: float) -> float:
        """Return for how long before ``at`` all is known that was admitted."""
        start = at if self.first_at is None else self.first_at
        return at - (start if self.complete_from is None else max(start, self.complete_from))

    def _guess(self, amount: float) -> None:
        config, at = self._config, self.first_cut_at
        seconds = min(WINDOW_SECONDS, self._seconds(at))
        known = self.log.total(at) if self.complete_from is None else self.log.total(at, seconds)
        admitted = max(known, _GUESSED_REQUESTS * amount)
        burst_seconds = config.token_burst_seconds if self._tokens else config.burst_seconds
        self.base = self.best = max(self.least, admitted / max(1e-3, seconds + burst_seconds))
        if self._tokens:
            requests = _TOKEN_HOLD_FACTOR * admitted / amount
            self.hold = min(2 * config.initial_hold_requests, max(_MIN_TOKEN_HOLD, requests))
        else:
            # A burst within a moment says little about the rate, so the first estimate is held for less time.
            sure = 1.0 if admitted < _BURST_REQUESTS else min(1.0, (seconds + 1.0) / _SURE_GUESS_SECONDS)
            self.hold = config.initial_hold_requests * sure

    def _measure(self, at: float, level: float, amount: float, estimate: Estimate | None) -> None:
        config, rate = self._config, self.rate(at)
        seconds = self._seconds(at)
        measured, size, decreased = rate, 1.0, False
        if self._windows.possible and (seconds >= WINDOW_SECONDS or self._tokens):
            measured, size = level / WINDOW_SECONDS, level
            self.spread = level / (level + amount)
        elif estimate is not None:
            measured, size, decreased = estimate.middle, estimate.sample_size, estimate.decreased
            self.spread = estimate.low / estimate.high
        elif self.complete_from is not None:
            measured = min(rate, max(self.base, level / WINDOW_SECONDS))
        target = config.headroom * measured * (config.decrease_factor if decreased else 1.0)
        self.base = max(self.least, min(rate, max(config.min_decrease_factor * rate, target)))
        self._hold_for(size, amount)

    def _measure_single(self, at: float, *, was_single: bool) -> None:
        rate = self.rate(at)
        self.hold_seconds = self._config.hold_seconds
        if not was_single:
            self.base = self.best = rate
            self.hold = _SINGLE_HOLDS[0]
            return
        low, high = self._single.bounds(at, rate)
        target = max(_SINGLE_MARGINS[0] * math.sqrt(low * high), _SINGLE_MARGINS[1] * low)
        self.base = max(self.least, min(rate, max(_MAX_SINGLE_DECREASE * rate, target)))
        self.best = max(self.base, self._config.decay * self.best)
        self.hold = _SINGLE_HOLDS[1]
        self.spread = low / high

    def _lower(self, level: float, amount: float) -> None:
        measured = self._config.headroom * level / WINDOW_SECONDS
        self.base = max(self.least, min(self.base, max(_CONSECUTIVE_DECREASE * self.base, measured)))
        if self._windows.possible:
            self._hold_for(level, amount)
        else:
            self.best = max(self.base, self._config.decay * self.best)

    def _hold_for(self, sample_size: float, amount: float) -> None:
        config = self._config
        least = config.min_token_hold_requests if self._tokens else config.min_hold_requests
        requests = config.hold_factor * sample_size / (self.mean if self.mean > 0 else amount)
        self.best = max(self.base, config.decay * self.best)
        self.hold = min(config.max_hold_requests, max(least, requests))
        self.hold_seconds = config.hold_seconds

    def _cut(self, at: float, now: float, amount: float) -> None:
        config = self._config
        self.cuts += 1
        permits = config.token_pause if self._tokens else config.pause_permits
        if self.cuts == 1 and self._windows.likely and not self._tokens and self._seconds(at) < WINDOW_SECONDS:
            permits += _WINDOW_PERMITS
        pause = amount / self.base * (1 + permits)
        if self.consecutive > 1:
            pause = self._windows.pause(
                at,
                pause * 2.0 ** (self.consecutive - 2),
                config.probes,
                consecutive=self.consecutive,
                cuts=self.cuts,
            )
            if self.consecutive > 2:  # noqa: PLR2004 - the same request may be refused each time, and it has few retries
                pause = max(pause, _MIN_THIRD_PAUSE_SECONDS)
        elif self._single.single and not self._tokens:
            pause = _SINGLE_PAUSE / self.base
        if self.consecutive <= _MAX_BLIND_REFUSALS and self.admitted_total < amount:
            pause = min(pause, _BLIND_PAUSE_SECONDS * 2.0 ** (self.consecutive - 1))
        # No generator of random numbers: the time at which a refusal arrives differs enough between instances.
        self.jitter = (self.jitter + _JITTER_STEP + now * 7919.13) % 1.0
        pause = min(pause, WINDOW_SECONDS) * (1 + _JITTER * self.jitter * (1.0 if self.consecutive == 1 else 0.2))
        self.catch_up_until = None
        self.cut_at = self.since = now
        self.sends = 0.0
        self.resume_at = max(now, at + pause)
        self.anchor = self.resume_at - amount / self.base

    def to_dict(self) -> dict[str, Any]:
        """Return the state for JSON."""
        state: dict[str, Any] = {name: getattr(self, name) for name in self.FIELDS}
        state["throttles"] = self._throttles.entries()
        state["single"] = self._single.to_dict()
        state["windows"] = self._windows.to_dict()
        state["log"] = self.log.entries()
        return state

    @classmethod
    def from_dict(cls, state: Mapping[str, Any], config: AdaptiveConfig, *, tokens: bool = False) -> LimitLearner:
        """Return the learner whose ``to_dict`` gave this state."""
        learner = cls(config, tokens=tokens)
        for part, fields, given in (
            (learner, cls.FIELDS, state),
            (learner._single, SinglePermitTest.FIELDS, state["single"]),
        ):
            for name in fields:
                setattr(part, name, given[name])
        learner._windows = WindowReading.from_dict(state["windows"], tokens=tokens)
        learner._throttles = Throttles(state["throttles"])
        learner.log = MinuteLog(state["log"])
        return learner
