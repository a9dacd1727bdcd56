"""The SDKs of Anthropic and OpenAI, with retries turned off."""

from __future__ import annotations

import asyncio
import importlib
from functools import partial
from typing import Any, Literal

from bedrock_resilience.emulator.conformance._clients._client import (
    KEY,
    MAX_TOKENS,
    MODEL_ID,
    PROMPT,
    REGION,
    Api,
    Client,
    ClientCall,
)
from bedrock_resilience.emulator.conformance._clients._http import tls_context

_Kind = Literal["Anthropic", "AnthropicBedrock", "OpenAI"]
_KEYS = {
    "AnthropicBedrock": {"aws_access_key": KEY, "aws_secret_key": KEY, "aws_region": REGION},
    "Anthropic": {"api_key": KEY},
    "OpenAI": {"api_key": KEY},
}
_MESSAGES = [{"role": "user", "content": PROMPT}]


def _client(sdk: Any, kind: str, call: ClientCall) -> Any:  # pragma: no cover - `make conformance` runs it  # noqa: ANN401 - the module, and one of its clients
    http_class = sdk.DefaultAsyncHttpxClient if kind.startswith("Async") else sdk.DefaultHttpxClient
    return getattr(sdk, kind)(
        base_url=call.url,
        timeout=call.timeout,
        max_retries=0,
        http_client=http_class(proxy=call.proxy, trust_env=False, verify=tls_context()),
        _strict_response_validation=True,  # otherwise a 200 with the HTML of a proxy is returned as a str
        **_KEYS[kind.removeprefix("Async")],
    )


def _create(client: Any, kind: str, *, stream: bool) -> Any:  # pragma: no cover - `make conformance` runs it  # noqa: ANN401 - as above
    """Return the response, or the awaitable of an asynchronous client."""
    create = client.chat.completions.create if kind.endswith("OpenAI") else client.messages.create
    # The version that all majors of the SDK and the documentation of Bedrock have in common.
    extra = {"anthropic_version": "bedrock-2023-05-31"} if kind.endswith("Bedrock") else None
    return create(model=MODEL_ID, messages=_MESSAGES, max_tokens=MAX_TOKENS, stream=stream, extra_body=extra)


def _call(package: str, kind: _Kind, call: ClientCall) -> None:  # pragma: no cover - `make conformance` runs it
    with _client(importlib.import_module(package), kind, call) as client:
        response = _create(client, kind, stream=call.stream)
        if call.stream:
            list(response)


def _call_async(package: str, kind: _Kind, call: ClientCall) -> None:  # pragma: no cover - `make conformance` runs it
    async def run() -> None:
        async with _client(importlib.import_module(package), f"Async{kind}", call) as client:
            response = await _create(client, kind, stream=call.stream)
            if call.stream:
                [event async for event in response]

    asyncio.run(run())


_KINDS: tuple[tuple[str, _Kind, Api], ...] = (
    ("anthropic", "AnthropicBedrock", "bedrock"),
    ("anthropic", "Anthropic", "anthropic"),
    ("openai", "OpenAI", "openai"),
)

CLIENTS = tuple(
    Client(name=f"{package} {prefix}{kind}", package=package, api=api, call=partial(call, package, kind))
    for package, kind, api in _KINDS
    for prefix, call in (("", _call), ("Async", _call_async))
)
