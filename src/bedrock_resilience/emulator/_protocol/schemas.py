"""JSON schemas: references within a document, and the subset that Bedrock supports for strict output."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import unquote

from bedrock_resilience.emulator._protocol.errors import invalid
from bedrock_resilience.emulator._protocol.jsonvalues import JsonObject, as_list, as_object

# What Bedrock's grammar compiler refuses (AWS, "Get validated JSON results from models").
_UNSUPPORTED: Final = (
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "minLength",
    "maxLength",
)


def resolve(root: JsonObject, reference: object) -> JsonObject | None:
    """The schema that a local ``$ref`` (``#``, ``#/$defs/item``) points to; None for any other, or if there is none."""
    if not isinstance(reference, str) or not reference.startswith("#"):
        return None
    found: Any = root
    for step in reference.removeprefix("#").split("/")[1:]:
        name = unquote(step).replace("~1", "/").replace("~0", "~")
        members = as_list(found)
        if members is not None and name.isdigit() and int(name) < len(members):
            found = members[int(name)]
        else:
            found = (as_object(found) or {}).get(name)
    return as_object(found)


def check_strict(schema: JsonObject, path: str) -> None:
    """Check that a schema is within the subset for strict output.

    Raises:
        ServiceError: ``ValidationException`` that names the place and the keyword.
    """
    _StrictCheck(schema).check(schema, path, ())


class _StrictCheck:
    """The walk over one schema; each reference is checked once."""

    def __init__(self, root: JsonObject) -> None:
        self._root = root
        self._checked: set[str] = set()

    def check(self, schema: JsonObject, path: str, ancestors: tuple[str, ...]) -> None:
        _check_keywords(schema, path)
        if "$ref" in schema:
            self._check_reference(schema["$ref"], f"{path}.$ref", ancestors)
        for name, inner in _inner(schema):
            self.check(inner, f"{path}.{name}", ancestors)

    def _check_reference(self, reference: object, path: str, ancestors: tuple[str, ...]) -> None:
        target = resolve(self._root, reference)
        if target is None:
            raise invalid(f"{path}: {reference!r} is not within this schema; external references are not supported")
        name = str(reference)
        if name in ancestors:
            raise invalid(f"{path}: {name!r} refers to itself; recursive schemas are not supported")
        if name not in self._checked:
            self._checked.add(name)
            self.check(target, path, (*ancestors, name))


def _check_keywords(schema: JsonObject, path: str) -> None:
    for keyword in _UNSUPPORTED:
        if keyword in schema:
            raise invalid(f"{path}: the keyword {keyword} is not supported for structured output")
    if schema.get("minItems", 0) not in {0, 1}:
        raise invalid(f"{path}.minItems: only 0 and 1 are supported for structured output")
    if schema.get("type") == "object" and schema.get("additionalProperties") is not False:
        raise invalid(f"{path}: for 'object' type, 'additionalProperties' must be explicitly set to false")


def _inner(schema: JsonObject) -> list[tuple[str, JsonObject]]:
    """The schemas inside a schema, without definitions: those are checked if they are referred to."""
    found = [(f"properties.{name}", inner) for name, inner in (as_object(schema.get("properties")) or {}).items()]
    found += [(name, schema[name]) for name in ("items", "not") if name in schema]
    for name in ("anyOf", "oneOf", "allOf", "prefixItems"):
        found += [(f"{name}.{index}", inner) for index, inner in enumerate(as_list(schema.get(name)) or [])]
    return [(name, inner) for name, value in found if (inner := as_object(value)) is not None]
