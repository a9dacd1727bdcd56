"""The operations: how each reads its body, and how each builds its reply."""

from __future__ import annotations

import base64
import binascii
import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from bedrock_resilience.emulator._http.replies import Reply, body_reply, stream_reply
from bedrock_resilience.emulator._http.routes import Operation, Route
from bedrock_resilience.emulator._http.server_sent_events import chat_stream, messages_stream
from bedrock_resilience.emulator._protocol import converse
from bedrock_resilience.emulator._protocol.claude import messages_form
from bedrock_resilience.emulator._protocol.control_plane import (
    get_foundation_model,
    get_inference_profile,
    list_foundation_models,
    list_inference_profiles,
)
from bedrock_resilience.emulator._protocol.conversation import NO_TOOL, Conversation, conversation_of
from bedrock_resilience.emulator._protocol.errors import ServiceError, invalid
from bedrock_resilience.emulator._protocol.families import read_invoke_body
from bedrock_resilience.emulator._protocol.jsonvalues import JsonObject, as_list, as_object, decode, encode, quoted
from bedrock_resilience.emulator._protocol.openai import chat_form
from bedrock_resilience.emulator._protocol.prompts import prompt_request
from bedrock_resilience.emulator._protocol.sampling import check_sampling
from bedrock_resilience.emulator._protocol.thinking import check_thinking
from bedrock_resilience.emulator._protocol.validation import check_converse, merged_turns
from bedrock_resilience.emulator._protocol.vectors import VectorResponse
from bedrock_resilience.quotas import max_output_tokens, model_name
from bedrock_resilience.quotas._models import PROFILE_PREFIXES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from bedrock_resilience.emulator._protocol.generation import CompletedGeneration, Form
    from bedrock_resilience.quotas import Usage

_MALFORMED: Final = "Malformed input request, please reformat your input and try again."
_GUARDRAIL_UNITS: Final = (
    "topicPolicyUnits",
    "contentPolicyUnits",
    "wordPolicyUnits",
    "sensitiveInformationPolicyUnits",
    "sensitiveInformationPolicyFreeUnits",
    "contextualGroundingPolicyUnits",
)


@dataclass(frozen=True, slots=True)
class GenerationRequest:
    """A request for generation that has passed all checks; its form is None under Converse."""

    route: Route
    conversation: Conversation
    form: Form | None = None

    @property
    def model_id(self) -> str:
        """The model or inference profile."""
        return self.route.model_id


@dataclass(frozen=True, slots=True)
class VectorRequest:
    """A request for embeddings or a ranking, with its response."""

    model_id: str
    response: VectorResponse


def parse_request(
    route: Route, body: bytes, profiles: Mapping[str, str] | None = None
) -> GenerationRequest | VectorRequest | Reply:
    """Read a request; for operations that cost no quota, the reply.

    Args:
        route: What the request line says.
        body: The body.
        profiles: Application inference profiles and prompts: ARN to the model or profile behind it.

    Raises:
        ServiceError: The operation does not accept the request.
    """
    profiles = profiles or {}
    if route.operation in _DESCRIPTIONS:
        return body_reply(encode(_DESCRIPTIONS[route.operation](route, profiles)))
    is_prompt = ":prompt/" in route.model_id
    if route.model_id in profiles:
        route = dataclasses.replace(route, model_id=profiles[route.model_id])
    match route.operation:
        case Operation.CONVERSE | Operation.CONVERSE_STREAM:
            return GenerationRequest(route, _converse(route.model_id, _object(body), is_prompt=is_prompt))
        case Operation.INVOKE_MODEL | Operation.INVOKE_MODEL_STREAM:
            return _invoked(route, body)
        case Operation.MESSAGES | Operation.CHAT_COMPLETIONS:
            read = messages_form if route.operation is Operation.MESSAGES else chat_form
            return _formed(route, read(_object(body)))
        case Operation.COUNT_TOKENS:
            return _count_tokens(route.model_id, _object(body))
        case _:
            return _apply_guardrail(_object(body))


_DESCRIPTIONS: Final[Mapping[Operation, Callable[[Route, Mapping[str, str]], JsonObject]]] = {
    Operation.LIST_FOUNDATION_MODELS: lambda route, _: list_foundation_models(route.query),
    Operation.GET_FOUNDATION_MODEL: lambda route, _: get_foundation_model(route.model_id),
    Operation.LIST_INFERENCE_PROFILES: lambda route, profiles: list_inference_profiles(route.query, profiles),
    Operation.GET_INFERENCE_PROFILE: lambda route, profiles: get_inference_profile(route.model_id, profiles),
}

_MODEL_ERRORS: Final = "The model returned the following errors: "
"""What Converse puts before the words of a model."""


def build_reply(request: GenerationRequest, completed: CompletedGeneration) -> Reply:
    """A generation in the form of the requested operation."""
    form = request.form
    if form is None:
        if request.route.streams:
            return stream_reply(converse.stream_events(completed))
        return body_reply(encode(converse.response_body(completed)))
    if request.route.streams:
        return _STREAMS.get(request.route.operation, _chunk_stream)(form.payloads(completed))
    headers = _invoke_headers(completed.usage, completed.latency_ms)
    return body_reply(encode(form.body(completed)), headers=headers)


