"""Jitter: the random part of a delay.

Every kind is a frozen value and pure arithmetic. The random number ``u`` in [0, 1) is an argument, so that a test can
evaluate the formula in the docstring. No kind exceeds the cap. None clamps a delay to it either: the *range* is
narrowed to fit under the cap, so that delays are spread over the range and do not accumulate at its end.

The kinds and their names follow Marc Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Protocol

from bedrock_resilience._checks import number, refuse

if TYPE_CHECKING:
    from collections.abc import Mapping


class Jitter(Protocol):
    """The interface of a policy's jitter. Any object with these two methods is accepted."""

    def delay(self, backoff: Backoff, u: float, previous: float | None = None) -> float:
        """Return the seconds to wait. ``u`` in [0, 1) is the random number, ``previous`` the delay before this one."""
        ...

    def bounds(self, backoff: Backoff) -> tuple[float, float]:
        """Return the shortest and the longest delay of this retry in seconds, both included."""
        ...


@dataclass(frozen=True, slots=True)
class Backoff:
    """The input of a jitter for one retry.

    Attributes:
        retry: The number of the retry, from 0.
        base: The policy's base delay in seconds.
        exponential: ``min(cap, base * multiplier**retry)`` in seconds.
        cap: The policy's maximum delay in seconds.
    """

    retry: int
    base: float
    exponential: float
    cap: float


@dataclass(frozen=True, slots=True)
class _RangeJitter:
    """A jitter that draws evenly from a range that does not depend on earlier delays.

    Kinds without a field inherit its methods, because each further dataclass adds half a millisecond to the import.
    """

    def bounds(self, backoff: Backoff) -> tuple[float, float]:
        """Return the shortest and the longest delay of this retry in seconds, both included."""
        raise NotImplementedError

    def delay(self, backoff: Backoff, u: float, previous: float | None = None) -> float:  # noqa: ARG002 - part of Jitter; only decorrelated jitter reads it
        """Return ``low + u * (high - low)`` seconds, where (low, high) are the bounds."""
        low, high = self.bounds(backoff)
        return _interpolate(low, high, u)


class NoJitter(_RangeJitter):
    """``delay = exponential``: calls that failed together are retried together."""

    __slots__ = ()

    def bounds(self, backoff: Backoff) -> tuple[float, float]:
        """Return the exponential delay twice."""
        return backoff.exponential, backoff.exponential


@dataclass(frozen=True, slots=True)
class AdditiveJitter(_RangeJitter):
    """``delay = exponential + u * spread``: the smallest spread, and the policy's default (0.1 s).

    Near the cap, the range keeps its width and moves down: ``min(exponential, cap - spread) + u * spread``.

    Args:
        spread: Width of the range in seconds.
    """

    spread: float = 0.1

    def __post_init__(self) -> None:
        refuse("AdditiveJitter", number("spread", self.spread, least=0, unit="seconds"))

    def bounds(self, backoff: Backoff) -> tuple[float, float]:
        """Return the exponential delay, and ``spread`` seconds more, moved down if the cap is nearer than that."""
        low = min(backoff.exponential, max(0.0, backoff.cap - self.spread))
        return low, min(backoff.cap, low + self.spread)


class FullJitter(_RangeJitter):
    """``delay = u * exponential``: the widest spread and the least load, at the price of some delays near zero."""

    __slots__ = ()

    def bounds(self, backoff: Backoff) -> tuple[float, float]:
        """Return zero and the exponential delay."""
        return 0.0, backoff.exponential


class EqualJitter(_RangeJitter):
    """``delay = exponential / 2 + u * exponential / 2``: one half is fixed, one half is random."""

    __slots__ = ()

    def bounds(self, backoff: Backoff) -> tuple[float, float]:
        """Return half the exponential delay, and all of it."""
        return backoff.exponential / 2, backoff.exponential


@dataclass(frozen=True, slots=True)
class DecorrelatedJitter:
    """``delay = base + u * (min(cap, factor * previous) - base)``: grows with the delays drawn, not with their number.

    ``previous`` is the delay before this one, and the base delay for the first retry. The policy's multiplier is not
    used. A ``previous`` longer than the earlier retries can have drawn counts as the longest of those, so that the
    bounds hold.

    Args:
        factor: The longest delay, as a multiple of the previous one; at least 1.
    """

    factor: float = 3.0

    def __post_init__(self) -> None:
        refuse("DecorrelatedJitter", number("factor", self.factor, least=1))

    def bounds(self, backoff: Backoff) -> tuple[float, float]:
        """Return the base delay and ``base * factor**(retry + 1)``, both at most the cap."""
        low = min(backoff.base, backoff.cap)
        return low, max(low, grow(backoff.base, self.factor, backoff.retry + 1, backoff.cap))

    def delay(self, backoff: Backoff, u: float, previous: float | None = None) -> float:
        """Return seconds between the base delay and ``factor`` times the previous delay."""
        low, high = self.bounds(backoff)
        longest = self.factor * (backoff.base if previous is None else previous)
        return _interpolate(low, max(low, min(high, longest)), u)


JITTERS: Mapping[str, type[Any]] = {
    "none": NoJitter,
    "additive": AdditiveJitter,
    "full": FullJitter,
    "equal": EqualJitter,
    "decorrelated": DecorrelatedJitter,
}
"""The kinds by the names that environment variables and the command line use."""


def parse_jitter(text: str) -> Jitter:
    """Return the jitter that a text such as ``full`` or ``additive:0.1`` names.

    Raises:
        ValueError: The text names none.
    """
    kind, colon, argument = (piece.strip() for piece in text.lower().partition(":"))
    try:
        jitter: Jitter = JITTERS[kind](float(argument)) if colon else JITTERS[kind]()
    except (KeyError, TypeError, ValueError):
        raise ValueError(
            f"jitter: got {text!r}; accepted: none, additive:<seconds>, full, equal, decorrelated:<factor>"
        ) from None
    return jitter


def format_jitter(jitter: Any) -> str:  # noqa: ANN401 - a jitter of the caller's own is refused
    """Return the text from which ``parse_jitter`` makes this jitter.

    Raises:
        ValueError: It is not one of this package's kinds.
    """
    for kind, cls in JITTERS.items():
        if cls is type(jitter):
            return ":".join([kind, *(repr(float(getattr(jitter, field.name))) for field in fields(jitter))])
    raise ValueError(f"jitter: got {jitter!r}; accepted: a jitter of this package, because no variable names another")


def grow(base: float, factor: float, times: int, cap: float) -> float:
    """Return ``min(cap, base * factor**times)``, and the cap if the power is too large for a float.

    ``times`` may be 5,000. Without the second rule, an exponent that overflows gives a delay of zero (Polly's issue
    2163).
    """
    if base <= 0.0 or factor == 1.0:
        return min(cap, base)
    try:
        return min(cap, base * factor**times)
    except OverflowError:
        return cap


def _interpolate(low: float, high: float, u: float) -> float:
    # min(): low + u * (high - low) may round to one unit above high.
    return min(high, low + u * (high - low))
