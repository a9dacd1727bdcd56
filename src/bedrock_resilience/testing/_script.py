"""Scripted callables: each call returns or raises the next outcome of a script."""

from __future__ import annotations

from collections import deque
from threading import Lock
from typing import TYPE_CHECKING, Any, Final

from bedrock_resilience._checks import has_methods, number, refuse, wrong_value
from bedrock_resilience._errors import ScriptExhaustedError

if TYPE_CHECKING:
    from bedrock_resilience.testing._fake_clock import FakeClock

UNSET: Final = object()  # None is a valid outcome


class Script:
    """A sequence of outcomes, one for each call. Threads may share it.

    An outcome that is an exception is raised; every other outcome is returned.

    Args:
        outcomes: The outcomes of the calls, in order.
        then: The outcome of every further call; an exception is copied for each. Without it, a further call raises
            ``ScriptExhaustedError``.
        clock: The clock on which the calls take time.
        latency: Seconds that a call takes on that clock.

    Attributes:
        arguments: The arguments of each call, as ``(args, kwargs)``.

    Raises:
        TypeError: ``latency`` is not a number, or ``clock`` is not a ``FakeClock``.
        ValueError: ``latency`` is negative or not finite, or is given without a clock.
    """

    def __init__(
        self, *outcomes: object, then: object = UNSET, clock: FakeClock | None = None, latency: float = 0.0
    ) -> None:
        refuse(
            "Script",
            number("latency", latency, least=0, unit="seconds"),
            has_methods("clock", clock, ("advance", "aadvance"), "a FakeClock, or None", optional=True),
            wrong_value("latency", latency, "0 without a clock") if latency and clock is None else None,
        )
        self._outcomes = deque(outcomes)
        self._then = then
        self._lock = Lock()
        self._clock = clock
        self._latency = latency
        self.arguments: list[tuple[tuple[Any, ...], dict[str, Any]]] = []

    @property
    def calls(self) -> int:
        """Number of calls."""
        return len(self.arguments)

    def next(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:  # noqa: ANN401 - whatever the script says
        """Return or raise the next outcome."""
        with self._lock:
            self.arguments.append((args, kwargs))
            outcome = self._outcomes.popleft() if self._outcomes else self._default()
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    def _default(self) -> object:
        if self._then is UNSET:
            outcomes = self.calls - 1
            raise ScriptExhaustedError(
                f"call number {self.calls}, but the script has only {outcomes} outcome{'' if outcomes == 1 else 's'}"
            )
        return _copy(self._then) if isinstance(self._then, BaseException) else self._then


def _copy(error: BaseException) -> BaseException:
    """Copy an error without notes and traceback, which belong to one failure only."""
    # copy.copy() makes a plain ClientError of each of its subclasses.
    copied = type(error).__new__(type(error), *error.args)
    copied.__dict__.update({name: value for name, value in vars(error).items() if name != "__notes__"})
    return copied


class Scripted(Script):
    """A scripted function."""

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - stands in for any function
        """Return or raise the next outcome of the script."""
        if self._clock is not None and self._latency:
            self._clock.advance(self._latency)
        return self.next(args, kwargs)


class AsyncScripted(Script):
    """A scripted coroutine function."""

    async def __call__(self, /, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - stands in for any function
        """Return or raise the next outcome of the script."""
        if self._clock is not None and self._latency:
            await self._clock.aadvance(self._latency)
        return self.next(args, kwargs)


def scripted(*outcomes: object, then: object = UNSET, clock: FakeClock | None = None, latency: float = 0.0) -> Scripted:
    """Return a function whose calls raise or return the outcomes: ``scripted(throttling_error(), "done")``.

    Args:
        outcomes: The outcomes of the calls, in order: an exception is raised, everything else is returned.
        then: The outcome of every further call; without it, a further call raises ``ScriptExhaustedError``.
        clock: The clock on which the calls take time.
        latency: Seconds that a call takes on that clock.

    Returns:
        The function; its ``calls`` and ``arguments`` record how it was called.
    """
    return Scripted(*outcomes, then=then, clock=clock, latency=latency)


def ascripted(
    *outcomes: object, then: object = UNSET, clock: FakeClock | None = None, latency: float = 0.0
) -> AsyncScripted:
    """Return a coroutine function; otherwise as ``scripted``."""
    return AsyncScripted(*outcomes, then=then, clock=clock, latency=latency)
