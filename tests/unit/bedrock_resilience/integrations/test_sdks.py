"""The SDKs of Anthropic and OpenAI under a policy, where they are installed; and clients of their shape."""

from __future__ import annotations

import asyncio
import importlib
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
CLIENTS = ("AnthropicBedrock", "AnthropicBedrockMantle", "OpenAI")
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

    @pytest.mark.parametrize(
        "base_url",
        ["https://api.anthropic.com", "https://api.openai.com/v1", "https://me.openai.azure.com/openai/v1/"],
    )
    def test_any_other_is_refused_and_keeps_its_retries(self, http: Untyped, base_url: str) -> None:
        client = sdk_class("openai")(http.Client(), base_url)
        with pytest.raises(ValueError, match="bedrock-mantle"):
            protect(client)
        assert (client.max_retries, protection_of(client._client)) == (2, None)


@pytest.fixture
def anthropic() -> Untyped:
    return pytest.importorskip("anthropic")


class Sdk:
    """One interface to the clients of both SDKs, synchronous or not; protected."""

    def __init__(self, name: str, emulator: BedrockEmulator, clock: FakeClock) -> None:
        package = "openai" if name.endswith("OpenAI") else "anthropic"
        self.module: Untyped = pytest.importorskip(package)
        self.asynchronous = name.startswith("Async")
        self.runner = asyncio.Runner()
        self.pacer = RecordingPacer()
        arguments: dict[str, Untyped] = {"base_url": emulator.endpoint_url, **KEYS}
        if name.endswith("Mantle"):
            arguments = {"base_url": f"{emulator.endpoint_url}/anthropic", "api_key": "key", "aws_region": "eu-west-3"}
        elif package == "openai":
            arguments = {"base_url": f"{emulator.endpoint_url}/openai/v1", "api_key": "key"}
        self.client = protect(getattr(self.module, name)(**arguments), policy=POLICY, clock=clock, pacer=self.pacer)
        self.create = self.client.chat.completions.create if package == "openai" else self.client.messages.create
        self.usage_in_streams = {"stream_options": {"include_usage": True}} if package == "openai" else {}

    def call(self) -> Untyped:
        answer = self.create(**REQUEST)
        return self.runner.run(answer) if self.asynchronous else answer

    def stream(self) -> list[Untyped]:
        """Return the events of a stream."""
        answer = self.create(**REQUEST, stream=True, **self.usage_in_streams)

        async def run() -> list[Untyped]:
            return [event async for event in await answer]

        return self.runner.run(run()) if self.asynchronous else list(answer)

    def close(self) -> None:
        if self.asynchronous:
            self.runner.run(self.client.close())
        else:
            self.client.close()
        self.runner.close()


@pytest.fixture(params=[f"{prefix}{name}" for name in CLIENTS for prefix in ("", "Async")])
def sdk(request: pytest.FixtureRequest, emulator: BedrockEmulator, clock: FakeClock) -> Iterator[Sdk]:
    sdk = Sdk(request.param, emulator, clock)
    yield sdk
    sdk.close()


class TestSdks:
    def test_n_throttles_are_n_and_one_requests(self, sdk: Sdk, emulator: BedrockEmulator) -> None:
        emulator.fail_next(2)
        assert sdk.call().usage
        assert emulator.requests == 3
        assert sdk.pacer.outcomes[-1] == ("answered", emulator.log[-1].usage)

    def test_the_sdk_raises_its_own_error_at_the_end(self, sdk: Sdk, emulator: BedrockEmulator) -> None:
        emulator.fail_next(None)
        with pytest.raises(sdk.module.RateLimitError) as caught:
            sdk.call()
        assert (emulator.requests, classify(caught.value)) == (4, Fault.THROTTLING)

    @pytest.mark.parametrize("fault", ["stream-cut", "stream-exception"])
    def test_a_stream_is_retried_until_its_first_event(self, sdk: Sdk, emulator: BedrockEmulator, fault: str) -> None:
        emulator.fail_next(1, fault, after=0)
        assert len(sdk.stream()) > 3
        assert emulator.requests == 2
        assert sdk.pacer.outcomes[-1] == ("answered", emulator.log[-1].usage)

    @pytest.mark.parametrize(
        ("fault", "expected"), [("stream-cut", Fault.CONNECTION_LOST), ("stream-exception", Fault.THROTTLING)]
    )
    def test_and_not_after_it(self, sdk: Sdk, emulator: BedrockEmulator, fault: str, expected: Fault) -> None:
        emulator.fail_next(1, fault, after=3)
        with pytest.raises(Exception) as caught:  # noqa: PT011 - each version has its own
            sdk.stream()
        assert (emulator.requests, classify(caught.value)) == (1, expected)


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
