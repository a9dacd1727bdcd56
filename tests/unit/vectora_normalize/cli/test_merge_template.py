"""``vectora-normalize merge-template`` on the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from typer.testing import CliRunner

from support.pages import ROOT
from vectora_normalize.cli.app import app
from vectora_normalize.operations.stack_template import merge_templates

if TYPE_CHECKING:
    from pathlib import Path

OLD = ROOT / "tests" / "support" / "old_stack.yaml"
RUNTIME = ROOT / "infra" / "s1-runtime.yaml"


def test_the_template_is_written_and_its_parts_are_listed(tmp_path: Path) -> None:
    out = tmp_path / "build" / "merged.yaml"
    result = CliRunner().invoke(app, ["merge-template", str(OLD), "--runtime", str(RUNTIME), "--out", str(out)])
    assert (result.exit_code, result.stderr) == (0, "")
    assert out.read_text("utf-8") == merge_templates(OLD.read_bytes(), RUNTIME.read_bytes()).text
    lines = result.stdout.splitlines()
    assert lines[0] == "stay as they are: IngestNormalizeLogGroup, EngineFunction"
    assert lines[-2:] == ["parameters to give: none", str(out)]


def test_what_cannot_be_merged_is_one_line(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["merge-template", str(RUNTIME.parent), "--out", str(tmp_path / "x")])
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("error: ")
    (tmp_path / "empty").write_text("")
    options = ["--runtime", str(RUNTIME), "--out", str(tmp_path / "x")]
    result = CliRunner().invoke(app, ["merge-template", str(tmp_path / "empty"), *options])
    assert result.stderr == "error: the deployed template: has no Resources; accepted: a CloudFormation template\n"
