"""The package of this project, built once by the command that operators use, and unpacked."""

from __future__ import annotations

import fcntl
import os
import platform
import sys
import zipfile
from typing import TYPE_CHECKING

from support.environment import MACHINE_ENVIRONMENT
from support.installed import started
from support.pages import ROOT

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

COMMAND = [sys.executable, "-c", "from vectora_normalize.cli import main; main()"]
PYTHON = f"3.{sys.version_info.minor}"
PLATFORM = f"manylinux2014_{platform.machine()}"


def package(out: Path) -> Path:
    """A package for this interpreter and machine, from the package index."""
    pinned = ROOT / "infra" / "requirements.txt"
    options = ["--out", str(out), "--python", PYTHON, "--platform", PLATFORM, "--requirements", str(pinned)]
    started([*COMMAND, "package", *options], environment=dict(MACHINE_ENVIRONMENT), cwd=out.parent)
    return out


def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an unpacked package, the same for all workers of a test run; nobody may write to it."""
    shared = tmp_path_factory.getbasetemp()
    if os.environ.get("PYTEST_XDIST_WORKER"):
        shared = shared.parent
    root = shared / "package"
    with (shared / "package.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # let go of when the file is closed
        if not root.exists():
            built = package(shared / "package.zip")
            with zipfile.ZipFile(built) as archive:
                archive.extractall(shared / "unpacking")
            (shared / "unpacking").rename(root)
    return root
