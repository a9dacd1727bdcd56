"""Hypothesis strategies for retry policies, faults and what calls may come to. Needs the extra ``[testing]``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import strategies as st

from bedrock_resilience._fault import Fault
from bedrock_resilience.retrying._jitter import AdditiveJitter, DecorrelatedJitter, EqualJitter, FullJitter, NoJitter
from bedrock_resilience.retrying._policy import RetryPolicy
from bedrock_resilience.testing._errors import error_of

if TYPE_CHECKING:
    from bedrock_resilience.retrying._jitter import Jitter

_SECONDS = st.floats(0, 3600, allow_nan=False)


def faults(*, retryable: bool | None = None) -> st.SearchStrategy[Fault]:
    """What a call may fail with, so all but ``Fault.CANCELLED``; with ``retryable``, only what is (or is not)."""
    return st.sampled_from(
        [
            fault
            for fault in Fault
            if fault is not Fault.CANCELLED and (retryable is None or fault.retryable is retryable)
        ]
    )


def jitters() -> st.SearchStrategy[Jitter]:
    """Every kind of jitter, with any parameters it accepts."""
    return st.one_of(
        st.just(NoJitter()),
        st.builds(AdditiveJitter, _SECONDS),
        st.just(FullJitter()),
        st.just(EqualJitter()),
        st.builds(DecorrelatedJitter, st.floats(1, 1e6, allow_nan=False)),
    )


def retry_policies(
    *,
    max_retries: st.SearchStrategy[int] | None = None,
    jitter: st.SearchStrategy[Jitter] | None = None,
    max_delay: st.SearchStrategy[float] | None = None,
) -> st.SearchStrategy[RetryPolicy]:
    """Any policy; by default with at most 6 retries, so that a test that carries calls through stays quick.

    Args:
        max_retries: Other numbers of retries.
        jitter: Other jitters.
        max_delay: Other caps; seconds.
    """
    limits = st.none() | st.integers(0, 10)
    return st.builds(
        RetryPolicy,
        max_retries=st.integers(0, 6) if max_retries is None else max_retries,
        base_delay=_SECONDS,
        multiplier=st.floats(1, 1e6, allow_nan=False),
        max_delay=_SECONDS if max_delay is None else max_delay,
        jitter=jitters() if jitter is None else jitter,
        retry_on=st.frozensets(faults())
        | st.dictionaries(faults(), limits)
        | st.sampled_from(["throttling", "transient"]),
    )


def bedrock_errors(*, retryable: bool | None = None) -> st.SearchStrategy[Exception]:
    """What a call of Bedrock may raise: a new exception each time, one for every fault."""
    return faults(retryable=retryable).map(error_of)


def outcomes(*, max_size: int = 8) -> st.SearchStrategy[list[object]]:
    """Scripts for ``scripted``: errors and answers in any order, with at least one answer at the end."""
    step = bedrock_errors() | st.text(max_size=5)
    return st.lists(step, max_size=max_size).map(lambda script: [*script, "answer"])
