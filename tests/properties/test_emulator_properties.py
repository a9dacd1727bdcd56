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

CHAT: Json = {
    "messages": [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "One."}]},
        {"role": "assistant", "tool_calls": [{"id": "a", "function": {"name": "t", "arguments": '{"x": 1}'}}]},
        {"role": "tool", "tool_call_id": "a", "content": "done"},
    ],
    "tools": [{"type": "function", "function": {"name": "t", "parameters": SCHEMA}}],
    "tool_choice": {"type": "function", "function": {"name": "t"}},
    "response_format": {"type": "json_schema", "json_schema": {"schema": {"type": "string"}}},
    "max_tokens": 100,
    "stop": ["x"],
    "stream_options": {"include_usage": True},
}
COMMAND_R: Json = {
    "message": "One.",
    "chat_history": [{"role": "USER", "message": "a"}, {"role": "CHATBOT", "message": "b"}],
    "tools": [{"name": "t", "parameter_definitions": {"a": {"type": "int", "required": True}}}],
    "tool_results": [{"outputs": [{"x": "y"}]}],
    "p": 0.5,
}
# Target -> a body that it takes.
OTHERS: Json = {
    "/model/amazon.titan-text-express-v1/invoke": {
        "inputText": "One.",
        "textGenerationConfig": {"maxTokenCount": 9, "stopSequences": ["x"]},
    },
    "/model/cohere.command-r-v1:0/invoke": COMMAND_R,
    "/model/meta.llama3-8b-instruct-v1:0/invoke": {"prompt": "One.", "max_gen_len": 9, "temperature": 0.5},
    "/model/openai.gpt-oss-20b-1:0/invoke-with-response-stream": CHAT,
    "/model/amazon.titan-embed-text-v2:0/invoke": {"inputText": "One.", "dimensions": 256, "embeddingTypes": ["float"]},
    "/model/cohere.embed-v4:0/invoke": {
        "texts": ["a"],
        "input_type": "search_query",
        "embedding_types": ["int8"],
        "output_dimension": 256,
    },
    "/model/cohere.rerank-v3-5:0/invoke": {"query": "a", "documents": ["a", {"text": "b"}], "top_n": 1},
    "/anthropic/v1/messages": {
        **{name: value for name, value in CLAUDE.items() if name != "tool_choice"},
        "model": "anthropic.claude",
        "max_tokens": 2_000,
        "stream": True,
        "thinking": {"type": "enabled", "budget_tokens": 1_024},
    },
    "/openai/v1/chat/completions": {**CHAT, "model": "openai.gpt-oss-20b-1:0", "stream": True},
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
    return status_at(f"{MODEL}/{operation}", body)


def status_at(target: str, body: bytes) -> int:
    service = Service(
        ledger=QuotaLedger(),
        script=FaultScript(),
        request_log=RequestLog(1),
        responder=extract,
        latency=Constant(0),
        clock=SYSTEM_CLOCK,
    )
    reply = service(Request("POST", target, {}, body), SYSTEM_CLOCK.monotonic()).reply
    assert reply.frames
    return reply.status


@given(mutations(CONVERSE), st.sampled_from(["converse", "converse-stream"]))
def test_a_mutated_converse_request_is_answered_or_refused(body: Json, operation: str) -> None:
    assert status_of(operation, json.dumps(body).encode()) in {200, 400}


@given(mutations(CLAUDE), st.sampled_from(["invoke", "invoke-with-response-stream"]))
def test_a_mutated_claude_request_is_answered_or_refused(body: Json, operation: str) -> None:
    assert status_of(operation, json.dumps(body).encode()) in {200, 400}


@given(st.sampled_from(sorted(OTHERS)), st.data())
def test_a_mutated_request_of_any_other_form_is_answered_or_refused(target: str, data: st.DataObject) -> None:
    body = data.draw(mutations(OTHERS[target]))
    assert status_at(target, json.dumps(body).encode()) in {200, 400}


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
    for target, body in OTHERS.items():
        assert status_at(target, json.dumps(body).encode()) == 200, target
