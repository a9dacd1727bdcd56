"""Hypothesis strategies for retry policies, faults and outcomes of calls. Needs the extra ``[testing]``."""

from __future__ import annotations

from typing import TYPE_CHECKING

try:
    from hypothesis import strategies as st
except ModuleNotFoundError as _error:
    raise ModuleNotFoundError(
        f"bedrock_resilience.testing.strategies needs hypothesis ({_error}): pip install 'bedrock-resilience[testing]'",
        name=_error.name,
    ) from _error

from bedrock_resilience._fault import Fault
from bedrock_resilience.retrying._jitter import AdditiveJitter, DecorrelatedJitter, EqualJitter, FullJitter, NoJitter
from bedrock_resilience.retrying._policy import RetryPolicy
from bedrock_resilience.testing._errors import error_of

if TYPE_CHECKING:
    from bedrock_resilience.retrying._jitter import Jitter

__all__ = ["bedrock_errors", "faults", "jitters", "outcomes", "retry_policies"]


_SECONDS = st.floats(0, 3600, allow_nan=False)


def faults(*, retryable: bool | None = None) -> st.SearchStrategy[Fault]:
    """Generate the faults of failed calls, which are all but ``Fault.CANCELLED``.

    Args:
        retryable: Only those whose ``retryable`` has this value; None: all.
    """
    return st.sampled_from(
        [
            fault
            for fault in Fault
            if fault is not Fault.CANCELLED and (retryable is None or fault.retryable is retryable)
        ]
    )


def jitters() -> st.SearchStrategy[Jitter]:
    """Generate every kind of jitter, with any parameters that it accepts."""
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
    """Generate retry policies; by default with at most 6 retries, so that a test that makes the calls stays fast.

    Args:
        max_retries: The numbers of retries; None: 0 to 6.
        jitter: The jitters; None: those of ``jitters()``.
        max_delay: The longest delays in seconds; None: 0 to 3,600.
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
    """Generate exceptions that a call of Bedrock may raise: for each fault, a new exception each time."""
    return faults(retryable=retryable).map(error_of)


def outcomes(*, max_size: int = 8) -> st.SearchStrategy[list[object]]:
    """Generate scripts for ``scripted``: errors and results in any order, with a result at the end."""
    step = bedrock_errors() | st.text(max_size=5)
    return st.lists(step, max_size=max_size).map(lambda script: [*script, "done"])
