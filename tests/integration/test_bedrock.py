"""The client factory, the thin client and the retry wrapper, over a socket against the emulator."""

from __future__ import annotations

import contextlib
import functools
import logging
import threading
import time
from collections import Counter
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import boto3.session
import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

from bedrock_resilience import (
    BedrockRuntime,
    BoundedExecutor,
    Fault,
    MalformedResponseError,
    NoJitter,
    Retrier,
    RetryPolicy,
    StreamInterruptedError,
    bedrock_runtime_client,
    classify,
)
from bedrock_resilience.bedrock import converse, converse_stream, invoke_model
from bedrock_resilience.emulator import BedrockEmulator
from bedrock_resilience.testing import FakeClock, instant_retries
from support.bedrock import SONNET, client_of, user
from support.rawserver import raw_server
from vectora_normalize import bedrock_retry
from vectora_normalize.bedrock_retry import call_bedrock_with_retry

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

POLICY = RetryPolicy(max_retries=3, base_delay=0.0, jitter=NoJitter(), retry_on="transient")
REQUEST: dict[str, Any] = {"modelId": SONNET, "messages": [user("Camurus announces results of its trial.")]}
# What botocore's parser raises on a body that is JSON, but no object, and what becomes of it.
PARSER_ERRORS = (
    AttributeError,
    TypeError,
    UnicodeDecodeError,
    ClientError,
    MalformedResponseError,
    StreamInterruptedError,
)
BODY: dict[str, Any] = {
    "anthropic_version": "bedrock-2023-05-31",
    "max_tokens": 1_000,
    "messages": [{"role": "user", "content": "Camurus announces results of its trial."}],
}


@contextlib.contextmanager
def made(url: str, **options: Any) -> Generator[Any]:  # noqa: ANN401 - the options of the factory, and a client
    """A client of the factory, closed at the end; of a shared session, which has read the service model already."""
    options = {"session": shared_session(), **options}
    with contextlib.closing(bedrock_runtime_client("eu-west-3", endpoint_url=url, **options)) as client:
        yield client


@functools.cache
def shared_session() -> Any:  # noqa: ANN401 - a boto3 session
    return boto3.session.Session()


def eventually(happens: Any) -> bool:  # noqa: ANN401 - any condition
    """Whether something that another thread does happens within some seconds."""
    for _ in range(500):
        if happens():
            return True
        time.sleep(0.01)  # noqa: TID251 - real sockets take real time
    return False


