"""AsyncBedrockRuntime: what BedrockRuntime does, awaited. The clients are stand-ins for those of aiobotocore."""

from __future__ import annotations

import asyncio
import json
from contextlib import aclosing
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from bedrock_resilience import (
    AsyncBedrockRuntime,
    BedrockRuntime,
    BoundedExecutor,
    Deadline,
    IncompleteResponseError,
    MalformedResponseError,
    NoJitter,
    Retrier,
    RetryPolicy,
    StreamInterruptedError,
)
from bedrock_resilience.bedrock import bedrock_runtime_client
from bedrock_resilience.bedrock._families import text_of
from bedrock_resilience.errors import ClientConfigurationError
from bedrock_resilience.quotas import Usage
from bedrock_resilience.retrying import (
    CallCancelled,
    CallFailed,
    CallStarted,
    CallSucceeded,
    Event,
    RetryScheduled,
    StreamOpened,
)
from bedrock_resilience.testing import (
    BrokenStream,
    FakeClock,
    ScriptedBedrock,
    ascripted,
    connection_failed,
    converse_events,
    converse_response,
    stream_cut,
    throttling_error,
    throttling_errors,
)
from support.pacers import RecordingPacer

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

POLICY = RetryPolicy(max_retries=3, base_delay=1.0, jitter=NoJitter(), retry_on="transient")
REQUEST: dict[str, Any] = {"modelId": "m", "messages": [], "inferenceConfig": {"maxTokens": 1_000}}


class AsyncStream:
    """The stream of a scripted client, read asynchronously; ``block``: the event before which it waits forever."""

    def __init__(self, stream: Any, block: int | None) -> None:  # noqa: ANN401 - a scripted stream
        self.stream = stream
        self.block = block

    async def __aiter__(self) -> AsyncGenerator[dict[str, Any]]:
        for number, event in enumerate(self.stream):
            if number == self.block:
                await asyncio.Event().wait()
            yield event

    def close(self) -> None:
        self.stream.close()


class AsyncBody:
    """A body whose ``close`` is awaited, as with httpx below aiobotocore."""

    def __init__(self, data: Any) -> None:  # noqa: ANN401 - bytes, or an error
        self.data = data
        self.closed = False

    async def read(self) -> bytes:
        if isinstance(self.data, Exception):
            raise self.data
        return bytes(self.data)

    async def close(self) -> None:
        self.closed = True


class AsyncScripted:
    """The asynchronous methods of a client, over those of ``ScriptedBedrock``."""

    def __init__(self, *outcomes: object, block: int | None = None) -> None:
        self.scripted = ScriptedBedrock(*outcomes)
        self.block = block
        self.meta = SimpleNamespace(region_name="eu-west-3")

    async def converse(self, **request: object) -> Any:  # noqa: ANN401 - the response
        return self.scripted.converse(**request)

    async def invoke_model(self, **request: object) -> Any:  # noqa: ANN401 - the response
        response = self.scripted.invoke_model(**request)
        return {**response, "body": AsyncBody(response["body"].read())}

    async def converse_stream(self, **request: object) -> Any:  # noqa: ANN401 - the response
        return {"stream": AsyncStream(self.scripted.converse_stream(**request)["stream"], self.block)}

    async def invoke_model_with_response_stream(self, **request: object) -> Any:  # noqa: ANN401 - the response
        response = self.scripted.invoke_model_with_response_stream(**request)
        return {"body": AsyncStream(response["body"], self.block)}


class AsyncRuntimeUnderTest:
    """A runtime over such a client, with its pacer and events recorded."""

    def __init__(self, *outcomes: object, block: int | None = None, **retrier: Any) -> None:  # noqa: ANN401 - as Retrier's
        self.client = AsyncScripted(*outcomes, block=block)
        self.clock = FakeClock()
        self.pacer = RecordingPacer()
        self.events: list[Event] = []
        given: dict[str, Any] = {"clock": self.clock, "pacer": self.pacer, "listeners": [self.events.append], **retrier}
        self.runtime = AsyncBedrockRuntime(self.client, Retrier(POLICY, **given))

    @property
    def kinds(self) -> list[type[Event]]:
        return [type(event) for event in self.events]


async def read(stream: AsyncGenerator[dict[str, Any], None]) -> str:
    return "".join([text_of(event) async for event in stream])


async def test_converse_is_retried_until_it_succeeds() -> None:
    under_test = AsyncRuntimeUnderTest(*throttling_errors(2), "Hello")
    answer = await under_test.runtime.converse(**REQUEST)
    assert answer["output"]["message"]["content"] == [{"text": "Hello"}]
    assert under_test.clock.sleeps == [1.0, 2.0]
    assert under_test.kinds == [CallStarted, RetryScheduled, RetryScheduled, CallSucceeded]
    assert {(event.operation, event.model, event.region) for event in under_test.events} == {
        ("Converse", "m", "eu-west-3")
    }
    assert under_test.pacer.outcomes[-1] == ("answered", Usage(10, 1))


