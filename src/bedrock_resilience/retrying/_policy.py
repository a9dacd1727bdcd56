"""RetryPolicy: which faults are retried, how often, and after which delays. Frozen data and arithmetic only."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from types import CoroutineType

from bedrock_resilience._fault import THROTTLING, TRANSIENT, Fault
from bedrock_resilience.retrying._deadline_var import enclosing
from bedrock_resilience.retrying._faults import sort_faults
from bedrock_resilience.retrying._frozen import Frozen
from bedrock_resilience.retrying._jitter import JITTERS, AdditiveJitter, Backoff, format_jitter, grow, parse_jitter

TYPE_CHECKING = False
if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any, ParamSpec, TypeVar

    from bedrock_resilience.retrying._jitter import Jitter

    P = ParamSpec("P")
    T = TypeVar("T")
    RetryOn = Iterable[Fault] | Mapping[Fault, int | None]
    Driver = Callable[["RetryPolicy", Exception | None, Callable[..., Any], tuple[Any, ...], dict[str, Any]], Any]

# The longest a single delay may be: an hour is four times the life of a Lambda. Everything beyond is a typing error.
_LONGEST_DELAY = 3600.0
_READY_MADE: dict[str, Mapping[Fault, int | None]] = {
    "none": {},
    "throttling": dict.fromkeys(THROTTLING),
    "transient": TRANSIENT,
}


class RetryPolicy(Frozen):
    """How a call is retried. The default is the retry wrapper of the ingest-normalize contract.

    Args:
        max_retries: How many retries may follow the first attempt, so a call is sent at most ``1 + max_retries`` times.
        base_delay: Seconds before the first retry, without jitter.
        multiplier: Each delay, without jitter, is so many times the one before; at least 1.
        max_delay: No delay is longer than this, jitter included; seconds.
        jitter: How chance is mixed in; see ``bedrock_resilience.retrying._jitter``.
        retry_on: The faults that are retried: an iterable of ``Fault``, a mapping from ``Fault`` to the number of
            retries it may use up within one call (None: no limit of its own), or one of the ready-made ``"throttling"``
            (the default), ``"transient"`` and ``"none"``.

    Raises:
        ValueError: A field that cannot be; the message names each one, what was given and what is accepted.
    """

    __slots__ = ("_limits", "base_delay", "jitter", "max_delay", "max_retries", "multiplier", "retry_on")
    __match_args__ = ("max_retries", "base_delay", "multiplier", "max_delay", "jitter", "retry_on")

    max_retries: int
    base_delay: float
    multiplier: float
    max_delay: float
    jitter: Jitter
    retry_on: frozenset[Fault] | FaultLimits
    _limits: dict[Fault, int]

    def __init__(
        self,
        max_retries: int = 3,
        base_delay: float = 0.5,
        multiplier: float = 2.0,
        max_delay: float = 20.0,
        jitter: Jitter = AdditiveJitter(0.1),  # noqa: B008 - a frozen value
        retry_on: RetryOn | str = THROTTLING,
    ) -> None:
        problems = list(_problems(max_retries, base_delay, multiplier, max_delay, jitter))
        try:
            faults = _freeze_retry_on(retry_on)
        except ValueError as problem:
            problems.append(str(problem))
        else:
            if not problems:
                self._set(
                    max_retries=max_retries,
                    base_delay=float(base_delay),
                    multiplier=float(multiplier),
                    max_delay=float(max_delay),
                    jitter=jitter,
                    retry_on=faults,
                    _limits=_limits(faults, max_retries),
                )
                return
        raise ValueError("RetryPolicy: " + "; and ".join(problems))

    def retries_of(self, fault: Fault) -> int:
        """How many retries of one call this fault may use up; 0 where it is not retried."""
        return self._limits.get(fault, 0)

    def delay(self, retry: int, u: float, previous: float | None = None) -> float:
        """Seconds to wait before retry number ``retry``, counted from 0.

        Args:
            retry: Any whole number >= 0, however large; a policy with 3 retries can be asked about the 5,000th.
            u: A random number in [0, 1).
            previous: The delay before this one, for ``DecorrelatedJitter``; the others do not look at it.
        """
        if not 0 <= u <= 1:
            raise ValueError(f"u: got {u!r}; accepted: a number in [0, 1)")
        # The jitter may be the caller's own; that no delay is longer than max_delay is promised here.
        return min(self.max_delay, max(0.0, self.jitter.delay(self._backoff(retry), u, previous)))

    def bounds(self, retry: int) -> tuple[float, float]:
        """The least and the greatest delay of that retry, both included; seconds."""
        return self.jitter.bounds(self._backoff(retry))

    def delays(self, rng: random.Random | None = None) -> Iterator[float]:
        """The whole schedule, ``max_retries`` long; seconds. The same seed gives the same schedule."""
        if rng is None:
            import random  # noqa: PLC0415 - a schedule without a generator of its own is for looking at

            rng = random.Random()  # noqa: S311 - jitter is no secret
        previous: float | None = None
        for retry in range(self.max_retries):
            previous = self.delay(retry, rng.random(), previous)
            yield previous

    def call(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Call ``fn`` under this policy: the simplest use, short for ``Retrier(policy).call``.

        Raises:
            Exception: What ``fn`` raised last, with a note that tells attempts, seconds waited and the reason to stop.
        """
        first: Exception | None = None
        if enclosing.get() is None:  # else the deadline has to allow the first attempt, too
            try:
                returned = fn(*args, **kwargs)
            except Exception as error:  # noqa: BLE001 - whatever it is, the driver decides
                first = error  # carried on outside of this block: what is raised later did not happen while handling it
            else:
                if type(returned) is CoroutineType:
                    raise not_awaited(fn, returned)  # pyright: ignore[reportUnknownArgumentType]  # of what, is no matter
                return returned
        try:
            answer: T = _driver(self, first, fn, args, kwargs)
            return answer
        finally:
            del first  # the error's traceback holds this frame

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None, *, prefix: str = "BEDROCK_") -> RetryPolicy:
        """The policy that environment variables describe; what is not set has its default.

        ``<prefix>MAX_RETRIES``, ``BASE_DELAY``, ``MULTIPLIER`` and ``MAX_DELAY`` are numbers. ``JITTER`` is ``none``,
        ``additive:0.1``, ``full``, ``equal`` or ``decorrelated:3``. ``RETRY_ON`` is ``throttling``, ``transient`` or a
        list of faults such as ``throttling,read_timeout=1``.

        Raises:
            ValueError: A variable that cannot be read; the message names each one.
        """
        if environ is None:
            import os  # noqa: PLC0415 - only this way of making a policy needs it

            environ = os.environ
        readers: dict[str, Callable[[str], Any]] = {
            "max_retries": _whole_number,
            "base_delay": _number,
            "multiplier": _number,
            "max_delay": _number,
            "jitter": parse_jitter,
            "retry_on": _parse_retry_on,
        }
        fields: dict[str, Any] = {}
        problems: list[str] = []
        for field, read in readers.items():
            name = prefix + field.upper()
            text = environ.get(name, "").strip()
            if not text:
                continue
            try:
                fields[field] = read(text)
                cls(**{field: fields[field]})
            except ValueError as problem:
                problems.append(f"{name}={text!r}: {problem}")
        if problems:
            raise ValueError("; and ".join(problems))
        return cls(**fields)

    def to_env(self, *, prefix: str = "BEDROCK_") -> dict[str, str]:
        """The environment variables from which ``from_env`` makes this policy again.

        Raises:
            ValueError: The jitter is none of this package's, so no variable can name it.
        """
        return {
            f"{prefix}MAX_RETRIES": str(self.max_retries),
            f"{prefix}BASE_DELAY": repr(self.base_delay),
            f"{prefix}MULTIPLIER": repr(self.multiplier),
            f"{prefix}MAX_DELAY": repr(self.max_delay),
            f"{prefix}JITTER": format_jitter(self.jitter),
            f"{prefix}RETRY_ON": _write_retry_on(self.retry_on),
        }

    def _backoff(self, retry: int) -> Backoff:
        if retry < 0:
            raise ValueError(f"retry: got {retry!r}; accepted: a whole number >= 0, the first retry is 0")
        exponential = grow(self.base_delay, self.multiplier, retry, self.max_delay)
        return Backoff(retry, self.base_delay, exponential, self.max_delay)

    def __repr__(self) -> str:
        shown = {**self._values(), "retry_on": None}
        fields = ", ".join(f"{name}={value!r}" for name, value in shown.items() if value is not None)
        return f"RetryPolicy({fields}, retry_on={_show_retry_on(self.retry_on)})"


