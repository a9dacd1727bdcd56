"""``SimulationReport``: the outcome of a simulation, for each instance and over time."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from bedrock_resilience._fault import Fault
from bedrock_resilience.quotas._quota_limit import SECONDS_A_MINUTE
from bedrock_resilience.simulation._bounds import lower_bound
from bedrock_resilience.simulation._fairness import seconds_to_share, share_ratio

if TYPE_CHECKING:
    from bedrock_resilience.quotas import TokenUsage
    from bedrock_resilience.simulation._scenario import Scenario
    from bedrock_resilience.simulation._service import SimulatedRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceReport:
    """The outcome of one instance; times are seconds since the start of the first.

    ``submitted == succeeded + failed + unstarted``. The last three fields are about the store of a shared pace: the
    requests to it, those that failed, and the seconds that all of them took.
    """

    instance: int
    started: float
    ended: float
    submitted: int
    succeeded: int
    failed: int
    unstarted: int
    attempts: int
    retries: int
    throttles: int
    backoff_seconds: float
    pacing_seconds: float
    tokens: TokenUsage | None = None
    store_requests: int = 0
    store_failures: int = 0
    store_seconds: float = 0.0


class Span(NamedTuple):
    """The requests that arrived in a span of time.

    Attributes:
        start: Its start, in seconds.
        admitted: Requests admitted in it.
        throttled: Requests throttled by the quota.
        overloaded: Requests answered with 503.
        pace: Requests per minute that the pacers allowed together, mean over the span; None for pacers without a rate.
    """

    start: float
    admitted: int
    throttled: int
    overloaded: int
    pace: float | None


@dataclass(frozen=True)
class SimulationReport:
    """The outcome of a simulation.

    Attributes:
        scenario: What was simulated.
        policy: The retry policy, as text.
        pacer: The pacer, as text; "none" without one.
        seed: Seed of all its random numbers.
        instances: One report for each instance.
        requests: Every request in the order of arrival.
        settled: Tokens of quota that the answered requests took.
        input_tokens: Input tokens of all items of each instance; empty if only requests are counted.
    """

    scenario: Scenario
    policy: str
    pacer: str
    seed: int
    instances: tuple[InstanceReport, ...]
    requests: tuple[SimulatedRequest, ...]
    settled: float = 0.0
    input_tokens: tuple[int, ...] = ()

    @property
    def submitted(self) -> int:
        """Items of all instances."""
        return sum(instance.submitted for instance in self.instances)

    @property
    def succeeded(self) -> int:
        """Items that were answered."""
        return sum(instance.succeeded for instance in self.instances)

    @property
    def failed(self) -> int:
        """Items that failed for good."""
        return sum(instance.failed for instance in self.instances)

    @property
    def unstarted(self) -> int:
        """Items for which no request was sent."""
        return sum(instance.unstarted for instance in self.instances)

    @property
    def attempts(self) -> int:
        """Requests sent."""
        return sum(instance.attempts for instance in self.instances)

    @property
    def retries(self) -> int:
        """Attempts after the first of their call."""
        return sum(instance.retries for instance in self.instances)

    @property
    def throttles(self) -> int:
        """Requests throttled by the quota."""
        return sum(instance.throttles for instance in self.instances)

    @property
    def throttle_rate(self) -> float:
        """Throttles over attempts, 0 to 1."""
        return self.throttles / self.attempts if self.attempts else 0.0

    @property
    def failure_rate(self) -> float:
        """Failed over submitted items, 0 to 1."""
        return self.failed / self.submitted if self.submitted else 0.0

    @property
    def backoff_seconds(self) -> float:
        """Seconds slept between attempts, all items together."""
        return math.fsum(instance.backoff_seconds for instance in self.instances)

    @property
    def pacing_seconds(self) -> float:
        """Seconds slept for the pacer, all items together."""
        return math.fsum(instance.pacing_seconds for instance in self.instances)

    @property
    def tokens(self) -> TokenUsage | None:
        """What the requests reserved of the token quota and used; None if only requests are counted."""
        usages = [instance.tokens for instance in self.instances if instance.tokens is not None]
        return sum(usages[1:], usages[0]) if usages else None

    @property
    def makespan(self) -> float:
        """Seconds from the start of the first instance to the end of the last."""
        return max((instance.ended for instance in self.instances), default=0.0)

    @cached_property
    def lower_bound(self) -> float:
        """The least seconds that any way of sending takes; see ``bedrock_resilience.simulation._bounds``."""
        return lower_bound(self.scenario, self.input_tokens)

    @property
    def ratio(self) -> float:
        """Makespan over the lower bound."""
        return self.makespan / self.lower_bound if self.lower_bound else 1.0

    @cached_property
    def share_ratio(self) -> float | None:
        """The largest over the smallest number of requests admitted per instance while all instances ran.

        1 is perfectly fair; infinite if one had none; None if fewer than two ran at the same time.
        """
        return share_ratio(self.instances, self.requests)

    @cached_property
    def seconds_to_share(self) -> float | None:
        """Seconds from the start of the last instance to the first minute in which the shares are even.

        They are even if no instance has 1.5 times as many requests admitted as another. None: there is no such
        minute.
        """
        return seconds_to_share(self.instances, self.requests)

    @property
    def token_utilisation(self) -> float | None:
        """Settled tokens over those that the quota granted until the last request; None without a token quota."""
        per_minute = self.scenario.quota.tokens_per_minute
        if per_minute is None or not self.requests:
            return None
        return self.settled / (per_minute * (1 + self.requests[-1].at / SECONDS_A_MINUTE))

    def over_time(self, seconds: float = 10.0) -> list[Span]:
        """The run in spans of equal length, empty ones included.

        Raises:
            ValueError: ``seconds`` is not positive.
        """
        if not seconds > 0:
            raise ValueError(f"seconds: got {seconds!r}; accepted: a number > 0")
        if not self.requests:
            return []
        spans: list[list[SimulatedRequest]] = [[] for _ in range(int(self.requests[-1].at // seconds) + 1)]
        for request in self.requests:
            spans[int(request.at // seconds)].append(request)
        return [_span(number * seconds, requests) for number, requests in enumerate(spans)]

    def to_dict(self) -> dict[str, object]:
        """The numbers for JSON: totals, one entry for each instance, and spans of 10 seconds."""
        tokens = self.tokens
        return {
            "pacer": self.pacer,
            "policy": self.policy,
            "seed": self.seed,
            "reading": str(self.scenario.reading),
            "submitted": self.submitted,
            "succeeded": self.succeeded,
            "failed": self.failed,
            "unstarted": self.unstarted,
            "attempts": self.attempts,
            "retries": self.retries,
            "throttles": self.throttles,
            "throttle_rate": round(self.throttle_rate, 4),
            "failure_rate": round(self.failure_rate, 4),
            "backoff_seconds": round(self.backoff_seconds, 3),
            "pacing_seconds": round(self.pacing_seconds, 3),
            "tokens": None if tokens is None else tokens.to_dict(),
            "makespan": round(self.makespan, 3),
            "lower_bound": round(self.lower_bound, 3),
            "ratio": round(self.ratio, 4),
            "share_ratio": _json_number(self.share_ratio),
            "seconds_to_share": self.seconds_to_share,
            "token_utilisation": None if self.token_utilisation is None else round(self.token_utilisation, 4),
            "instances": [_instance_dict(instance) for instance in self.instances],
            "over_time": [span._asdict() for span in self.over_time()],
        }


def _span(start: float, requests: list[SimulatedRequest]) -> Span:
    refused = [request.refused for request in requests]
    throttled = refused.count(Fault.THROTTLING)
    admitted = refused.count(None)
    return Span(start, admitted, throttled, len(refused) - admitted - throttled, _pace(requests))


def _pace(requests: list[SimulatedRequest]) -> float | None:
    paces: dict[int, list[float]] = {}
    for request in requests:
        if request.pace is not None:
            paces.setdefault(request.instance, []).append(request.pace)
    if not paces:
        return None
    return math.fsum(math.fsum(values) / len(values) for values in paces.values())


def _json_number(value: float | None) -> float | None:
    """Rounded; None for what JSON has no number for."""
    return None if value is None or math.isinf(value) else round(value, 4)


def _instance_dict(instance: InstanceReport) -> dict[str, object]:
    numbers = {
        name: round(value, 3) if isinstance(value, float) else value
        for name, value in ((name, getattr(instance, name)) for name in InstanceReport.__slots__)
    }
    return {**numbers, "tokens": None if instance.tokens is None else instance.tokens.to_dict()}
