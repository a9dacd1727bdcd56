"""Each mistake in a Converse request is refused, by a message that names the place."""

from __future__ import annotations

from typing import Any

import pytest

from bedrock_resilience.emulator._protocol.errors import ServiceError
from bedrock_resilience.emulator._protocol.generation import Rules
from bedrock_resilience.emulator._protocol.validation import check_converse, merged_turns

HELLO: list[dict[str, Any]] = [{"role": "user", "content": [{"text": "Hello."}]}]
USE: dict[str, Any] = {"toolUse": {"toolUseId": "a", "name": "t", "input": {}}}
RESULT: dict[str, Any] = {"toolResult": {"toolUseId": "a", "content": [{"text": "x"}]}}
TOOLS: dict[str, Any] = {"tools": [{"toolSpec": {"name": "t", "inputSchema": {"json": {"type": "object"}}}}]}
CACHED: list[dict[str, Any]] = [{"cachePoint": {"type": "default"}}]


def content(*blocks: Any, role: str = "user") -> dict[str, Any]:  # noqa: ANN401 - right and wrong ones
    return {"messages": [{"role": role, "content": list(blocks)}]}


def turns(*blocks: dict[str, Any], **more: Any) -> dict[str, Any]:  # noqa: ANN401 - as above
    roles = ("user", "assistant")
    return {"messages": [{"role": roles[i % 2], "content": [block]} for i, block in enumerate(blocks)], **more}


def hello(**more: Any) -> dict[str, Any]:  # noqa: ANN401 - as above
    return {"messages": HELLO, **more}


def tool(**spec: Any) -> dict[str, Any]:  # noqa: ANN401 - as above
    return hello(
        toolConfig={"tools": [{"toolSpec": {"name": "t", "inputSchema": {"json": {"type": "object"}}, **spec}}]}
    )


def output(schema: object) -> dict[str, Any]:
    return hello(outputConfig={"textFormat": {"type": "json_schema", "structure": {"jsonSchema": {"schema": schema}}}})


RIGHT: list[dict[str, Any]] = [
    hello(),
    hello(
        system=[{"text": "Be."}, *CACHED, {"guardContent": {"text": {"text": "x"}}}],
        inferenceConfig={"maxTokens": 64_000},
    ),
    hello(inferenceConfig={"temperature": 0, "topP": 1.0, "stopSequences": ["a"]}, requestMetadata={"a": "b"}),
    {"messages": [{"role": "system", "content": [{"text": "Be."}]}, *HELLO]},
    turns({"text": "a"}, USE, RESULT, {"text": "b"}, toolConfig=TOOLS),
    hello(toolConfig={**TOOLS, "toolChoice": {"auto": {}}}),
    hello(
        toolConfig={
            "tools": [*TOOLS["tools"], *CACHED, {"systemTool": {"name": "x"}}],
            "toolChoice": {"tool": {"name": "t"}},
        }
    ),
    content({"image": {"format": "png", "source": {"bytes": "eA=="}}}),
    content({"document": {"name": "n", "source": {"content": [{"text": "x"}]}}}, {"text": "a"}),
    content(
        {"text": "a"}, {"document": {"format": "pdf", "name": "n", "source": {"s3Location": {"uri": "s3://b-1/key"}}}}
    ),
    output('{"type":"object","properties":{},"additionalProperties":false}'),
    hello(outputConfig={}),
    hello(outputConfig={"effort": "low"}),
]

