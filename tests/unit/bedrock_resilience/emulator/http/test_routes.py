"""Paths, split before they are unquoted."""

from __future__ import annotations

import json

import pytest

from bedrock_resilience.emulator._http.routes import Operation, Route, parse_route
from bedrock_resilience.emulator._protocol.errors import ServiceError

SONNET = "eu.anthropic.claude-sonnet-4-5-20250929-v1:0"
ARN = f"arn:aws:bedrock:eu-west-3:123456789012:inference-profile/{SONNET}"


@pytest.mark.parametrize(
    ("target", "operation", "model"),
    [
        ("/model/eu.anthropic.claude-sonnet-4-5-20250929-v1%3A0/converse", Operation.CONVERSE, SONNET),
        (f"/model/{SONNET}/converse-stream?x=1", Operation.CONVERSE_STREAM, SONNET),
        (f"/model/{ARN.replace('/', '%2F').replace(':', '%3A')}/invoke", Operation.INVOKE_MODEL, ARN),
        ("/model/a.b/invoke-with-response-stream", Operation.INVOKE_MODEL_STREAM, "a.b"),
        ("/model/a.b/count-tokens", Operation.COUNT_TOKENS, "a.b"),
        ("/guardrail/abc/version/DRAFT/apply", Operation.APPLY_GUARDRAIL, "abc"),
    ],
)
def test_every_operation_has_its_path(target: str, operation: Operation, model: str) -> None:
    assert parse_route("POST", target) == Route(operation, model, operation.streams)


@pytest.mark.parametrize(
    ("method", "target"),
    [
        ("GET", "/model/a.b/converse"),
        ("POST", "/model/a.b"),
        ("POST", "/model/a.b/converse/"),
        ("POST", f"/model/{ARN}/converse"),
        ("POST", "/guardrail//version/1/apply"),
        ("POST", "/async-invoke"),
    ],
)
def test_any_other_path_is_no_operation(method: str, target: str) -> None:
    with pytest.raises(ServiceError, match="is not an operation of Bedrock Runtime") as raised:
        parse_route(method, target)
    assert (raised.value.code, raised.value.status) == ("UnknownOperationException", 404)


@pytest.mark.parametrize("model", ["", "%20", "a%20b", "-a", "arn%3Aaws%3As3%3A%3A%3Abucket", "a%2Fb"])
def test_a_malformed_model_id_is_refused(model: str) -> None:
    with pytest.raises(ServiceError, match=r"^ValidationException: The provided model identifier is invalid\.$"):
        parse_route("POST", f"/model/{model}/converse")


def test_streams_are_the_operations_that_stream() -> None:
    assert {operation for operation in Operation if operation.streams} == {
        Operation.CONVERSE_STREAM,
        Operation.INVOKE_MODEL_STREAM,
    }


@pytest.mark.parametrize(
    ("path", "operation"),
    [
        ("/anthropic/v1/messages", Operation.MESSAGES),
        ("/openai/v1/chat/completions?x=1", Operation.CHAT_COMPLETIONS),
        ("/v1/chat/completions", Operation.CHAT_COMPLETIONS),
    ],
)
@pytest.mark.parametrize("streams", [True, False])
def test_other_apis_have_the_model_in_the_body(path: str, operation: Operation, streams: bool) -> None:  # noqa: FBT001 - a parameter of the test
    body = json.dumps({"model": "a.b", "stream": streams}).encode()
    assert parse_route("POST", path, body) == Route(operation, "a.b", streams)


@pytest.mark.parametrize(
    ("body", "message"),
    [(b"{", "The body is not JSON"), (b"[]", "model: Field required"), (b'{"model":"/"}', "The provided model")],
)
def test_a_body_without_a_model_is_refused(body: bytes, message: str) -> None:
    with pytest.raises(ServiceError, match=message):
        parse_route("POST", "/anthropic/v1/messages", body)


@pytest.mark.parametrize(
    ("target", "route"),
    [
        ("/foundation-models?byProvider=Meta", Route(Operation.LIST_FOUNDATION_MODELS, query="byProvider=Meta")),
        ("/foundation-models/a.b%3A0", Route(Operation.GET_FOUNDATION_MODEL, "a.b:0")),
        ("/inference-profiles", Route(Operation.LIST_INFERENCE_PROFILES)),
        ("/inference-profiles/arn%3Aaws%2Fx", Route(Operation.GET_INFERENCE_PROFILE, "arn:aws/x")),
    ],
)
def test_the_control_plane_has_its_paths(target: str, route: Route) -> None:
    assert parse_route("GET", target) == route
