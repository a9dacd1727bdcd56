"""``Backoff``: what a jitter reads of one retry."""

from __future__ import annotations

from dataclasses import dataclass


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
