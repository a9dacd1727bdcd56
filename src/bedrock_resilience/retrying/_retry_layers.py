"""Two retry layers, one inside the other, multiply their attempts: a warning for a client that retries in an executor.

An executor that retries states it in the context of its items, once a run. A protected client reads that with each
call. A plain ``Retrier`` states nothing: to set a context variable would slow down each of its calls.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bedrock_resilience.retrying._attempts import Schedule
    from bedrock_resilience.retrying._policy import RetryPolicy


class _OuterLayer:
    """The policy of the executor whose item this is, and whether its run has a warning already."""

    __slots__ = ("policy", "warned")

    def __init__(self, policy: Schedule) -> None:
        self.policy: Schedule = policy
        self.warned: bool = False  # pragma: no mutate - as good as None


_outer: ContextVar[_OuterLayer | None] = ContextVar("bedrock_resilience_outer_layer", default=None)


def enter_layer(policy: Schedule) -> None:
    """State, in the current context, that an executor calls what follows under this policy."""
    if policy.max_retries:
        _outer.set(_OuterLayer(policy))


def warn_if_nested(policy: RetryPolicy) -> None:
    """Log a WARNING, once a run, if a protected client and the executor around it retry the same fault."""
    outer = _outer.get()
    if outer is None or outer.warned:
        return
    if any(policy.retries_of(fault) and outer.policy.retries_of(fault) for fault in policy.retry_on):
        outer.warned = True
        _warn(1 + policy.max_retries, 1 + outer.policy.max_retries)


def _warn(inner: int, outer: int) -> None:
    import logging  # noqa: PLC0415 - few programs have two layers

    logging.getLogger("bedrock_resilience").warning(
        "Two retry layers: a protected client sends up to %d requests for one call, and the executor around it makes "
        "up to %d attempts, so that one item sends up to %d requests. Pass policy=RetryPolicy(max_retries=0) to the "
        "executor, or unprotect the client.",
        inner,
        outer,
        inner * outer,
    )
