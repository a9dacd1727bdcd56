"""Attributes, arguments, start and stop; tests/integration uses the emulator with boto3."""

from __future__ import annotations

import contextlib
import sys
from typing import Any, Final

import pytest

from bedrock_resilience import NoJitter, RetryPolicy
from bedrock_resilience.emulator import BedrockEmulator
from bedrock_resilience.quotas import Quota, QuotaReading

HELLO: Final[dict[str, Any]] = {
    "modelId": "eu.anthropic.claude-sonnet-4-5-20250929-v1:0",
    "messages": [{"role": "user", "content": [{"text": "Hello."}]}],
}


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
    assert environment["AWS_ENDPOINT_URL_BEDROCK"] == environment["AWS_ENDPOINT_URL_BEDROCK_RUNTIME"]


def test_its_client_needs_no_credentials_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "7")
    monkeypatch.setenv("AWS_BEARER_TOKEN_BEDROCK", "boto3 sends it over TLS only")
    with BedrockEmulator() as emulator:
        emulator.fail_next(1)
        client = emulator.client(workers=20)
        with contextlib.closing(client), pytest.raises(client.exceptions.ThrottlingException):
            client.converse(**HELLO)
        assert emulator.requests == 1, "one request for each call"
    assert client.meta.region_name == "eu-west-3"
    assert client.meta.config.max_pool_connections == 20


def test_its_client_takes_a_region_and_a_policy_and_trusts_its_certificate() -> None:
    policy = RetryPolicy(max_retries=1, base_delay=0.001, jitter=NoJitter())
    with BedrockEmulator(tls=True) as emulator:
        emulator.fail_next(1)
        client = emulator.client("us-east-1", policy=policy)
        with contextlib.closing(client):
            assert client.converse(**HELLO)["usage"]["inputTokens"] == 2
        assert (emulator.requests, client.meta.region_name) == (2, "us-east-1")


def test_without_boto3_its_client_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "botocore.config", None)
    with (
        BedrockEmulator() as emulator,
        pytest.raises(ModuleNotFoundError, match=r"pip install 'bedrock-resilience\[aws\]'"),
    ):
        emulator.client()


def test_a_stopped_emulator_has_no_client() -> None:
    with pytest.raises(RuntimeError, match="the emulator is not running"):
        BedrockEmulator().client()


def test_a_negative_latency_is_refused_and_the_old_one_stays() -> None:
    emulator = BedrockEmulator(latency=0.5)
    with pytest.raises(ValueError, match="latency: got -1"):
        emulator.latency = -1
    assert emulator.latency == 0.5


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"quota": 50}, TypeError, "quota: got 50; accepted: a Quota, a mapping from model id to Quota, or None"),
        ({"quota": 0}, TypeError, "quota: got 0; accepted: a Quota"),
        ({"quota": {"nova": 50}}, TypeError, "quota: got {'nova': 50}; accepted: a Quota"),
        ({"port": "x"}, TypeError, "port: got 'x'; accepted: a whole number from 0"),
        ({"port": True}, TypeError, "port: got True; accepted: a whole number from 0"),
        ({"port": 65_536}, ValueError, "port: got 65536; accepted: a whole number from 0"),
        ({"latency": True}, TypeError, "latency: got True; accepted: a finite number of seconds >= 0"),
        ({"log_size": -1}, ValueError, "log_size: got -1; accepted: a whole number from 0"),
        ({"models": "amazon.nova-lite-v1:0"}, TypeError, "models: got 'amazon.nova-lite-v1:0'; accepted: a collection"),
        ({"models": 5}, TypeError, "models: got 5; accepted: a collection of model ids"),
        ({"responder": "hello"}, TypeError, "responder: got 'hello'; accepted: a function from a Conversation"),
        ({"reading": "minutely"}, ValueError, "quota_reading: reading: got 'minutely'; accepted: bucket, bucket-of-1"),
        ({"reading": 60}, TypeError, "quota_reading: reading: got 60; accepted: a QuotaReading, or bucket, "),
        ({"burndown": {"nova": -1}}, ValueError, "burndown: 'nova': got -1; accepted: a finite number > 0"),
    ],
)
def test_a_wrong_argument_is_refused_before_it_starts(
    arguments: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error) as refused:
        BedrockEmulator(**arguments)
    assert str(refused.value).removeprefix("BedrockEmulator: ").startswith(message)


def test_a_quota_of_the_wrong_type_is_refused_and_the_old_one_stays() -> None:
    quota = {"nova": Quota(requests_per_minute=5)}
    emulator = BedrockEmulator(quota)
    with pytest.raises(TypeError, match="quota: got 50"):
        emulator.quota = 50  # type: ignore[assignment] # pyright: ignore[reportAttributeAccessIssue]
    assert emulator.quota == quota


@pytest.mark.parametrize("narrowed", ["model", "containing"])
def test_faults_are_narrowed_by_strings_only(narrowed: str) -> None:
    fields: dict[str, Any] = {narrowed: 5}
    with pytest.raises(TypeError, match=f"^fail_next: {narrowed}: got 5; accepted: a string, or None for any$"):
        BedrockEmulator().fail_next(**fields)


@pytest.mark.parametrize("given", ["2", 1.5, True])
def test_a_count_of_faults_that_is_not_a_whole_number_is_refused(given: Any) -> None:  # noqa: ANN401 - anything may be given
    emulator = BedrockEmulator()
    with pytest.raises(TypeError, match=rf"^fail_next: n: got {given!r}; accepted: a whole number >= 1, or None"):
        emulator.fail_next(given)
    assert emulator.faults_pending == 0


def test_the_reading_may_be_changed_and_stays_where_the_new_one_is_refused() -> None:
    emulator = BedrockEmulator(reading="fixed:30")
    assert emulator.reading == QuotaReading(window="fixed", phase=30.0)
    emulator.reading = "sliding"
    with pytest.raises(ValueError, match="got 'minutely'"):
        emulator.reading = "minutely"
    emulator.quota = Quota(requests_per_minute=5)
    emulator.reset()
    assert emulator.reading == QuotaReading(window="sliding")
