"""The shows of `benchmarks/normalize`, scaled down: each fails where an item is lost or paid for twice."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

from support.pages import ROOT

if TYPE_CHECKING:
    from pathlib import Path

SCRIPTS: Path = ROOT / "benchmarks" / "normalize"


def show(script: str, *options: object) -> list[str]:
    """What the script tells; it ended well."""
    command = [sys.executable, str(SCRIPTS / script), *map(str, options)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=110, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    assert "BAD" not in run.stdout
    return run.stdout.splitlines()


def test_runs_that_are_killed_lose_nothing_and_pay_nothing_twice() -> None:
    lines = show("kills.py", "--moments", 6)
    assert sum("killed at" in line for line in lines) == 6
    assert lines[-1] == "ok"


def test_items_through_a_queue_with_faults_end_stored_or_set_aside() -> None:
    lines = show("scale_out.py", "--items", 300, "--processes", 3, "--faults", 0.05, "--visibility", 3)
    assert lines[-1] == "ok"
