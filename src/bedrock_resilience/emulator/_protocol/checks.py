"""Checks of single values, which refuse with a ValidationException that names the place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bedrock_resilience.emulator._protocol.errors import ServiceError, invalid
from bedrock_resilience.emulator._protocol.jsonvalues import JsonObject, as_list, as_object, shown

if TYPE_CHECKING:
    import re


def wrong(path: str, given: object, accepted: str) -> ServiceError:
    """What to raise for a value at `path` that is not `accepted`."""
    return invalid(f"{path}: got {shown(given)}; accepted: {accepted}")


def an_object(value: object, path: str) -> JsonObject:
    """The value, if it is an object."""
    found = as_object(value)
    if found is None:
        raise wrong(path, value, "an object")
    return found


def a_list(value: object, path: str) -> list[Any]:
    """The value, if it is a list."""
    found = as_list(value)
    if found is None:
        raise wrong(path, value, "a list")
    return found


def a_text(value: object, path: str) -> str:
    """The value, if it is a string."""
    if not isinstance(value, str):
        raise wrong(path, value, "a string")
    return value


def check_one_of(value: object, path: str, accepted: frozenset[str]) -> None:
    """Refuse all but these values."""
    if not isinstance(value, str) or value not in accepted:
        raise wrong(path, value, ", ".join(sorted(accepted)))


def check_pattern(value: object, path: str, pattern: re.Pattern[str]) -> None:
    """Refuse all but strings that match as a whole."""
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise wrong(path, value, f"a string that matches {pattern.pattern}")
