"""Clients of httpx and httpx2 under a policy, over a real socket to the emulator, or over a scripted transport."""

from __future__ import annotations

import asyncio
import importlib
import json
import ssl
import threading
from typing import TYPE_CHECKING, Any

import pytest

from bedrock_resilience import (
    TRANSIENT,
    Deadline,
    DeadlineExceededError,
    Fault,
    LoggingListener,
    MalformedResponseError,
    NoJitter,
    RetryBudget,
    RetryPolicy,
    StopReason,
    classify,
    protect,
    unprotect,
)
from bedrock_resilience.emulator import BedrockEmulator, Generation
from bedrock_resilience.errors import ClientConfigurationError
from bedrock_resilience.integrations import protection_of
from bedrock_resilience.pacing import AdaptivePacer
from bedrock_resilience.quotas import Quota, Usage
from bedrock_resilience.retrying import CallFailed, CallStarted, CallSucceeded, PacingWait, RetryScheduled, StreamOpened
from bedrock_resilience.testing import FakeClock
from support.pacers import RecordingPacer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Self, TypeAlias

    from bedrock_resilience.retrying import Event

    Untyped: TypeAlias = Any  # objects of httpx or httpx2

MODEL = "eu.anthropic.claude-sonnet-4-5-20250929-v1:0"
MESSAGES = {"max_tokens": 100, "messages": [{"role": "user", "content": "Which company?"}]}
CONVERSATION: dict[str, Any] = {
    "messages": [{"role": "user", "content": [{"text": "Which company?"}]}],
    "inferenceConfig": {"maxTokens": 100},
}
CLAUDE = {"anthropic_version": "bedrock-2023-05-31", **MESSAGES}
BODIES: dict[str, dict[str, Any]] = {
    "converse": CONVERSATION,
    "converse-stream": CONVERSATION,
    "invoke": CLAUDE,
    "invoke-with-response-stream": CLAUDE,
}
NO_CERTIFICATES = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # loading them takes longer than a test
PLAIN = RetryPolicy(jitter=NoJitter())
EVERYTHING = RetryPolicy(jitter=NoJitter(), retry_on=TRANSIENT)
CONVERSE = f"/model/{MODEL}/converse"
STREAM = f"/model/{MODEL}/converse-stream"


class Http:
    """One interface to the four kinds of clients."""

    def __init__(self, package: str, *, asynchronous: bool) -> None:
        self.module: Untyped = importlib.import_module(package)
        self.asynchronous = asynchronous
        self.runner = asyncio.Runner()
        self.clients: list[Untyped] = []

    def client(self, **arguments: Untyped) -> Untyped:
        cls = self.module.AsyncClient if self.asynchronous else self.module.Client
        client = cls(trust_env=False, timeout=10, verify=NO_CERTIFICATES, **arguments)
        self.clients.append(client)
        return client

    def post(self, client: Untyped, path: str, body: Untyped = None, **arguments: Untyped) -> Untyped:
        """Send a request, and return the response, which has been read."""
        operation = path.rpartition("/")[2]
        return self.run(client.post(path, json=body or BODIES.get(operation, MESSAGES), **arguments))

    def stream(self, client: Untyped, path: str = STREAM, parts: int | None = None) -> list[bytes]:
        """Send a request, and return the parts of its streamed response; close it after some of them."""
        request = client.build_request("POST", path, json=BODIES[path.rpartition("/")[2]])
        read: list[bytes] = []

        async def run() -> None:
            response = await client.send(request, stream=True)
            try:
                async for part in response.aiter_raw():
                    read.append(part)
                    if len(read) == parts:
                        break
            finally:
                await response.aclose()

        if self.asynchronous:
            self.runner.run(run())
            return read
        response = client.send(request, stream=True)
        try:
            for part in response.iter_raw():
                read.append(part)
                if len(read) == parts:
                    break
        finally:
            response.close()
        return read

    def scripted(self, answer: Callable[[Untyped], Untyped], **arguments: Untyped) -> Untyped:
        """Return a client whose transport calls a function in place of a network."""
        return self.client(transport=self.module.MockTransport(answer), base_url="http://bedrock.invalid", **arguments)

    def run(self, result: Untyped) -> Untyped:
        return self.runner.run(result) if self.asynchronous else result

    def close(self) -> None:
        for client in self.clients:
            self.run(client.aclose() if self.asynchronous else client.close())
        self.runner.close()


@pytest.fixture(
    params=[("httpx", False), ("httpx", True), ("httpx2", False), ("httpx2", True)],
    ids=["httpx", "httpx async", "httpx2", "httpx2 async"],
)
def http(request: pytest.FixtureRequest) -> Iterator[Http]:
    package, asynchronous = request.param
    pytest.importorskip(package)
    http = Http(package, asynchronous=asynchronous)
    yield http
    http.close()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(scope="module")
