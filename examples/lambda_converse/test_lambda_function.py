"""The handler against an emulator of Bedrock on this machine."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

import pytest

from bedrock_resilience.emulator import BedrockEmulator

if TYPE_CHECKING:
    from collections.abc import Iterator

TEXTS = ["Camurus starts a trial.", "Nanexa signs a license.", "MedinCell reports its half-year."]


class Context:
    """The part of Lambda's context that the handler reads."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def get_remaining_time_in_millis(self) -> int:
        return int(self.seconds * 1000)


@pytest.fixture
def emulator(monkeypatch: pytest.MonkeyPatch) -> Iterator[BedrockEmulator]:
    with BedrockEmulator() as running:
        for name, value in running.client_env().items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("BEDROCK_BASE_DELAY", "0.01")  # seconds, so that the test is fast
        yield running


@pytest.fixture
def handler(emulator: BedrockEmulator) -> Any:
    import lambda_function

    return importlib.reload(lambda_function).lambda_handler  # its client is made for this emulator


def test_throttled_requests_are_sent_again(handler: Any, emulator: BedrockEmulator) -> None:
    emulator.fail_next(2, error="ThrottlingException")
    result = handler({"texts": TEXTS}, Context(seconds=300))
    assert sorted(result["summaries"]) == [0, 1, 2]
    assert (result["errors"], result["remaining"]) == ({}, [])
    assert (result["attempts"], result["throttles"]) == (5, 2)


def test_what_does_not_fit_before_the_timeout_is_returned(handler: Any, emulator: BedrockEmulator) -> None:
    result = handler({"texts": TEXTS}, Context(seconds=15))  # the margin and one attempt need 18 seconds
    assert result["remaining"] == TEXTS
    assert emulator.requests == 0


def test_a_text_that_fails_does_not_stop_the_others(handler: Any, emulator: BedrockEmulator) -> None:
    emulator.fail_next(None, error="ValidationException", containing="Nanexa")
    result = handler({"texts": TEXTS}, Context(seconds=300))
    assert sorted(result["summaries"]) == [0, 2]
    assert "ValidationException" in result["errors"][1]
