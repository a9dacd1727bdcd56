"""``bedrock-resilience schedule`` shows the policy that the environment and the options describe."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner, Result

from bedrock_resilience import AdditiveJitter, RetryPolicy, __version__
from bedrock_resilience.cli._app import app

if TYPE_CHECKING:
    from pathlib import Path


def run(*arguments: str, **environment: str) -> Result:
    return CliRunner(env={"COLUMNS": "120", **environment}).invoke(app, ["schedule", *arguments])


def test_the_default_is_the_contracts_schedule() -> None:
    shown: dict[str, Any] = json.loads(run("--json", "--seed", "7").stdout)
    drawn = list(RetryPolicy().delays(random.Random(7)))
    assert shown["policy"] == repr(RetryPolicy())
    assert [row["drawn"] for row in shown["retries"]] == drawn
    assert [(row["least"], row["greatest"]) for row in shown["retries"]] == [(0.5, 0.6), (1.0, 1.1), (2.0, 2.1)]


def test_the_table_adds_up_what_was_waited() -> None:
    result = run("--jitter", "none", "--base-delay", "1")
    assert result.exit_code == 0
    assert "4 attempts" in result.stdout
    assert [line.split("│")[5].strip() for line in result.stdout.splitlines() if "│" in line] == [
        "1.00 s",
        "3.00 s",
        "7.00 s",
    ]


def test_options_override_the_environment() -> None:
    result = run("--json", "--max-retries", "1", BEDROCK_MAX_RETRIES="5", BEDROCK_BASE_DELAY="2", BEDROCK_JITTER="full")
    shown = json.loads(result.stdout)
    assert shown["policy"].startswith("RetryPolicy(max_retries=1, base_delay=2.0,")
    assert [row["greatest"] for row in shown["retries"]] == [2.0]


@pytest.mark.parametrize(
    ("arguments", "environment", "names"),
    [
        (["--jitter", "some"], {}, ["jitter", "'some'", "additive:<seconds>"]),
        (["--base-delay", "-1"], {}, ["base_delay", "-1", "seconds from 0 to 3,600"]),
        ([], {"BEDROCK_MAX_RETRIES": "many"}, ["BEDROCK_MAX_RETRIES", "'many'", "a whole number >= 0"]),
        ([], {"BEDROCK_MAX_DELAY": "nan"}, ["BEDROCK_MAX_DELAY", "nan", "seconds from 0 to 3,600"]),
    ],
)
def test_invalid_options_are_refused_in_one_line(
    arguments: list[str], environment: dict[str, str], names: list[str]
) -> None:
    result = run(*arguments, **environment)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1
    assert all(name in result.stderr for name in names)


def test_the_version_is_the_distributions() -> None:
    assert CliRunner().invoke(app, ["--version"]).stdout == f"{__version__}\n"


def test_the_default_jitter_is_named_by_a_text() -> None:
    assert json.loads(run("--json", "--jitter", "additive:0.1").stdout)["policy"] == repr(
        RetryPolicy(jitter=AdditiveJitter(0.1))
    )


def test_the_schedule_is_drawn(tmp_path: Path) -> None:
    file = tmp_path / "schedule.svg"
    assert run("--plot", str(file)).exit_code == 0
    assert "Delays of 3 retries" in file.read_text()


def test_of_many_retries_the_first_are_shown_and_the_others_summed_up() -> None:
    result = run("--max-retries", "20000", "--base-delay", "1", "--jitter", "none")
    rows = [line.split("│")[1].strip() for line in result.stdout.splitlines() if "│" in line]
    assert rows == [str(number) for number in range(1, 51)]
    assert result.stdout.splitlines()[-1] == "... and 19,950 more, each 20.00 s"


def test_the_bounds_of_the_others_are_shown() -> None:
    result = run("--max-retries", "51", "--jitter", "full")
    assert result.stdout.splitlines()[-1] == "... and 1 more, each from 0.00 s to 20.00 s"


def test_json_of_many_retries_has_the_number_of_those_left_out() -> None:
    shown = json.loads(run("--json", "--max-retries", "1000000").stdout)
    assert (len(shown["retries"]), shown["elided"]) == (50, 999_950)
    assert json.loads(run("--json", "--max-retries", "50").stdout)["elided"] == 0


def test_a_picture_of_many_retries_is_refused(tmp_path: Path) -> None:
    result = run("--max-retries", "51", "--plot", str(tmp_path / "schedule.svg"))
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == "error: --plot: got 51 retries; accepted: up to 50\n"
