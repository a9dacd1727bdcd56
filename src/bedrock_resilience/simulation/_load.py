"""A service under load: the effect of retries when it loses capacity for a while, and the time until it recovers.

Answers take longer the more requests are in flight. Clients stop waiting after a timeout, and the service continues the
work for which no client waits. Retries add to it. After a short loss of capacity, this can keep the service busy with
unused work permanently, although its capacity is restored: a metastable failure (Bronson and others, "Metastable
Failures in Distributed Systems", HotOS 2021). Calls arrive at a fixed rate here, because a batch of a few workers
limits itself and cannot show this.
"""

from __future__ import annotations

import asyncio
import heapq
import math
import random
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final, TypeAlias

from bedrock_resilience._checks import function, instance, number, refuse, whole_number, wrong_value
from bedrock_resilience._fault import Fault
from bedrock_resilience.retrying._policy import RetryPolicy
from bedrock_resilience.retrying._retrier import Retrier
from bedrock_resilience.simulation._service import RefusedError
from bedrock_resilience.simulation._spans import spans_problem
from bedrock_resilience.simulation._virtual_time import run_virtually

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from bedrock_resilience.clock import Clock
    from bedrock_resilience.pacing import Pacer
    from bedrock_resilience.retrying._budget import RetryBudget

    Send: TypeAlias = Callable[[], Awaitable[object]]
    Caller: TypeAlias = Callable[[Send], Awaitable[object]]

_SPAN_SECONDS: Final = 10.0
_RECOVERED_SHARE: Final = 0.9
_ROUNDING: Final = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadScenario:
    """Clients that call a service at a fixed rate, and a service that loses capacity for a while.

    Args:
        clients: Processes, each with its own pacer and retry budget.
        calls_per_second: Calls of all clients together; their requests are these and the retries.
        seconds: How long calls arrive.
        latency: Seconds of an answer if the service is not busy.
        capacity: Requests in flight that the service answers without slowing down; more share its capacity evenly.
        max_in_flight: Requests in flight beyond which others are answered with 503; None: never.
        timeout: Seconds after which a client abandons a request. The service finishes it, and bills it.
        trigger: The span (from, to), in seconds, in which capacity is lost.
        trigger_capacity: The share of the capacity that is left in it, more than 0 to 1.
        refusal: Seconds until a 503 is answered.

    Raises:
        TypeError: A field has the wrong type.
        ValueError: A field is out of range.
    """

    clients: int = 4
    calls_per_second: float = 14.0
    seconds: float = 300.0
    latency: float = 1.0
    capacity: float = 20.0
    max_in_flight: int | None = 200
    timeout: float = 5.0
    trigger: tuple[float, float] = (60.0, 90.0)
    trigger_capacity: float = 0.25
    refusal: float = 0.2

    def __post_init__(self) -> None:
        refuse(
            "LoadScenario",
            whole_number("clients", self.clients, least=1),
            number("calls_per_second", self.calls_per_second, above=0),
            *(number(name, getattr(self, name), above=0, unit="seconds") for name in ("seconds", "latency", "timeout")),
            number("capacity", self.capacity, above=0),
            whole_number("max_in_flight", self.max_in_flight, least=1, optional=True),
            *spans_problem("trigger", (self.trigger,)),
            number("trigger_capacity", self.trigger_capacity, above=0, most=1),
            number("refusal", self.refusal, least=0, unit="seconds"),
        )
        if self.trigger[1] >= self.seconds:
            refuse("LoadScenario", wrong_value("trigger", self.trigger, f"a span that ends before {self.seconds:g}"))


