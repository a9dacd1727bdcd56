"""Two retry layers, one inside the other, multiply their attempts: the warnings for both ways to notice it.

* An executor that retries states it in the context of its items, once a run. A protected client reads that with each
  call, so that the warning comes before anything is sent.
* Any other outer layer notices it when it is about to retry an exception that a layer inside has retried. This library
  marks the last exception of a call, and botocore counts its retries in the response. A plain ``Retrier`` states
  nothing in the context: to set a context variable would slow down each of its calls.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import Final, NamedTuple, Protocol

from bedrock_resilience._fault import Fault
from bedrock_resilience.retrying._retry_after import MAX_CHAIN, as_mapping, attribute

BOTOCORE_REMEDY: Final = (
    "make the client with bedrock_runtime_client(), or with "
    "Config(retries={'total_max_attempts': 1, 'mode': 'standard'})"
)
"""What to do about a client that retries by itself."""

_MARK: Final = "_bedrock_resilience_attempts"
# Once a process: every call of a program that has two layers has them, and a line for each would hide all others.
_warned: set[str] = set()


class _Policy(Protocol):
    """The part of a ``RetryPolicy`` that says how often what is retried."""

    @property
    def max_retries(self) -> int: ...

    def retries_of(self, fault: Fault) -> int: ...


class _OuterLayer:
    """The policy of the executor whose item this is, and whether its run has a warning already."""

    __slots__ = ("policy", "warned")

    def __init__(self, policy: _Policy) -> None:
        self.policy: _Policy = policy
        self.warned: bool = False  # pragma: no mutate - as good as None


_outer: ContextVar[_OuterLayer | None] = ContextVar("bedrock_resilience_outer_layer", default=None)


class InnerLayer(NamedTuple):
    """What a layer inside has done before it raised an exception.

    Attributes:
        attempts: Its attempts.
        text: The warning for an outer layer, with the places of its attempts, of those of the outer layer, and of both
            multiplied.
    """

    attempts: int
    text: str


def enter_layer(policy: _Policy) -> None:
    """State, in the current context, that an executor calls what follows under this policy."""
    if policy.max_retries:
        _outer.set(_OuterLayer(policy))


def warn_if_nested(policy: _Policy) -> None:
    """Log a WARNING, once a run, if a protected client and the executor around it retry the same fault."""
    outer = _outer.get()
    if outer is None or outer.warned or not policy.max_retries:
        return
    if any(policy.retries_of(fault) and outer.policy.retries_of(fault) for fault in Fault):
        outer.warned = True
        _warn(_IN_AN_EXECUTOR, 1 + policy.max_retries, 1 + outer.policy.max_retries)


def mark_attempts(error: BaseException, attempts: int) -> None:
    """Mark the exception that a call ends with, for a layer around it."""
    setattr(error, _MARK, attempts)


def layer_inside(error: BaseException) -> InnerLayer | None:
    """Return the layer that has retried before it raised this exception, or one that it wraps; None if none has."""
    inner: BaseException | None = error
    for _ in range(MAX_CHAIN):
        if inner is None:
            return None
        attempts = attribute(inner, _MARK)
        if isinstance(attempts, int):
            return InnerLayer(attempts, _OF_THIS_LIBRARY)
        retries = as_mapping(as_mapping(attribute(inner, "response")).get("ResponseMetadata")).get("RetryAttempts")
        if type(retries) is int and retries > 0:
            return InnerLayer(1 + retries, _OF_BOTOCORE)
        inner = inner.__cause__
    return None


def warn_of(layer: InnerLayer, max_attempts: int) -> None:
    """Log a WARNING, once a process for each kind of layer, that a policy with so many attempts retries what it did."""
    outer = _outer.get()
    if layer.text not in _warned and (outer is None or not outer.warned):
        _warned.add(layer.text)
        _warn(layer.text, layer.attempts, max_attempts)


def _warn(text: str, inner: int, outer: int) -> None:
    import logging  # noqa: PLC0415 - few programs have two layers

    logging.getLogger("bedrock_resilience").warning(text, inner, outer, inner * outer)


_IN_AN_EXECUTOR: Final = (
    "Two retry layers: a protected client sends up to %d requests for one call, and the executor around it makes "
    "up to %d attempts, so that one item sends up to %d requests. Pass policy=RetryPolicy(max_retries=0) to the "
    "executor, or unprotect the client."
)
_OF_THIS_LIBRARY: Final = (
    "Two retry layers: a call that failed after %d attempts is retried by the policy around it, with up to %d "
    "attempts, so that one call sends up to %d requests. Let one layer retry: pass policy=RetryPolicy(max_retries=0) "
    "to the outer one, or remove the inner one (unprotect a client)."
)
_OF_BOTOCORE: Final = (
    "Two retry layers: botocore had sent a request %d times when it raised the error, and the policy around it makes "
    f"up to %d attempts, so that one call sends up to %d requests. {BOTOCORE_REMEDY[0].upper()}{BOTOCORE_REMEDY[1:]} "
    "(of aiobotocore: AioConfig)."
)
