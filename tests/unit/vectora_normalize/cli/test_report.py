"""``vectora-normalize report``, over files of every shape."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

from bedrock_resilience.quotas import RequestTokens, Usage
from support.logfiles import RETRY, as_json, lines, metrics, run_report
from vectora_normalize.cli.app import app

if TYPE_CHECKING:
    from pathlib import Path

    from typer.testing import Result

GOOD = run_report("good", seconds=100, attempts=110, retries=10, throttles=10, submitted=100, failed=0)
BAD = metrics("bad", Attempts=100, Retries=30, Throttles=35, ItemsNormalized=90, ItemsFailed=10, DurationSeconds=500)


@pytest.fixture
def good(tmp_path: Path) -> Path:
    file = tmp_path / "run-good.json"
    file.write_bytes(as_json(GOOD))
    return file


@pytest.fixture
def bad(tmp_path: Path) -> Path:
    file = tmp_path / "bad.log"
    file.write_text(f"garbage {{\n{BAD}\n", "utf-8")
    return file


def call(*arguments: object, stdin: bytes | None = None) -> Result:
    return CliRunner().invoke(app, ["report", *map(str, arguments)], input=stdin)


def test_within_the_limits_is_success(good: Path) -> None:
    result = call(good)
    assert (result.exit_code, result.stderr) == (0, "")
    rows = [" ".join(line.split()) for line in result.stdout.splitlines()]
    assert rows == [
        "run attempts retries % items failed % seconds source",
        "good 110 10 9.1 100 0 0.0 100.0 report",
        "",
        "retry rate 9.1 % (10 of 110 attempts)",
        "final failure rate 0.0 % (0 of 100 items)",
        "longest run 100.0 s",
        "within the limits",
        "to change: pace the requests: BEDROCK_PACING=auto",
    ]


def test_over_reserved_tokens_are_shown_where_a_report_has_them() -> None:
    usage = RequestTokens(0, 1_000).settled(Usage(700, 100))
    expected = sum([usage] * 20, usage).to_dict()
    shown = call(stdin=as_json(run_report(tokens=expected))).stdout
    assert "over-reserved       29.4 % (10500 of 35700 tokens)" in shown.splitlines()
    assert "to change: lower max_tokens: MAX_TOKENS=500 in" in shown
    numbers = json.loads(call("--json", stdin=as_json(run_report(tokens=expected))).stdout)
    assert numbers["tokens"] == numbers["each"][0]["tokens"] == expected


def test_without_token_usage_no_tokens_are_shown() -> None:
    expected = RequestTokens(0, 1_000).settled(None).to_dict()
    assert "over-reserved" not in call(stdin=as_json(run_report(tokens=expected))).stdout
    assert json.loads(call("--json", stdin=as_json(run_report())).stdout)["tokens"] is None


def test_over_a_limit_is_a_failure_with_what_to_change(good: Path, bad: Path) -> None:
    result = call(good, bad)
    assert result.exit_code == 1
    assert "retry rate          19.0 % (40 of 210 attempts)" in result.stdout
    assert [line for line in result.stdout.splitlines() if line.startswith("over")] == [
        "over the limit: bad: retry rate 30.0%, over 20%",
        "over the limit: bad: final failure rate 10.0%, over 5%",
        "over the limit: bad: took 500 s, over 240 s",
    ]
    assert [line.split(":")[1] for line in result.stdout.splitlines() if line.startswith("to change")] == [
        " pace the requests",
        " more retries, longer delays",
        " fewer workers",
    ]


@pytest.mark.parametrize("arguments", [(), ("-",)])
def test_standard_input_is_read(arguments: tuple[str, ...]) -> None:
    result = call(*arguments, stdin=as_json({"events": [{"message": BAD}]}))
    assert result.exit_code == 1
    assert "bad" in result.stdout


def test_json_is_the_same_and_nothing_else(good: Path, bad: Path) -> None:
    result = call(good, bad, "--json")
    assert result.exit_code == 1
    shown: dict[str, Any] = json.loads(result.stdout)
    assert (shown["runs"], shown["attempts"], shown["retries"], shown["within_limits"]) == (
        2,
        210,
        40,
        False,
    )
    assert shown["retry_rate"] == 40 / 210
    assert shown["failure_rate"] == 10 / 200
    assert len(shown["breaches"]) == 3
    assert [(run["request_id"], run["origin"]) for run in shown["each"]] == [("good", "report"), ("bad", "metrics")]
    assert shown["each"][1]["retry_rate"] == 0.3


def test_retries_without_attempts_are_shown_and_not_assessed() -> None:
    result = call(stdin="\n".join(lines(RETRY)).encode())
    assert result.exit_code == 2
    assert "retry rate          ? % (1 of ? attempts)" in result.stdout
    assert "longest run         ? s" in result.stdout
    assert "not assessed: attempts or items are unknown" in result.stdout
    assert json.loads(call("--json", stdin="\n".join(lines(RETRY)).encode()).stdout)["within_limits"] is None


def test_a_run_without_a_result_is_over_the_limit_whatever_its_rates() -> None:
    refused = "\n".join(lines("refused: UnknownClient: client_id: got 'x'")).encode()
    assert (call(stdin=refused).exit_code, json.loads(call("--json", stdin=refused).stdout)["within_limits"]) == (
        1,
        False,
    )
    report = {**run_report(attempts=1, submitted=112, failed=1, unstarted=111), "error_type": "BedrockRefused"}
    result = call(stdin=as_json(report))
    assert result.exit_code == 1
    assert "over the limit: r-1: ended without a result: BedrockRefused" in result.stdout


@pytest.mark.parametrize("stdin", [b"", b"\xff\xfe", b"nothing of ours\n"])
def test_input_without_runs_is_an_error(stdin: bytes) -> None:
    result = call(stdin=stdin)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("error: the input has no run")


def test_an_unreadable_file_is_an_error(good: Path, tmp_path: Path) -> None:
    result = call(good, tmp_path / "missing")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == f"error: '{tmp_path / 'missing'}' cannot be read: No such file or directory\n"


def test_the_effect_of_the_advice_is_simulated_for_each_run(good: Path, bad: Path) -> None:
    result = call(good, bad, "--simulate", "--rpm", "60")
    effects = [line.split(": ")[1:3] for line in result.stdout.splitlines() if line.startswith("simulated: ")]
    assert effects == [
        ["good", "pace the requests"],
        ["bad", "pace the requests"],
        ["bad", "more retries, longer delays"],
        ["bad", "fewer workers"],
    ]
    (paced,) = [line for line in result.stdout.splitlines() if line.startswith("simulated: good")]
    assert re.fullmatch(
        r"simulated: good: pace the requests: throttled [\d.]+ -> [\d.]+ %, failed [\d.]+ -> [\d.]+ %, "
        r"duration \d+ -> \d+ s",
        paced,
    )


def test_json_has_the_simulated_effects_where_they_are_asked_for(good: Path) -> None:
    (effect,) = json.loads(call(good, "--simulate", "--json").stdout)["effects"]
    assert (effect["request_id"], effect["name"], effect["settings"]) == (
        "good",
        "pace the requests",
        {"pacer": "adaptive"},
    )
    assert effect["after"]["throttle_rate"]["mean"] < effect["before"]["throttle_rate"]["mean"]
    assert "effects" not in json.loads(call(good, "--json").stdout)


def test_advice_without_settings_has_no_simulated_effect() -> None:
    report = as_json(run_report(attempts=100, submitted=100, failed=10, faults={"validation": 10}))
    lines_of_effects = [line for line in call("--simulate", stdin=report).stdout.splitlines() if "simulated" in line]
    assert lines_of_effects == ["simulated: r-1: inspect the errors: its effect is not simulated"]


def test_runs_without_attempts_are_not_simulated() -> None:
    result = call("--simulate", "--json", stdin=as_json(run_report()))
    assert json.loads(result.stdout)["effects"] == []


def test_an_invalid_quota_is_refused(good: Path) -> None:
    result = call(good, "--simulate", "--rpm", "-1")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == "error: rebuild: rpm: got -1.0; accepted: a finite number > 0, or None\n"