class FaultLimits(Frozen, Mapping[Fault, "int | None"]):
    """A frozen mapping from fault to the number of retries it may use up (None: no limit of its own)."""

    __slots__ = ("limits",)
    __match_args__ = ("limits",)

    limits: tuple[tuple[Fault, int | None], ...]

    def __init__(self, limits: Iterable[tuple[Fault, int | None]]) -> None:
        table = dict(limits)
        self._set(limits=tuple((fault, table[fault]) for fault in sort_faults(table)))

    def __iter__(self) -> Iterator[Fault]:
        return (fault for fault, _ in self.limits)

    def __len__(self) -> int:
        return len(self.limits)

    def __contains__(self, fault: object) -> bool:
        return any(fault is known for known, _ in self.limits)

    def __getitem__(self, fault: Fault) -> int | None:
        return dict(self.limits)[fault]

    def __eq__(self, other: object) -> bool:
        return Mapping.__eq__(self, other)  # pyright: ignore[reportUnknownMemberType]  # it may be one of anything

    def __hash__(self) -> int:
        return Frozen.__hash__(self)

    def __repr__(self) -> str:
        return repr(dict(self.limits))


def _whole_number(text: str) -> int | str:
    try:
        return int(text)
    except ValueError:
        return text  # the field says what it accepts


