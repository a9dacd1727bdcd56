"""The worker against an emulator of Bedrock on this machine."""

from __future__ import annotations

import importlib
import json
from typing import TYPE_CHECKING, Any

import pytest

from bedrock_resilience.emulator import BedrockEmulator

if TYPE_CHECKING:
    from collections.abc import Iterator

TITLES = ["Camurus starts a trial", "Nanexa signs a license", "MedinCell reports its half-year"]


class Context:
    """The part of Lambda's context that the handler reads."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def get_remaining_time_in_millis(self) -> int:
        return int(self.seconds * 1000)


def sqs_event() -> dict[str, Any]:
    return {
        "Records": [
            {
                "messageId": f"message-{number}",
                "receiptHandle": "any",
                "body": json.dumps({"id": number, "title": title}),
                "attributes": {"ApproximateReceiveCount": "1"},
                "messageAttributes": {},
                "eventSource": "aws:sqs",
                "eventSourceARN": "arn:aws:sqs:eu-west-3:123456789012:items",
                "awsRegion": "eu-west-3",
            }
            for number, title in enumerate(TITLES)
        ]
    }


@pytest.fixture
def emulator(monkeypatch: pytest.MonkeyPatch) -> Iterator[BedrockEmulator]:
    with BedrockEmulator() as running:
        for name, value in running.client_env().items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("BEDROCK_BASE_DELAY", "0.01")  # seconds, so that the test is fast
        yield running


@pytest.fixture
def handler(emulator: BedrockEmulator) -> Any:
    import worker

    return importlib.reload(worker).lambda_handler  # its client is made for this emulator


def failures(response: dict[str, Any]) -> list[str]:
    return [failure["itemIdentifier"] for failure in response["batchItemFailures"]]


def test_throttled_messages_are_finished_in_the_same_delivery(handler: Any, emulator: BedrockEmulator) -> None:
    emulator.fail_next(2, error="ThrottlingException")
    assert failures(handler(sqs_event(), Context(seconds=300))) == []
    assert (emulator.requests, emulator.throttles) == (5, 2)


def test_only_the_message_that_failed_is_delivered_again(handler: Any, emulator: BedrockEmulator) -> None:
    emulator.fail_next(None, error="ValidationException", containing="Nanexa")
    assert failures(handler(sqs_event(), Context(seconds=300))) == ["message-1"]


def test_messages_that_were_not_started_are_delivered_again(handler: Any, emulator: BedrockEmulator) -> None:
    assert failures(handler(sqs_event(), Context(seconds=10))) == ["message-0", "message-1", "message-2"]
    assert emulator.requests == 0
