"""Whatever a schema asks for, what is filled in conforms to it; and it comes from the text."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bedrock_resilience.emulator._generation.evidence import Evidence
from bedrock_resilience.emulator._generation.filling import fill
from support.schemas import conforms

TEXT = (
    "Camurus AB reports results. The trial enrolled 1,250 patients with opioid use disorder on 2026-11-02. "
    "The price is 12.5 euros. Write to press@example.org or see https://example.org/news."
)
EVIDENCE = Evidence(TEXT)


def filled(schema: dict[str, Any], text: str = TEXT) -> Any:  # noqa: ANN401 - a schema can ask for any JSON value
    made = fill(schema, Evidence(text))
    assert conforms(made, schema), made
    return made


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"const": 5}, 5),
        ({"enum": [3, 4]}, 3),
        ({"type": "null"}, None),
        ({"type": "boolean"}, False),
        ({"type": "integer", "minimum": 3}, 3),
        ({"type": "integer", "exclusiveMinimum": 3}, 4),
        ({"type": "number", "exclusiveMaximum": -1}, -1.001),
        ({"type": "number", "minimum": 1, "multipleOf": 0.75}, 1.5),
        ({"type": "integer", "multipleOf": 5, "minimum": 3, "maximum": 9}, 5),
        ({"type": "integer", "minimum": -9, "maximum": -3}, -3),
        ({"type": ["null", "integer"]}, 0),
        ({"minimum": 2}, 2),
        ({"minItems": 1, "items": {"const": "x"}}, ["x"]),
        ({"type": "string", "format": "date"}, "2026-11-02"),
        ({"type": "string", "format": "date-time"}, "1970-01-01T00:00:00Z"),
        ({"type": "string", "format": "email"}, "press@example.org"),
        ({"type": "string", "format": "uri"}, "https://example.org/news"),
        ({"type": "string", "maxLength": 7}, "Camurus"),
        ({"type": "string", "pattern": "^[0-9]{4}$"}, "0000"),
        ({"type": "string", "pattern": "^\\d{4}-"}, "2026-11-02."),
        ({"type": "object", "required": ["n"]}, {"n": TEXT}),
        ({"properties": {"a": {"const": 1}}}, {"a": 1}),
        ({"type": "object", "properties": {"a": True, "b": False}}, {"a": TEXT}),
        (
            {"type": "object", "minProperties": 2, "additionalProperties": {"const": 1}},
            {"property_1": 1, "property_2": 1},
        ),
        ({"type": "object", "properties": {"a": {}}, "required": ["a", "b"]}, {"a": TEXT, "b": TEXT}),
        ({"type": "array", "prefixItems": [{"const": 1}, {"const": 2}], "items": False}, [1, 2]),
        ({"type": "array", "items": {"type": "integer"}, "minItems": 3, "uniqueItems": True}, [0, 1, 2]),
        ({"type": "array", "items": {"const": "x"}, "uniqueItems": True, "minItems": 1}, ["x"]),
        ({"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": 1}, ["Camurus AB"]),
        ({"type": "array", "prefixItems": [{"const": 1}, {"const": 1}], "uniqueItems": True, "items": False}, [1]),
        ({"anyOf": [{"type": "null"}, {"const": 2}]}, 2),
        ({"properties": {"a": {"const": 1}}, "allOf": [{"properties": {"b": {"const": 2}}}]}, {"b": 2, "a": 1}),
        ({"oneOf": [{"type": "null"}]}, None),
        (
            {"allOf": [{"type": "object", "required": ["a"]}, {"required": ["b"]}], "properties": {"a": {"const": 1}}},
            None,
        ),
    ],
)
def test_each_keyword_is_kept_to(schema: dict[str, Any], value: object) -> None:
    made = filled(schema)
    if value is not None:
        assert json.dumps(made) == json.dumps(value), "1 is not 1.0 on the wire"


HARD = {"type": "string", "pattern": "^[a-f]{3}-[0-9]{7}$"}


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"anyOf": [{"type": "null"}, HARD]}, None),
        ({"anyOf": [HARD, {"type": "null"}]}, None),
        ({"oneOf": [HARD, {"type": "integer"}, {"type": "null"}]}, 0),
        ({"anyOf": [{"$ref": "#/$defs/hard"}, {"type": "null"}], "$defs": {"hard": HARD}}, None),
        ({**HARD, "type": ["string", "null"]}, None),
        ({"anyOf": [{"type": "null"}, {"type": "string", "pattern": "^[0-9]{4}$"}]}, "0000"),
        ({"anyOf": [{"type": "null"}, {"type": "string", "pattern": "^Camurus$"}]}, "Camurus"),
        ({"anyOf": [{"type": "string", "pattern": "^.{900,}$"}, {"type": "null"}]}, None),
    ],
)
def test_the_first_alternative_that_can_be_kept_to_is_taken(schema: dict[str, Any], value: object) -> None:
    assert filled(schema) == value


def test_a_pattern_that_cannot_be_read_binds_nobody() -> None:
    assert fill({"anyOf": [{"type": "null"}, {"type": "string", "pattern": "("}]}, EVIDENCE) == TEXT


@pytest.mark.parametrize("text", ["Approved on 3 May 2026.", "Approved on 2026-05-03."])
def test_dates_are_read_from_the_text(text: str) -> None:
    assert filled({"type": "string", "format": "date"}, text) == "2026-05-03"
    assert filled({"type": "string", "format": "date"}, "No date.") == "1970-01-01"


def test_strings_are_taken_from_the_text_by_what_they_are_called() -> None:
    schema = {
        "type": "object",
        "properties": {
            "title": {"type": "string"},
            "summary": {"type": "string"},
            "published_date": {"type": "string"},
            "company_name": {"type": "string"},
            "language": {"type": "string"},
            "language_code": {"enum": ["fr", "en", "de"]},
            "patients": {"type": "integer"},
            "price": {"type": "number"},
            "is_trial": {"type": "boolean"},
            "is_merger": {"type": "boolean"},
        },
    }
    assert filled(schema) == {
        "title": "Camurus AB reports results.",
        "summary": TEXT,
        "published_date": "2026-11-02",
        "company_name": "Camurus AB",
        "language": "en",
        "language_code": "en",
        "patients": 1_250,
        "price": 12.5,
        "is_trial": True,
        "is_merger": False,
    }


def test_an_empty_text_still_fills_what_is_required() -> None:
    schema = {
        "type": "object",
        "properties": {
            "summary": {"type": "string", "minLength": 3},
            "date": {"type": "string"},
            "name": {"type": "string"},
            "names": {"type": "array", "items": {"type": "string"}, "minItems": 2, "uniqueItems": True},
        },
        "required": ["summary", "date", "name", "names"],
    }
    assert filled(schema, "") == {"summary": "...", "date": "", "name": "", "names": ["", " 2"]}


def test_lists_of_options_hold_those_that_the_text_speaks_for() -> None:
    schema = {"type": "array", "items": {"enum": ["clinical_trial", "merger", "other", 5]}}
    assert filled(schema) == ["clinical_trial"]


def test_lists_of_objects_hold_one() -> None:
    schema = {"type": "array", "items": {"type": "object", "properties": {"name": {"type": "string"}}}}
    assert filled(schema) == [{"name": "Camurus AB"}]


def test_a_description_may_list_the_names_to_look_for() -> None:
    schema = {
        "type": "object",
        "properties": {
            "drugs": {"type": "array", "items": {"type": "string"}, "description": "One of: euros, dollars or yen."},
        },
    }
    assert filled(schema) == {"drugs": ["euros"]}


def test_references_are_followed_and_recursions_end() -> None:
    tree = {
        "$ref": "#/$defs/node",
        "$defs": {
            "node": {
                "type": "object",
                "properties": {
                    "label": {"const": "x"},
                    "parent": {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]},
                    "left": {"$ref": "#/$defs/node"},
                    "children": {"type": "array", "items": {"$ref": "#/$defs/node"}},
                },
                "required": ["label", "parent", "children"],
                "additionalProperties": False,
            }
        },
    }
    assert filled(tree) == {"label": "x", "parent": None, "children": []}


def test_a_schema_that_nothing_can_satisfy_gets_something_and_no_crash() -> None:
    endless = {
        "$ref": "#/$defs/a",
        "$defs": {"a": {"type": "object", "properties": {"a": {"$ref": "#/$defs/a"}}, "required": ["a"]}},
    }
    assert "a" in fill(endless, EVIDENCE)
    assert fill({"$ref": "#"}, EVIDENCE) is not None
    assert fill({"type": "string", "pattern": "("}, EVIDENCE) == TEXT
    assert len(fill({"type": "string", "minLength": 10**9, "maxLength": "x"}, EVIDENCE)) == 10_000
    assert fill({"type": "number", "minimum": 0.5, "multipleOf": 0}, EVIDENCE) == 0.5
    assert fill({"$ref": "https://example.org/schema"}, EVIDENCE) == TEXT


def test_a_schema_that_grows_without_bounds_is_cut_off() -> None:
    definitions: dict[str, Any] = {
        f"d{level}": {
            "type": "object",
            "properties": {side: {"$ref": f"#/$defs/d{level + 1}"} for side in "ab"},
            "required": ["a", "b"],
        }
        for level in range(40)
    }
    definitions["d40"] = {"type": ["null", "string"]}
    made = fill({"$ref": "#/$defs/d0", "$defs": definitions}, EVIDENCE)
    assert isinstance(made, dict)
    wide = {"type": "array", "minItems": 100_000, "items": {"type": "integer"}}
    assert len(fill(wide, EVIDENCE)) < 10_000


def test_where_the_walk_is_deep_only_the_necessary_is_given() -> None:
    schema: dict[str, Any] = {
        "type": "object",
        "properties": {
            "must": {"type": ["null", "string"]},
            "either": {"anyOf": [{"type": "object"}, {"type": "integer"}]},
            "both": {"anyOf": [{"type": "array"}, {"type": "object"}]},
            "may": {"type": "array", "items": {"type": "string"}},
        },
        "required": ["must", "either", "both"],
    }
    for _ in range(14):
        schema = {"type": "object", "properties": {"deeper": schema}, "required": ["deeper"]}
    made: Any = filled(schema)
    while "deeper" in made:
        made = made["deeper"]
    assert made == {"must": None, "either": 0, "both": []}


def schemas(depth: int = 3) -> st.SearchStrategy[dict[str, Any]]:
    """Schemas of the kind that people write for tools, all of them satisfiable."""
    bounds = st.tuples(st.integers(-50, 50), st.integers(0, 50))
    leaves: st.SearchStrategy[dict[str, Any]] = st.one_of(
        st.just({"type": "string"}),
        st.integers(0, 20).map(lambda length: {"type": "string", "minLength": length, "maxLength": length + 5}),
        st.sampled_from(["date", "date-time", "email", "uri", "uuid"]).map(
            lambda name: {"type": "string", "format": name}
        ),
        bounds.map(lambda pair: {"type": "integer", "minimum": pair[0], "maximum": pair[0] + pair[1]}),
        bounds.map(lambda pair: {"type": "number", "minimum": pair[0], "maximum": pair[0] + pair[1]}),
        st.sampled_from([{"type": "boolean"}, {"type": "null"}, {"type": ["string", "null"]}, {}]),
        st.lists(st.text(min_size=1, max_size=8), min_size=1, max_size=4, unique=True).map(
            lambda names: {"enum": names}
        ),
    )
    if depth == 0:
        return leaves
    inner = schemas(depth - 1)
    names = st.sampled_from(["summary", "company_names", "date", "score", "items", "language", "title", "x"])
    objects = st.dictionaries(names, inner, max_size=4).flatmap(
        lambda properties: st.sets(st.sampled_from(sorted(properties) or ["x"])).map(
            lambda required: {
                "type": "object",
                "properties": properties,
                "required": sorted(required & properties.keys()),
                "additionalProperties": False,
            }
        )
    )
    arrays = st.tuples(inner, st.integers(0, 3)).map(
        lambda pair: {"type": "array", "items": pair[0], "minItems": pair[1], "maxItems": pair[1] + 2}
    )
    choices = st.lists(inner, min_size=1, max_size=3).map(lambda options: {"anyOf": options})
    return st.one_of(leaves, objects, arrays, choices)


@given(schemas(), st.text(max_size=200) | st.just(TEXT))
def test_what_is_filled_in_always_conforms(schema: dict[str, Any], text: str) -> None:
    assert conforms(fill(schema, Evidence(text)), schema)


@given(schemas())
def test_the_same_schema_and_text_are_always_filled_the_same(schema: dict[str, Any]) -> None:
    assert fill(schema, EVIDENCE) == fill(schema, EVIDENCE)
