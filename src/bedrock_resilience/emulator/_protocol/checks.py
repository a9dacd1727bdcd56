"""Checks of single values; each refuses with a ``ValidationException`` that names the field."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bedrock_resilience.emulator._protocol.errors import ServiceError, invalid
from bedrock_resilience.emulator._protocol.jsonvalues import JsonObject, as_list, as_object, quoted

if TYPE_CHECKING:
    import re


def not_accepted(path: str, given: object, accepted: str) -> ServiceError:
    """The error for a value at ``path`` that is not ``accepted``."""
    return invalid(f"{path}: got {quoted(given)}; accepted: {accepted}")


def require_object(value: object, path: str) -> JsonObject:
    """The value, if it is an object."""
    found = as_object(value)
    if found is None:
        raise not_accepted(path, value, "an object")
    return found


def require_list(value: object, path: str) -> list[Any]:
    """The value, if it is a list."""
    found = as_list(value)
    if found is None:
        raise not_accepted(path, value, "a list")
    return found


def require_string(value: object, path: str) -> str:
    """The value, if it is a string."""
    if not isinstance(value, str):
        raise not_accepted(path, value, "a string")
    return value


def check_one_of(value: object, path: str, accepted: frozenset[str]) -> None:
    """Refuse every value but these."""
    if not isinstance(value, str) or value not in accepted:
        raise not_accepted(path, value, ", ".join(sorted(accepted)))


def check_pattern(value: object, path: str, pattern: re.Pattern[str]) -> None:
    """Refuse every value but a string that the pattern matches from start to end."""
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise not_accepted(path, value, f"a string that matches {pattern.pattern}")
