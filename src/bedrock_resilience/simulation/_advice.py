"""Advice: which settings to change after a run, and the effect that the change would have.

The rules: less than 5 % throttles allow more workers; more than 5 % failed items require more and longer retries; 5 %
throttles or more require a pacer; 20 % or more require fewer workers. No formula estimates the effect: the run is
rebuilt as a scenario, and simulated with and without the change.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from bedrock_resilience._checks import number, refuse
from bedrock_resilience._fault import Fault
from bedrock_resilience.pacing import AdaptivePacer
from bedrock_resilience.quotas import Quota
from bedrock_resilience.simulation._driver import simulate
from bedrock_resilience.simulation._scenario import Scenario
from bedrock_resilience.simulation._trials import Trial, TrialResult, run_trial

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from bedrock_resilience.quotas import TokenUsage
    from bedrock_resilience.simulation._run_stats import RunStats

Change: TypeAlias = Literal[
    "pace the requests",
    "more retries, longer delays",
    "retry other faults",
    "inspect the errors",
    "fewer workers",
    "more workers",
    "lower max_tokens",
]
"""The changes that are recommended, by their names."""

_FEW_THROTTLES: Final = 0.05
_MANY_THROTTLES: Final = 0.20
_MANY_RETRIES: Final = 0.20
_MANY_FAILURES: Final = 0.05
_WORKERS: Final = 8
_MAX_RETRIES: Final = 5
_BASE_DELAY_SECONDS: Final = 1.0

# A run that was throttled throughout has an admitted rate of 0, which is no quota.
_MIN_REQUESTS_PER_MINUTE: Final = 1.0
_QUOTA_SEARCH_STEPS: Final = 8  # each halves the range of quotas: to within 3 %


@dataclass(frozen=True, slots=True, kw_only=True)
class Recommendation:
    """One change of settings.

    Args:
        name: The change in a few words.
        reason: The numbers of the run that call for it, and their limit.
        settings: What to set: ``max_workers``, ``max_retries``, ``base_delay`` (seconds), ``retry_on``, ``pacer`` or
            ``max_tokens``. Empty if no setting helps.
    """

    name: Change
    reason: str
    settings: Mapping[str, int | float | str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """A recommendation with its simulated effect.

    Args:
        recommendation: The change.
        before: The run with its own settings, simulated.
        after: The run with the change, simulated; None if the simulation does not cover the change.
    """

    recommendation: Recommendation
    before: TrialResult
    after: TrialResult | None

    def to_dict(self) -> dict[str, object]:
        """The advice for JSON."""
        return {
            "name": self.recommendation.name,
            "reason": self.recommendation.reason,
            "settings": dict(self.recommendation.settings),
            "before": self.before.to_dict(),
            "after": None if self.after is None else self.after.to_dict(),
        }


def advise(
    stats: RunStats,
    scenario: Scenario,
    *,
    seeds: Iterable[int] = range(5),
    on_run: Callable[[], object] | None = None,
) -> list[Advice]:
    """The changes to make after a run, each with its simulated effect, the most effective first.

    Args:
        stats: The run.
        scenario: The same run as a scenario, see ``rebuild``.
        seeds: One simulation for each.
        on_run: Called after each simulation.

    Returns:
        Nothing if the run is within all limits and cannot be faster.
    """
    runs = tuple(seeds)
    base = Trial(name="before", scenario=scenario, policy=stats.policy)
    before = run_trial(base, runs, on_run)
    found: list[Advice] = []
    for recommendation in recommend(stats):
        trial = _changed(base, recommendation)
        after = None if trial is None else run_trial(trial, runs, on_run)
        found.append(Advice(recommendation=recommendation, before=before, after=after))
    return found


def recommend(stats: RunStats) -> list[Recommendation]:
    """The changes to make after a run, without their simulated effect, the most effective first.

    Returns:
        Nothing if the run is within all limits and cannot be faster, or if it sent no request.
    """
    if not stats.attempts:
        return []
    tokens = recommend_max_tokens(stats.tokens)
    return [*_pacing(stats), *_retries(stats), *_workers(stats), *([] if tokens is None else [tokens])]


def recommend_max_tokens(tokens: TokenUsage | None) -> Recommendation | None:
    """A lower ``max_tokens``, if the requests reserved more than they used and there are enough answers."""
    advised = None if tokens is None else tokens.advised_max_tokens
    if tokens is None or advised is None:
        return None
    reason = (
        f"{tokens.unused_share:.0%} of the reserved tokens were not used ({tokens.unused:.0f} of {tokens.reserved}); "
        f"max_tokens is {tokens.max_tokens}, the longest answer has {tokens.largest_output}"
    )
    return Recommendation(name="lower max_tokens", reason=reason, settings={"max_tokens": advised})


def _pacing(stats: RunStats) -> Iterator[Recommendation]:
    if stats.throttle_rate >= _FEW_THROTTLES and not stats.pacing_seconds:
        yield Recommendation(name="pace the requests", reason=_throttled(stats), settings={"pacer": "adaptive"})


def _retries(stats: RunStats) -> Iterator[Recommendation]:
    if stats.failure_rate <= _MANY_FAILURES:
        return
    failed = f"{stats.failure_rate:.1%} of the items failed (limit {_MANY_FAILURES:.0%})"
    retryable = {fault.value for fault in Fault if fault.retryable} & set(stats.faults)
    retried = {name for name in retryable if stats.policy.retries_of(Fault(name))}
    max_retries = max(_MAX_RETRIES, stats.policy.max_retries)
    base_delay = max(_BASE_DELAY_SECONDS, stats.policy.base_delay)
    unchanged = (max_retries, base_delay) == (stats.policy.max_retries, stats.policy.base_delay)
    if (retried or not stats.faults) and not unchanged:
        settings = {"max_retries": max_retries, "base_delay": base_delay}
        yield Recommendation(name="more retries, longer delays", reason=failed, settings=settings)
    if not_retried := sorted(retryable - retried):
        reason = f"{failed}, and the policy does not retry {', '.join(not_retried)}"
        yield Recommendation(name="retry other faults", reason=reason, settings={"retry_on": "transient"})
    if others := sorted(set(stats.faults) - retryable):
        reason = f"{failed}, some with faults that no setting prevents: {', '.join(others)}"
        yield Recommendation(name="inspect the errors", reason=reason, settings={})


def _workers(stats: RunStats) -> Iterator[Recommendation]:
    if stats.throttle_rate >= _MANY_THROTTLES and stats.workers > 1:
        reason = f"{stats.throttle_rate:.1%} of the attempts were throttled (limit {_MANY_THROTTLES:.0%})"
        yield Recommendation(name="fewer workers", reason=reason, settings={"max_workers": stats.workers // 2})
    within_limits = (
        stats.throttle_rate < _FEW_THROTTLES
        and stats.retry_rate <= _MANY_RETRIES
        and stats.failure_rate <= _MANY_FAILURES
    )
    if within_limits and stats.workers < _WORKERS and not stats.pacing_seconds:
        reason = f"only {_throttled(stats)}"
        yield Recommendation(name="more workers", reason=reason, settings={"max_workers": _WORKERS})


def _throttled(stats: RunStats) -> str:
    return f"{stats.throttle_rate:.1%} of the attempts were throttled (limit {_FEW_THROTTLES:.0%})"


def _changed(base: Trial, recommendation: Recommendation) -> Trial | None:
    """The trial with the change; None if the simulation does not cover it."""
    settings, name = recommendation.settings, recommendation.name
    if "pacer" in settings:
        return Trial(name=name, scenario=base.scenario, policy=base.policy, pacer=AdaptivePacer)
    if "max_retries" in settings:
        return Trial(name=name, scenario=base.scenario, policy=base.policy.replace(**settings))
    if "max_workers" in settings:
        return Trial(name=name, scenario=base.scenario.replace(workers=settings["max_workers"]), policy=base.policy)
    return None


def rebuild(stats: RunStats, *, rpm: float | None = None, instances: int = 1, offset: float = 60.0) -> Scenario:
    """The scenario of a run that has finished.

    Args:
        stats: The run.
        rpm: The quota in requests per minute, if it is known. Otherwise it is estimated from the run: a throttled
            run sent as fast as the quota allowed, and the quota of any other run is at least its own rate. If the
            duration of a throttled run is unknown, it is the quota under which the simulated run is throttled as much.
        instances: Runs that shared the quota.
        offset: Seconds between their starts.

    Raises:
        TypeError: ``rpm`` is no number.
        ValueError: ``rpm`` is out of range, or the run sent no request.
    """
    refuse("rebuild", number("rpm", rpm, above=0, optional=True))
    if not stats.attempts or not stats.submitted:
        raise ValueError("rebuild: stats: got a run without attempts; accepted: a run that sent requests")
    seconds = stats.elapsed or max(1.0, stats.admitted * stats.latency / stats.workers)
    rate = max(_MIN_REQUESTS_PER_MINUTE, 60 * stats.admitted / seconds * instances)
    scenario = Scenario(
        instances=instances,
        workers=stats.workers,
        items=stats.submitted,
        offset=offset if instances > 1 else 0.0,
        quota=Quota(requests_per_minute=rate if rpm is None else rpm),
        latency=stats.latency,
    )
    if rpm is not None:
        return scenario
    if stats.throttle_rate < _FEW_THROTTLES:
        return scenario.replace(quota=Quota(requests_per_minute=2 * rate))
    return scenario if stats.elapsed or stats.pacing_seconds else _throttled_as_much(stats, scenario, 2 * rate)


def _throttled_as_much(stats: RunStats, scenario: Scenario, max_rate: float) -> Scenario:
    """The scenario under the quota that gives the run's throttle rate, which falls as the quota grows."""
    low, high = math.log(_MIN_REQUESTS_PER_MINUTE), math.log(max_rate)
    for _ in range(_QUOTA_SEARCH_STEPS):
        candidate = scenario.replace(quota=Quota(requests_per_minute=math.exp((low + high) / 2)))
        if simulate(candidate, policy=stats.policy).throttle_rate > stats.throttle_rate:
            low = (low + high) / 2
        else:
            high = (low + high) / 2
    return scenario.replace(quota=Quota(requests_per_minute=math.exp(high)))
