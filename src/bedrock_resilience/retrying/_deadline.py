"""Deadline: an absolute instant after which nothing is started any more."""

from __future__ import annotations

from bedrock_resilience.clock import SYSTEM_CLOCK
from bedrock_resilience.retrying._deadline_var import enclosing
from bedrock_resilience.retrying._frozen import Frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from contextvars import Token
    from types import TracebackType
    from typing import Protocol

    from bedrock_resilience.clock import Clock

    class LambdaContext(Protocol):
        """The part of Lambda's context object that is read here."""

        def get_remaining_time_in_millis(self) -> int:
            """Milliseconds until Lambda kills the process."""
            ...


class Deadline(Frozen):
    """An instant on a clock's monotonic time line. No sleep ends past it, and no attempt starts that could not finish.

    Args:
        at: The instant, in seconds of ``clock.monotonic()``.
        attempt: Seconds that one attempt is expected to need; an attempt is not started with less than this left.

    Raises:
        ValueError: ``at`` or ``attempt`` is no finite number, or ``attempt`` is negative.
    """

    __slots__ = ("at", "attempt")
    __match_args__ = ("at", "attempt")

    at: float
    attempt: float

    def __init__(self, at: float, attempt: float = 0.0) -> None:
        _check("at", at, -_FOREVER)
        _check("attempt", attempt, 0.0)
        self._set(at=float(at), attempt=float(attempt))

    @classmethod
    def after(cls, seconds: float, *, attempt: float = 0.0, clock: Clock = SYSTEM_CLOCK) -> Deadline:
        """The deadline so many seconds from now."""
        _check("seconds", seconds, -_FOREVER)
        return cls(clock.monotonic() + seconds, attempt)

    @classmethod
    def from_lambda_context(
        cls, context: LambdaContext, margin: float = 10.0, *, attempt: float = 0.0, clock: Clock = SYSTEM_CLOCK
    ) -> Deadline:
        """The deadline of a Lambda invocation, ``margin`` seconds before the process is killed.

        Lambda kills without an exception and without running ``finally`` blocks: what is to be written at the end must
        fit into the margin.
        """
        _check("margin", margin, 0.0)
        if not hasattr(context, "get_remaining_time_in_millis"):
            raise TypeError(
                f"Deadline: context: got {context!r}; accepted: Lambda's context, with get_remaining_time_in_millis()"
            )
        return cls.after(context.get_remaining_time_in_millis() / 1000 - margin, attempt=attempt, clock=clock)

    @staticmethod
    def current() -> Deadline | None:
        """The deadline of the enclosing call in this thread or task, if there is one."""
        current: Deadline | None = enclosing.get()
        return current

    def remaining(self, now: float) -> float:
        """Seconds left; never negative."""
        return max(0.0, self.at - now)

    def allows(self, now: float, wait: float = 0.0) -> bool:
        """May an attempt be started after a wait of so many seconds?"""
        return now + wait + self.attempt < self.at

    def shared(self) -> _Shared:
        """A context manager: calls made inside obey this deadline, too, whatever their own is."""
        return _Shared(self)


class _Shared:
    """Makes a deadline the current one of this thread or task, unless an earlier one already is."""

    __slots__ = ("_deadline", "_token")

    def __init__(self, deadline: Deadline) -> None:
        self._deadline = deadline
        self._token: Token[Deadline | None] | None = None

    def __enter__(self) -> Deadline:
        self._token = enclosing.set(earliest(self._deadline, enclosing.get()))
        return self._deadline

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._token is not None:
            enclosing.reset(self._token)


def earliest(one: Deadline | None, other: Deadline | None) -> Deadline | None:
    """The stricter of two deadlines: it is over earlier, and asks for the longer attempt of the two."""
    if one is None or other is None:
        return one or other
    return Deadline(min(one.at, other.at), max(one.attempt, other.attempt))


_FOREVER = 1e18  # seconds; no clock gets there


def _check(name: str, given: object, least: float) -> None:
    if not isinstance(given, (int, float)) or isinstance(given, bool) or not least <= given <= _FOREVER:
        wanted = "a finite number of seconds" + (" >= 0" if least == 0 else "")
        raise ValueError(f"Deadline: {name}: got {given!r}; accepted: {wanted}")
