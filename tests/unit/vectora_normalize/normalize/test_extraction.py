"""An answer becomes an item, or a typed failure; never something in between."""

from __future__ import annotations

import datetime as dt
from typing import Any

import msgspec
import pytest

from bedrock_resilience._fault import Fault
from bedrock_resilience.retrying._faults import classify
from support.items import raw_item
from support.schemas import conforms
from vectora_normalize.items import EventType, FoundBy, items_schema
from vectora_normalize.normalize.extraction import (
    Extraction,
    MalformedExtractionError,
    item_id,
    normalize,
    read_answer,
    tool_schema,
    watchlists_of,
)

NOW = dt.datetime(2026, 11, 21, 6, 30, tzinfo=dt.UTC)
FIELDS: dict[str, Any] = {
    "summary": "UZEDY grows.",
    "event_type": "financial_results",
    "companies": ["Teva", "MedinCell"],
    "molecules": ["risperidone"],
    "technologies": [],
    "trademarks": ["Uzedy"],
    "indications": [],
}


def answer(*blocks: dict[str, Any]) -> dict[str, Any]:
    return {
        "output": {"message": {"role": "assistant", "content": list(blocks)}},
        "stopReason": "tool_use",
        "usage": {"inputTokens": 1, "outputTokens": 1, "totalTokens": 2},
        "metrics": {"latencyMs": 1},
    }


def call(fields: object, name: str = "record_item") -> dict[str, Any]:
    return {"toolUse": {"toolUseId": "1", "name": name, "input": fields}}


def test_other_content_beside_the_tool_call_is_ignored() -> None:
    extraction = read_answer(answer({"text": "Sure."}, call(FIELDS), {"reasoningContent": {}}))
    assert extraction == Extraction(
        summary="UZEDY grows.",
        event_type=EventType.FINANCIAL_RESULTS,
        companies=("Teva", "MedinCell"),
        molecules=("risperidone",),
        technologies=(),
        trademarks=("Uzedy",),
        indications=(),
    )


@pytest.mark.parametrize(
    ("blocks", "number"),
    [([], 0), ([{"text": "No."}], 0), ([call(FIELDS, "other")], 0), ([call(FIELDS), call(FIELDS)], 2)],
)
def test_an_answer_calls_the_tool_exactly_once(blocks: list[dict[str, Any]], number: int) -> None:
    with pytest.raises(
        MalformedExtractionError, match=f"^answer: got {number} calls of record_item; accepted: exactly one$"
    ):
        read_answer(answer(*blocks))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"event_type": "gossip"}, "Invalid enum value 'gossip'"),
        ({"companies": "Teva"}, r"Expected `array`, got `str` - at `\$.companies`"),
        ({"companies": [1]}, "Expected `str`, got `int`"),
        ({"companies": None}, "Expected `array`, got `null`"),
        ({"summary": 7}, "Expected `str`, got `int`"),
        ({"summary": " \n"}, "the summary is blank"),
        ({"mood": "bullish"}, "unknown field `mood`"),
    ],
)
def test_a_response_that_does_not_match_is_malformed(change: dict[str, object], message: str) -> None:
    with pytest.raises(MalformedExtractionError, match=message) as caught:
        read_answer(answer(call({**FIELDS, **change})))
    assert classify(caught.value) is Fault.MALFORMED_RESPONSE


@pytest.mark.parametrize("field", sorted(FIELDS))
def test_every_field_is_required(field: str) -> None:
    with pytest.raises(MalformedExtractionError, match=f"missing required field `{field}`"):
        read_answer(answer(call({key: value for key, value in FIELDS.items() if key != field})))


@pytest.mark.parametrize("fields", [None, [], "x", 3])
def test_an_input_that_is_not_an_object_is_malformed(fields: object) -> None:
    with pytest.raises(MalformedExtractionError, match="Expected `object`"):
        read_answer(answer(call(fields)))


