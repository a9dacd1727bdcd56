"""The bodies of InvokeModel for Amazon Nova: Converse's form with a few other names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from bedrock_resilience.emulator._protocol import converse
from bedrock_resilience.emulator._protocol.claude import chunks, metrics
from bedrock_resilience.emulator._protocol.jsonvalues import JsonObject, as_object

if TYPE_CHECKING:
    from bedrock_resilience.emulator._protocol.generation import Generation
    from bedrock_resilience.quotas import Usage

_INFERENCE: Final = {"max_new_tokens": "maxTokens", "top_p": "topP"}


def to_converse(body: JsonObject) -> dict[str, Any]:
    """A request of schemaVersion ``messages-v1`` in Converse's form."""
    inference = as_object(body.get("inferenceConfig")) or {}
    return {**body, "inferenceConfig": {_INFERENCE.get(name, name): value for name, value in inference.items()}}


def response_body(generation: Generation, usage: Usage) -> dict[str, Any]:
    """The body of an InvokeModel response."""
    body = converse.response_body(generation, usage, 0)
    return {name: body[name] for name in ("output", "stopReason", "usage")}


def stream_events(generation: Generation, usage: Usage, latency_ms: int) -> converse.Events:
    """The chunks of an InvokeModelWithResponseStream response."""
    payloads: list[JsonObject] = [
        {name: event} for name, event in converse.stream_events(generation, usage, latency_ms)
    ]
    payloads[-1] = {**payloads[-1], "amazon-bedrock-invocationMetrics": metrics(usage, latency_ms)}
    return chunks(payloads)
