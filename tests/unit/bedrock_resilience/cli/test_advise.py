"""``bedrock-resilience advise`` reads a run and names what to change."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner, Result

from bedrock_resilience.cli._app import app

if TYPE_CHECKING:
    from pathlib import Path

THROTTLED = {"submitted": 20, "failed": 8, "attempts": 60, "retries": 30, "throttles": 40, "elapsed": 60.0}


def run(*arguments: str) -> Result:
    return CliRunner(env={"COLUMNS": "120"}).invoke(app, ["advise", *arguments])


@pytest.fixture
def report(tmp_path: Path) -> str:
    file = tmp_path / "report.json"
    file.write_text(json.dumps(THROTTLED))
    return str(file)


def test_the_changes_are_told_with_their_effect(report: str) -> None:
    result = run(report)
    assert result.exit_code == 0, result.stderr
    assert "60 calls, 66.7% throttled, 40.0% of 20 items lost" in result.stdout
    assert "pace the calls: 66.7% of the calls were throttled" in result.stdout
    assert "  BEDROCK_PACING=adaptive" in result.stdout
    assert "as it was" in result.stdout


def test_the_quota_that_was_assumed_is_told(report: str) -> None:
    read_off = "Simulated under a quota of 20 requests a minute (read off the run; --rpm tells a known one)"
    assert read_off in run(report).stdout.splitlines()
    assert "Simulated under a quota of 30 requests a minute (as told)" in run(report, "--rpm", "30").stdout.splitlines()


def test_json_has_the_same(report: str) -> None:
    found = json.loads(run(report, "--json", "--rpm", "30").stdout)
    assert [advice["name"] for advice in found] == ["pace the calls", "more retries, longer delays"]


def test_a_run_within_the_limits_is_left_alone(tmp_path: Path) -> None:
    log = tmp_path / "run.log"
    log.write_text("INFO Normalised: 10 succeeded, 0 failed, 0 not started\n")
    result = run(str(log), "--workers", "8")
    assert result.stdout.splitlines()[1] == "Nothing to change: the run is within all limits."


def test_a_change_without_an_effect_in_time_has_no_table(tmp_path: Path) -> None:
    file = tmp_path / "report.json"
    file.write_text(
        json.dumps({"submitted": 30, "failed": 0, "attempts": 30, "retries": 0, "throttles": 0, "output_tokens": 3000})
    )
    result = run(str(file), "--workers", "8", "--max-tokens", "1000")
    assert "a lower max_tokens" in result.stdout
    assert "as it was" not in result.stdout


def test_what_cannot_be_read_is_told_in_one_line(tmp_path: Path) -> None:
    missing = run(str(tmp_path / "none.json"))
    assert (missing.exit_code, missing.stdout) == (2, "")
    assert "none.json'; accepted: a file that can be read (No such file or directory)" in missing.stderr
    garbage = tmp_path / "garbage"
    garbage.write_bytes(b"\xff\xfe")
    assert "log: has no line" in run(str(garbage)).stderr


@pytest.mark.parametrize(
    ("changes", "arguments", "told"),
    [
        ({"settings": {"max_workers": 0}}, [], "workers: got 0; accepted: a whole number from 1"),
        ({"throttles": 61}, [], "throttles: got 61; accepted: no more than attempts (60)"),
        ({"elapsed": -1}, [], "elapsed: got -1; accepted: a finite number of seconds >= 0"),
        ({"elapsed": float("nan")}, [], "elapsed: got nan; accepted: a finite number of seconds >= 0"),
        ({"bedrock": 3}, [], "bedrock: got 3; accepted: an object, or null"),
        ({}, ["--rpm", "-5"], "rpm: got -5.0; accepted: a finite number of requests a minute > 0"),
        ({}, ["--latency", "inf"], "latency: got inf; accepted: a finite number of seconds >= 0"),
    ],
)
def test_what_cannot_be_in_a_run_is_told_in_one_line(
    tmp_path: Path, changes: dict[str, object], arguments: list[str], told: str
) -> None:
    file = tmp_path / "report.json"
    file.write_text(json.dumps({**THROTTLED, **changes}))
    result = run(str(file), *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert told in result.stderr
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "changes", [{"outcomes": [1]}, {"settings": None}, {"settings": {"policy": {"BEDROCK_MAX_RETRIES": 3}}}]
)
def test_parts_that_tell_nothing_do_no_harm(tmp_path: Path, changes: dict[str, object]) -> None:
    file = tmp_path / "report.json"
    file.write_text(json.dumps({**THROTTLED, **changes}))
    result = run(str(file))
    assert result.exit_code == 0, result.stderr
    assert "pace the calls" in result.stdout
