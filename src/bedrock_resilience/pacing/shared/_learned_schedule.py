"""``LearnedSchedule``: the shared schedule of a quota that was not given: one learner for all instances.

The learner is kept in the shared state and changed by the same compare-and-swap as the bookings. So every instance
contributes what was admitted and what was refused, and all of them send by the same estimate. What was learned stays in
the store: the next run starts with it. After a pause the learner goes on at the rate that it had found, and tries a
higher one the sooner the older that finding is. A quota that has become smaller shows itself by throttles.
"""

from __future__ import annotations

import contextlib
import dataclasses
import math
from typing import TYPE_CHECKING, Any, Final

from bedrock_resilience.pacing._learner import STATE_VERSION, Learner
from bedrock_resilience.pacing._status import PacerStatus
from bedrock_resilience.pacing.shared._booked_limit import MAX_AHEAD_SECONDS
from bedrock_resilience.quotas._quota_limit import SECONDS_A_DAY, SECONDS_A_MINUTE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bedrock_resilience.pacing._limit_learner import LimitLearner
    from bedrock_resilience.pacing.shared._pace import SharedPace
    from bedrock_resilience.pacing.shared._schedule import Cost, RequestOutcome

_PAUSE_SECONDS: Final = 30.0
"""Without requests for so long, no run is under way: the time says nothing about the quota."""
_MAX_EVIDENCE_OF_AGE: Final = 0.5
"""A day without requests counts as so many without a throttle, over those in which the learner tries another rate."""
_REFUSAL_SECONDS: Final = 0.8
"""Seconds after which a request that was not refused was admitted: a refusal takes less, an answer much longer."""
_AHEAD_SECONDS: Final = (0.75, 2.0)
"""How far ahead requests are booked: while all are refused, and after a few refusals."""
_FEW_CUTS: Final = 2
_MIN_AGAIN_SECONDS: Final = 0.2
_MIN_START_SECONDS: Final = 0.02
"""Shortest time between two attempts to book, and the same before the first refusal."""
_LIMITS: Final = ("requests", "tokens")


class LearnedSchedule:
    """The arithmetic of a shared pace that is learned: a ``PaceSchedule``."""

    def seconds(self, pace: SharedPace, now: float, cost: Cost) -> float:
        """Return the seconds in which the quota refills what a request uses, as far as is known."""
        learner, _ = _load(pace)
        rates = learner.rates(now)
        requests = cost.requests / rates.requests_per_minute if rates.requests_per_minute else 0.0
        tokens = learner.claim(int(cost.tokens)) / rates.tokens_per_minute if rates.tokens_per_minute else 0.0
        return SECONDS_A_MINUTE * max(requests, tokens)

    def book(self, pace: SharedPace, now: float, costs: Sequence[Cost]) -> tuple[SharedPace, list[float]]:
        """Book requests, in this order, behind everything that is booked already."""
        if not costs:
            return pace, []
        learner, booked_until = _load(_resumed(pace, now))
        at, slots = max(now, booked_until), list[float]()
        for cost in costs:
            slot = _slot(learner, now, at, int(cost.tokens))
            if slot > now + _ahead(learner):
                break
            learner.sent(slot, int(cost.tokens))
            slots.append(slot)
            at = max(at, slot)
        return _stored(pace, now, learner, at if slots else booked_until, granted=len(slots)), slots

    def observe(self, pace: SharedPace, now: float, outcome: RequestOutcome) -> SharedPace:
        """Give the end of a request to the learner."""
        learner, booked_until = _load(pace)
        sent_at, tokens = outcome.sent_at, int(outcome.cost.tokens)
        if outcome.kind == "answered":
            ended_at = now if outcome.seconds is None else sent_at + outcome.seconds
            learner.admitted(sent_at, ended_at, tokens, outcome.used)
        elif outcome.kind == "throttled":
            # One that was booked before the pace was lowered last says nothing about the lower one.
            if outcome.cuts < self.cuts(pace):
                sent_at = min(sent_at, *(_cut_at(limit) for limit in _limits(learner)))
            learner.refused(sent_at, now, tokens, outcome.limit)
        elif outcome.kind == "overloaded":
            learner.overloaded(sent_at, now)
        elif outcome.kind == "sent":
            learner.sent(sent_at, tokens)
        elif outcome.kind == "elsewhere":
            learner.admitted_elsewhere(sent_at, tokens, outcome.used)
        else:
            learner.unsent(sent_at, tokens)
            if outcome.cuts == self.cuts(pace):  # else the pause after the refusal has taken its place
                booked_until = min(booked_until, max(now, sent_at))
                _give_back(learner, now, tokens)
        return _stored(pace, now, learner, booked_until)

    def interrupted(self, pace: SharedPace, now: float) -> SharedPace:
        """Let the learner measure nothing before now: some of what was admitted is reported later, or never."""
        learner, booked_until = _load(pace)
        learner.interrupted(now)
        return _stored(pace, now, learner, booked_until)

    def again_at(self, pace: SharedPace, now: float, cost: Cost) -> float:
        """Return when to ask again for a request that was not booked."""
        learner, booked_until = _load(pace)
        slot = _slot(learner, now, max(now, booked_until), int(cost.tokens))
        if learner.starting:
            return max(now + _MIN_START_SECONDS, slot)
        again_at = slot - _ahead(learner) + _MIN_AGAIN_SECONDS
        return max(now + _MIN_AGAIN_SECONDS, min(again_at, now + MAX_AHEAD_SECONDS))

    def cuts(self, pace: SharedPace) -> int:
        """Return how often the pace was lowered: slots booked before the last time are too close together."""
        return int(pace.learned.get("cuts", 0))

    def starting(self, pace: SharedPace) -> bool:
        """Whether nothing was refused yet, so that each answer releases more requests."""
        state = _state_of(pace)  # called often: without the learner
        return not any(state[limit]["active"] for limit in _LIMITS if state)

    def status(self, pace: SharedPace, now: float) -> PacerStatus:
        """Return the rates that were found, and how sure they are."""
        learner, _ = _load(pace)
        rates = learner.rates(now)
        return PacerStatus(
            requests_per_minute=rates.requests_per_minute,
            tokens_per_minute=rates.tokens_per_minute,
            confidence=learner.confidence(),
            reading=learner.reading(),
        )