def server() -> Iterator[BedrockEmulator]:
    with BedrockEmulator() as emulator:
        yield emulator


@pytest.fixture
def emulator(server: BedrockEmulator) -> BedrockEmulator:
    server.reset()
    return server


class Protected:
    """A protected client of the emulator, and what it reported."""

    def __init__(self, http: Http, emulator: BedrockEmulator, clock: FakeClock, **arguments: Untyped) -> None:
        self.events: list[Event] = []
        self.pacer = RecordingPacer()
        parts: dict[str, Untyped] = {
            "policy": EVERYTHING,
            "pacer": self.pacer,
            "clock": clock,
            "listeners": [self.record],
            **arguments,
        }
        self.client = protect(http.client(base_url=emulator.endpoint_url), **parts)

    def record(self, event: Event) -> None:
        """Record an event, unless it is the beginning of a call or of a stream: these tests are about how calls end."""
        if not isinstance(event, CallStarted | StreamOpened):
            self.events.append(event)


@pytest.fixture
def protected(http: Http, emulator: BedrockEmulator, clock: FakeClock) -> Protected:
    return Protected(http, emulator, clock)


@pytest.mark.parametrize("operation", ["converse", "invoke"])
def test_a_call_that_succeeds_at_once_is_one_request(
    http: Http, emulator: BedrockEmulator, protected: Protected, operation: str
) -> None:
    response = http.post(protected.client, f"/model/{MODEL}/{operation}")
    entry = emulator.log[-1]
    assert (response.status_code, response.json()) == (200, json.loads(response.content))
    assert (emulator.requests, entry.usage) == (1, Usage(4, 29))
    (tokens,) = protected.pacer.tokens
    assert 100 < tokens < 150
    assert protected.pacer.outcomes == [("answered", entry.usage)]
    (event,) = protected.events
    assert isinstance(event, CallSucceeded)
    answer: Untyped = event.answer
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 200
    assert answer["usage"] == response.json()["usage"]


@pytest.mark.parametrize("operation", ["converse", "invoke", "converse-stream", "invoke-with-response-stream"])
def test_n_throttles_are_n_and_one_requests(
    http: Http, emulator: BedrockEmulator, clock: FakeClock, protected: Protected, operation: str
) -> None:
    emulator.fail_next(2)
    path = f"/model/{MODEL}/{operation}"
    if "stream" in operation:
        assert http.stream(protected.client, path)
    else:
        assert http.post(protected.client, path).status_code == 200
    assert (emulator.requests, clock.sleeps) == (3, [0.5, 1.0])
    assert protected.pacer.ended == ["throttled", "throttled", "answered"]
    assert protected.pacer.outcomes[-1][1] == emulator.log[-1].usage
    assert tuple(map(type, protected.events)) == (RetryScheduled, RetryScheduled, CallSucceeded)


def test_events_state_the_operation_the_model_and_the_region(http: Http) -> None:
    events: list[Event] = []
    client = http.scripted(lambda _: http.module.Response(200, json={}))
    protect(client, listeners=[events.append])
    http.post(client, f"https://bedrock-runtime.eu-west-3.amazonaws.com/model/{MODEL}/converse")
    http.post(client, "https://h/openai/v1/chat/completions")
    assert [(type(event), event.operation, event.model, event.region) for event in events] == [
        (CallStarted, "Converse", MODEL, "eu-west-3"),
        (CallSucceeded, "Converse", MODEL, "eu-west-3"),
        (CallStarted, "ChatCompletions", None, None),
        (CallSucceeded, "ChatCompletions", None, None),
    ]


def test_the_last_error_is_handed_back_as_it_is(http: Http, emulator: BedrockEmulator, protected: Protected) -> None:
    emulator.fail_next(None)
    response = http.post(protected.client, CONVERSE)
    assert (response.status_code, emulator.requests) == (429, 4)
    assert response.headers["x-amzn-errortype"].startswith("ThrottlingException")
    assert response.json() == {"message": "Too many requests, please wait before trying again."}
    assert "x-should-retry" not in response.headers
    with pytest.raises(http.module.HTTPStatusError):
        response.raise_for_status()
    event = protected.events[-1]
    assert isinstance(event, CallFailed)
    assert (event.attempts, event.reason, event.fault) == (4, StopReason.RETRIES_EXHAUSTED, Fault.THROTTLING)
    assert isinstance(event.error, http.module.HTTPStatusError)


def test_a_fault_that_the_policy_does_not_list_is_not_retried(
    http: Http, emulator: BedrockEmulator, protected: Protected
) -> None:
    assert http.post(protected.client, CONVERSE, {"messages": "none"}).status_code == 400
    assert emulator.requests == 1


