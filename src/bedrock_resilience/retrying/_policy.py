"""RetryPolicy: which faults are retried, how often, and after which delays."""

from __future__ import annotations

import dataclasses
import functools
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from bedrock_resilience._checks import (
    Problem,
    explain_names,
    has_methods,
    instance,
    number,
    refuse,
    whole_number,
    wrong_type,
    wrong_value,
)
from bedrock_resilience._fault import THROTTLING, TRANSIENT, Fault
from bedrock_resilience.retrying._jitter import JITTERS, AdditiveJitter, Backoff, format_jitter, grow, parse_jitter

if TYPE_CHECKING:
    import random
    from collections.abc import Awaitable, Callable, Iterator
    from types import ModuleType
    from typing import ParamSpec, Self, TypeVar

    from bedrock_resilience.retrying._driver import CallSettings
    from bedrock_resilience.retrying._jitter import Jitter

    P = ParamSpec("P")
    T = TypeVar("T")
    RetryOn = Iterable[Fault] | Mapping[Fault, int | None]

# Random time added to the wait that a server asks for, so that workers that were refused together do not send together
# again: a share of that wait, and at least so many seconds.
_HINT_JITTER_SHARE = 0.1
_MIN_HINT_JITTER_SECONDS = 0.1
# Upper limit of a single delay. An hour is four times the lifetime of a Lambda; a longer delay is a mistake.
_MAX_DELAY_SECONDS = 3600.0
_NAMED_FAULTS: Mapping[str, Mapping[Fault, int | None]] = {
    "none": {},
    "throttling": dict.fromkeys(THROTTLING),
    "transient": TRANSIENT,
}
_ACCEPTED_RETRY_ON = (
    "faults, a mapping from fault to a number of retries, 'throttling', 'transient', 'none', or a text such as "
    "'throttling,read_timeout=1'"
)
# Not refused: another program may read them.
_WRONG_VARIABLES = ("ATTEMPTS", "MAX_ATTEMPTS", "MAX_RETRY", "RETRIES")
_FOR_EXCEPTIONS = "; for exceptions, classify= of a Retrier"
_ACCEPTED_FAULTS = (
    f"members of Fault, or one text with their names, such as 'throttling,read_timeout=1'{_FOR_EXCEPTIONS}"
)