def _number(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


def _problems(
    max_retries: object, base_delay: object, multiplier: object, max_delay: object, jitter: object
) -> Iterator[str]:
    if not isinstance(max_retries, int) or isinstance(max_retries, bool) or max_retries < 0:
        yield f"max_retries: got {max_retries!r}; accepted: a whole number >= 0"
    for name, seconds in (("base_delay", base_delay), ("max_delay", max_delay)):
        if not _is_number_within(seconds, 0, _LONGEST_DELAY):
            yield f"{name}: got {seconds!r}; accepted: seconds from 0 to {_LONGEST_DELAY:.0f}"
    if not _is_number_within(multiplier, 1, sys.float_info.max):
        yield f"multiplier: got {multiplier!r}; accepted: a finite number >= 1"
    # The class has the methods, too, but none of the fields.
    if (
        isinstance(jitter, type)
        or not callable(getattr(jitter, "delay", None))
        or not callable(getattr(jitter, "bounds", None))
    ):
        kinds = ", ".join(kind.__name__ for kind in JITTERS.values())
        yield f"jitter: got {jitter!r}; accepted: one of {kinds}, or an object with their two methods"


def _is_number_within(value: object, least: float, greatest: float) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and least <= value <= greatest


def _freeze_retry_on(given: Any) -> frozenset[Fault] | FaultLimits:  # noqa: ANN401 - anything may be given
    if isinstance(given, FaultLimits):
        _check_limits(dict(given.limits))
        return given
    if isinstance(given, str):
        return _parse_retry_on(given)
    if isinstance(given, Mapping):
        return _freeze_limits(given)  # pyright: ignore[reportUnknownArgumentType]  # its parts are checked there
    try:
        return frozenset(_check_faults(given))  # what is not iterable is caught here
    except TypeError:
        raise ValueError(
            f"retry_on: got {given!r}; accepted: faults, a mapping from fault to a number of retries, "
            "'throttling', 'transient' or 'none'"
        ) from None


def _freeze_limits(given: Mapping[Fault, int | None]) -> frozenset[Fault] | FaultLimits:
    _check_limits(given)
    if all(limit is None for limit in given.values()):
        return frozenset(given)
    return FaultLimits(given.items())


def _check_limits(given: Mapping[Fault, int | None]) -> None:
    _check_faults(given)
    for fault, limit in given.items():
        if limit is not None and (not isinstance(limit, int) or isinstance(limit, bool) or limit < 0):
            raise ValueError(f"retry_on[{fault!r}]: got {limit!r}; accepted: a whole number >= 0, or None")


def _check_faults(given: Iterable[object]) -> list[Fault]:
    faults = list(given)
    for fault in faults:
        if not isinstance(fault, Fault):
            raise ValueError(f"retry_on: got {fault!r} among its faults; accepted: members of Fault")  # noqa: TRY004 - all faults of a policy are ValueErrors
        if fault is Fault.CANCELLED:
            raise ValueError(
                "retry_on: got Fault.CANCELLED; accepted: any other fault, a cancellation is never retried"
            )
    return faults  # type: ignore[return-value]  # checked just above


def _limits(faults: frozenset[Fault] | FaultLimits, max_retries: int) -> dict[Fault, int]:
    if isinstance(faults, FaultLimits):
        return {fault: max_retries if limit is None else min(limit, max_retries) for fault, limit in faults.items()}
    return dict.fromkeys(faults, max_retries)


def _parse_retry_on(text: str) -> frozenset[Fault] | FaultLimits:
    ready_made = _READY_MADE.get(text.strip().lower())
    if ready_made is not None:
        return _freeze_limits(ready_made)
    limits: dict[Fault, int | None] = {}
    names = {fault.value: fault for fault in Fault if fault is not Fault.CANCELLED}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, equals, limit = (piece.strip() for piece in part.lower().partition("="))
        if name not in names or (equals and not limit.isdecimal()):
            raise ValueError(
                f"retry_on: got {part!r}; accepted: none, throttling, transient, or a comma-separated list of "
                f"{', '.join(names)}, each with '=<retries>' if it has a limit of its own"
            )
        limits[names[name]] = int(limit) if equals else None
    return _freeze_limits(limits)


def _write_retry_on(faults: frozenset[Fault] | FaultLimits) -> str:
    if isinstance(faults, FaultLimits):
        return ",".join(fault.value if limit is None else f"{fault.value}={limit}" for fault, limit in faults.items())
    return ",".join(fault.value for fault in sort_faults(faults)) or "none"


def _show_retry_on(faults: frozenset[Fault] | FaultLimits) -> str:
    if isinstance(faults, FaultLimits):
        return repr(faults)
    return f"frozenset({{{', '.join(map(repr, sort_faults(faults)))}}})" if faults else "frozenset()"


def not_awaited(fn: object, coroutine: Any) -> TypeError:  # noqa: ANN401 - a coroutine, told by its class
    """What to raise where a coroutine was returned: nothing was sent, so it is no answer."""
    coroutine.close()
    return TypeError(f"{fn!r} returned a coroutine: use Retrier.acall, or BoundedExecutor.arun, which await it")


def drive_with(driver: Driver) -> None:
    """Hand in what carries a call on after its first attempt failed. ``retrier`` does, when the package is imported.

    ``policy.call`` is sugar for the ``Retrier``, which stands on a higher floor; imports only point down.
    """
    global _driver  # noqa: PLW0603 - set once, at import
    _driver = driver  # pragma: no mutate - it runs at import, before a mutant is chosen


_driver: Driver