@dataclass(frozen=True)
class LoadReport:
    """The outcome of a service under load.

    Attributes:
        scenario: What was simulated.
        calls: Calls that arrived.
        answered: Times at which calls were answered, in order.
        failed: Calls that failed for good; the others of ``calls`` were in progress at the end.
        attempts: Requests sent.
        timeouts: Requests that a client abandoned.
        refused: Requests answered with 503.
        work: Seconds of work that the service did, for requests that it finished.
        unused_work: The part of it for which no client waited: billed and unused.
    """

    scenario: LoadScenario
    calls: int
    answered: tuple[float, ...]
    failed: int
    attempts: int
    timeouts: int
    refused: int
    work: float
    unused_work: float

    @property
    def unused_share(self) -> float:
        """The share of the service's work for which no client waited, 0 to 1."""
        return self.unused_work / self.work if self.work else 0.0

    @cached_property
    def goodput(self) -> tuple[float, ...]:
        """Calls answered a second, in spans of 10 seconds; a last shorter one is left out."""
        spans = [0] * int(self.scenario.seconds // _SPAN_SECONDS)
        for at in self.answered:
            if at < len(spans) * _SPAN_SECONDS:
                spans[int(at // _SPAN_SECONDS)] += 1
        return tuple(count / _SPAN_SECONDS for count in spans)

    @property
    def seconds_to_recover(self) -> float | None:
        """Seconds from the end of the trigger until at least 90 % of the calls are answered, from then on for good.

        In steps of 10 seconds; None if that does not happen before the end.
        """
        end = self.scenario.trigger[1]
        least = _RECOVERED_SHARE * self.scenario.calls_per_second
        good = [goodput >= least for goodput in self.goodput]
        bad = [number for number, well in enumerate(good) if not well]
        recovered = (bad[-1] + 1) * _SPAN_SECONDS if bad else 0.0
        return None if recovered >= len(good) * _SPAN_SECONDS else max(0.0, recovered - end)

    def to_dict(self) -> dict[str, object]:
        """Return the numbers for JSON."""
        return {
            "calls": self.calls,
            "answered": len(self.answered),
            "failed": self.failed,
            "attempts": self.attempts,
            "timeouts": self.timeouts,
            "refused": self.refused,
            "unused_share": round(self.unused_share, 4),
            "seconds_to_recover": self.seconds_to_recover,
            "goodput": list(self.goodput),
        }


class NoAnswerError(Exception):
    """A client abandoned a request that the service still processes."""

    fault: Final = Fault.READ_TIMEOUT


def simulate_load(
    scenario: LoadScenario,
    policy: RetryPolicy = RetryPolicy(),  # noqa: B008 - a frozen value
    *,
    pacer: Callable[[], Pacer] | None = None,
    budget: Callable[[], RetryBudget] | None = None,
    seed: int = 0,
) -> LoadReport:
    """Simulate a service under load in virtual time, with the production ``Retrier``.

    Args:
        scenario: What is simulated.
        policy: The retry policy of every call. Requests fail with ``Fault.READ_TIMEOUT`` and
            ``Fault.SERVICE_UNAVAILABLE``.
        pacer: Makes the pacer of a client; called once for each. None: no pacing.
        budget: Makes the retry budget of a client; called once for each. None: no budget.
        seed: Seed of all random numbers.

    Raises:
        TypeError: An argument has the wrong type.
    """
    refuse(
        "simulate_load",
        instance("scenario", scenario, LoadScenario, "a LoadScenario"),
        instance("policy", policy, RetryPolicy, "a RetryPolicy"),
        function("pacer", pacer, "a factory, such as the class AdaptivePacer, or None", optional=True),
        function("budget", budget, "a factory, such as the class RetryBudget, or None", optional=True),
    )

    def caller(clock: Clock, client: int) -> Caller:
        rng = random.Random(f"{seed} policy {client}")  # noqa: S311 - a simulation
        retrier = Retrier(
            policy,
            clock=clock,
            rng=rng,
            budget=None if budget is None else budget(),
            pacer=None if pacer is None else pacer(),
        )
        return retrier.acall

    return simulate_callers(scenario, caller, seed)


def simulate_callers(scenario: LoadScenario, caller: Callable[[Clock, int], Caller], seed: int = 0) -> LoadReport:
    """As ``simulate_load``, with any way of calling: ``caller(clock, client)`` makes that of one client."""
    return run_virtually(lambda clock: _simulate(clock, scenario, caller, seed))


async def _simulate(
    clock: Clock, scenario: LoadScenario, caller: Callable[[Clock, int], Caller], seed: int
) -> LoadReport:
    service = _Service(scenario, clock)
    rng = random.Random(f"{seed} arrivals")  # noqa: S311 - a simulation
    callers = [caller(clock, client) for client in range(scenario.clients)]
    answered: list[float] = []
    failed = 0

    async def call(send: Caller) -> None:
        nonlocal failed
        try:
            await send(service.answer)
        except (NoAnswerError, RefusedError):
            failed += 1
        else:
            answered.append(clock.monotonic())

    trigger = asyncio.create_task(service.lose_capacity())
    calls: list[asyncio.Task[None]] = []
    for arrival in range(math.ceil(scenario.seconds * scenario.calls_per_second)):
        at = (arrival + rng.random()) / scenario.calls_per_second
        await clock.asleep(at - clock.monotonic())
        calls.append(asyncio.create_task(call(callers[arrival % len(callers)])))
    await clock.asleep(scenario.seconds - clock.monotonic())
    service.stop()
    for task in (*calls, trigger):
        task.cancel()
    await asyncio.gather(*calls, trigger, return_exceptions=True)
    return LoadReport(
        scenario=scenario,
        calls=len(calls),
        answered=tuple(answered),
        failed=failed,
        attempts=service.attempts,
        timeouts=service.timeouts,
        refused=service.refused,
        work=service.work,
        unused_work=service.unused_work,
    )


class _Service:
    """Shares its capacity evenly between the requests in flight.

    Time is counted in work done per request: a request ends when as much was done for each as it needs, however the
    number of requests changed meanwhile.
    """

    def __init__(self, scenario: LoadScenario, clock: Clock) -> None:
        self._scenario = scenario
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._capacity = scenario.capacity
        self._in_flight: list[tuple[float, int, asyncio.Future[None]]] = []
        self._done = 0.0  # seconds of work for each request in flight, since the start
        self._at = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._abandoned: set[asyncio.Future[None]] = set()
        self.attempts: int = 0
        self.timeouts: int = 0
        self.refused: int = 0
        self.work: float = 0.0
        self.unused_work: float = 0.0

    async def answer(self) -> None:
        """Answer one request.

        Raises:
            RefusedError: Too many requests are in flight.
            NoAnswerError: The client abandoned the request.
        """
        self.attempts += 1
        most = self._scenario.max_in_flight
        if most is not None and len(self._in_flight) >= most:
            self.refused += 1
            await self._clock.asleep(self._scenario.refusal)
            raise RefusedError(Fault.SERVICE_UNAVAILABLE)
        future = self._start()
        await asyncio.wait({future}, timeout=self._scenario.timeout)
        if not future.done():
            self.timeouts += 1
            self._abandoned.add(future)
            raise NoAnswerError

    async def lose_capacity(self) -> None:
        """Work with a part of the capacity while the trigger lasts."""
        start, end = self._scenario.trigger
        for at, share in ((start, self._scenario.trigger_capacity), (end, 1.0)):
            await self._clock.asleep(at - self._clock.monotonic())
            self._advance()
            self._capacity = share * self._scenario.capacity
            self._set_timer()

    def stop(self) -> None:
        """Answer nothing any more."""
        if self._timer is not None:
            self._timer.cancel()

    def _start(self) -> asyncio.Future[None]:
        self._advance()
        future: asyncio.Future[None] = self._loop.create_future()
        heapq.heappush(self._in_flight, (self._done + self._scenario.latency, self.attempts, future))
        self._set_timer()
        return future

    def _finish(self) -> None:
        self._advance()
        while self._in_flight and self._in_flight[0][0] <= self._done + _ROUNDING:
            _, _, future = heapq.heappop(self._in_flight)
            self.work += self._scenario.latency
            if future in self._abandoned:
                self._abandoned.remove(future)
                self.unused_work += self._scenario.latency
            future.set_result(None)
        self._set_timer()

    def _advance(self) -> None:
        now = self._loop.time()
        self._done += (now - self._at) * self._speed()
        self._at = now

    def _speed(self) -> float:
        return min(1.0, self._capacity / len(self._in_flight)) if self._in_flight else 1.0

    def _set_timer(self) -> None:
        self.stop()
        if self._in_flight:
            left = max(0.0, self._in_flight[0][0] - self._done)
            self._timer = self._loop.call_later(left / self._speed(), self._finish)
