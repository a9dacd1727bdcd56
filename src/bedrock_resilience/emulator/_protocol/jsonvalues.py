"""JSON values with types: what a client sent, narrowed where it is used."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NoReturn, TypeAlias, cast

JsonObject: TypeAlias = Mapping[str, Any]


def as_object(value: object) -> JsonObject | None:
    """The value if it is a JSON object, else None."""
    return cast("JsonObject", value) if isinstance(value, Mapping) else None


def as_list(value: object) -> list[Any] | None:
    """The value if it is a JSON array, else None."""
    members: Any = value  # keeps the members ``Any``, where narrowing would make them unknown
    return members if isinstance(value, list) else None


def objects(value: object) -> list[JsonObject]:
    """The JSON objects among the members of a JSON array; none for any other value."""
    return [member for member in map(as_object, as_list(value) or []) if member is not None]


def is_number(value: object) -> bool:
    """Whether the value is a JSON number; ``true`` and ``false`` are not."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def is_integer(value: object) -> bool:
    """Whether the value is a JSON number without a fraction."""
    return isinstance(value, int) and not isinstance(value, bool)


def decode(body: bytes) -> object:
    """The value of a JSON body.

    Raises:
        ValueError: The body is not a JSON text of RFC 8259 (UTF-8, no NaN or Infinity), or is nested too deeply.
    """
    try:
        return cast("object", json.loads(body, parse_constant=_refuse_constant))
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON value")


def encode(value: object) -> bytes:
    """The value as compact JSON, as the service sends it. ASCII only, so that a lone surrogate does not break it."""
    return json.dumps(value, separators=(",", ":")).encode("ascii")


def quoted(value: object, limit: int = 60) -> str:
    """The value as a message quotes it."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= limit else f"{text[:limit]}..."
