"""The Markdown beside the pages, and ``llms-full.txt``, have what the site generates."""

from __future__ import annotations

import re
from types import SimpleNamespace
from typing import TYPE_CHECKING

from support import surface
from support.ci_scripts import load_script
from support.pages import ROOT

if TYPE_CHECKING:
    from pathlib import Path


def test_programs_read_the_included_files_and_the_docstrings(tmp_path: Path) -> None:
    load_script("site_hook").on_post_build(SimpleNamespace(docs_dir=str(ROOT / "docs"), site_dir=str(tmp_path)))

    example = (ROOT / "examples" / "sqs_worker" / "worker.py").read_text("utf-8").strip()
    assert example in (tmp_path / "how-to" / "examples.md").read_text("utf-8")
    reference = (tmp_path / "reference" / "pacing.md").read_text("utf-8")
    pacer = reference[reference.index("\n## QuotaPacer\n") : reference.index("\n## SharedPacer\n")]
    assert "```python\nclass QuotaPacer(quota: Quota, share: float = 1.0" in pacer
    assert "\n- `quota` (`Quota`): What the account may send.\n" in pacer
    assert "\n- `TypeError`: ``quota`` is no ``Quota``, or another argument is not a number.\n" in pacer
    assert (
        "### QuotaPacer.status\n\n```python\ndef status() -> PacerStatus\n```\n\nReturn the rates as of the last"
        in pacer
    )
    assert "### QuotaPacer.requests_per_minute\n\n```python\nrequests_per_minute: float | None\n```\n" in pacer
    # Defaults are Python; what a module re-exports is documented where it is exported.
    assert "call_id: str = ''" in (tmp_path / "reference" / "retrying.md").read_text("utf-8")
    assert "\nclass NotAwaitableError\n```\n\nBases: `UnusableResultError`\n" in (
        tmp_path / "reference" / "errors.md"
    ).read_text("utf-8")
    assert "\nTHROTTLING = 'throttling'\n" in (tmp_path / "reference" / "retrying.md").read_text("utf-8")
    testing = (tmp_path / "reference" / "testing.md").read_text("utf-8")
    assert "\n## instant_retries\n\n```python\ndef instant_retries() -> Iterator[FakeClock]\n```\n" in testing

    assert "```python\n" in (tmp_path / "how-to" / "recipes" / "langchain.md").read_text("utf-8")

    everything = (tmp_path / "llms-full.txt").read_text("utf-8")
    assert example in everything
    assert reference.strip() in everything
    assert re.findall(r"<!-- (?:no-run|Made of)", everything) == []
    assert re.findall(r"^(?:--8<--|:::) .*$", everything, re.MULTILINE) == []


def test_programs_read_every_public_name_of_the_reference(tmp_path: Path) -> None:
    load_script("site_hook").on_post_build(SimpleNamespace(docs_dir=str(ROOT / "docs"), site_dir=str(tmp_path)))
    for page in (ROOT / "docs" / "reference").glob("*.md"):
        text = (tmp_path / "reference" / page.name).read_text("utf-8")
        for module in re.findall(r"^::: (\S+)$", page.read_text("utf-8"), re.MULTILINE):
            if module not in surface.OPTIONAL:
                missing = [name for name in surface.names(module) if f"\n## {name}\n" not in text]
                assert missing == [], module
