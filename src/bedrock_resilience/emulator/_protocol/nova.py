"""The bodies of InvokeModel for Amazon Nova: Converse's form with a few other names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from bedrock_resilience.emulator._protocol import converse
from bedrock_resilience.emulator._protocol.generation import CompletedGeneration, Form, Writers, with_metrics
from bedrock_resilience.emulator._protocol.jsonvalues import JsonObject, as_object

if TYPE_CHECKING:
    from collections.abc import Mapping

_INFERENCE: Final[Mapping[str, str]] = {"max_new_tokens": "maxTokens", "top_p": "topP"}


def form_of(body: JsonObject) -> Form:
    """A request of schemaVersion ``messages-v1``."""
    inference = as_object(body.get("inferenceConfig")) or {}
    translated = {_INFERENCE.get(name, name): value for name, value in inference.items()}
    return Form({**body, "inferenceConfig": translated}, *WRITERS)


def _body(completed: CompletedGeneration) -> dict[str, Any]:
    body = converse.response_body(completed)
    return {name: body[name] for name in ("output", "stopReason", "usage")}


def _payloads(completed: CompletedGeneration) -> list[JsonObject]:
    return with_metrics([{name: event} for name, event in converse.stream_events(completed)], completed)


WRITERS: Final = Writers(_body, _payloads)
