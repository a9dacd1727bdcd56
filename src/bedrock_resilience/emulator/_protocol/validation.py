"""Validation of Converse requests as Bedrock does it.

Every refusal is a ``ValidationException`` that names the field. If users have quoted the service's own words for a
mistake, the message is in those words.
"""

from __future__ import annotations

from typing import Any, Final

from bedrock_resilience.emulator._protocol.blocks import check_block
from bedrock_resilience.emulator._protocol.checks import (
    check_one_of,
    not_accepted,
    require_list,
    require_object,
    require_string,
)
from bedrock_resilience.emulator._protocol.errors import invalid
from bedrock_resilience.emulator._protocol.generation import Rules
from bedrock_resilience.emulator._protocol.jsonvalues import (
    JsonObject,
    as_list,
    as_object,
    decode,
    is_integer,
    is_number,
    objects,
)
from bedrock_resilience.emulator._protocol.media import check_media
from bedrock_resilience.emulator._protocol.schemas import check_strict
from bedrock_resilience.emulator._protocol.toolconfig import check_tools
from bedrock_resilience.quotas import MODEL_MAX_TOKENS

_MAX_STOP_SEQUENCES: Final = 2_500
_MAX_METADATA: Final = 16
_MAX_CACHE_POINTS: Final = 4
_ROLES: Final = frozenset({"assistant", "system", "user"})

CONVERSE_RULES: Final = Rules(limits_media=True)
"""What Converse itself takes."""


def check_converse(
    request: JsonObject, *, max_output_tokens: int = MODEL_MAX_TOKENS, rules: Rules = CONVERSE_RULES
) -> None:
    """Check the body of a Converse or ConverseStream request, or of another API in its form.

    Args:
        request: The request.
        max_output_tokens: The most that the model can produce.
        rules: What the API of the request takes.

    Raises:
        ServiceError: ``ValidationException`` for the first problem found.
    """
    _check_system(request.get("system"))
    _check_messages(request.get("messages"), rules)
    _check_inference(request.get("inferenceConfig"), max_output_tokens, rules.max_temperature)
    check_tools(request.get("toolConfig"), request.get("messages"))
    _check_output(request.get("outputConfig"), strict=rules.strict_schemas)
    _check_metadata(request.get("requestMetadata"))
    _check_cache_points(request)


def _check_system(system: object) -> None:
    for index, value in enumerate(require_list(system or [], "system")):
        path = f"system.{index}"
        block = require_object(value, path)
        if "text" in block and not require_string(block["text"], f"{path}.text").strip():
            raise invalid(f"The text field in the SystemContentBlock object at {path} is blank.")
        if not block.keys() & {"text", "guardContent", "cachePoint"}:
            raise not_accepted(path, value, "an object with text, guardContent or cachePoint")


def _check_messages(messages: object, rules: Rules) -> None:
    turns = require_list(messages, "messages")
    if not turns:
        raise not_accepted("messages", messages, "a list of at least one message")
    previous = ""
    open_tool_uses: set[str] = set()
    for index, value in enumerate(turns):
        path = f"messages.{index}"
        role = _check_message(require_object(value, path), path)
        if rules.limits_media:
            check_media(value["content"], path, role)
        if role == "system":
            continue
        if not previous and role != "user":
            raise invalid(
                "A conversation must start with a user message. Try again with a conversation that starts with a "
                "user message."
            )
        if role == previous:
            # Of Converse, for every model: https://github.com/langchain-ai/langchain-aws/issues/130. The Messages API
            # and chat completions take such turns, see ``merged_turns``.
            raise invalid(
                "A conversation must alternate between user and assistant roles. Make sure the conversation "
                "alternates between user and assistant roles and try again."
            )
        open_tool_uses = _check_tool_turn(value["content"], open_tool_uses, path)
        previous = role


def _check_message(message: JsonObject, path: str) -> str:
    role = message.get("role")
    check_one_of(role, f"{path}.role", _ROLES)
    content = require_list(message.get("content"), f"{path}.content")
    if not content:
        raise invalid(
            f"The content field in the Message object at {path} is empty. Add a ContentBlock object to the content "
            "field and try again."
        )
    for index, block in enumerate(content):
        check_block(require_object(block, f"{path}.content.{index}"), f"{path}.content.{index}", str(role))
    return str(role)


