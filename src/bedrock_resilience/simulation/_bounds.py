"""The lower bound of a scenario: no way of sending finishes it earlier.

If only requests are counted and every answer takes equally long, the bound is exact for one instance. It is the
makespan of a sender with the quota, its reading and its changes as input, which sends each request at the first instant
at which it is admitted, and loses nothing to refusals. With several instances, any worker may take any item of the
instances that have started; the later instances are also bounded alone, with an unused quota.

Otherwise two things limit a scenario, and each gives a bound; the later one counts.

- Concurrency: ``workers`` requests at a time, each as long as the mean latency.
- The quota: what it admits up to a time if all that is free is used at once. This bounds all instances together, and
  also the later ones alone, because their items cannot be admitted before they start.

Tokens are counted at the time when the last request is admitted. It has reserved ``max_tokens``, and so have the other
requests in flight, as many as there are workers; what they settle beyond their reservation is not counted yet.

Other tenants of the quota are served first, so the bound is that of a sender that takes only what they leave. They send
at random times, of which the bound takes one sequence, not the simulated one.
"""

from __future__ import annotations

import heapq
import math
from typing import TYPE_CHECKING, Final

from bedrock_resilience.quotas import Limit, Usage, burndown_rate, settled_tokens
from bedrock_resilience.quotas._limits import ModelLimits, amounts_of
from bedrock_resilience.simulation._service import MODEL

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bedrock_resilience.simulation._scenario import Scenario

_SMALLEST_STEP: Final = 1e-6
"""Of a quota, as a share of a minute's: less than any request takes."""


def lower_bound(scenario: Scenario, input_tokens: Sequence[int] = ()) -> float:
    """Return the least seconds from the start of the first instance to the last answer.

    With a random latency, its mean is used. Deadlines are left out.

    Args:
        scenario: What is sent.
        input_tokens: Input tokens of all items of each instance; by default, items of the mean size are assumed.
    """
    if scenario.items == 0:
        return 0.0
    if scenario.tokens is None and not callable(scenario.latency):
        firsts = range(scenario.instances if scenario.offset else 1)
        return max(_makespan(scenario, scenario.latency, first) for first in firsts)
    latency = scenario.mean_latency()
    return max(
        max(start + _rounds(scenario) * latency, _admitted_at(scenario, number, start, input_tokens) + latency)
        for number, start in enumerate(number * scenario.offset for number in range(scenario.instances))
    )


def _rounds(scenario: Scenario) -> float:
    rounds = scenario.items / scenario.workers
    # With a random latency the workers are not in step, and share the last round.
    return max(1.0, rounds) if callable(scenario.latency) else math.ceil(rounds)


def _admitted_at(scenario: Scenario, number: int, start: float, input_tokens: Sequence[int]) -> float:
    """When the last item of instance ``number`` and of all later instances can be admitted, in seconds."""
    items = (scenario.instances - number) * scenario.items
    tokens = _tokens_of(scenario, number, items, input_tokens)
    amounts = {Limit.REQUESTS_PER_MINUTE: items, Limit.TOKENS_PER_MINUTE: tokens, Limit.TOKENS_PER_DAY: tokens}
    return max(_Limits(scenario, start).reached(start, amount, limit) for limit, amount in amounts.items())


