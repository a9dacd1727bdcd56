"""Jitter: how chance is mixed into a delay.

Every kind is a frozen value and pure arithmetic: the random number ``u`` in [0, 1) is an argument, so a test can
evaluate the formula that the docstring states. No kind ever exceeds the cap, and none gets there by clamping: the
*range* is narrowed to fit under the cap, so draws spread over it and never pile up on it.

The kinds and their names follow Marc Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
"""

from __future__ import annotations

import sys

from bedrock_resilience.retrying._frozen import Frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Protocol

    class Jitter(Protocol):
        """Anything with these two methods can be a policy's jitter."""

        def delay(self, backoff: Backoff, u: float, previous: float | None = None) -> float:
            """Seconds to wait: ``u`` in [0, 1) is the random number, ``previous`` the delay before this one."""
            ...

        def bounds(self, backoff: Backoff) -> tuple[float, float]:
            """The least and the greatest delay of this retry, both included, in seconds."""
            ...


class Backoff(Frozen):
    """What a jitter starts from, for one retry: all in seconds but ``retry``, the retry's number from 0.

    ``base`` is the policy's base delay, ``cap`` its max delay, ``exponential`` is min(cap, base * multiplier**retry).
    """

    __slots__ = ("base", "cap", "exponential", "retry")
    __match_args__ = ("retry", "base", "exponential", "cap")

    retry: int
    base: float
    exponential: float
    cap: float

    def __init__(self, retry: int, base: float, exponential: float, cap: float) -> None:
        self._set(retry=retry, base=base, exponential=exponential, cap=cap)


def _spread(low: float, high: float, u: float) -> float:
    # min(): low + u * (high - low) may round to one unit above high.
    return min(high, low + u * (high - low))


class _RangeJitter(Frozen):
    """A jitter that draws evenly from a range which does not depend on earlier delays."""

    __slots__ = ()

    def bounds(self, backoff: Backoff) -> tuple[float, float]:
        """The least and the greatest delay of this retry, both included, in seconds."""
        raise NotImplementedError

    def delay(self, backoff: Backoff, u: float, previous: float | None = None) -> float:  # noqa: ARG002 - part of Jitter; only decorrelated jitter looks back
        """Seconds to wait: ``low + u * (high - low)``, where (low, high) are the bounds."""
        low, high = self.bounds(backoff)
        return _spread(low, high, u)


class NoJitter(_RangeJitter):
    """``delay = exponential``: everyone who failed together comes back together."""

    __slots__ = ()

    def bounds(self, backoff: Backoff) -> tuple[float, float]:
        """Both are the exponential delay."""
        return backoff.exponential, backoff.exponential


class AdditiveJitter(_RangeJitter):
    """``delay = exponential + u * spread``, the jitter of the ingest-normalize contract (spread 0.1 s).

    Near the cap the range keeps its width and moves down: ``min(exponential, cap - spread) + u * spread``.
    """

    __slots__ = ("spread",)
    __match_args__ = ("spread",)

    spread: float

    def __init__(self, spread: float = 0.1) -> None:
        if not _is_seconds(spread):
            raise ValueError(f"AdditiveJitter: spread: got {spread!r}; accepted: a finite number of seconds >= 0")
        self._set(spread=float(spread))

    def bounds(self, backoff: Backoff) -> tuple[float, float]:
        """From the exponential delay to ``spread`` seconds more, moved down where the cap is nearer than that."""
        low = min(backoff.exponential, max(0.0, backoff.cap - self.spread))
        return low, min(backoff.cap, low + self.spread)


class FullJitter(_RangeJitter):
    """``delay = u * exponential``: the least load on the server, the widest spread, sometimes no wait at all."""

    __slots__ = ()

    def bounds(self, backoff: Backoff) -> tuple[float, float]:
        """From nothing to the exponential delay."""
        return 0.0, backoff.exponential


class EqualJitter(_RangeJitter):
    """``delay = exponential / 2 + u * exponential / 2``: half is certain, half is chance."""

    __slots__ = ()

    def bounds(self, backoff: Backoff) -> tuple[float, float]:
        """From half the exponential delay to all of it."""
        return backoff.exponential / 2, backoff.exponential


class DecorrelatedJitter(Frozen):
    """``delay = base + u * (min(cap, factor * previous) - base)``: grows with the delays it drew, not with the count.

    ``previous`` is the delay before this one; without one it is the base delay. The policy's multiplier plays no part.
    A ``previous`` beyond all that the retries before can have drawn counts as the greatest of that: the bounds hold.
    """

    __slots__ = ("factor",)
    __match_args__ = ("factor",)

    factor: float

    def __init__(self, factor: float = 3.0) -> None:
        if not _is_seconds(factor) or factor < 1:
            raise ValueError(f"DecorrelatedJitter: factor: got {factor!r}; accepted: a finite number >= 1")
        self._set(factor=float(factor))

    def bounds(self, backoff: Backoff) -> tuple[float, float]:
        """From the base delay to ``base * factor**(retry + 1)``, both under the cap."""
        low = min(backoff.base, backoff.cap)
        return low, max(low, grow(backoff.base, self.factor, backoff.retry + 1, backoff.cap))

    def delay(self, backoff: Backoff, u: float, previous: float | None = None) -> float:
        """Seconds to wait, drawn between the base delay and ``factor`` times the previous delay."""
        low, high = self.bounds(backoff)
        reach = self.factor * (backoff.base if previous is None else previous)
        return _spread(low, max(low, min(high, reach)), u)


JITTERS: dict[str, Any] = {  # classes; each takes its own arguments
    "none": NoJitter,
    "additive": AdditiveJitter,
    "full": FullJitter,
    "equal": EqualJitter,
    "decorrelated": DecorrelatedJitter,
}
"""The kinds by the names they have in environment variables and on the command line."""


def parse_jitter(text: str) -> Jitter:
    """The jitter that a text such as ``full`` or ``additive:0.1`` names.

    Raises:
        ValueError: It names none.
    """
    kind, colon, argument = (piece.strip() for piece in text.lower().partition(":"))
    try:
        make = JITTERS[kind]
        jitter: Jitter = make(float(argument)) if colon else make()
    except (KeyError, TypeError, ValueError):
        raise ValueError(
            f"jitter: got {text!r}; accepted: none, additive:<seconds>, full, equal, decorrelated:<factor>"
        ) from None
    return jitter


def format_jitter(jitter: Jitter) -> str:
    """The text from which ``parse_jitter`` makes this jitter.

    Raises:
        ValueError: It is none of this package's kinds.
    """
    for kind, make in JITTERS.items():
        if make is type(jitter):
            return ":".join([kind, *(repr(getattr(jitter, name)) for name in getattr(make, "__match_args__", ()))])
    raise ValueError(f"jitter: got {jitter!r}; accepted: a jitter of this package, others have no name in variables")


def grow(base: float, factor: float, times: int, cap: float) -> float:
    """``min(cap, base * factor**times)``, and the cap where the power is beyond any float (``times`` may be 5,000).

    Polly's issue 2163 is what happens without the second half: an exponent that overflowed gave a delay of zero.
    """
    if base <= 0.0 or factor == 1.0:
        return min(cap, base)
    try:
        return min(cap, base * factor**times)
    except OverflowError:
        return cap


def _is_seconds(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value <= sys.float_info.max
