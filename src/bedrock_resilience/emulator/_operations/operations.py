"""The operations: what each reads from its body, and what each answers with."""

from __future__ import annotations

import base64
import binascii
import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from bedrock_resilience.emulator._http.replies import Reply, plain, stream
from bedrock_resilience.emulator._http.routes import Operation, Route
from bedrock_resilience.emulator._protocol import claude, converse, nova
from bedrock_resilience.emulator._protocol.conversation import NO_TOOL, Conversation, conversation_of
from bedrock_resilience.emulator._protocol.errors import ServiceError, invalid
from bedrock_resilience.emulator._protocol.jsonvalues import JsonObject, as_list, as_object, decode, encode, shown
from bedrock_resilience.emulator._protocol.validation import check_converse
from bedrock_resilience.quotas import Usage, model_name

if TYPE_CHECKING:
    from bedrock_resilience.emulator._generation.generation import Generation

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
class Asked:
    """A request for generation that has passed all checks."""

    operation: Operation
    model_id: str
    conversation: Conversation

    @property
    def is_nova(self) -> bool:
        """Whether InvokeModel speaks Nova's form with this model."""
        return _is_nova(self.model_id)


@dataclass(frozen=True, slots=True)
class Done:
    """A generation that is ready to be sent.

    Attributes:
        generation: what was generated.
        usage: the tokens of it.
        request_id: the id of the request.
        seconds: how long the call takes, as far as the client can see.
    """

    generation: Generation
    usage: Usage
    request_id: str
    seconds: float

    @property
    def latency_ms(self) -> int:
        """How long the call takes, as answers tell it."""
        return round(self.seconds * 1000)


def ask(asked: Route, body: bytes) -> Asked | Reply:
    """Read a request; operations that generate nothing are answered at once.

    Raises:
        ServiceError: the request is not one that the operation takes.
    """
    match asked.operation:
        case Operation.CONVERSE | Operation.CONVERSE_STREAM:
            conversation = _conversation(asked.model_id, _object(body))
        case Operation.INVOKE_MODEL | Operation.INVOKE_MODEL_STREAM:
            conversation = _invoked(asked.model_id, body)
        case Operation.COUNT_TOKENS:
            return _count_tokens(asked.model_id, _object(body))
        case _:
            return _apply_guardrail(_object(body))
    return Asked(asked.operation, asked.model_id, conversation)


def reply_of(asked: Asked, done: Done) -> Reply:
    """A generation in the form of the operation that was asked."""
    match asked.operation:
        case Operation.CONVERSE:
            return plain(encode(converse.answer(done.generation, done.usage, done.latency_ms)))
        case Operation.CONVERSE_STREAM:
            return stream(converse.events(done.generation, done.usage, done.latency_ms))
        case Operation.INVOKE_MODEL_STREAM:
            return stream(_chunks(asked, done), headers={"X-Amzn-Bedrock-Content-Type": "application/json"})
        case _:
            return plain(encode(_invoke_body(asked, done)), headers=_invoke_headers(done))


def _object(body: bytes) -> JsonObject:
    try:
        found = as_object(decode(body))
    except ValueError as error:
        raise ServiceError("SerializationException", f"The body is no JSON: {error}") from None
    if found is None:
        raise ServiceError("SerializationException", "The body is no JSON object.")
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
            "The emulator's InvokeModel speaks the forms of Anthropic's models and of Amazon Nova, not that of "
            f"{model_id}. Converse takes every model."
        )
    conversation = _conversation(model_id, claude.to_converse(request))
    return dataclasses.replace(conversation, tool_choice=NO_TOOL) if claude.refuses_tools(request) else conversation


def _is_nova(model_id: str) -> bool:
    return "amazon.nova" in model_id


def _invoke_body(asked: Asked, done: Done) -> dict[str, Any]:
    if asked.is_nova:
        return nova.answer(done.generation, done.usage)
    return claude.answer(done.generation, done.usage, done.request_id, model_name(asked.model_id))


def _invoke_headers(done: Done) -> dict[str, str]:
    return {
        "X-Amzn-Bedrock-Input-Token-Count": str(done.usage.input_tokens),
        "X-Amzn-Bedrock-Output-Token-Count": str(done.usage.output_tokens),
        "X-Amzn-Bedrock-Invocation-Latency": str(done.latency_ms),
    }


def _chunks(asked: Asked, done: Done) -> converse.Events:
    if asked.is_nova:
        return nova.events(done.generation, done.usage, done.latency_ms)
    return claude.events(done.generation, done.usage, done.request_id, model_name(asked.model_id), done.latency_ms)


def _count_tokens(model_id: str, request: JsonObject) -> Reply:
    if model_name(model_id).startswith(_PROFILES):
        raise invalid("The provided model doesn't support counting tokens.")
    given = as_object(request.get("input")) or {}
    inner = as_object(given.get("converse"))
    if inner is not None:
        # Converse counts what it would take, but needs no settings.
        return plain(encode({"inputTokens": _conversation(model_id, inner).input_tokens}))
    body = (as_object(given.get("invokeModel")) or {}).get("body")
    try:
        decoded = base64.b64decode(body, validate=True) if isinstance(body, str) else b""
    except binascii.Error:
        decoded = b""
    if not decoded:
        raise invalid(f"input: got {shown(given)}; accepted: converse, or invokeModel with a body in base64")
    return plain(encode({"inputTokens": _invoked(model_id, decoded).input_tokens}))


def _apply_guardrail(request: JsonObject) -> Reply:
    if request.get("source") not in {"INPUT", "OUTPUT"}:
        raise invalid(f"source: got {shown(request.get('source'))}; accepted: INPUT, OUTPUT")
    if not as_list(request.get("content")):
        raise invalid(f"content: got {shown(request.get('content'))}; accepted: a list of at least one block")
    units = dict.fromkeys(_GUARDRAIL_UNITS, 0)
    return plain(encode({"usage": units, "action": "NONE", "outputs": [], "assessments": []}))
