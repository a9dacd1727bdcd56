"""The benchmarks of ``benchmarks/normalize`` at a small scale: each fails where an item is lost or paid for twice.

``make bench`` uses the full scale: 50 kills, and 10,000 items with 8 processes.
"""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from support.pages import ROOT

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.nightly  # half a minute of processes; the gate simulates 20,000 schedules of the same claims

SCRIPTS: Path = ROOT / "benchmarks" / "normalize"


def run_benchmark(script: str, *options: object) -> list[str]:
    """The output of a benchmark, which must succeed."""
    command = [sys.executable, str(SCRIPTS / script), *map(str, options)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=110, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    assert "BAD" not in run.stdout
    return run.stdout.splitlines()


def test_runs_that_are_killed_lose_nothing_and_pay_nothing_twice() -> None:
    lines = run_benchmark("kills.py", "--moments", 2)
    assert sum("killed at" in line for line in lines) == 2
    assert lines[-1] == "ok"


def test_items_in_a_queue_with_faults_are_stored_or_dead_lettered() -> None:
    lines = run_benchmark("scale_out.py", "--items", 50, "--processes", 2, "--faults", 0.15, "--visibility", 3)
    assert lines[-1] == "ok"
