"""The four scenarios that the ingest-normalize contract wants tested, word for word."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from bedrock_resilience import call_bedrock_with_retry
from bedrock_resilience.testing import ScriptedBedrock, instant_retries, throttled, validation_error

if TYPE_CHECKING:
    from collections.abc import Iterator

MODEL = "eu.anthropic.claude-sonnet-4-5-20250929-v1:0"
BODY: dict[str, Any] = {
    "anthropic_version": "bedrock-2023-05-31",
    "max_tokens": 1_000,
    "temperature": 0,
    "messages": [],
}


@pytest.fixture
def sleeps() -> Iterator[list[float]]:
    """The seconds of every sleep; none of them is slept."""
    with instant_retries() as clock:
        yield clock.sleeps


def test_throttled_once_then_answered(sleeps: list[float]) -> None:
    client = ScriptedBedrock(*throttled(1), "answer")
    assert call_bedrock_with_retry(MODEL, BODY, client=client) == "answer"
    assert client.calls == 2
    assert len(sleeps) == 1
    assert 0.5 <= sleeps[0] <= 0.6


def test_throttled_for_ever(sleeps: list[float]) -> None:
    errors = throttled(3)
    client = ScriptedBedrock(*errors)
    with pytest.raises(type(errors[0])) as raised:
        call_bedrock_with_retry(MODEL, BODY, max_retries=2, client=client)
    assert raised.value is errors[-1]
    assert client.calls == 3
    assert len(sleeps) == 2


def test_validation_exception(sleeps: list[float]) -> None:
    error = validation_error()
    client = ScriptedBedrock(error)
    with pytest.raises(type(error)) as raised:
        call_bedrock_with_retry(MODEL, BODY, client=client)
    assert raised.value is error
    assert client.calls == 1
    assert sleeps == []


def test_answered_at_once(sleeps: list[float]) -> None:
    client = ScriptedBedrock("answer")
    assert call_bedrock_with_retry(MODEL, BODY, client=client) == "answer"
    assert client.calls == 1
    assert sleeps == []
