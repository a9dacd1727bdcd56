"""Argument checks, with one form of error text for the whole package.

A check returns a ``Problem``, or None if the value is accepted. ``refuse`` raises all problems of one call at once,
so that a caller can correct them all at once::

    refuse(
        "RetryBudget",
        number("share", share, least=0.0),
        whole_number("reserve", reserve, least=0),
    )

A value of the wrong type is a ``TypeError``, a value out of range a ``ValueError``; if both occur, the ``TypeError``
is raised. Every text has the form ``OWNER: field: got GIVEN; accepted: ACCEPTED``.
"""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

F = TypeVar("F", bound="Callable[..., Any]")


class Problem(NamedTuple):
    """One refused value: the class of the exception to raise, and the text."""

    error: type[TypeError | ValueError]
    text: str


def refuse(owner: str, *problems: Problem | None) -> None:
    """Raise one exception that lists every problem; do nothing if there is none.

    Raises:
        TypeError: A value has the wrong type.
        ValueError: All types are right, and a value is out of range.
    """
    found = [problem for problem in problems if problem is not None]
    if found:
        raise refusal(owner, *found)


def refusal(owner: str, *problems: Problem) -> TypeError | ValueError:
    """Return the exception that ``refuse`` raises for these problems."""
    error = TypeError if any(problem.error is TypeError for problem in problems) else ValueError
    return error(f"{owner}: {'; '.join(problem.text for problem in problems)}")


def wrong_type(name: str, given: object, accepted: str) -> Problem:
    """The problem of a value of the wrong type."""
    return Problem(TypeError, f"{name}: got {given!r}; accepted: {accepted}")


def wrong_value(name: str, given: object, accepted: str) -> Problem:
    """The problem of a value that is out of range."""
    return Problem(ValueError, f"{name}: got {given!r}; accepted: {accepted}")


def whole_number(
    name: str, given: object, *, least: int | None = None, most: int | None = None, optional: bool = False
) -> Problem | None:
    """Accept an ``int`` (no ``bool``) from ``least`` to ``most``, and None if ``optional``."""
    if optional and given is None:
        return None
    problem = wrong_type
    if isinstance(given, int) and not isinstance(given, bool):
        if _within(given, least, most):
            return None
        problem = wrong_value
    return problem(name, given, "a whole number" + _range(least, most) + (", or None" if optional else ""))


def number(
    name: str,
    given: object,
    *,
    least: float | None = None,
    above: float | None = None,
    most: float | None = None,
    optional: bool = False,
    unit: str = "",
) -> Problem | None:
    """Accept a finite ``int`` or ``float`` (no ``bool``) in a range, and None if ``optional``.

    Args:
        name: The field's name.
        given: The value.
        least: The lower bound, included.
        above: The lower bound, excluded.
        most: The upper bound, included.
        optional: Accept None, too.
        unit: The unit for the text, for example ``"seconds"``.
    """
    if optional and given is None:
        return None
    accepted = f"a finite number{f' of {unit}' if unit else ''}{_range(least, most, above)}"
    accepted += ", or None" if optional else ""
    if not isinstance(given, (int, float)) or isinstance(given, bool):
        return wrong_type(name, given, accepted)
    finite = abs(given) <= _LARGEST_FLOAT  # an int may be too large for a float; every comparison with NaN is false
    inside = finite and _within(given, least, most) and (above is None or given > above)
    return None if inside else wrong_value(name, given, accepted)


def instance(
    name: str, given: object, kinds: type | tuple[type, ...], accepted: str, *, optional: bool = False
) -> Problem | None:
    """Accept an instance of one of the classes, and None if ``optional``."""
    if (optional and given is None) or isinstance(given, kinds):
        return None
    return wrong_type(name, given, accepted)


def has_methods(
    name: str, given: object, methods: Iterable[str], accepted: str, *, optional: bool = False
) -> Problem | None:
    """Accept an object, not a class, that has every one of the methods, and None if ``optional``."""
    if optional and given is None:
        return None
    complete = not isinstance(given, type) and all(callable(getattr(given, method, None)) for method in methods)
    return None if complete else wrong_type(name, given, accepted)


def function(name: str, given: object, accepted: str, *, optional: bool = False) -> Problem | None:
    """Accept a callable, and None if ``optional``."""
    return None if (optional and given is None) or callable(given) else wrong_type(name, given, accepted)


def explain_names(target: F) -> F:
    """Let a function, or a class when it is called, say what to write for an option that it does not have.

    Python names such an option and no other. The name is often that of another library, or belongs to another part of
    this one: ``retry(max_attempts=3)``.
    """
    if isinstance(target, type):
        setattr(target, "__init__", _explained(vars(target)["__init__"], target.__name__))  # noqa: B010 - a type checker refuses the assignment
        return target  # pyright: ignore[reportReturnType]  # the class, as it was given
    return _explained(target, target.__name__)


def _explained(fn: F, owner: str) -> F:
    code = getattr(fn, "__wrapped__", fn).__code__  # of what a decorator has wrapped, such as that of a mutation run
    positional = code.co_argcount
    names = code.co_varnames[: positional + code.co_kwonlyargcount]
    own = frozenset(names)

    @functools.wraps(fn)
    def checked(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - the types are those of fn
        unnamed = len(args) > positional and len(names) > positional
        if unnamed or not own.issuperset(kwargs):
            from bedrock_resilience._option_names import refuse_names, refuse_position  # noqa: PLC0415 - only a refusal needs it

            unknown = {name: value for name, value in kwargs.items() if name not in own}
            refuse_names(owner, unknown, names, others=bool(code.co_flags & _CO_VARKEYWORDS))
            if unnamed:
                refuse_position(owner, args[positional], names, positional)
        return fn(*args, **kwargs)

    return checked  # type: ignore[return-value]  # with the signature of fn


_CO_VARKEYWORDS = 0x08  # as in inspect, which takes long to import
_LARGEST_FLOAT = math.nextafter(math.inf, 0.0)


def _within(given: float, least: float | None, most: float | None) -> bool:
    return (least is None or given >= least) and (most is None or given <= most)


def _range(least: float | None, most: float | None, above: float | None = None) -> str:
    if least is not None and most is not None:
        return f" from {_shown(least)} to {_shown(most)}"
    bounds = [
        f"{sign} {_shown(bound)}" for sign, bound in ((">=", least), (">", above), ("<=", most)) if bound is not None
    ]
    return f" {' and '.join(bounds)}" if bounds else ""


def _shown(bound: float) -> str:
    return f"{bound:,}" if isinstance(bound, int) else f"{bound:,g}" if bound < 1e15 else repr(bound)  # noqa: PLR2004 - longer ones are read more easily as powers
