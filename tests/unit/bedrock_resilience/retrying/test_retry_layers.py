"""A protected client that retries, in an executor that retries: one warning a run."""

from __future__ import annotations

import contextvars
from typing import TYPE_CHECKING

import pytest

from bedrock_resilience import BoundedExecutor, NoJitter, Retrier, RetryPolicy
from bedrock_resilience.clock import SYSTEM_CLOCK
from bedrock_resilience.integrations._protection import ProtectedCall, Protection
from bedrock_resilience.retrying._retry_layers import warn_if_nested
from bedrock_resilience.testing import FakeClock

if TYPE_CHECKING:
    from collections.abc import Callable

POLICY = RetryPolicy(jitter=NoJitter())
TEXT = (
    "Two retry layers: a protected client sends up to 4 requests for one call, and the executor around it makes up "
    "to 3 attempts, so that one item sends up to 12 requests. Pass policy=RetryPolicy(max_retries=0) to the executor, "
    "or unprotect the client."
)


def caller(policy: RetryPolicy = POLICY) -> Callable[[object], None]:
    """A function of an item that calls a protected client."""
    protection = Protection(
        policy=policy, pacer=None, budget=None, deadline=None, listeners=(), clock=SYSTEM_CLOCK, rng=None
    )

    def call(_item: object) -> None:
        protected = ProtectedCall(protection, {"modelId": "m"})
        protected.admit()
        protected.succeeded({})

    return call


def executor(policy: RetryPolicy = POLICY.replace(max_retries=2)) -> BoundedExecutor:  # noqa: B008 - a frozen value
    return BoundedExecutor(2, policy=policy, clock=FakeClock())


def test_an_executor_that_retries_warns_once_a_run(caplog: pytest.LogCaptureFixture) -> None:
    runs = executor()
    runs.run(caller(), range(6))
    assert [(record.name, record.levelname) for record in caplog.records] == [("bedrock_resilience", "WARNING")]
    assert caplog.messages == [TEXT]
    list(runs.stream(caller(), range(6)))
    assert caplog.messages == [TEXT] * 2


async def test_so_does_an_awaited_run(caplog: pytest.LogCaptureFixture) -> None:
    call = caller()

    async def awaited(item: object) -> None:
        call(item)

    await executor().arun(awaited, range(6))
    assert caplog.messages == [TEXT]
    call("after the run")
    assert caplog.messages == [TEXT]


@pytest.mark.parametrize(
    ("outer", "inner"),
    [
        (RetryPolicy(max_retries=0), POLICY),
        (POLICY, RetryPolicy(max_retries=0)),
        (RetryPolicy(retry_on="none"), POLICY),
        (RetryPolicy(retry_on="read_timeout"), POLICY),
        (RetryPolicy(retry_on="throttling=0,tokens_per_day=0,read_timeout"), POLICY),
    ],
)
def test_layers_that_retry_no_fault_twice_are_no_problem(
    outer: RetryPolicy, inner: RetryPolicy, caplog: pytest.LogCaptureFixture
) -> None:
    executor(outer).run(caller(inner), range(3))
    assert caplog.messages == []


def test_an_executor_without_retries_in_one_with_them_hides_nothing(caplog: pytest.LogCaptureFixture) -> None:
    def inner(_item: object) -> None:
        executor(RetryPolicy(max_retries=0)).run(caller(), [1])

    executor().run(inner, [1])
    assert caplog.messages == [TEXT]


def test_outside_of_an_executor_there_is_no_outer_layer(caplog: pytest.LogCaptureFixture) -> None:
    Retrier(POLICY).call(caller(), 1)
    contextvars.Context().run(warn_if_nested, POLICY)
    assert caplog.messages == []