async def test_invoke_model_reads_and_checks_the_body() -> None:
    under_test = AsyncRuntimeUnderTest(BrokenStream("Hel"), "Hello")
    answer = await under_test.runtime.invoke_model(modelId="m", body={"max_tokens": 5})
    assert answer["content"][0]["text"] == "Hello"
    assert under_test.client.scripted.calls == 2


@pytest.mark.parametrize(("error", "expected"), [(connection_failed(), ConnectionError), (ValueError(), ValueError)])
async def test_a_body_that_breaks_is_closed(error: Exception, expected: type[Exception]) -> None:
    body = AsyncBody(error)

    async def invoke_model(**_: object) -> dict[str, Any]:
        return {"body": body}

    runtime = AsyncBedrockRuntime(SimpleNamespace(invoke_model=invoke_model), Retrier(RetryPolicy(0)))
    with pytest.raises(expected):
        await runtime.invoke_model(modelId="m", body="{}")
    assert body.closed


async def test_a_body_without_close_is_read() -> None:
    async def read_all() -> bytes:
        return json.dumps({"generation": "Hello"}).encode()

    async def invoke_model(**_: object) -> dict[str, Any]:
        return {"body": SimpleNamespace(read=read_all)}

    runtime = AsyncBedrockRuntime(SimpleNamespace(invoke_model=invoke_model))
    assert await runtime.invoke_model(modelId="m", body="{}") == {"generation": "Hello"}


async def test_an_incomplete_response_is_not_retried_and_its_usage_counts() -> None:
    under_test = AsyncRuntimeUnderTest(converse_response("Hel", "max_tokens"))
    with pytest.raises(IncompleteResponseError):
        await under_test.runtime.converse(**REQUEST)
    assert under_test.pacer.outcomes == [("answered", Usage(10, 1))]


@pytest.mark.parametrize(
    ("method", "more"), [("converse_stream", {}), ("invoke_model_stream", {"body": {"max_tokens": 5}})]
)
@pytest.mark.parametrize("broken", [throttling_error(), BrokenStream(error=stream_cut()), BrokenStream(error=None)])
async def test_a_stream_is_retried_until_its_first_content(method: str, more: dict[str, Any], broken: object) -> None:
    under_test = AsyncRuntimeUnderTest(broken, "Hello")
    assert await read(getattr(under_test.runtime, method)(modelId="m", **more)) == "Hello"
    assert under_test.client.scripted.calls == 2
    assert all(stream.closed for stream in under_test.client.scripted.streams)
    assert under_test.kinds == [CallStarted, RetryScheduled, StreamOpened, CallSucceeded]
    pacer = RecordingPacer()
    twin = BedrockRuntime(ScriptedBedrock(broken, "Hello"), Retrier(POLICY, clock=FakeClock(), pacer=pacer))
    list(getattr(twin, method)(modelId="m", **more))
    assert under_test.pacer.outcomes == pacer.outcomes


async def test_a_stream_is_not_retried_after_its_first_content() -> None:
    under_test = AsyncRuntimeUnderTest(BrokenStream("Hel", "lo"), "never")
    with pytest.raises(StreamInterruptedError) as raised:
        await read(under_test.runtime.converse_stream(**REQUEST))
    assert raised.value.text == "Hello"
    assert raised.value.__notes__ == [
        "bedrock_resilience: gave up after 1 attempt and 0.00 s of waiting: a part of the stream was delivered"
    ]
    assert under_test.kinds == [CallStarted, StreamOpened, CallFailed]
    assert under_test.pacer.open == []


@pytest.mark.parametrize("limit", ["deadline", "timeout", "enclosing"])
async def test_a_stream_ends_when_its_deadline_is_past(limit: str) -> None:
    given: dict[str, Any] = {} if limit == "enclosing" else {limit: 3.0 if limit == "timeout" else Deadline(3.0)}
    under_test = AsyncRuntimeUnderTest(converse_events("a", "b", "c"), **given)
    delivered: list[dict[str, Any]] = []
    stream = under_test.runtime.converse_stream(**REQUEST)
    with pytest.raises(StreamInterruptedError, match="the deadline is past") as raised:  # noqa: PT012 - a loop
        with Deadline(3.0 if limit == "enclosing" else 90.0).apply():
            delivered.append(await anext(stream))
        async for event in stream:
            delivered.append(event)
            if text_of(event) == "b":
                await under_test.clock.aadvance(3.0)
    assert (raised.value.text, raised.value.delivered) == ("ab", delivered)
    assert raised.value.__notes__ == ["bedrock_resilience: gave up after 1 attempt and 0.00 s of waiting: deadline"]
    assert under_test.client.scripted.streams[0].closed
    assert under_test.kinds == [CallStarted, StreamOpened, CallFailed]
    assert under_test.pacer.ended == ["answered"]


