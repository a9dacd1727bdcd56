"""The words that operators type: both scripts do the same, with the commands of this project."""

from __future__ import annotations

import os
import re
import subprocess
from typing import TYPE_CHECKING

import pytest

from support.pages import ROOT

if TYPE_CHECKING:
    from pathlib import Path

BASH = ROOT / "scripts" / "redeploy-ingest-normalize.sh"
POWERSHELL = ROOT / "scripts" / "redeploy-ingest-normalize.ps1"
PACKAGE = "package --requirements infra/requirements.txt"
# A command that writes down what it was called with, and fails where it is told to.
RECORDER = """#!/bin/sh
echo "$PWD: $*" >> "$CALLS"
test "$1" != "$FAILS"
"""


def called(tmp_path: Path, *arguments: str, fails: str = "") -> tuple[int, list[str]]:
    """The status of the script, and the calls that it made."""
    command = tmp_path / "bin" / "vectora-normalize"
    command.parent.mkdir()
    command.write_text(RECORDER)
    command.chmod(0o755)
    calls = tmp_path / "calls"
    environment = {"PATH": f"{command.parent}:{os.environ['PATH']}", "CALLS": str(calls), "FAILS": fails}
    ran = subprocess.run([BASH, *arguments], cwd=tmp_path, env=environment, check=False)
    return ran.returncode, calls.read_text("utf-8").splitlines()


@pytest.mark.parametrize(
    ("arguments", "deploy"),
    [
        ((), "deploy --env dev"),
        (("stage",), "deploy --env stage"),
        (("prod", "--dry-run", "--region", "eu-west-1"), "deploy --env prod --dry-run --region eu-west-1"),
    ],
)
def test_it_packages_and_deploys_from_the_root_of_the_clone(
    arguments: tuple[str, ...], deploy: str, tmp_path: Path
) -> None:
    assert called(tmp_path, *arguments) == (
        0,
        [f"{ROOT}: {PACKAGE}", f"{ROOT}: {deploy}"],
    )


def test_what_could_not_be_packaged_is_not_deployed(tmp_path: Path) -> None:
    assert called(tmp_path, fails="package") == (1, [f"{ROOT}: {PACKAGE}"])


def test_a_deployment_that_failed_is_a_failure(tmp_path: Path) -> None:
    assert called(tmp_path, fails="deploy")[0] == 1


def test_both_shells_are_given_the_same_commands() -> None:
    def commands(script: Path, environment: str, options: str) -> list[str]:
        lines = re.findall(r"^ *(vectora-normalize .*)$", script.read_text("utf-8"), re.MULTILINE)
        return [line.replace(environment, "ENV").replace(options, "OPTIONS") for line in lines]

    expected = [
        f"vectora-normalize {PACKAGE}",
        "vectora-normalize deploy --env ENV OPTIONS",
    ]
    assert commands(BASH, '"${1:-dev}"', '"${@:2}"') == expected
    assert commands(POWERSHELL, "$environment", "$options") == expected


def test_powershell_stops_at_a_failure_as_bash_does() -> None:
    # `set -e` has no twin for programs in PowerShell 5: the status is looked at after each of them.
    lines = [line.strip() for line in POWERSHELL.read_text("utf-8").splitlines()]
    after = [lines[number + 1] for number, line in enumerate(lines) if line.startswith("vectora-normalize")]
    assert after == ["if ($LASTEXITCODE -ne 0) { exit $LASTEXITCODE }", "exit $LASTEXITCODE"]
    assert lines[lines.index("finally {") + 1].startswith("Pop-Location")
    assert POWERSHELL.read_bytes().isascii()  # PowerShell 5 reads a file without a byte order mark as ANSI