def test_the_schema_that_a_model_is_given_accepts_an_extraction() -> None:
    assert conforms(FIELDS, tool_schema())


@pytest.mark.parametrize("change", [{"event_type": "gossip"}, {"companies": [1]}, {"companies": "Teva"}, {"x": 1}])
def test_the_schema_that_a_model_is_given_refuses_what_the_reader_refuses(change: dict[str, object]) -> None:
    assert not conforms({**FIELDS, **change}, tool_schema())
    with pytest.raises(MalformedExtractionError):
        read_answer(answer(call({**FIELDS, **change})))


def test_an_item_is_grounded_in_its_title_and_its_text() -> None:
    item = raw_item("UZEDY® (risperidone) grows.", title="Teva reports")
    scopes = {"companies": ("MedinCell", "Teva"), "trademarks": ("UZEDY®",)}
    normalized = normalize(item, read_answer(answer(call(FIELDS))), watchlists_of(scopes), ingested_at=NOW)
    assert normalized.companies_detected == ("Teva",)
    assert normalized.companies_in_scopes == ("Teva",)
    assert normalized.molecules_detected == ("risperidone",)
    assert normalized.molecules_in_scopes == ()
    assert normalized.trademarks_detected == ("UZEDY®",)
    assert normalized.trademarks_in_scopes == ("UZEDY®",)
    assert normalized.indications_detected == ()
    assert normalized.names_found_by == {
        "companies": {"Teva": FoundBy.BOTH},
        "molecules": {"risperidone": FoundBy.MODEL},
        "trademarks": {"UZEDY®": FoundBy.BOTH},
    }


def test_a_watched_name_that_the_model_overlooked_is_found_by_rule() -> None:
    item = raw_item("Nanexa signs with Moderna.", title="News")
    scopes = {"companies": ("Moderna", "Nanexa")}
    normalized = normalize(item, read_answer(answer(call(FIELDS))), watchlists_of(scopes), ingested_at=NOW)
    assert normalized.companies_detected == normalized.companies_in_scopes == ("Moderna", "Nanexa")
    assert normalized.names_found_by == {"companies": {"Moderna": FoundBy.RULE, "Nanexa": FoundBy.RULE}}


def test_a_stored_summary_of_which_nothing_is_left_is_replaced_by_the_title() -> None:
    stored = msgspec.structs.replace(read_answer(answer(call(FIELDS))), summary="https://e.org")
    assert normalize(raw_item(title="Teva"), stored, watchlists_of({}), ingested_at=NOW).summary == "Teva"


def test_an_item_keeps_what_its_source_said() -> None:
    item = raw_item("UZEDY® grows.", title="Teva")
    extraction = read_answer(answer(call({**FIELDS, "summary": "  UZEDY\n grows. "})))
    normalized = normalize(item, extraction, watchlists_of({}), ingested_at=NOW)
    for field in ("source_key", "source_type", "title", "url", "published_at", "language", "content", "content_hash"):
        assert getattr(normalized, field) == getattr(item, field)
    assert normalized.ingested_at == NOW
    assert normalized.date == item.published_at
    assert normalized.summary == "UZEDY grows."
    assert normalized.event_type is EventType.FINANCIAL_RESULTS
    assert conforms([normalized.to_dict()], items_schema())


def test_an_item_has_the_same_name_in_every_run() -> None:
    item = raw_item("UZEDY® grows.")
    assert item_id(item) == f"press_corporate__camurus_20261120_{item.content_hash[:12]}"
    assert item_id(raw_item("x", published_at=None)).startswith("press_corporate__camurus_undated_")


def test_an_item_without_a_date_is_refused() -> None:
    with pytest.raises(
        ValueError, match=r"^published_at: \S+_undated_[0-9a-f]{12} has none; required: the day of publication$"
    ):
        normalize(raw_item(published_at=None), read_answer(answer(call(FIELDS))), watchlists_of({}), ingested_at=NOW)