@explain_names
@dataclass(frozen=True, slots=True, init=False, repr=False)
class RetryPolicy:
    """How a call is retried. The default retries throttling after 0.5, 1 and 2 s, each with up to 0.1 s of jitter.

    Args:
        max_retries: Retries that may follow the first attempt; a call sends at most ``1 + max_retries`` requests.
        base_delay: Seconds before the first retry, without jitter.
        multiplier: Factor from each delay to the next, without jitter; at least 1.
        max_delay: Upper limit of every delay in seconds, jitter included.
        jitter: The random part of the delays; see ``bedrock_resilience.retrying``.
        retry_on: The faults that are retried. An iterable of ``Fault``; or a mapping from ``Fault`` to the number of
            retries that it may use within one call (None: no limit of its own); or ``"throttling"`` (the default),
            ``"transient"`` or ``"none"``.
        max_retry_after: Upper limit in seconds of the wait that a server may ask for with ``Retry-After``. The default
            is the longest lifetime of a Lambda.

    Raises:
        TypeError: A field has the wrong type. The message names every wrong field, its value and what is accepted.
        ValueError: A field is out of range. The message does the same.
    """

    max_retries: int
    base_delay: float
    multiplier: float
    max_delay: float
    jitter: Jitter
    retry_on: frozenset[Fault] | FaultLimits
    max_retry_after: float
    _limits: dict[Fault, int] = field(init=False, compare=False)

    def __init__(
        self,
        max_retries: int = 3,
        base_delay: float = 0.5,
        multiplier: float = 2.0,
        max_delay: float = 20.0,
        jitter: Jitter = AdditiveJitter(0.1),  # noqa: B008 - a frozen value
        retry_on: RetryOn | str = THROTTLING,
        max_retry_after: float = 900.0,
    ) -> None:
        faults = _faults_from(retry_on)
        kinds = ", ".join(cls.__name__ for cls in JITTERS.values())
        refuse(
            "RetryPolicy",
            whole_number("max_retries", max_retries, least=0),
            number("base_delay", base_delay, least=0, most=_MAX_DELAY_SECONDS, unit="seconds"),
            number("multiplier", multiplier, least=1),
            number("max_delay", max_delay, least=0, most=_MAX_DELAY_SECONDS, unit="seconds"),
            has_methods("jitter", jitter, ("delay", "bounds"), f"one of {kinds}, or an object with their two methods"),
            faults if isinstance(faults, Problem) else None,
            number("max_retry_after", max_retry_after, least=0, most=_MAX_DELAY_SECONDS, unit="seconds"),
        )
        limits = cast("Mapping[Fault, int | None]", faults)  # a Problem was refused
        values = {
            "max_retries": max_retries,
            "base_delay": float(base_delay),
            "multiplier": float(multiplier),
            "max_delay": float(max_delay),
            "jitter": jitter,
            "retry_on": FaultLimits(limits)
            if any(limit is not None for limit in limits.values())
            else frozenset(limits),
            "max_retry_after": float(max_retry_after),
            "_limits": {
                fault: max_retries if limit is None else min(limit, max_retries) for fault, limit in limits.items()
            },
        }
        for name, value in values.items():
            object.__setattr__(self, name, value)

    def replace(self, **changes: Any) -> Self:  # noqa: ANN401 - each field has its own type, checked by __init__
        """Return a copy with some fields changed.

        Raises:
            TypeError: A name that is not a field, or a value of the wrong type.
            ValueError: A value that is out of range.
        """
        return dataclasses.replace(self, **changes)

    def retries_of(self, fault: Fault) -> int:
        """Return the retries of one call that this fault may use; 0 if it is not retried."""
        return self._limits.get(fault, 0)

    def delay(self, retry: int, u: float, previous: float | None = None) -> float:
        """Return the seconds to wait before retry number ``retry``, counted from 0.

        Args:
            retry: Any whole number >= 0. It may exceed ``max_retries``: ``delay(5000, u)`` is accepted.
            u: A random number in [0, 1).
            previous: The delay before this one, which only ``DecorrelatedJitter`` reads.
        """
        if not 0 <= u <= 1:
            raise ValueError(f"RetryPolicy.delay: u: got {u!r}; accepted: a number in [0, 1)")
        # The jitter may be the caller's own: the policy itself guarantees that no delay exceeds max_delay.
        return min(self.max_delay, max(0.0, self.jitter.delay(self._backoff(retry), u, previous)))

    def wait_after_hint(self, hint: float, u: float) -> float:
        """Return the seconds to wait if the server asks for ``hint`` seconds (``Retry-After``).

        That is the hint, at most ``max_retry_after``, plus jitter: up to a tenth of it, and at least up to 0.1 s.

        Args:
            hint: Seconds.
            u: A random number in [0, 1).
        """
        granted = min(hint, self.max_retry_after)
        return granted + u * max(_MIN_HINT_JITTER_SECONDS, _HINT_JITTER_SHARE * granted)

    def bounds(self, retry: int) -> tuple[float, float]:
        """Return the shortest and the longest delay of that retry in seconds, both included."""
        return self.jitter.bounds(self._backoff(retry))

    def delays(self, rng: random.Random | None = None) -> Iterator[float]:
        """Yield the delays of all ``max_retries`` retries in seconds. The same seed gives the same delays."""
        if rng is None:
            import random  # noqa: PLC0415 - only this way of looking at a policy needs it

            rng = random.Random()  # noqa: S311 - jitter is not a secret
        previous: float | None = None
        for retry in range(self.max_retries):
            previous = self.delay(retry, rng.random(), previous)
            yield previous

    def call(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Call ``fn`` under this policy; short for ``Retrier(policy).call(fn, ...)``.

        Raises:
            Exception: The last exception of ``fn``, with a note: the attempts, the seconds of waiting, and why no
                further attempt was made.
            DeadlineExceededError: ``Deadline.current()`` allows no attempt.
        """
        driver, settings = _driver()
        call = driver.begin(settings, (), {}, policy=self)  # pragma: no mutate - there are no `tokens` or `info`
        value: T = driver.drive(settings, call, fn, args, kwargs)
        return value

    async def acall(self, fn: Callable[P, Awaitable[T]], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Await ``fn`` under this policy; short for ``Retrier(policy).acall(fn, ...)``.

        It raises what ``call`` raises. A cancellation is not retried.

        Raises:
            TypeError: ``fn`` cannot be awaited: it is a plain function. Nothing was sent. A lambda, and a function that
                is annotated to return an awaitable, are called.
        """
        from bedrock_resilience.retrying._callables import refuse_plain  # noqa: PLC0415 - the driver has loaded it

        driver, settings = _driver()
        refuse_plain("RetryPolicy.acall", fn, "use RetryPolicy.call")
        call = driver.begin(settings, (), {}, policy=self)  # pragma: no mutate - there are no `tokens` or `info`
        value: T = await driver.adrive(settings, call, fn, args, kwargs)
        return value

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None, *, prefix: str = "BEDROCK_") -> RetryPolicy:
        """Return the policy that environment variables describe. A variable that is not set keeps its default.

        ``<prefix>MAX_RETRIES``, ``BASE_DELAY``, ``MULTIPLIER``,
        ``MAX_DELAY`` and ``MAX_RETRY_AFTER`` are numbers. ``JITTER`` is ``none``,
        ``additive:0.1``, ``full``, ``equal`` or ``decorrelated:3``. ``RETRY_ON`` is ``throttling``, ``transient``,
        ``none`` or a list of faults such as ``throttling,read_timeout=1``. A variable that is often set in place of
        ``MAX_RETRIES``, such as ``MAX_ATTEMPTS``, is logged as a WARNING.

        Raises:
            ValueError: A variable that cannot be read. The message names each of them.
        """
        given = os.environ if environ is None else environ
        readers: dict[str, Callable[[str], Any]] = {
            "max_retries": _int_or_text,
            "base_delay": _float_or_text,
            "multiplier": _float_or_text,
            "max_delay": _float_or_text,
            "jitter": parse_jitter,
            "retry_on": str,
            "max_retry_after": _float_or_text,
        }
        values: dict[str, Any] = {}
        problems: list[str] = []
        for name, read in readers.items():
            variable = prefix + name.upper()
            text = given.get(variable, "").strip()
            if not text:
                continue
            try:
                values[name] = read(text)
                cls(**{name: values[name]})
            except (TypeError, ValueError) as problem:
                problems.append(f"{variable}={text!r}: {problem}")
        if problems:
            raise ValueError("; ".join(problems))
        for name in _WRONG_VARIABLES:
            if given.get(prefix + name):
                import logging  # noqa: PLC0415 - few environments have one

                text = "%s is not read: set %sMAX_RETRIES, the retries after the first attempt"
                logging.getLogger("bedrock_resilience").warning(text, prefix + name, prefix)
        return cls(**values)

    def to_env(self, *, prefix: str = "BEDROCK_") -> dict[str, str]:
        """Return the environment variables from which ``from_env`` makes this policy again.

        Raises:
            ValueError: The jitter is not one of this package's, so that no variable can name it.
        """
        return {
            f"{prefix}MAX_RETRIES": str(self.max_retries),
            f"{prefix}BASE_DELAY": repr(self.base_delay),
            f"{prefix}MULTIPLIER": repr(self.multiplier),
            f"{prefix}MAX_DELAY": repr(self.max_delay),
            f"{prefix}JITTER": format_jitter(self.jitter),
            f"{prefix}RETRY_ON": _format_retry_on(self.retry_on),
            f"{prefix}MAX_RETRY_AFTER": repr(self.max_retry_after),
        }

    def _backoff(self, retry: int) -> Backoff:
        if retry < 0:
            raise ValueError(f"RetryPolicy: retry: got {retry!r}; accepted: a whole number >= 0, the first retry is 0")
        exponential = grow(self.base_delay, self.multiplier, retry, self.max_delay)
        return Backoff(retry, self.base_delay, exponential, self.max_delay)

    def __repr__(self) -> str:
        names = ("max_retries", "base_delay", "multiplier", "max_delay", "jitter")
        shown = "".join(f"{name}={getattr(self, name)!r}, " for name in names)
        faults = self.retry_on
        text = repr(faults) if isinstance(faults, FaultLimits) or not faults else f"frozenset({{{_listed(faults)}}})"
        return f"RetryPolicy({shown}retry_on={text}, max_retry_after={self.max_retry_after!r})"


