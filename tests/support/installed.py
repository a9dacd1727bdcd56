"""The wheel as a user gets it, in an environment of its own."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Final

from support.environment import MACHINE_ENVIRONMENT, clean

if TYPE_CHECKING:
    from pathlib import Path

_DROPPED: Final = {"PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV"}


def started(command: list[str], *, environment: dict[str, str], cwd: Path, ends_with: int = 0) -> str:
    """What a command prints; the test fails with all of it if the command ends with another status."""
    ran = subprocess.run(command, env=environment, cwd=cwd, capture_output=True, text=True, check=False, timeout=110)
    assert ran.returncode == ends_with, f"{command} ended with {ran.returncode}\n{ran.stdout}\n{ran.stderr}"
    return ran.stdout + (ran.stderr if ends_with else "")


class Installed:
    """A virtual environment with the wheel in it: no other package, unless the extra asked for it."""

    def __init__(self, folder: Path, requirement: str, *options: str) -> None:
        self._folder = folder
        self._bin = folder / "venv" / "bin"
        # The installer keeps the machine's own settings: it is the one thing here that needs the package index.
        machine = {name: value for name, value in MACHINE_ENVIRONMENT.items() if name not in _DROPPED}
        started([sys.executable, "-m", "venv", "--without-pip", str(folder / "venv")], environment=machine, cwd=folder)
        pip = [sys.executable, "-m", "pip", "--python", str(self._bin / "python"), "--disable-pip-version-check"]
        started([*pip, "install", "--quiet", "--no-compile", *options, requirement], environment=machine, cwd=folder)

    def run(self, program: str, *arguments: str, ends_with: int = 0) -> str:
        """What a program of the environment prints; where it should fail, with what it says on standard error."""
        environment = {name: value for name, value in clean(MACHINE_ENVIRONMENT).items() if name not in _DROPPED}
        command = [str(self._bin / program), *arguments]
        return started(command, environment=environment, cwd=self._folder, ends_with=ends_with)

    def python(self, code: str) -> str:
        """What some Python code prints, run without the user's own site packages."""
        return self.run("python", "-I", "-c", code)

    def packages(self) -> set[str]:
        """The distributions that are installed."""
        code = "from importlib.metadata import distributions\nfor d in distributions(): print(d.name.lower())"
        return set(self.python(code).split())
