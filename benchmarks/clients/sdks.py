"""The SDKs of Anthropic and OpenAI, over the HTTP client that they make themselves."""

from __future__ import annotations

import importlib
import json
from typing import TYPE_CHECKING, Any, NoReturn

from benchmarks.clients.adapter import (
    KEY,
    MAX_TOKENS,
    MODEL_ID,
    OPENAI_MODEL_ID,
    PROMPT,
    REGION,
    TOOL_DESCRIPTION,
    TOOL_PROMPT,
    TOOL_SCHEMA,
    NotOffered,
)

if TYPE_CHECKING:
    from benchmarks.clients.adapter import Guard


def _messages(prompt: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": prompt}]


class AnthropicBedrock:
    """``AnthropicBedrock`` of the anthropic SDK: Messages over InvokeModel."""

    def __init__(self, url: str, guard: Guard) -> None:
        sdk: Any = importlib.import_module("anthropic")
        client = sdk.AnthropicBedrock(base_url=url, aws_access_key=KEY, aws_secret_key=KEY, aws_region=REGION)
        self._create = guard(client).messages.create

    def plain(self) -> str:
        response = self._create(model=MODEL_ID, max_tokens=MAX_TOKENS, messages=_messages(PROMPT))
        text: str = response.content[0].text
        return text

    def stream(self) -> str:
        events = self._create(model=MODEL_ID, max_tokens=MAX_TOKENS, messages=_messages(PROMPT), stream=True)
        return "".join(event.delta.text for event in events if event.type == "content_block_delta")

    def tools(self) -> int:
        tool = {"name": "magic_function", "description": TOOL_DESCRIPTION, "input_schema": TOOL_SCHEMA}
        response = self._create(
            model=MODEL_ID,
            max_tokens=MAX_TOKENS,
            messages=_messages(TOOL_PROMPT),
            tools=[tool],
            tool_choice={"type": "tool", "name": "magic_function"},
        )
        number: int = next(block.input["number"] for block in response.content if block.type == "tool_use")
        return number

    def embeddings(self) -> NoReturn:
        raise NotOffered("the SDK has no embeddings")


class OpenAI:
    """``OpenAI`` of the openai SDK: chat completions under ``/openai/v1``."""

    def __init__(self, url: str, guard: Guard) -> None:
        sdk: Any = importlib.import_module("openai")
        self._create = guard(sdk.OpenAI(base_url=f"{url}/openai/v1", api_key=KEY)).chat.completions.create

    def plain(self) -> str:
        response = self._create(model=OPENAI_MODEL_ID, max_tokens=MAX_TOKENS, messages=_messages(PROMPT))
        text: str = response.choices[0].message.content
        return text

    def stream(self) -> str:
        chunks = self._create(model=OPENAI_MODEL_ID, max_tokens=MAX_TOKENS, messages=_messages(PROMPT), stream=True)
        return "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)

    def tools(self) -> int:
        function = {"name": "magic_function", "description": TOOL_DESCRIPTION, "parameters": TOOL_SCHEMA}
        response = self._create(
            model=OPENAI_MODEL_ID,
            max_tokens=MAX_TOKENS,
            messages=_messages(TOOL_PROMPT),
            tools=[{"type": "function", "function": function}],
            tool_choice={"type": "function", "function": {"name": "magic_function"}},
        )
        number: int = json.loads(response.choices[0].message.tool_calls[0].function.arguments)["number"]
        return number

    def embeddings(self) -> NoReturn:
        raise NotOffered("Bedrock's chat completions API has no embeddings")
