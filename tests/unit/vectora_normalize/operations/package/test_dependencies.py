"""pip installs wheels for the target, and the result is checked with the markers of the target."""

from __future__ import annotations

import hashlib
import sys
from typing import TYPE_CHECKING

import pytest
from packaging.requirements import Requirement

from support.wheels import make_wheel, only_from
from vectora_normalize.operations.package import distribution
from vectora_normalize.operations.package.dependencies import (
    check_complete,
    install,
    pinned_requirements,
    requirements,
    versions,
)
from vectora_normalize.operations.package.target import PackagingError, Target

if TYPE_CHECKING:
    from pathlib import Path

TARGET = Target("3.13")


@pytest.fixture
def wheels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    only_from(tmp_path / "wheels", monkeypatch)
    (tmp_path / "wheels").mkdir()
    return tmp_path / "wheels"


def test_markers_are_evaluated_for_the_target_and_removed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    declared = ["b[x,a]>=1", "a>=2; extra == 'normalize'", "c; python_version < '3.13'", "d; sys_platform == 'linux'"]
    monkeypatch.setattr(distribution, "declared_requirements", lambda: [Requirement(text) for text in declared])
    assert requirements(TARGET) == ["a>=2", "b[a,x]>=1", "d"]
    assert requirements(Target("3.12"), without=("a", "d")) == ["b[a,x]>=1", "c"]


def test_wheels_of_the_target_are_unpacked_with_their_dependencies(wheels: Path, tmp_path: Path) -> None:
    make_wheel(wheels, "wanted", "1.0", tag="cp313-cp313-manylinux2014_x86_64", requires=["needed>=2"])
    make_wheel(wheels, "wanted", "1.0", tag="cp313-cp313-manylinux2014_aarch64")
    make_wheel(wheels, "wanted", "2.0", tag="cp312-cp312-manylinux2014_x86_64")
    make_wheel(wheels, "needed", "2.5")
    make_wheel(wheels, "needed", "3.0")
    hashes = install(["wanted"], TARGET, tmp_path / "installed")
    assert versions(tmp_path / "installed") == {"needed": "3.0", "wanted": "1.0"}
    wheel = wheels / "wanted-1.0-cp313-cp313-manylinux2014_x86_64.whl"
    assert hashes.keys() == {"needed", "wanted"}
    assert hashes["wanted"] == hashlib.sha256(wheel.read_bytes()).hexdigest()
    assert (tmp_path / "installed" / "wanted.py").is_file()
    assert not list((tmp_path / "installed").rglob("*.pyc"))


def test_a_constraint_chooses_the_version(wheels: Path, tmp_path: Path) -> None:
    for version in ("1.0", "2.0"):
        make_wheel(wheels, "wanted", version)
    constraint = tmp_path / "versions.txt"
    constraint.write_text("wanted==1.0\n")
    install(["wanted"], TARGET, tmp_path / "installed", constraint=constraint)
    assert versions(tmp_path / "installed") == {"wanted": "1.0"}


def test_pinned_requirements_apply_to_the_target_and_keep_their_hashes(tmp_path: Path) -> None:
    file = tmp_path / "requirements.txt"
    file.write_text(
        "# made by uv\n"
        "a==1.0 \\\n    --hash=sha256:aa \\\n    --hash=sha256:bb\n    # via c\n"
        "b==2 ; python_full_version < '3.13' \\\n    --hash=sha256:cc\n"
        "c==3 --hash=sha256:dd\n"
    )
    assert pinned_requirements(file, TARGET, without=("c",)) == ["a==1.0 --hash=sha256:aa --hash=sha256:bb"]
    assert pinned_requirements(file, Target("3.12"))[1:] == ["b==2 --hash=sha256:cc", "c==3 --hash=sha256:dd"]


@pytest.mark.parametrize("line", ["a==1.0", "a>=1 --hash=sha256:aa", "a==1.* --hash=sha256:aa", "a --hash=sha256:aa"])
def test_a_requirement_without_a_version_or_a_hash_is_refused(line: str, tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text(f"{line}\n")
    with pytest.raises(PackagingError, match=r"accepted: name==version --hash=sha256:\.\.\., for each$"):
        pinned_requirements(tmp_path / "requirements.txt", TARGET)


def test_an_option_in_a_requirements_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("--index-url https://other.example\n")
    with pytest.raises(PackagingError, match=r"^--requirements: .*--index-url"):
        pinned_requirements(tmp_path / "requirements.txt", TARGET)


def test_a_missing_wheel_is_named_with_what_to_do(wheels: Path, tmp_path: Path) -> None:
    make_wheel(wheels, "wanted", tag="cp313-cp313-win_amd64")
    with pytest.raises(PackagingError) as refused:
        install(["wanted>=1"], TARGET, tmp_path / "installed")
    assert str(refused.value).startswith(
        "wanted>=1: no wheel for Python 3.13 on manylinux2014_x86_64 in the package index. Give another --platform"
    )
    assert "\n" not in str(refused.value)


def test_other_errors_of_pip_are_reported_in_one_line(wheels: Path, tmp_path: Path) -> None:
    make_wheel(wheels, "wanted")
    with pytest.raises(
        PackagingError, match=r"^pip could not install the dependencies for Python 3\.13 .*no-such\.txt"
    ):
        install(["wanted"], TARGET, tmp_path / "installed", constraint=tmp_path / "no-such.txt")


@pytest.mark.parametrize(
    ("stderr", "message"), [("No module named pip", ": No module named pip"), ("", ": no reason given")]
)
def test_an_interpreter_without_pip_is_reported(
    stderr: str, message: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    without_pip = tmp_path / "python"
    without_pip.write_text(f"#!/bin/sh\necho '{stderr}' >&2\nexit 1\n")
    without_pip.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(without_pip))
    with pytest.raises(PackagingError) as failed:
        install(["wanted"], TARGET, tmp_path / "installed")
    assert str(failed.value).endswith(message)


def test_a_requirement_of_the_target_alone_is_reported_as_missing(wheels: Path, tmp_path: Path) -> None:
    # pip evaluates markers for its own Python, where this one is false.
    other = Target("3.12" if sys.version_info[:2] == (3, 13) else "3.13")
    make_wheel(wheels, "wanted", requires=[f"target-only>=1; python_version == '{other.python}'", "needed>=2"])
    make_wheel(wheels, "needed", "2.0")
    install(["wanted"], other, tmp_path / "installed")
    with pytest.raises(PackagingError) as refused:
        check_complete(tmp_path / "installed", other)
    assert f"would not be complete for Python {other.python}" in str(refused.value)
    assert "wanted requires target-only>=1; installed: none. " in str(refused.value)


def test_a_version_that_does_not_satisfy_is_reported_and_a_prerelease_may_satisfy(wheels: Path, tmp_path: Path) -> None:
    make_wheel(wheels, "early", "2.0rc1")
    make_wheel(wheels, "needs-early", requires=["Early>=2.0rc1; sys_platform == 'linux'", "other; extra == 'x'"])
    install(["needs-early", "early==2.0rc1"], TARGET, tmp_path / "installed")
    check_complete(tmp_path / "installed", TARGET)
    (metadata,) = (tmp_path / "installed").glob("early-*.dist-info/METADATA")
    metadata.write_text("Metadata-Version: 2.1\nName: early\nVersion: 1.0\n")
    with pytest.raises(PackagingError, match=r"needs-early requires Early>=2\.0rc1; installed: 1\.0\."):
        check_complete(tmp_path / "installed", TARGET)
