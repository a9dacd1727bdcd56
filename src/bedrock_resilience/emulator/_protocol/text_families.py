"""Bodies of InvokeModel of the families that complete a prompt: Titan, Cohere Command, Llama, Mistral and DeepSeek.

Each family is data: where its settings are in the body, and how it writes a response. The shapes are those of AWS,
"Inference request parameters and response fields for foundation models", one page a family.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

from bedrock_resilience.emulator._protocol.errors import malformed
from bedrock_resilience.emulator._protocol.generation import (
    CompletedGeneration,
    Form,
    Rules,
    Writers,
    pieces,
    with_metrics,
)
from bedrock_resilience.emulator._protocol.jsonvalues import as_object

if TYPE_CHECKING:
    from bedrock_resilience.emulator._protocol.jsonvalues import JsonObject

Write: TypeAlias = Callable[[CompletedGeneration, str, str | None], "JsonObject"]
"""Writes a body, or a chunk, from a text and the reason why the response ended; None within a stream."""

# The last turn of the user in a prompt that follows a template: of Llama 3, of Mistral and Llama 2, of Titan.
_LAST_TURN: Final = re.compile(
    r".*(?:<\|start_header_id\|>user<\|end_header_id\|>(?P<llama>.*?)<\|eot_id\|>|\[INST\](?P<mistral>.*?)\[/INST\]"
    r"|\b(?:User|Human):(?P<titan>.*?)(?:\n(?:Bot|Assistant):|\Z))",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class TextFamily:
    """How one family of models completes a prompt.

    Attributes:
        prompt: The field of the prompt.
        settings: Names of Converse to the fields of the same settings, with dots between nested ones.
        fields: Further fields that the body may have.
        reasons: Stop reasons of Converse to those of the family; any other is the one of ``end_turn``.
        body: Writes the body of a response.
        chunk: Writes a chunk of a streamed response.
        max_temperature: The highest temperature.
    """

    prompt: str
    settings: Mapping[str, str]
    fields: frozenset[str]
    reasons: Mapping[str, str]
    body: Write
    chunk: Write
    max_temperature: float = 1.0

    def form_of(self, body: JsonObject) -> Form:
        """A body of InvokeModel.

        Raises:
            ServiceError: ``ValidationException``, if the prompt is missing or a field is unknown.
        """
        check_fields(body, {self.prompt, *self.fields, *(path.partition(".")[0] for path in self.settings.values())})
        prompt = body.get(self.prompt)
        if not isinstance(prompt, str):
            raise malformed(f"#: required key [{self.prompt}] not found")
        templated = _LAST_TURN.match(prompt)
        text = next((turn for turn in templated.groups() if turn), prompt) if templated else prompt
        inference = {name: _at(body, path) for name, path in self.settings.items()}
        request = {
            "messages": [{"role": "user", "content": [{"text": text.strip()}]}],
            "inferenceConfig": {name: value for name, value in inference.items() if value is not None},
        }
        return Form(request, *self.writers, Rules(max_temperature=self.max_temperature))

    @property
    def writers(self) -> Writers:
        """How it writes responses."""
        return Writers(self._body, self._payloads)

    def _body(self, completed: CompletedGeneration) -> JsonObject:
        return self.body(completed, completed.generation.text, self._reason(completed))

    def _payloads(self, completed: CompletedGeneration) -> list[JsonObject]:
        chunks = [self.chunk(completed, piece, None) for piece in pieces(completed.generation.text)]
        return with_metrics([*chunks, self.chunk(completed, "", self._reason(completed))], completed)

    def _reason(self, completed: CompletedGeneration) -> str:
        return self.reasons.get(completed.generation.stop_reason, self.reasons["end_turn"])


def check_fields(body: JsonObject, accepted: set[str]) -> None:
    """Refuse a field that is unknown, in the words of the service.

    They are quoted in https://github.com/fumito-ito/AnthropicSwiftSDK/issues/19.
    """
    for name in body:
        if name not in accepted:
            raise malformed(f"#: extraneous key [{name}] is not permitted")


def _at(body: JsonObject, path: str) -> object:
    found: object = body
    for name in path.split("."):
        found = (as_object(found) or {}).get(name)
    return found


def _titan_body(completed: CompletedGeneration, text: str, reason: str | None) -> JsonObject:
    result = {"tokenCount": completed.usage.output_tokens, "outputText": text, "completionReason": reason}
    return {"inputTextTokenCount": completed.usage.input_tokens, "results": [result]}


def _titan_chunk(completed: CompletedGeneration, text: str, reason: str | None) -> JsonObject:
    return {
        "index": 0,
        "outputText": text,
        "completionReason": reason,
        "inputTextTokenCount": completed.usage.input_tokens,
        "totalOutputTextTokenCount": None if reason is None else completed.usage.output_tokens,
    }


def _llama(completed: CompletedGeneration, text: str, reason: str | None) -> JsonObject:
    return {
        "generation": text,
        "prompt_token_count": completed.usage.input_tokens,
        "generation_token_count": completed.usage.output_tokens,
        "stop_reason": reason,
    }


def _mistral(_completed: CompletedGeneration, text: str, reason: str | None) -> JsonObject:
    return {"outputs": [{"text": text, "stop_reason": reason}]}


def _command_body(completed: CompletedGeneration, text: str, reason: str | None) -> JsonObject:
    generation = {"finish_reason": reason, "id": completed.request_id, "text": text}
    return {"generations": [generation], "id": completed.request_id}


def _command_chunk(_completed: CompletedGeneration, text: str, reason: str | None) -> JsonObject:
    return {"is_finished": False, "text": text} if reason is None else {"is_finished": True, "finish_reason": reason}


def _deepseek(_completed: CompletedGeneration, text: str, reason: str | None) -> JsonObject:
    return {"choices": [{"text": text, "stop_reason": reason}]}


_LENGTH: Final[Mapping[str, str]] = {"end_turn": "stop", "max_tokens": "length"}

TITAN: Final = TextFamily(
    "inputText",
    {
        "maxTokens": "textGenerationConfig.maxTokenCount",
        "temperature": "textGenerationConfig.temperature",
        "topP": "textGenerationConfig.topP",
        "stopSequences": "textGenerationConfig.stopSequences",
    },
    frozenset(),
    {
        "end_turn": "FINISH",
        "max_tokens": "LENGTH",
        "stop_sequence": "STOP_CRITERIA_MET",
        "content_filtered": "CONTENT_FILTERED",
    },
    _titan_body,
    _titan_chunk,
)
COMMAND: Final = TextFamily(
    "prompt",
    {"maxTokens": "max_tokens", "temperature": "temperature", "topP": "p", "stopSequences": "stop_sequences"},
    frozenset({"k", "logit_bias", "num_generations", "return_likelihoods", "stream", "truncate"}),
    {"end_turn": "COMPLETE", "max_tokens": "MAX_TOKENS", "content_filtered": "ERROR_TOXIC"},
    _command_body,
    _command_chunk,
    max_temperature=5.0,
)
LLAMA: Final = TextFamily(
    "prompt",
    {"maxTokens": "max_gen_len", "temperature": "temperature", "topP": "top_p"},
    frozenset({"images"}),
    _LENGTH,
    _llama,
    _llama,
)
MISTRAL: Final = TextFamily(
    "prompt",
    {"maxTokens": "max_tokens", "temperature": "temperature", "topP": "top_p", "stopSequences": "stop"},
    frozenset({"top_k"}),
    _LENGTH,
    _mistral,
    _mistral,
)
DEEPSEEK: Final = TextFamily(
    "prompt",
    {"maxTokens": "max_tokens", "temperature": "temperature", "topP": "top_p", "stopSequences": "stop"},
    frozenset(),
    _LENGTH,
    _deepseek,
    _deepseek,
)
