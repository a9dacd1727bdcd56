"""The Markdown beside the pages, and ``llms-full.txt``, have what the site generates."""

from __future__ import annotations

import importlib.util
import re
from types import SimpleNamespace
from typing import TYPE_CHECKING

from support.pages import ROOT

if TYPE_CHECKING:
    from pathlib import Path
    from types import ModuleType


def load_hook() -> ModuleType:
    spec = importlib.util.spec_from_file_location("site_hook", ROOT / ".ci" / "site_hook.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_programs_read_the_included_files_and_the_signatures(tmp_path: Path) -> None:
    load_hook().on_post_build(SimpleNamespace(docs_dir=str(ROOT / "docs"), site_dir=str(tmp_path)))

    example = (ROOT / "examples" / "sqs_worker" / "worker.py").read_text("utf-8").strip()
    assert example in (tmp_path / "how-to" / "examples.md").read_text("utf-8")
    reference = (tmp_path / "reference" / "pacing.md").read_text("utf-8")
    assert "\nclass QuotaPacer(quota: Quota" in reference
    assert "\n  def status(self) -> PacerStatus" in reference

    everything = (tmp_path / "llms-full.txt").read_text("utf-8")
    assert example in everything
    assert reference.strip() in everything
    # tests/surface.txt has no names of the modules that need pytest or Hypothesis.
    left = re.findall(r"^(?:--8<--|:::) .*$", everything, re.MULTILINE)
    assert left == ["::: bedrock_resilience.testing.plugin", "::: bedrock_resilience.testing.strategies"]
