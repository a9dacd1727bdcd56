"""``bedrock-resilience simulate`` compares settings in virtual time."""

from __future__ import annotations

import json
import re
import sys
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner, Result

from bedrock_resilience.cli._app import app
from bedrock_resilience.simulation import Scenario, Trial, run_trial

if TYPE_CHECKING:
    from pathlib import Path

SMALL = ["--instances", "2", "--items", "6", "--offset", "1", "--latency", "1", "--seeds", "2"]


def run(*arguments: str) -> Result:
    return CliRunner(env={"COLUMNS": "120"}).invoke(app, ["simulate", *arguments])


def test_the_table_shows_before_and_after() -> None:
    result = run(*SMALL)
    assert result.exit_code == 0, result.stderr
    assert "2 x 4 workers x 6 items, 1 s apart, quota 50 requests per minute" in result.stdout
    rows = [line.split("│")[1].strip() for line in result.stdout.splitlines() if "│" in line]
    assert rows == [
        "before: retries alone",
        "after: AdaptivePacer",
        "after: QuotaPacer",
        "after: SharedPacer",
        "after: auto, no quota",
    ]


@pytest.mark.parametrize("arguments", [[], ["--sweep", "workers=2,4", "--sweep", "pacer=none,adaptive"]])
def test_a_narrow_screen_cuts_no_number(arguments: list[str]) -> None:
    table = CliRunner(env={"COLUMNS": "70"}).invoke(app, ["simulate", *SMALL, *arguments]).stdout
    assert "…" not in table
    assert re.search(r"\d+\.\d% ± \d+\.\d%", table)


def test_eighty_columns_break_no_name() -> None:
    table = CliRunner(env={"COLUMNS": "80"}).invoke(app, ["simulate", "--seeds", "2", "--items", "20"]).stdout
    for name in ("AdaptivePacer", "QuotaPacer", "SharedPacer"):
        assert name in table
    assert max(map(len, table.splitlines())) <= 80
    assert re.search(r"\d+\.\d% ± \d+\.\d%", table)


def test_a_token_quota_is_simulated_with_the_tokens_of_the_items() -> None:
    result = run("--instances", "1", "--workers", "12", "--items", "40", "--seeds", "1", "--tpm", "40000")
    assert result.exit_code == 0, result.stderr
    assert "quota 40000 tokens per minute" in result.stdout
    throttled = [line.split("│")[3].split("%")[0].strip() for line in result.stdout.splitlines() if "│" in line]
    assert float(throttled[0]) > 50, "retries alone"
    assert throttled[2:4] == ["0.0", "0.0"], "a pacer that knows the quota"


def test_fewer_tokens_are_throttled_less() -> None:
    arguments = ["--instances", "1", "--items", "12", "--seeds", "1", "--pacer", "none", "--tpm", "12000", "--json"]
    small, large = (
        json.loads(run(*arguments, "--input-tokens", size, "--max-tokens", "300", "--output-tokens", "50").stdout)[0]
        for size in ("100,200", "3000,3000")
    )
    assert small["throttle_rate"]["mean"] == 0
    assert large["throttle_rate"]["mean"] > 0.2


def test_requests_and_tokens_may_both_be_limited() -> None:
    result = run(*SMALL, "--rpm", "60", "--tpm", "40000", "--pacer", "none")
    assert "quota 60 requests and 40000 tokens per minute" in result.stdout


def test_the_numbers_are_the_simulators() -> None:
    (shown,) = json.loads(run(*SMALL, "--pacer", "none", "--json").stdout)
    expected = run_trial(
        Trial(name="before: retries alone", scenario=Scenario(instances=2, items=6, offset=1.0, latency=1.0)), range(2)
    )
    assert shown == expected.to_dict()


def test_a_sweep_has_a_row_for_each_combination() -> None:
    rows = json.loads(run(*SMALL, "--sweep", "workers=2,4", "--sweep", "retries=0,1", "--json").stdout)
    assert [row["name"] for row in rows] == [
        "workers=2 max_retries=0",
        "workers=2 max_retries=1",
        "workers=4 max_retries=0",
        "workers=4 max_retries=1",
    ]


