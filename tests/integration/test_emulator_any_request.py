"""Any valid Converse request, made up from botocore's own parameters, gets an answer of botocore's own output shape."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, cast

import pytest
from botocore.validate import ParamValidator
from hypothesis import given, settings
from hypothesis import strategies as st

from bedrock_resilience.emulator import BedrockEmulator
from support.bedrock import SONNET, Client, client_of
from support.nightly import NIGHTLY
from support.schemas import conforms

if TYPE_CHECKING:
    from collections.abc import Generator

pytestmark = pytest.mark.nightly  # half a minute

Json = dict[str, Any]

texts = st.text(min_size=1, max_size=60).filter(lambda text: bool(text.strip()))
names = st.from_regex(r"[a-zA-Z0-9_-]{1,12}", fullmatch=True)
data = st.binary(min_size=1, max_size=20)


@st.composite
def text_blocks(draw: st.DrawFn) -> Json:
    return {"text": draw(texts)}


@st.composite
def user_blocks(draw: st.DrawFn) -> Json:
    blocks: list[Json] = [
        {"text": draw(texts)},
        {"image": {"format": draw(st.sampled_from(["png", "webp"])), "source": {"bytes": draw(data)}}},
        {"document": {"name": draw(names), "source": {"text": draw(texts)}}},
        {"document": {"format": "pdf", "name": draw(names), "source": {"bytes": draw(data)}}},
        {"video": {"format": "mp4", "source": {"bytes": draw(data)}}},
        {"guardContent": {"text": {"text": draw(texts)}}},
    ]
    return draw(st.sampled_from(blocks))


@st.composite
def leaves(draw: st.DrawFn) -> Json:
    low = draw(st.integers(-9, 9))
    kinds: list[Json] = [
        {"type": "string"},
        {"type": "boolean"},
        {"type": "null"},
        {"type": ["string", "null"]},
        {"type": "integer", "minimum": low, "maximum": low + draw(st.integers(0, 9))},
        {"enum": draw(st.lists(texts, min_size=1, max_size=4, unique=True))},
    ]
    return draw(st.sampled_from(kinds))


@st.composite
def closed_objects(draw: st.DrawFn, inner: st.SearchStrategy[Json]) -> Json:
    members = draw(st.dictionaries(names, inner, max_size=4))
    return {"type": "object", "properties": members, "required": sorted(members), "additionalProperties": False}


@st.composite
def branches(draw: st.DrawFn, inner: st.SearchStrategy[Json]) -> Json:
    kinds: list[Json] = [
        {"type": "array", "items": draw(inner), "minItems": draw(st.integers(0, 2))},
        {"anyOf": draw(st.lists(inner, min_size=1, max_size=3))},
        draw(closed_objects(inner)),
    ]
    return draw(st.sampled_from(kinds))


schemas = closed_objects(st.recursive(leaves(), branches, max_leaves=6))


@st.composite
def tool_configs(draw: st.DrawFn) -> Json:
    tools: list[Json] = [
        {"toolSpec": {"name": name, "description": draw(texts), "inputSchema": {"json": draw(schemas)}}}
        for name in draw(st.lists(names, min_size=1, max_size=3, unique=True))
    ]
    forced: Json = {"tool": {"name": tools[0]["toolSpec"]["name"]}}
    choices: list[Json] = [{}, {"toolChoice": {"auto": {}}}, {"toolChoice": {"any": {}}}, {"toolChoice": forced}]
    return {"tools": tools, **draw(st.sampled_from(choices))}


@st.composite
def conversations(draw: st.DrawFn, tool: str | None) -> list[Json]:
    # A message with a document must have a text too.
    turns: list[Json] = [{"role": "user", "content": [draw(text_blocks()), *draw(st.lists(user_blocks(), max_size=3))]}]
    for number in range(draw(st.integers(0, 2))):
        use: Json = {
            "toolUse": {"toolUseId": f"use-{number}", "name": tool, "input": draw(st.dictionaries(names, texts))}
        }
        result: Json = {
            "toolResult": {"toolUseId": f"use-{number}", "content": [{"text": draw(texts)}, {"json": {"a": 1}}]}
        }
        uses_it = tool is not None and draw(st.booleans())
        turns.append({"role": "assistant", "content": [draw(text_blocks()), *([use] if uses_it else [])]})
        said = [draw(text_blocks()), draw(user_blocks())]
        turns.append({"role": "user", "content": [*([result] if uses_it else []), *said]})
    return turns


@st.composite
def requests(draw: st.DrawFn) -> Json:
    tools = draw(st.none() | tool_configs())
    request: Json = {"messages": draw(conversations(None if tools is None else tools["tools"][0]["toolSpec"]["name"]))}
    inference: Json = {
        "maxTokens": draw(st.integers(1, 64_000)),
        "temperature": draw(st.floats(0, 1)),
        "stopSequences": draw(st.lists(texts, max_size=2)),
    }
    optional: Json = {
        "system": [{"text": draw(texts)}],
        "toolConfig": tools,
        "inferenceConfig": inference,
        "requestMetadata": {"team": "tests"},
        "serviceTier": {"type": "default"},
    }
    chosen = draw(st.sets(st.sampled_from(sorted(optional))))
    return request | {name: optional[name] for name in chosen | {"toolConfig"} if optional[name] is not None}


@pytest.fixture(scope="module")
def client() -> Generator[Client]:
    with BedrockEmulator(log_size=0) as emulator, client_of(emulator.endpoint_url) as made:
        yield made


@settings(max_examples=150 if NIGHTLY else 50)
@given(request=requests())
def test_any_valid_request_gets_a_valid_answer(client: Client, request: Json) -> None:
    answer = client.converse(modelId=SONNET, **request)
    report = cast("Any", ParamValidator()).validate(
        {name: value for name, value in answer.items() if name != "ResponseMetadata"},
        client.meta.service_model.operation_model("Converse").output_shape,
    )
    assert not report.has_errors(), report.generate_report()
    most = request.get("inferenceConfig", {}).get("maxTokens", 64_000)
    assert 1 <= answer["usage"]["outputTokens"] <= most
    known = {tool["toolSpec"]["name"]: tool["toolSpec"] for tool in request.get("toolConfig", {}).get("tools", [])}
    for block in answer["output"]["message"]["content"]:
        if "toolUse" in block and answer["stopReason"] == "tool_use":
            assert conforms(block["toolUse"]["input"], known[block["toolUse"]["name"]]["inputSchema"]["json"])


@settings(max_examples=50)
@given(request=requests())
def test_a_stream_says_what_the_plain_answer_says(client: Client, request: Json) -> None:
    plain = client.converse(modelId=SONNET, **request)
    text = ""
    pieces: dict[int, str] = {}
    stopped: list[str] = []
    for event in client.converse_stream(modelId=SONNET, **request)["stream"]:
        if "contentBlockDelta" in event:
            delta, index = event["contentBlockDelta"]["delta"], event["contentBlockDelta"]["contentBlockIndex"]
            text += delta.get("text", "")
            pieces[index] = pieces.get(index, "") + delta.get("toolUse", {}).get("input", "")
        if "messageStop" in event:
            stopped.append(event["messageStop"]["stopReason"])
    assert stopped == [plain["stopReason"]]
    for index, block in enumerate(plain["output"]["message"]["content"]):
        if "toolUse" in block:
            assert json.loads(pieces[index]) == block["toolUse"]["input"]
        else:
            assert text == block["text"]
