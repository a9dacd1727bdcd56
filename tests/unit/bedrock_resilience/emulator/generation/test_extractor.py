"""The default responder: which tool it uses, what it fills a schema with, and what it says without one."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bedrock_resilience.emulator._generation.extractor import DISCLAIMER, extract
from bedrock_resilience.emulator._protocol.conversation import ANY, AUTO, NO_TOOL, ChatMessage, Conversation, Tool
from support.schemas import conforms

WEATHER = Tool("get_weather", "The weather of a city.", {"type": "object"})
NEWS = Tool("search_news", "Finds news.", {"type": "object"})
RESULT: dict[str, Any] = {"toolResult": {"toolUseId": "1", "content": [{"text": "weather: rain"}]}}
TEXT = (
    "Camurus AB reports results. The trial enrolled 1,250 patients with opioid use disorder on 2026-11-02. "
    "The price is 12.5 euros. Write to press@example.org or see https://example.org/news."
)
HARD: dict[str, Any] = {"type": "string", "pattern": "^[a-f]{3}-[0-9]{7}$"}


def asked(text: str = "How is the weather?", system: str = "", **fields: Any) -> Conversation:  # noqa: ANN401 - any field
    return Conversation("model", system, (ChatMessage("user", ({"text": text},)),), **fields)


def used(conversation: Conversation) -> str | None:
    (block,) = extract(conversation).content
    return block["toolUse"]["name"] if "toolUse" in block else None


def made(schema: dict[str, Any], text: str = TEXT, system: str = "") -> Any:  # noqa: ANN401 - any JSON
    (block,) = extract(asked(text, system, response_schema=schema)).content
    return json.loads(block["text"])


def filled(schema: dict[str, Any], text: str = TEXT) -> Any:  # noqa: ANN401 - any JSON
    value = made(schema, text)
    assert conforms(value, schema), value
    return value


def names(question: str, text: str, system: str = "", description: str = "") -> list[str]:
    schema = {"type": "array", "items": {"type": "string"}, "description": description}
    return list(made({"type": "object", "properties": {question: schema}}, text, system)[question])


def chosen(options: list[Any], text: str, system: str = "", description: str = "") -> object:
    return made({"enum": options, "description": description}, text, system)


def test_without_a_tool_it_says_what_it_is() -> None:
    generation = extract(asked("First. Second."))
    assert generation.content == ({"text": f"{DISCLAIMER}\nFirst. Second."},)
    assert generation.stop_reason == "end_turn"
    assert "not a language model" in DISCLAIMER


def test_without_a_text_it_says_only_that() -> None:
    image: dict[str, Any] = {"image": {"format": "png", "source": {"bytes": "eA=="}}}
    assert extract(Conversation("model", "", (ChatMessage("user", (image,)),))).content == ({"text": DISCLAIMER},)
    assert extract(Conversation("model", "Be.", ())).content == ({"text": DISCLAIMER},)


def test_a_quotation_is_the_first_sentences_and_never_long() -> None:
    def quoted(text: str) -> str:
        return str(extract(asked(text)).content[0]["text"]).removeprefix(f"{DISCLAIMER}\n")

    assert 300 < len(quoted("A sentence here. " * 40)) < 400
    assert len(quoted("x" * 1_000)) == 400
    assert quoted("東京は晴れです。明日は雨です。") == "東京は晴れです。 明日は雨です。"


@pytest.mark.parametrize(
    ("choice", "forced", "text", "name"),
    [
        (AUTO, None, "How is the weather?", "get_weather"),
        (AUTO, None, "What is in the news?", "search_news"),
        (AUTO, None, "Hello.", None),
        (ANY, None, "Hello.", "get_weather"),
        (ANY, NEWS, "How is the weather?", "search_news"),
        (NO_TOOL, None, "How is the weather?", None),
    ],
)
def test_a_tool_is_used_if_forced_or_if_it_fits(choice: str, forced: Tool | None, text: str, name: str | None) -> None:
    assert used(asked(text, tools=(WEATHER, NEWS), tool_choice=choice, forced_tool=forced)) == name


def test_a_tool_result_gets_a_text_response() -> None:
    turns = (
        ChatMessage("user", ({"text": "How is the weather?"},)),
        ChatMessage("assistant", ()),
        ChatMessage("user", (RESULT,)),
    )
    assert used(Conversation("model", "", turns, tools=(WEATHER,))) is None


def test_the_id_of_a_tool_use_follows_from_the_request_alone() -> None:
    def identity(text: str) -> str:
        (block,) = extract(asked(text, tools=(WEATHER,), tool_choice=ANY)).content
        return str(block["toolUse"]["toolUseId"])

    assert identity("One.") == identity("One.") != identity("Two.")
    assert identity("\ud800")


def test_a_request_for_thinking_gets_reasoning_first() -> None:
    reasoning, text = extract(asked(thinking=True)).content
    assert reasoning["reasoningContent"]["reasoningText"]["text"] == DISCLAIMER
    assert len(reasoning["reasoningContent"]["reasoningText"]["signature"]) == 64
    assert DISCLAIMER in text["text"]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("what is magic_function(3)?", {"input": 3}),
        ("What is the magic function of -7?", {"input": -7}),
        ("magic_function of \u0664\u0662", {"input": 42}),
        ("magic_function", {"input": 0}),
    ],
)
def test_a_number_reaches_a_tool(text: str, value: object) -> None:
    schema = {"type": "object", "properties": {"input": {"type": "integer"}}, "required": ["input"]}
    (block,) = extract(asked(text, tools=(Tool("magic_function", "", schema),))).content
    assert block["toolUse"]["input"] == value


def test_several_numbers_reach_several_properties_in_their_order() -> None:
    pair = {"type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "number"}}}
    assert filled(pair, "What is 2 + 3.5?") == {"a": 2, "b": 3.5}
    assert filled({"type": "array", "items": {"type": "integer"}}, "Add 2, 3 and 4.") == [2, 3, 4]


@pytest.mark.parametrize(
    "prompt",
    [
        "Read this.\n<item>The news.</item>",
        "Read this.\n<item-3f2a>The news.</item-3f2a>\nThank you.",
        '<rules>Be brief and read all of it.</rules>\n<document id="1">The news.</document>',
        "Read this:\n```text\nThe news.\n```",
        'Read this:\n"""\nThe news.\n"""',
        "Read this:\n---\nThe news.\n---\n",
        "The news.",
        "<item><b>The</b> news.</item>",
    ],
)
def test_the_delimited_part_is_the_text(prompt: str) -> None:
    assert " ".join(filled({"type": "string"}, prompt).split()) == "The news."


@pytest.mark.parametrize(
    "system",
    [
        "Known companies: Acme Corp, Emca",
        "- **companies**: Acme Corp; Emca",
        '"companies": ["Acme Corp", "Emca"]',
        "Companies to look for:\n- Acme Corp\n- Emca\n",
        "Companies:\n1. Acme Corp\n2. Emca",
        "Companies: Acme Corp | Emca",
    ],
)
def test_lists_of_the_prompt_say_which_names_to_look_for(system: str) -> None:
    assert names("companies", "acme corp buys emca, not Beta.", system) == ["Acme Corp", "Emca"]
    assert names("companies", f"{system}\n<item>acme corp buys emca, not Beta.</item>") == ["Acme Corp", "Emca"]


def test_names_come_from_the_lists_for_their_kind_and_from_their_shape() -> None:
    system = "watched companies: Teva; Absent\nmolecules: risperidone"
    text = "Teva and Acme Pharma study Risperidone and Buprenorphine (Buvidal®) in Lyon for opioid use disorder."
    assert names("companies", text, system) == ["Teva", "Acme Pharma"]
    assert names("molecules", text, system) == ["risperidone", "Buprenorphine"]
    assert names("trademarks", text, system) == ["Buvidal"]
    assert names("indications", text, system) == ["opioid use disorder"]
    assert names("technologies", "A subcutaneous depot.", system) == ["subcutaneous depot"]


def test_names_of_any_other_kind_are_capitalised_words() -> None:
    assert names("people", "The Ada met Charles Babbage, and met Ada.") == ["Ada", "Charles Babbage"]
    assert names("places", "天気: 東京 大阪") == ["天気", "東京", "大阪"], "there are no capitals in this script"


def test_a_name_inside_a_longer_one_is_one_name() -> None:
    text = "The Acme Pharma Group meets Camurus AB."
    assert names("companies", text, "companies: Acme Pharma Group, Camurus") == ["Acme Pharma Group", "Camurus"]


def test_a_description_may_list_the_names_to_look_for() -> None:
    assert names("companies", TEXT, description="One of: euros, dollars or yen.")[0] == "euros"


KINDS = ["clinical_update", "partnership", "regulatory", "other"]
EXPLAINED = (
    "clinical_update: results or progress of a trial; partnership: licence, supply; regulatory: approval; other: none"
)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("The regulator wrote.", "regulatory"),
        ("A trial brought results.", "clinical_update"),
        ("They sign a licence.", "partnership"),
        ("The other day it rained.", "other"),
        ("An update of the results.", "clinical_update"),
        ("It rained.", "other"),
    ],
)
def test_an_option_is_chosen_by_its_words_and_by_those_that_explain_it(text: str, kind: str) -> None:
    assert chosen(list(KINDS), text, description=EXPLAINED) == kind


def test_lists_of_the_prompt_explain_options_too() -> None:
    system = "regulatory: approval, label\nPartnership: licence"
    assert chosen(list(KINDS), "The label changes.", system) == "regulatory"
    assert chosen(list(KINDS), "The licence ends.", system) == "partnership"


def test_an_option_without_words_is_looked_for_as_it_is() -> None:
    assert chosen(["A", "B"], "Take B now.") == "B"
    assert chosen(["a1", "b2"], "It rained.") == "a1", "without a sign the first"
    assert chosen([3, 4], "It rained.") == 3


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"const": 5}, 5),
        ({"type": "null"}, None),
        ({"type": "boolean"}, False),
        ({"type": "integer", "minimum": 3_000}, 3_000),
        ({"type": "integer", "exclusiveMinimum": 3_000}, 3_001),
        ({"type": "number", "exclusiveMaximum": -1}, -1.001),
        ({"type": "integer", "minimum": -9, "maximum": -3}, -3),
        ({"type": ["null", "integer"]}, 1_250),
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
        ({"type": "object", "properties": {"a": {}}, "required": ["a", "b"]}, {"a": TEXT, "b": TEXT}),
        ({"type": "array", "prefixItems": [{"const": 1}, {"const": 2}], "items": False}, [1, 2]),
        ({"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": 1}, ["Camurus AB"]),
        ({"type": "array", "items": {"type": "string", "format": "date"}}, []),
        ({"type": "array", "items": {"anyOf": [{"const": 1}, {"const": 2}]}}, [1]),
        ({"type": "array", "items": {"enum": ["clinical_trial", "merger", "other", 5]}}, ["clinical_trial"]),
        ({"type": "array", "items": {"properties": {"name": {"type": "string"}}}}, [{"name": "Camurus AB"}]),
        ({"anyOf": [{"type": "null"}, {"const": 2}]}, 2),
        ({"properties": {"a": {"const": 1}}, "allOf": [{"properties": {"b": {"const": 2}}}]}, {"b": 2, "a": 1}),
        ({"oneOf": [{"type": "null"}]}, None),
        ({"allOf": [{"type": "object", "required": ["a"]}], "required": ["b"]}, {"b": TEXT, "a": TEXT}),
        ({"anyOf": [{"type": "null"}, HARD]}, None),
        ({"anyOf": [HARD, {"type": "null"}]}, None),
        ({"oneOf": [HARD, {"type": "integer"}, {"type": "null"}]}, 1_250),
        ({"anyOf": [{"$ref": "#/$defs/hard"}, {"type": "null"}], "$defs": {"hard": HARD}}, None),
        ({**HARD, "type": ["string", "null"]}, None),
        ({"anyOf": [{"type": "null"}, {"type": "string", "pattern": "^Camurus$"}]}, "Camurus"),
        ({"anyOf": [{"type": "string", "pattern": "^.{900,}$"}, {"type": "null"}]}, None),
    ],
)
def test_each_keyword_is_kept_to(schema: dict[str, Any], value: object) -> None:
    assert json.dumps(filled(schema)) == json.dumps(value), "1 is not 1.0 on the wire"


@pytest.mark.parametrize(
    ("text", "date"),
    [
        ("Approved on 2026-05-03.", "2026-05-03"),
        ("Approved on 3 May 2026.", "2026-05-03"),
        ("Approved on the 3rd Sept. 2026.", "2026-09-03"),
        ("On December 31, 2026 it was.", "2026-12-31"),
        ("On 2026-02-30, no: 2026-02-28.", "2026-02-28"),
        ("On 3 Foo 2026.", "1970-01-01"),
    ],
)
def test_dates_are_read_from_the_text(text: str, date: str) -> None:
    assert filled({"type": "string", "format": "date"}, text) == date


def test_values_are_taken_from_the_text_by_the_names_of_their_properties() -> None:
    strings = ("title", "summary", "published_date", "company_name", "language")
    schema = {
        "type": "object",
        "properties": {
            **{name: {"type": "string"} for name in strings},
            "price": {"type": "number"},
            "patients": {"type": "integer"},
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
        "price": 12.5,
        "patients": 1_250,
        "is_trial": True,
        "is_merger": False,
    }


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Create a customer '你好啊集团' (a group).", "你好啊集团"),
        ('Call it "Acme & Sons", please.', "Acme & Sons"),
        ("Appelez « Dupont ».", "Dupont"),
        ("It's Ada's idea.", "It's Ada's"),
    ],
)
def test_a_name_in_quotation_marks_comes_first(text: str, name: str) -> None:
    assert filled({"type": "object", "properties": {"customer_name": {"type": "string"}}}, text) == {
        "customer_name": name
    }


def test_an_empty_text_still_fills_what_is_required() -> None:
    schema = {
        "type": "object",
        "properties": {
            "summary": {"type": "string", "minLength": 3},
            "title": {"type": "string"},
            "date": {"type": "string"},
            "name": {"type": "string"},
            "names": {"type": "array", "items": {"type": "string"}, "minItems": 2},
        },
        "required": ["summary", "title", "date", "name", "names"],
    }
    assert filled(schema, "") == {"summary": "...", "title": "", "date": "", "name": "", "names": ["", ""]}


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
    assert "a" in made(endless)
    assert made({"$ref": "#"}) == TEXT
    assert made({"type": "string", "pattern": "("}) == TEXT
    assert len(made({"type": "string", "minLength": 10**9, "maxLength": "x"})) == 10_000
    assert made({"$ref": "https://example.org/schema"}) == TEXT
    assert made({"anyOf": [HARD]}) == TEXT


def test_a_schema_that_grows_without_bounds_is_cut_off() -> None:
    definitions: dict[str, Any] = {
        f"d{level}": {
            "type": "object",
            "properties": {side: {"$ref": f"#/$defs/d{level + 1}"} for side in "ab"},
            "required": ["a", "b"],
        }
        for level in range(40)
    }
    assert isinstance(made({"$ref": "#/$defs/d0", "$defs": definitions}), dict)
    assert len(made({"type": "array", "minItems": 100_000, "items": {"type": "boolean"}})) < 10_000


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
def test_what_is_filled_in_always_conforms_and_is_always_the_same(schema: dict[str, Any], text: str) -> None:
    assert filled(schema, text) == made(schema, text)
