"""``PacerStatus``: the rate and the quota of a pacer at one moment, for reports and listeners."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class PacerStatus:
    """The rate and the quota of a pacer at one moment.

    The method ``status()`` of a pacer returns it; the method is optional in a pacer.

    Attributes:
        requests_per_minute: The present rate; None if requests are not limited.
        tokens_per_minute: The present rate of tokens; None if tokens are not limited, or not counted.
        request_limit: Requests a minute that the quota allows this pacer; None if it has none or has not learned one.
        token_limit: Tokens a minute that the quota allows this pacer; None if it has none or has not learned one.
        confidence: The confidence in the rate, 0 to 1: 1 for a quota that was given, 0 for a rate without evidence.
        reading: The reading of "per minute" that a pacer which learns has found, a name of
            ``bedrock_resilience.quotas.READINGS``; None if it has found none, or requires none.
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
