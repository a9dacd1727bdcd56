"""Deadline: an instant after which no attempt starts and no sleep ends."""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from bedrock_resilience._checks import has_methods, number, refuse
from bedrock_resilience.clock import SYSTEM_CLOCK

if TYPE_CHECKING:
    from collections.abc import Generator

    from bedrock_resilience.clock import Clock


class LambdaContext(Protocol):
    """The part of Lambda's context object that ``Deadline.from_lambda_context`` reads."""

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds until Lambda ends the process."""
        ...


@dataclass(frozen=True, slots=True)
class Deadline:
    """An instant on a clock's monotonic time line. No sleep ends after it, and no attempt starts that cannot finish.

    Args:
        at: The instant, in seconds of ``clock.monotonic()``.
        attempt: Seconds that one attempt is expected to need. No attempt starts with less time than that left.

    Raises:
        TypeError: ``at`` or ``attempt`` is not a number.
        ValueError: ``at`` or ``attempt`` is not finite, or ``attempt`` is negative.
    """

    at: float
    attempt: float = 0.0

    def __post_init__(self) -> None:
        refuse(
            "Deadline",
            number("at", self.at, unit="seconds"),
            number("attempt", self.attempt, least=0.0, unit="seconds"),
        )

    @classmethod
    def after(cls, seconds: float, *, attempt: float = 0.0, clock: Clock = SYSTEM_CLOCK) -> Deadline:
        """Return the deadline that is ``seconds`` from now."""
        refuse("Deadline", number("seconds", seconds, unit="seconds"))
        return cls(clock.monotonic() + seconds, attempt)

    @classmethod
    def from_lambda_context(
        cls, context: LambdaContext, margin: float = 10.0, *, attempt: float = 0.0, clock: Clock = SYSTEM_CLOCK
    ) -> Deadline:
        """Return the deadline of a Lambda invocation: ``margin`` seconds before Lambda ends the process.

        Lambda ends a process without an exception and without running ``finally`` blocks. The margin must leave enough
        time for everything that the handler does after the calls, such as writing the results.
        """
        refuse(
            "Deadline",
            has_methods(
                "context",
                context,
                ("get_remaining_time_in_millis",),
                "the Lambda context, with get_remaining_time_in_millis()",
            ),
            number("margin", margin, least=0.0, unit="seconds"),
        )
        return cls.after(context.get_remaining_time_in_millis() / 1000 - margin, attempt=attempt, clock=clock)

    @staticmethod
    def current() -> Deadline | None:
        """Return the deadline that ``apply`` made the current one of this thread or task, or None."""
        return _current.get()

    def remaining(self, now: float) -> float:
        """Return the seconds left; never negative."""
        return max(0.0, self.at - now)

    def allows(self, now: float, wait: float = 0.0) -> bool:
        """Return whether an attempt may start after a wait of ``wait`` seconds."""
        return now + wait + self.attempt < self.at

    @contextmanager
    def apply(self) -> Generator[Deadline]:
        """Apply this deadline to every call inside the ``with`` block, in addition to the deadline of the call itself.

        If blocks are nested, the earliest deadline counts.
        """
        token = _current.set(earliest(self, _current.get()))
        try:
            yield self
        finally:
            _current.reset(token)


_current: ContextVar[Deadline | None] = ContextVar("bedrock_resilience_deadline", default=None)


def earliest(one: Deadline | None, other: Deadline | None) -> Deadline | None:
    """Return the stricter of two deadlines: the earlier instant, with the longer expected attempt."""
    if one is None or other is None:
        return one or other
    return Deadline(min(one.at, other.at), max(one.attempt, other.attempt))
