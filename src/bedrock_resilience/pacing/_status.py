"""``PacerStatus``: what a pacer knows at one moment, for reports and listeners."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class PacerStatus:
    """What a pacer knows at one moment.

    The method ``status()`` of a pacer returns it; the method is optional in a pacer.

    Attributes:
        requests_per_minute: The present rate; None where requests are not limited.
        tokens_per_minute: The present rate of tokens; None where tokens are not limited, or not counted.
        request_limit: Requests a minute that the quota allows this pacer; None where it has none or knows none.
        token_limit: Tokens a minute that the quota allows this pacer; None where it has none or knows none.
        confidence: How well the pacer knows the rate, 0 to 1: 1 for a quota that was given, 0 for a guess.
        reading: The reading of "per minute" that a pacer which learns has found, a name of
            ``bedrock_resilience.quotas.READINGS``; None where it knows none, or needs none.
    """

    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    request_limit: float | None = None
    token_limit: float | None = None
    confidence: float = 0.0
    reading: str | None = None


def status_of(pacer: object) -> PacerStatus | None:
    """Return the status of a pacer; None where it has no ``status()``."""
    status = getattr(pacer, "status", None)  # optional in a pacer
    found: object = status() if callable(status) else None
    return found if isinstance(found, PacerStatus) else None
