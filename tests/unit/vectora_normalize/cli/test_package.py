"""``vectora-normalize package`` on the command line."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest
from typer.testing import CliRunner

from support.wheels import make_wheel, only_from
from vectora_normalize.cli.app import app
from vectora_normalize.cli.package import PLATFORM, package
from vectora_normalize.operations.package import (
    DEFAULT_OUT,
    DEFAULT_PLATFORM,
    DEFAULT_PYTHON,
    distribution,
    read_manifest,
)


@pytest.fixture(autouse=True)
def wheels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A wheel for each requirement of this distribution; the command runs in an empty folder."""
    only_from(tmp_path / "wheels", monkeypatch)
    for requirement in distribution.declared_requirements():
        make_wheel(tmp_path / "wheels", requirement.name)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "wheels"


def test_the_sizes_are_shown_with_the_limits_of_lambda() -> None:
    result = CliRunner().invoke(app, ["package"])
    assert (result.exit_code, result.stderr) == (0, "")
    lines = [" ".join(line.split()) for line in result.stdout.splitlines()]
    assert lines[0].startswith("zip ")
    assert lines[0].endswith("% of the 50 MB that Lambda accepts")
    assert lines[1].startswith("unzipped ")
    assert lines[1].endswith("% of the 250 MB that Lambda accepts")
    assert {lines[2].split()[0], lines[3].split()[0]} == {"bedrock_resilience", "vectora_normalize"}
    assert len(lines) == 2 + 6 + 4
    assert lines[-4:-2][0] == "for Python 3.12 on manylinux2014_x86_64"
    assert lines[-2:] == ["versions build/ingest-normalize.txt", "build/ingest-normalize.zip"]
    assert read_manifest(Path("build/ingest-normalize.zip"))["runtime"] == "python3.12"


def test_the_requirements_of_a_package_make_the_same_again() -> None:
    for out, options in (("one.zip", []), ("two.zip", ["--requirements", "one.txt"])):
        assert CliRunner().invoke(app, ["package", "--out", out, *options]).exit_code == 0
    assert Path("one.zip").read_bytes() == Path("two.zip").read_bytes()


def test_options_reach_the_package(tmp_path: Path) -> None:
    constraints = tmp_path / "constraints.txt"
    constraints.write_text("msgspec==9999.0\n")
    make_wheel(tmp_path / "wheels", "msgspec", "10000.0")
    options = ["--python", "3.13", "--platform", "manylinux2014_aarch64", "--platform", "manylinux_2_28_aarch64"]
    more = ["--out", "x.zip", "--constraint", str(constraints), "--without-boto3"]
    result = CliRunner().invoke(app, ["package", *options, *more])
    assert result.exit_code == 0
    manifest = read_manifest(Path("x.zip"))
    assert (manifest["runtime"], manifest["architecture"]) == ("python3.13", "arm64")
    assert manifest["packages"]["msgspec"] == "9999.0"
    assert "boto3" not in manifest["packages"]


def test_a_failure_is_one_line(wheels: Path) -> None:
    result = CliRunner().invoke(app, ["package", "--python", "3.9"])
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == "error: --python: got '3.9'; accepted: 3.11 and later, written like 3.12\n"
    for wheel in wheels.glob("msgspec-*"):
        wheel.unlink()
    result = CliRunner().invoke(app, ["package"])
    assert result.exit_code == 1
    assert result.stderr.startswith("error: msgspec>=")
    assert len(result.stderr.splitlines()) == 1


def test_a_path_that_cannot_be_written_is_one_line() -> None:
    Path("build").write_text("in the way")
    result = CliRunner().invoke(app, ["package"])
    assert result.exit_code == 1
    assert result.stderr.startswith("error: ")
    assert "build" in result.stderr


def test_the_defaults_in_the_help_are_those_of_the_package() -> None:
    defaults = {name: given.default for name, given in inspect.signature(package).parameters.items()}
    assert (defaults["out"], defaults["python"], PLATFORM) == (DEFAULT_OUT, DEFAULT_PYTHON, DEFAULT_PLATFORM)