WRONG: list[tuple[dict[str, Any], str]] = [
    ({"messages": "x"}, 'messages: got "x"; accepted: a list'),
    ({"messages": [5]}, "messages.0: got 5; accepted: an object"),
    (
        {"messages": [{"role": "tool", "content": []}]},
        'messages.0.role: got "tool"; accepted: assistant, system, user',
    ),
    ({"messages": [{"role": "user"}]}, "messages.0.content: got null; accepted: a list"),
    (content(5), "messages.0.content.0: got 5; accepted: an object"),
    (content({}), "messages.0.content.0: got {}; accepted: an object with exactly one of audio, cachePoint,"),
    (content({"text": "a", "image": {}}), "messages.0.content.0: got"),
    (content({"text": 5}), "messages.0.content.0.text: got 5; accepted: a string"),
    (content({"image": 5}), "messages.0.content.0.image: got 5; accepted: an object"),
    (
        content({"image": {"format": "bmp"}}),
        'messages.0.content.0.image.format: got "bmp"; accepted: gif, jpeg, png, webp',
    ),
    (content({"image": {"format": "png"}}), "messages.0.content.0.image.source: got null; accepted: an object"),
    (
        content({"image": {"format": "png", "source": {"text": "x"}}}),
        'messages.0.content.0.image.source: got {"text": "x"}; accepted: an object with bytes or s3Location',
    ),
    (
        content({"image": {"format": "png", "source": {"bytes": "not base64!"}}}),
        'messages.0.content.0.image.source.bytes: got "not base64!"; accepted: bytes in base64',
    ),
    (content({"image": {"format": "png", "source": {"bytes": ""}}}), "messages.0.content.0.image.source.bytes: got"),
    (
        content({"video": {"format": "mp4", "source": {"s3Location": {"uri": "http://x"}}}}),
        'messages.0.content.0.video.source.s3Location.uri: got "http://x"; accepted: s3://bucket/key',
    ),
    (content({"document": {"name": ""}}), "messages.0.content.0.document.name: got"),
    (
        content({"text": "a"}, {"document": {"name": "a.pdf", "source": {"text": "x"}}}),
        "The document file name can only contain",
    ),
    (content({"document": {"name": "n", "source": {}}}), "messages.0.content.0.document.source: got {}"),
    (
        content(USE),
        "messages.0.content.0.toolUse: a toolUse block belongs in a message of the assistant, not of the user",
    ),
    (
        turns({"text": "a"}, {"toolUse": {"toolUseId": "!", "name": "t", "input": {}}}),
        'messages.1.content.0.toolUse.toolUseId: got "!"; accepted: a string that matches',
    ),
    (
        turns({"text": "a"}, {"toolUse": {"toolUseId": "a", "name": "t"}}),
        "messages.1.content.0.toolUse.input: got null",
    ),
    (
        turns({"text": "a"}, RESULT),
        "messages.1.content.0.toolResult: a toolResult block belongs in a message of the user",
    ),
    (
        content({"toolResult": {"toolUseId": "a", "content": [5]}}),
        "messages.0.content.0.toolResult.content.0: got 5; accepted: an object",
    ),
    (
        turns({"text": "a"}, USE, {"text": "b"}, toolConfig=TOOLS),
        "Expected toolResult blocks at messages.2.content for the following Ids: a",
    ),
    (content(RESULT), "The number of toolResult blocks at messages.0.content exceeds"),
    (turns({"text": "a"}, USE, RESULT), "The toolConfig field must be defined when using toolUse and toolResult"),
    (hello(system="Be."), 'system: got "Be."; accepted: a list'),
    (hello(system=[{"text": " "}]), "The text field in the SystemContentBlock object at system.0 is blank."),
    (hello(system=[{"image": {}}]), "system.0: got"),
    (hello(inferenceConfig=5), "inferenceConfig: got 5; accepted: an object"),
    (hello(inferenceConfig={"maxTokens": 0}), "inferenceConfig.maxTokens: got 0; accepted: an integer >= 1"),
    (hello(inferenceConfig={"maxTokens": 1.5}), "inferenceConfig.maxTokens: got 1.5; accepted: an integer >= 1"),
    (
        hello(inferenceConfig={"maxTokens": 64_001}),
        "The maximum tokens you requested exceeds the model limit of 64000.",
    ),
    (
        hello(inferenceConfig={"temperature": 1.1}),
        "inferenceConfig.temperature: got 1.1; accepted: a number from 0 to 1",
    ),
    (hello(inferenceConfig={"topP": "1"}), 'inferenceConfig.topP: got "1"; accepted: a number from 0 to 1'),
    (hello(inferenceConfig={"stopSequences": [""]}), 'inferenceConfig.stopSequences: got [""]; accepted: up to 2500'),
    (hello(inferenceConfig={"stopSequences": ["a"] * 2_501}), "inferenceConfig.stopSequences: got"),
    (hello(toolConfig={"tools": []}), "toolConfig.tools: got []; accepted: a list of at least one tool"),
    (hello(toolConfig={"tools": [{}]}), "toolConfig.tools.0: got {}; accepted: an object with toolSpec, systemTool or"),
    (tool(name="has space"), 'toolConfig.tools.0.toolSpec.name: got "has space"; accepted: a string that matches'),
    (tool(name="x" * 65), "toolConfig.tools.0.toolSpec.name: got"),
    (tool(inputSchema={}), "toolConfig.tools.0.toolSpec.inputSchema.json: got null; accepted: an object"),
    (
        tool(inputSchema={"json": {"type": "array"}}),
        'toolConfig.tools.0.toolSpec.inputSchema.json.type: got "array"; accepted: object',
    ),
    (
        tool(strict=True, inputSchema={"json": {"type": "object"}}),
        "toolConfig.tools.0.toolSpec.inputSchema.json: for 'object' type, 'additionalProperties' must be",
    ),
    (hello(toolConfig={"tools": TOOLS["tools"] * 2}), "toolConfig.tools: the name t is given to more than one tool"),
    (
        hello(toolConfig={**TOOLS, "toolChoice": {}}),
        "toolConfig.toolChoice: got {}; accepted: an object with exactly one of",
    ),
    (
        hello(toolConfig={**TOOLS, "toolChoice": {"tool": {}}}),
        "toolConfig.toolChoice.tool.name: got null; accepted: the name of",
    ),
    (
        hello(outputConfig={"textFormat": {"type": "xml"}}),
        'outputConfig.textFormat.type: got "xml"; accepted: json_schema',
    ),
    (output({"type": "object"}), "outputConfig.textFormat.structure.jsonSchema.schema: got"),
    (output("{"), 'outputConfig.textFormat.structure.jsonSchema.schema: got "{"; accepted: a JSON schema'),
    (output("[]"), "outputConfig.textFormat.structure.jsonSchema.schema: got []; accepted: an object"),
    (
        output('{"minimum":1}'),
        "outputConfig.textFormat.structure.jsonSchema.schema: the keyword minimum is not supported",
    ),
    (hello(requestMetadata={}), "requestMetadata: got {}; accepted: an object of 1 to 16 strings"),
    (hello(requestMetadata={"a": 1}), 'requestMetadata: got {"a": 1}; accepted: an object of 1 to 16 strings'),
    (hello(system=CACHED * 5), "cachePoint: got 5 of them; accepted: up to 4"),
]


