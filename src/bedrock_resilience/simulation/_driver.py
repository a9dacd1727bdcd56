"""``simulate``: the production executor, policy and pacer against a quota, in virtual time."""

from __future__ import annotations

import asyncio
import math
import random
from typing import TYPE_CHECKING, TypeAlias

from bedrock_resilience._checks import function, instance, refuse
from bedrock_resilience.batch._executor import BoundedExecutor
from bedrock_resilience.retrying._deadline import Deadline
from bedrock_resilience.retrying._policy import RetryPolicy
from bedrock_resilience.simulation._report import InstanceReport, SimulationReport
from bedrock_resilience.simulation._scenario import Scenario
from bedrock_resilience.simulation._service import SimulatedBedrock
from bedrock_resilience.simulation._stores import StoreBoundPacer
from bedrock_resilience.simulation._virtual_time import run_virtually

if TYPE_CHECKING:
    from collections.abc import Callable

    from bedrock_resilience.batch._report import BatchReport
    from bedrock_resilience.clock import Clock
    from bedrock_resilience.pacing import Pacer
    from bedrock_resilience.quotas import RequestTokens
    from bedrock_resilience.simulation._service import SimulatedItem
    from bedrock_resilience.simulation._stores import SimulatedStore

    PacerFactory: TypeAlias = Callable[[], Pacer]


def simulate(
    scenario: Scenario,
    policy: RetryPolicy = RetryPolicy(),  # noqa: B008 - a frozen value
    pacer: PacerFactory | None = None,
    seed: int = 0,
) -> SimulationReport:
    """Run a scenario in virtual time. The same arguments give the same report.

    Args:
        scenario: What is simulated.
        policy: The retry policy of every call.
        pacer: Makes a pacer; called once for each instance, when it starts. None: no pacing.
        seed: Seed of all random numbers: the policy's jitter, the latency, the sizes of the items.

    Raises:
        TypeError: ``scenario`` is no Scenario, or ``pacer`` is a pacer: instances do not share one, so a factory is
            required.
    """
    refuse(
        "simulate",
        instance("scenario", scenario, Scenario, "a Scenario"),
        function("pacer", pacer, "a factory, such as the class AdaptivePacer, or None", optional=True),
    )
    return run_virtually(lambda clock: _simulate(clock, scenario, policy, pacer, seed))


async def _simulate(
    clock: Clock, scenario: Scenario, policy: RetryPolicy, pacer: PacerFactory | None, seed: int
) -> SimulationReport:
    service = SimulatedBedrock(scenario, clock, _rng(seed, "service"))
    changing = asyncio.create_task(service.change_quotas())
    simulated = [_Instance(number, scenario, policy, seed) for number in range(scenario.instances)]
    reports = await asyncio.gather(*(each.run(clock, service, pacer) for each in simulated))
    changing.cancel()
    return SimulationReport(
        scenario=scenario,
        policy=repr(policy),
        pacer=_name(pacer),
        seed=seed,
        instances=tuple(reports),
        requests=tuple(service.requests),
        settled=service.settled,
        input_tokens=tuple(each.input_tokens for each in simulated) if scenario.tokens else (),
    )


class _Instance:
    """One instance with its own executor and pacer, like a Lambda invocation."""

    def __init__(self, number: int, scenario: Scenario, policy: RetryPolicy, seed: int) -> None:
        self._number = number
        self._scenario = scenario
        self._policy = policy
        self._seed = seed
        self._pacer: Pacer | None = None
        self.input_tokens: int = 0

    async def run(self, clock: Clock, service: SimulatedBedrock, pacer: PacerFactory | None) -> InstanceReport:
        started = self._number * self._scenario.offset
        await clock.asleep(started)
        self._pacer = None if pacer is None else pacer()
        timeout = self._scenario.timeout
        executor = BoundedExecutor(
            self._scenario.workers,
            policy=self._policy,
            deadline=None if timeout is None else Deadline(started + timeout),
            pacer=self._pacer,
            clock=clock,
            rng=_rng(self._seed, f"policy {self._number}"),
            tokens=_tokens,
        )
        items = service.items(_rng(self._seed, f"items {self._number}"))
        self.input_tokens = sum(item.tokens.input_tokens for item in items if item.tokens)
        report = await executor.arun(lambda item: service.answer(self._number, item, self._pace()), items)
        store = self._pacer.store if isinstance(self._pacer, StoreBoundPacer) else None
        return _instance_report(self._number, started, clock.monotonic(), report, store)

    def _pace(self) -> float | None:
        pace = getattr(self._pacer, "requests_per_minute", None)
        return pace if isinstance(pace, float) and math.isfinite(pace) else None


def _instance_report(
    number: int,
    started: float,
    ended: float,
    report: BatchReport[SimulatedItem, dict[str, dict[str, int]]],
    store: SimulatedStore | None,
) -> InstanceReport:
    return InstanceReport(
        instance=number,
        started=started,
        ended=ended,
        submitted=report.submitted,
        succeeded=len(report.succeeded),
        failed=len(report.failed),
        unstarted=len(report.unstarted),
        attempts=report.attempts,
        retries=report.retries,
        throttles=report.throttles,
        backoff_seconds=report.backoff_seconds,
        pacing_seconds=report.pacing_seconds,
        tokens=report.tokens,
        store_requests=store.requests if store else 0,
        store_failures=store.failures if store else 0,
        store_seconds=store.seconds if store else 0.0,
    )


def _tokens(item: SimulatedItem) -> RequestTokens | int:
    return item.tokens or 0


def _rng(seed: int, purpose: str) -> random.Random:
    # One generator for each purpose: a change in one place does not shift the random numbers of another.
    return random.Random(f"{seed} {purpose}")  # noqa: S311 - a simulation


def _name(pacer: PacerFactory | None) -> str:
    if pacer is None:
        return "none"
    return getattr(pacer, "__name__", None) or type(pacer).__name__
