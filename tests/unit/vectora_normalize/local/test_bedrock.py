"""The client of a local run calls the emulator, whatever the environment, and leaves the environment unchanged."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

import pytest

from bedrock_resilience.emulator import BedrockEmulator
from vectora_normalize.local.bedrock import emulator_client

if TYPE_CHECKING:
    from pathlib import Path

NOWHERE = "http://127.0.0.1:9"  # the discard port: nothing listens there


def ask(emulator: BedrockEmulator) -> str:
    with contextlib.closing(emulator_client(emulator.endpoint_url, workers=2, read_timeout=5.0)) as client:
        answer = client.converse(modelId="m", messages=[{"role": "user", "content": [{"text": "Hello"}]}])
        return str(answer["output"]["message"]["role"])


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"AWS_BEARER_TOKEN_BEDROCK": "token"},
        {"AWS_PROFILE": "no-such-profile"},
        {"AWS_DEFAULT_PROFILE": "no-such-profile"},
        {"AWS_ENDPOINT_URL": NOWHERE, "AWS_ENDPOINT_URL_BEDROCK_RUNTIME": NOWHERE},
        {"http_proxy": NOWHERE, "https_proxy": NOWHERE, "HTTP_PROXY": NOWHERE, "all_proxy": NOWHERE},
        {"AWS_CA_BUNDLE": "/no/such/file", "REQUESTS_CA_BUNDLE": "/no/such/file"},
        {"AWS_USE_FIPS_ENDPOINT": "true", "AWS_USE_DUALSTACK_ENDPOINT": "true"},
        {"AWS_REGION": "nowhere", "AWS_DEFAULT_REGION": ""},
        {"AWS_ACCESS_KEY_ID": "only-half"},
        {"AWS_RETRY_MODE": "adaptive", "AWS_MAX_ATTEMPTS": "7", "AWS_DEFAULTS_MODE": "mobile"},
    ],
    ids=lambda variables: "+".join(variables) or "nothing",
)
def test_the_environment_does_not_matter(variables: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    before = dict(os.environ)
    with BedrockEmulator() as emulator:
        assert ask(emulator) == "assistant"
        assert emulator.requests == 1
    assert dict(os.environ) == before


@pytest.mark.parametrize("by", ["HOME", "AWS_CONFIG_FILE"])
def test_a_configuration_file_that_cannot_be_read_does_not_matter(
    by: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    broken = tmp_path / ".aws/config"
    broken.parent.mkdir()
    broken.write_text("this is no configuration\n[[[")
    monkeypatch.delenv("AWS_CONFIG_FILE")
    monkeypatch.setenv(by, str({"HOME": tmp_path, "AWS_CONFIG_FILE": broken}[by]))
    with BedrockEmulator() as emulator:
        assert ask(emulator) == "assistant"


def test_a_proxy_of_the_operating_system_does_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("botocore.utils.getproxies", lambda: {"http": NOWHERE})
    with BedrockEmulator() as emulator:
        assert ask(emulator) == "assistant"


def test_the_environment_is_restored_after_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "mine")
    with pytest.raises(ValueError, match="workers"):
        emulator_client(NOWHERE, workers=0, read_timeout=5.0)
    assert os.environ["AWS_PROFILE"] == "mine"
