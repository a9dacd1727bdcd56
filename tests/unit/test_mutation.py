"""The script behind ``make mutation``, on a project of two functions."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from support.pages import ROOT

if TYPE_CHECKING:
    from pathlib import Path

SETTINGS = """
[tool.mutmut]
source_paths = ["src"]
pytest_add_cli_args = ["-p", "no:cacheprovider"]
pytest_add_cli_args_test_selection = ["tests"]
"""
SOURCE = """
def double(number):
    return number * 2

def count_to(limit):
    number = 0
    while number < limit:
        number += 1
    return number
"""
TESTS = """
from sums import count_to, double

def test_double():
    assert double(3) == 6

def test_count_to():
    assert count_to(3) == 3
    assert count_to(0) == 0
"""


def mutated(project: Path, tests: str, *patterns: str) -> subprocess.CompletedProcess[str]:
    """Write the project and run the script in it."""
    for name, text in {"pyproject.toml": SETTINGS, "src/sums/__init__.py": SOURCE, "tests/test_sums.py": tests}.items():
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_text(text)
    command = [sys.executable, str(ROOT / ".ci" / "mutation.py"), *patterns]
    return subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)


def test_all_changes_are_noticed(tmp_path: Path) -> None:
    run = mutated(tmp_path, TESTS, "sums.x_double*")
    assert run.returncode == 0, run.stdout + run.stderr
    assert run.stdout.endswith("\n2 changes: {'killed': 2}\n")


def test_a_change_that_no_test_notices_is_shown(tmp_path: Path) -> None:
    run = mutated(tmp_path, TESTS.replace("double(3) == 6", "double(2) in {1.0, 4}"), "sums.x_double*")
    assert run.returncode == 1
    assert "survived: sums.x_double__mutmut_1" in run.stdout
    assert "+    return number / 2" in run.stdout
    assert run.stdout.endswith("\n2 changes: {'survived': 1, 'killed': 1}\n")


def test_a_pattern_without_a_change_is_a_failure(tmp_path: Path) -> None:
    assert mutated(tmp_path, TESTS, "sums.x_halve*").returncode == 1


@pytest.mark.nightly  # the script waits 10 s before it ends a test that hangs
def test_a_loop_that_does_not_end_is_noticed(tmp_path: Path) -> None:
    run = mutated(tmp_path, TESTS, "sums.x_count_to*")
    assert run.returncode == 0, run.stdout + run.stderr
    assert run.stdout.endswith("changes: {'killed': 4, 'timeout': 2}\n")