def _check_tool_turn(content: list[Any], open_tool_uses: set[str], path: str) -> set[str]:
    """Compare the tool results of a message with the tool uses of the one before; the tool uses of this one."""
    results = {block["toolResult"]["toolUseId"] for block in content if "toolResult" in block}
    missing = sorted(open_tool_uses - results)
    if missing:
        raise invalid(f"Expected toolResult blocks at {path}.content for the following Ids: {', '.join(missing)}")
    if results - open_tool_uses:
        raise invalid(
            f"The number of toolResult blocks at {path}.content exceeds the number of toolUse blocks of previous turn."
        )
    return {block["toolUse"]["toolUseId"] for block in content if "toolUse" in block}


def _check_inference(value: object, max_output_tokens: int, max_temperature: float) -> None:
    if value is None:
        return
    config = require_object(value, "inferenceConfig")
    maximum = config.get("maxTokens")
    if maximum is not None and (not is_integer(maximum) or maximum < 1):
        raise not_accepted("inferenceConfig.maxTokens", maximum, "an integer >= 1")
    if maximum is not None and maximum > max_output_tokens:
        raise invalid(
            f"The maximum tokens you requested exceeds the model limit of {max_output_tokens}. Try again with a "
            f"maximum tokens value that is lower than {max_output_tokens}."
        )
    for name, most in (("temperature", max_temperature), ("topP", 1.0)):
        number = config.get(name)
        if number is not None and not (is_number(number) and 0 <= number <= most):
            raise not_accepted(f"inferenceConfig.{name}", number, f"a number from 0 to {most:g}")
    sequences = require_list(config.get("stopSequences") or [], "inferenceConfig.stopSequences")
    if len(sequences) > _MAX_STOP_SEQUENCES or not all(isinstance(text, str) and text for text in sequences):
        raise not_accepted("inferenceConfig.stopSequences", sequences, f"up to {_MAX_STOP_SEQUENCES} non-empty strings")


def _check_output(value: object, *, strict: bool) -> None:
    config = require_object({} if value is None else value, "outputConfig")
    if config.get("textFormat") is None:
        return
    path = "outputConfig.textFormat"
    text_format = require_object(config["textFormat"], path)
    check_one_of(text_format.get("type"), f"{path}.type", frozenset({"json_schema"}))
    structure = require_object(text_format.get("structure"), f"{path}.structure")
    path = f"{path}.structure.jsonSchema"
    text = require_string(require_object(structure.get("jsonSchema"), path).get("schema"), f"{path}.schema")
    try:
        schema = decode(text.encode("utf-8", "surrogatepass"))
    except ValueError:
        raise not_accepted(f"{path}.schema", text, "a JSON schema, written as a string") from None
    found = require_object(schema, f"{path}.schema")
    if strict:
        check_strict(found, f"{path}.schema")


def _check_metadata(value: object) -> None:
    if value is None:
        return
    metadata = require_object(value, "requestMetadata")
    if not 1 <= len(metadata) <= _MAX_METADATA or not all(isinstance(text, str) for text in metadata.values()):
        raise not_accepted("requestMetadata", value, f"an object of 1 to {_MAX_METADATA} strings")


def _check_cache_points(request: JsonObject) -> None:
    parts = [request.get("system"), (as_object(request.get("toolConfig")) or {}).get("tools")]
    parts += [turn["content"] for turn in as_list(request.get("messages")) or []]
    count = sum("cachePoint" in block for part in parts for block in objects(part))
    if count > _MAX_CACHE_POINTS:
        raise invalid(f"cachePoint: got {count} of them; accepted: up to {_MAX_CACHE_POINTS}")


def merged_turns(messages: object) -> object:
    """The messages, with consecutive turns of one role combined into one; anything that is not a message is kept."""
    turns = as_list(messages)
    if turns is None:
        return messages
    merged: list[Any] = []
    for turn in turns:
        before, now = (as_object(merged[-1]) or {} if merged else {}), as_object(turn) or {}
        contents = as_list(before.get("content")), as_list(now.get("content"))
        if before.get("role") == now.get("role") and contents[0] is not None and contents[1] is not None:
            merged[-1] = {**before, "content": [*contents[0], *contents[1]]}
        else:
            merged.append(turn)
    return merged
