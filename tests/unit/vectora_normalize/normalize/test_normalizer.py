"""One attempt for one item, and the item built from its response."""

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


def test_the_key_changes_with_the_request_only() -> None:
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


def test_a_response_has_its_origin_and_its_usage() -> None:
    one = normalizer()
    answer = one.invoke(one.prepare(ITEM))
    assert answer.extraction.companies == ("Camurus",)
    assert (answer.usage, answer.ingested_at, answer.model_id, answer.run_id) == (USAGE, NOW, "model", "run-1")
    assert (answer.content_hash, answer.url) == (ITEM.content_hash, ITEM.url)


def test_a_response_that_is_not_an_extraction_is_malformed() -> None:
    one = normalizer(tool_answer({"summary": "no more"}))
    with pytest.raises(MalformedExtractionError) as raised:
        one.invoke(one.prepare(ITEM))
    assert usage_from(raised.value.body) == Usage(700, 100)  # the tokens of the malformed response


def test_a_response_nested_too_deeply_is_malformed() -> None:
    def answer(_: str) -> dict[str, Any]:
        deep: dict[str, Any] = json.loads('{"output": ' + "[" * 100_000)  # as botocore parses a response
        return deep

    one = normalizer(client=FunctionClient(answer))
    with pytest.raises(MalformedExtractionError, match="nested deeper than the tool allows"):
        one.invoke(one.prepare(ITEM))


def test_the_tokens_that_a_request_may_use_are_estimated() -> None:
    sonnet = normalizer(model_id="eu.anthropic.claude-sonnet-4-5-20250929-v1:0")
    work = sonnet.prepare(ITEM)
    before = sonnet.tokens(work)
    assert (before.max_tokens, before.burndown) == (1_000, 5.0)
    for _ in range(30):
        sonnet.invoke(work)
    assert before.input_tokens < 690 < sonnet.tokens(work).input_tokens < 710  # learned from the responses


def test_a_stored_response_is_compared_with_the_current_scopes() -> None:
    answer = normalizer().invoke(normalizer().prepare(ITEM))
    later = normalizer(watchlists=watchlists_of({}), ingested_at=NOW + dt.timedelta(days=1))
    made = later.build_item(ITEM, answer, origin="store")
    assert (made["item"].companies_detected, made["item"].companies_in_scopes) == (("Camurus",), ())
    assert made["item"].ingested_at == NOW
    assert (made["usage"], made["origin"]) == ({}, "store")


def test_the_client_fits_the_remaining_time() -> None:
    timeouts: list[float] = []
    default = FunctionClient(lambda _: tool_answer(extraction(summary="default")))
    fast = FunctionClient(lambda _: tool_answer(extraction(summary="fast")))

    def client_for_timeout(seconds: float) -> FunctionClient:
        timeouts.append(seconds)
        return fast

    both = normalizer(client=default, client_for_timeout=client_for_timeout)
    assert both.invoke(both.prepare(ITEM), 30.0).extraction.summary == "fast"
    assert both.invoke(both.prepare(ITEM)).extraction.summary == "default"
    assert timeouts == [30.0]
    one = normalizer(client=default)
    assert one.invoke(one.prepare(ITEM), 30.0).extraction.summary == "default"


@pytest.mark.parametrize(
    ("usage", "counts"),
    [(None, {}), ([], {}), ({"inputTokens": 3, "cacheDetails": [{"ttl": "5m"}]}, {"inputTokens": 3}), ({}, {})],
)
def test_the_counts_of_a_usage_are_its_numbers(usage: object, counts: dict[str, int]) -> None:
    assert token_counts(usage) == counts
