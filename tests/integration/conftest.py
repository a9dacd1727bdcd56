"""Servers that the integration tests share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bedrock_resilience.emulator import BedrockEmulator
from support.deployment import deployed, warm_process
from support.s3 import moto_server

if TYPE_CHECKING:
    from collections.abc import Generator

    from support.deployment import Deployment


@pytest.fixture(scope="session")
def aws_url() -> Generator[str]:
    """The address of moto's server; make buckets of your own in it."""
    with moto_server() as url:
        yield url


@pytest.fixture
def emulator() -> Generator[BedrockEmulator]:
    """A Bedrock of the test's own."""
    with BedrockEmulator() as running:
        yield running


@pytest.fixture
def deployment(aws_url: str, emulator: BedrockEmulator, monkeypatch: pytest.MonkeyPatch) -> Generator[Deployment]:
    """The example deployed, and this process with the function's environment."""
    with deployed(aws_url, emulator) as running:
        for name, value in running.environ.items():
            monkeypatch.setenv(name, value)
        with warm_process():
            yield running
