"""Advice: which tuning scenario of the operations guide applies to a run, with the effect it would have.

The scenarios and their limits are the guide's: throttling under 5 % leaves room for more workers, more than 5 % of
items lost wants more and longer retries, a run of more than 5 minutes wants fewer workers or a pacer. The effect is
not guessed: the run is rebuilt as a scenario, and simulated before and after the change.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from bedrock_resilience.pacing import AdaptivePacer
from bedrock_resilience.quotas import Quota, RequestTokens, TokenUsage, Usage
from bedrock_resilience.simulation._driver import simulate
from bedrock_resilience.simulation._scenario import Scenario
from bedrock_resilience.simulation._trials import Trial, TrialResult, run_trial

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from bedrock_resilience.simulation._run_stats import RunStats

FEW_THROTTLES: Final = 0.05
MANY_THROTTLES: Final = 0.20
MANY_FAILURES: Final = 0.05
LONG_RUN: Final = 300.0
"""Seconds."""

# Requests a minute: a run of nothing but refusals shows none at all, and a quota has to be one.
_LEAST_RATE: Final = 1.0
_HALVINGS: Final = 8  # of the range of quotas that are tried: to within 3 %
_MORE_WORKERS: Final = 8
_MORE_RETRIES: Final = 5
_LONGER_DELAY: Final = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """One change, and what it would do.

    Attributes:
        name: The change in a few words.
        why: What in the run speaks for it, with the numbers.
        variables: Environment variables that make the change.
        before: The run as it was, simulated.
        after: The run with the change, simulated; None where the change is not one of time.
    """

    name: str
    why: str
    variables: dict[str, str]
    before: TrialResult
    after: TrialResult | None

    def to_dict(self) -> dict[str, object]:
        """The advice for JSON."""
        return {
            "name": self.name,
            "why": self.why,
            "variables": self.variables,
            "before": self.before.to_dict(),
            "after": None if self.after is None else self.after.to_dict(),
        }


def rebuild(seen: RunStats, *, rpm: float | None = None, instances: int = 1, offset: float = 60.0) -> Scenario:
    """The scenario that a run was, as far as it can be told.

    Args:
        seen: The run.
        rpm: The request quota, where it is known. Else it is read off the run: a run that was throttled sent as fast
            as the quota allowed, and one that was not has shown that the quota is at least its own rate. Where nothing
            tells how long a throttled run took, it is the quota under which the simulated run is throttled as much.
        instances: Runs that shared the quota.
        offset: Seconds between their starts.

    Raises:
        ValueError: The run sent nothing, so there is nothing to rebuild; or the quota is none.
    """
    if rpm is not None and not 0 < rpm < math.inf:
        raise ValueError(f"rpm: got {rpm!r}; accepted: a finite number of requests a minute > 0")
    if not seen.attempts or not seen.submitted:
        raise ValueError("run: it sent no request; accepted: a run with calls")
    seconds = seen.elapsed or max(1.0, seen.answered * seen.latency / seen.workers)
    rate = max(_LEAST_RATE, 60 * seen.answered / seconds * instances)
    scenario = Scenario(
        instances=instances,
        workers=seen.workers,
        items=seen.submitted,
        offset=offset if instances > 1 else 0.0,
        quota=Quota(requests_per_minute=rate if rpm is None else rpm),
        latency=seen.latency,
    )
    if rpm is not None:
        return scenario
    if seen.throttle_rate < FEW_THROTTLES:
        return scenario.replace(quota=Quota(requests_per_minute=2 * rate))
    return scenario if seen.elapsed or seen.pacing_seconds else _throttled_as_much(seen, scenario, 2 * rate)


def _throttled_as_much(seen: RunStats, scenario: Scenario, most: float) -> Scenario:
    """The scenario with a quota under which it is throttled as the run was: the larger the quota, the less it is."""
    low, high = math.log(_LEAST_RATE), math.log(most)
    for _ in range(_HALVINGS):
        tried = scenario.replace(quota=Quota(requests_per_minute=math.exp((low + high) / 2)))
        if simulate(tried, policy=seen.policy).throttle_rate > seen.throttle_rate:
            low = (low + high) / 2
        else:
            high = (low + high) / 2
    return scenario.replace(quota=Quota(requests_per_minute=math.exp(high)))


def advise(
    seen: RunStats,
    scenario: Scenario,
    *,
    seeds: Iterable[int] = range(5),
    on_run: Callable[[], object] | None = None,
) -> list[Advice]:
    """The changes that apply, the most telling first; none where the run is within all limits and cannot be faster."""
    runs = tuple(seeds)
    before = run_trial(Trial(name="as it was", scenario=scenario, policy=seen.policy), runs, on_run)
    found: list[Advice] = []
    for name, why, variables, trial in _changes(seen, scenario):
        after = None if trial is None else run_trial(trial, runs, on_run)
        found.append(Advice(name=name, why=why, variables=variables, before=before, after=after))
    return found


def _changes(seen: RunStats, scenario: Scenario) -> Iterable[tuple[str, str, dict[str, str], Trial | None]]:
    throttled = f"{seen.throttle_rate:.1%} of the calls were throttled"
    if seen.throttle_rate >= FEW_THROTTLES and not seen.pacing_seconds:
        yield (
            "pace the calls",
            f"{throttled} (limit {FEW_THROTTLES:.0%}): a pacer sends at the rate that the quota allows",
            {"BEDROCK_PACING": "adaptive"},
            Trial(name="paced", scenario=scenario, policy=seen.policy, pacer=AdaptivePacer),
        )
    # These two and no other: what is simulated has to be what the variables make of the run.
    policy = seen.policy.replace(
        max_retries=max(_MORE_RETRIES, seen.policy.max_retries), base_delay=max(_LONGER_DELAY, seen.policy.base_delay)
    )
    if seen.failure_rate > MANY_FAILURES and policy != seen.policy:
        yield (
            "more retries, longer delays",
            f"{seen.failure_rate:.1%} of the items lost (limit {MANY_FAILURES:.0%})",
            {"BEDROCK_MAX_RETRIES": str(policy.max_retries), "BEDROCK_BASE_DELAY": f"{policy.base_delay:g}"},
            Trial(name="more retries", scenario=scenario, policy=policy),
        )
    yield from _other_workers(seen, scenario, throttled)
    yield from _fewer_tokens(seen)


def _other_workers(
    seen: RunStats, scenario: Scenario, throttled: str
) -> Iterable[tuple[str, str, dict[str, str], Trial]]:
    if seen.throttle_rate < FEW_THROTTLES and seen.workers < _MORE_WORKERS and not seen.pacing_seconds:
        name, why, workers = "more workers", f"only {throttled} (limit {FEW_THROTTLES:.0%})", _MORE_WORKERS
    elif seen.elapsed > LONG_RUN and seen.throttle_rate >= MANY_THROTTLES and seen.workers > 1:
        name, workers = "fewer workers", max(1, seen.workers // 2)
        why = f"the run took {seen.elapsed:.0f} s (limit {LONG_RUN:.0f} s), and {throttled}"
    else:
        return
    trial = Trial(name=name, scenario=scenario.replace(workers=workers), policy=seen.policy)
    yield name, why, {"MAX_BEDROCK_WORKERS": str(workers)}, trial


def _fewer_tokens(seen: RunStats) -> Iterable[tuple[str, str, dict[str, str], None]]:
    account = _account_of_means(seen) if seen.tokens is None else seen.tokens
    advised = None if account is None else account.advised_max_tokens
    if account is not None and advised is not None:
        yield (
            "a lower max_tokens",
            (
                f"{account.unused_share:.0%} of the tokens that the answers reserved ({account.unused:.0f} of "
                f"{account.reserved}) were reserved in vain: max_tokens is {account.max_tokens}, and {advised} would do"
            ),
            {},
            None,
        )


def _account_of_means(seen: RunStats) -> TokenUsage | None:
    """What the account may have been, where the report has none: each answer the mean one, the longest twice that.

    The input counts the same at the start and at the end, so it is left out.
    """
    if seen.max_tokens is None or not seen.output_tokens or not seen.answered:
        return None
    mean = seen.output_tokens / seen.answered
    one = RequestTokens(0, seen.max_tokens).settled(Usage(0, round(mean)))
    return TokenUsage(
        answers=seen.answered,
        output_tokens=seen.output_tokens,
        reserved=seen.answered * one.reserved,
        settled=seen.answered * one.settled,
        unused=seen.answered * one.unused,
        max_tokens=seen.max_tokens,
        largest_output=round(2 * mean),
    )
