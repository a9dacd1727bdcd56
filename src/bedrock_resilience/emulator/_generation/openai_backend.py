"""A responder that uses a language model through OpenAI's chat completions, as Ollama, llama.cpp and vLLM serve them.

Tools, forced tools, JSON schemas, images and tool results are translated. Token counts are those of the server.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import uuid
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from bedrock_resilience.emulator._protocol.blocks import TOOL_USE_ID
from bedrock_resilience.emulator._protocol.conversation import ANY, NO_TOOL, ChatMessage, Conversation
from bedrock_resilience.emulator._protocol.errors import ServiceError
from bedrock_resilience.emulator._protocol.generation import Generation
from bedrock_resilience.emulator._protocol.jsonvalues import (
    JsonObject,
    as_object,
    decode,
    encode,
    is_integer,
    objects,
    quoted,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from urllib.parse import SplitResult

_STOP_REASONS: Final = {"length": "max_tokens", "tool_calls": "tool_use", "content_filter": "content_filtered"}

_NO_PORT: Final = -1
_MAX_BODY_BYTES: Final = 16 * 1024 * 1024  # of a completion; what is longer is no JSON any more
_AS_JSON: Final = "Do not call a tool. Respond with one JSON object, and nothing else, that follows this JSON Schema:"
# What models write around JSON if the server does not prevent it.
_FENCED: Final = re.compile(r"\s*```\w*\s(.*)```\s*", re.DOTALL)


class OpenAIBackend:
    """Generates through ``POST {url}/chat/completions``. Thread-safe: each call has a connection of its own.

    Args:
        url: The base address, such as ``http://127.0.0.1:11434/v1`` (Ollama) or ``http://127.0.0.1:8080/v1``
            (llama.cpp).
        model: The name of the model on that server; it serves every Bedrock model id.
        api_key: Sent as a bearer token, if the server requires one.
        timeout: Seconds without a byte before a call fails.
        json_output: Whether a forced tool is asked for as JSON output under its schema (``response_format``) instead of
            as a tool call. Few local servers can force a tool, and most can force JSON.

    Raises:
        ValueError: The address is not one of http or https.
    """

    def __init__(
        self, url: str, model: str, *, api_key: str | None = None, timeout: float = 300.0, json_output: bool = False
    ) -> None:
        parts = urlsplit(str(url))
        self._secure = parts.scheme == "https"
        self._host, self._port = parts.hostname or "", _port(parts)
        if parts.scheme not in {"http", "https"} or not self._host or self._port == _NO_PORT:
            raise ValueError(f"url: got {url!r}; accepted: http://host:port/v1")
        self._path = f"{parts.path.rstrip('/')}/chat/completions"
        self._model = model
        self._headers = {"Content-Type": "application/json"}
        if api_key is not None:
            self._headers["Authorization"] = f"Bearer {api_key}"
        self._timeout = timeout
        self._json_output = json_output

    def __call__(self, conversation: Conversation) -> Generation:
        """Generate with the server.

        Raises:
            ServiceError: ``ModelTimeoutException`` if it is too slow, ``ModelErrorException`` for any other failure.
        """
        try:
            status, body = self._post(
                encode(completion_request(conversation, self._model, json_output=self._json_output))
            )
        except TimeoutError:
            raise ServiceError("ModelTimeoutException", f"{self._host} did not answer in {self._timeout} s") from None
        except (OSError, http.client.HTTPException) as error:
            raise _model_error(f"{self._host} cannot be reached: {error}", 503) from None
        if status != http.HTTPStatus.OK:
            text = quoted(body.decode("utf-8", "replace"), 200)
            raise _model_error(f"{self._host} answered with {status}: {text}", status)
        try:
            return generation_of(as_object(decode(body)) or {}, conversation)
        except (LookupError, TypeError, ValueError) as error:
            raise _model_error(f"{self._host} answered with no chat completion: {error}", status) from None

    def _post(self, body: bytes) -> tuple[int, bytes]:
        kind = http.client.HTTPSConnection if self._secure else http.client.HTTPConnection
        with contextlib.closing(kind(self._host, self._port, timeout=self._timeout)) as connection:
            connection.request("POST", self._path, body, self._headers)
            response = connection.getresponse()
            return response.status, response.read(_MAX_BODY_BYTES)


def _port(parts: SplitResult) -> int | None:
    try:
        return parts.port
    except ValueError:
        return _NO_PORT


def _model_error(message: str, status: int) -> ServiceError:
    return ServiceError("ModelErrorException", message, members={"originalStatusCode": status})


def completion_request(conversation: Conversation, model: str, *, json_output: bool = False) -> dict[str, Any]:
    """The request for a chat completion; with ``json_output`` a forced tool becomes a response format."""
    tool = conversation.forced_tool
    if json_output and tool is not None:
        text = f"{conversation.system}\n\n{_AS_JSON}\n{json.dumps(tool.schema, ensure_ascii=False)}".strip()
        conversation = replace(
            conversation, system=text, tools=(), tool_choice=NO_TOOL, response_schema=dict(tool.schema)
        )
    system = [{"role": "system", "content": conversation.system}] if conversation.system else []
    turns = [turn for message in conversation.messages for turn in _turns(message)]
    settings = {
        "max_tokens": conversation.max_tokens,
        "temperature": conversation.temperature,
        "top_p": conversation.top_p,
        "stop": list(conversation.stop_sequences) or None,
    }
    given = {name: value for name, value in settings.items() if value is not None}
    return {"model": model, "messages": system + turns, **given, **_tools(conversation), **_format(conversation)}


def _tools(conversation: Conversation) -> dict[str, Any]:
    if not conversation.tools:
        return {}
    tools = [
        {
            "type": "function",
            "function": {"name": tool.name, "description": tool.description, "parameters": dict(tool.schema)},
        }
        for tool in conversation.tools
    ]
    if conversation.forced_tool is not None:
        return {
            "tools": tools,
            "tool_choice": {"type": "function", "function": {"name": conversation.forced_tool.name}},
        }
    choice = {ANY: "required", NO_TOOL: "none"}.get(conversation.tool_choice, "auto")
    return {"tools": tools, "tool_choice": choice}


def _format(conversation: Conversation) -> dict[str, Any]:
    if conversation.response_schema is None:
        return {}
    schema = {"name": "answer", "strict": True, "schema": dict(conversation.response_schema)}
    return {"response_format": {"type": "json_schema", "json_schema": schema}}


def _turns(message: ChatMessage) -> Iterator[dict[str, Any]]:
    """One message of Converse as one or more of a chat completion, in which each tool result is its own message."""
    if message.role == "assistant":
        yield _assistant_turn(message)
        return
    for block in message.content:
        if "toolResult" in block:
            result: JsonObject = block["toolResult"]
            text = ChatMessage("user", (block,)).text
            yield {"role": "tool", "tool_call_id": result["toolUseId"], "content": text}
    parts = [part for block in message.content if "toolResult" not in block for part in _parts(block)]
    if parts:
        only_text = all(part["type"] == "text" for part in parts)
        yield {"role": "user", "content": "\n".join(part["text"] for part in parts) if only_text else parts}


def _assistant_turn(message: ChatMessage) -> dict[str, Any]:
    calls = [
        {
            "id": block["toolUse"]["toolUseId"],
            "type": "function",
            "function": {"name": block["toolUse"]["name"], "arguments": json.dumps(block["toolUse"]["input"])},
        }
        for block in message.content
        if "toolUse" in block
    ]
    turn = {"role": "assistant", "content": message.text or None}
    return {**turn, "tool_calls": calls} if calls else turn


def _parts(block: JsonObject) -> Iterator[dict[str, Any]]:
    image = as_object(block.get("image"))
    if image is not None and "bytes" in image["source"]:
        yield {
            "type": "image_url",
            "image_url": {"url": f"data:image/{image['format']};base64,{image['source']['bytes']}"},
        }
        return
    text = ChatMessage("user", (block,)).text
    if text:
        yield {"type": "text", "text": text}


def generation_of(completion: JsonObject, conversation: Conversation) -> Generation:
    """A chat completion as a generation.

    A small model may respond to a forced tool with the tool's input as a text, with or without a code fence, or with
    broken JSON. The first is treated as the tool use that it means; the second is ``malformed_tool_use``, as on AWS.

    Raises:
        LookupError: The completion has no choices.
        TypeError: A member has the wrong type.
        ValueError: A member has a wrong value.
    """
    choice = as_object(completion["choices"][0]) or {}
    message = as_object(choice.get("message")) or {}
    text = str(message.get("content") or "")
    uses = [_tool_use(call) for call in objects(message.get("tool_calls"))]
    if conversation.forced_tool is not None and not uses:
        uses = [{"toolUseId": _new_id(), "name": conversation.forced_tool.name, "input": _json_object(text)}]
        text = "" if uses[0]["input"] is not None else text
    reason = _STOP_REASONS.get(str(choice.get("finish_reason")), "tool_use" if uses else "end_turn")
    if reason != "max_tokens" and any(use["input"] is None for use in uses):
        reason = "malformed_tool_use"
    complete = [{"toolUse": use} for use in uses if use["input"] is not None]
    usage = as_object(completion.get("usage")) or {}
    return Generation(
        (*([{"text": text}] if text else []), *complete),
        reason,
        input_tokens=_tokens(usage.get("prompt_tokens")),
        output_tokens=_tokens(usage.get("completion_tokens")),
    )


def _tool_use(call: JsonObject) -> dict[str, Any]:
    function = as_object(call.get("function")) or {}
    arguments = function.get("arguments")
    # A tool without parameters is called with nothing by some servers.
    made = _json_object(arguments or "{}") if isinstance(arguments, str) else as_object(arguments)
    identity = str(call.get("id"))
    return {
        "toolUseId": identity if call.get("id") and TOOL_USE_ID.fullmatch(identity) else _new_id(),
        "name": str(function.get("name")),
        "input": made,
    }


def _json_object(text: str) -> JsonObject | None:
    fenced = _FENCED.fullmatch(text)
    try:
        return as_object(decode((fenced[1] if fenced else text).encode("utf-8", "replace")))
    except ValueError:
        return None


def _tokens(value: object) -> int | None:
    """Return a count of tokens; None, which the emulator replaces by its own count, where a server states none."""
    return value if isinstance(value, int) and is_integer(value) and value >= 0 else None


def _new_id() -> str:
    return f"tooluse_{uuid.uuid4().hex[:22]}"
