"""The service against an emulator of Bedrock on this machine."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from fastapi.testclient import TestClient
from service import app

from bedrock_resilience.emulator import BedrockEmulator
from bedrock_resilience.testing import instant_retries

if TYPE_CHECKING:
    from collections.abc import Iterator

QUESTION = {"text": "Which company is this about: Camurus starts a trial?"}


@pytest.fixture
def emulator(monkeypatch: pytest.MonkeyPatch) -> Iterator[BedrockEmulator]:
    with BedrockEmulator() as running, instant_retries():
        for name, value in running.client_env().items():
            monkeypatch.setenv(name, value)
        yield running


@pytest.fixture
def http(emulator: BedrockEmulator) -> Iterator[TestClient]:
    with TestClient(app) as client:
        yield client


def test_a_throttled_request_is_sent_again(http: TestClient, emulator: BedrockEmulator) -> None:
    emulator.fail_next(2, error="ThrottlingException")
    response = http.post("/answers", json=QUESTION)
    assert response.status_code == 200
    assert response.json()["text"]
    assert (emulator.requests, emulator.throttles) == (3, 2)


def test_a_service_that_stays_throttled_says_when_to_try_again(http: TestClient, emulator: BedrockEmulator) -> None:
    emulator.fail_next(None, error="ThrottlingException")
    response = http.post("/answers", json=QUESTION)
    assert (response.status_code, response.headers["Retry-After"]) == (503, "30")
    assert emulator.requests > 1


def test_a_stream_arrives_as_text(http: TestClient, emulator: BedrockEmulator) -> None:
    emulator.fail_next(1, error="ThrottlingException")
    with http.stream("POST", "/answers/stream", json=QUESTION) as response:
        text = "".join(response.iter_text())
    assert "Camurus" in text
    assert emulator.requests == 2


def test_requests_run_at_the_same_time(http: TestClient, emulator: BedrockEmulator) -> None:
    with ThreadPoolExecutor(8) as threads:
        responses = list(threads.map(lambda _: http.post("/answers", json=QUESTION), range(8)))
    assert {response.status_code for response in responses} == {200}
    assert emulator.requests == 8
