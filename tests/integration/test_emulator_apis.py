"""The Messages API and chat completions: answers, streams, errors, faults and quotas, as any HTTP client sees them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from bedrock_resilience.emulator import DISCLAIMER, BedrockEmulator, Conversation, Generation
from bedrock_resilience.quotas import Quota
from support.bedrock import SONNET

if TYPE_CHECKING:
    from collections.abc import Generator

MESSAGES = "/anthropic/v1/messages"
CHAT = "/openai/v1/chat/completions"
TOOL: dict[str, Any] = {"type": "object", "properties": {"input": {"type": "integer"}}}
HELLO: dict[str, dict[str, Any]] = {
    MESSAGES: {"model": SONNET, "max_tokens": 100, "messages": [{"role": "user", "content": "Hello."}]},
    CHAT: {"model": "openai.gpt-oss-20b-1:0", "messages": [{"role": "user", "content": "Hello."}]},
    "/v1/chat/completions": {"model": "openai.gpt-oss-20b-1:0", "messages": [{"role": "user", "content": "Hello."}]},
}
EACH = pytest.mark.parametrize("path", [MESSAGES, CHAT])


@pytest.fixture(scope="module")
def running() -> Generator[BedrockEmulator]:
    with BedrockEmulator() as made:
        yield made


@pytest.fixture
def emulator(running: BedrockEmulator) -> BedrockEmulator:
    running.reset()
    running.quota = None
    return running


def post(emulator: BedrockEmulator, path: str, **changes: object) -> bytes:
    body = json.dumps({**HELLO[path], **changes}).encode()
    return send(emulator, path, body)


def send(emulator: BedrockEmulator, path: str, body: bytes) -> bytes:
    request = Request(f"{emulator.endpoint_url}{path}", body, method="POST")  # noqa: S310 - the emulator's address
    with urlopen(request, timeout=5) as response:  # noqa: S310 - as above
        return bytes(response.read())


def refusal(emulator: BedrockEmulator, path: str, **changes: object) -> tuple[int, Any]:
    with pytest.raises(HTTPError) as raised:
        post(emulator, path, **changes)
    with raised.value as error:
        return error.code, json.load(error)


def events(streamed: bytes) -> list[Any]:
    lines = [line.removeprefix("data: ") for line in streamed.decode().splitlines() if line.startswith("data: ")]
    return [json.loads(line) for line in lines if line != "[DONE]"]


def test_a_message_is_answered(emulator: BedrockEmulator) -> None:
    answer = json.loads(post(emulator, MESSAGES))
    assert answer["content"] == [{"type": "text", "text": f"{DISCLAIMER}\nHello."}]
    assert (answer["model"], answer["usage"]["input_tokens"]) == (SONNET, 2)
    assert (emulator.answered, set(emulator.model_ids)) == (1, {SONNET})


@pytest.mark.parametrize("path", [CHAT, "/v1/chat/completions"])
def test_a_chat_is_completed(emulator: BedrockEmulator, path: str) -> None:
    answer = json.loads(post(emulator, path))
    assert answer["choices"][0]["message"] == {"role": "assistant", "content": f"{DISCLAIMER}\nHello."}
    assert answer["usage"]["prompt_tokens"] == 2


def test_a_tool_gets_its_number(emulator: BedrockEmulator) -> None:
    question = [{"role": "user", "content": "what is magic_function(3)?"}]
    tools = [{"name": "magic_function", "input_schema": TOOL}]
    (block,) = json.loads(post(emulator, MESSAGES, messages=question, tools=tools))["content"]
    assert (block["name"], block["input"]) == ("magic_function", {"input": 3})
    functions = [{"type": "function", "function": {"name": "magic_function", "parameters": TOOL}}]
    (choice,) = json.loads(post(emulator, CHAT, messages=question, tools=functions))["choices"]
    assert choice["message"]["tool_calls"][0]["function"] == {"name": "magic_function", "arguments": '{"input":3}'}


def test_a_streamed_message_says_the_same(emulator: BedrockEmulator) -> None:
    read = events(post(emulator, MESSAGES, stream=True))
    text = "".join(event["delta"]["text"] for event in read if event["type"] == "content_block_delta")
    assert (text, read[-1]["type"]) == (f"{DISCLAIMER}\nHello.", "message_stop")


def test_a_streamed_chat_says_the_same(emulator: BedrockEmulator) -> None:
    streamed = post(emulator, CHAT, stream=True)
    text = "".join(event["choices"][0]["delta"].get("content", "") for event in events(streamed))
    assert text == f"{DISCLAIMER}\nHello."
    assert streamed.endswith(b"data: [DONE]\n\n")


@EACH
def test_a_quota_refuses_in_the_shape_of_the_api(emulator: BedrockEmulator, path: str) -> None:
    emulator.quota = Quota(requests_per_minute=1)
    post(emulator, path)
    status, body = refusal(emulator, path)
    assert (status, body["error"]["type"]) == (429, "rate_limit_error")
    assert (emulator.throttles, emulator.errors) == (1, {"ThrottlingException": 1})


@EACH
def test_a_fault_is_in_the_shape_of_the_api(emulator: BedrockEmulator, path: str) -> None:
    emulator.fail_next(1, 529, operation="Messages" if path == MESSAGES else "ChatCompletions")
    status, body = refusal(emulator, path)
    assert (status, body["error"]["message"]) == (529, "Overloaded")
    post(emulator, path)


@EACH
@pytest.mark.parametrize("fault", ["stream-exception", "stream-error"])
def test_an_error_in_a_stream_is_in_the_shape_of_the_api(emulator: BedrockEmulator, path: str, fault: str) -> None:
    emulator.fail_next(1, fault, after=2)
    post(emulator, path)  # not a stream: the fault waits for the next one
    read = events(post(emulator, path, stream=True))
    assert len(read) == 3
    kinds = {"rate_limit_error"} if fault == "stream-exception" else {"api_error", "server_error"}
    assert read[-1]["error"]["type"] in kinds


@EACH
@pytest.mark.parametrize("changes", [{"model": None}, {"model": "/"}, {"messages": []}])
def test_what_is_not_accepted_is_refused_in_the_shape_of_the_api(
    emulator: BedrockEmulator, path: str, changes: dict[str, object]
) -> None:
    status, body = refusal(emulator, path, **changes)
    assert (status, body["error"]["type"]) == (400, "invalid_request_error")


def test_a_body_that_is_no_json_is_refused(emulator: BedrockEmulator) -> None:
    with pytest.raises(HTTPError) as raised:
        send(emulator, MESSAGES, b"{")
    with raised.value as error:
        assert json.load(error)["error"]["message"].startswith("The body is not JSON")


def test_reasoning_of_a_responder_is_sent_by_every_api() -> None:
    def reasoning(_: Conversation) -> Generation:
        return Generation(({"reasoningContent": {"reasoningText": {"text": "hm", "signature": "s"}}}, {"text": "a"}))

    with BedrockEmulator(responder=reasoning) as emulator:
        (thinking, _) = json.loads(post(emulator, MESSAGES))["content"]
        assert thinking == {"type": "thinking", "thinking": "hm", "signature": "s"}
        message = json.loads(post(emulator, CHAT))["choices"][0]["message"]
        assert message["content"] == "<reasoning>hm</reasoning>a"


class TestMantle:
    """The ``bedrock-mantle`` endpoint: quotas of its own, of input and of output."""

    PATHS = pytest.mark.parametrize("path", [f"/bedrock-mantle{MESSAGES}", "/bedrock-mantle/v1/chat/completions"])

    @staticmethod
    def ask(emulator: BedrockEmulator, path: str, **changes: object) -> Any:  # noqa: ANN401 - a JSON object
        body = {**HELLO[path.removeprefix("/bedrock-mantle")], "max_tokens": 100, **changes}
        return json.loads(send(emulator, path, json.dumps(body).encode()))

    @PATHS
    def test_it_has_its_own_allocation(self, path: str) -> None:
        mantle = Quota.mantle(input_tokens_per_minute=150, output_tokens_per_minute=10_000)
        with BedrockEmulator(Quota(requests_per_minute=6, burst=1), mantle_quota=mantle) as emulator:
            assert emulator.mantle_url == f"{emulator.endpoint_url}/bedrock-mantle"
            self.ask(emulator, path)  # reserves 102, and gives back what it did not use
            with pytest.raises(HTTPError, match="429") as raised:
                self.ask(emulator, path, max_tokens=149)
            raised.value.close()
            post(emulator, MESSAGES)
            assert refusal(emulator, MESSAGES)[0] == 429
            assert emulator.throttles == 2
            emulator.reset()
            self.ask(emulator, path)

    @PATHS
    def test_generation_stops_where_the_quota_of_output_is_used_up(self, path: str) -> None:
        mantle = Quota.mantle(output_tokens_per_minute=6)
        with BedrockEmulator(mantle_quota=mantle) as emulator:
            answer = self.ask(emulator, path)
            reason = answer["stop_reason"] if "stop_reason" in answer else answer["choices"][0]["finish_reason"]
            assert reason in {"max_tokens", "length"}
            usage = answer["usage"]
            assert usage.get("output_tokens", usage.get("completion_tokens")) == 6
            empty = self.ask(emulator, path)
            assert empty.get("content", empty.get("choices", [{}])[0].get("message", {}).get("content")) in (
                [],
                "",
                None,
            )
            emulator.reading = "fixed"
            assert self.ask(emulator, path)["usage"] == usage

    def test_a_responder_that_counts_is_cut_too(self) -> None:
        counted = Generation(({"text": "word " * 40},), output_tokens=50)
        with BedrockEmulator(
            responder=lambda _: counted, mantle_quota=Quota.mantle(output_tokens_per_minute=8)
        ) as emulator:
            assert self.ask(emulator, "/bedrock-mantle/v1/chat/completions")["usage"]["completion_tokens"] == 8

    def test_without_a_quota_of_its_own_it_shares_that_of_the_runtime(self) -> None:
        with BedrockEmulator(Quota(requests_per_minute=6, burst=1)) as emulator:
            self.ask(emulator, "/v1/chat/completions")
            assert refusal(emulator, "/v1/chat/completions")[0] == 429

    def test_its_quota_can_be_changed(self) -> None:
        with BedrockEmulator(Quota(requests_per_minute=6, burst=1)) as emulator:
            emulator.mantle_quota = Quota.mantle(output_tokens_per_minute=4)
            path = "/bedrock-mantle/v1/chat/completions"
            assert self.ask(emulator, path)["usage"]["completion_tokens"] == 4
            emulator.mantle_quota = None
            self.ask(emulator, path)
            with pytest.raises(HTTPError, match="429") as raised:
                self.ask(emulator, path)
            raised.value.close()
            wrong: Any = 5
            with pytest.raises(TypeError, match="BedrockEmulator: mantle_quota: got 5; accepted: a Quota"):
                emulator.mantle_quota = wrong

    def test_a_host_of_mantle_is_enough(self) -> None:
        with BedrockEmulator(Quota(requests_per_minute=6, burst=1), mantle_quota=Quota.mantle()) as emulator:
            body = json.dumps(HELLO[MESSAGES]).encode()
            headers = {"Host": "bedrock-mantle.eu-west-3.api.aws"}
            for _ in range(3):
                request = Request(f"{emulator.endpoint_url}{MESSAGES}", body, headers, method="POST")  # noqa: S310 - the emulator's
                with urlopen(request, timeout=5) as response:  # noqa: S310 - as above
                    assert response.status == 200

    def test_it_serves_no_converse(self, emulator: BedrockEmulator) -> None:
        with pytest.raises(HTTPError, match="404") as raised:
            send(emulator, f"/bedrock-mantle/model/{SONNET}/converse", b"{}")
        raised.value.close()
