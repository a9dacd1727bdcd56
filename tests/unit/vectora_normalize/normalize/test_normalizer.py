"""One attempt at one item, and what is made of its answer later."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import msgspec
import pytest

from bedrock_resilience.quotas import Usage, usage_from
from support.answering import USAGE, FunctionClient, extraction, tool_answer
from support.items import raw_item
from vectora_normalize.normalize.extraction import MalformedExtractionError, watchlists_of
from vectora_normalize.normalize.normalizer import Normalizer, token_counts

NOW = dt.datetime(2026, 11, 21, 6, 30, tzinfo=dt.UTC)
ITEM = raw_item("Camurus reports on Uzedy.", number=1)


def normalizer(answer: dict[str, Any] | None = None, **fields: Any) -> Normalizer:  # noqa: ANN401 - the fields
    given = answer or tool_answer(extraction(companies=["Camurus"]))
    values: dict[str, Any] = {
        "client": FunctionClient(lambda _: given),
        "model_id": "model",
        "watchlists": watchlists_of({"companies": ("Camurus",)}),
        "ingested_at": NOW,
        "run_id": "run-1",
        **fields,
    }
    return Normalizer(**values)


def test_a_key_is_the_same_until_the_request_is_another() -> None:
    key = normalizer().prepare(ITEM).key
    assert normalizer(run_id="run-2", ingested_at=NOW + dt.timedelta(days=1)).prepare(ITEM).key == key
    assert normalizer(watchlists=watchlists_of({"companies": ("Camurus", "Teva")})).prepare(ITEM).key == key
    others = [
        normalizer(model_id="another"),
        normalizer(language="fr"),
        normalizer(watchlists=watchlists_of({"companies": ("Camurus",), "trademarks": ("Uzedy",)})),
    ]
    keys = {other.prepare(ITEM).key for other in others} | {
        normalizer().prepare(raw_item("Camurus grows.", number=1)).key
    }
    assert len(keys | {key}) == 5
    assert normalizer().prepare(msgspec.structs.replace(ITEM, url="https://elsewhere.example")).key == key


def test_an_answer_tells_whose_it_is_and_what_it_cost() -> None:
    asked = normalizer()
    answer = asked.invoke(asked.prepare(ITEM))
    assert answer.extraction.companies == ("Camurus",)
    assert (answer.usage, answer.ingested_at, answer.model_id, answer.run_id) == (USAGE, NOW, "model", "run-1")
    assert (answer.content_hash, answer.url) == (ITEM.content_hash, ITEM.url)


def test_an_answer_that_is_no_extraction_is_none() -> None:
    asked = normalizer(tool_answer({"summary": "no more"}))
    with pytest.raises(MalformedExtractionError) as raised:
        asked.invoke(asked.prepare(ITEM))
    assert usage_from(raised.value.body) == Usage(700, 100)  # which it has used nevertheless


def test_an_answer_that_is_nested_without_end_is_a_failure_of_its_item() -> None:
    def answer(_: str) -> dict[str, Any]:
        deep: dict[str, Any] = json.loads('{"output": ' + "[" * 100_000)  # as botocore reads what a model answers
        return deep

    asked = normalizer(client=FunctionClient(answer))
    with pytest.raises(MalformedExtractionError, match="nested deeper than the tool allows"):
        asked.invoke(asked.prepare(ITEM))


def test_what_a_request_may_use_is_read_off_it() -> None:
    sonnet = normalizer(model_id="eu.anthropic.claude-sonnet-4-5-20250929-v1:0")
    work = sonnet.prepare(ITEM)
    before = sonnet.tokens(work)
    assert (before.max_tokens, before.burndown) == (1_000, 5.0)
    for _ in range(30):
        sonnet.invoke(work)
    assert before.input_tokens < 690 < sonnet.tokens(work).input_tokens < 710  # learnt from the answers


def test_an_answer_is_held_against_the_names_of_the_day_it_is_used() -> None:
    answer = normalizer().invoke(normalizer().prepare(ITEM))
    later = normalizer(watchlists=watchlists_of({}), ingested_at=NOW + dt.timedelta(days=1))
    made = later.build_item(ITEM, answer, origin="store")
    assert (made["item"].companies_detected, made["item"].companies_in_scopes) == (("Camurus",), ())
    assert made["item"].ingested_at == NOW
    assert (made["usage"], made["origin"]) == ({}, "store")


def test_the_client_is_one_that_ends_in_time() -> None:
    asked: list[float] = []
    usual = FunctionClient(lambda _: tool_answer(extraction(summary="usual")))
    hasty = FunctionClient(lambda _: tool_answer(extraction(summary="hasty")))

    def within(seconds: float) -> FunctionClient:
        asked.append(seconds)
        return hasty

    both = normalizer(client=usual, client_for_timeout=within)
    assert both.invoke(both.prepare(ITEM), 30.0).extraction.summary == "hasty"
    assert both.invoke(both.prepare(ITEM)).extraction.summary == "usual"
    assert asked == [30.0]
    one = normalizer(client=usual)
    assert one.invoke(one.prepare(ITEM), 30.0).extraction.summary == "usual"


@pytest.mark.parametrize(
    ("usage", "kept"),
    [(None, {}), ([], {}), ({"inputTokens": 3, "cacheDetails": [{"ttl": "5m"}]}, {"inputTokens": 3}), ({}, {})],
)
def test_of_a_usage_the_numbers_are_kept(usage: object, kept: dict[str, int]) -> None:
    assert token_counts(usage) == kept
