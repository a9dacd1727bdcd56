"""Invariants of every call, whatever its attempts do."""

from __future__ import annotations

import random
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from hypothesis import given
from hypothesis import strategies as st

from bedrock_resilience import Fault, Retrier, RetryPolicy, classify
from bedrock_resilience.retrying._budget import RetryBudget
from bedrock_resilience.retrying._deadline import Deadline
from bedrock_resilience.retrying._events import CallFailed, CallStarted, CallSucceeded, RetryScheduled
from bedrock_resilience.testing import FakeClock, scripted
from bedrock_resilience.testing.strategies import bedrock_errors, outcomes, retry_policies

if TYPE_CHECKING:
    from bedrock_resilience.retrying._events import Event


def everything(policy: RetryPolicy) -> RetryPolicy:
    """The policy, with every fault retryable."""
    return policy.replace(retry_on=[fault for fault in Fault if fault is not Fault.CANCELLED])


@given(policy=retry_policies(), script=outcomes())
def test_there_are_at_most_as_many_calls_as_the_policy_allows(policy: RetryPolicy, script: list[object]) -> None:
    fn = scripted(*script)
    with suppress(Exception):
        Retrier(policy, clock=FakeClock()).call(fn)
    assert 1 <= fn.calls <= 1 + policy.max_retries


@given(policy=retry_policies(), script=outcomes())
def test_the_last_outcome_is_returned_or_raised(policy: RetryPolicy, script: list[object]) -> None:
    fn = scripted(*script)
    try:
        result: object = Retrier(policy, clock=FakeClock()).call(fn)
    except Exception as error:  # noqa: BLE001 - whatever the script says
        result = error
    assert result is script[fn.calls - 1]


@given(policy=retry_policies(), script=outcomes())
def test_only_faults_of_the_policy_are_retried_and_within_their_limits(
    policy: RetryPolicy, script: list[object]
) -> None:
    fn = scripted(*script)
    with suppress(Exception):
        Retrier(policy, clock=FakeClock()).call(fn)
    retried = [classify(outcome) for outcome in script[: fn.calls - 1] if isinstance(outcome, Exception)]
    assert len(retried) == fn.calls - 1
    for fault in retried:
        assert 1 <= retried.count(fault) <= policy.retries_of(fault)


@given(
    policy=retry_policies(max_retries=st.integers(0, 20)).map(everything),
    seconds=st.floats(0, 10_000),
    attempt=st.floats(0, 10),
    latency=st.floats(0, 10),
)
def test_nothing_starts_that_would_end_past_the_deadline(
    policy: RetryPolicy, seconds: float, attempt: float, latency: float
) -> None:
    clock = FakeClock()
    begun: list[float] = []

    def call() -> None:
        begun.append(clock.monotonic())
        clock.advance(latency)
        raise TimeoutError

    with suppress(TimeoutError):
        Retrier(policy, clock=clock, deadline=Deadline(seconds, attempt)).call(call)
    assert clock.slept <= seconds
    assert all(start + attempt < seconds for start in begun)


@given(
    policy=retry_policies(max_retries=st.integers(0, 20)).map(everything),
    start=st.floats(0, 1e6),
    seconds=st.floats(0, 10_000),
    timeout=st.floats(0.001, 10_000),
    seed=st.integers(),
)
def test_a_timeout_is_a_deadline_from_the_start_of_each_call(
    policy: RetryPolicy, start: float, seconds: float, timeout: float, seed: int
) -> None:
    def course(**limits: Any) -> tuple[int, list[float]]:  # noqa: ANN401 - of several types
        clock, fn = FakeClock(start), scripted(then=TimeoutError())
        with suppress(TimeoutError):
            Retrier(policy, clock=clock, rng=random.Random(seed), **limits).call(fn)
        return fn.calls, clock.sleeps

    both = course(timeout=timeout, deadline=Deadline(start + seconds))
    assert both == course(deadline=Deadline(start + min(timeout, seconds)))


@given(
    policy=retry_policies().map(everything),
    errors=st.lists(bedrock_errors(), min_size=8, max_size=8),
    seed=st.integers(),
)
def test_the_sleeps_are_the_schedule_of_the_policy(policy: RetryPolicy, errors: list[Exception], seed: int) -> None:
    clock = FakeClock()
    with suppress(Exception):
        Retrier(policy, clock=clock, rng=random.Random(seed)).call(scripted(*errors))
    assert clock.sleeps == list(policy.delays(random.Random(seed)))


@given(
    share=st.floats(0, 1),
    reserve=st.integers(0, 10),
    scripts=st.lists(outcomes(), max_size=6),
)
def test_a_budget_is_never_exceeded(share: float, reserve: int, scripts: list[list[object]]) -> None:
    budget = RetryBudget(share, reserve)
    within_budget: list[bool] = []

    def listen(_: Event) -> None:
        within_budget.append(budget.retries <= reserve + share * budget.attempts + 1e-9)

    retrier = Retrier(everything(RetryPolicy(max_retries=9)), clock=FakeClock(), budget=budget, listeners=[listen])
    calls = 0
    for script in scripts:
        fn = scripted(*script)
        with suppress(Exception):
            retrier.call(fn)
        calls += fn.calls
    assert all(within_budget)
    assert budget.attempts == calls


@given(policy=retry_policies(), script=outcomes())
def test_events_have_every_attempt(policy: RetryPolicy, script: list[object]) -> None:
    events: list[Any] = []
    clock, fn = FakeClock(), scripted(*script)
    with suppress(Exception):
        Retrier(policy, clock=clock, listeners=[events.append]).call(fn)
    begin, *retries, end = events
    assert isinstance(begin, CallStarted)
    assert [event.attempt for event in retries] == list(range(1, fn.calls))
    assert [event.delay for event in retries] == clock.sleeps
    assert all(isinstance(event, RetryScheduled) and event.error is script[event.attempt - 1] for event in retries)
    assert isinstance(end, CallSucceeded | CallFailed)
    assert end.attempts == fn.calls
    assert end.backoff_seconds == sum(clock.sleeps)
    assert isinstance(end, CallFailed) == isinstance(script[fn.calls - 1], Exception)
