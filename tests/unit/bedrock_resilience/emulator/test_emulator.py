"""The handle: what it shows, and how it starts and stops. The rest is shown with boto3 in tests/integration."""

from __future__ import annotations

import pytest

from bedrock_resilience.emulator import BedrockEmulator


def test_starting_and_stopping_twice_changes_nothing() -> None:
    emulator = BedrockEmulator()
    emulator.stop()
    url = emulator.start().endpoint_url
    assert emulator.start().endpoint_url == url
    assert repr(emulator) == f"<BedrockEmulator {url}: 0 requests, 0 throttles>"
    emulator.stop()
    assert repr(emulator) == "<BedrockEmulator stopped: 0 requests, 0 throttles>"
    assert emulator.start().endpoint_url
    emulator.stop()


def test_its_address_on_ipv6_is_written_in_brackets() -> None:
    with BedrockEmulator(host="::1") as emulator:
        assert emulator.endpoint_url.startswith("http://[::1]:")


def test_the_environment_for_clients_names_the_region() -> None:
    with BedrockEmulator() as emulator:
        environment = emulator.client_env("us-east-1")
    assert environment["AWS_REGION"] == environment["AWS_DEFAULT_REGION"] == "us-east-1"
    assert environment["AWS_ENDPOINT_URL_BEDROCK_RUNTIME"].startswith("http://127.0.0.1:")


def test_a_latency_that_is_none_is_refused_and_the_old_one_stays() -> None:
    emulator = BedrockEmulator(latency=0.5)
    with pytest.raises(ValueError, match="seconds: got -1"):
        emulator.latency = -1
    assert emulator.latency == 0.5
