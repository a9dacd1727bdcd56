"""The SDKs of Anthropic and OpenAI under a policy, where they are installed; and clients of their shape."""

from __future__ import annotations

import asyncio
import importlib
import json
from typing import TYPE_CHECKING, Any

import pytest

from bedrock_resilience import TRANSIENT, Fault, NoJitter, RetryPolicy, classify, protect, unprotect
from bedrock_resilience.emulator import BedrockEmulator
from bedrock_resilience.integrations import protection_of
from bedrock_resilience.testing import FakeClock
from support.pacers import RecordingPacer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import TypeAlias

    Untyped: TypeAlias = Any  # objects of the SDKs, of httpx and of httpx2

MODEL = "eu.anthropic.claude-sonnet-4-5-20250929-v1:0"
POLICY = RetryPolicy(jitter=NoJitter(), retry_on=TRANSIENT)
REQUEST: dict[str, Any] = {
    "model": MODEL,
    "max_tokens": 100,
    "messages": [{"role": "user", "content": "Which company?"}],
}
KEYS = {"aws_access_key": "emulator", "aws_secret_key": "emulator", "aws_region": "eu-west-3"}


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def emulator() -> Iterator[BedrockEmulator]:
    with BedrockEmulator() as emulator:
        yield emulator


def sdk_class(package: str, name: str = "SyncAPIClient") -> Untyped:
    """Make a class like the base of an SDK's clients: what of it matters here."""

    class Base:
        def __init__(self, client: Untyped, base_url: str, max_retries: int = 2) -> None:
            self._client = client
            self.base_url = client.base_url.__class__(base_url)
            self.max_retries = max_retries

    Base.__module__, Base.__name__ = f"{package}._base_client", name
    return Base


class TestShape:
    @pytest.fixture(params=["httpx", "httpx2"])
    def http(self, request: pytest.FixtureRequest) -> Untyped:
        return pytest.importorskip(request.param)

    @pytest.mark.parametrize("package", ["anthropic", "openai"])
    def test_their_own_retries_are_off_while_they_are_protected(self, http: Untyped, package: str) -> None:
        client = sdk_class(package)(http.Client(), "https://bedrock-runtime.eu-west-3.amazonaws.com/openai/v1/")
        own = client._client._transport
        assert protect(client, policy=POLICY) is client
        assert client.max_retries == 0
        protection = protection_of(client)
        assert protection is protection_of(client._client) is not None
        assert repr(client._client).endswith(f" under {protection!r}")
        protect(client, policy=POLICY.replace(max_retries=1))
        assert unprotect(client) is client
        assert (client.max_retries, client._client._transport, protection_of(client)) == (2, own, None)
        unprotect(client)
        assert client.max_retries == 2

    def test_retries_that_were_turned_on_again_are_turned_off(self, http: Untyped) -> None:
        client = sdk_class("openai")(http.Client(), "https://bedrock-mantle.eu-west-3.api.aws/v1")
        protect(client, policy=POLICY)
        client.max_retries = 5
        assert protection_of(client) is None
        protect(client, policy=POLICY)
        assert client.max_retries == 0
        assert unprotect(client).max_retries == 2

    @pytest.mark.parametrize(
        "base_url",
        [
            "https://bedrock-mantle.eu-west-3.api.aws/anthropic",
            "https://bedrock-mantle.eu-west-3.api.aws/openai/v1/",
            "http://127.0.0.1:8000/anthropic/",
        ],
    )
    def test_a_client_is_one_for_bedrock_by_its_url(self, http: Untyped, base_url: str) -> None:
        client = sdk_class("anthropic")(http.Client(), base_url)
        assert protect(client).max_retries == 0

    def test_and_by_the_name_of_its_class(self, http: Untyped) -> None:
        class AnthropicBedrock(sdk_class("anthropic")):  # type: ignore[misc]  # made at run time
            pass

        assert protect(AnthropicBedrock(http.Client(), "http://127.0.0.1:8000")).max_retries == 0

    @pytest.mark.parametrize("base_url", ["https://api.anthropic.com", "https://api.openai.com/v1"])
    def test_any_other_is_refused_and_keeps_its_retries(self, http: Untyped, base_url: str) -> None:
        client = sdk_class("openai")(http.Client(), base_url)
        with pytest.raises(ValueError, match="bedrock-mantle"):
            protect(client)
        assert (client.max_retries, protection_of(client._client)) == (2, None)