async def test_a_time_limit_of_the_attempts_ends_at_the_first_content_of_a_stream() -> None:
    under_test = AsyncRuntimeUnderTest(converse_events("a", "b"), attempt_timeout=3.0)
    async for event in under_test.runtime.converse_stream(**REQUEST):
        if text_of(event):
            await under_test.clock.aadvance(10.0)
    assert under_test.kinds[-1] is CallSucceeded


async def test_a_stream_may_be_empty_where_its_stop_reason_allows_it() -> None:
    under_test = AsyncRuntimeUnderTest(converse_events(stop_reason="stop_sequence"))
    with_usage = [event async for event in under_test.runtime.converse_stream(**REQUEST)]
    assert with_usage == converse_events(stop_reason="stop_sequence")
    assert under_test.pacer.ended == ["answered"]


async def test_a_stream_that_never_opens_fails_with_nothing_delivered() -> None:
    under_test = AsyncRuntimeUnderTest(*[BrokenStream(error=stream_cut())] * 4)
    with pytest.raises(StreamInterruptedError) as raised:
        await read(under_test.runtime.converse_stream(**REQUEST))
    assert raised.value.delivered == []
    assert under_test.pacer.open == []


async def test_closing_a_stream_closes_the_connection() -> None:
    under_test = AsyncRuntimeUnderTest("Hello")
    async with aclosing(under_test.runtime.converse_stream(**REQUEST)) as stream:
        assert under_test.client.scripted.calls == 0
        await anext(stream)
    assert under_test.client.scripted.streams[0].closed
    assert under_test.pacer.ended == ["answered"]
    assert under_test.kinds[-1] is CallSucceeded


@pytest.mark.parametrize("block", [0, 3])
async def test_a_cancellation_releases_the_reservation(block: int) -> None:
    under_test = AsyncRuntimeUnderTest("Hello", block=block)
    task = asyncio.create_task(read(under_test.runtime.converse_stream(**REQUEST)))
    for _ in range(5):
        await asyncio.sleep(0)  # noqa: TID251 - the other task's turn
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert under_test.client.scripted.streams[0].closed
    assert under_test.pacer.open == []
    # As the integrations report it; before the first content the stream has not been opened.
    assert under_test.kinds == [CallStarted, *([StreamOpened] if block else []), CallCancelled]


async def test_a_cancellation_in_a_wait_gives_the_reservation_back() -> None:
    pacer = RecordingPacer(50.0)
    under_test = AsyncRuntimeUnderTest("Hello", pacer=pacer)
    task = asyncio.create_task(under_test.runtime.converse(**REQUEST))
    await asyncio.sleep(0)  # noqa: TID251 - as above
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert pacer.ended == ["abandoned"]


async def test_an_executor_awaits_it() -> None:
    under_test = AsyncRuntimeUnderTest(throttling_error(), "Hello", "Hello")

    async def ask(model: str) -> dict[str, Any]:
        return await under_test.runtime.converse(**{**REQUEST, "modelId": model})

    executor = BoundedExecutor(1, policy=RetryPolicy(max_retries=0))
    report = await executor.arun(ask, ["a", "b"])
    assert len(report.succeeded) == 2


async def test_a_response_that_the_sdk_cannot_parse_is_malformed() -> None:
    async def converse(**_: object) -> None:
        raise MalformedResponseError("half a body", b"{")

    with pytest.raises(MalformedResponseError, match="cannot parse"):
        await AsyncBedrockRuntime(SimpleNamespace(converse=converse)).converse(**REQUEST)


@pytest.mark.parametrize(
    "client",
    [bedrock_runtime_client("eu-west-3"), ScriptedBedrock("never"), AsyncScripted, "eu-west-3", SimpleNamespace()],
)
def test_what_is_no_asynchronous_client_of_bedrock_is_refused(client: object) -> None:
    with pytest.raises(TypeError) as refused:
        AsyncBedrockRuntime(client)
    assert str(refused.value) == (
        f"AsyncBedrockRuntime: client: got {client!r}; accepted: a bedrock-runtime client of aiobotocore or aioboto3, "
        "or coroutine functions of the same names; a client of boto3 goes into BedrockRuntime"
    )


def test_a_client_with_retries_of_its_own_is_refused() -> None:
    config = SimpleNamespace(retries={"mode": "standard", "total_max_attempts": 5})
    with pytest.raises(ClientConfigurationError, match="two retry layers"):
        AsyncBedrockRuntime(SimpleNamespace(meta=SimpleNamespace(config=config), converse=ascripted("never")))
