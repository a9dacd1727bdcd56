"""Responses: one that is incomplete or malformed raises a typed error, and any other passes unchanged."""

from __future__ import annotations

import io
import json
import pickle
import ssl
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bedrock_resilience import Fault, classify
from bedrock_resilience.bedrock import converse, invoke_model
from bedrock_resilience.bedrock._responses import (
    ResponseBody,
    check_converse,
    check_invoke_model,
    dig,
    error_in,
    parse_object,
    read_body,
    send,
    with_json_body,
)
from bedrock_resilience.errors import IncompleteResponseError, MalformedResponseError
from bedrock_resilience.quotas import Usage, usage_from
from bedrock_resilience.testing import ScriptedBedrock, claude_response, converse_response, throttling_error

if TYPE_CHECKING:
    from collections.abc import Callable

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
KEYS = st.sampled_from(["output", "message", "content", "stopReason", "stop_reason", "results", "text"])
NEARLY_ANSWERS = st.recursive(
    JSON, lambda inner: st.dictionaries(KEYS, inner, max_size=4) | st.lists(inner, max_size=2), max_leaves=12
)


class Body(io.BytesIO):
    """A body that fails while it is read."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self._error = error

    def read(self, size: int | None = -1, /) -> bytes:
        del size
        raise self._error


def test_a_complete_response_passes_unchanged() -> None:
    client = ScriptedBedrock("Hello")
    response = converse(client, modelId="m", messages=[])
    assert dig(response, "output", "message", "content") == [{"text": "Hello"}]
    assert client.requests == [("converse", {"modelId": "m", "messages": []})]


@pytest.mark.parametrize(
    "response",
    [
        None,
        [],
        {},
        {"output": {}, "stopReason": "end_turn"},
        {"output": {"message": {"role": "assistant"}}, "stopReason": "end_turn"},
        {"output": {"message": {"content": "Hello"}}, "stopReason": "end_turn"},
        {"output": {"message": {"content": [{"text": "Hello"}]}}},
        {"output": {"message": {"content": [{"text": "Hello"}]}}, "stopReason": 5},
        {"output": {"message": {"content": []}}, "stopReason": "end_turn"},
        {"output": {"message": {"content": []}}, "stopReason": "tool_use"},
        {"output": {"message": {"content": [{"text": ""}]}}, "stopReason": "end_turn"},
        {"output": {"message": {"content": [{"reasoningContent": {"text": "Hm"}}]}}, "stopReason": "end_turn"},
    ],
)
def test_what_lacks_a_part_is_malformed(response: object) -> None:
    with pytest.raises(MalformedResponseError) as raised:
        check_converse(response)
    assert raised.value.body is response
    assert classify(raised.value) is Fault.MALFORMED_RESPONSE


@pytest.mark.parametrize("reason", ["stop_sequence", "guardrail_intervened", "content_filtered", "refusal"])
def test_some_stop_reasons_allow_an_empty_message(reason: str) -> None:
    check_converse({"output": {"message": {"content": []}}, "stopReason": reason})
    check_invoke_model({"content": [], "stop_reason": reason})


@pytest.mark.parametrize(
    "reason", ["malformed_model_output", "malformed_tool_use", "max_tokens", "model_context_window_exceeded"]
)
@pytest.mark.parametrize("content", [[{"text": "Hel"}], []])
def test_a_stop_reason_may_say_that_the_response_is_incomplete(reason: str, content: list[object]) -> None:
    response = {"output": {"message": {"content": content}}, "stopReason": reason}
    with pytest.raises(IncompleteResponseError, match=f"incomplete: stop reason '{reason}'") as raised:
        check_converse(response)
    assert raised.value.body is response
    assert raised.value.stop_reason == reason
    assert classify(raised.value) is Fault.INCOMPLETE_RESPONSE
    assert not Fault.INCOMPLETE_RESPONSE.retryable  # the same request would be cut at the same place


def test_an_incomplete_response_without_a_message_is_incomplete_not_malformed() -> None:
    with pytest.raises(IncompleteResponseError):
        check_converse({"stopReason": "malformed_model_output"})


@pytest.mark.parametrize(
    "reason", ["end_turn", "tool_use", "stop_sequence", "guardrail_intervened", "content_filtered"]
)
def test_every_other_stop_reason_ends_a_complete_response(reason: str) -> None:
    check_converse(converse_response("Hello", reason))


@given(NEARLY_ANSWERS)
def test_no_response_raises_anything_else(response: object) -> None:
    try:
        check_converse(response)
    except (MalformedResponseError, IncompleteResponseError):
        return
    assert isinstance(dig(response, "output", "message", "content"), list)


@given(st.dictionaries(KEYS, NEARLY_ANSWERS, max_size=5))
def test_no_body_raises_anything_else(body: dict[str, Any]) -> None:
    try:
        check_invoke_model(body)
    except (MalformedResponseError, IncompleteResponseError):
        return
    assert body.get("stop_reason") != "max_tokens"


def test_a_body_that_is_a_mapping_is_sent_as_json() -> None:
    client = ScriptedBedrock("Hello")
    assert invoke_model(client, modelId="m", body={"max_tokens": 5})["content"][0]["text"] == "Hello"
    [(_, request)] = client.requests
    assert json.loads(request["body"]) == {"max_tokens": 5}
    assert request["contentType"] == request["accept"] == "application/json"


def test_the_content_types_of_the_caller_stay() -> None:
    assert with_json_body({"body": {}, "accept": "*/*"})["accept"] == "*/*"
    assert with_json_body({"modelId": "m", "body": "{}"}) == {"modelId": "m", "body": "{}"}


@pytest.mark.parametrize(
    "body",
    [
        claude_response("Hel", "max_tokens"),
        {"generation": "Hel", "stop_reason": "length"},
        {"output": {"message": {"content": []}}, "stopReason": "max_tokens"},
        {"results": [{"outputText": "Hel", "completionReason": "LENGTH"}]},
        {"outputs": [{"text": "Hel", "stop_reason": "length"}]},
        {"choices": [{"message": {"content": "Hel"}, "finish_reason": "length"}]},
        {"generations": [{"text": "Hel", "finish_reason": "MAX_TOKENS"}]},
        {"text": "Hel", "finish_reason": "MAX_TOKENS"},
    ],
)
def test_the_stop_reason_of_every_model_family_is_read(body: dict[str, Any]) -> None:
    with pytest.raises(IncompleteResponseError):
        invoke_model(ScriptedBedrock(body), modelId="m", body="{}")


@pytest.mark.parametrize(
    "body",
    [
        {"embedding": [0.1, 0.2]},
        {"embedding": None, "score": 0.0},
        {"message": {"role": "assistant", "content": [{"text": "Hello"}]}, "finish_reason": "COMPLETE"},
        {"stop_reason": "tool_use", "content": [{"type": "tool_use", "input": {"a": "b"}}]},
        {"results": [{"outputText": "Hello", "completionReason": "FINISH"}]},
        {"results": "a text"},
    ],
)
def test_bodies_of_other_models_pass(body: dict[str, Any]) -> None:
    assert invoke_model(ScriptedBedrock(body), modelId="m", body="{}") == body


@pytest.mark.parametrize(
    "body",
    [
        {"content": [], "stop_reason": "end_turn"},
        {"content": None, "stop_reason": "end_turn"},
        {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "stop_reason": "end_turn",
            "usage": {"input_tokens": 3},
        },
        {"output": {"message": {"role": "assistant", "content": []}}, "stopReason": "end_turn", "usage": {}},
        {"inputTextTokenCount": 5, "results": []},
        {"generation": "", "prompt_token_count": 1, "generation_token_count": 0, "stop_reason": "stop"},
        {"choices": [], "Usage": {}},
        {"choices": [{"finish_reason": "stop"}]},
        {"message": "Too many requests, please wait before trying again."},  # an error that names no code
        {"amazon-bedrock-invocationMetrics": {"inputTokenCount": 1}},
    ],
)
def test_a_body_without_output_is_malformed(body: dict[str, Any]) -> None:
    with pytest.raises(MalformedResponseError, match="the response has no output") as raised:
        invoke_model(ScriptedBedrock(body), modelId="m", body="{}")
    assert raised.value.body == body


ERRORS: list[tuple[dict[str, Any], Fault]] = [
    ({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}, Fault.OVERLOADED),
    ({"error": {"type": "overloaded_error", "message": "Overloaded"}, "request_id": "req_1"}, Fault.OVERLOADED),
    ({"error": {"message": "Slow", "type": "requests", "code": "rate_limit_exceeded"}}, Fault.THROTTLING),
    ({"error": {"message": "Busy", "type": "server_error", "code": None}}, Fault.INTERNAL_SERVER),
    ({"error": {"message": "Busy", "code": 529}}, Fault.OVERLOADED),
    ({"object": "error", "message": "Busy", "type": "ServiceUnavailableError", "code": 503}, Fault.SERVICE_UNAVAILABLE),
    ({"status": 503, "error": "Service Unavailable"}, Fault.SERVICE_UNAVAILABLE),
    ({"message": "Too many requests", "__type": "ThrottlingException"}, Fault.THROTTLING),
    ({"Message": "Too many tokens per day", "__type": "com.amazon#ThrottlingException"}, Fault.TOKENS_PER_DAY),
    ({"message": "Bad", "code": "ValidationException"}, Fault.VALIDATION),
    ({"Error": {"Code": "AccessDeniedException", "Message": "No"}}, Fault.ACCESS_DENIED),
    ({"message": "Busy", "choices": [], "error": {"type": "overloaded_error"}}, Fault.OVERLOADED),
    ({"error": {"type": "something_new", "message": "?"}}, Fault.MALFORMED_RESPONSE),
    ({"error": "something went wrong"}, Fault.MALFORMED_RESPONSE),
    ({"error": {"message": "no code"}}, Fault.MALFORMED_RESPONSE),
]


@pytest.mark.parametrize(("body", "fault"), ERRORS)
def test_an_error_with_a_success_status_keeps_its_fault(body: dict[str, Any], fault: Fault) -> None:
    with pytest.raises(MalformedResponseError, match="has no output, but an error: ") as raised:
        invoke_model(ScriptedBedrock(body), modelId="m", body="{}")
    assert classify(raised.value) is fault
    assert raised.value.body == body
    with pytest.raises(MalformedResponseError, match="no output message, but an error: ") as raised:
        check_converse(body)
    assert classify(raised.value) is fault


def test_the_error_type_in_the_headers_of_a_success_counts() -> None:
    metadata = {"HTTPHeaders": {"x-amzn-errortype": "ThrottlingException:http://internal.amazon.com/"}}
    with pytest.raises(MalformedResponseError) as raised:
        check_converse({"ResponseMetadata": metadata})  # all that is left of an error after botocore parsed it
    assert raised.value.fault is Fault.THROTTLING


def test_an_output_is_no_error() -> None:
    assert error_in({"type": "message", "content": [], "error": None, "code": "", "status": "ok"}) is None


def test_the_usage_in_the_headers_comes_with_the_body() -> None:
    client = ScriptedBedrock()
    headers = {"x-amzn-bedrock-input-token-count": "7", "x-amzn-bedrock-output-token-count": "3"}
    client.invoke_model = lambda **_: {  # type: ignore[method-assign]
        "ResponseMetadata": {"HTTPHeaders": headers},
        "body": io.BytesIO(b'{"outputs": [{"text": "Hello", "stop_reason": "stop"}]}'),
    }
    body = invoke_model(client, modelId="m", body="{}")
    assert body == {"outputs": [{"text": "Hello", "stop_reason": "stop"}]}
    assert usage_from(body) == Usage(7, 3)
    assert usage_from(pickle.loads(pickle.dumps(body))) == Usage(7, 3)  # noqa: S301 - our own bytes
    assert usage_from(ResponseBody({}, {})) is None


@pytest.mark.parametrize(
    "raw", [b"", b"<html>", b'{"content":', b"[]", b"{}", b"null", b'"text"', b"\xff", b"[" * 99_999]
)
def test_a_body_that_is_no_json_object_is_malformed(raw: bytes) -> None:
    with pytest.raises(MalformedResponseError) as raised:
        read_body({"body": io.BytesIO(raw)})
    assert raised.value.body == raw
    assert raised.value.__cause__ is None


def test_the_body_is_closed_in_every_case() -> None:
    complete, unexpected, broken = io.BytesIO(b'{"a": 1}'), io.BytesIO(b"<html>"), Body(OSError())
    read_body({"body": complete})
    for body in (unexpected, broken):
        with pytest.raises((MalformedResponseError, OSError)):
            read_body({"body": body})
    assert complete.closed
    assert unexpected.closed
    assert broken.closed


def test_a_body_that_cannot_be_closed_is_read_all_the_same() -> None:
    assert read_body({"body": SimpleNamespace(read=lambda: b'{"a": 1}')}) == {"a": 1}


def test_tls_that_breaks_inside_a_response_is_a_lost_connection() -> None:
    broken = ssl.SSLError("decryption failed or bad record mac")
    assert classify(broken) is Fault.CONNECTION_FAILED  # as it would be before the request was sent
    with pytest.raises(ConnectionError) as raised:
        read_body({"body": Body(broken)})
    assert classify(raised.value) is Fault.CONNECTION_LOST
    assert raised.value.__cause__ is broken


def test_other_failures_of_the_body_keep_their_own_type() -> None:
    with pytest.raises(TimeoutError) as raised:
        read_body({"body": Body(TimeoutError())})
    assert classify(raised.value) is Fault.READ_TIMEOUT


def test_an_error_of_the_client_passes_through() -> None:
    error = throttling_error()
    with pytest.raises(type(error)) as raised:
        converse(ScriptedBedrock(error), modelId="m")
    assert raised.value is error


def _failing_parser(parse: Callable[[], object]) -> Callable[..., object]:
    """An operation whose parser trips over what came, as botocore's does."""
    namespace: dict[str, Any] = {"__name__": "botocore.parsers", "parse": parse}
    code = "def operation(**request):\n    response = {'status_code': 200, 'headers': {}}\n    return parse()\n"
    exec(code, namespace)  # noqa: S102 - a function of a module of that name, whatever botocore is installed
    operation: Callable[..., object] = namespace["operation"]
    return operation


def test_a_body_that_the_sdk_cannot_parse_is_malformed() -> None:
    with pytest.raises(MalformedResponseError, match="the SDK cannot parse the response: AttributeError") as raised:
        send(_failing_parser(lambda: [].get("output")), {})  # type: ignore[attr-defined]  # what the parser does with a list
    assert isinstance(raised.value.__cause__, AttributeError)


def test_a_wrong_call_is_no_malformed_response() -> None:
    with pytest.raises(TypeError):
        send(lambda: None, {"modelId": "m"})


def test_failures_survive_pickling() -> None:
    error = MalformedResponseError("no output", {"a": 1}, Fault.OVERLOADED)
    malformed = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes
    incomplete = pickle.loads(pickle.dumps(IncompleteResponseError("max_tokens", {"a": 1})))  # noqa: S301 - as above
    assert (str(malformed), malformed.body, malformed.fault) == ("no output", {"a": 1}, Fault.OVERLOADED)
    assert (incomplete.stop_reason, incomplete.body) == ("max_tokens", {"a": 1})


def test_parsing_takes_text_as_well() -> None:
    assert parse_object('{"a": 1}') == {"a": 1}