def test_the_last_setting_is_drawn(tmp_path: Path) -> None:
    file = tmp_path / "run.svg"
    assert run(*SMALL, "--pacer", "adaptive", "--plot", str(file)).exit_code == 0
    assert "pacer AdaptivePacer" in file.read_text()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--pacer", "fast"], "pacer: got 'fast'; accepted: none, adaptive, quota"),
        (["--sweep", "colour=red"], "sweep: got 'colour=red'"),
        (["--latency", "slow"], "--latency: got 'slow'; accepted: finite seconds >= 0, uniform:<low>,<high>"),
        (["--latency", "-1"], "--latency: got '-1'; accepted: finite seconds >= 0"),
        (["--latency", "inf"], "--latency: got 'inf'; accepted: finite seconds >= 0"),
        (["--latency", "uniform:5,1"], "--latency: got 'uniform:5,1'; accepted: finite seconds >= 0"),
        (["--sweep", "workers=2,x"], "sweep: workers: got 'x'; accepted: a whole number"),
        (["--rpm", "-3"], "Quota: requests_per_minute: got -3"),
        (["--plot", "run.gif"], "--plot: got 'run.gif'; accepted: a file that ends in .svg, .png, .pdf"),
        (["--plot", "no/such/folder/run.svg"], "accepted: a file in an existing folder"),
        (["--tpm", "4000", "--input-tokens", "many"], "--input-tokens: got 'many'; accepted: two whole numbers"),
        (["--tpm", "4000", "--input-tokens", "5"], "--input-tokens: got '5'; accepted: two whole numbers"),
        (["--tpm", "4000", "--max-tokens", "-1"], "Tokens: max_tokens: got -1; accepted: a whole number >= 0"),
        (["--sweep", "workers=2", "--sweep", "workers=4"], "sweep: got workers twice; accepted: workers=2,4"),
    ],
)
def test_invalid_options_are_refused_in_one_line(arguments: list[str], message: str) -> None:
    result = run(*SMALL, *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert message in result.stderr
    assert result.stderr.count("\n") == 1


def test_an_unwritable_picture_is_refused_in_one_line(tmp_path: Path) -> None:
    folder = tmp_path / "run.svg"
    folder.mkdir()
    result = run(*SMALL, "--pacer", "none", "--plot", str(folder))
    assert (result.exit_code, result.stdout) == (2, "")
    assert "accepted: a file that can be written (Is a directory)" in result.stderr


def test_a_picture_without_its_extra_names_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.backends.backend_agg", None)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    result = run(*SMALL, "--pacer", "none", "--plot", str(tmp_path / "run.svg"))
    assert result.exit_code == 2
    assert "pip install 'bedrock-resilience[plot]'" in result.stderr


def test_the_reading_is_simulated_and_shown() -> None:
    numbers = json.loads(run(*SMALL, "--json", "--pacer", "auto", "--reading", "sliding+refusals-count").stdout)
    assert [each["name"] for each in numbers] == ["after: auto, no quota"]
    shown = run(*SMALL, "--pacer", "auto", "--reading", "fixed:30").stdout
    assert "quota 50 requests per minute (fixed:30)" in shown
    assert "shares" in shown


def test_an_unknown_reading_is_refused() -> None:
    result = run(*SMALL, "--reading", "minutely")
    assert result.exit_code != 0
    assert "reading: got 'minutely'; accepted: bucket, bucket-of-1, refill, fixed, sliding, " in result.stderr


def test_the_store_of_a_shared_pace_can_be_slow_and_fail() -> None:
    options = ("--pacer", "shared", "--store-latency", "0.2", "--store-outage", "0,30", "--clock-skew", "5")
    assert run(*SMALL, *options).exit_code == 0
    for outage in ("30", "30,x", "30,10"):
        result = run(*SMALL, "--pacer", "shared", "--store-outage", outage)
        assert result.exit_code != 0
        assert "outage" in result.stderr
