"""Servers that the integration tests share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bedrock_resilience.emulator import BedrockEmulator
from support.deployment import deployed, function_process
from support.s3 import moto_server

if TYPE_CHECKING:
    from collections.abc import Generator

    from support.deployment import Deployment


@pytest.fixture(scope="session")
def aws_url() -> Generator[str]:
    """The address of moto's server; each test makes buckets of its own."""
    with moto_server() as url:
        yield url


@pytest.fixture
def emulator() -> Generator[BedrockEmulator]:
    """An emulator for one test."""
    with BedrockEmulator() as running:
        yield running


@pytest.fixture
def deployment(aws_url: str, emulator: BedrockEmulator) -> Generator[Deployment]:
    """The deployed example; this process has the function's environment."""
    with deployed(aws_url, emulator) as running, function_process(running):
        yield running
