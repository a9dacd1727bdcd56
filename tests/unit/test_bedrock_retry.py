"""The four scenarios of the contract's retry wrapper, with their numbers of calls and sleeps, and its two log lines.

Nobody waits: the fixture ``instant_retries`` puts the clock on virtual time and keeps a record of every sleep.
"""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

import pytest

from bedrock_resilience.testing import ScriptedBedrock, throttling_error, throttling_errors, validation_error
from vectora_normalize.bedrock_retry import call_bedrock_with_retry

if TYPE_CHECKING:
    from bedrock_resilience.testing import FakeClock

MODEL = "eu.anthropic.claude-sonnet-4-5-20250929-v1:0"
BODY: dict[str, Any] = {
    "anthropic_version": "bedrock-2023-05-31",
    "max_tokens": 1000,
    "messages": [{"role": "user", "content": "Which companies does this name? Camurus."}],
}


@pytest.fixture(autouse=True)
def everything_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What was logged, level and text. botocore logs that it loads its model, for the checks of ScriptedBedrock."""
    ours = [record for record in caplog.records if record.name != "botocore.loaders"]
    return [f"{record.levelname} {record.getMessage()}" for record in ours]


def test_throttled_once_then_answered(instant_retries: FakeClock, caplog: pytest.LogCaptureFixture) -> None:
    client = ScriptedBedrock(throttling_error(), "Camurus")

    assert call_bedrock_with_retry(MODEL, BODY, client=client) == "Camurus"

    assert client.calls == 2
    (slept,) = instant_retries.sleeps
    assert 0.5 <= slept <= 0.6
    assert lines(caplog) == [f"WARNING ThrottlingException détectée (tentative 1/4). Retry dans {slept:.2f}s..."]


def test_a_call_that_is_always_throttled(instant_retries: FakeClock, caplog: pytest.LogCaptureFixture) -> None:
    errors = throttling_errors(3)
    client = ScriptedBedrock(*errors)

    with pytest.raises(type(errors[0])) as raised:
        call_bedrock_with_retry(MODEL, BODY, max_retries=2, client=client)

    assert raised.value is errors[-1], "the original exception of the last attempt"
    assert client.calls == 3
    first, second = instant_retries.sleeps
    assert 0.5 <= first <= 0.6
    assert 1.0 <= second <= 1.1
    assert lines(caplog) == [
        f"WARNING ThrottlingException détectée (tentative 1/3). Retry dans {first:.2f}s...",
        f"WARNING ThrottlingException détectée (tentative 2/3). Retry dans {second:.2f}s...",
        "ERROR ThrottlingException - Échec après 3 tentatives. Abandon de l'appel Bedrock.",
    ]


def test_validation_exception(instant_retries: FakeClock, caplog: pytest.LogCaptureFixture) -> None:
    error = validation_error()
    client = ScriptedBedrock(error)

    with pytest.raises(type(error)) as raised:
        call_bedrock_with_retry(MODEL, BODY, client=client)

    assert raised.value is error
    assert client.calls == 1
    assert instant_retries.sleeps == []
    assert not any("Échec" in line or "WARNING" in line for line in lines(caplog)), "the filters count throttling only"


def test_a_call_that_succeeds_at_once(instant_retries: FakeClock, caplog: pytest.LogCaptureFixture) -> None:
    client = ScriptedBedrock("Camurus")

    assert call_bedrock_with_retry(MODEL, BODY, client=client) == "Camurus"

    assert client.calls == 1
    assert instant_retries.sleeps == []
    assert lines(caplog) == []


class TestDefaults:
    """What stands in the contract beside the four scenarios."""

    def test_four_attempts_in_all(self, instant_retries: FakeClock, caplog: pytest.LogCaptureFixture) -> None:
        client = ScriptedBedrock(then=throttling_error())

        with pytest.raises(type(throttling_error())):
            call_bedrock_with_retry(MODEL, BODY, client=client)

        assert client.calls == 4
        for retry, slept in enumerate(instant_retries.sleeps):
            assert 0.5 * 2**retry <= slept <= 0.5 * 2**retry + 0.1
        assert [line.split("(")[-1].split(")")[0] for line in lines(caplog)[:3]] == [
            "tentative 1/4",
            "tentative 2/4",
            "tentative 3/4",
        ]
        assert lines(caplog)[3] == "ERROR ThrottlingException - Échec après 4 tentatives. Abandon de l'appel Bedrock."

    def test_the_tuned_scenario_of_the_operations_guide(self, instant_retries: FakeClock) -> None:
        client = ScriptedBedrock(*throttling_errors(5), "Camurus")

        assert call_bedrock_with_retry(MODEL, BODY, max_retries=5, base_delay=1.0, client=client) == "Camurus"

        assert client.calls == 6
        for retry, slept in enumerate(instant_retries.sleeps):
            assert 2.0**retry <= slept <= 2.0**retry + 0.1

    def test_every_attempt_sends_the_same_request(self, instant_retries: FakeClock) -> None:
        client = ScriptedBedrock(throttling_error(), "Camurus")

        call_bedrock_with_retry(MODEL, BODY, client=client)

        first, second = client.requests
        assert first == second
        operation, request = first
        assert (operation, request["modelId"], json.loads(request["body"])) == ("invoke_model", MODEL, BODY)
        assert len(instant_retries.sleeps) == 1
