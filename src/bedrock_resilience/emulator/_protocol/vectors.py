"""Embeddings and relevance scores without a model: texts that share words are near each other.

The bodies of InvokeModel of embedding models (Titan, Cohere) and rerank models (Cohere, Amazon), as AWS documents them
in "Inference request parameters and response fields for foundation models".
"""

from __future__ import annotations

import hashlib
import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from bedrock_resilience.emulator._protocol.counting import text_tokens
from bedrock_resilience.emulator._protocol.errors import malformed
from bedrock_resilience.emulator._protocol.jsonvalues import JsonObject, as_list, as_object, is_integer
from bedrock_resilience.emulator._protocol.text_families import check_fields

if TYPE_CHECKING:
    from collections.abc import Callable

_WORD: Final = re.compile(r"\w+")
_MAX_TEXTS: Final = 96  # AWS, "Cohere Embed"
_MAX_DOCUMENTS: Final = 1_000  # AWS, "Rerank"
_INPUT_TYPES: Final = ("classification", "clustering", "image", "search_document", "search_query")


@dataclass(frozen=True, slots=True)
class VectorResponse:
    """The body of a response, and the input tokens that it took."""

    body: JsonObject
    input_tokens: int


def embedding(text: str, dimensions: int, *, normalize: bool = True) -> list[float]:
    """A vector that is the sum of one pseudo-random vector a word."""
    totals = [0.0] * dimensions
    for word in _WORD.findall(text.casefold()) or [text]:
        for index, byte in enumerate(hashlib.shake_128(word.encode("utf-8", "backslashreplace")).digest(dimensions)):
            totals[index] += byte - 127.5
    length = math.hypot(*totals) if normalize else 127.5
    return [round(value / length, 8) for value in totals]


def _titan_v1(body: JsonObject) -> VectorResponse:
    check_fields(body, {"inputText"})
    text = _text(body, "inputText")
    count = text_tokens(text)
    return VectorResponse({"embedding": embedding(text, 1_536), "inputTextTokenCount": count}, count)


def _titan_v2(body: JsonObject) -> VectorResponse:
    check_fields(body, {"dimensions", "embeddingTypes", "inputText", "normalize"})
    text = _text(body, "inputText")
    dimensions = _one_of(body.get("dimensions", 1_024), "dimensions", (256, 512, 1_024))
    floats = embedding(text, dimensions, normalize=body.get("normalize") is not False)
    by_type: dict[str, list[float]] = {"float": floats, "binary": [float(value > 0) for value in floats]}
    kinds = as_list(body.get("embeddingTypes")) or ["float"]
    chosen = {kind: by_type[kind] for kind in map(str, kinds) if kind in by_type}
    count = text_tokens(text)
    first = {"embedding": floats} if "float" in chosen else {}
    return VectorResponse({**first, "embeddingsByType": chosen, "inputTextTokenCount": count}, count)


def _titan_image(body: JsonObject) -> VectorResponse:
    check_fields(body, {"embeddingConfig", "inputImage", "inputText"})
    text = f"{body.get('inputText') or ''}{body.get('inputImage') or ''}"
    if not text:
        raise malformed("#: required key [inputText] not found")
    wanted = (as_object(body.get("embeddingConfig")) or {}).get("outputEmbeddingLength", 1_024)
    dimensions = _one_of(wanted, "outputEmbeddingLength", (256, 384, 1_024))
    count = text_tokens(str(body.get("inputText") or ""))
    return VectorResponse(
        {"embedding": embedding(text, dimensions), "inputTextTokenCount": count, "message": None}, max(1, count)
    )


def _cohere_v3(body: JsonObject) -> VectorResponse:
    return _cohere(body, (1_024,), 1_024)


def _cohere_v4(body: JsonObject) -> VectorResponse:
    return _cohere(body, (256, 512, 1_024, 1_536), 1_536)


