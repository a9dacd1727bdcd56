"""The Hypothesis strategies generate what they document."""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING, TypeVar

import pytest
from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st

from bedrock_resilience import Fault, FullJitter, Retrier, RetryPolicy, classify, testing
from bedrock_resilience.errors import ScriptExhaustedError
from bedrock_resilience.retrying._jitter import JITTERS
from bedrock_resilience.testing import FakeClock, scripted
from bedrock_resilience.testing.strategies import bedrock_errors, faults, jitters, outcomes, retry_policies

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")
ONCE = settings(database=None, phases=[Phase.generate])


def example(strategy: st.SearchStrategy[T], like: Callable[[T], bool]) -> T:
    """Some value of the strategy for which the condition holds."""
    return find(strategy, like, settings=ONCE)


def test_the_package_exports_them() -> None:
    assert testing.retry_policies is retry_policies
    assert testing.outcomes is outcomes
    assert "retry_policies" not in testing.__all__, "import * works without Hypothesis"
    with pytest.raises(AttributeError, match=r"module 'bedrock_resilience\.testing' has no attribute 'policies'"):
        getattr(testing, "policies")  # noqa: B009 - type checkers know that it is not there


@given(faults())
def test_a_call_does_not_fail_with_a_cancellation(fault: Fault) -> None:
    assert fault is not Fault.CANCELLED


@given(faults(retryable=True), faults(retryable=False))
def test_faults_may_be_filtered_by_retryable(retryable: Fault, final: Fault) -> None:
    assert retryable.retryable
    assert not final.retryable


@pytest.mark.parametrize("fault", [fault for fault in Fault if fault is not Fault.CANCELLED])
def test_every_fault_is_generated(fault: Fault) -> None:
    assert example(faults(), lambda found: found is fault) is fault


@pytest.mark.parametrize("kind", JITTERS.values(), ids=lambda kind: kind.__name__)
def test_every_kind_of_jitter_is_generated(kind: type) -> None:
    assert type(example(jitters(), lambda jitter: type(jitter) is kind)) is kind


@given(retry_policies())
def test_policies_have_few_retries_by_default(policy: RetryPolicy) -> None:
    assert isinstance(policy, RetryPolicy)
    assert 0 <= policy.max_retries <= 6


@given(
    retry_policies(max_retries=st.just(50), jitter=st.just(FullJitter()), max_delay=st.just(2.0)),
)
def test_fields_of_a_policy_may_be_chosen(policy: RetryPolicy) -> None:
    assert (policy.max_retries, policy.jitter, policy.max_delay) == (50, FullJitter(), 2.0)


def test_policies_with_and_without_limits_are_generated() -> None:
    example(retry_policies(), lambda policy: any(policy.retries_of(of) < policy.max_retries for of in policy.retry_on))
    example(retry_policies(), lambda policy: policy.retry_on == frozenset())
    example(retry_policies(), lambda policy: policy == policy.replace(retry_on="transient"))


@given(bedrock_errors(), bedrock_errors(retryable=True))
def test_errors_are_what_calls_raise(error: Exception, retryable: Exception) -> None:
    assert classify(error) is not Fault.CANCELLED
    assert classify(retryable).retryable


@given(outcomes(max_size=3))
def test_a_script_ends_with_a_result(script: list[object]) -> None:
    assert 1 <= len(script) <= 4
    assert script[-1] == "done"
    fn = scripted(*script)
    for outcome in script:
        if isinstance(outcome, Exception):
            with pytest.raises(type(outcome)):
                fn()
        else:
            assert fn() == outcome
    with pytest.raises(ScriptExhaustedError):
        fn()


@given(st.lists(bedrock_errors(retryable=True), max_size=3))
def test_they_work_together(errors: list[Exception]) -> None:
    clock = FakeClock()
    everything = {fault: None for fault in Fault if fault is not Fault.CANCELLED}
    policy = RetryPolicy(retry_on=everything)
    assert Retrier(policy, clock=clock).call(scripted(*errors, "answer")) == "answer"
    assert len(clock.sleeps) == len(errors)


def test_without_hypothesis_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "hypothesis", None)
    monkeypatch.delitem(sys.modules, "bedrock_resilience.testing.strategies")
    with pytest.raises(ModuleNotFoundError, match=r"needs hypothesis .*: pip install 'bedrock-resilience\[testing\]'$"):
        importlib.import_module("bedrock_resilience.testing.strategies")
