"""The whole package, built from wheels that the tests make."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
import zipfile
from typing import TYPE_CHECKING

import pytest

from bedrock_resilience import __version__
from support.wheels import make_wheel, only_from
from vectora_normalize.operations.package import (
    MAX_UNZIPPED_BYTES,
    Package,
    PackagingError,
    Target,
    build,
    build_package,
    distribution,
    read_manifest,
)

if TYPE_CHECKING:
    from pathlib import Path

TARGET = Target(f"3.{sys.version_info.minor}")


@pytest.fixture(autouse=True)
def wheels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A wheel for each requirement of this distribution."""
    folder = tmp_path / "wheels"
    only_from(folder, monkeypatch)
    for requirement in distribution.declared_requirements():
        make_wheel(folder, requirement.name)
    return folder


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Package:
    """A package of one wheel for each requirement, in a folder of its own."""
    folder = tmp_path_factory.mktemp("plain")
    with pytest.MonkeyPatch.context() as monkeypatch:
        only_from(folder / "wheels", monkeypatch)
        for requirement in distribution.declared_requirements():
            make_wheel(folder / "wheels", requirement.name)
        return build_package(folder / "out" / "x.zip", TARGET)


def names(package: Path) -> set[str]:
    with zipfile.ZipFile(package) as archive:
        assert archive.testzip() is None
        return set(archive.namelist())


def test_a_package_has_the_code_its_dependencies_and_the_handler(plain: Package) -> None:
    packed = names(plain.archive.path)
    assert {
        "handler.py",
        "vectora_normalize/handler.py",
        "bedrock_resilience/retrying/_retrier.py",
        "regex.py",
    } <= packed
    assert plain.versions == {
        **{requirement.name: "9999.0" for requirement in distribution.declared_requirements()},
        "bedrock-resilience": __version__,
    }
    assert "boto3.py" in packed
    assert f"bedrock_resilience-{__version__}.dist-info/METADATA" in packed


@pytest.mark.parametrize("name", ["handler", "worker"])
def test_the_handlers_of_a_package_are_those_of_this_project(plain: Package, tmp_path: Path, name: str) -> None:
    with zipfile.ZipFile(plain.archive.path) as archive:
        shim = archive.read(f"{name}.py")
    assert ast.get_docstring(ast.parse(shim))
    code = f"import {name}; print({name}.lambda_handler.__module__)"
    (tmp_path / f"{name}.py").write_bytes(shim)
    ran = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert ran.stdout == f"vectora_normalize.{name}\n"


def test_the_requirements_of_a_package_reproduce_its_bytes_when_there_are_newer_versions(
    plain: Package, wheels: Path, tmp_path: Path
) -> None:
    make_wheel(wheels, "boto3", "10000.0")
    again = build_package(tmp_path / "two.zip", TARGET, requirements=plain.requirements)
    assert again.archive.sha256 == plain.archive.sha256
    assert again.requirements.read_text() == plain.requirements.read_text()
    assert build_package(tmp_path / "three.zip", TARGET).versions["boto3"] == "10000.0"


def test_a_wheel_with_another_hash_is_refused(plain: Package, wheels: Path, tmp_path: Path) -> None:
    make_wheel(wheels, "boto3", files={"boto3.py": "evil = True"})
    with pytest.raises(PackagingError, match="DO NOT MATCH THE HASHES"):
        build_package(tmp_path / "two.zip", TARGET, requirements=plain.requirements)
    assert not (tmp_path / "two.zip").exists()


def test_requirements_that_lack_a_declared_one_are_refused(plain: Package, tmp_path: Path) -> None:
    lines = plain.requirements.read_text().splitlines(keepends=True)
    (tmp_path / "less.txt").write_text("".join(line for line in lines if not line.startswith("regex==")))
    with pytest.raises(PackagingError, match=r"bedrock-resilience requires regex>=[\d.]+; installed: none"):
        build_package(tmp_path / "two.zip", TARGET, requirements=tmp_path / "less.txt")


def test_tests_caches_scripts_and_files_of_the_installer_are_excluded(wheels: Path, tmp_path: Path) -> None:
    files = {
        "msgspec/__init__.py": "",
        "msgspec/tests/test_it.py": "",
        "msgspec/test/it.py": "",
        "msgspec/__pycache__/x.cpython-311.pyc": "",
        "msgspec/old.pyc": "",
        "msgspec/.hidden/x": "",
        "msgspec/latest.py": "",
        "msgspec/testing.py": "",
        "msgspec-10000.0.dist-info/licenses/LICENSE": "",
        "msgspec-10000.0.dist-info/NOTICE.txt": "",
        "msgspec-10000.0.dist-info/entry_points.txt": "[console_scripts]\nmsgspec = msgspec:main\n",
    }
    make_wheel(wheels, "msgspec", "10000.0", files=files)
    build_package(tmp_path / "x.zip", TARGET)
    packed = names(tmp_path / "x.zip")
    assert {name for name in packed if name.startswith("msgspec")} == {
        "msgspec/__init__.py",
        "msgspec/latest.py",
        "msgspec/testing.py",
        "msgspec-10000.0.dist-info/METADATA",
        "msgspec-10000.0.dist-info/licenses/LICENSE",
        "msgspec-10000.0.dist-info/NOTICE.txt",
    }
    assert not {name for name in packed if name.startswith("bin/") or name.endswith((".pyc", "RECORD", "INSTALLER"))}


def test_without_boto3_the_runtime_s_own_is_used(tmp_path: Path) -> None:
    built = build_package(tmp_path / "x.zip", TARGET, with_boto3=False)
    assert not {"boto3.py", "botocore.py"} & names(tmp_path / "x.zip")
    assert not {"boto3", "botocore"} & built.versions.keys()
    assert "urllib3" in built.versions


def test_the_manifest_names_the_target_and_the_versions(tmp_path: Path) -> None:
    built = build_package(tmp_path / "x.zip", Target("3.13", ("manylinux2014_aarch64",)))
    assert read_manifest(tmp_path / "x.zip") == {
        "runtime": "python3.13",
        "architecture": "arm64",
        "packages": built.versions,
    }


def test_a_file_that_is_not_a_package_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PackagingError, match=r"x\.zip: no such file; `vectora-normalize package` builds it$"):
        read_manifest(tmp_path / "x.zip")
    (tmp_path / "x.zip").write_text("PK no")
    with pytest.raises(
        PackagingError, match=r"x\.zip: was not built by `vectora-normalize package`: File is not a zip"
    ):
        read_manifest(tmp_path / "x.zip")
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("other.py", "")
    with pytest.raises(PackagingError, match=r"no item named 'ingest-normalize\.json'"):
        read_manifest(tmp_path / "x.zip")
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("ingest-normalize.json", json.dumps(["other"]))
    with pytest.raises(PackagingError, match=r"ingest-normalize\.json: \['other'\]"):
        read_manifest(tmp_path / "x.zip")


def test_a_package_that_is_too_large_for_lambda_is_refused(
    wheels: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert MAX_UNZIPPED_BYTES == 262_144_000
    make_wheel(wheels, "regex", "10000.0", files={"regex.py": "#" * 9_000_000})
    monkeypatch.setattr(build, "MAX_UNZIPPED_BYTES", 9_000_000)
    with pytest.raises(PackagingError, match=r"bytes unzipped; Lambda allows 9000000\. The largest: regex\.py, "):
        build_package(tmp_path / "x.zip", TARGET)