def test_the_wait_that_the_server_asks_for_is_kept(
    http: Http, emulator: BedrockEmulator, clock: FakeClock, protected: Protected
) -> None:
    emulator.fail_next(1, 529, retry_after=7)
    assert http.post(protected.client, CONVERSE).status_code == 200
    assert 7.0 <= clock.slept < 8.0
    assert "overloaded" in protected.pacer.ended


def test_the_retries_are_logged(
    http: Http, emulator: BedrockEmulator, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    client = Protected(http, emulator, clock, listeners=[LoggingListener()]).client
    emulator.fail_next(1)
    http.post(client, CONVERSE)
    assert [record.message for record in caplog.records if record.name == "bedrock_resilience"] == [
        "ThrottlingException (attempt 1/4). Retrying in 0.50s..."
    ]


class TestLimits:
    def test_a_deadline_that_is_over_allows_no_request(
        self, http: Http, emulator: BedrockEmulator, clock: FakeClock
    ) -> None:
        client = Protected(http, emulator, clock, deadline=Deadline(0.0)).client
        with pytest.raises(DeadlineExceededError):
            http.post(client, CONVERSE)
        assert emulator.requests == 0

    def test_a_deadline_ends_the_retries(self, http: Http, emulator: BedrockEmulator, clock: FakeClock) -> None:
        client = Protected(http, emulator, clock, deadline=Deadline(1.0)).client
        emulator.fail_next(None)
        assert http.post(client, CONVERSE).status_code == 429
        assert (emulator.requests, clock.sleeps) == (2, [0.5])

    def test_a_timeout_ends_the_retries_of_each_call(
        self, http: Http, emulator: BedrockEmulator, clock: FakeClock
    ) -> None:
        client = Protected(http, emulator, clock, timeout=1.0).client
        emulator.fail_next(None)
        assert [http.post(client, CONVERSE).status_code for _ in range(2)] == [429, 429]
        assert (emulator.requests, clock.sleeps) == (4, [0.5, 0.5])

    def test_a_budget_limits_the_retries_of_all_calls(
        self, http: Http, emulator: BedrockEmulator, clock: FakeClock
    ) -> None:
        client = Protected(http, emulator, clock, budget=RetryBudget(0, 1)).client
        emulator.fail_next(None)
        assert [http.post(client, CONVERSE).status_code for _ in range(2)] == [429, 429]
        assert emulator.requests == 3

    def test_the_pacer_holds_a_request_before_it_is_sent(
        self, http: Http, emulator: BedrockEmulator, clock: FakeClock
    ) -> None:
        protected = Protected(http, emulator, clock, pacer=RecordingPacer(3.0))
        http.post(protected.client, CONVERSE)
        assert clock.sleeps == [3.0]
        assert isinstance(protected.events[0], PacingWait)

    @pytest.mark.parametrize(("seconds", "requests"), [(271, 1), (200, 2)])
    def test_a_signed_request_is_not_sent_after_its_signature_has_expired(
        self, http: Http, emulator: BedrockEmulator, protected: Protected, seconds: int, requests: int
    ) -> None:
        emulator.fail_next(1, 529, retry_after=seconds)
        response = http.post(protected.client, CONVERSE, headers={"Authorization": "AWS4-HMAC-SHA256 Credential=..."})
        assert (response.status_code, emulator.requests) == (529 if requests == 1 else 200, requests)

    def test_a_bearer_token_has_no_such_limit(
        self, http: Http, emulator: BedrockEmulator, clock: FakeClock, protected: Protected
    ) -> None:
        emulator.fail_next(1, 529, retry_after=271)
        assert http.post(protected.client, CONVERSE, headers={"Authorization": "Bearer key"}).status_code == 200
        assert clock.slept >= 271.0


class TestBrokenResponses:
    @pytest.mark.parametrize("fault", ["connection-reset", "truncated-body", "unexpected-body"])
    def test_they_are_retried(self, http: Http, emulator: BedrockEmulator, protected: Protected, fault: str) -> None:
        emulator.fail_next(1, fault)
        assert http.post(protected.client, CONVERSE).json()["stopReason"] == "end_turn"
        assert emulator.requests == 2

    def test_an_exception_of_the_transport_is_raised_with_a_note(
        self, http: Http, emulator: BedrockEmulator, protected: Protected
    ) -> None:
        emulator.fail_next(None, "connection-reset")
        with pytest.raises(http.module.TransportError) as caught:
            http.post(protected.client, CONVERSE)
        assert emulator.requests == 2  # it may be billed, so that it is repeated once
        assert "2 attempts" in caught.value.__notes__[0]
        assert protected.pacer.open == []

    def test_a_page_that_is_no_response_is_handed_back(
        self, http: Http, emulator: BedrockEmulator, protected: Protected
    ) -> None:
        emulator.fail_next(None, "unexpected-body")
        response = http.post(protected.client, CONVERSE)
        assert response.headers["content-type"] == "text/html"
        event = protected.events[-1]
        assert isinstance(event, CallFailed)
        assert isinstance(event.error, MalformedResponseError)

    @pytest.mark.parametrize(
        ("status", "content", "body"), [(200, b"[1, 2]", [1, 2]), (302, b"elsewhere", None), (200, b'{"a": 1}', None)]
    )
    def test_any_json_is_a_response_and_so_is_a_redirect(
        self, http: Http, clock: FakeClock, status: int, content: bytes, body: object
    ) -> None:
        events: list[Event] = []
        client = http.scripted(lambda _: http.module.Response(status, content=content))
        protect(client, clock=clock, listeners=[events.append])
        assert http.post(client, CONVERSE).content == content
        _, event = events
        assert isinstance(event, CallSucceeded)
        answer: Untyped = event.answer
        assert answer.get("body") == body

    def test_a_compressed_body_is_read_and_handed_back_compressed(self, http: Http, clock: FakeClock) -> None:
        import gzip  # noqa: PLC0415 - this test alone needs it

        headers = {"content-encoding": "gzip", "content-type": "application/json"}
        raw = gzip.compress(json.dumps({"usage": {"inputTokens": 7, "outputTokens": 3}}).encode())
        pacer = RecordingPacer()
        client = http.scripted(lambda _: http.module.Response(200, headers=headers, stream=http.module.ByteStream(raw)))
        protect(client, clock=clock, pacer=pacer)
        assert http.post(client, CONVERSE).json()["usage"]["inputTokens"] == 7
        assert pacer.outcomes[-1] == ("answered", Usage(7, 3))


class TestStreams:
    def test_the_bytes_are_those_of_the_service(self, http: Http, clock: FakeClock) -> None:
        raw = b"data: {}\n\ndata: {no JSON\n\n: and a rest that is no event"
        headers = {"content-type": "text/event-stream", "x-amzn-requestid": "1"}
        client = http.scripted(lambda _: http.module.Response(200, headers=headers, content=raw))
        response = http.post(protect(client, clock=clock), "/anthropic/v1/messages")
        assert response.content == raw
        assert headers.items() <= dict(response.headers).items()

    def test_an_error_as_the_first_event_is_retried(
        self, http: Http, emulator: BedrockEmulator, protected: Protected
    ) -> None:
        emulator.fail_next(2, "stream-exception", after=0)
        assert b"messageStop" in b"".join(http.stream(protected.client))
        assert emulator.requests == 3
        assert protected.pacer.ended.count("throttled") == 2

    def test_a_stream_that_begins_with_an_error_is_handed_back_at_the_end(
        self, http: Http, emulator: BedrockEmulator, protected: Protected
    ) -> None:
        emulator.fail_next(None, "stream-exception", after=0)
        assert b"throttlingException" in b"".join(http.stream(protected.client))
        assert emulator.requests == 4
        assert isinstance(protected.events[-1], CallFailed)

    @pytest.mark.parametrize("fault", ["stream-cut", "stream-without-stop"])
    def test_a_stream_that_ends_before_its_first_event_is_retried(
        self, http: Http, emulator: BedrockEmulator, protected: Protected, fault: str
    ) -> None:
        emulator.fail_next(1, fault, after=0)
        assert b"messageStop" in b"".join(http.stream(protected.client))
        assert emulator.requests == 2

    def test_an_error_after_the_first_event_is_delivered(
        self, http: Http, emulator: BedrockEmulator, protected: Protected
    ) -> None:
        emulator.fail_next(1, "stream-exception", after=2)
        assert b"throttlingException" in b"".join(http.stream(protected.client))
        assert emulator.requests == 1
        assert protected.pacer.outcomes[-1] == ("throttled", None)
        event = protected.events[-1]
        assert isinstance(event, CallFailed)
        assert (event.reason, event.fault) == (StopReason.PARTLY_DELIVERED, Fault.THROTTLING)

    def test_a_stream_that_is_cut_after_the_first_event_raises(
        self, http: Http, emulator: BedrockEmulator, protected: Protected
    ) -> None:
        emulator.fail_next(1, "stream-cut", after=2)
        with pytest.raises(http.module.RemoteProtocolError) as caught:
            http.stream(protected.client)
        assert emulator.requests == 1
        assert "1 attempt" in caught.value.__notes__[0]
        event = protected.events[-1]
        assert isinstance(event, CallFailed)
        assert event.fault is Fault.CONNECTION_LOST
        assert protected.pacer.open == []

    def test_a_stream_that_the_caller_leaves_is_no_failure(self, http: Http, protected: Protected) -> None:
        assert len(http.stream(protected.client, parts=1)) == 1
        assert protected.pacer.outcomes[-1] == ("answered", None)
        assert isinstance(protected.events[-1], CallSucceeded)

    def test_it_stays_lazy(self, http: Http, clock: FakeClock) -> None:
        sent: list[int] = []
        events = [b"data: {}\n\n", b"data: {}\n\n", b"data: {}\n\n"]

        def parts() -> Iterator[bytes]:
            for number, event in enumerate(events):
                sent.append(number)
                yield event

        async def aparts() -> Untyped:
            for part in parts():
                yield part

        def answer(_: Untyped) -> Untyped:
            content = aparts() if http.asynchronous else parts()
            return http.module.Response(200, headers={"content-type": "text/event-stream"}, content=content)

        client = protect(http.scripted(answer), clock=clock)
        request = client.build_request("POST", "/anthropic/v1/messages", json=MESSAGES)
        response = http.run(client.send(request, stream=True))
        assert sent == [0]
        assert http.run(response.aread() if http.asynchronous else response.read()) == b"".join(events)

    def test_an_interrupt_of_its_reader_closes_the_call(self, http: Http, clock: FakeClock) -> None:
        class Interrupted(http.module.SyncByteStream, http.module.AsyncByteStream):  # type: ignore[misc,name-defined]  # of either package
            def __iter__(self) -> Iterator[bytes]:
                yield b"data: {}\n\n"
                raise KeyboardInterrupt

            async def __aiter__(self) -> Untyped:
                yield b"data: {}\n\n"
                raise asyncio.CancelledError

        pacer = RecordingPacer()
        headers = {"content-type": "text/event-stream"}
        client = http.scripted(lambda _: http.module.Response(200, headers=headers, stream=Interrupted()))
        protect(client, clock=clock, pacer=pacer)
        with pytest.raises((KeyboardInterrupt, asyncio.CancelledError)):
            http.post(client, "/anthropic/v1/messages")
        assert pacer.outcomes[-1] == ("answered", None)

    def test_a_stream_whose_parts_are_not_generated_is_closed_too(self, http: Http, clock: FakeClock) -> None:
        class AsyncParts:
            def __init__(self, left: list[bytes]) -> None:
                self.left = left

            def __aiter__(self) -> Self:
                return self

            async def __anext__(self) -> bytes:
                if not self.left:
                    raise StopAsyncIteration
                return self.left.pop()

        class Parts(http.module.SyncByteStream, http.module.AsyncByteStream):  # type: ignore[misc,name-defined]  # of either package
            def __init__(self) -> None:
                self.left = [b"data: {}\n\n"]

            def __iter__(self) -> Iterator[bytes]:
                return iter(self.left)

            def __aiter__(self) -> Untyped:
                return AsyncParts(self.left)

        headers = {"content-type": "text/event-stream"}
        client = http.scripted(lambda _: http.module.Response(200, headers=headers, stream=Parts()))
        assert http.post(protect(client, clock=clock), "/anthropic/v1/messages").content == b"data: {}\n\n"


class TestOtherApis:
    @pytest.mark.parametrize(
        "path", ["/openai/v1/chat/completions", "/openai/v1/responses", "/anthropic/v1/messages?beta=true"]
    )
    def test_their_usage_settles_the_pacer(self, http: Http, clock: FakeClock, path: str) -> None:
        pacer = RecordingPacer()
        client = http.scripted(
            lambda _: http.module.Response(200, json={"usage": {"prompt_tokens": 7, "completion_tokens": 3}})
        )
        protect(client, clock=clock, pacer=pacer)
        http.post(client, path, {"model": MODEL, **MESSAGES})
        assert pacer.outcomes[-1] == ("answered", Usage(7, 3))

    @pytest.mark.parametrize(
        ("path", "more"),
        [
            ("/anthropic/v1/messages", {"anthropic_version": "2023-06-01"}),
            ("/openai/v1/chat/completions", {"stream_options": {"include_usage": True}}),
        ],
    )
    def test_their_streams_are_retried_and_settle_the_pacer(
        self, http: Http, emulator: BedrockEmulator, protected: Protected, path: str, more: dict[str, Untyped]
    ) -> None:
        emulator.fail_next(1)
        response = http.post(protected.client, path, {"model": MODEL, "stream": True, **MESSAGES, **more})
        assert response.headers["content-type"].startswith("text/event-stream")
        assert emulator.requests == 2
        assert protected.pacer.outcomes == [("throttled", None), ("answered", emulator.log[-1].usage)]

    def test_a_request_for_a_count_is_retried_but_not_paced(
        self, http: Http, emulator: BedrockEmulator, protected: Protected
    ) -> None:
        emulator.fail_next(1)
        body = {"input": {"converse": {"messages": CONVERSATION["messages"]}}}
        response = http.post(protected.client, "/model/anthropic.claude-3-haiku-20240307-v1:0/count-tokens", body)
        assert response.json()["inputTokens"] > 0
        assert (emulator.requests, protected.pacer.calls) == (2, [])

    def test_the_pacer_reserves_for_a_body_that_cannot_be_read(self, http: Http, clock: FakeClock) -> None:
        pacer = RecordingPacer()
        client = protect(http.scripted(lambda _: http.module.Response(400)), clock=clock, pacer=pacer)
        assert http.run(client.post(CONVERSE, content=b"no JSON")).status_code == 400
        assert pacer.ended == ["answered"]

    @pytest.mark.parametrize(
        ("method", "path"), [("GET", CONVERSE), ("POST", "/v1/messages"), ("POST", "/model/x/other")]
    )
    def test_other_requests_pass_unchanged(self, http: Http, clock: FakeClock, method: str, path: str) -> None:
        requests: list[Untyped] = []

        def answer(request: Untyped) -> Untyped:
            requests.append(request)
            return http.module.Response(429)

        events: list[Event] = []
        client = protect(http.scripted(answer), clock=clock, listeners=[events.append])
        assert http.run(client.request(method, path)).status_code == 429
        assert (len(requests), events) == (1, [])


class TestBothEndpoints:
    """``bedrock-runtime`` and ``bedrock-mantle`` are separate allocations, also of one client."""

    PATHS = ("/v1/chat/completions", "/anthropic/v1/messages")
    STREAMED: tuple[dict[str, Untyped], ...] = ({}, {"stream": True, "stream_options": {"include_usage": True}})

    @staticmethod
    def bodies(path: str, **more: object) -> dict[str, Any]:
        version = {"anthropic_version": "bedrock-2023-05-31"} if "anthropic" in path else {}
        stream = {name: value for name, value in more.items() if name != "stream_options" or not version}
        return {"model": MODEL, **MESSAGES, **version, **stream}

    def test_a_throttle_of_one_does_not_slow_down_the_other(self, http: Http, clock: FakeClock) -> None:
        mantle = Quota.mantle(input_tokens_per_minute=150)
        with BedrockEmulator(mantle_quota=mantle) as emulator:
            client = protect(http.client(), pacer="auto", policy=PLAIN, clock=clock)
            path = f"{emulator.mantle_url}/v1/chat/completions"
            answers = [http.post(client, path, self.bodies(path)) for _ in range(4)]
            assert emulator.throttles > 0
            assert {answer.status_code for answer in answers} <= {200, 429}
            waited = clock.monotonic()
            for _ in range(20):
                assert http.post(client, f"{emulator.endpoint_url}{CONVERSE}").status_code == 200
            protection = protection_of(client)
            assert protection is not None
            runtime, other = protection.pacer, protection.mantle_pacer
            assert isinstance(runtime, AdaptivePacer)
            assert isinstance(other, AdaptivePacer)
            assert (runtime.status().tokens_per_minute, runtime.status().confidence) == (None, 0.0)
            assert (other.status().tokens_per_minute or 0.0) < 500
            assert clock.monotonic() - waited < 5.0 < waited

    def test_a_pacer_of_your_own_serves_both(self, http: Http, clock: FakeClock) -> None:
        pacer = RecordingPacer()
        with BedrockEmulator() as emulator:
            client = protect(http.client(), pacer=pacer, clock=clock)
            http.post(client, f"{emulator.mantle_url}/v1/chat/completions", {"model": MODEL, **MESSAGES})
            http.post(client, f"{emulator.endpoint_url}{CONVERSE}")
        assert pacer.ended == ["answered", "answered"]

    @pytest.mark.parametrize("path", PATHS)
    @pytest.mark.parametrize("more", STREAMED, ids=["whole", "streamed"])
    def test_responses_that_are_cut_short_slow_down_those_that_follow(
        self, http: Http, clock: FakeClock, path: str, more: dict[str, Untyped]
    ) -> None:
        generated = Generation(({"text": "word " * 40},), output_tokens=40)
        quota = Quota.mantle(output_tokens_per_minute=60)
        with BedrockEmulator(responder=lambda _: generated, mantle_quota=quota) as emulator:
            client = protect(http.client(), pacer="auto", clock=clock)
            for _ in range(3):
                response = http.post(client, emulator.mantle_url + path, self.bodies(path, **more))
                assert response.status_code == 200  # the client gets what was generated
            assert [entry.usage and entry.usage.output_tokens for entry in emulator.log] == [40, 20, 0]
            protection = protection_of(client)
        assert protection is not None
        pacer = protection.mantle_pacer
        assert isinstance(pacer, AdaptivePacer)
        assert 0 < (pacer.status().requests_per_minute or 0.0) < 60
        assert pacer.reserve(clock.monotonic()).wait > 1.0

    def test_the_tokens_of_mantle_are_counted_by_its_rules(self, http: Http, clock: FakeClock) -> None:
        events: list[Event] = []
        with BedrockEmulator(responder=lambda _: Generation(({"text": "a b c"},), output_tokens=30)) as emulator:
            client = protect(http.client(), listeners=[events.append], clock=clock)
            path = f"{emulator.mantle_url}/v1/chat/completions"
            http.post(client, path, self.bodies(path))
        ended = events[-1]
        assert isinstance(ended, CallSucceeded)
        assert ended.token_usage is not None
        assert ended.token_usage.settled == ended.token_usage.input_tokens + 30  # Claude's burndown is not counted


class TestSecondLayer:
    def test_a_request_that_an_sdk_repeats_is_refused(
        self, http: Http, emulator: BedrockEmulator, protected: Protected
    ) -> None:
        with pytest.raises(ClientConfigurationError, match="up to 4 times") as caught:
            http.post(protected.client, CONVERSE, headers={"x-stainless-retry-count": "1"})
        assert classify(caught.value) is Fault.CONFIGURATION
        assert emulator.requests == 0

    def test_an_sdk_is_told_not_to_repeat_what_failed(
        self, http: Http, emulator: BedrockEmulator, protected: Protected
    ) -> None:
        emulator.fail_next(None)
        response = http.post(protected.client, CONVERSE, headers={"x-stainless-retry-count": "0"})
        assert (response.status_code, response.headers["x-should-retry"]) == (429, "false")


class TestProtect:
    def test_to_protect_twice_is_to_protect_once(self, http: Http, emulator: BedrockEmulator, clock: FakeClock) -> None:
        client = Protected(http, emulator, clock, pacer=None).client
        transport = client._transport
        protect(client, policy=PLAIN, clock=clock)
        assert client._transport is transport
        emulator.fail_next(None)
        assert http.post(client, CONVERSE).status_code == 429
        assert emulator.requests == 4

    def test_other_arguments_replace_the_first_ones(
        self, http: Http, emulator: BedrockEmulator, clock: FakeClock
    ) -> None:
        client = Protected(http, emulator, clock).client
        protect(client, policy=PLAIN.replace(max_retries=1), clock=clock)
        protection = protection_of(client)
        assert protection is not None
        assert protection.policy.max_retries == 1
        emulator.fail_next(None)
        http.post(client, CONVERSE)
        assert emulator.requests == 2

    def test_unprotect_gives_the_transports_back(self, http: Http, clock: FakeClock) -> None:
        mounted = http.module.MockTransport(lambda _: http.module.Response(200))  # pyright: ignore[reportUnknownLambdaType]  # of either package
        client = http.client(mounts={"http://a.invalid": mounted, "http://b.invalid": None})
        own, mounts = client._transport, dict(client._mounts)
        protect(client, clock=clock)
        assert [transport is None for transport in client._mounts.values()] == [False, True]
        assert client._transport is not own
        assert client._mounts != mounts
        assert unprotect(client) is client
        assert (client._transport, client._mounts, protection_of(client)) == (own, mounts, None)
        unprotect(client)
        assert client._transport is own

    def test_the_policy_is_shown(self, http: Http, clock: FakeClock) -> None:
        plain = http.client()
        client = protect(http.client(), policy=PLAIN, clock=clock)
        assert repr(PLAIN) in repr(client)
        assert repr(PLAIN) in repr(client._transport)
        assert repr(client._transport).endswith(f" around {client._transport.transport!r}>")
        assert type(client).__name__ == type(plain).__name__
        assert isinstance(client, type(plain))
        assert type(unprotect(client)) is type(plain)
        assert "RetryPolicy" not in repr(client)

    def test_a_client_whose_transport_was_replaced_shows_nothing(self, http: Http, clock: FakeClock) -> None:
        client = protect(http.client(), policy=PLAIN, clock=clock)
        client._transport = client._transport.transport
        assert "RetryPolicy" not in repr(client)

    def test_a_body_that_is_generated_is_sent_again(
        self, http: Http, emulator: BedrockEmulator, protected: Protected
    ) -> None:
        def parts() -> Iterator[bytes]:
            yield from (json.dumps(CONVERSATION).encode(), b"")

        async def aparts() -> Untyped:
            for part in parts():
                yield part

        emulator.fail_next(1)
        content = aparts() if http.asynchronous else parts()
        assert http.run(protected.client.post(CONVERSE, content=content)).status_code == 200
        assert emulator.log[0].body == emulator.log[1].body != b""

    def test_the_client_stays_a_context_manager(self, http: Http, emulator: BedrockEmulator, clock: FakeClock) -> None:
        client = Protected(http, emulator, clock).client

        async def run() -> int:
            async with client:
                return (await client.post(CONVERSE, json=CONVERSATION)).status_code  # type: ignore[no-any-return]  # of either package

        if http.asynchronous:
            assert http.runner.run(run()) == 200
        else:
            with client:
                assert client.post(CONVERSE, json=CONVERSATION).status_code == 200
        assert client.is_closed


@pytest.mark.parametrize("package", ["httpx", "httpx2"])
class TestConcurrency:
    def test_threads_share_a_client(self, package: str, emulator: BedrockEmulator) -> None:
        module: Untyped = pytest.importorskip(package)
        events: list[Event] = []
        policy = RetryPolicy(max_retries=20, base_delay=0.001, max_delay=0.001, jitter=NoJitter())
        emulator.fail_next(10)
        with protect(
            module.Client(base_url=emulator.endpoint_url, trust_env=False, verify=NO_CERTIFICATES),
            policy=policy,
            listeners=[events.append],
        ) as client:
            threads = [
                threading.Thread(target=client.post, args=(CONVERSE,), kwargs={"json": CONVERSATION}) for _ in range(6)
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        assert emulator.requests == 16
        assert sum(isinstance(event, CallSucceeded) for event in events) == 6

    async def test_tasks_wait_without_blocking_each_other(self, package: str, emulator: BedrockEmulator) -> None:
        module: Untyped = pytest.importorskip(package)
        emulator.fail_next(1, retry_after=100, containing="first")
        finished: list[str] = []
        second_is_done = asyncio.Event()

        class HeldClock(FakeClock):
            async def asleep(self, seconds: float) -> None:
                await second_is_done.wait()
                await super().asleep(seconds)

        async with module.AsyncClient(
            base_url=emulator.endpoint_url, trust_env=False, verify=NO_CERTIFICATES
        ) as client:
            protect(client, clock=HeldClock())

            async def ask(text: str) -> None:
                body = {"messages": [{"role": "user", "content": [{"text": text}]}]}
                assert (await client.post(CONVERSE, json=body)).status_code == 200
                finished.append(text)

            async with asyncio.TaskGroup() as group:
                group.create_task(ask("first"))
                await ask("second")
                second_is_done.set()
        assert finished == ["second", "first"]

    async def test_a_task_that_is_cancelled_in_a_wait_gives_its_reservation_back(
        self, package: str, emulator: BedrockEmulator
    ) -> None:
        module: Untyped = pytest.importorskip(package)
        pacer = RecordingPacer(60.0)
        async with module.AsyncClient(
            base_url=emulator.endpoint_url, trust_env=False, verify=NO_CERTIFICATES
        ) as client:
            protect(client, pacer=pacer)
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.01):
                    await client.post(CONVERSE, json=CONVERSATION)
        assert pacer.outcomes[-1] == ("abandoned", None)
        assert emulator.requests == 0

    async def test_a_task_that_is_cancelled_in_an_attempt_settles_the_pacer(
        self, package: str, emulator: BedrockEmulator
    ) -> None:
        module: Untyped = pytest.importorskip(package)
        pacer = RecordingPacer()
        emulator.fail_next(1, "hang")
        async with module.AsyncClient(
            base_url=emulator.endpoint_url, trust_env=False, verify=NO_CERTIFICATES
        ) as client:
            protect(client, pacer=pacer)
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.1):
                    await client.post(CONVERSE, json=CONVERSATION)
        assert pacer.outcomes[-1] == ("answered", None)

    def test_an_interrupt_in_an_attempt_settles_the_pacer(self, package: str) -> None:
        module: Untyped = pytest.importorskip(package)
        pacer = RecordingPacer()

        def answer(_: Untyped) -> Untyped:
            raise KeyboardInterrupt

        with module.Client(
            transport=module.MockTransport(answer), base_url="http://bedrock.invalid", verify=NO_CERTIFICATES
        ) as client:
            protect(client, pacer=pacer)
            with pytest.raises(KeyboardInterrupt):
                client.post(CONVERSE, json=CONVERSATION)
        assert pacer.outcomes[-1] == ("answered", None)

    def test_it_runs_on_trio(self, package: str, emulator: BedrockEmulator) -> None:
        module: Untyped = pytest.importorskip(package)
        trio: Untyped = pytest.importorskip("trio")
        emulator.fail_next(1)

        async def run() -> int:
            async with module.AsyncClient(
                base_url=emulator.endpoint_url, trust_env=False, verify=NO_CERTIFICATES
            ) as client:
                protect(client, policy=RetryPolicy(base_delay=0.001, jitter=NoJitter()))
                response = await client.post(CONVERSE, json=CONVERSATION)
                return response.status_code  # type: ignore[no-any-return]  # of either package

        assert trio.run(run) == 200
        assert emulator.requests == 2
