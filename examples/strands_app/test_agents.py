"""The application against an emulator of Bedrock on this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from agents import ask, ask_all, make_session

from bedrock_resilience.emulator import BedrockEmulator
from bedrock_resilience.testing import instant_retries

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def emulator(monkeypatch: pytest.MonkeyPatch) -> Iterator[BedrockEmulator]:
    with BedrockEmulator() as running, instant_retries():
        for name, value in running.client_env().items():
            monkeypatch.setenv(name, value)
        yield running


def test_a_throttled_agent_goes_on(emulator: BedrockEmulator) -> None:
    emulator.fail_next(2, error="ThrottlingException")
    assert ask(make_session(), "Camurus")
    assert emulator.throttles == 2
    assert emulator.requests > 2


def test_agents_work_at_the_same_time(emulator: BedrockEmulator) -> None:
    emulator.fail_next(3, error="ThrottlingException")
    answers = ask_all(["Camurus", "Nanexa", "MedinCell"])
    assert len(answers) == 3
    assert all(answers)


def test_one_layer_retries(emulator: BedrockEmulator) -> None:
    emulator.fail_next(None, error="ThrottlingException")
    with pytest.raises(Exception, match="Throttl"):
        ask(make_session(), "Camurus")
    assert emulator.requests == 6  # one call of the policy, and no retries of the agent
