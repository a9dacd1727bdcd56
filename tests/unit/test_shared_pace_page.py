"""The program of two processes on docs/how-to/share-a-pace.md runs as it stands, and its output is that of the page."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from support.pages import ROOT, blocks

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.nightly  # two processes wait for their quota, a quarter of a minute
def test_two_processes_keep_one_pace(tmp_path: Path) -> None:
    page = list(blocks(ROOT / "docs" / "how-to" / "share-a-pace.md"))
    (program,) = [block.code for block in page if "get_context" in block.code]
    example = next(block.code for block in page if block.language == "text" and "throttled" in block.code)
    script = tmp_path / "two_instances.py"
    script.write_text(program, "utf-8")
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    run = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, check=False, timeout=60, env=environment
    )
    assert run.returncode == 0, run.stderr
    # A busy machine can delay moto, and then a request may be throttled.
    assert re.sub(r"\d+ of \d+ requests", "", run.stdout) == re.sub(r"\d+ of \d+ requests", "", example)
