"""Scripts: callables that answer, or fail, as they were told beforehand."""

from __future__ import annotations

from collections import deque
from threading import Lock
from typing import TYPE_CHECKING, Any, Final

from bedrock_resilience._errors import ScriptExhaustedError

if TYPE_CHECKING:
    from bedrock_resilience.testing._fake_clock import FakeClock

NOTHING: Final = object()  # a script may end with None


class Script:
    """Outcomes, given out one at a time; for any number of threads.

    An exception is raised; everything else is returned.

    Args:
        outcomes: The first call gets the first one, and so on.
        then: What every call after them gets; an exception is copied for each. Without it they raise ``ScriptExhaustedError``.
        clock: Whose time a call takes.
        latency: Seconds a call takes, on that clock.

    Attributes:
        calls: How often it was called.
        arguments: With what, as ``(args, kwargs)`` in the order of the calls.
    """

    def __init__(
        self, *outcomes: object, then: object = NOTHING, clock: FakeClock | None = None, latency: float = 0.0
    ) -> None:
        if latency and clock is None:
            raise ValueError(
                f"latency: got {latency!r} without a clock; accepted: a clock beside it, whose time it takes"
            )
        self._outcomes = deque(outcomes)
        self._then = then
        self._lock = Lock()
        self._clock = clock
        self._latency = latency
        self.arguments: list[tuple[tuple[Any, ...], dict[str, Any]]] = []

    @property
    def calls(self) -> int:
        """How often it was called."""
        return len(self.arguments)

    def next(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:  # noqa: ANN401 - whatever the script says
        """The next outcome: raised or returned."""
        with self._lock:
            self.arguments.append((args, kwargs))
            outcome = self._outcomes.popleft() if self._outcomes else self._after()
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    def _after(self) -> object:
        if self._then is NOTHING:
            raise ScriptExhaustedError(f"call number {self.calls}, and the script has only {self.calls - 1} outcomes")
        return _again(self._then) if isinstance(self._then, BaseException) else self._then


def _again(error: BaseException) -> BaseException:
    """The same error once more: the notes and the traceback of one failure are not those of the next."""
    # copy.copy() makes a plain ClientError of each of its subclasses.
    again = type(error).__new__(type(error), *error.args)
    again.__dict__.update({name: value for name, value in vars(error).items() if name != "__notes__"})
    return again


class Scripted(Script):
    """A scripted function."""

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - stands in for any function
        """The next outcome of the script."""
        if self._clock is not None and self._latency:
            self._clock.advance(self._latency)
        return self.next(args, kwargs)


class AsyncScripted(Script):
    """A scripted coroutine function."""

    async def __call__(self, /, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - stands in for any function
        """The next outcome of the script."""
        if self._clock is not None and self._latency:
            await self._clock.aadvance(self._latency)
        return self.next(args, kwargs)


def scripted(
    *outcomes: object, then: object = NOTHING, clock: FakeClock | None = None, latency: float = 0.0
) -> Scripted:
    """A function that raises or returns the outcomes, one a call: ``scripted(throttling_error(), "answer")``.

    The arguments are those of ``Script``; ``calls`` and ``arguments`` tell how it was called.
    """
    return Scripted(*outcomes, then=then, clock=clock, latency=latency)


def ascripted(
    *outcomes: object, then: object = NOTHING, clock: FakeClock | None = None, latency: float = 0.0
) -> AsyncScripted:
    """The asynchronous twin of ``scripted``: a function to be awaited."""
    return AsyncScripted(*outcomes, then=then, clock=clock, latency=latency)