class FaultLimits(Mapping[Fault, "int | None"]):
    """An immutable, hashable mapping from fault to the retries that it may use (None: no limit of its own)."""

    __slots__ = ("_limits",)

    def __init__(self, limits: Mapping[Fault, int | None]) -> None:
        self._limits: dict[Fault, int | None] = {fault: limits[fault] for fault in sort_faults(limits)}

    def __getitem__(self, fault: Fault) -> int | None:
        return self._limits[fault]

    def __iter__(self) -> Iterator[Fault]:
        return iter(self._limits)

    def __len__(self) -> int:
        return len(self._limits)

    def __hash__(self) -> int:
        return hash(frozenset(self._limits.items()))

    def __repr__(self) -> str:
        return repr(self._limits)


def sort_faults(faults: Iterable[Fault]) -> list[Fault]:
    """Return faults in the order of their definition, so that texts do not change from run to run."""
    return sorted(faults, key=list(Fault).index)


@functools.cache
def _driver() -> tuple[ModuleType, CallSettings]:
    """Return the module that carries calls out, and settings without any option, which all policies share.

    The first call loads the module: a policy as a value does not need it.
    """
    from bedrock_resilience.retrying import _driver  # noqa: PLC0415 - half of the core's import time

    return _driver, _driver.CallSettings(RetryPolicy())


