"""The operation and the model that a request line names."""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote

from bedrock_resilience.emulator._http.error_shapes import CHAT_PATHS, MESSAGES_PATH
from bedrock_resilience.emulator._protocol.errors import ServiceError, invalid
from bedrock_resilience.emulator._protocol.jsonvalues import as_object, decode


class Operation(enum.Enum):
    """An operation of Bedrock; the value is its name in boto3's errors and in the service models."""

    CONVERSE = "Converse"
    CONVERSE_STREAM = "ConverseStream"
    INVOKE_MODEL = "InvokeModel"
    INVOKE_MODEL_STREAM = "InvokeModelWithResponseStream"
    COUNT_TOKENS = "CountTokens"
    APPLY_GUARDRAIL = "ApplyGuardrail"
    MESSAGES = "Messages"
    CHAT_COMPLETIONS = "ChatCompletions"
    LIST_FOUNDATION_MODELS = "ListFoundationModels"
    GET_FOUNDATION_MODEL = "GetFoundationModel"
    LIST_INFERENCE_PROFILES = "ListInferenceProfiles"
    GET_INFERENCE_PROFILE = "GetInferenceProfile"

    @property
    def streams(self) -> bool:
        """Whether the response is always a stream; those of Messages and ChatCompletions are if the body says so."""
        return self in {Operation.CONVERSE_STREAM, Operation.INVOKE_MODEL_STREAM}


@dataclass(frozen=True, slots=True)
class Route:
    """What a request line, and if necessary the body, say about a request.

    Attributes:
        operation: The operation.
        model_id: The model, profile or guardrail; empty for an operation that names none.
        streams: Whether the response is a stream.
        query: The query string.
    """

    operation: Operation
    model_id: str = ""
    streams: bool = False
    query: str = ""


_MODEL_OPERATIONS: Final = {
    "converse": Operation.CONVERSE,
    "converse-stream": Operation.CONVERSE_STREAM,
    "invoke": Operation.INVOKE_MODEL,
    "invoke-with-response-stream": Operation.INVOKE_MODEL_STREAM,
    "count-tokens": Operation.COUNT_TOKENS,
}

# The first segment of a path of the control plane -> the operation without an id, and the one with it.
_DESCRIPTIONS: Final = {
    "foundation-models": (Operation.LIST_FOUNDATION_MODELS, Operation.GET_FOUNDATION_MODEL),
    "inference-profiles": (Operation.LIST_INFERENCE_PROFILES, Operation.GET_INFERENCE_PROFILE),
}

MANTLE_PREFIX: Final = "/bedrock-mantle"
"""The path of ``bedrock-mantle`` on the emulator; AWS has a separate host for it."""

_MANTLE_HOST: Final = "bedrock-mantle."
_MANTLE_PATH: Final = "/v1/"  # of OpenAI's APIs; those of bedrock-runtime are below /openai

MANTLE_OPERATIONS: Final = frozenset({Operation.MESSAGES, Operation.CHAT_COMPLETIONS})
"""The operations of ``bedrock-mantle``, except OpenAI's Responses."""


def is_for_mantle(target: str, host: str) -> bool:
    """Return whether a request is to ``bedrock-mantle``, by its path or by the host that the client requested."""
    return target.startswith((f"{MANTLE_PREFIX}/", _MANTLE_PATH)) or host.startswith(_MANTLE_HOST)


# Ids and ARNs of models, profiles and prompts: broader than the pattern of 500 characters in the service model.
_MODEL_ID: Final = re.compile(
    r"(?!arn:)[A-Za-z0-9][A-Za-z0-9.:_-]*|arn:aws[a-z-]*:(bedrock|sagemaker):[A-Za-z0-9.:_/-]+"
)


def parse_route(method: str, target: str, body: bytes = b"") -> Route:
    """The operation and the model of a request.

    The path is split before it is unquoted: a model id is one segment, even if it is an ARN with slashes. The
    Messages API and chat completions have the model in the body.

    Raises:
        ServiceError: ``UnknownOperationException``, or ``ValidationException`` for a malformed model id.
    """
    path, _, query = target.partition("?")
    match method, path.split("/"):
        case "POST", ["", "model", model_id, name] if name in _MODEL_OPERATIONS:
            operation = _MODEL_OPERATIONS[name]
            return Route(operation, _model_id(unquote(model_id)), operation.streams)
        case "GET", ["", name, *rest] if name in _DESCRIPTIONS and len(rest) <= 1:
            operation = _DESCRIPTIONS[name][len(rest)]
            return Route(operation, unquote("".join(rest)), query=query)
        case "POST", _ if path == MESSAGES_PATH:
            return _route_of_body(Operation.MESSAGES, body)
        case "POST", _ if path in CHAT_PATHS:
            return _route_of_body(Operation.CHAT_COMPLETIONS, body)
        case "POST", ["", "guardrail", guardrail, "version", version, "apply"] if guardrail and version:
            return Route(Operation.APPLY_GUARDRAIL, unquote(guardrail))
        case _:
            raise ServiceError("UnknownOperationException", f"{method} {path} is not an operation of Bedrock Runtime.")


def _route_of_body(operation: Operation, body: bytes) -> Route:
    try:
        fields = as_object(decode(body)) or {}
    except ValueError as error:
        raise invalid(f"The body is not JSON: {error}") from None
    model_id = fields.get("model")
    if not isinstance(model_id, str):
        raise invalid("model: Field required")
    return Route(operation, _model_id(model_id), bool(fields.get("stream")))


def _model_id(model_id: str) -> str:
    if not _MODEL_ID.fullmatch(model_id):
        raise invalid("The provided model identifier is invalid.")
    return model_id
