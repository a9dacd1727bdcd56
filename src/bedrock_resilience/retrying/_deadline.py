"""Deadline: an instant after which no attempt starts and no sleep ends."""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
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

    ``Deadline.after(30)`` is the one that is 30 seconds from now.

    Args:
        at: The instant, in seconds of ``clock.monotonic()``. Seconds from now are an instant that is nearly always
            past, and ``time.time() + 30`` is one that is never reached.
        attempt: Seconds that one attempt is expected to need. No attempt starts with less time than that left.

    Attributes:
        margin: Seconds that ``from_lambda_context`` has subtracted, for messages; 0 otherwise.

    Raises:
        TypeError: ``at`` or ``attempt`` is not a number.
        ValueError: ``at`` or ``attempt`` is not finite, or ``attempt`` is negative.
    """

    at: float
    attempt: float = 0.0
    margin: float = field(default=0.0, init=False, repr=False, compare=False)

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
        time for everything that the handler does after the calls, such as writing the results. If margin and
        ``attempt`` leave no time for an attempt, a WARNING names them, with the time that Lambda leaves.
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
        left = context.get_remaining_time_in_millis() / 1000
        deadline = cls.after(left - margin, attempt=attempt, clock=clock)
        object.__setattr__(deadline, "margin", margin)
        if left <= margin + attempt:
            import logging  # noqa: PLC0415 - a handler with enough time needs none

            logging.getLogger("bedrock_resilience").warning(
                "Deadline.from_lambda_context: no attempt can start: Lambda ends the process in %.1f s, margin is "
                "%g s, attempt is %g s. Raise the timeout of the function, or lower the margin.",
                left,
                margin,
                attempt,
            )
        return deadline

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
    first = min(one, other, key=lambda deadline: deadline.at)
    deadline = Deadline(first.at, max(one.attempt, other.attempt))
    object.__setattr__(deadline, "margin", first.margin)
    return deadline


def why_no_attempt(deadline: Deadline, own: Deadline | None, now: float) -> str:
    """Return in words why a deadline allows no first attempt.

    Args:
        deadline: The earliest deadline of the call.
        own: The ``deadline`` of the retrier.
        now: Monotonic seconds.
    """
    left = deadline.at - now
    facts = [f"{left:.2f} s left" if left > 0 else f"past by {abs(left):.2f} s"]
    if deadline.attempt:
        facts.append(f"attempt {deadline.attempt:g} s")
    if deadline.margin:
        facts.append(f"margin {deadline.margin:g} s")
    if deadline.allows(now):
        facts.append("the wait for the pacer is longer")
    # A deadline that was made at the import, or of a number that is not an instant, is past for every call.
    mistake = own is not None and own.at <= now and not deadline.margin
    return ", ".join(facts) + ("; for a limit of each call, use timeout=" if mistake else "")
