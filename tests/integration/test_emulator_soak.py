"""The soak of `benchmarks/emulator.py`, scaled down: it fails where an answer, a count or a thread is wrong."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "emulator.py"


def test_32_threads_get_no_wrong_answer_and_leave_nothing_behind() -> None:
    command = [sys.executable, "-W", "error", str(SCRIPT), "--seconds", "2", "--threads", "32", "--faults", "0.15"]
    run = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    assert "BAD" not in run.stdout
    assert run.stdout.count("ok ") == 6
    assert not run.stderr
