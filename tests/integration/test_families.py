"""The families of models over a socket: what the emulator writes, the checks accept, with its text and its usage."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from bedrock_resilience.bedrock import invoke_model, invoke_model_stream
from bedrock_resilience.bedrock._families import text_of
from bedrock_resilience.quotas import usage_from
from support.bedrock import SONNET, client_of

if TYPE_CHECKING:
    from bedrock_resilience.emulator import BedrockEmulator

PROMPT = "Tell me about Camurus."
CHAT: list[dict[str, Any]] = [{"role": "user", "content": PROMPT}]
REQUESTS: dict[str, dict[str, Any]] = {
    SONNET: {"anthropic_version": "bedrock-2023-05-31", "max_tokens": 200, "messages": CHAT},
    "amazon.nova-lite-v1:0": {"messages": [{"role": "user", "content": [{"text": PROMPT}]}]},
    "amazon.titan-text-express-v1": {"inputText": PROMPT},
    "meta.llama3-8b-instruct-v1:0": {"prompt": PROMPT},
    "mistral.mistral-7b-instruct-v0:2": {"prompt": PROMPT},
    "mistral.mistral-large-2407-v1:0": {"messages": CHAT},
    "openai.gpt-oss-20b-1:0": {"messages": CHAT},
    "qwen.qwen3-32b-v1:0": {"messages": CHAT},
    "us.deepseek.r1-v1:0": {"prompt": PROMPT},
    "ai21.jamba-1-5-mini-v1:0": {"messages": CHAT},
    "cohere.command-text-v14": {"prompt": PROMPT},
    "cohere.command-r-v1:0": {"message": PROMPT},
}


@pytest.mark.parametrize("model", REQUESTS)
def test_body_and_stream_of_a_family_are_read_alike(emulator: BedrockEmulator, model: str) -> None:
    with client_of(emulator.endpoint_url) as client:
        body = invoke_model(client, modelId=model, body=REQUESTS[model])
        stream = invoke_model_stream(client, modelId=model, body=REQUESTS[model])
        assert "".join(map(text_of, stream)) == text_of(body) != ""
    usage = usage_from(body)
    assert usage == stream.usage
    assert usage is not None
    assert usage.input_tokens > 0
    assert usage.output_tokens > 0
