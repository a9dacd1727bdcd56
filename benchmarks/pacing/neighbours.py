"""What others do about a throttle, driven in virtual time: their real classes, our clock.

Each way of calling is made anew for an instance, as a Lambda invocation makes its client, and carries one request
through. Only the waiting is replaced: where they would sleep, the virtual clock passes the time.
"""

from __future__ import annotations

import asyncio
import functools
import random
from typing import TYPE_CHECKING, Any, TypeAlias
from unittest import mock

import boto3.session
import tenacity
from botocore.awsrequest import AWSResponse
from botocore.config import Config
from botocore.exceptions import CapacityNotAvailableError, ReadTimeoutError
from botocore.hooks import first_non_none_response
from botocore.retries import adaptive, bucket

from bedrock_resilience import Fault
from bedrock_resilience.simulation import InstanceReport, Scenario, SimulationReport
from bedrock_resilience.simulation._load import NoAnswerError
from bedrock_resilience.simulation._service import RefusedError, SimulatedBedrock
from bedrock_resilience.simulation._virtual_time import run_virtually

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from bedrock_resilience.clock import Clock
    from bedrock_resilience.simulation._service import SimulatedItem

    Send: TypeAlias = Callable[[], Awaitable[object]]
    Call: TypeAlias = Callable[[Send], Awaitable[object]]
    Neighbour: TypeAlias = Callable[[Clock], Call]

BotocoreClient: TypeAlias = Any  # made at run time

ATTEMPTS = 4  # of tenacity, as many as the contract's; botocore's modes have their own 3
_NO_TIME = 1e-6


def tenacity_full_jitter(clock: Clock) -> Call:
    """The library tenacity with full jitter, from the contract's base delay on."""

    async def call(send: Send) -> object:
        retrying = tenacity.AsyncRetrying(
            wait=tenacity.wait_random_exponential(multiplier=0.5, max=20),
            stop=tenacity.stop_after_attempt(ATTEMPTS),
            retry=tenacity.retry_if_exception_type(RefusedError),
            sleep=clock.asleep,
            reraise=True,
        )
        return await retrying(send)

    return call


def botocore_standard(clock: Clock) -> Call:
    """The standard mode of botocore: the handlers that a client registers for its events."""
    return _Botocore(clock, paced=False).call


def botocore_adaptive(clock: Clock) -> Call:
    """The adaptive mode of botocore: standard, and its client-side rate limiter."""
    return _Botocore(clock, paced=True).call


def botocore_adaptive_10(clock: Clock) -> Call:
    """The adaptive mode of botocore with 10 attempts in the place of 3, so that fewer items are lost."""
    return _Botocore(clock, paced=True, attempts=10).call


