"""``bedrock-resilience emulate`` serves an AWS SDK until it is stopped, and then prints its counts."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from botocore.exceptions import ClientError
from typer.testing import CliRunner

from bedrock_resilience import Quota, bedrock_runtime_client
from bedrock_resilience.cli._app import app

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bedrock_resilience.emulator import BedrockEmulator


@pytest.fixture
def process() -> Iterator[subprocess.Popen[str]]:
    arguments = ["emulate", "--port", "0", "--rpm", "1", "--reading", "fixed"]
    program = f"import sys; from bedrock_resilience.cli import main; sys.argv[1:] = {arguments!r}; main()"
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as running:
        yield running
        running.kill()


def exports(process: subprocess.Popen[str]) -> dict[str, str]:
    assert process.stdout is not None
    assert "not a language model" in process.stdout.readline()
    lines = [process.stdout.readline() for _ in range(6)]
    return dict(line.removeprefix("export ").strip().split("=", 1) for line in lines)


def test_bedrock_mantle_may_have_quotas_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    served: list[BedrockEmulator] = []

    def serve(emulator: BedrockEmulator, **_: object) -> None:
        served.append(emulator)

    monkeypatch.setattr("bedrock_resilience.cli._emulate.serve", serve)
    options = ["--mantle-input-tpm", "5000", "--mantle-output-tpm", "100"]
    for given in (options, []):
        assert CliRunner().invoke(app, ["emulate", "--port", "0", *given]).exit_code == 0
    mantle = Quota.mantle(input_tokens_per_minute=5_000, output_tokens_per_minute=100)
    assert [emulator.mantle_quota for emulator in served] == [mantle, None]


def test_it_serves_boto3_and_counts(process: subprocess.Popen[str]) -> None:
    environment = exports(process)
    client = bedrock_runtime_client(
        environment["AWS_REGION"], endpoint_url=environment["AWS_ENDPOINT_URL_BEDROCK_RUNTIME"]
    )
    request = {"modelId": "anthropic.claude-x", "messages": [{"role": "user", "content": [{"text": "hello"}]}]}
    assert client.converse(**request)["stopReason"] == "end_turn"
    with pytest.raises(ClientError, match="ThrottlingException"):
        client.converse(**request)
    client.close()

    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=10)
    assert output == "2 requests, 1 throttled\n"
    assert process.returncode == 0


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        (["--latency", "slow"], ["latency", "'slow'", "uniform:<low>,<high>"]),
        (["--rpm", "-1"], ["Quota: requests_per_minute", "-1"]),
        (["--burst", "2"], ["Quota: burst", "requests_per_minute"]),
        (["--reading", "minutely"], ["reading", "'minutely'", "bucket, bucket-of-1, refill, fixed, sliding"]),
        (["--mantle-output-tpm", "0"], ["Quota: output_tokens_per_minute", "0"]),
        (["--fail-rate", "2"], ["rate", "2"]),
        (["--fail-rate", "0.1", "--fail-with", "Nonsense"], ["Nonsense"]),
        (["--backend-url", "nowhere"], ["url", "'nowhere'", "http://host:port/v1"]),
    ],
)
def test_an_invalid_option_is_refused_in_one_line(arguments: list[str], names: list[str]) -> None:
    result = CliRunner().invoke(app, ["emulate", "--port", "0", *arguments])
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("error: ")
    assert all(name in result.stderr for name in names)


def test_a_port_in_use_is_reported() -> None:
    with socket.create_server(("127.0.0.1", 0)) as occupied:
        port = str(occupied.getsockname()[1])
        result = CliRunner().invoke(app, ["emulate", "--port", port])
    assert result.exit_code == 2
    assert f"port: got {port}" in result.stderr


def test_without_its_extra_the_command_names_it() -> None:
    hide = "import sys; sys.modules['typer'] = None; from bedrock_resilience.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", hide], capture_output=True, text=True, check=False, env=os.environ)
    assert done.returncode == 1
    assert done.stderr == "bedrock-resilience needs typer: pip install 'bedrock-resilience[cli]'\n"