@pytest.fixture
def anthropic() -> Untyped:
    return pytest.importorskip("anthropic")


class Anthropic:
    """One interface to the synchronous and the asynchronous client, protected."""

    def __init__(self, sdk: Untyped, emulator: BedrockEmulator, clock: FakeClock, *, asynchronous: bool) -> None:
        self.pacer = RecordingPacer()
        self.runner = asyncio.Runner()
        self.asynchronous = asynchronous
        cls = sdk.AsyncAnthropicBedrock if asynchronous else sdk.AnthropicBedrock
        self.client = protect(cls(base_url=emulator.endpoint_url, **KEYS), policy=POLICY, clock=clock, pacer=self.pacer)

    def create(self) -> Untyped:
        answer = self.client.messages.create(**REQUEST)
        return self.runner.run(answer) if self.asynchronous else answer

    def stream(self) -> list[str]:
        """Return the types of the events of a stream."""

        async def run() -> list[str]:
            return [event.type async for event in await self.client.messages.create(**REQUEST, stream=True)]

        if self.asynchronous:
            return self.runner.run(run())
        return [event.type for event in self.client.messages.create(**REQUEST, stream=True)]

    def close(self) -> None:
        if self.asynchronous:
            self.runner.run(self.client.close())
        else:
            self.client.close()
        self.runner.close()


@pytest.fixture(params=[False, True], ids=["AnthropicBedrock", "AsyncAnthropicBedrock"])
def client(
    request: pytest.FixtureRequest, anthropic: Untyped, emulator: BedrockEmulator, clock: FakeClock
) -> Iterator[Anthropic]:
    client = Anthropic(anthropic, emulator, clock, asynchronous=request.param)
    yield client
    client.close()


class TestAnthropic:
    def test_n_throttles_are_n_and_one_requests(self, client: Anthropic, emulator: BedrockEmulator) -> None:
        emulator.fail_next(2)
        assert client.create().usage.output_tokens > 0
        assert emulator.requests == 3
        assert client.pacer.outcomes[-1] == ("answered", emulator.log[-1].usage)

    def test_the_sdk_raises_its_own_error_at_the_end(
        self, client: Anthropic, emulator: BedrockEmulator, anthropic: Untyped
    ) -> None:
        emulator.fail_next(None)
        with pytest.raises(anthropic.RateLimitError) as caught:
            client.create()
        assert (emulator.requests, classify(caught.value)) == (4, Fault.THROTTLING)

    @pytest.mark.parametrize("fault", ["stream-cut", "stream-exception"])
    def test_a_stream_is_retried_until_its_first_event(
        self, client: Anthropic, emulator: BedrockEmulator, fault: str
    ) -> None:
        emulator.fail_next(1, fault, after=0)
        assert client.stream()[-1] == "message_stop"
        assert emulator.requests == 2
        assert client.pacer.outcomes[-1] == ("answered", emulator.log[-1].usage)

    @pytest.mark.parametrize(
        ("fault", "expected"), [("stream-cut", Fault.CONNECTION_LOST), ("stream-exception", Fault.THROTTLING)]
    )
    def test_and_not_after_it(self, client: Anthropic, emulator: BedrockEmulator, fault: str, expected: Fault) -> None:
        emulator.fail_next(1, fault, after=3)
        with pytest.raises(Exception) as caught:  # noqa: PT011 - each version has its own
            client.stream()
        assert (emulator.requests, classify(caught.value)) == (1, expected)


@pytest.fixture(params=["OpenAI", "AsyncOpenAI"])
def openai_kind(request: pytest.FixtureRequest) -> str:
    pytest.importorskip("openai")
    return str(request.param)


