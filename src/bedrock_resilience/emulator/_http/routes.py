"""The operation and the model that a request line names."""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote

from bedrock_resilience.emulator._protocol.errors import ServiceError, invalid


class Operation(enum.Enum):
    """An operation of Bedrock Runtime; the value is its name in boto3's errors and in the service model."""

    CONVERSE = "Converse"
    CONVERSE_STREAM = "ConverseStream"
    INVOKE_MODEL = "InvokeModel"
    INVOKE_MODEL_STREAM = "InvokeModelWithResponseStream"
    COUNT_TOKENS = "CountTokens"
    APPLY_GUARDRAIL = "ApplyGuardrail"

    @property
    def streams(self) -> bool:
        """Whether the response is an event stream."""
        return self in {Operation.CONVERSE_STREAM, Operation.INVOKE_MODEL_STREAM}


@dataclass(frozen=True, slots=True)
class Route:
    """An operation, and the model (or guardrail) that is to perform it."""

    operation: Operation
    model_id: str


_MODEL_OPERATIONS: Final = {
    "converse": Operation.CONVERSE,
    "converse-stream": Operation.CONVERSE_STREAM,
    "invoke": Operation.INVOKE_MODEL,
    "invoke-with-response-stream": Operation.INVOKE_MODEL_STREAM,
    "count-tokens": Operation.COUNT_TOKENS,
}

# Ids and ARNs of models, profiles and prompts: broader than the pattern of 500 characters in the service model.
_MODEL_ID: Final = re.compile(
    r"(?!arn:)[A-Za-z0-9][A-Za-z0-9.:_-]*|arn:aws[a-z-]*:(bedrock|sagemaker):[A-Za-z0-9.:_/-]+"
)


def parse_route(method: str, target: str) -> Route:
    """The operation and the model of a request line.

    The path is split before it is unquoted: a model id is one segment, even where it is an ARN with slashes.

    Raises:
        ServiceError: ``UnknownOperationException``, or ``ValidationException`` for a malformed model id.
    """
    path = target.partition("?")[0]
    match method, path.split("/"):
        case "POST", ["", "model", model_id, name] if name in _MODEL_OPERATIONS:
            return Route(_MODEL_OPERATIONS[name], _model_id(model_id))
        case "POST", ["", "guardrail", guardrail, "version", version, "apply"] if guardrail and version:
            return Route(Operation.APPLY_GUARDRAIL, unquote(guardrail))
        case _:
            raise ServiceError("UnknownOperationException", f"{method} {path} is not an operation of Bedrock Runtime.")


def _model_id(segment: str) -> str:
    model_id = unquote(segment)
    if not _MODEL_ID.fullmatch(model_id):
        raise invalid("The provided model identifier is invalid.")
    return model_id
