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
# pip installs each extra every night, in 100 s of processor time. In the gate it installs the wheel alone; what the
# wheel's metadata names for the extra is linked.
BY = ["links", pytest.param("pip", marks=[pytest.mark.packaging, pytest.mark.nightly])]


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from the tree as it is."""
    folder = tmp_path_factory.mktemp("dist")
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    started(build, environment=dict(MACHINE_ENVIRONMENT), cwd=folder)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="session")
def core(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """The wheel without an extra. Without an index pip finds no dependency to install."""
    return Installed(tmp_path_factory.mktemp("core"), "--no-index", str(wheel))


@pytest.fixture(params=BY)
def install(wheel: Path, core: Installed, tmp_path: Path, request: pytest.FixtureRequest) -> Callable[[str], Installed]:
    """``install(extra)`` makes an environment with only that extra."""

    def install(extra: str) -> Installed:
        if request.param == "pip":
            return Installed(tmp_path, *VERSIONS, f"{wheel}[{extra}]")
        return core.with_extra(extra, tmp_path)

    return install