def _chunk_stream(payloads: Sequence[JsonObject]) -> Reply:
    return stream_reply(_chunks(payloads), headers={"X-Amzn-Bedrock-Content-Type": "application/json"})


_STREAMS: Final = {Operation.MESSAGES: messages_stream, Operation.CHAT_COMPLETIONS: chat_stream}


def vector_reply(request: VectorRequest, usage: Usage, latency_ms: int) -> Reply:
    """The reply to a request for embeddings or a ranking."""
    return body_reply(encode(request.response.body), headers=_invoke_headers(usage, latency_ms))


def _chunks(payloads: Sequence[JsonObject]) -> converse.Events:
    """Each payload as a ``chunk`` event: base64, and padding ``p`` that clients ignore."""
    return [
        ("chunk", {"bytes": base64.b64encode(encode(payload)).decode("ascii"), "p": "abcdefghijklmnop"[: number % 17]})
        for number, payload in enumerate(payloads)
    ]


def _invoke_headers(usage: Usage, latency_ms: int) -> dict[str, str]:
    return {
        "X-Amzn-Bedrock-Input-Token-Count": str(usage.input_tokens),
        "X-Amzn-Bedrock-Output-Token-Count": str(usage.output_tokens),
        "X-Amzn-Bedrock-Invocation-Latency": str(latency_ms),
    }


def _object(body: bytes) -> JsonObject:
    try:
        found = as_object(decode(body))
    except ValueError as error:
        raise ServiceError("SerializationException", f"The body is not JSON: {error}") from None
    if found is None:
        raise ServiceError("SerializationException", "The body is not a JSON object.")
    return found


def _converse(model_id: str, request: JsonObject, *, is_prompt: bool) -> Conversation:
    if ":imported-model/" in model_id:
        # Converse's documentation of ``modelId``; no source was found for the words.
        raise invalid("The Converse API doesn't support imported models.")
    return _conversation(model_id, prompt_request(request) if is_prompt else request, prefix=_MODEL_ERRORS)


def _conversation(model_id: str, request: JsonObject, form: Form | None = None, *, prefix: str = "") -> Conversation:
    most = max_output_tokens(model_id)
    if form is None:
        check_converse(request, max_output_tokens=most)
    else:
        if form.rules.merges_turns:
            request = {**request, "messages": merged_turns(request.get("messages"))}
        check_converse(request, max_output_tokens=most, rules=form.rules)
    check_thinking(request, prefix=prefix)
    check_sampling(model_id, request, prefix=prefix)
    conversation = conversation_of(model_id, request)
    refuses_tools = form is not None and form.refuses_tools
    return dataclasses.replace(conversation, tool_choice=NO_TOOL) if refuses_tools else conversation


def _invoked(route: Route, body: bytes) -> GenerationRequest | VectorRequest:
    read = _read_invoke(route.model_id, body)
    if isinstance(read, VectorResponse):
        if route.streams:
            # No source was found for the words of this refusal.
            raise invalid("The provided model doesn't support response streaming.")
        return VectorRequest(route.model_id, read)
    return _formed(route, read)


def _formed(route: Route, form: Form) -> GenerationRequest:
    return GenerationRequest(route, _conversation(route.model_id, form.request, form), form)


def _read_invoke(model_id: str, body: bytes) -> Form | VectorResponse:
    try:
        request = as_object(decode(body))
    except ValueError:
        request = None
    if request is None:
        raise invalid(_MALFORMED)
    return read_invoke_body(model_id, request)


def _count_tokens(model_id: str, request: JsonObject) -> Reply:
    if model_name(model_id).startswith(PROFILE_PREFIXES):
        raise invalid("The provided model doesn't support counting tokens.")
    given = as_object(request.get("input")) or {}
    inner = as_object(given.get("converse"))
    if inner is not None:
        # What Converse would count; settings are not needed.
        return body_reply(encode({"inputTokens": _conversation(model_id, inner).input_tokens}))
    body = (as_object(given.get("invokeModel")) or {}).get("body")
    try:
        decoded = base64.b64decode(body, validate=True) if isinstance(body, str) else b""
    except binascii.Error:
        decoded = b""
    if not decoded:
        raise invalid(f"input: got {quoted(given)}; accepted: converse, or invokeModel with a body in base64")
    read = _read_invoke(model_id, decoded)
    if isinstance(read, VectorResponse):
        raise invalid("The provided model doesn't support counting tokens.")
    return body_reply(encode({"inputTokens": _conversation(model_id, read.request, read).input_tokens}))


def _apply_guardrail(request: JsonObject) -> Reply:
    if request.get("source") not in {"INPUT", "OUTPUT"}:
        raise invalid(f"source: got {quoted(request.get('source'))}; accepted: INPUT, OUTPUT")
    if not as_list(request.get("content")):
        raise invalid(f"content: got {quoted(request.get('content'))}; accepted: a list of at least one block")
    units = dict.fromkeys(_GUARDRAIL_UNITS, 0)
    return body_reply(encode({"usage": units, "action": "NONE", "outputs": [], "assessments": []}))