@pytest.mark.parametrize("request_", RIGHT)
def test_what_bedrock_takes_is_taken(request_: dict[str, Any]) -> None:
    check_converse(request_)


@pytest.mark.parametrize(("request_", "message"), WRONG)
def test_what_bedrock_refuses_is_refused_by_name(request_: dict[str, Any], message: str) -> None:
    with pytest.raises(ServiceError) as raised:
        check_converse(request_)
    assert raised.value.code == "ValidationException"
    assert raised.value.message.startswith(message)


def test_the_limit_of_output_tokens_is_the_models() -> None:
    with pytest.raises(ServiceError, match="exceeds the model limit of 8192"):
        check_converse(hello(inferenceConfig={"maxTokens": 8_193}), max_output_tokens=8_192)


def test_consecutive_turns_of_one_role_are_combined() -> None:
    turn = {"role": "user", "content": [{"text": "a"}]}
    other = {"role": "assistant", "content": [{"text": "b"}]}
    both = {"role": "user", "content": [{"text": "a"}, {"text": "a"}]}
    assert merged_turns([turn, turn, other, turn]) == [both, other, turn]


@pytest.mark.parametrize("messages", [None, "x", [], [1, 1], [{"role": "user"}, {"role": "user", "content": []}]])
def test_what_is_no_message_is_left_for_the_check(messages: object) -> None:
    assert merged_turns(messages) == messages


def test_other_forms_have_other_rules() -> None:
    rules = Rules(max_temperature=2.0, strict_schemas=False)
    check_converse({**output('{"minimum": 1}'), "inferenceConfig": {"temperature": 2}}, rules=rules)
    with pytest.raises(ServiceError, match="temperature: got 3; accepted: a number from 0 to 2"):
        check_converse(hello(inferenceConfig={"temperature": 3}), rules=rules)
