"""A local language model's server, stubbed on loopback: what it is asked, and what its answers become."""

from __future__ import annotations

import http.server
import json
import threading
from typing import TYPE_CHECKING, Any, cast

import pytest

from bedrock_resilience.emulator import BedrockEmulator, Generation, OpenAIBackend
from bedrock_resilience.emulator._generation.openai_backend import completion_request
from bedrock_resilience.emulator._protocol.conversation import ANY, NO_TOOL, ChatMessage, Conversation, Tool
from bedrock_resilience.emulator._protocol.errors import ServiceError
from support.bedrock import SONNET, client_of, forced, user

if TYPE_CHECKING:
    from collections.abc import Generator

TOOL = Tool("record", "Records.", {"type": "object"})
USE: dict[str, Any] = {"toolUse": {"toolUseId": "1", "name": "record", "input": {"a": 1}}}


class Stub(http.server.ThreadingHTTPServer):
    """Answers every request with what it was given, and keeps what it was asked."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answer: Any = None
        self.status = 200
        self.delay = threading.Event()
        self.delay.set()
        self.asked: list[tuple[str, dict[str, str], Any]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1/"

    def handle_error(self, request: object, client_address: object) -> None:
        """The client that gave up waiting is expected; without this its departure is printed."""
        del request, client_address


class _Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        stub = cast("Stub", self.server)
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        stub.asked.append((self.path, dict(self.headers), body))
        stub.delay.wait(5)
        answer = stub.answer
        data = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        self.send_response(stub.status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the base class's
        del format, args


@pytest.fixture
def stub() -> Generator[Stub]:
    server = Stub()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.delay.set()
    server.shutdown()
    server.server_close()
    thread.join()


def completion(content: str | None = None, reason: str = "stop", calls: Any = None, **more: Any) -> dict[str, Any]:  # noqa: ANN401 - right and wrong ones
    message = {"role": "assistant", "content": content, "tool_calls": calls}
    return {"choices": [{"message": message, "finish_reason": reason}], **more}


def call(arguments: object, identity: str | None = "c1") -> dict[str, Any]:
    return {"id": identity, "type": "function", "function": {"name": "record", "arguments": arguments}}


def asked(**fields: Any) -> Conversation:  # noqa: ANN401 - any field
    return Conversation("model", "", (ChatMessage("user", ({"text": "Hello."},)),), **fields)


class TestRequest:
    def test_every_part_of_a_conversation_is_translated(self) -> None:
        image: dict[str, Any] = {"image": {"format": "png", "source": {"bytes": "eA=="}}}
        far: dict[str, Any] = {"image": {"format": "png", "source": {"s3Location": {"uri": "s3://bucket/x"}}}}
        result: dict[str, Any] = {"toolResult": {"toolUseId": "1", "content": [{"json": {"b": 2}}]}}
        conversation = Conversation(
            "model",
            "Be brief.",
            (
                ChatMessage("user", ({"text": "One."}, {"text": "Two."}, {"cachePoint": {"type": "default"}})),
                ChatMessage("assistant", ({"text": "Three."}, USE)),
                ChatMessage("user", (result, {"text": "Four."}, image, far)),
                ChatMessage("assistant", (USE,)),
                ChatMessage("user", (result,)),
            ),
            max_tokens=5,
            temperature=0.5,
            top_p=0.9,
            stop_sequences=("x",),
        )
        calls = [{"id": "1", "type": "function", "function": {"name": "record", "arguments": '{"a": 1}'}}]
        assert completion_request(conversation, "llama") == {
            "model": "llama",
            "messages": [
                {"role": "system", "content": "Be brief."},
                {"role": "user", "content": "One.\nTwo."},
                {"role": "assistant", "content": "Three.", "tool_calls": calls},
                {"role": "tool", "tool_call_id": "1", "content": '{"b": 2}'},
                {
                    "role": "user",
                    "content": [
                        {"type": "text", "text": "Four."},
                        {"type": "image_url", "image_url": {"url": "data:image/png;base64,eA=="}},
                    ],
                },
                {"role": "assistant", "content": None, "tool_calls": calls},
                {"role": "tool", "tool_call_id": "1", "content": '{"b": 2}'},
            ],
            "max_tokens": 5,
            "temperature": 0.5,
            "top_p": 0.9,
            "stop": ["x"],
        }

    @pytest.mark.parametrize(
        ("fields", "choice"),
        [
            ({}, "auto"),
            ({"tool_choice": ANY}, "required"),
            ({"tool_choice": NO_TOOL}, "none"),
            ({"tool_choice": ANY, "forced_tool": TOOL}, {"type": "function", "function": {"name": "record"}}),
        ],
    )
    def test_tools_and_their_choice_are_translated(self, fields: dict[str, Any], choice: object) -> None:
        request = completion_request(asked(tools=(TOOL,), **fields), "llama")
        function = {"name": "record", "description": "Records.", "parameters": {"type": "object"}}
        assert request["tools"] == [{"type": "function", "function": function}]
        assert request["tool_choice"] == choice

    def test_a_schema_for_the_answer_is_a_response_format(self) -> None:
        request = completion_request(asked(response_schema={"type": "object"}), "llama")
        schema = {"name": "answer", "strict": True, "schema": {"type": "object"}}
        assert request["response_format"] == {"type": "json_schema", "json_schema": schema}
        assert "tools" not in request


class TestAnswer:
    def test_a_text_with_its_usage(self, stub: Stub) -> None:
        stub.answer = completion("Hi.", usage={"prompt_tokens": 7, "completion_tokens": 3})
        backend = OpenAIBackend(stub.url, "llama", api_key="secret")
        assert backend(asked()) == Generation(({"text": "Hi."},), "end_turn", None, 7, 3)
        ((path, headers, body),) = stub.asked
        assert (path, headers["Authorization"], body["model"]) == ("/v1/chat/completions", "Bearer secret", "llama")

    @pytest.mark.parametrize("count", [-1, "7", 7.5, True, None])
    def test_a_usage_that_is_no_count_is_not_known(self, stub: Stub, count: object) -> None:
        stub.answer = completion("Hi.", usage={"prompt_tokens": count, "completion_tokens": count})
        found = OpenAIBackend(stub.url, "llama")(asked())
        assert (found.input_tokens, found.output_tokens) == (None, None)

    @pytest.mark.parametrize(
        ("answer", "conversation", "content", "reason"),
        [
            (completion("Cut", "length"), asked(), ({"text": "Cut"},), "max_tokens"),
            (completion("", "content_filter"), asked(), (), "content_filtered"),
            (completion(None, "tool_calls", [call('{"a":1}', "1")]), asked(tools=(TOOL,)), (USE,), "tool_use"),
            (
                completion("So:", "stop", [call({"a": 1}, "1")]),
                asked(tools=(TOOL,)),
                ({"text": "So:"}, USE),
                "tool_use",
            ),
            (completion(None, "tool_calls", [call('{"a":')]), asked(tools=(TOOL,)), (), "malformed_tool_use"),
            (completion(None, "length", [call('{"a":')]), asked(tools=(TOOL,)), (), "max_tokens"),
            (completion("No.", "stop"), asked(forced_tool=TOOL), ({"text": "No."},), "malformed_tool_use"),
            (completion("{", "length"), asked(forced_tool=TOOL), ({"text": "{"},), "max_tokens"),
        ],
    )
    def test_each_way_to_end(
        self, stub: Stub, answer: dict[str, Any], conversation: Conversation, content: tuple[Any, ...], reason: str
    ) -> None:
        stub.answer = answer
        made = OpenAIBackend(stub.url, "llama")(conversation)
        assert (made.content, made.stop_reason) == (content, reason)
        assert (made.input_tokens, made.output_tokens) == (None, None)

    @pytest.mark.parametrize(
        "text", ['{"a": 1}', '```json\n{"a": 1}\n```', ' ```\n{"a": 1}```\n', '```json {"a": 1} ```'], ids=repr
    )
    def test_a_forced_tool_answered_as_a_text_is_the_tool_use_it_means(self, stub: Stub, text: str) -> None:
        stub.answer = completion(text)
        made = OpenAIBackend(stub.url, "llama")(asked(forced_tool=TOOL))
        (block,) = made.content
        assert (block["toolUse"]["name"], block["toolUse"]["input"]) == ("record", {"a": 1})
        assert made.stop_reason == "tool_use"

    def test_a_call_of_a_tool_without_parameters_may_have_no_arguments(self, stub: Stub) -> None:
        stub.answer = completion(None, "tool_calls", [call("")])
        (block,) = OpenAIBackend(stub.url, "llama")(asked(tools=(TOOL,))).content
        assert block["toolUse"]["input"] == {}

    @pytest.mark.parametrize("identity", [None, "", "not one/of these", "x" * 65])
    def test_a_call_without_an_id_that_bedrock_takes_gets_one(self, stub: Stub, identity: str | None) -> None:
        stub.answer = completion(None, "tool_calls", [call("{}", identity)])
        (block,) = OpenAIBackend(stub.url, "llama")(asked(tools=(TOOL,))).content
        assert block["toolUse"]["toolUseId"].startswith("tooluse_")


class TestFailure:
    @pytest.mark.parametrize(
        ("status", "answer", "message"),
        [
            (500, b"out of memory", "127.0.0.1 answered with 500: "),
            (200, b"<html>", "127.0.0.1 answered with no chat completion: "),
            (200, {}, "127.0.0.1 answered with no chat completion: 'choices'"),
            (200, {"choices": []}, "127.0.0.1 answered with no chat completion: list index out of range"),
            (200, {"choices": 5}, "127.0.0.1 answered with no chat completion: "),
        ],
    )
    def test_what_is_no_completion_is_a_model_error(
        self, stub: Stub, status: int, answer: object, message: str
    ) -> None:
        stub.status, stub.answer = status, answer
        with pytest.raises(ServiceError) as raised:
            OpenAIBackend(stub.url, "llama")(asked())
        assert raised.value.code == "ModelErrorException"
        assert raised.value.message.startswith(message)
        assert raised.value.members == {"originalStatusCode": status}

    def test_a_server_that_is_not_there_is_a_model_error(self, stub: Stub) -> None:
        stub.server_close()
        with pytest.raises(ServiceError, match=r"^ModelErrorException: 127\.0\.0\.1 cannot be reached"):
            OpenAIBackend(stub.url, "llama")(asked())

    def test_a_server_that_is_too_slow_is_a_model_timeout(self, stub: Stub) -> None:
        stub.delay.clear()
        with pytest.raises(ServiceError, match=r"^ModelTimeoutException: 127\.0\.0\.1 did not answer in 0\.05 s"):
            OpenAIBackend(stub.url, "llama", timeout=0.05)(asked())

    @pytest.mark.parametrize(
        "url", ["127.0.0.1:80", "ftp://host/v1", "http://", "http://host:port/v1", "http://host:99999"]
    )
    def test_an_address_that_is_none_is_refused(self, url: str) -> None:
        with pytest.raises(ValueError, match=r"^url: got .+; accepted: http://host:port/v1$"):
            OpenAIBackend(url, "llama")


def test_the_whole_way_from_boto3_to_the_local_model(stub: Stub) -> None:
    stub.answer = completion(None, "tool_calls", [call('{"a":1}')], usage={"prompt_tokens": 7, "completion_tokens": 3})
    backend = OpenAIBackend(stub.url, "llama")
    with BedrockEmulator(responder=backend) as emulator, client_of(emulator.endpoint_url) as client:
        answer = client.converse(modelId=SONNET, messages=[user("Hello.")], toolConfig=forced({"type": "object"}))
    assert answer["output"]["message"]["content"][0]["toolUse"]["input"] == {"a": 1}
    assert answer["usage"] == {"inputTokens": 7, "outputTokens": 3, "totalTokens": 10}
    assert stub.asked[0][2]["tool_choice"] == {"type": "function", "function": {"name": "record"}}


def test_a_forced_tool_may_be_asked_for_as_json_output() -> None:
    tool = Tool("record", "Records.", {"type": "object", "properties": {"a": {"type": "integer"}}})
    messages = (ChatMessage("user", ({"text": "x"},)),)
    conversation = Conversation("m", "Be brief.", messages, tools=(tool,), forced_tool=tool)
    asked = completion_request(conversation, "m", json_output=True)
    assert "tools" not in asked
    assert asked["response_format"]["json_schema"]["schema"] == tool.schema
    assert asked["messages"][0]["content"].startswith("Be brief.\n\nDo not call a tool. Respond with one JSON object")
    plain = completion_request(conversation, "m")
    assert plain["tool_choice"] == {"type": "function", "function": {"name": "record"}}
    without = completion_request(Conversation("m", "", messages), "m", json_output=True)
    assert "response_format" not in without
