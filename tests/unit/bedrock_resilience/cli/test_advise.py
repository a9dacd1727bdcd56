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


def test_the_changes_are_shown_with_their_effect(report: str) -> None:
    result = run(report)
    assert result.exit_code == 0, result.stderr
    assert "60 attempts, 66.7% throttled, 40.0% of 20 items failed" in result.stdout
    assert "pace the requests: 66.7% of the attempts were throttled" in result.stdout
    assert "  pacer=adaptive" in result.stdout
    assert "before" in result.stdout


def test_the_assumed_quota_is_shown(report: str) -> None:
    estimated = "Simulated under a quota of 20 requests per minute (estimated from the run; set a known one with --rpm)"
    assert estimated in run(report).stdout.splitlines()
    assert "Simulated under a quota of 30 requests per minute (given)" in run(report, "--rpm", "30").stdout.splitlines()


def test_json_has_the_same_changes(report: str) -> None:
    found = json.loads(run(report, "--json", "--rpm", "30").stdout)
    assert [advice["name"] for advice in found] == ["pace the requests", "more retries, longer delays", "fewer workers"]


def test_a_run_within_the_limits_is_left_alone(tmp_path: Path) -> None:
    log = tmp_path / "run.log"
    log.write_text("INFO no line of interest\n")
    result = run(str(log), "--workers", "8", "--items", "10")
    assert result.stdout.splitlines()[1] == "Nothing to change: the run is within all limits."


def test_a_change_without_an_effect_in_time_has_no_table(tmp_path: Path) -> None:
    file = tmp_path / "report.json"
    file.write_text(json.dumps({**THROTTLED, "throttles": 0, "retries": 0, "faults": {"validation": 8}}))
    result = run(str(file))
    assert "inspect the errors: 40.0% of the items failed" in result.stdout
    assert "before" not in result.stdout


def test_an_unreadable_file_is_refused_in_one_line(tmp_path: Path) -> None:
    missing = run(str(tmp_path / "none.json"))
    assert (missing.exit_code, missing.stdout) == (2, "")
    assert "none.json'; accepted: a file that can be read (No such file or directory)" in missing.stderr
    garbage = tmp_path / "garbage"
    garbage.write_bytes(b"\xff\xfe")
    assert "log: the number of items is unknown" in run(str(garbage)).stderr


@pytest.mark.parametrize(
    ("changes", "arguments", "message"),
    [
        ({"submitted": "20"}, [], "submitted: got '20'; accepted: a whole number from 0"),
        ({"throttles": 61}, [], "throttles: got 61; accepted: no more than attempts (60)"),
        ({"elapsed": -1}, [], "elapsed: got -1; accepted: a finite number of seconds >= 0"),
        ({"elapsed": float("nan")}, [], "elapsed: got nan; accepted: a finite number of seconds >= 0"),
        ({"tokens": 3}, [], "tokens: got 3; accepted: an object, or null"),
        ({}, ["--rpm", "-5"], "rpm: got -5.0; accepted: a finite number > 0, or None"),
        ({}, ["--latency", "inf"], "latency: got inf; accepted: a finite number of seconds >= 0"),
    ],
)
def test_an_invalid_run_is_refused_in_one_line(
    tmp_path: Path, changes: dict[str, object], arguments: list[str], message: str
) -> None:
    file = tmp_path / "report.json"
    file.write_text(json.dumps({**THROTTLED, **changes}))
    result = run(str(file), *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert message in result.stderr
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("changes", [{"outcomes": [1]}, {"tokens": None}, {"faults": None}, {"stopped": "deadline"}])
def test_empty_and_unknown_parts_are_ignored(tmp_path: Path, changes: dict[str, object]) -> None:
    file = tmp_path / "report.json"
    file.write_text(json.dumps({**THROTTLED, **changes}))
    result = run(str(file))
    assert result.exit_code == 0, result.stderr
    assert "pace the requests" in result.stdout
