"""Whether a Converse request is one that Bedrock would take.

Every refusal is a ValidationException that names the field.

Where users have quoted the service's own words for a mistake, the message is in those words.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import Any, Final

from bedrock_resilience.emulator.errors import invalid
from bedrock_resilience.emulator.jsonvalues import (
    JsonObject,
    as_list,
    as_object,
    decode,
    is_integer,
    is_number,
    objects,
    shown,
)
from bedrock_resilience.emulator.schemas import check_strict
from bedrock_resilience.tokens import MODEL_MAX_TOKENS

_TOOL_NAME: Final = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_TOOL_USE_ID: Final = re.compile(r"[a-zA-Z0-9_.:-]{1,64}")
_S3_URI: Final = re.compile(r"s3://[a-z0-9][.\-a-z0-9]{1,61}[a-z0-9](/.*)?")
_MAX_STOP_SEQUENCES: Final = 2_500
_MAX_METADATA: Final = 16
_MAX_CACHE_POINTS: Final = 4

_BLOCKS: Final = frozenset(
    {
        "audio",
        "cachePoint",
        "citationsContent",
        "document",
        "guardContent",
        "image",
        "reasoningContent",
        "searchResult",
        "text",
        "toolAddition",
        "toolRemoval",
        "toolResult",
        "toolUse",
        "video",
    }
)
_FORMATS: Final = {
    "image": frozenset({"gif", "jpeg", "png", "webp"}),
    "document": frozenset({"csv", "doc", "docx", "html", "md", "pdf", "txt", "xls", "xlsx"}),
    "video": frozenset({"flv", "mkv", "mov", "mp4", "mpeg", "mpg", "three_gp", "webm", "wmv"}),
    "audio": frozenset(
        {"aac", "flac", "m4a", "mka", "mkv", "mp3", "mp4", "mpeg", "mpga", "ogg", "opus", "pcm", "wav", "webm", "x-aac"}
    ),
}


def check_converse(request: JsonObject, *, max_output_tokens: int = MODEL_MAX_TOKENS) -> None:
    """Check the body of a Converse or ConverseStream request.

    Raises:
        ServiceError: ValidationException for the first mistake found.
    """
    _check_system(request.get("system"))
    _check_messages(request.get("messages"))
    _check_inference(request.get("inferenceConfig"), max_output_tokens)
    _check_tools(request.get("toolConfig"), request.get("messages"))
    _check_output(request.get("outputConfig"))
    _check_metadata(request.get("requestMetadata"))
    _check_cache_points(request)


def _check_cache_points(request: JsonObject) -> None:
    parts = [request.get("system"), (as_object(request.get("toolConfig")) or {}).get("tools")]
    parts += [turn["content"] for turn in as_list(request.get("messages")) or []]
    count = sum("cachePoint" in block for part in parts for block in objects(part))
    if count > _MAX_CACHE_POINTS:
        raise invalid(f"cachePoint: got {count} of them, accepted: up to {_MAX_CACHE_POINTS}")


def _wrong(path: str, given: object, accepted: str) -> Exception:
    return invalid(f"{path}: got {shown(given)}, accepted: {accepted}")


def _object(value: object, path: str) -> JsonObject:
    found = as_object(value)
    if found is None:
        raise _wrong(path, value, "an object")
    return found


def _list(value: object, path: str) -> list[Any]:
    found = as_list(value)
    if found is None:
        raise _wrong(path, value, "a list")
    return found


def _text(value: object, path: str) -> str:
    if not isinstance(value, str):
        raise _wrong(path, value, "a string")
    return value


def _check_system(system: object) -> None:
    for index, value in enumerate(_list(system or [], "system")):
        path = f"system.{index}"
        block = _object(value, path)
        if "text" in block and not _text(block["text"], f"{path}.text").strip():
            raise invalid(f"The text field in the SystemContentBlock object at {path} is blank.")
        if not block.keys() & {"text", "guardContent", "cachePoint"}:
            raise _wrong(path, value, "an object with text, guardContent or cachePoint")


def _check_messages(messages: object) -> None:
    turns = _list(messages, "messages")
    if not turns:
        raise _wrong("messages", messages, "a list of at least one message")
    previous = ""
    asked: set[str] = set()
    for index, value in enumerate(turns):
        path = f"messages.{index}"
        role = _check_message(_object(value, path), path)
        if role == "system":
            continue
        if not previous and role != "user":
            raise invalid(
                "A conversation must start with a user message. Try again with a conversation that starts with a "
                "user message."
            )
        if role == previous:
            raise invalid(
                "A conversation must alternate between user and assistant roles. Make sure the conversation "
                "alternates between user and assistant roles and try again."
            )
        asked = _check_tool_turn(value["content"], asked, path)
        previous = role


def _check_message(message: JsonObject, path: str) -> str:
    role = message.get("role")
    if role not in {"user", "assistant", "system"}:
        raise _wrong(f"{path}.role", role, "user, assistant or system")
    content = _list(message.get("content"), f"{path}.content")
    if not content:
        raise invalid(
            f"The content field in the Message object at {path} is empty. Add a ContentBlock object to the content "
            "field and try again."
        )
    for index, block in enumerate(content):
        _check_block(_object(block, f"{path}.content.{index}"), f"{path}.content.{index}", str(role))
    return str(role)


def _check_block(block: JsonObject, path: str, role: str) -> None:
    kinds = sorted(block.keys() & _BLOCKS)
    if len(kinds) != 1:
        raise _wrong(path, block, f"an object with exactly one of {', '.join(sorted(_BLOCKS))}")
    kind = kinds[0]
    if kind == "text":
        if not _text(block["text"], f"{path}.text").strip():
            raise invalid(
                f"The text field in the ContentBlock object at {path} is blank. Add text to the text field, and try "
                "again."
            )
        return
    value = _object(block[kind], f"{path}.{kind}")
    if kind in _FORMATS:
        _check_media(kind, value, f"{path}.{kind}")
    elif kind == "toolUse":
        _check_tool_use(value, f"{path}.toolUse", role)
    elif kind == "toolResult":
        _check_tool_result(value, f"{path}.toolResult", role)


def _check_media(kind: str, value: JsonObject, path: str) -> None:
    if "format" in value or kind != "document":
        _check_one_of(value.get("format"), f"{path}.format", _FORMATS[kind])
    if kind == "document" and not _text(value.get("name"), f"{path}.name"):
        raise _wrong(f"{path}.name", "", "a name of 1 to 200 characters")
    source = _object(value.get("source"), f"{path}.source")
    if "bytes" in source:
        _check_base64(_text(source["bytes"], f"{path}.source.bytes"), f"{path}.source.bytes")
    elif "s3Location" in source:
        uri = _object(source["s3Location"], f"{path}.source.s3Location").get("uri")
        if not isinstance(uri, str) or not _S3_URI.fullmatch(uri):
            raise _wrong(f"{path}.source.s3Location.uri", uri, "s3://bucket/key")
    elif kind != "document" or not source.keys() & {"text", "content"}:
        raise _wrong(f"{path}.source", source, "an object with bytes or s3Location")


def _check_one_of(value: object, path: str, accepted: frozenset[str]) -> None:
    if value not in accepted:
        raise _wrong(path, value, ", ".join(sorted(accepted)))


def _check_base64(text: str, path: str) -> None:
    try:
        decoded = base64.b64decode(text, validate=True)
    except binascii.Error:
        decoded = b""
    if not decoded:
        raise _wrong(path, text, "bytes in base64, at least one")


def _check_tool_use(value: JsonObject, path: str, role: str) -> None:
    if role != "assistant":
        raise invalid(f"{path}: a toolUse block belongs in a turn of the assistant, not of the {role}")
    _check_pattern(value.get("toolUseId"), f"{path}.toolUseId", _TOOL_USE_ID)
    _check_pattern(value.get("name"), f"{path}.name", _TOOL_NAME)
    _object(value.get("input"), f"{path}.input")


def _check_tool_result(value: JsonObject, path: str, role: str) -> None:
    if role != "user":
        raise invalid(f"{path}: a toolResult block belongs in a turn of the user, not of the {role}")
    _check_pattern(value.get("toolUseId"), f"{path}.toolUseId", _TOOL_USE_ID)
    for index, part in enumerate(_list(value.get("content"), f"{path}.content")):
        _object(part, f"{path}.content.{index}")


def _check_pattern(value: object, path: str, pattern: re.Pattern[str]) -> None:
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise _wrong(path, value, f"a string that matches {pattern.pattern}")


def _check_tool_turn(content: list[Any], asked: set[str], path: str) -> set[str]:
    """The results of a turn against the tool uses of the turn before; returns the tool uses of this one."""
    results = {block["toolResult"]["toolUseId"] for block in content if "toolResult" in block}
    missing = sorted(asked - results)
    if missing:
        raise invalid(f"Expected toolResult blocks at {path}.content for the following Ids: {', '.join(missing)}")
    if results - asked:
        raise invalid(
            f"The number of toolResult blocks at {path}.content exceeds the number of toolUse blocks of previous turn."
        )
    return {block["toolUse"]["toolUseId"] for block in content if "toolUse" in block}


def _check_inference(value: object, max_output_tokens: int) -> None:
    if value is None:
        return
    config = _object(value, "inferenceConfig")
    maximum = config.get("maxTokens")
    if maximum is not None and (not is_integer(maximum) or maximum < 1):
        raise _wrong("inferenceConfig.maxTokens", maximum, "an integer >= 1")
    if maximum is not None and maximum > max_output_tokens:
        raise invalid(
            f"The maximum tokens you requested exceeds the model limit of {max_output_tokens}. Try again with a "
            f"maximum tokens value that is lower than {max_output_tokens}."
        )
    for name in ("temperature", "topP"):
        number = config.get(name)
        if number is not None and not (is_number(number) and 0 <= number <= 1):
            raise _wrong(f"inferenceConfig.{name}", number, "a number from 0 to 1")
    sequences = _list(config.get("stopSequences") or [], "inferenceConfig.stopSequences")
    if len(sequences) > _MAX_STOP_SEQUENCES or not all(isinstance(text, str) and text for text in sequences):
        raise _wrong("inferenceConfig.stopSequences", sequences, f"up to {_MAX_STOP_SEQUENCES} non-empty strings")


def _check_tools(value: object, messages: object) -> None:
    if value is None:
        blocks = [block for turn in as_list(messages) or [] for block in turn["content"]]
        if any("toolUse" in block or "toolResult" in block for block in blocks):
            raise invalid("The toolConfig field must be defined when using toolUse and toolResult content blocks.")
        return
    config = _object(value, "toolConfig")
    tools = _list(config.get("tools"), "toolConfig.tools")
    if not tools:
        raise _wrong("toolConfig.tools", tools, "a list of at least one tool")
    names = [name for index, tool in enumerate(tools) if (name := _check_tool(tool, f"toolConfig.tools.{index}"))]
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise invalid(f"toolConfig.tools: the name {repeated[0]} is given to more than one tool")
    if config.get("toolChoice") is not None:
        _check_choice(_object(config["toolChoice"], "toolConfig.toolChoice"), names)


def _check_tool(value: object, path: str) -> str | None:
    """Check one tool; its name, if it is one that the caller brings."""
    tool = _object(value, path)
    if "toolSpec" not in tool:
        if tool.keys() & {"cachePoint", "systemTool"}:
            return None
        raise _wrong(path, value, "an object with toolSpec, systemTool or cachePoint")
    spec = _object(tool["toolSpec"], f"{path}.toolSpec")
    _check_pattern(spec.get("name"), f"{path}.toolSpec.name", _TOOL_NAME)
    where = f"{path}.toolSpec.inputSchema.json"
    schema = _object(_object(spec.get("inputSchema"), f"{path}.toolSpec.inputSchema").get("json"), where)
    if schema.get("type") != "object":
        raise _wrong(f"{where}.type", schema.get("type"), "object")
    if spec.get("strict"):
        check_strict(schema, where)
    return str(spec["name"])


def _check_choice(choice: JsonObject, names: list[str]) -> None:
    kinds = sorted(choice.keys() & {"auto", "any", "tool"})
    if len(kinds) != 1:
        raise _wrong("toolConfig.toolChoice", choice, "an object with exactly one of auto, any, tool")
    if kinds == ["tool"]:
        name = _object(choice["tool"], "toolConfig.toolChoice.tool").get("name")
        if name not in names:
            accepted = f"the name of a tool of toolConfig.tools ({', '.join(names)})"
            raise _wrong("toolConfig.toolChoice.tool.name", name, accepted)


def _check_output(value: object) -> None:
    config = _object({} if value is None else value, "outputConfig")
    if config.get("textFormat") is None:
        return
    path = "outputConfig.textFormat"
    text_format = _object(config["textFormat"], path)
    _check_one_of(text_format.get("type"), f"{path}.type", frozenset({"json_schema"}))
    structure = _object(text_format.get("structure"), f"{path}.structure")
    path = f"{path}.structure.jsonSchema"
    text = _text(_object(structure.get("jsonSchema"), path).get("schema"), f"{path}.schema")
    try:
        schema = decode(text.encode("utf-8", "surrogatepass"))
    except ValueError:
        raise _wrong(f"{path}.schema", text, "a JSON schema, written as a string") from None
    check_strict(_object(schema, f"{path}.schema"), f"{path}.schema")


def _check_metadata(value: object) -> None:
    if value is None:
        return
    metadata = _object(value, "requestMetadata")
    if not 1 <= len(metadata) <= _MAX_METADATA or not all(isinstance(text, str) for text in metadata.values()):
        raise _wrong("requestMetadata", value, f"an object of 1 to {_MAX_METADATA} strings")
