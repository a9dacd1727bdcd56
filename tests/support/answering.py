"""Bedrock clients to test with, where not even a socket is wanted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from botocore.exceptions import ClientError

from vectora_normalize.normalize.extraction import Extraction
from vectora_normalize.normalize.response_cache import CachedResponse

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable

USAGE = {"inputTokens": 700, "outputTokens": 100, "totalTokens": 800}


def extraction(**changes: Any) -> dict[str, Any]:  # noqa: ANN401 - right and wrong values of every kind
    """What a model may say about an item, with changes."""
    return {
        "summary": "It happened.",
        "event_type": "other",
        "companies": [],
        "molecules": [],
        "technologies": [],
        "trademarks": [],
        "indications": [],
        **changes,
    }


def answer(summary: str, ingested_at: dt.datetime, **fields: Any) -> CachedResponse:  # noqa: ANN401 - as above
    """A response as the cache stores it."""
    read = msgspec.convert(extraction(summary=summary), Extraction)
    given: dict[str, Any] = {"extraction": read, "usage": {"inputTokens": 7}, "ingested_at": ingested_at, **fields}
    return CachedResponse(**given)


def tool_answer(fields: object, *, name: str = "record_item") -> dict[str, Any]:
    """An answer of Converse that calls the tool."""
    block = {"toolUse": {"toolUseId": "tooluse_1", "name": name, "input": fields}}
    return {
        "output": {"message": {"role": "assistant", "content": [block]}},
        "stopReason": "tool_use",
        "usage": USAGE,
        "metrics": {"latencyMs": 5},
    }


def client_error(code: str, message: str = "", status: int = 400) -> ClientError:
    """What boto3 raises for a refusal of that code."""
    response: Any = {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(response, "Converse")


class FunctionClient:
    """A ``bedrock-runtime`` client that answers by calling a function with the text of the request."""

    def __init__(self, answer: Callable[[str], dict[str, Any]]) -> None:
        self._answer = answer

    def converse(self, **request: Any) -> dict[str, Any]:  # noqa: ANN401 - as boto3's
        return self._answer(request["messages"][0]["content"][0]["text"])