COMPLETION = {
    "id": "1",
    "object": "chat.completion",
    "created": 1,
    "model": MODEL,
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Camurus"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10},
}
CHUNK = {**COMPLETION, "object": "chat.completion.chunk", "choices": [{"index": 0, "delta": {"content": "Camurus"}}]}


class TestOpenAI:
    """Over a scripted transport."""

    def chat(self, kind: str, answers: list[tuple[int, dict[str, str], bytes]], *, stream: bool) -> tuple[Untyped, int]:
        """Return what the SDK returns for these answers, one a request, and how many requests it took."""
        sdk: Untyped = importlib.import_module("openai")
        wrapper = sdk.DefaultAsyncHttpxClient if kind.startswith("Async") else sdk.DefaultHttpxClient
        http = importlib.import_module(wrapper.__mro__[-2].__module__.partition(".")[0])
        requests: list[Untyped] = []

        def answer(request: Untyped) -> Untyped:
            requests.append(request)
            status, headers, content = answers[len(requests) - 1]
            return http.Response(status, headers=headers, content=content)

        client = getattr(sdk, kind)(
            api_key="key",
            base_url="https://bedrock-runtime.eu-west-3.amazonaws.com/openai/v1",
            http_client=wrapper(transport=http.MockTransport(answer)),
        )
        self.pacer = RecordingPacer()
        protect(client, policy=POLICY, clock=FakeClock(), pacer=self.pacer)

        async def run() -> Untyped:
            async with client:
                result = await client.chat.completions.create(**REQUEST, stream=stream)
                return [chunk async for chunk in result] if stream else result

        if kind.startswith("Async"):
            return asyncio.run(run()), len(requests)
        with client:
            result = client.chat.completions.create(**REQUEST, stream=stream)
            return (list(result) if stream else result), len(requests)

    THROTTLE = (
        429,
        {"content-type": "application/json"},
        b'{"error": {"code": "rate_limit_exceeded", "message": "m"}}',
    )

    def test_n_throttles_are_n_and_one_requests(self, openai_kind: str) -> None:
        success = (200, {"content-type": "application/json"}, json.dumps(COMPLETION).encode())
        completion, requests = self.chat(openai_kind, [self.THROTTLE, self.THROTTLE, success], stream=False)
        assert (completion.choices[0].message.content, requests) == ("Camurus", 3)
        assert self.pacer.ended == ["throttled", "throttled", "answered"]

    def test_a_stream_is_retried_until_its_first_event(self, openai_kind: str) -> None:
        headers = {"content-type": "text/event-stream"}
        failure = b'data: {"error": {"code": "rate_limit_exceeded", "message": "m"}}\n\n'
        success = b"data: " + json.dumps(CHUNK).encode() + b"\n\ndata: [DONE]\n\n"
        chunks, requests = self.chat(openai_kind, [(200, headers, failure), (200, headers, success)], stream=True)
        assert (len(chunks), requests) == (1, 2)

    def test_the_sdk_raises_its_own_error_at_the_end(self, openai_kind: str) -> None:
        sdk: Untyped = importlib.import_module("openai")
        with pytest.raises(sdk.RateLimitError):
            self.chat(openai_kind, [self.THROTTLE] * 4, stream=False)


def test_pydantic_ai_runs_on_a_protected_http_client(
    emulator: BedrockEmulator, anthropic: Untyped, clock: FakeClock
) -> None:
    pydantic_ai: Untyped = pytest.importorskip("pydantic_ai")
    model_class = importlib.import_module("pydantic_ai.models.anthropic").AnthropicModel
    provider_class = importlib.import_module("pydantic_ai.providers.anthropic").AnthropicProvider
    http_client = protect(anthropic.DefaultAsyncHttpxClient(), policy=POLICY, clock=clock)
    sdk = anthropic.AsyncAnthropicBedrock(
        base_url=emulator.endpoint_url, http_client=http_client, max_retries=0, **KEYS
    )
    emulator.fail_next(2)

    async def run() -> str:
        async with sdk:
            agent = pydantic_ai.Agent(model_class(MODEL, provider=provider_class(anthropic_client=sdk)))
            return str((await agent.run("Which company?")).output)

    assert asyncio.run(run())
    assert emulator.requests == 3
