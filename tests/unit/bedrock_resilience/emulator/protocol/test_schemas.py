"""Local references, and the subset of JSON Schema for strict output."""

from __future__ import annotations

from typing import Any

import pytest

from bedrock_resilience.emulator._protocol.errors import ServiceError
from bedrock_resilience.emulator._protocol.schemas import check_strict, resolve

ROOT: dict[str, Any] = {"$defs": {"a/b~c": {"const": 1}, "list": [{"const": 2}]}, "properties": {"x y": {"const": 3}}}


@pytest.mark.parametrize(
    ("reference", "found"),
    [
        ("#", ROOT),
        ("#/$defs/a~1b~0c", {"const": 1}),
        ("#/$defs/list/0", {"const": 2}),
        ("#/properties/x%20y", {"const": 3}),
        ("#/$defs/list/1", None),
        ("#/$defs/absent/deeper", None),
        ("https://example.org/schema#/a", None),
        (None, None),
    ],
)
def test_a_local_reference_is_followed_and_no_other(reference: object, found: object) -> None:
    assert resolve(ROOT, reference) == found


def closed(**properties: Any) -> dict[str, Any]:  # noqa: ANN401 - any schema
    return {"type": "object", "properties": properties, "additionalProperties": False}


ITEM = {"$ref": "#/$defs/item"}


@pytest.mark.parametrize(
    "schema",
    [
        closed(a={"type": "string"}, b={"type": "array", "items": {"enum": [1]}, "minItems": 1}),
        {
            **closed(one=ITEM, other={"anyOf": [ITEM, {"type": "null"}]}),
            "$defs": {"item": closed(), "unused": {"minimum": 1}},
        },
    ],
)
def test_a_schema_within_the_subset_is_taken(schema: dict[str, Any]) -> None:
    check_strict(schema, "schema")


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        ({"type": "object"}, "schema: for 'object' type, 'additionalProperties' must be explicitly set to false"),
        (closed(a={"type": "number", "maximum": 5}), "schema.properties.a: the keyword maximum is not supported"),
        (closed(a={"minLength": 5}), "schema.properties.a: the keyword minLength is not supported"),
        (closed(a={"items": {"multipleOf": 2}}), "schema.properties.a.items: the keyword multipleOf is not supported"),
        (closed(a={"minItems": 2}), "schema.properties.a.minItems: only 0 and 1 are supported"),
        (
            closed(a={"oneOf": [{}, {"minimum": 0}]}),
            "schema.properties.a.oneOf.1: the keyword minimum is not supported",
        ),
        (closed(a={"$ref": "http://x"}), "schema.properties.a.$ref: 'http://x' is not within this schema"),
        (
            {**closed(a=ITEM), "$defs": {"item": closed(again=ITEM)}},
            "schema.properties.a.$ref.properties.again.$ref: '#/$defs/item' refers to itself",
        ),
    ],
)
def test_a_schema_beyond_the_subset_is_refused_by_its_place(schema: dict[str, Any], message: str) -> None:
    with pytest.raises(ServiceError) as raised:
        check_strict(schema, "schema")
    assert raised.value.message.startswith(message)


def test_what_is_referred_to_often_is_looked_at_once() -> None:
    definitions: dict[str, Any] = {
        f"d{level}": closed(a={"$ref": f"#/$defs/d{level + 1}"}, b={"$ref": f"#/$defs/d{level + 1}"})
        for level in range(50)
    }
    check_strict({"$ref": "#/$defs/d0", "$defs": {**definitions, "d50": {"type": "string"}}}, "schema")
