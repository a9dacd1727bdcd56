"""The same error in the shape of each API."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bedrock_resilience.emulator._http.error_shapes import CHAT_PATHS, MESSAGES_PATH, shaped_error
from bedrock_resilience.emulator._protocol.errors import ServiceError

THROTTLE = ServiceError("ThrottlingException", headers={"Retry-After": "3"})


def body(error: ServiceError, target: str) -> Any:  # noqa: ANN401 - any JSON
    return json.loads(b"".join(shaped_error(error, target, "an-id").frames))


def test_an_error_of_the_messages_api() -> None:
    reply = shaped_error(THROTTLE, f"{MESSAGES_PATH}?beta=true", "an-id", delay=1.0)
    assert (reply.status, reply.delay) == (429, 1.0)
    assert (reply.headers["request-id"], reply.headers["Retry-After"]) == ("an-id", "3")
    assert "x-amzn-ErrorType" not in reply.headers
    assert body(THROTTLE, MESSAGES_PATH) == {
        "type": "error",
        "error": {"type": "rate_limit_error", "message": THROTTLE.message},
        "request_id": "an-id",
    }


@pytest.mark.parametrize("path", CHAT_PATHS)
def test_an_error_of_chat_completions(path: str) -> None:
    error = {"message": THROTTLE.message, "type": "rate_limit_error", "param": None, "code": "rate_limit_exceeded"}
    assert body(THROTTLE, path) == {"error": error}
    assert shaped_error(THROTTLE, path, "an-id").headers["x-request-id"] == "an-id"


def test_an_error_of_any_other_path_is_one_of_bedrock() -> None:
    reply = shaped_error(THROTTLE, "/model/a/converse", "an-id", delay=1.0)
    assert reply.headers["x-amzn-ErrorType"].startswith("ThrottlingException:")
    assert (reply.delay, body(THROTTLE, "/x")) == (1.0, {"message": THROTTLE.message})


@pytest.mark.parametrize(
    ("status", "anthropic", "openai"),
    [
        (400, "invalid_request_error", "invalid_request_error"),
        (403, "permission_error", "permission_error"),
        (404, "not_found_error", "invalid_request_error"),
        (424, "api_error", "invalid_request_error"),
        (503, "api_error", "server_error"),
        (529, "overloaded_error", "server_error"),
    ],
)
def test_a_status_has_a_type_in_each_api(status: int, anthropic: str, openai: str) -> None:
    error = ServiceError(None, status=status)
    assert body(error, MESSAGES_PATH)["error"]["type"] == anthropic
    assert body(error, CHAT_PATHS[0])["error"]["type"] == openai
