"""The package: this distribution's own code, what it needs, and the name that Lambda looks for.

Tests, caches, scripts and an installer's notes stay out. A distribution's metadata and licences go in: scanners of
deployed functions read the one, and redistribution asks for the other.
"""

from __future__ import annotations

import json
import re
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

from vectora_normalize.operations.package import dependencies
from vectora_normalize.operations.package import distribution as own
from vectora_normalize.operations.package.archive import Archive, write_archive
from vectora_normalize.operations.package.target import PackagingError, Target

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

DEFAULT_OUT: Final = Path("build") / "ingest-normalize.zip"
"""Where a package goes unless something else is said."""

LABEL: Final = "ingest-normalize.json"
"""The file at the top of a package that says what it was made for and of."""

MOST_ZIPPED: Final = 50 * 1024 * 1024
"""Bytes of a zip that Lambda takes directly; from S3 it takes larger ones (AWS, "Lambda quotas")."""

MOST_UNZIPPED: Final = 250 * 1024 * 1024
"""Bytes that a function may have unzipped, layers included (AWS, "Lambda quotas")."""

_SDK: Final = ("boto3", "botocore")
# Functions that are deployed already are configured with `handler.lambda_handler`, and new code leaves that as it is.
_SHIM: Final = '''"""The handler under the name that deployed functions are configured with."""

from vectora_normalize.{name} import lambda_handler

__all__ = ["lambda_handler"]
'''
_SHIMS: Final = {f"{name}.py": _SHIM.format(name=name).encode() for name in ("handler", "worker")}
_LEFT_OUT: Final = re.compile(
    r"(^|/)(__pycache__|tests?|\.[^/]+)(/|$)"  # what no invocation reads
    r"|\.py[co]$"
    r"|^bin/"  # scripts with the path of this machine's Python in them
)
_OF_DIST_INFO: Final = re.compile(r"[^/]+\.dist-info/(METADATA$|licenses/|(LICEN[CS]E|COPYING|NOTICE)[^/]*$)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """A package that was built.

    Args:
        archive: The zip.
        target: What it runs on.
        versions: Name and version of each distribution in it, this one included.
        pins: The file beside the zip that has these versions as constraints for pip.
    """

    archive: Archive
    target: Target
    versions: Mapping[str, str]
    pins: Path


def build_package(out: Path, target: Target, *, with_boto3: bool = True, constraint: Path | None = None) -> Package:
    """Build the zip, and beside it a file of the versions in it.

    Args:
        out: Where the zip goes; the versions go into a file of the same name that ends in `.txt`.
        target: What it will run on.
        with_boto3: Whether boto3 and botocore are in it; without them the function runs on those of its runtime,
            which AWS changes when it sees fit.
        constraint: A file of pip's constraints; with the versions of an earlier package, the same bytes come out.

    Raises:
        PackagingError: A wheel is missing, pip failed, or the package is larger than Lambda allows.
        OSError: A file could not be written.
    """
    without = () if with_boto3 else _SDK
    with tempfile.TemporaryDirectory(prefix="package-") as temporary:
        folder = Path(temporary)
        asked = dependencies.requirements(target, without=without)
        dependencies.install(asked, target, folder, constraint=constraint)
        dependencies.check_complete(folder, target)
        there = dependencies.versions(folder)
        installed = ((path.relative_to(folder).as_posix(), path) for path in folder.rglob("*"))
        files: dict[str, Path | bytes] = dict(_wanted((*installed, *own.code())))
        files |= {**_SHIMS, LABEL: _label(target, there), **dict([own.metadata_file()])}
        archive = write_archive(files, out)
    if archive.unzipped > MOST_UNZIPPED:
        largest = ", ".join(list(archive.parts)[:3])
        raise PackagingError(
            f"{out}: {archive.unzipped} bytes unzipped; Lambda allows {MOST_UNZIPPED}. The largest parts: {largest}"
        )
    pins = out.with_suffix(".txt")
    pins.write_text("".join(f"{name}=={version}\n" for name, version in there.items()), "utf-8")
    return Package(archive=archive, target=target, versions=_with_own(there), pins=pins)


def label_of(package: Path) -> Mapping[str, Any]:
    """What the label of a package says.

    Raises:
        PackagingError: The file is no package of this command.
    """
    try:
        with zipfile.ZipFile(package) as archive:
            label: object = json.loads(archive.read(LABEL))
    except FileNotFoundError:
        raise PackagingError(f"{package}: no such file; `vectora-normalize package` makes it") from None
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise PackagingError(f"{package}: is no package of `vectora-normalize package`: {error}") from None
    if not isinstance(label, dict) or not {"runtime", "architecture"} <= label.keys():
        raise PackagingError(f"{package}: is no package of `vectora-normalize package`: its label says {label!r:.80}")
    return cast("Mapping[str, Any]", label)


def _wanted(files: Iterable[tuple[str, Path]]) -> Iterator[tuple[str, Path]]:
    for name, path in files:
        noise = ".dist-info/" in name and not _OF_DIST_INFO.match(name)
        if path.is_file() and not noise and not _LEFT_OUT.search(name):
            yield name, path


def _with_own(there: Mapping[str, str]) -> dict[str, str]:
    return dict(sorted({**there, own.DISTRIBUTION: own.version()}.items()))


def _label(target: Target, there: Mapping[str, str]) -> bytes:
    told = {"runtime": target.runtime, "architecture": target.architecture, "packages": _with_own(there)}
    return f"{json.dumps(told, indent=2)}\n".encode()
