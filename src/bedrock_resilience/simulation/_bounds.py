"""The lower bound of a scenario: no way of sending finishes it earlier.

Two things limit a scenario, and each gives a bound; the later one counts.

- Concurrency: ``workers`` requests at a time, each as long as the latency.
- The quota: up to any time, it admits at most the burst and what was refilled since. This bounds all instances
  together, and also the later ones alone, because their items cannot be admitted before they start.

Tokens are counted at the time when the last request is admitted. It has reserved ``max_tokens``, and so have the other
requests in flight, as many as there are workers; what they settle beyond their reservation is not counted yet.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from bedrock_resilience.quotas import Usage, burndown_rate, settled_tokens
from bedrock_resilience.quotas._quota import SECONDS_A_DAY, SECONDS_A_MINUTE
from bedrock_resilience.simulation._service import MODEL

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bedrock_resilience.quotas import Quota
    from bedrock_resilience.simulation._scenario import Scenario


def lower_bound(scenario: Scenario, input_tokens: Sequence[int] = ()) -> float:
    """The least seconds from the start of the first instance to the last answer.

    With a random latency, its mean is used.

    Args:
        scenario: What is sent.
        input_tokens: Input tokens of all items of each instance; by default, items of the mean size are assumed.
    """
    if scenario.items == 0:
        return 0.0
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
    requests = _reached(scenario, start, items, _requests)
    tokens = _tokens_of(scenario, number, items, input_tokens)
    return max(requests, *(_reached(scenario, start, tokens, limit) for limit in (_tokens, _tokens_of_a_day)))


def _tokens_of(scenario: Scenario, number: int, items: int, input_tokens: Sequence[int]) -> float:
    tokens = scenario.tokens
    if tokens is None:
        return 0.0
    given = sum(input_tokens[number:]) if input_tokens else items * ((tokens.least + tokens.most) // 2)
    settled = settled_tokens(Usage(given, items * tokens.output), burndown_rate(MODEL))
    beyond = settled_tokens(Usage(0, tokens.output), burndown_rate(MODEL)) - tokens.max_tokens
    in_flight = min(items, (scenario.instances - number) * scenario.workers)
    return settled - (in_flight * beyond if beyond > 0 else beyond)


def _requests(quota: Quota) -> tuple[float | None, float]:
    return quota.requests_per_minute, quota.request_burst


def _tokens(quota: Quota) -> tuple[float | None, float]:
    return quota.tokens_per_minute, quota.tokens_per_minute or math.inf


def _tokens_of_a_day(quota: Quota) -> tuple[float | None, float]:
    a_day = quota.tokens_per_day
    return (None, math.inf) if a_day is None else (a_day * SECONDS_A_MINUTE / SECONDS_A_DAY, a_day)


def _reached(
    scenario: Scenario, start: float, amount: float, limit: Callable[[Quota], tuple[float | None, float]]
) -> float:
    """When ``amount`` is granted, in seconds, if the bucket is full at ``start`` and everything granted is used."""
    at = start
    quota = scenario.quota
    later = [change for change in scenario.changes if change.at > start]
    for change in scenario.changes:
        if change.at <= start:
            quota = change.quota
    per_minute, burst = limit(quota)
    missing = amount - burst
    for change in later:
        rate = math.inf if per_minute is None else per_minute / SECONDS_A_MINUTE
        if missing <= rate * (change.at - at):
            break
        missing -= rate * (change.at - at)
        at, (per_minute, _) = change.at, limit(change.quota)
    if missing <= 0 or per_minute is None:
        return at
    return at + missing / (per_minute / SECONDS_A_MINUTE)
