"""The emulator over TLS: bearer tokens, streams, faults, and clients that leave."""

from __future__ import annotations

import socket
import ssl
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ConnectionClosedError, ReadTimeoutError, SSLError

from bedrock_resilience.emulator import BedrockEmulator
from support.bedrock import SONNET, Client, client_of, user

if TYPE_CHECKING:
    from collections.abc import Generator

HELLO: dict[str, Any] = {"modelId": SONNET, "messages": [user("Hello.")]}


@pytest.fixture(scope="module")
def emulator() -> Generator[BedrockEmulator]:
    with BedrockEmulator(tls=True) as made:
        yield made


def trusting(emulator: BedrockEmulator, **config: object) -> Client:
    settings: dict[str, Any] = {"retries": {"total_max_attempts": 1}, "read_timeout": 5, **config}
    session = cast("Any", boto3).Session(region_name="eu-west-3", aws_access_key_id="a", aws_secret_access_key="b")
    return session.client(
        "bedrock-runtime", endpoint_url=emulator.endpoint_url, verify=emulator.ca_bundle, config=Config(**settings)
    )


def test_a_client_with_a_bearer_token_is_served(emulator: BedrockEmulator, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in emulator.client_env().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_BEARER_TOKEN_BEDROCK", "a-token")
    client = cast("Any", boto3).Session().client("bedrock-runtime")
    assert emulator.endpoint_url.startswith("https://127.0.0.1:")
    assert client.converse(**HELLO)["stopReason"] == "end_turn"
    assert emulator.log[-1].headers["authorization"] == "Bearer a-token"
    client.close()


def test_streams_and_faults_are_the_same(emulator: BedrockEmulator) -> None:
    client = trusting(emulator, read_timeout=0.5)
    events = list(client.converse_stream(**HELLO)["stream"])
    assert "metadata" in events[-1]
    emulator.fail_next(1, "connection-reset")
    with pytest.raises(ConnectionClosedError):
        client.converse(**HELLO)
    emulator.fail_next(1, "hang")
    with pytest.raises(ReadTimeoutError):
        client.converse(**HELLO)
    assert client.converse(**HELLO)["stopReason"] == "end_turn"
    client.close()


def test_a_client_that_has_left_is_not_counted_as_answered() -> None:
    with BedrockEmulator(latency=0.4, tls=True) as emulator:
        client = trusting(emulator, read_timeout=0.1)
        with pytest.raises(ReadTimeoutError):
            client.converse(**HELLO)
        client.close()
        done = threading.Event()
        while emulator.in_flight and not done.wait(0.02):
            pass
        assert (emulator.requests, emulator.answered) == (1, 0)


def test_a_client_that_does_not_trust_it_leaves(emulator: BedrockEmulator) -> None:
    before = emulator.requests
    with client_of(emulator.endpoint_url) as client, pytest.raises(SSLError):
        client.converse(**HELLO)
    assert emulator.requests == before


def test_it_stops_in_the_middle_of_a_handshake_and_removes_its_authority() -> None:
    with BedrockEmulator(tls=True) as emulator:
        assert emulator.ca_bundle is not None
        bundle = Path(emulator.ca_bundle)
        address = urlsplit(emulator.endpoint_url)
        silent = socket.create_connection((address.hostname, address.port), timeout=5)
        context = ssl.create_default_context(cafile=str(bundle))
        idle = context.wrap_socket(
            socket.create_connection((address.hostname, address.port)), server_hostname="localhost"
        )
    assert not bundle.exists()
    silent.close()
    idle.close()


def test_a_port_in_use_leaves_nothing_behind(emulator: BedrockEmulator) -> None:
    taken = urlsplit(emulator.endpoint_url).port
    assert taken is not None
    second = BedrockEmulator(port=taken, tls=True)
    with pytest.raises(OSError, match="in use"):
        second.start()
    assert second.ca_bundle is None


def test_without_tls_there_is_no_authority() -> None:
    with BedrockEmulator() as plain:
        assert plain.ca_bundle is None
        assert "AWS_CA_BUNDLE" not in plain.client_env()