def _tokens_of(scenario: Scenario, number: int, items: int, input_tokens: Sequence[int]) -> float:
    tokens = scenario.tokens
    if tokens is None:
        return 0.0
    given = sum(input_tokens[number:]) if input_tokens else items * ((tokens.least + tokens.most) // 2)
    settled = settled_tokens(Usage(given, items * tokens.output), burndown_rate(MODEL))
    beyond = settled_tokens(Usage(0, tokens.output), burndown_rate(MODEL)) - tokens.max_tokens
    if beyond > 0 and scenario.quota_reading.window in {"fixed", "sliding"}:
        # Such a window does not carry over what calls cost beyond their reservation: only the reservations must fit.
        return settled - items * beyond
    in_flight = min(items, (scenario.instances - number) * scenario.workers)
    return settled - (in_flight * beyond if beyond > 0 else beyond)


def _makespan(scenario: Scenario, latency: float, first: int) -> float:
    """The least makespan of instance ``first`` and all later ones, if any of their workers could take any item.

    Each request is sent at the first instant at which a worker is free and the quota admits it. No other way has sent
    more of them at any time.
    """
    starts = range(first, scenario.instances)
    free = sorted(number * scenario.offset for number in starts for _ in range(scenario.workers))
    limits = _Limits(scenario, free[0])
    now = free[0]
    for _ in range(len(starts) * scenario.items):
        now = limits.admitted_at(max(now, free[0]))
        heapq.heapreplace(free, now + latency)
    return now + latency


class _Limits:
    """The quota of a scenario from ``start`` on, unused at first, as a sender with complete information uses it."""

    def __init__(self, scenario: Scenario, start: float = 0.0) -> None:
        self._reading = scenario.quota_reading
        self._overloads = sorted(scenario.overloads)
        self._turns = sorted({*(change.at for change in scenario.changes), *(at for at, _ in self._reading.schedule)})
        self._changes = [change for change in scenario.changes if change.at > start]
        earlier = [change.quota for change in scenario.changes if change.at <= start]
        self._quota = earlier[-1] if earlier else scenario.quota
        self._limits = ModelLimits(self._quota, self._reading, 0.0, tenants_first=True)
        self._limits.advance(start)

    def admitted_at(self, now: float) -> float:
        """Admit one request at the first possible instant from ``now`` on, and return it."""
        amounts = amounts_of(0.0)
        at = self._available(now)
        while (wait := self._wait(at, amounts)) > 0:
            at = self._available(min(at + wait, self._next_turn(at)))
        self._limits.debit(at, amounts)
        return at

    def reached(self, start: float, amount: float, limit: Limit) -> float:
        """When so much of one limit has been admitted, if all that is free is used at once from ``start`` on."""
        at, missing = start, amount
        while True:
            at = self._available(at)
            level = self._limits.level(at, limit)
            if missing <= level * (1 + 1e-12):
                return at
            if level > 0:
                missing -= level
                self._limits.debit(at, {**_NOTHING, limit: level})
            wanted = min(missing, self._step(limit, at))
            wait = self._wait(at, {**_NOTHING, limit: wanted})
            if wait == 0:  # what is missing is the rounding of the sums
                return at
            at = min(at + wait, self._next_turn(at))

    def _step(self, limit: Limit, at: float) -> float:
        """The next amount to wait for: windows and refills grant much at once, and a bucket must not overflow."""
        a_minute: float = getattr(self._quota, limit.value)
        if limit is Limit.TOKENS_PER_DAY:
            return a_minute
        if self._reading.tenants is not None:
            return 1.0 if limit is Limit.REQUESTS_PER_MINUTE else a_minute / 60
        if self._reading.window != "bucket":
            return _SMALLEST_STEP * a_minute
        if limit is Limit.REQUESTS_PER_MINUTE:
            return self._quota.request_burst if self._reading.burst is None else self._reading.burst
        return min(a_minute * self._reading.factor_at(at), self._reading.token_burst or math.inf)

    def _wait(self, at: float, amounts: dict[Limit, float]) -> float:
        return self._limits.fitting(at, amounts)[1]

    def _available(self, at: float) -> float:
        """The first instant from ``at`` on at which the service is not overloaded, with the quota of that time."""
        for start, end in self._overloads:
            at = end if start <= at < end else at
        while self._changes and self._changes[0].at <= at:
            change = self._changes.pop(0)
            self._quota = change.quota
            self._limits.change(change.quota, change.at)
        return at

    def _next_turn(self, at: float) -> float:
        """The last instant before the quota changes, or that of the change, whichever comes next."""
        turn = next((turn for turn in self._turns if turn > at), math.inf)
        before = math.nextafter(turn, 0.0)
        return before if at < before else turn


_NOTHING: Final = dict.fromkeys(Limit, 0.0)
