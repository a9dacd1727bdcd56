"""Invariants of every policy."""

from __future__ import annotations

import pickle
import random
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

import bedrock_resilience
from bedrock_resilience import Fault, NoJitter, RetryPolicy
from bedrock_resilience.testing.strategies import jitters, retry_policies

NAMES = {name: getattr(bedrock_resilience, name) for name in bedrock_resilience.__all__}
UNIT = st.floats(0, 1, exclude_max=True)
ANY_RETRY = st.integers(0, 20) | st.integers(0, 10_000)


@given(policy=retry_policies(), retry=ANY_RETRY, u=UNIT, previous=st.none() | st.floats(0, 3_600))
def test_every_delay_lies_within_the_bounds_and_under_the_cap(
    policy: RetryPolicy, retry: int, u: float, previous: float | None
) -> None:
    low, high = policy.bounds(retry)
    assert 0.0 <= low <= policy.delay(retry, u, previous) <= high <= policy.max_delay


@given(policy=retry_policies(max_retries=st.integers(0, 60)), seed=st.integers())
def test_the_schedule_is_as_long_as_there_are_retries_and_the_same_for_the_same_seed(
    policy: RetryPolicy, seed: int
) -> None:
    schedule = list(policy.delays(random.Random(seed)))
    assert len(schedule) == policy.max_retries
    assert schedule == list(policy.delays(random.Random(seed)))
    for retry, delay in enumerate(schedule):
        low, high = policy.bounds(retry)
        assert low <= delay <= high


@given(policy=retry_policies(jitter=st.just(NoJitter())), retries=st.lists(ANY_RETRY, max_size=20))
def test_without_jitter_the_schedule_never_falls(policy: RetryPolicy, retries: list[int]) -> None:
    delays = [policy.delay(retry, 0.5) for retry in sorted(retries)]
    assert all(earlier <= later for earlier, later in pairwise(delays))


@given(policy=retry_policies(), retry=st.integers(0, 10**9))
def test_no_exponent_is_too_large(policy: RetryPolicy, retry: int) -> None:
    low, high = policy.bounds(retry)
    assert 0.0 <= low <= high <= policy.max_delay


@given(policy=retry_policies())
def test_the_repr_makes_the_policy_again(policy: RetryPolicy) -> None:
    assert eval(repr(policy), NAMES) == policy  # noqa: S307 - our own repr


@given(policy=retry_policies())
def test_its_variables_make_the_policy_again(policy: RetryPolicy) -> None:
    assert RetryPolicy.from_env(policy.to_env()) == policy
    assert RetryPolicy.from_env(policy.to_env(prefix="X_"), prefix="X_") == policy


@given(policy=retry_policies(), other=retry_policies())
def test_replacing_every_field_makes_the_other_policy(policy: RetryPolicy, other: RetryPolicy) -> None:
    fields = {name: getattr(other, name) for name in RetryPolicy.__match_args__}
    assert policy.replace(**fields) == other
    assert policy.replace() == policy
    assert hash(policy.replace()) == hash(policy)


@given(policy=retry_policies())
def test_a_policy_survives_pickling(policy: RetryPolicy) -> None:
    again = pickle.loads(pickle.dumps(policy))  # noqa: S301 - our own bytes
    assert again == policy
    assert [again.retries_of(fault) for fault in Fault] == [policy.retries_of(fault) for fault in Fault]


@given(policy=retry_policies())
def test_a_fault_may_use_at_most_the_retries_of_the_policy(policy: RetryPolicy) -> None:
    for fault in Fault:
        assert 0 <= policy.retries_of(fault) <= policy.max_retries
        assert fault in policy.retry_on or policy.retries_of(fault) == 0


@given(jitter=jitters())
def test_the_repr_makes_the_jitter_again(jitter: object) -> None:
    assert eval(repr(jitter), NAMES) == jitter  # noqa: S307 - our own repr
