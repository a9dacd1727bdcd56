"""boto3 and aiobotocore."""

from __future__ import annotations

import asyncio
import importlib
import json
from typing import TYPE_CHECKING, Any

from benchmarks.clients.adapter import (
    EMBEDDING_MODEL_ID,
    KEY,
    MAX_TOKENS,
    MODEL_ID,
    PROMPT,
    REGION,
    TOOL_DESCRIPTION,
    TOOL_PROMPT,
    TOOL_SCHEMA,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from benchmarks.clients.adapter import Guard

CREDENTIALS = {"aws_access_key_id": KEY, "aws_secret_access_key": KEY, "region_name": REGION}
EMBEDDING = {"modelId": EMBEDDING_MODEL_ID, "body": json.dumps({"inputText": PROMPT})}


def converse(prompt: str, **more: object) -> dict[str, Any]:
    """Return the arguments of Converse."""
    return {
        "modelId": MODEL_ID,
        "messages": [{"role": "user", "content": [{"text": prompt}]}],
        "inferenceConfig": {"maxTokens": MAX_TOKENS},
        **more,
    }


def converse_with_tool() -> dict[str, Any]:
    """Return the arguments of Converse with the tool."""
    tool = {"name": "magic_function", "description": TOOL_DESCRIPTION, "inputSchema": {"json": TOOL_SCHEMA}}
    return converse(
        TOOL_PROMPT, toolConfig={"tools": [{"toolSpec": tool}], "toolChoice": {"tool": {"name": "magic_function"}}}
    )


def _number(response: Any) -> int:
    blocks = response["output"]["message"]["content"]
    number: int = next(block["toolUse"]["input"]["number"] for block in blocks if "toolUse" in block)
    return number


def _text(event: dict[str, Any]) -> str:
    text: str = event.get("contentBlockDelta", {}).get("delta", {}).get("text", "")
    return text


class Boto3:
    """A client of boto3."""

    def __init__(self, url: str, guard: Guard) -> None:
        boto3: Any = importlib.import_module("boto3")
        self._client = guard(boto3.Session(**CREDENTIALS).client("bedrock-runtime", endpoint_url=url))

    def plain(self) -> str:
        text: str = self._client.converse(**converse(PROMPT))["output"]["message"]["content"][0]["text"]
        return text

    def stream(self) -> str:
        return "".join(map(_text, self._client.converse_stream(**converse(PROMPT))["stream"]))

    def tools(self) -> int:
        return _number(self._client.converse(**converse_with_tool()))

    def embeddings(self) -> int:
        return len(json.loads(self._client.invoke_model(**EMBEDDING)["body"].read())["embedding"])


class Aiobotocore:
    """A client of aiobotocore; each request in an event loop of its own."""

    def __init__(self, url: str, guard: Guard) -> None:
        self._session: Any = guard(importlib.import_module("aiobotocore.session").get_session())
        keys = {"aws_access_key_id": KEY, "aws_secret_access_key": KEY, "region_name": REGION}
        self._settings = {"service_name": "bedrock-runtime", "endpoint_url": url, **keys}

    def _open(self) -> Any:
        return self._session.create_client(**self._settings)

    def _run(self, use: Callable[[Any], Awaitable[Any]]) -> Any:
        async def run() -> object:
            async with self._open() as client:
                return await use(client)

        return asyncio.run(run())

    def plain(self) -> str:
        async def use(client: Any) -> str:
            response = await client.converse(**converse(PROMPT))
            text: str = response["output"]["message"]["content"][0]["text"]
            return text

        text: str = self._run(use)
        return text

    def stream(self) -> str:
        async def use(client: Any) -> str:
            response = await client.converse_stream(**converse(PROMPT))
            return "".join([_text(event) async for event in response["stream"]])

        text: str = self._run(use)
        return text

    def tools(self) -> int:
        async def use(client: Any) -> int:
            return _number(await client.converse(**converse_with_tool()))

        number: int = self._run(use)
        return number

    def embeddings(self) -> int:
        async def use(client: Any) -> int:
            response = await client.invoke_model(**EMBEDDING)
            return len(json.loads(await response["body"].read())["embedding"])

        dimensions: int = self._run(use)
        return dimensions


class Aioboto3(Aiobotocore):
    """A client of aioboto3, made by its own session."""

    def __init__(self, url: str, guard: Guard) -> None:
        self._session = guard(importlib.import_module("aioboto3").Session(**CREDENTIALS))
        self._settings = {"endpoint_url": url}

    def _open(self) -> Any:
        return self._session.client("bedrock-runtime", **self._settings)
