"""The Markdown beside the pages, and ``llms-full.txt``, have what the site generates."""

from __future__ import annotations

import re
from types import SimpleNamespace
from typing import TYPE_CHECKING

from support.ci_scripts import load_script
from support.pages import ROOT

if TYPE_CHECKING:
    from pathlib import Path


def test_programs_read_the_included_files_and_the_signatures(tmp_path: Path) -> None:
    load_script("site_hook").on_post_build(SimpleNamespace(docs_dir=str(ROOT / "docs"), site_dir=str(tmp_path)))

    example = (ROOT / "examples" / "sqs_worker" / "worker.py").read_text("utf-8").strip()
    assert example in (tmp_path / "how-to" / "examples.md").read_text("utf-8")
    reference = (tmp_path / "reference" / "pacing.md").read_text("utf-8")
    assert "\nclass QuotaPacer(quota: Quota" in reference
    assert "\n  def status(self) -> PacerStatus" in reference

    assert "```python\n" in (tmp_path / "how-to" / "recipes" / "langchain.md").read_text("utf-8")

    everything = (tmp_path / "llms-full.txt").read_text("utf-8")
    assert example in everything
    assert reference.strip() in everything
    assert re.findall(r"<!-- (?:no-run|Made of)", everything) == []
    # tests/surface.txt has no names of the modules that need pytest or Hypothesis.
    left = re.findall(r"^(?:--8<--|:::) .*$", everything, re.MULTILINE)
    assert left == ["::: bedrock_resilience.testing.plugin", "::: bedrock_resilience.testing.strategies"]
