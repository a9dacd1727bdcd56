"""The operations: how each reads its body, and how each builds its reply."""

from __future__ import annotations

import base64
import binascii
import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from bedrock_resilience.emulator._http.replies import Reply, body_reply, stream_reply
from bedrock_resilience.emulator._http.routes import Operation, Route
from bedrock_resilience.emulator._protocol import claude, converse, nova
from bedrock_resilience.emulator._protocol.conversation import NO_TOOL, Conversation, conversation_of
from bedrock_resilience.emulator._protocol.errors import ServiceError, invalid
from bedrock_resilience.emulator._protocol.jsonvalues import JsonObject, as_list, as_object, decode, encode, quoted
from bedrock_resilience.emulator._protocol.validation import check_converse
from bedrock_resilience.quotas import Usage, model_name

if TYPE_CHECKING:
    from bedrock_resilience.emulator._protocol.generation import Generation

_PROFILES: Final = ("apac.", "au.", "ca.", "eu.", "global.", "jp.", "us-gov.", "us.")
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
    """A request for generation that has passed all checks."""

    operation: Operation
    model_id: str
    conversation: Conversation

    @property
    def is_nova(self) -> bool:
        """Whether InvokeModel uses Nova's form with this model."""
        return _is_nova(self.model_id)


@dataclass(frozen=True, slots=True)
class CompletedGeneration:
    """A generation that is ready to be sent.

    Attributes:
        generation: What was generated.
        usage: Its tokens.
        request_id: The id of the request.
        seconds: How long the call takes, as the client sees it.
    """

    generation: Generation
    usage: Usage
    request_id: str
    seconds: float

    @property
    def latency_ms(self) -> int:
        """How long the call takes, as responses report it."""
        return round(self.seconds * 1000)


def parse_request(route: Route, body: bytes) -> GenerationRequest | Reply:
    """Read a request; for operations that generate nothing, the reply.

    Raises:
        ServiceError: The operation does not accept the request.
    """
    match route.operation:
        case Operation.CONVERSE | Operation.CONVERSE_STREAM:
            conversation = _conversation(route.model_id, _object(body))
        case Operation.INVOKE_MODEL | Operation.INVOKE_MODEL_STREAM:
            conversation = _invoked(route.model_id, body)
        case Operation.COUNT_TOKENS:
            return _count_tokens(route.model_id, _object(body))
        case _:
            return _apply_guardrail(_object(body))
    return GenerationRequest(route.operation, route.model_id, conversation)


def build_reply(request: GenerationRequest, completed: CompletedGeneration) -> Reply:
    """A generation in the form of the requested operation."""
    match request.operation:
        case Operation.CONVERSE:
            return body_reply(
                encode(converse.response_body(completed.generation, completed.usage, completed.latency_ms))
            )
        case Operation.CONVERSE_STREAM:
            return stream_reply(converse.stream_events(completed.generation, completed.usage, completed.latency_ms))
        case Operation.INVOKE_MODEL_STREAM:
            return stream_reply(
                _chunks(request, completed), headers={"X-Amzn-Bedrock-Content-Type": "application/json"}
            )
        case _:
            return body_reply(encode(_invoke_body(request, completed)), headers=_invoke_headers(completed))


def _object(body: bytes) -> JsonObject:
    try:
        found = as_object(decode(body))
    except ValueError as error:
        raise ServiceError("SerializationException", f"The body is not JSON: {error}") from None
    if found is None:
        raise ServiceError("SerializationException", "The body is not a JSON object.")
    return found


def _conversation(model_id: str, request: JsonObject) -> Conversation:
    check_converse(request)
    return conversation_of(model_id, request)


def _invoked(model_id: str, body: bytes) -> Conversation:
    try:
        request = as_object(decode(body))
    except ValueError:
        request = None
    if request is None:
        raise invalid(_MALFORMED)
    if _is_nova(model_id):
        return _conversation(model_id, nova.to_converse(request))
    if "anthropic" not in model_name(model_id) and "anthropic_version" not in request:
        raise invalid(
            "The emulator's InvokeModel supports the forms of Anthropic's models and of Amazon Nova, not that of "
            f"{model_id}. Converse supports every model."
        )
    conversation = _conversation(model_id, claude.to_converse(request))
    return dataclasses.replace(conversation, tool_choice=NO_TOOL) if claude.refuses_tools(request) else conversation


def _is_nova(model_id: str) -> bool:
    return "amazon.nova" in model_id


def _invoke_body(request: GenerationRequest, completed: CompletedGeneration) -> dict[str, Any]:
    if request.is_nova:
        return nova.response_body(completed.generation, completed.usage)
    return claude.response_body(
        completed.generation, completed.usage, completed.request_id, model_name(request.model_id)
    )


def _invoke_headers(completed: CompletedGeneration) -> dict[str, str]:
    return {
        "X-Amzn-Bedrock-Input-Token-Count": str(completed.usage.input_tokens),
        "X-Amzn-Bedrock-Output-Token-Count": str(completed.usage.output_tokens),
        "X-Amzn-Bedrock-Invocation-Latency": str(completed.latency_ms),
    }


def _chunks(request: GenerationRequest, completed: CompletedGeneration) -> converse.Events:
    if request.is_nova:
        return nova.stream_events(completed.generation, completed.usage, completed.latency_ms)
    return claude.stream_events(
        completed.generation, completed.usage, completed.request_id, model_name(request.model_id), completed.latency_ms
    )


def _count_tokens(model_id: str, request: JsonObject) -> Reply:
    if model_name(model_id).startswith(_PROFILES):
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
    return body_reply(encode({"inputTokens": _invoked(model_id, decoded).input_tokens}))


def _apply_guardrail(request: JsonObject) -> Reply:
    if request.get("source") not in {"INPUT", "OUTPUT"}:
        raise invalid(f"source: got {quoted(request.get('source'))}; accepted: INPUT, OUTPUT")
    if not as_list(request.get("content")):
        raise invalid(f"content: got {quoted(request.get('content'))}; accepted: a list of at least one block")
    units = dict.fromkeys(_GUARDRAIL_UNITS, 0)
    return body_reply(encode({"usage": units, "action": "NONE", "outputs": [], "assessments": []}))