def _cohere(body: JsonObject, accepted: tuple[int, ...], default: int) -> VectorResponse:
    check_fields(
        body, {"embedding_types", "images", "input_type", "max_tokens", "output_dimension", "texts", "truncate"}
    )
    if body.get("input_type") not in _INPUT_TYPES:
        raise malformed(f"#/input_type: {body.get('input_type')!r} is not a valid enum value")
    texts = [str(text) for text in as_list(body.get("texts")) or as_list(body.get("images")) or []]
    if not 1 <= len(texts) <= _MAX_TEXTS:
        raise malformed(f"#/texts: expected 1 to {_MAX_TEXTS} items, found {len(texts)}")
    dimensions = _one_of(body.get("output_dimension") or default, "output_dimension", accepted)
    floats = [embedding(text, dimensions) for text in texts]
    kinds = as_list(body.get("embedding_types"))
    made: dict[str, Any] = {"embeddings": floats, "response_type": "embeddings_floats"}
    if kinds:
        made = {"embeddings": {str(kind): _quantized(floats, str(kind)) for kind in kinds}}
        made["response_type"] = "embeddings_by_type"
    identity = hashlib.sha256("\x1e".join(texts).encode("utf-8", "backslashreplace")).hexdigest()[:32]
    return VectorResponse({"id": identity, "texts": texts, **made}, sum(map(text_tokens, texts)))


def _quantized(vectors: list[list[float]], kind: str) -> list[list[float]]:
    if kind == "float":
        return vectors
    shift = 128 if kind.startswith("u") else 0
    return [[round(max(-1.0, min(1.0, value)) * 127) + shift for value in vector] for vector in vectors]


def _rerank(body: JsonObject) -> VectorResponse:
    check_fields(body, {"api_version", "documents", "max_tokens_per_doc", "query", "return_documents", "top_n"})
    query = _text(body, "query")
    documents = [_document(document) for document in as_list(body.get("documents")) or []]
    if not 1 <= len(documents) <= _MAX_DOCUMENTS:
        raise malformed(f"#/documents: expected 1 to {_MAX_DOCUMENTS} items, found {len(documents)}")
    top = body.get("top_n", len(documents))
    if not is_integer(top) or int(str(top)) < 1:
        raise malformed("#/top_n: expected an integer of at least 1")
    scores = [(-_relevance(query, document), index) for index, document in enumerate(documents)]
    results = [{"index": index, "relevance_score": -score} for score, index in sorted(scores)]
    return VectorResponse({"results": results[: int(str(top))]}, sum(map(text_tokens, [query, *documents])))


def _document(value: object) -> str:
    fields = as_object(value)
    return str(value) if fields is None else str(fields.get("text", fields))


def _relevance(query: str, document: str) -> float:
    """The share of the query's words that the document has, and a little less for a longer document."""
    wanted, found = set(_WORD.findall(query.casefold())), _WORD.findall(document.casefold())
    share = len(wanted & set(found)) / max(1, len(wanted))
    return round(0.01 + 0.9 * share + 0.05 / (1 + len(found)), 6)


def _text(body: JsonObject, name: str) -> str:
    value = body.get(name)
    if not isinstance(value, str) or not value:
        raise malformed(f"#: required key [{name}] not found")
    return value


def _one_of(value: object, name: str, accepted: tuple[int, ...]) -> int:
    for each in accepted:
        if value == each:
            return each
    raise malformed(f"#/{name}: {value!r} is not a valid enum value; accepted: {', '.join(map(str, accepted))}")


VECTOR_FAMILIES: Final[tuple[tuple[str, Callable[[JsonObject], VectorResponse]], ...]] = (
    ("amazon.titan-embed-text-v1", _titan_v1),
    ("amazon.titan-embed-g1-text", _titan_v1),
    ("amazon.titan-embed-image", _titan_image),
    ("amazon.titan-embed", _titan_v2),
    ("cohere.embed-v4", _cohere_v4),
    ("cohere.embed", _cohere_v3),
    ("amazon.rerank", _rerank),
    ("cohere.rerank", _rerank),
)
"""Part of a model id to what reads its bodies; the first that a model id contains applies."""
