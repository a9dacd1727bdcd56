"""The emulator answers or refuses every request; no request makes it fail."""

from __future__ import annotations

import copy
import json
from typing import Any, TypeAlias

from hypothesis import given
from hypothesis import strategies as st

from bedrock_resilience.clock import SYSTEM_CLOCK
from bedrock_resilience.emulator._generation.extractor import extract
from bedrock_resilience.emulator._http.server import Request
from bedrock_resilience.emulator._injection.script import FaultScript
from bedrock_resilience.emulator._latency import Constant
from bedrock_resilience.emulator._operations.service import Service
from bedrock_resilience.emulator._protocol.jsonvalues import as_list, as_object
from bedrock_resilience.emulator._request_log import RequestLog
from bedrock_resilience.quotas import QuotaLedger

Json: TypeAlias = Any

MODEL = "/model/anthropic.claude-sonnet-4"
SCHEMA: Json = {"type": "object", "properties": {"names": {"type": "array", "items": {"type": "string"}}}}
CONVERSE: Json = {
    "system": [{"text": "Be brief."}, {"cachePoint": {"type": "default", "ttl": "1h"}}],
    "messages": [
        {
            "role": "user",
            "content": [
                {"text": "One."},
                {"image": {"format": "png", "source": {"bytes": "eA=="}}},
                {"document": {"format": "pdf", "name": "n", "source": {"s3Location": {"uri": "s3://bucket/key"}}}},
            ],
        },
        {"role": "assistant", "content": [{"toolUse": {"toolUseId": "a", "name": "t", "input": {"x": 1}}}]},
        {"role": "user", "content": [{"toolResult": {"toolUseId": "a", "content": [{"json": {"y": 2}}]}}]},
    ],
    "inferenceConfig": {"maxTokens": 100, "temperature": 0.5, "topP": 0.5, "stopSequences": ["x"]},
    "toolConfig": {
        "tools": [{"toolSpec": {"name": "t", "description": "d", "inputSchema": {"json": SCHEMA}}}],
        "toolChoice": {"tool": {"name": "t"}},
    },
    "outputConfig": {
        "textFormat": {"type": "json_schema", "structure": {"jsonSchema": {"schema": '{"type":"string"}', "name": "s"}}}
    },
    "requestMetadata": {"team": "tests"},
}
CLAUDE: Json = {
    "anthropic_version": "bedrock-2023-05-31",
    "max_tokens": 100,
    "system": [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}],
    "messages": [
        {"role": "user", "content": [{"type": "text", "text": "One."}]},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "a", "name": "t", "input": {"x": 1}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "a", "content": "done"}]},
    ],
    "tools": [{"name": "t", "input_schema": SCHEMA}],
    "tool_choice": {"type": "tool", "name": "t"},
    "output_config": {"format": {"type": "json_schema", "schema": {"type": "string"}}},
}

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=5,
)


def paths(value: Json, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in a JSON value."""
    fields, items = as_object(value), as_list(value)
    members: list[tuple[Any, Json]] = [*(fields or {}).items(), *enumerate(items or [])]
    return [path, *(place for name, member in members for place in paths(member, (*path, name)))]


@st.composite
def mutations(draw: st.DrawFn, original: Json) -> Json:
    """The original with some members replaced by anything, or missing."""
    made = copy.deepcopy(original)
    for _ in range(draw(st.integers(1, 3))):
        places = [place for place in paths(made) if place]
        if not places:
            return draw(anything)
        place = draw(st.sampled_from(places))
        holder = made
        for name in place[:-1]:
            holder = holder[name]
        if draw(st.booleans()):
            holder[place[-1]] = draw(anything)
        else:
            del holder[place[-1]]
    return made


def status_of(operation: str, body: bytes) -> int:
    service = Service(
        ledger=QuotaLedger(),
        script=FaultScript(),
        request_log=RequestLog(1),
        responder=extract,
        latency=Constant(0),
        clock=SYSTEM_CLOCK,
    )
    reply = service(Request("POST", f"{MODEL}/{operation}", {}, body), SYSTEM_CLOCK.monotonic()).reply
    assert reply.frames
    return reply.status


@given(mutations(CONVERSE), st.sampled_from(["converse", "converse-stream"]))
def test_a_mutated_converse_request_is_answered_or_refused(body: Json, operation: str) -> None:
    assert status_of(operation, json.dumps(body).encode()) in {200, 400}


@given(mutations(CLAUDE), st.sampled_from(["invoke", "invoke-with-response-stream"]))
def test_a_mutated_claude_request_is_answered_or_refused(body: Json, operation: str) -> None:
    assert status_of(operation, json.dumps(body).encode()) in {200, 400}


@given(st.sampled_from([CONVERSE, CLAUDE]), st.data())
def test_a_mutated_count_tokens_request_is_answered_or_refused(inner: Json, data: st.DataObject) -> None:
    body = data.draw(mutations({"input": {"converse": inner, "invokeModel": {"body": "e30="}}}))
    assert status_of("count-tokens", json.dumps(body).encode()) in {200, 400}


@given(st.binary(max_size=50), st.sampled_from(["converse", "invoke", "count-tokens"]))
def test_bytes_that_are_no_request_are_refused(body: bytes, operation: str) -> None:
    assert status_of(operation, body) == 400


KEYWORDS = (
    *("$ref", "additionalProperties", "allOf", "anyOf", "const", "default", "description", "enum", "exclusiveMaximum"),
    *(
        "exclusiveMinimum",
        "format",
        "items",
        "maxItems",
        "maxLength",
        "maximum",
        "minItems",
        "minLength",
        "minProperties",
    ),
    *(
        "minimum",
        "multipleOf",
        "oneOf",
        "pattern",
        "prefixItems",
        "properties",
        "required",
        "title",
        "type",
        "uniqueItems",
    ),
)
types = st.sampled_from(["object", "array", "string", "number", "integer", "boolean", "null", "thing"])
broken_schemas: st.SearchStrategy[Json] = st.recursive(
    anything | types | st.sampled_from(["#", "#/properties/a", 10**9, -1, 0, 1e308, -1e308]),
    lambda inner: st.dictionaries(st.sampled_from(KEYWORDS), inner, max_size=5) | st.lists(inner, max_size=3),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from(KEYWORDS), broken_schemas, max_size=6))
def test_any_schema_is_filled(schema: Json) -> None:
    tool = {"toolSpec": {"name": "t", "inputSchema": {"json": {**schema, "type": "object"}}}}
    body: Json = {
        "messages": [{"role": "user", "content": [{"text": "One of Two."}]}],
        "toolConfig": {"tools": [tool], "toolChoice": {"any": {}}},
    }
    assert status_of("converse", json.dumps(body).encode()) == 200


def test_the_unmutated_requests_are_answered() -> None:
    assert status_of("converse", json.dumps(CONVERSE).encode()) == 200
    assert status_of("invoke", json.dumps(CLAUDE).encode()) == 200
