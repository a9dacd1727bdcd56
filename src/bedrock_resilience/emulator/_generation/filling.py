"""Fills a JSON schema from a text, recursively and deterministically."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from bedrock_resilience.emulator._generation.bounds import another, bounded, distinct, fitted, matching, merged, size
from bedrock_resilience.emulator._generation.dates import first_date
from bedrock_resilience.emulator._generation.reading import MAX_NAMES, TextReader
from bedrock_resilience.emulator._protocol.jsonvalues import JsonObject, as_list, as_object
from bedrock_resilience.emulator._protocol.schemas import resolve

if TYPE_CHECKING:
    from bedrock_resilience.emulator._generation.evidence import Evidence

# Beyond this depth or number, only required properties are filled; beyond twice as much, values are null.
_MAX_DEPTH: Final = 12
_MAX_VALUES: Final = 2_000

_NEVER: Final = re.compile(r"(?!)")
_FORMATS: Final = {
    "date": (_NEVER, "1970-01-01"),  # read by `first_date`
    "date-time": (re.compile(r"\b\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:Z|[+-]\d{2}:\d{2})"), "1970-01-01T00:00:00Z"),
    "duration": (_NEVER, "PT0S"),
    "email": (re.compile(r"\b[\w.+-]+@[\w-]+(?:\.[\w-]+)+\b"), "nobody@example.com"),
    "hostname": (_NEVER, "example.com"),
    "ipv4": (_NEVER, "127.0.0.1"),
    "ipv6": (_NEVER, "::1"),
    "time": (re.compile(r"\b\d{2}:\d{2}:\d{2}Z"), "00:00:00Z"),
    "uri": (re.compile(r"https?://[^\s<>\"']+[^\s<>\"'.,;)]"), "https://example.com/"),
    "uuid": (re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b"), "00000000-0000-0000-0000-000000000000"),
}
"""Format to the pattern of such a value in a text, and the default value."""


def fill(schema: JsonObject, evidence: Evidence) -> Any:  # noqa: ANN401 - a schema can ask for any JSON value
    """A value that follows the schema, made of the evidence.

    Understands object, array, string, number, integer, boolean, null, lists of types, enum, const, anyOf, oneOf, allOf
    and local references. Optional properties are given too, unless they lead into a recursion.
    """
    return _Filler(schema, TextReader(evidence)).value(schema, "", 0)


class _Filler:
    """The walk over one schema."""

    def __init__(self, root: JsonObject, reader: TextReader) -> None:
        self._root = root
        self._read = reader
        self._made = 0
        self._open: list[str] = []  # the references that are being followed

    def value(self, schema: JsonObject, property_name: str, depth: int) -> Any:  # noqa: ANN401 - see fill
        """The value for one schema; ``property_name`` is the property that it is for."""
        self._made += 1
        if depth > 2 * _MAX_DEPTH or self._made > 2 * _MAX_VALUES:
            return None
        opened = len(self._open)
        flat = self._flat(schema, property_name, depth)
        value = self._value(flat, property_name, depth)
        del self._open[opened:]
        return value

    def _value(self, schema: JsonObject, property_name: str, depth: int) -> Any:  # noqa: ANN401 - see fill
        if "const" in schema:
            return schema["const"]
        options = as_list(schema.get("enum"))
        if options:
            texts = [option for option in options if isinstance(option, str)]
            explained = str(schema.get("description", ""))
            return self._read.choice(texts, property_name, explained) if texts else options[0]
        kind = self._kind(schema, depth)
        if kind in {"object", "array"}:
            return (self._object if kind == "object" else self._array)(schema, property_name, depth)
        return self._scalar(schema, kind, property_name)

    def _scalar(self, schema: JsonObject, kind: str, property_name: str) -> str | float | bool | None:
        match kind:
            case "number" | "integer":
                value = bounded(self._read.number(property_name), schema, whole=kind == "integer")
                return int(value) if value.is_integer() else value
            case "boolean":
                return self._read.mentions(property_name)
            case "null":
                return None
            case _:
                made = self._string(schema, property_name)
                return None if "null" in (as_list(schema.get("type")) or []) and not _satisfies(made, schema) else made

    def _flat(self, schema: JsonObject, property_name: str, depth: int) -> JsonObject:
        """The schema with its references followed, its allOf merged and one of its alternatives chosen."""
        flat: dict[str, Any] = dict(schema)
        for _ in range(_MAX_DEPTH):
            parts = [part for part in map(as_object, as_list(flat.pop("allOf", None)) or []) if part is not None]
            reference = flat.pop("$ref", None)
            target = resolve(self._root, reference)
            if target is not None:
                self._open.append(str(reference))
                parts.append(target)
            for name in ("anyOf", "oneOf"):
                options = [part for part in map(as_object, as_list(flat.pop(name, None)) or []) if part is not None]
                parts += [self._alternative(options, flat, property_name, depth)] if options else []
            if not parts:
                break
            for part in parts:
                flat = merged(flat, part)
        return flat

    def _alternative(self, options: list[JsonObject], beside: JsonObject, property_name: str, depth: int) -> JsonObject:
        """The first alternative that says something and can be kept to, before null.

        The plainest one where the walk is deep or would go in circles.
        """
        if self._deep(depth):
            options = [option for option in options if _is_plain(option)] or options
        ending = [option for option in options if not self._recurs(option)] or options
        best_first = sorted(ending, key=lambda option: option.get("type") == "null")
        return next(
            (option for option in best_first if self._can_satisfy(option, beside, property_name)), best_first[0]
        )

    def _can_satisfy(self, option: JsonObject, beside: JsonObject, property_name: str) -> bool:
        """Whether the text that would be made for an alternative keeps to it; of other kinds, all that is made does."""
        schema = merged(beside, merged(option, resolve(self._root, option.get("$ref")) or {}))
        return (
            "pattern" not in schema
            or schema.get("type") != "string"
            or _satisfies(self._string(schema, property_name), schema)
        )

    def _deep(self, depth: int) -> bool:
        return depth >= _MAX_DEPTH or self._made > _MAX_VALUES

    def _recurs(self, schema: JsonObject) -> bool:
        """Whether the schema or its items refer to one that the walk is in."""
        items = as_object(schema.get("items")) or {}
        return any(part.get("$ref") in self._open for part in (schema, items))

    def _kind(self, schema: JsonObject, depth: int) -> str:
        several = [str(kind) for kind in as_list(schema.get("type")) or []]
        if several:
            return "null" if self._deep(depth) and "null" in several else min(several, key=lambda kind: kind == "null")
        if "type" in schema:
            return str(schema["type"])
        if schema.keys() & {"properties", "required", "additionalProperties"}:
            return "object"
        if schema.keys() & {"items", "prefixItems", "minItems"}:
            return "array"
        return "number" if schema.keys() & {"minimum", "maximum", "multipleOf"} else "string"

    def _object(self, schema: JsonObject, property_name: str, depth: int) -> dict[str, Any]:
        properties = as_object(schema.get("properties")) or {}
        extra = as_object(schema.get("additionalProperties")) or {}
        required = [name for name in as_list(schema.get("required")) or [] if isinstance(name, str)]
        made: dict[str, Any] = {}
        for name in dict.fromkeys(required if self._deep(depth) else [*properties, *required]):
            inner = _schema(properties.get(name, extra))
            if inner is None:
                continue
            if name in required or not self._recurs(inner):
                made[name] = self.value(inner, name, depth + 1)
        for number in range(1, size(schema, "minProperties", 0) - len(made) + 1):
            made[f"property_{number}"] = self.value(extra, property_name, depth + 1)
        return made

    def _array(self, schema: JsonObject, property_name: str, depth: int) -> list[Any]:
        unique = bool(schema.get("uniqueItems"))
        low = size(schema, "minItems", 0)
        high = size(schema, "maxItems", max(MAX_NAMES, low))
        fixed = [part for part in map(as_object, as_list(schema.get("prefixItems")) or []) if part is not None]
        made = [self.value(part, property_name, depth + 1) for part in fixed]
        items = _schema(schema.get("items", True))
        if items is not None and not self._deep(depth) and not self._recurs(schema):
            made += self._members(items, property_name, str(schema.get("description", "")), depth)
        if unique:
            made = distinct(made)
        while len(made) < low and self._made <= 2 * _MAX_VALUES:
            made.append(another(self.value(items or {}, property_name, depth + 1), made, unique=unique))
        return made[:high]

    def _members(self, items: JsonObject, property_name: str, description: str, depth: int) -> list[Any]:
        """The members the text speaks for: names, the options it mentions, or one object."""
        opened = len(self._open)
        flat = self._flat(items, property_name, depth)
        del self._open[opened:]
        options = as_list(flat.get("enum"))
        if options is not None:
            return [option for option in options if isinstance(option, str) and self._read.score(option) > 0]
        kind = self._kind(flat, depth)
        if kind == "string" and not flat.keys() & {"format", "pattern", "const"}:
            wanted = f"{property_name} {flat.get('title', '')}"
            found = self._read.names(wanted, f"{description}\n{flat.get('description', '')}")
            return [fitted(name, flat) for name in found]
        return [self.value(items, property_name, depth + 1)] if kind == "object" else []

    def _string(self, schema: JsonObject, property_name: str) -> str:
        if str(schema.get("format")) in _FORMATS:
            date = first_date(self._read.text) if schema["format"] == "date" else None
            if date is not None:
                return date
            pattern, otherwise = _FORMATS[str(schema["format"])]
            found = pattern.search(self._read.text)
            return found.group() if found else otherwise
        made = fitted(self._read.phrase(property_name, str(schema.get("description", ""))), schema)
        return matching(schema["pattern"], made, self._read.text) if isinstance(schema.get("pattern"), str) else made


def _schema(value: object) -> JsonObject | None:
    """A schema inside another: `true` takes anything; None for `false`, which takes nothing."""
    return None if value is False else as_object(value) or {}


def _satisfies(made: str, schema: JsonObject) -> bool:
    """Whether a text keeps to the pattern and the lengths; a pattern that cannot be read binds nobody."""
    try:
        matches = re.search(str(schema.get("pattern", "")), made) is not None
    except re.error:
        matches = True
    return matches and fitted(made, schema) == made


def _is_plain(schema: JsonObject) -> bool:
    return schema.get("type") not in {"object", "array"} and "$ref" not in schema