def share_of_learned(pace: SharedPace, fraction: float) -> SharedPace:
    """Return what was learned for one of several instances that go on without the store."""
    state = dict(_state_of(pace))
    for limit in _LIMITS if state else ():
        one = dict(state[limit])
        one.update(
            base=one["base"] * fraction,
            best=one["best"] * fraction,
            log=[[second, amount * fraction] for second, amount in one["log"]],
        )
        state[limit] = one
    return dataclasses.replace(
        pace, revision=1, instances={}, learned={**pace.learned, "learner": state} if state else {}
    )


def _state_of(pace: SharedPace) -> Mapping[str, Any]:
    """Return the state of the learner; an empty one if there is none, or that of another version."""
    state: Mapping[str, Any] = pace.learned.get("learner", {})
    return state if state.get("version") == STATE_VERSION else {}


def _resumed(pace: SharedPace, now: float) -> SharedPace:
    """Return the pace with what was learned as it holds after a pause."""
    state = _state_of(pace)
    pause = now - float(pace.learned.get("used_at", now))
    if not state or pause < _PAUSE_SECONDS:
        return pace
    resumed: dict[str, Any] = {**state, "in_flight": 0, "started_at": now}
    for limit in _LIMITS:
        evidence = _MAX_EVIDENCE_OF_AGE * state[limit]["hold"] * min(1.0, pause / SECONDS_A_DAY)
        windows = {**state[limit]["windows"], "since": now}
        resumed[limit] = {**state[limit], "since": now, "sends": evidence, "consecutive": 0, "windows": windows}
    return dataclasses.replace(pace, learned={**pace.learned, "learner": resumed})


def _limits(learner: Learner) -> tuple[LimitLearner, LimitLearner]:
    # One machine in two modules.
    return learner._requests, learner._tokens  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]


def _cut_at(limit: LimitLearner) -> float:
    return math.inf if limit.cut_at is None else limit.cut_at


def _give_back(learner: Learner, now: float, tokens: int) -> None:
    """Let the next request have the permit of one that was not sent."""
    amounts = 1.0, learner.claim(tokens)
    for limit, amount in zip(_limits(learner), amounts, strict=True):  # pragma: no mutate - two of each
        if limit.anchor is not None:
            limit.anchor -= amount / limit.rate(now)


def _slot(learner: Learner, now: float, at: float, tokens: int) -> float:
    """Return when the next request may be sent; ``at`` is the end of what is booked."""
    if learner.starting and learner.wait(now) == 0:
        return now  # answers have released it since the others were booked
    return max(at + learner.wait(at, tokens), _answer_at(learner))


def _answer_at(learner: Learner) -> float:
    """Return when it shows whether the last request was refused, where all before it were; else minus infinity.

    Another is sent only then: where a limit refuses one after the other, what is sent together is refused together.
    """
    booked = (limit.admitted_at for limit in _limits(learner) if limit.consecutive > 1)
    return max((at + _REFUSAL_SECONDS for at in booked if at is not None), default=-math.inf)


def _ahead(learner: Learner) -> float:
    """Return how far ahead requests are booked: not far while the next observations change the rate."""
    cuts = sum(limit.cuts for limit in _limits(learner))
    if learner.starting:
        return 0.0  # answers release requests at any moment
    if any(limit.consecutive > 1 for limit in _limits(learner)):
        return _AHEAD_SECONDS[0]
    return _AHEAD_SECONDS[1] if cuts <= _FEW_CUTS else MAX_AHEAD_SECONDS


def _load(pace: SharedPace) -> tuple[Learner, float]:
    with contextlib.suppress(KeyError, ValueError):  # nothing is stored, or it is damaged
        return Learner.from_dict(_state_of(pace)), float(pace.learned["booked_until"])
    return Learner(), 0.0


def _stored(pace: SharedPace, now: float, learner: Learner, booked_until: float, granted: int = 0) -> SharedPace:
    state = learner.to_dict()
    rates = learner.rates(now)
    learned = {
        # For people who read the store; the learner has it all.
        "requests_per_minute": rates.requests_per_minute,
        "tokens_per_minute": rates.tokens_per_minute,
        "confidence": learner.confidence(),
        "reading": learner.reading(),
        "booked_until": booked_until,
        "used_at": max(now, booked_until),
        "cuts": sum(state[limit]["cuts"] for limit in _LIMITS),
        "learner": state,
    }
    return dataclasses.replace(pace, at=now, granted=pace.granted + granted, learned=learned)
