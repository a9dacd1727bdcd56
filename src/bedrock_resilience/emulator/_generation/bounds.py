"""Values adjusted to the bounds of a schema: lengths, ranges, uniqueness."""

from __future__ import annotations

import math
import re
from fractions import Fraction
from typing import Any, Final

from bedrock_resilience.emulator._generation.words import words
from bedrock_resilience.emulator._protocol.jsonvalues import JsonObject, as_list, as_object, is_number

_MAX_SIZE: Final = 10_000


def merged(one: JsonObject, other: JsonObject) -> dict[str, Any]:
    """Both schemas in one; ``one`` takes precedence."""
    merged = {**other, **one}
    for name in ("properties", "$defs"):
        if name in one and name in other:
            merged[name] = {**(as_object(other[name]) or {}), **(as_object(one[name]) or {})}
    if "required" in one and "required" in other:
        merged["required"] = [*(as_list(one["required"]) or []), *(as_list(other["required"]) or [])]
    return merged


def distinct(values: list[Any]) -> list[Any]:
    """The values without duplicates."""
    kept: list[Any] = []
    for value in values:
        if value not in kept:
            kept.append(value)
    return kept


def another(value: Any, others: list[Any], *, unique: bool) -> Any:  # noqa: ANN401 - see fill
    """The value, changed where necessary (and possible) to differ from the others."""
    number = 1
    while unique and value in others and isinstance(value, str | int | float):
        number += 1
        value = f"{value} {number}" if isinstance(value, str) else value + 1
    return value


def size(schema: JsonObject, keyword: str, otherwise: int) -> int:
    """A length or a count of the schema, limited to a reasonable range; ``otherwise`` where it is not a number."""
    given = schema.get(keyword)
    return min(max(0, int(given)), _MAX_SIZE) if given is not None and is_number(given) else otherwise


def fitted(text: str, schema: JsonObject) -> str:
    """The text within minLength and maxLength."""
    low, high = size(schema, "minLength", 0), size(schema, "maxLength", len(text))
    return text[:high].ljust(low, ".")


def matching(pattern: str, made: str, text: str) -> str:
    """The first that matches of: the given value, a word of the text, a few short strings; else the given value."""
    try:
        compiled = re.compile(pattern)
    except re.error:
        return made
    pieces = [made, *text.split(), *words(text), "a", "A", "0", "00", "0000", "aa", "AA", "A0", "a0", ""]
    return next((piece for piece in pieces if compiled.search(piece)), made)


def bounded(value: float, schema: JsonObject, *, whole: bool) -> float:
    """The nearest number that minimum, maximum and multipleOf allow."""
    multiple_of = schema.get("multipleOf")
    step = (
        Fraction(str(multiple_of)) if multiple_of is not None and is_number(multiple_of) and multiple_of > 0 else None
    )
    low, high = _edge(schema, "minimum", -math.inf), _edge(schema, "maximum", math.inf)
    least = 1.0 if whole else 1e-3
    if is_number(schema.get("exclusiveMinimum")):
        low = max(low, float(schema["exclusiveMinimum"]) + least)
    if is_number(schema.get("exclusiveMaximum")):
        high = min(high, float(schema["exclusiveMaximum"]) - least)
    value = min(max(value, low), high)
    if whole and step is None:
        return float(math.ceil(value) if math.ceil(value) <= high else math.floor(value))
    if step is None:
        return value
    multiple = float(math.ceil(Fraction(value) / step) * step)
    return multiple if multiple <= high else float(math.floor(Fraction(value) / step) * step)


def _edge(schema: JsonObject, name: str, otherwise: float) -> float:
    return float(schema[name]) if is_number(schema.get(name)) else otherwise
