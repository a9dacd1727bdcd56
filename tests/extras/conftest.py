"""The wheel, and environments that contain nothing but the wheel and one of its extras."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import pytest

from support.environment import MACHINE_ENVIRONMENT
from support.installed import Installed, started
from support.pages import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

# `make newest` sets NEWEST: the extras then get what an unconstrained `pip install` finds.
VERSIONS = () if os.environ.get("NEWEST") else ("-c", str(ROOT / "lock.txt"))


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from the tree as it is."""
    folder = tmp_path_factory.mktemp("dist")
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    started(build, environment=dict(MACHINE_ENVIRONMENT), cwd=folder)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture
def install(wheel: Path, tmp_path: Path) -> Callable[..., Installed]:
    """``install(extra)`` makes an environment with only that extra, ``install()`` one with the core alone."""

    def install(extra: str | None = None) -> Installed:
        if extra is None:
            return Installed(tmp_path, str(wheel), "--no-index")
        return Installed(tmp_path, f"{wheel}[{extra}]", *VERSIONS)

    return install