def _int_or_text(text: str) -> int | str:
    try:
        return int(text)
    except ValueError:
        return text  # the policy's own check refuses it, and says what it accepts


def _float_or_text(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


def _faults_from(given: object) -> Mapping[Fault, int | None] | Problem:
    """Return the limits by fault that a ``retry_on`` describes, or the problem with it."""
    if isinstance(given, str):
        return _parse_retry_on(given)
    if isinstance(given, Mapping):
        limits: Mapping[Any, Any] = given  # pyright: ignore[reportUnknownVariableType]  # checked below
    elif isinstance(given, Iterable):
        limits = dict.fromkeys(given)  # pyright: ignore[reportUnknownArgumentType]  # checked below
    else:
        hint = _FOR_EXCEPTIONS if isinstance(given, type) else ""
        return wrong_type("retry_on", given, f"{_ACCEPTED_RETRY_ON}{hint}")
    for fault, limit in limits.items():
        problem = instance("retry_on", fault, Fault, _ACCEPTED_FAULTS) or whole_number(
            f"retry_on[{fault!r}]", limit, least=0, optional=True
        )
        if problem is not None:
            return problem
        if fault is Fault.CANCELLED:
            return wrong_value("retry_on", fault, "any other fault, because a cancellation is not retried")
    return limits


def _parse_retry_on(text: str) -> Mapping[Fault, int | None] | Problem:
    named = _NAMED_FAULTS.get(text.strip().lower())
    if named is not None:
        return named
    limits: dict[Fault, int | None] = {}
    faults = {fault.value: fault for fault in Fault if fault is not Fault.CANCELLED}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, equals, limit = (piece.strip() for piece in part.lower().partition("="))
        if name not in faults or (equals and not limit.isdecimal()):
            accepted = f"none, throttling, transient, or a comma-separated list of {', '.join(faults)}"
            return wrong_value("retry_on", part, f"{accepted}, each with '=<retries>' if it has a limit of its own")
        limits[faults[name]] = int(limit) if equals else None
    return limits


def _format_retry_on(faults: frozenset[Fault] | FaultLimits) -> str:
    if isinstance(faults, FaultLimits):
        return ",".join(fault.value if limit is None else f"{fault.value}={limit}" for fault, limit in faults.items())
    return ",".join(fault.value for fault in sort_faults(faults)) or "none"


def _listed(faults: Iterable[Fault]) -> str:
    return ", ".join(map(repr, sort_faults(faults)))
