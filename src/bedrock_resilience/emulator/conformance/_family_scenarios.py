"""Bodies and streams of the families of models behind InvokeModel that are no complete response.

Shapes: "Inference request parameters and response fields for foundation models" (AWS).
"""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any, Final

from bedrock_resilience._fault import Fault
from bedrock_resilience.emulator._protocol import eventstream
from bedrock_resilience.emulator.conformance._client_scenarios import ClientScenario
from bedrock_resilience.emulator.conformance._raw_server import RawReply, http_reply

if TYPE_CHECKING:
    from collections.abc import Sequence

_TEXT: Final = "Camurus"
_METRICS: Final = {"amazon-bedrock-invocationMetrics": {"inputTokenCount": 5, "outputTokenCount": 1}}


def _choice(key: str, text: str, reason: str | None) -> dict[str, Any]:
    return {"choices": [{"index": 0, key: {"content": text}, "finish_reason": reason}]}


# Family -> a body without output, a body that is cut, and the events of a stream that is cut.
_FAMILIES: Final[dict[str, tuple[dict[str, Any], dict[str, Any], list[dict[str, Any]]]]] = {
    "Claude": (
        {"type": "message", "role": "assistant", "content": [], "stop_reason": "end_turn"},
        {"type": "message", "content": [{"type": "text", "text": _TEXT}], "stop_reason": "max_tokens"},
        [
            {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": _TEXT}},
            {"type": "message_delta", "delta": {"stop_reason": "max_tokens"}},
            {"type": "message_stop", **_METRICS},
        ],
    ),
    "Nova": (
        {"output": {"message": {"role": "assistant", "content": []}}, "stopReason": "end_turn"},
        {"output": {"message": {"content": [{"text": _TEXT}]}}, "stopReason": "max_tokens"},
        [
            {"contentBlockDelta": {"delta": {"text": _TEXT}, "contentBlockIndex": 0}},
            {"messageStop": {"stopReason": "max_tokens"}},
            {"metadata": {"usage": {}}, **_METRICS},
        ],
    ),
    "Llama": (
        {"generation": "", "prompt_token_count": 5, "generation_token_count": 0, "stop_reason": "stop"},
        {"generation": _TEXT, "stop_reason": "length"},
        [{"generation": _TEXT, "stop_reason": None}, {"generation": "", "stop_reason": "length", **_METRICS}],
    ),
    "Titan": (
        {"inputTextTokenCount": 5, "results": []},
        {"inputTextTokenCount": 5, "results": [{"outputText": _TEXT, "completionReason": "LENGTH"}]},
        [{"outputText": _TEXT, "completionReason": None}, {"outputText": "", "completionReason": "LENGTH", **_METRICS}],
    ),
    "Mistral": (
        {"outputs": []},
        {"outputs": [{"text": _TEXT, "stop_reason": "length"}]},
        [
            {"outputs": [{"text": _TEXT, "stop_reason": None}]},
            {"outputs": [{"text": "", "stop_reason": "length"}], **_METRICS},
        ],
    ),
    "Cohere": (
        {"generations": [], "id": "1"},
        {"generations": [{"text": _TEXT, "finish_reason": "MAX_TOKENS"}]},
        [
            {"is_finished": False, "text": _TEXT},
            {"is_finished": True, "finish_reason": "MAX_TOKENS", **_METRICS},
        ],
    ),
    "the OpenAI shape": (
        {"id": "1", "object": "chat.completion", "choices": [], "usage": {}},
        _choice("message", _TEXT, "length"),
        [_choice("delta", _TEXT, None), {**_choice("delta", "", "length"), **_METRICS}],
    ),
}


def _stream(events: Sequence[dict[str, Any]], *, ends: bool = True) -> RawReply:
    frames = b"".join(
        eventstream.event("chunk", {"bytes": base64.b64encode(json.dumps(event).encode()).decode()}) for event in events
    )
    headers = {"Content-Type": eventstream.CONTENT_TYPE}
    return http_reply(200, frames, headers) if ends else http_reply(200, frames, headers, chunked=True)


def _scenario(name: str, fault: Fault, reply: RawReply, *, stream: bool = False) -> ClientScenario:
    return ClientScenario(name=name, api="invoke-model", faults=frozenset({fault}), reply=reply, stream=stream)


FAMILY_SCENARIOS: Final[tuple[ClientScenario, ...]] = tuple(
    scenario
    for family, (empty, cut, events) in _FAMILIES.items()
    for scenario in (
        _scenario(f"{family}: no output", Fault.MALFORMED_RESPONSE, http_reply(200, json.dumps(empty).encode())),
        _scenario(f"{family}: cut at the limit", Fault.INCOMPLETE_RESPONSE, http_reply(200, json.dumps(cut).encode())),
        _scenario(
            f"{family}: half of the body", Fault.MALFORMED_RESPONSE, http_reply(200, json.dumps(cut).encode()[:-3])
        ),
        _scenario(f"{family}: stream cut at the limit", Fault.INCOMPLETE_RESPONSE, _stream(events), stream=True),
        _scenario(f"{family}: stream without its end", Fault.STREAM_INTERRUPTED, _stream(events[:1]), stream=True),
        _scenario(
            f"{family}: stream whose connection is cut",
            Fault.STREAM_INTERRUPTED,
            _stream(events[:1], ends=False),
            stream=True,
        ),
    )
)
"""What every family can send in place of a response."""
