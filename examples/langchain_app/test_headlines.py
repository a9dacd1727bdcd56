"""The application against an emulator of Bedrock on this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from headlines import Headline, extract

from bedrock_resilience.emulator import BedrockEmulator
from bedrock_resilience.testing import instant_retries

if TYPE_CHECKING:
    from collections.abc import Iterator

HEADLINES = ["Camurus starts a trial", "Nanexa signs a license", "MedinCell reports its half-year"]


@pytest.fixture
def emulator(monkeypatch: pytest.MonkeyPatch) -> Iterator[BedrockEmulator]:
    with BedrockEmulator() as running, instant_retries():
        for name, value in running.client_env().items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("AWS_ENDPOINT_URL_BEDROCK", running.endpoint_url)  # the control plane, too
        yield running


def test_throttled_headlines_are_sent_again(emulator: BedrockEmulator) -> None:
    emulator.fail_next(2, error="ThrottlingException")
    found = extract(HEADLINES)
    assert [one.companies for one in found if isinstance(one, Headline)] == [["Camurus"], ["Nanexa"], ["MedinCell"]]
    assert emulator.throttles == 2


def test_a_headline_that_fails_does_not_stop_the_others(emulator: BedrockEmulator) -> None:
    emulator.fail_next(None, error="ValidationException", containing="Nanexa signs")
    first, second, third = extract(HEADLINES)
    assert isinstance(first, Headline)
    assert isinstance(second, Exception)
    assert isinstance(third, Headline)
