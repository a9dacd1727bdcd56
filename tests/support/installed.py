"""The wheel as a user gets it, in an environment of its own."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections import Counter
from functools import cache
from importlib.metadata import Distribution, distribution, distributions
from pathlib import Path
from typing import TYPE_CHECKING, Final

from packaging.requirements import Requirement

from support.environment import MACHINE_ENVIRONMENT, clean

if TYPE_CHECKING:
    from collections.abc import Iterable

_DROPPED: Final = {"PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV"}
_MAX_SECONDS: Final = 110


def started(command: list[str], *, environment: dict[str, str], cwd: Path, ends_with: int = 0) -> str:
    """What a command prints; the test fails with all of it if the command ends with another status."""
    ran = subprocess.run(
        command, env=environment, cwd=cwd, capture_output=True, text=True, check=False, timeout=_MAX_SECONDS
    )
    assert ran.returncode == ends_with, f"{command} ended with {ran.returncode}\n{ran.stdout}\n{ran.stderr}"
    return ran.stdout + (ran.stderr if ends_with else "")


class Installed:
    """A virtual environment with the wheel in it: no other package, unless the extra asked for it.

    Args:
        folder: Where the environment is made.
        requirements: What pip installs there, and its options; at least the wheel.
    """

    def __init__(self, folder: Path, *requirements: str) -> None:
        self._set_folder(folder)
        # The installer keeps the machine's own settings: it is the one thing here that needs the package index.
        machine = {name: value for name, value in MACHINE_ENVIRONMENT.items() if name not in _DROPPED}
        started([sys.executable, "-m", "venv", "--without-pip", str(folder / "venv")], environment=machine, cwd=folder)
        pip = [sys.executable, "-m", "pip", "--python", str(self._bin / "python"), "--disable-pip-version-check"]
        started([*pip, "install", "--quiet", "--no-compile", *requirements], environment=machine, cwd=folder)

    def _set_folder(self, folder: Path) -> None:
        self._folder = folder
        self._bin = folder / "venv" / "bin"

    def with_extra(self, extra: str, folder: Path) -> Installed:
        """A copy of the environment that also has what an extra of ours needs: links to the packages of these tests.

        The metadata that pip installed decides which. A requirement that is not installed here, or in a version that is
        too old, fails the test.
        """
        made = Installed.__new__(Installed)
        made._set_folder(folder)
        shutil.copytree(self._folder / "venv", folder / "venv", symlinks=True)
        for program in ("bedrock-resilience", "vectora-normalize"):  # the first line names the environment's Python
            text = (self._bin / program).read_text("utf-8")
            (made._bin / program).write_text(text.replace(str(self._bin), str(made._bin)), "utf-8")
        (site_packages,) = made._bin.parent.glob("lib/python*/site-packages")
        (ours,) = distributions(name="bedrock-resilience", path=[str(site_packages)])
        for needed in _requirements(ours, {extra}).values():
            _link(needed, site_packages)
        return made

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


def _requirements(of: Distribution, extras: Iterable[str]) -> dict[str, Distribution]:
    """The distributions that one needs with some of its extras, and those that they need, by name and extras."""
    found: dict[str, Distribution] = {}
    waiting = [(of, frozenset({"", *extras}))]
    while waiting:
        one, wanted = waiting.pop()
        for requirement in map(Requirement, one.requires or ()):
            marker = requirement.marker
            if marker is not None and not any(marker.evaluate({"extra": extra}) for extra in wanted):
                continue
            needed = distribution(requirement.name)
            assert requirement.specifier.contains(needed.version, prereleases=True), (one.name, str(requirement))
            name = f"{needed.name}[{','.join(sorted(requirement.extras))}]"
            if name not in found:
                found[name] = needed
                waiting.append((needed, frozenset({"", *requirement.extras})))
    return found


@cache
def _owners() -> Counter[str]:
    """How many distributions of this environment own each name at the top of the packages' folder."""
    return Counter(name for one in distributions() for name in {file.parts[0] for file in one.files or ()})


def _link(needed: Distribution, folder: Path) -> None:
    """Link all that a distribution has installed: whole packages, or single files of a package that several share."""
    for file in needed.files or ():
        name = file.parts[0]
        if name == "..":  # a script, which has the Python of this environment in its first line
            continue
        shared = _owners()[name] > 1
        target = folder / (file if shared else name)
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            target.symlink_to(Path(str(needed.locate_file(file if shared else name))))
