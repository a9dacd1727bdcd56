"""The public surface as type checkers see it. It is not run: mypy, pyright, ty and pyrefly are the test."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import TYPE_CHECKING, assert_type

from bedrock_resilience import (
    AdaptivePacer,
    AdditiveJitter,
    BatchReport,
    BedrockRuntime,
    BoundedExecutor,
    Deadline,
    DecorrelatedJitter,
    EqualJitter,
    Fault,
    FullJitter,
    ItemOutcome,
    LoggingListener,
    NoJitter,
    NoPacer,
    Quota,
    QuotaPacer,
    RequestTokens,
    Retrier,
    RetriesExhaustedError,
    RetryBudget,
    RetryPolicy,
    StopReason,
    TokenUsage,
    bedrock_runtime_client,
    classify,
    protect,
    retry,
    unprotect,
)
from bedrock_resilience.batch import AsyncOutcomeStream, OutcomeStream
from bedrock_resilience.bedrock import request_tokens
from bedrock_resilience.pacing import PacerStatus
from bedrock_resilience.quotas import ServiceQuota, ServiceQuotas
from bedrock_resilience.retrying import (
    AttemptContext,
    AttemptStarting,
    CallCancelled,
    CallFailed,
    CallInfo,
    CallStarted,
    CallSucceeded,
    PacingWait,
    RetryScheduled,
    RetryStatistics,
    StatisticsListener,
    StreamOpened,
    retrier_of,
    with_options,
)
from bedrock_resilience.telemetry import EmfListener, OpenTelemetryListener, PrometheusListener, StructlogListener
from bedrock_resilience.testing import FakeClock, instant_retries, no_retries, scripted

if TYPE_CHECKING:
    import random

    from bedrock_resilience import Clock, Pacer, Progress, SharedPacer
    from bedrock_resilience.retrying import Event, Jitter, Listener

# --- decorated functions keep their signatures -----------------------------------------------------------------------


@retry(RetryPolicy())
def ask(question: str, *, politely: bool = True) -> int:
    return len(question) + politely


@retry(RetryPolicy(), clock=FakeClock())
async def ask_later(question: str) -> int:
    return len(question)


class Client:
    @retry()
    def ask(self, question: str) -> int:
        return len(question)

    @Retrier()
    async def ask_later(self, question: str) -> int:
        return len(question)


async def decorated() -> None:
    assert_type(ask("why?", politely=False), int)
    assert_type(await ask_later("why?"), int)
    assert_type(Client().ask("why?"), int)
    assert_type(await Client().ask_later("why?"), int)
    as_function: Callable[[str], int] = Client().ask
    as_coroutine_function: Callable[[str], Awaitable[int]] = ask_later
    del as_function, as_coroutine_function
    ask(5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # ty: ignore[invalid-argument-type]
    ask("why?", rudely=True)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]  # ty: ignore[unknown-argument]
    await ask_later()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]  # ty: ignore[missing-argument]
    Client().ask(5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # ty: ignore[invalid-argument-type]


@retry()
def words(text: str) -> Iterator[str]:
    yield from text.split()


@retry()
async def words_later(text: str) -> AsyncIterator[str]:
    yield text


async def decorated_anew() -> None:
    assert_type(next(words("one two")), str)
    assert_type(await anext(words_later("one two")), str)
    assert_type(retrier_of(ask), Retrier)
    assert_type(with_options(ask, raise_exhausted=True)("why?", politely=False), int)
    assert_type(await with_options(ask_later, tokens=5)("why?"), int)
    assert_type(with_options(Client().ask, tokens=5)("why?"), int)
    with_options(ask, tokens=5)(5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # ty: ignore[invalid-argument-type]


# --- a block of statements -------------------------------------------------------------------------------------------


async def looped(retrier: Retrier) -> None:
    for attempt in retrier:
        assert_type(attempt, AttemptContext)
        with attempt as entered:
            assert_type(entered, AttemptContext)
            assert_type(entered.number, int)
            assert_type(entered.max_attempts, int)
            entered.set_result("answer")
    async for attempt in retrier:
        assert_type(attempt, AttemptContext)


# --- calls return what the function returns, and check its arguments -------------------------------------------------


def divide(one: float, other: float = 1.0) -> float:
    return one / other


async def adivide(one: float, other: float = 1.0) -> float:
    return one / other


async def called() -> None:
    policy, retrier = RetryPolicy(), Retrier()
    assert_type(policy.call(divide, 4.0, other=2.0), float)
    assert_type(retrier.call(divide, 4.0), float)
    assert_type(await retrier.acall(adivide, 4.0, other=2.0), float)
    policy.call(divide, "4")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # ty: ignore[invalid-argument-type]
    retrier.call(divide, another=2.0)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]  # ty: ignore[missing-argument, unknown-argument]
    await retrier.acall(divide, 4.0)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # ty: ignore[invalid-argument-type]


# --- the executor knows items and values -----------------------------------------------------------------------------


async def executed(executor: BoundedExecutor, words: list[str]) -> None:
    def size(word: str) -> int:
        return len(word)

    async def asize(word: str) -> int:
        return len(word)

    report = executor.run(size, words)
    assert_type(report, BatchReport[str, int])
    assert_type(report.values, list[int])
    assert_type(report.succeeded, tuple[ItemOutcome[str, int], ...])
    assert_type(report.failed, tuple[ItemOutcome[str, int], ...])
    assert_type(report.unstarted, tuple[ItemOutcome[str, int], ...])
    assert_type(report.submitted, int)
    assert_type(report.attempts, int)
    assert_type(report.retries, int)
    assert_type(report.throttles, int)
    assert_type(report.retry_rate, float)
    assert_type(report.failure_rate, float)
    assert_type(report.elapsed, float)
    assert_type(report.stopped, str | None)
    assert_type(report.tokens, TokenUsage | None)
    assert_type(report.to_dict(), dict[str, object])
    assert_type(executor.stream(size, words), OutcomeStream[str, int])
    assert_type(await executor.arun(asize, words), BatchReport[str, int])
    assert_type(executor.astream(asize, words), AsyncOutcomeStream[str, int])
    for outcome in report.outcomes:
        assert_type(outcome.item, str)
        assert_type(outcome.value, int | None)
        assert_type(outcome.error, BaseException | None)
        assert_type(outcome.fault, Fault | None)
        assert_type(outcome.attempts, int)
        assert_type(outcome.tokens, TokenUsage | None)
    executor.run(size, [1, 2])  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # ty: ignore[invalid-argument-type]


# --- the fixed names -------------------------------------------------------------------------------------------------


def policy_surface(policy: RetryPolicy, rng: random.Random) -> None:
    RetryPolicy(
        max_retries=3,
        base_delay=0.5,
        multiplier=2.0,
        max_delay=20.0,
        jitter=AdditiveJitter(0.1),
        retry_on=[Fault.THROTTLING],
    )
    RetryPolicy(retry_on={Fault.THROTTLING: None, Fault.READ_TIMEOUT: 1})
    RetryPolicy(retry_on="transient")
    assert_type(policy.delay(0, 0.5), float)
    assert_type(policy.delay(0, 0.5, previous=1.0), float)
    assert_type(policy.bounds(0), tuple[float, float])
    assert_type(policy.delays(), Iterator[float])
    assert_type(policy.delays(rng), Iterator[float])
    assert_type(policy.replace(max_retries=5), RetryPolicy)
    assert_type(RetryPolicy.from_env({}), RetryPolicy)
    kinds: list[Jitter] = [NoJitter(), AdditiveJitter(0.1), FullJitter(), EqualJitter(), DecorrelatedJitter()]
    del kinds


def retrier_surface(
    policy: RetryPolicy, clock: Clock, rng: random.Random, deadline: Deadline, budget: RetryBudget, pacer: Pacer
) -> None:
    Retrier(policy, clock=clock, rng=rng, deadline=deadline, budget=budget, pacer=pacer, listeners=[LoggingListener()])
    BoundedExecutor(
        4,
        policy=policy,
        deadline=deadline,
        budget=budget,
        pacer=pacer,
        clock=clock,
        listeners=(),
        on_progress=print_progress,
    )
    Retrier(
        retry_on_result=lambda response: not response,
        before_attempt=before_attempt,
        timeout=45.0,
        attempt_timeout=30.0,
        stop_event=threading.Event(),
        fallback=lambda error: error.args,
    )
    BoundedExecutor(
        retry_on_result=bool,
        before_attempt=before_attempt,
        attempt_timeout=30,
        stop_event=asyncio.Event(),
        fallback=repr,
    )
    statistics = StatisticsListener()
    Retrier(listeners=[statistics])
    assert_type(statistics.snapshot(), RetryStatistics)
    assert_type(statistics.reset().calls, int)
    BoundedExecutor(info=CallInfo(operation="Converse", model="m", region="eu-west-3"), listeners=[on_event])
    Retrier(info=call_info, listeners=(on_event, LoggingListener()))
    BoundedExecutor(tokens=RequestTokens(700, 1_000)).retrier.replace(tokens=request_tokens)
    assert_type(request_tokens({"modelId": "m"}).settled(None).advised_max_tokens, int | None)


def before_attempt(starting: AttemptStarting) -> None:
    assert_type(starting.attempt, int)
    assert_type(starting.max_attempts, int)
    assert_type(starting.backoff_seconds, float)
    assert_type(starting.fault, Fault | None)
    assert_type(starting.error, BaseException | None)


def call_info(question: str) -> CallInfo:
    return CallInfo(operation="Converse", model=question)


def on_event(event: Event) -> None:
    assert_type(event.call_id, str)
    assert_type(event.operation, str | None)
    assert_type(event.model, str | None)
    assert_type(event.region, str | None)
    assert_type(event.tokens_reserved, int)
    assert_type(event.token_usage, TokenUsage | None)
    if isinstance(event, RetryScheduled):
        assert_type(event.delay, float)
        assert_type(event.error, BaseException)
    elif isinstance(event, PacingWait):
        assert_type(event.seconds, float)
    elif isinstance(event, CallSucceeded):
        assert_type(event.answer, object)
    elif isinstance(event, CallFailed):
        assert_type(event.reason, StopReason)
        assert_type(event.error, BaseException | None)
    elif isinstance(event, CallCancelled):
        assert_type(event.error, BaseException)
    elif isinstance(event, StreamOpened):
        assert_type(event.attempts, int)
    elif isinstance(event, CallStarted):
        assert_type(event.pacer, PacerStatus | None)


def listener_surface() -> None:
    listeners: list[Listener] = [
        LoggingListener(),
        StatisticsListener(),
        EmfListener(),
        OpenTelemetryListener(),
        PrometheusListener(),
        StructlogListener(),
        on_event,
    ]
    Retrier(listeners=listeners)
    BoundedExecutor(listeners=listeners)
    bedrock_runtime_client(listeners=listeners, policy=RetryPolicy(), pacer=AdaptivePacer(), budget=RetryBudget())
    client = object()
    assert_type(protect(client, listeners=listeners, deadline=Deadline.after(60)), object)
    assert_type(unprotect(client), object)


def print_progress(progress: Progress) -> None:
    assert_type(progress.done, int)


def fault_surface(error: RetriesExhaustedError) -> None:
    fault = classify(error)
    assert_type(fault, Fault)
    assert_type(fault.retryable, bool)
    assert_type(fault.backpressure, bool)
    assert_type(fault.fatal, bool)
    assert_type(error.attempts, int)
    assert_type(error.reason, StopReason | None)


def pacer_surface(shared: SharedPacer) -> None:
    quota = Quota(requests_per_minute=50, tokens_per_minute=200_000, burst=5)
    pacers: list[Pacer] = [NoPacer(), QuotaPacer(quota), AdaptivePacer(), shared]
    for pacer in pacers:
        reservation = pacer.reserve(0.0, tokens=4_000)
        assert_type(reservation.wait, float)
        pacer.answered(reservation, 1.0, usage=None)
        pacer.throttled(reservation, 1.0)
        pacer.abandoned(reservation, 1.0)


def quota_surface() -> None:
    quota = Quota.from_service_quotas("eu.anthropic.claude-sonnet-4-6", region_name="eu-west-3", max_age=60)
    assert_type(quota, Quota)
    assert_type(quota.source, ServiceQuotas | None)
    if quota.source is not None:
        assert_type(quota.source.quotas, tuple[ServiceQuota, ...])
        assert_type(quota.source.quotas[0].value, float)
    mantle = Quota.mantle(input_tokens_per_minute=20_000_000, output_tokens_per_minute=4_000_000)
    assert_type(mantle.share(0.5), Quota)
    QuotaPacer(mantle)


def client_surface() -> None:
    client = bedrock_runtime_client("eu-west-3", workers=4, read_timeout=60.0, connect_timeout=5)
    BedrockRuntime(client)


def test_kit_surface() -> None:
    clock: Clock = FakeClock()
    assert_type(scripted("answer").calls, int)
    assert_type(FakeClock().sleeps, list[float])
    with instant_retries(max_retries=1) as instant, no_retries():
        assert_type(instant, FakeClock)
    del clock
