"""How each API writes an error: Bedrock's own operations, the Messages API, and chat completions."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from bedrock_resilience.emulator._http.replies import body_reply, error_reply
from bedrock_resilience.emulator._protocol.jsonvalues import encode

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bedrock_resilience.emulator._http.replies import Reply
    from bedrock_resilience.emulator._protocol.errors import ServiceError
    from bedrock_resilience.emulator._protocol.jsonvalues import JsonObject

MESSAGES_PATH: Final = "/anthropic/v1/messages"
"""AWS, "Inference using Anthropic Messages API": the base address of an SDK ends in ``/anthropic``."""

CHAT_PATHS: Final = ("/openai/v1/chat/completions", "/v1/chat/completions")
"""AWS, "Invoke a model with the OpenAI Chat Completions API", and "Inference using Chat Completions API"."""

# Anthropic, "Errors". The statuses that only Bedrock has are errors of the API.
_ANTHROPIC_TYPES: Final[Mapping[int, str]] = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    408: "timeout_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}
# OpenAI, "Error codes": type and code. Which of them Bedrock sends, no source says.
_OPENAI_TYPES: Final[Mapping[int, tuple[str, str | None]]] = {
    401: ("authentication_error", "invalid_api_key"),
    403: ("permission_error", None),
    404: ("invalid_request_error", "model_not_found"),
    429: ("rate_limit_error", "rate_limit_exceeded"),
}


def shaped_error(error: ServiceError, target: str, request_id: str, *, delay: float = 0.0) -> Reply:
    """An error in the shape of the API that the path of the request belongs to."""
    path = target.partition("?")[0]
    if path == MESSAGES_PATH:
        body: JsonObject = {**anthropic_error(error), "request_id": request_id}
        headers = {"request-id": request_id, **error.headers}
    elif path in CHAT_PATHS:
        body, headers = openai_error(error), {"x-request-id": request_id, **error.headers}
    else:
        return error_reply(error, delay=delay)
    return body_reply(encode(body), status=error.status, headers=headers, delay=delay)


def anthropic_error(error: ServiceError) -> JsonObject:
    """The body of an error of the Messages API, and the event that is one."""
    kind = _ANTHROPIC_TYPES.get(error.status, "api_error")
    return {"type": "error", "error": {"type": kind, "message": error.message}}


def openai_error(error: ServiceError) -> JsonObject:
    """The body of an error of chat completions, and the chunk that is one."""
    server = error.status >= HTTPStatus.INTERNAL_SERVER_ERROR
    kind, code = _OPENAI_TYPES.get(error.status, ("server_error" if server else "invalid_request_error", None))
    return {"error": {"message": error.message, "type": kind, "param": None, "code": code}}