class _VirtualClock(bucket.Clock):
    """The virtual time, as botocore asks for it."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._clock = clock

    def current_time(self) -> float:
        """Seconds."""
        return self._clock.monotonic()


class _Botocore:
    """A boto3 client whose events are raised as its endpoint would raise them, without a request being made."""

    def __init__(self, clock: Clock, *, paced: bool, attempts: int = 3) -> None:
        self._clock = clock
        self._client = _client(attempts)
        self._operation = self._client.meta.service_model.operation_model("Converse")
        self._limiter: Any = None
        if paced:
            with mock.patch.object(bucket, "Clock", return_value=_VirtualClock(clock)):
                self._limiter = adaptive.register_retry_handler(self._client)

    async def call(self, send: Send) -> object:
        """One request with all its retries, as ``botocore.endpoint`` goes about it."""
        context: dict[str, object] = {}
        attempts = 1
        while True:
            await self._take_token()
            answer, failed = await _outcome(send)
            timed_out = isinstance(failed, NoAnswerError)
            response = None if timed_out else _response(failed)
            events = self._client.meta.events
            delay = first_non_none_response(
                events.emit(
                    "needs-retry.bedrock-runtime.Converse",
                    response=response,
                    endpoint=None,
                    operation=self._operation,
                    attempts=attempts,
                    caught_exception=ReadTimeoutError(endpoint_url="https://bedrock") if timed_out else None,
                    request_dict={"context": context},
                )
            )
            if delay is None:
                break
            attempts += 1
            await self._clock.asleep(delay)
        if response is not None:
            http, parsed = response
            name = "after-call.bedrock-runtime.Converse"
            events.emit(name, http_response=http, parsed=parsed, model=self._operation, context=context)
        if failed is not None:
            raise failed
        return answer

    async def _take_token(self) -> None:
        limiter = self._limiter
        # What TokenBucket.acquire() does, with the virtual clock in the place of a condition variable.
        while limiter is not None and limiter._enabled:  # noqa: SLF001 - botocore has no other way to look
            tokens = limiter._token_bucket  # noqa: SLF001 - as above
            try:
                tokens.acquire(block=False)
            except CapacityNotAvailableError:
                await self._clock.asleep(max(_NO_TIME, tokens._sleep_amount(1)))  # noqa: SLF001 - as above
            else:
                return


@functools.cache
def _session() -> Any:
    return boto3.session.Session("bench", "bench", region_name="eu-west-3")


def _client(attempts: int) -> BotocoreClient:
    config = Config(retries={"mode": "standard", "total_max_attempts": attempts})
    return _session().client("bedrock-runtime", config=config)


async def _outcome(send: Send) -> tuple[object, Exception | None]:
    try:
        return await send(), None
    except (RefusedError, NoAnswerError) as error:
        return None, error


def _response(failed: Exception | None) -> tuple[AWSResponse, dict[str, object]]:
    overloaded = isinstance(failed, RefusedError) and failed.fault is Fault.SERVICE_UNAVAILABLE
    status = 200 if failed is None else 503 if overloaded else 429
    code = "ServiceUnavailableException" if overloaded else "ThrottlingException"
    raw: Any = None
    headers: Any = {}
    error = {} if failed is None else {"Error": {"Code": code, "Message": str(failed)}}
    return AWSResponse("https://bedrock", status, headers, raw), {"ResponseMetadata": {}, **error}


def simulate_neighbour(scenario: Scenario, neighbour: Neighbour, seed: int = 0) -> SimulationReport:
    """As ``simulate``, with a neighbour's way of calling in the place of our executor."""
    random.seed(seed)  # they draw from the module's own generator
    return run_virtually(lambda clock: _simulate(clock, scenario, neighbour, seed))


async def _simulate(clock: Clock, scenario: Scenario, neighbour: Neighbour, seed: int) -> SimulationReport:
    service = SimulatedBedrock(scenario, clock, random.Random(f"{seed} service"))
    runs = (_instance(number, clock, service, scenario, neighbour, seed) for number in range(scenario.instances))
    reports = await asyncio.gather(*runs)
    name = getattr(neighbour, "__name__", "")
    return SimulationReport(scenario, "its own", name, seed, tuple(reports), tuple(service.requests))


async def _instance(
    number: int, clock: Clock, service: SimulatedBedrock, scenario: Scenario, neighbour: Neighbour, seed: int
) -> InstanceReport:
    started = number * scenario.offset
    await clock.asleep(started)
    call = neighbour(clock)
    items = iter(service.items(random.Random(f"{seed} items {number}")))
    answered = sum(await asyncio.gather(*(_work(call, service, number, items) for _ in range(scenario.workers))))
    requests = [request for request in service.requests if request.instance == number]
    return InstanceReport(
        instance=number,
        started=started,
        ended=clock.monotonic(),
        submitted=scenario.items,
        succeeded=answered,
        failed=scenario.items - answered,
        unstarted=0,
        attempts=len(requests),
        retries=len(requests) - scenario.items,
        throttles=sum(request.refused is not None for request in requests),
        backoff_seconds=0.0,
        pacing_seconds=0.0,
    )


async def _work(call: Call, service: SimulatedBedrock, number: int, items: Iterator[SimulatedItem]) -> int:
    answered = 0
    for item in items:
        _, failed = await _outcome(functools.partial(call, functools.partial(service.answer, number, item, None)))
        answered += failed is None
    return answered
