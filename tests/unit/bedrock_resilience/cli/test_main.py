"""The entry point, and the emulator's command, within this process."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from bedrock_resilience import __version__
from bedrock_resilience.cli import main
from bedrock_resilience.cli._app import app

if TYPE_CHECKING:
    from collections.abc import Callable

    from bedrock_resilience.emulator import BedrockEmulator


def test_the_entry_point_runs_the_application(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["bedrock-resilience", "--version"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"{__version__}\n"


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "bedrock_resilience.cli._app")
    monkeypatch.setitem(sys.modules, "typer", None)
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == "bedrock-resilience needs typer: pip install 'bedrock-resilience[cli]'"


def test_another_missing_module_is_raised_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "bedrock_resilience.cli._app", None)
    with pytest.raises(ModuleNotFoundError):
        main()


def test_the_emulator_announces_itself_and_counts_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    def serve(emulator: BedrockEmulator, *, on_ready: Callable[[BedrockEmulator], None]) -> None:
        with emulator:
            on_ready(emulator)

    monkeypatch.setattr(sys.modules["bedrock_resilience.cli._emulate"], "serve", serve)
    result = CliRunner().invoke(app, ["emulate", "--port", "0"])
    assert result.exit_code == 0, result.stderr
    first, *exports, last = result.stdout.splitlines()
    assert first.startswith("# This is the Bedrock emulator")
    assert [line.partition("=")[0] for line in exports] == [
        "export AWS_ENDPOINT_URL_BEDROCK",
        "export AWS_ENDPOINT_URL_BEDROCK_RUNTIME",
        "export AWS_ACCESS_KEY_ID",
        "export AWS_SECRET_ACCESS_KEY",
        "export AWS_DEFAULT_REGION",
        "export AWS_REGION",
    ]
    assert last == "0 requests, 0 throttled"
    secure = CliRunner().invoke(app, ["emulate", "--port", "0", "--tls"])
    assert "export AWS_ENDPOINT_URL_BEDROCK_RUNTIME=https://127.0.0.1:" in secure.stdout
    assert "export AWS_CA_BUNDLE=" in secure.stdout
    monkeypatch.setitem(sys.modules, "trustme", None)
    missing = CliRunner().invoke(app, ["emulate", "--port", "0", "--tls"])
    assert missing.exit_code == 2
    assert "bedrock-resilience[tls]" in missing.stderr