class TestOneRetryLayer:
    """What the emulator counts, whatever the surroundings say about retries."""

    @pytest.fixture
    def slept(self) -> list[float]:
        """What botocore would have slept."""
        return []

    @pytest.fixture(params=["environment", "profile", "nothing"])
    def surroundings(
        self, slept: list[float], request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> str:
        if request.param == "environment":
            monkeypatch.setenv("AWS_RETRY_MODE", "legacy")
            monkeypatch.setenv("AWS_MAX_ATTEMPTS", "6")
        elif request.param == "profile":
            config = tmp_path / "config"
            config.write_text("[default]\nretry_mode = standard\nmax_attempts = 6\n")
            monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
        monkeypatch.setattr("botocore.endpoint.time", SimpleNamespace(sleep=slept.append))
        return str(request.param)

    @pytest.mark.usefixtures("surroundings")
    @pytest.mark.parametrize("error", ["ThrottlingException", 429, 502, 503, "InternalServerException", "hang"])
    def test_a_client_of_the_factory_sends_one_request(self, emulator: BedrockEmulator, error: str | int) -> None:
        emulator.fail_next(None, error)
        timeout = 0.2 if error == "hang" else 10
        with made(emulator.endpoint_url, read_timeout=timeout, session=None) as client:
            with pytest.raises((ClientError, ReadTimeoutError)):
                client.converse(**REQUEST)
            assert emulator.requests == 1
            with pytest.raises((ClientError, ReadTimeoutError)):
                client.invoke_model(modelId=SONNET, body="{}")
        assert emulator.requests == 2
        assert len(emulator.invocation_ids) == 2
        assert {entry.attempt for entry in emulator.log} <= {"attempt=1", "attempt=1; max=1"}

    def test_any_other_client_would_send_more(
        self, emulator: BedrockEmulator, surroundings: str, slept: list[float]
    ) -> None:
        emulator.fail_next(None, "ThrottlingException")
        retries = {"mode": "standard"} if surroundings == "nothing" else {}
        with client_of(emulator.endpoint_url, retries=retries) as client, pytest.raises(ClientError):
            client.converse(**REQUEST)
        assert emulator.requests == 1 + len(slept) > 1
        assert len(emulator.invocation_ids) == 1

    def test_every_attempt_of_the_policy_is_one_call_of_the_sdk(self, emulator: BedrockEmulator) -> None:
        emulator.fail_next(3)
        with made(emulator.endpoint_url) as client:
            BedrockRuntime(client, Retrier(POLICY)).converse(**REQUEST)
        assert emulator.requests == len(emulator.invocation_ids) == 4


class TestPool:
    def test_every_worker_has_a_connection_and_keeps_it(
        self, emulator: BedrockEmulator, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.DEBUG, "urllib3.connectionpool")
        emulator.latency = 0.02
        with made(emulator.endpoint_url, workers=16) as client:
            report = BoundedExecutor(16, policy=POLICY).run(lambda _: converse(client, **REQUEST), range(64))
        assert len(report.succeeded) == 64
        assert not [record for record in caplog.records if "pool is full" in record.getMessage()]
        opened = [record for record in caplog.records if "Starting new HTTP connection" in record.getMessage()]
        assert len(opened) <= 16


class TestFatalFaults:
    def test_a_wrong_model_id_costs_one_request_for_each_worker(self) -> None:
        with BedrockEmulator(models=[SONNET]) as emulator, made(emulator.endpoint_url) as client:
            runtime = BedrockRuntime(client, Retrier(POLICY))
            request = {**REQUEST, "modelId": "eu.anthropic.claude-sonnet-9-v1:0"}
            report = BoundedExecutor(4, policy=POLICY.replace(max_retries=0)).run(
                lambda _: runtime.converse(**request), range(104)
            )
        assert emulator.requests <= 4
        assert {outcome.fault for outcome in report.failed} == {Fault.NOT_FOUND}
        assert len(report.failed) + len(report.unstarted) == 104


class TestBodies:
    HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n"

    def test_a_body_that_stalls_is_a_read_timeout_inside_the_attempt(self) -> None:
        with (
            raw_server(self.HEAD + b'{"content":', silent=True) as server,
            made(server.url, read_timeout=0.2) as client,
        ):
            runtime = BedrockRuntime(client, Retrier(POLICY))
            with pytest.raises(ReadTimeoutError) as raised:
                runtime.invoke_model(modelId=SONNET, body=BODY)
            assert classify(raised.value) is Fault.READ_TIMEOUT
            assert server.requests == 2  # the reading is part of the attempt, and a read timeout is retried once
            assert server.hung_up.wait(5)

    def test_a_body_that_is_cut_is_a_lost_connection_inside_the_attempt(self) -> None:
        with raw_server(self.HEAD + b'{"content":') as server, made(server.url) as client:
            with pytest.raises(Exception, match="stream") as raised:
                invoke_model(client, modelId=SONNET, body=BODY)
            assert classify(raised.value) is Fault.CONNECTION_LOST

    @pytest.mark.parametrize("status", [200, 429, 503])
    @pytest.mark.parametrize("body", [b"[]", b'"text"', b"null", b"3", b"\xff\xfe", b'{"output": "text"}'])
    @pytest.mark.parametrize("call", [converse, converse_stream])
    def test_a_body_that_is_no_object_keeps_the_fault_of_its_status(
        self,
        emulator: BedrockEmulator,
        status: int,
        body: bytes,
        call: Any,  # noqa: ANN401 - either of two
    ) -> None:
        means = {200: Fault.MALFORMED_RESPONSE, 429: Fault.THROTTLING, 503: Fault.SERVICE_UNAVAILABLE}
        emulator.fail_next(1, "unexpected-body", body=body, content_type="application/json", status=status)
        with made(emulator.endpoint_url) as client, pytest.raises(PARSER_ERRORS) as raised:
            list(call(client, **REQUEST))
        expected = Fault.STREAM_INTERRUPTED if call is converse_stream and status == 200 else means[status]
        assert classify(raised.value) is expected


class TestStreams:
    def test_closing_early_closes_the_connection(self) -> None:
        with BedrockEmulator() as emulator, made(emulator.endpoint_url) as client:
            emulator.fail_next(None, "stream-stall", after=3)
            stream = BedrockRuntime(client).converse_stream(**REQUEST)
            next(stream)
            assert connections() == 1
            stream.close()
            assert eventually(lambda: connections() == 0)

    @pytest.mark.parametrize("error", ["stream-corruption", "stream-error", "stream-exception", "stream-stall"])
    def test_a_failure_closes_the_connection(self, emulator: BedrockEmulator, error: str) -> None:
        emulator.fail_next(None, error, after=3)
        with made(emulator.endpoint_url, read_timeout=0.3) as client:
            with pytest.raises(StreamInterruptedError) as raised:
                list(BedrockRuntime(client).converse_stream(**REQUEST))
            assert raised.value.text
            assert eventually(lambda: connections() == 0)

    def test_a_stream_of_which_nothing_was_read_can_be_closed(self, emulator: BedrockEmulator) -> None:
        emulator.fail_next(None, "stream-stall", after=0)
        with made(emulator.endpoint_url) as client:
            converse_stream(client, **REQUEST).close()
            assert eventually(lambda: connections() == 0)


def connections() -> int:
    """Connections that emulators in this process are serving."""
    return sum(thread.name == "bedrock-emulator-connection" for thread in threading.enumerate())


def test_every_call_of_many_threads_ends_and_every_request_is_counted() -> None:
    """50 calls on each of 8 threads, every third request failing: each call ends, and each request is accounted."""
    errors = ("ThrottlingException", "ServiceUnavailableException", 502, 529, "connection-reset", "truncated-body")
    with BedrockEmulator(seed=7) as emulator, made(emulator.endpoint_url, workers=8) as client:
        emulator.fail_randomly(1 / 3, *errors)
        policy = POLICY.replace(max_retries=30, retry_on=[fault for fault in Fault if fault.retryable])
        runtime = BedrockRuntime(client, Retrier(policy), workers=8)
        report = BoundedExecutor(8, policy=POLICY.replace(max_retries=0)).run(
            lambda number: runtime.converse(**{**REQUEST, "messages": [user(f"Item {number}.")]}), range(400)
        )
    assert len(report.succeeded) == 400
    assert emulator.answered == 400
    assert emulator.requests == len(emulator.invocation_ids) > 400
    asked = Counter(entry.body for entry in emulator.log if entry.answered)
    assert set(asked.values()) == {1}


class TestRetryWrapper:
    def test_it_makes_its_own_client_from_the_environment(
        self, emulator: BedrockEmulator, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        clients: dict[str | None, Any] = {}
        monkeypatch.setattr(bedrock_retry, "_clients", clients)
        for name, value in emulator.client_env().items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("BEDROCK_REGION", "eu-central-1")
        emulator.fail_next(3)
        with instant_retries() as clock:
            text = call_bedrock_with_retry(SONNET, BODY)
            again = call_bedrock_with_retry(SONNET, BODY)
        assert "Camurus" in text
        assert text == again
        assert [round(slept) for slept in clock.sleeps] in ([0, 1, 2], [1, 1, 2])  # 0.5 s rounds either way
        assert emulator.requests == len(emulator.invocation_ids) == 5
        assert list(clients) == ["eu-central-1"]
        clients["eu-central-1"].close()


def test_retry_after_is_obeyed(emulator: BedrockEmulator) -> None:
    emulator.fail_next(1, 529, retry_after=7)
    clock = FakeClock()
    with made(emulator.endpoint_url) as client:
        BedrockRuntime(client, Retrier(POLICY, clock=clock)).converse(**REQUEST)
    (slept,) = clock.sleeps
    assert 7.0 <= slept < 7.7  # up to a tenth more, as jitter
