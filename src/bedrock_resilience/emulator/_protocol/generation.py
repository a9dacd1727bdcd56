"""What a responder generates, and how an API writes requests and responses."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

from bedrock_resilience.emulator._protocol.conversation import Conversation
from bedrock_resilience.emulator._protocol.jsonvalues import JsonObject, as_object

if TYPE_CHECKING:
    from bedrock_resilience.quotas import Usage

_PIECE_CHARACTERS: Final = 24
"""The text of one delta of a stream: about six tokens."""


@dataclass(frozen=True, slots=True)
class Generation:
    """A response before it takes the form of an operation.

    Attributes:
        content: Blocks in Converse's form: ``{"text": ...}``, ``{"toolUse": {"toolUseId", "name", "input"}}``, and
            ``{"reasoningContent": ...}`` with ``{"reasoningText": {"text", "signature"}}`` or ``{"redactedContent"}``
            (in base64).
        stop_reason: Why generation ended, in Converse's words.
        stop_sequence: The sequence at which it ended, if it did.
        input_tokens: As the responder counted them; None leaves the counting to the emulator.
        output_tokens: As for ``input_tokens``.
    """

    content: tuple[JsonObject, ...]
    stop_reason: str = "end_turn"
    stop_sequence: str | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None

    @property
    def text(self) -> str:
        """The text of all blocks, without reasoning."""
        return "".join(block.get("text", "") for block in self.content)


Responder: TypeAlias = Callable[[Conversation], Generation]
"""Generates the responses. It is called from several threads at once, and may raise a ``ServiceError``."""


@dataclass(frozen=True, slots=True)
class CompletedGeneration:
    """A generation that is ready to be sent.

    Attributes:
        generation: What was generated.
        usage: Its tokens.
        request_id: The id of the request.
        model: The id of the model or profile, without the rest of an ARN.
        seconds: How long the call takes, as the client sees it.
    """

    generation: Generation
    usage: Usage
    request_id: str
    model: str
    seconds: float = 0.0

    @property
    def latency_ms(self) -> int:
        """How long the call takes, as responses report it."""
        return round(self.seconds * 1000)

    @property
    def metrics(self) -> dict[str, int]:
        """The metrics in the last chunk of InvokeModelWithResponseStream."""
        return {
            "inputTokenCount": self.usage.input_tokens,
            "outputTokenCount": self.usage.output_tokens,
            "invocationLatency": self.latency_ms,
            "firstByteLatency": self.latency_ms // 5,
            "cacheReadInputTokenCount": self.usage.cache_read_input_tokens,
            "cacheWriteInputTokenCount": self.usage.cache_write_input_tokens,
        }


@dataclass(frozen=True, slots=True)
class Rules:
    """What a form takes that Converse refuses, and what else its requests are checked against.

    Attributes:
        max_temperature: The highest temperature.
        strict_schemas: Whether a schema for the response must be within the subset for strict output.
        merges_turns: Whether several turns of one role in a row are read as one; else they are refused.
        limits_media: Whether the limits of Converse for images and documents apply.
    """

    max_temperature: float = 1.0
    strict_schemas: bool = True
    merges_turns: bool = False
    limits_media: bool = False


class Writers(NamedTuple):
    """How the models of a family write their responses to InvokeModel.

    Attributes:
        body: Writes the body of a response.
        payloads: Writes the JSON objects of a streamed response.
    """

    body: Callable[[CompletedGeneration], JsonObject]
    payloads: Callable[[CompletedGeneration], list[JsonObject]]


@dataclass(frozen=True, slots=True)
class Form:
    """One request of an API other than Converse, in Converse's form, and how its response is written.

    Attributes:
        request: The request in Converse's form.
        body: Writes the body of a response.
        payloads: Writes the JSON objects of a streamed response.
        rules: How the request is checked.
        refuses_tools: Whether the request forbids the use of its tools, which Converse cannot express.
    """

    request: JsonObject
    body: Callable[[CompletedGeneration], JsonObject]
    payloads: Callable[[CompletedGeneration], list[JsonObject]]
    rules: Rules = Rules()
    refuses_tools: bool = False


def reasoning_of(block: JsonObject) -> JsonObject | None:
    """The reasoning of a block: ``{"text", "signature"}``; None if the block has none, or a redacted one."""
    return as_object((as_object(block.get("reasoningContent")) or {}).get("reasoningText"))


def block_text(block: JsonObject) -> str:
    """What a stream sends of a block in pieces: its text, its reasoning, or the JSON of a tool's input."""
    if "toolUse" in block:
        return json.dumps(block["toolUse"]["input"], separators=(",", ":"))
    return str((reasoning_of(block) or block).get("text") or "")


def pieces(text: str) -> list[str]:
    """A text in the pieces that a stream sends."""
    return [text[start : start + _PIECE_CHARACTERS] for start in range(0, len(text), _PIECE_CHARACTERS)]


def with_metrics(payloads: list[JsonObject], completed: CompletedGeneration) -> list[JsonObject]:
    """The payloads of InvokeModelWithResponseStream, whose last one has the metrics."""
    last: dict[str, Any] = {**payloads[-1], "amazon-bedrock-invocationMetrics": completed.metrics}
    return [*payloads[:-1], last]
