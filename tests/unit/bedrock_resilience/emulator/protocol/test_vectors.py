"""Embeddings and rankings."""

from __future__ import annotations

import math
from typing import Any

import pytest

from bedrock_resilience.emulator._protocol.errors import ServiceError
from bedrock_resilience.emulator._protocol.families import read_invoke_body
from bedrock_resilience.emulator._protocol.vectors import VectorResponse, embedding
from support.approx import approx

V2 = "amazon.titan-embed-text-v2:0"
COHERE = "cohere.embed-multilingual-v3"
RERANK = "cohere.rerank-v3-5:0"
SEARCH: dict[str, Any] = {"input_type": "search_query", "texts": ["Hello.", "東京"]}


def read(model: str, body: dict[str, Any]) -> VectorResponse:
    made = read_invoke_body(model, body)
    assert isinstance(made, VectorResponse)
    return made


def cosine(one: str, other: str) -> float:
    return sum(a * b for a, b in zip(embedding(one, 256), embedding(other, 256), strict=True))


def test_texts_that_share_words_are_near_each_other() -> None:
    assert math.hypot(*embedding("a text", 1_024)) == approx(1.0, within=1e-6)
    assert cosine("a red car", "a red bus") > 0.5 > abs(cosine("a red car", "some blue ship"))
    assert embedding("a", 8) == embedding("A!", 8) != embedding("", 8)


@pytest.mark.parametrize(
    ("model", "body", "dimensions"),
    [
        ("amazon.titan-embed-text-v1", {"inputText": "Hello."}, 1_536),
        (V2, {"inputText": "Hello."}, 1_024),
        (V2, {"inputText": "Hello.", "dimensions": 256}, 256),
        ("amazon.titan-embed-image-v1", {"inputImage": "eA==", "embeddingConfig": {"outputEmbeddingLength": 384}}, 384),
    ],
)
def test_titan_embeds_one_text(model: str, body: dict[str, Any], dimensions: int) -> None:
    made = read(model, body)
    assert len(made.body["embedding"]) == dimensions
    assert made.body["inputTextTokenCount"] == (2 if "inputText" in body else 0)
    assert made.input_tokens == (2 if "inputText" in body else 1)


def test_titan_v2_embeds_by_type_and_without_normalisation() -> None:
    made = read(V2, {"inputText": "Hello there.", "embeddingTypes": ["binary"], "normalize": False}).body
    assert "embedding" not in made
    assert set(made["embeddingsByType"]) == {"binary"}
    assert set(made["embeddingsByType"]["binary"]) == {0.0, 1.0}
    assert math.hypot(*read(V2, {"inputText": "a b", "normalize": False}).body["embedding"]) > 2


def test_cohere_embeds_several_texts() -> None:
    made = read(COHERE, SEARCH)
    assert (len(made.body["embeddings"]), len(made.body["embeddings"][0])) == (2, 1_024)
    assert (made.body["texts"], made.body["response_type"]) == (["Hello.", "東京"], "embeddings_floats")
    assert made.input_tokens == 3
    assert len(read("cohere.embed-v4:0", {**SEARCH, "output_dimension": 256}).body["embeddings"][0]) == 256
    assert len(read("cohere.embed-v4:0", SEARCH).body["embeddings"][0]) == 1_536


def test_cohere_embeds_by_type() -> None:
    made = read(COHERE, {**SEARCH, "embedding_types": ["float", "int8", "uint8"]}).body
    assert made["response_type"] == "embeddings_by_type"
    low, high = made["embeddings"]["int8"][0], made["embeddings"]["uint8"][0]
    assert [value + 128 for value in low] == high
    assert all(-127 <= value <= 127 for value in low)


@pytest.mark.parametrize("model", [RERANK, "amazon.rerank-v1:0"])
def test_documents_that_share_words_with_the_query_come_first(model: str) -> None:
    documents = ["The sea is blue.", {"text": "The red car is fast."}, "A red car."]
    made = read(model, {"query": "red car", "documents": documents, "top_n": 2})
    assert [result["index"] for result in made.body["results"]] == [2, 1]
    scores = [result["relevance_score"] for result in made.body["results"]]
    assert 1 > scores[0] > scores[1] > 0.5
    assert made.input_tokens == 2 + 4 + 5 + 3
    assert len(read(model, {"query": "red", "documents": documents}).body["results"]) == 3


@pytest.mark.parametrize(
    ("model", "body", "message"),
    [
        (V2, {}, "#: required key [inputText] not found"),
        (V2, {"inputText": ""}, "#: required key [inputText] not found"),
        (V2, {"inputText": "a", "dimensions": 5}, "#/dimensions: 5 is not a valid enum value; accepted: 256, 512"),
        (V2, {"inputText": "a", "x": 1}, "#: extraneous key [x] is not permitted"),
        ("amazon.titan-embed-image-v1", {}, "#: required key [inputText] not found"),
        (COHERE, {"texts": ["a"]}, "#/input_type: None is not a valid enum value"),
        (COHERE, {**SEARCH, "texts": ["a"] * 97}, "#/texts: expected 1 to 96 items, found 97"),
        (COHERE, {**SEARCH, "output_dimension": 256}, "#/output_dimension: 256 is not a valid enum value"),
        (RERANK, {"query": "a"}, "#/documents: expected 1 to 1000 items, found 0"),
        (RERANK, {"query": "a", "documents": ["a"], "top_n": 0}, "#/top_n: expected an integer of at least 1"),
    ],
)
def test_what_a_model_does_not_accept_is_refused(model: str, body: dict[str, Any], message: str) -> None:
    with pytest.raises(ServiceError) as raised:
        read_invoke_body(model, body)
    assert raised.value.message.startswith(f"Malformed input request: {message}")
