"""``bedrock-resilience simulate`` compares settings in virtual time."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner, Result

from bedrock_resilience.cli.app import app
from bedrock_resilience.simulation import Scenario
from bedrock_resilience.simulation.trials import Trial, run_trial

if TYPE_CHECKING:
    from pathlib import Path

SMALL = ["--instances", "2", "--items", "6", "--offset", "1", "--latency", "1", "--seeds", "2"]


def run(*arguments: str) -> Result:
    return CliRunner(env={"COLUMNS": "120"}).invoke(app, ["simulate", *arguments])


def test_the_table_shows_before_and_after() -> None:
    result = run(*SMALL)
    assert result.exit_code == 0, result.stderr
    assert "2 x 4 workers x 6 items, 1 s apart, quota 50 requests a minute" in result.stdout
    rows = [line.split("│")[1].strip() for line in result.stdout.splitlines() if "│" in line]
    assert rows == ["before: retries alone", "after: AdaptivePacer", "after: QuotaPacer"]


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


def test_a_scenario_may_have_no_quota_of_requests() -> None:
    from_tokens = run(*SMALL, "--rpm", "1000000", "--tpm", "4000000", "--pacer", "quota")
    assert from_tokens.exit_code == 0, from_tokens.stderr
    assert "after: QuotaPacer" in from_tokens.stdout


def test_the_last_setting_is_drawn(tmp_path: Path) -> None:
    file = tmp_path / "run.svg"
    assert run(*SMALL, "--pacer", "adaptive", "--plot", str(file)).exit_code == 0
    assert "pacer AdaptivePacer" in file.read_text()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--pacer", "fast"], "pacer: got 'fast'; accepted: none, adaptive, quota"),
        (["--sweep", "colour=red"], "sweep: got 'colour=red'"),
        (["--latency", "slow"], "--latency: got 'slow'; accepted: finite seconds >= 0, uniform:<low>,<high>"),
        (["--latency", "-1"], "--latency: got '-1'; accepted: finite seconds >= 0"),
        (["--latency", "inf"], "--latency: got 'inf'; accepted: finite seconds >= 0"),
        (["--latency", "uniform:5,1"], "--latency: got 'uniform:5,1'; accepted: finite seconds >= 0"),
        (["--sweep", "workers=2,x"], "sweep: workers: got 'x'; accepted: a whole number"),
        (["--rpm", "-3"], "Quota.requests_per_minute: got -3"),
        (["--plot", "run.gif"], "--plot: got 'run.gif'; accepted: a file that ends in .svg, .png, .pdf"),
        (["--plot", "no/such/folder/run.svg"], "accepted: a file that can be written (No such file or directory)"),
    ],
)
def test_what_is_wrong_is_told_in_one_line(arguments: list[str], told: str) -> None:
    result = run(*SMALL, *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert told in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_picture_without_its_extra_names_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.backends.backend_agg", None)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    result = run(*SMALL, "--pacer", "none", "--plot", str(tmp_path / "run.svg"))
    assert result.exit_code == 2
    assert "pip install 'bedrock-resilience[plot]'" in result.stderr
