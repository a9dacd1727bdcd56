"""Names of options that are wrong where they are passed: those of other libraries, and the fields of a policy.

``RetryPolicy(max_attempts=3)`` and ``retry(max_retries=5)`` are common mistakes, so the errors say what to write.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_COUNTS: Final = frozenset({"attempts", "max_attempts", "max_tries", "total_max_attempts"})
"""How stamina, botocore and backoff name the number of attempts, the first one included."""

_EXAMPLES: Final = {"stop": "max_retries=2", "wait": "base_delay=0.5, multiplier=2.0, max_delay=20.0"}
"""Options of tenacity -> an example of the fields that take their place."""
OTHER_NAMES: Final = _COUNTS.union(_EXAMPLES)
"""``_policy`` has them, too, so that a program without such a mistake does not load this module."""


def as_fields(kwargs: Mapping[str, object], fields: Iterable[str] = ()) -> tuple[str, str, str]:
    """Return the options that belong elsewhere: as they were given, as fields of a policy, and why.

    Args:
        kwargs: The keyword arguments of a call, with ``OTHER_NAMES`` or the fields of a policy among them.
        fields: The fields of the policy, where they belong there under their own name.
    """
    given = [name for name in (*fields, *sorted(OTHER_NAMES)) if name in kwargs]
    shown = ", ".join(f"{name}={kwargs[name]!r}" for name in given)
    counts = [name for name in given if name in _COUNTS]
    why = f", because {counts[0]} counts the first attempt, too" if counts else ""
    return shown, ", ".join(_as_field(name, kwargs[name]) for name in given), why


def _as_field(name: str, value: object) -> str:
    if name in _COUNTS:
        return f"max_retries={value - 1 if isinstance(value, int) and value >= 1 else 2}"
    return _EXAMPLES.get(name, f"{name}={value!r}")
