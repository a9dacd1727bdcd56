"""Complete bodies and streams of every family of models, as the documentation and recordings of them show."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from bedrock_resilience.quotas import Usage

TEXT: Final = "Hello, world"
USAGE: Final = Usage(7, 3)
METRICS: Final[dict[str, Any]] = {
    "amazon-bedrock-invocationMetrics": {
        "inputTokenCount": 7,
        "outputTokenCount": 3,
        "invocationLatency": 50,
        "firstByteLatency": 5,
    }
}


@dataclass(frozen=True, slots=True, kw_only=True)
class FamilyExample:
    """A complete body and a complete stream with the text ``TEXT``.

    Attributes:
        body: The body of a response.
        empty: The same without text, in the same fields.
        events: The events of a stream; the last of ``unfinished`` is the last before it is complete.
        unfinished: How many of the events an incomplete stream may have.
        stop_reason: The path of the stop reason in the body.
        usage: The usage in the body.
        request: A request with a limit of 77 output tokens.
    """

    body: dict[str, Any]
    empty: dict[str, Any]
    events: list[dict[str, Any]]
    unfinished: int
    stop_reason: tuple[str | int, ...]
    usage: Usage | None
    request: dict[str, Any]


def _converse(text: str) -> dict[str, Any]:
    return {
        "output": {"message": {"role": "assistant", "content": [{"text": text}]}},
        "stopReason": "end_turn",
        "usage": {"inputTokens": 7, "outputTokens": 3, "totalTokens": 10},
    }


def _claude(text: str) -> dict[str, Any]:
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude",
        "content": [{"type": "text", "text": text}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": 7, "output_tokens": 3},
    }


def _titan(text: str) -> dict[str, Any]:
    result = {"tokenCount": 3, "outputText": text, "completionReason": "FINISH"}
    return {"inputTextTokenCount": 7, "results": [result]}


def _llama(text: str) -> dict[str, Any]:
    return {"generation": text, "prompt_token_count": 7, "generation_token_count": 3, "stop_reason": "stop"}


def _chat(text: str, reason: str = "finish_reason") -> dict[str, Any]:
    message = {"role": "assistant", "content": text, "tool_calls": None}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1_764_000_000,
        "model": "m",
        "choices": [{"index": 0, "message": message, "logprobs": None, reason: "stop"}],
        "usage": {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10},
        "system_fingerprint": "fp_1",
        "service_tier": "default",
    }


def _chunk(key: str, message: dict[str, Any], reason: str | None, name: str = "finish_reason") -> dict[str, Any]:
    choice = {"index": 0, key: message, "logprobs": None, name: reason}
    return {"id": "1", "object": "chat.completion.chunk", "model": "m", "created": 1, "choices": [choice], "p": "abc"}


def _command_r(text: str) -> dict[str, Any]:
    return {
        "response_id": "r",
        "text": text,
        "generation_id": "g",
        "chat_history": [{"role": "USER", "message": "Hi"}],
        "finish_reason": "COMPLETE",
        "meta": {"billed_units": {"input_tokens": 7, "output_tokens": 3}},
    }


_CONVERSE_EVENTS: Final[list[dict[str, Any]]] = [
    {"messageStart": {"role": "assistant"}},
    {"contentBlockDelta": {"delta": {"text": "Hello, "}, "contentBlockIndex": 0}},
    {"contentBlockDelta": {"delta": {"text": "world"}, "contentBlockIndex": 0}},
    {"contentBlockStop": {"contentBlockIndex": 0}},
    {"messageStop": {"stopReason": "end_turn"}},
]

FAMILIES: Final[dict[str, FamilyExample]] = {
    "Nova": FamilyExample(
        body=_converse(TEXT),
        empty=_converse(""),
        events=[
            *_CONVERSE_EVENTS,
            {"metadata": {"usage": {"inputTokens": 7, "outputTokens": 3}, "metrics": {}}, **METRICS},
        ],
        unfinished=4,
        stop_reason=("stopReason",),
        usage=USAGE,
        request={"messages": [], "inferenceConfig": {"max_new_tokens": 77}},
    ),
    "Claude": FamilyExample(
        body=_claude(TEXT),
        empty=_claude(""),
        events=[
            {"type": "message_start", "message": {**_claude(""), "content": [], "stop_reason": None}},
            {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
            {"type": "ping"},
            {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hello, "}},
            {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "world"}},
            {"type": "content_block_stop", "index": 0},
            {
                "type": "message_delta",
                "delta": {"stop_reason": "end_turn", "stop_sequence": None},
                "usage": {"output_tokens": 3},
            },
            {"type": "message_stop", **METRICS},
        ],
        unfinished=7,
        stop_reason=("stop_reason",),
        usage=USAGE,
        request={"messages": [], "max_tokens": 77},
    ),
    "Claude 2": FamilyExample(
        body={"completion": TEXT, "stop_reason": "stop_sequence", "stop": "\n\nHuman:"},
        empty={"completion": "", "stop_reason": "end_turn", "stop": None},
        events=[
            {"type": "completion", "completion": "Hello, ", "stop_reason": None, "stop": None},
            {"type": "completion", "completion": "world", "stop_reason": None, "stop": None},
            {"type": "completion", "completion": "", "stop_reason": "stop_sequence", "stop": "\n\nHuman:", **METRICS},
        ],
        unfinished=2,
        stop_reason=("stop_reason",),
        usage=None,
        request={"prompt": "Hi", "max_tokens_to_sample": 77},
    ),
    "Titan": FamilyExample(
        body=_titan(TEXT),
        empty=_titan(""),
        events=[
            {"index": 0, "outputText": "Hello, ", "completionReason": None, "totalOutputTextTokenCount": None},
            {
                "index": 0,
                "inputTextTokenCount": 7,
                "outputText": "world",
                "completionReason": "FINISH",
                "totalOutputTextTokenCount": 3,
                **METRICS,
            },
        ],
        unfinished=1,
        stop_reason=("results", 0, "completionReason"),
        usage=USAGE,
        request={"inputText": "Hi", "textGenerationConfig": {"maxTokenCount": 77}},
    ),
    "Llama": FamilyExample(
        body=_llama(TEXT),
        empty=_llama(""),
        events=[
            {"generation": "Hello, ", "prompt_token_count": 7, "generation_token_count": 1, "stop_reason": None},
            {"generation": "world", "prompt_token_count": None, "generation_token_count": 2, "stop_reason": None},
            {
                "generation": "",
                "prompt_token_count": None,
                "generation_token_count": 3,
                "stop_reason": "stop",
                **METRICS,
            },
        ],
        unfinished=2,
        stop_reason=("stop_reason",),
        usage=USAGE,
        request={"prompt": "Hi", "max_gen_len": 77},
    ),
    "Mistral text": FamilyExample(
        body={"outputs": [{"text": TEXT, "stop_reason": "stop"}]},
        empty={"outputs": [{"text": "", "stop_reason": "stop"}]},
        events=[
            {"outputs": [{"text": "Hello, ", "stop_reason": None}]},
            {"outputs": [{"text": "world", "stop_reason": "stop"}], **METRICS},
        ],
        unfinished=1,
        stop_reason=("outputs", 0, "stop_reason"),
        usage=None,
        request={"prompt": "Hi", "max_tokens": 77},
    ),
    "Mistral chat": FamilyExample(
        body=_chat(TEXT, "stop_reason"),
        empty=_chat("", "stop_reason"),
        events=[
            _chunk("message", {"role": "assistant", "content": "", "tool_calls": None}, None, "stop_reason"),
            _chunk("message", {"role": None, "content": "Hello, "}, None, "stop_reason"),
            _chunk("message", {"role": None, "content": "world"}, None, "stop_reason"),
            {
                **_chunk("message", {"role": None, "content": ""}, "stop", "stop_reason"),
                "usage": {"prompt_tokens": 7, "total_tokens": 10, "completion_tokens": 3},
                **METRICS,
            },
        ],
        unfinished=3,
        stop_reason=("choices", 0, "stop_reason"),
        usage=USAGE,
        request={"messages": [], "max_tokens": 77},
    ),
    "chat completions": FamilyExample(
        body=_chat(TEXT),
        empty=_chat(""),
        events=[
            _chunk("delta", {"role": "assistant", "content": ""}, None),
            _chunk("delta", {"reasoning": "They greet."}, None),
            _chunk("delta", {"content": "Hello, "}, None),
            _chunk("delta", {"content": "world"}, None),
            _chunk("delta", {}, "stop"),
            {"id": "1", "choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 3}, "p": "ab", **METRICS},
        ],
        unfinished=5,
        stop_reason=("choices", 0, "finish_reason"),
        usage=USAGE,
        request={"messages": [], "max_completion_tokens": 77},
    ),
    "DeepSeek-R1 text": FamilyExample(
        body={"choices": [{"text": TEXT, "stop_reason": "stop"}]},
        empty={"choices": [{"text": "", "stop_reason": "stop"}]},
        events=[
            {"choices": [{"text": "Hello, ", "stop_reason": None}]},
            {"choices": [{"text": "world", "stop_reason": "stop"}], **METRICS},
        ],
        unfinished=1,
        stop_reason=("choices", 0, "stop_reason"),
        usage=None,
        request={"prompt": "Hi", "max_tokens": 77},
    ),
    "Cohere Command": FamilyExample(
        body={"id": "1", "prompt": "Hi", "generations": [{"id": "2", "text": TEXT, "finish_reason": "COMPLETE"}]},
        empty={"id": "1", "prompt": "Hi", "generations": [{"id": "2", "text": "", "finish_reason": "COMPLETE"}]},
        events=[
            {"index": 0, "is_finished": False, "text": "Hello, "},
            {"index": 0, "is_finished": False, "text": "world"},
            {
                "is_finished": True,
                "finish_reason": "COMPLETE",
                "response": {"id": "1", "generations": [{"text": TEXT}], "prompt": "Hi"},
                **METRICS,
            },
        ],
        unfinished=2,
        stop_reason=("generations", 0, "finish_reason"),
        usage=None,
        request={"prompt": "Hi", "max_tokens": 77},
    ),
    "Cohere Command R": FamilyExample(
        body=_command_r(TEXT),
        empty=_command_r(""),
        events=[
            {"is_finished": False, "event_type": "stream-start", "generation_id": "g"},
            {"is_finished": False, "event_type": "text-generation", "text": "Hello, "},
            {"is_finished": False, "event_type": "text-generation", "text": "world"},
            {
                "is_finished": True,
                "event_type": "stream-end",
                "finish_reason": "COMPLETE",
                "response": _command_r(TEXT),
                **METRICS,
            },
        ],
        unfinished=3,
        stop_reason=("finish_reason",),
        usage=USAGE,
        request={"message": "Hi", "max_tokens": 77},
    ),
}
"""Family -> its examples."""
