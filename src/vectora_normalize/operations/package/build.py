"""Builds the package: the code of this distribution, its dependencies, and the handlers that Lambda calls.

Tests, caches, scripts and the files of installers are excluded. The metadata and licences of the dependencies are
included: scanners of deployed functions read the metadata, and redistribution requires the licences.
"""

from __future__ import annotations

import json
import re
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

from vectora_normalize.operations.package import dependencies, distribution
from vectora_normalize.operations.package.archive import Archive, write_archive
from vectora_normalize.operations.package.target import PackagingError, Target

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

DEFAULT_OUT: Final = Path("build") / "ingest-normalize.zip"
"""The default path of the package."""

MANIFEST: Final = "ingest-normalize.json"
"""The file in a package that names its runtime, its architecture and the versions in it."""

MAX_ZIPPED_BYTES: Final = 50 * 1024 * 1024
"""The largest zip that Lambda accepts in a request; from S3 it accepts larger ones (AWS, "Lambda quotas")."""

MAX_UNZIPPED_BYTES: Final = 250 * 1024 * 1024
"""The largest unzipped size of a function, layers included (AWS, "Lambda quotas")."""

_SDK: Final = ("boto3", "botocore")
# Deployed functions are configured with ``handler.lambda_handler``, and an update of the code does not change that.
_SHIM: Final = '''"""The handler under the name that deployed functions are configured with."""

from vectora_normalize.{name} import lambda_handler

__all__ = ["lambda_handler"]
'''
_SHIMS: Final = {f"{name}.py": _SHIM.format(name=name).encode() for name in ("handler", "worker")}
_EXCLUDED: Final = re.compile(
    r"(^|/)(__pycache__|tests?|\.[^/]+)(/|$)"  # not used at run time
    r"|\.py[co]$"
    r"|^bin/"  # scripts with the path of this machine's Python in them
)
_KEPT_METADATA: Final = re.compile(r"[^/]+\.dist-info/(METADATA$|licenses/|(LICEN[CS]E|COPYING|NOTICE)[^/]*$)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """A package that was built.

    Args:
        archive: The zip.
        target: The runtime and the machine that it is for.
        versions: Name and version of each distribution in it, this one included.
        requirements: The file beside the zip with these versions and the hashes of their wheels.
    """

    archive: Archive
    target: Target
    versions: Mapping[str, str]
    requirements: Path


def build_package(
    out: Path,
    target: Target,
    *,
    with_boto3: bool = True,
    constraint: Path | None = None,
    requirements: Path | None = None,
) -> Package:
    """Build the zip, and beside it a file with the versions of the dependencies and the hashes of their wheels.

    Args:
        out: The zip; the versions are written to a file of the same name that ends in ``.txt``.
        target: The runtime and the machine that it is for.
        with_boto3: Whether boto3 and botocore are included; otherwise the function uses those of its runtime, which
            AWS updates at any time.
        constraint: A constraints file for pip.
        requirements: A file with all versions and hashes; pip installs exactly these wheels. That of an earlier package
            reproduces the same bytes.

    Raises:
        PackagingError: A wheel is missing or has another hash, pip failed, or the package is larger than Lambda allows.
        OSError: A file could not be written.
    """
    without = () if with_boto3 else _SDK
    with tempfile.TemporaryDirectory(prefix="package-") as temporary:
        folder = Path(temporary)
        declared = dependencies.requirements(target, without=without)
        if requirements is None:
            hashes = dependencies.install(declared, target, folder, constraint=constraint)
        else:
            pinned = dependencies.pinned_requirements(requirements, target, without=without)
            hashes = dependencies.install(pinned, target, folder, constraint=constraint, pinned=True)
        dependencies.check_complete(folder, target, declared)
        versions = dependencies.versions(folder)
        installed = ((path.relative_to(folder).as_posix(), path) for path in folder.rglob("*"))
        files: dict[str, Path | bytes] = dict(_included((*installed, *distribution.code())))
        files |= {**_SHIMS, MANIFEST: _manifest(target, versions), **dict([distribution.metadata_file()])}
        archive = write_archive(files, out)
    if archive.unzipped > MAX_UNZIPPED_BYTES:
        largest = ", ".join(list(archive.unzipped_by_name)[:3])
        raise PackagingError(
            f"{out}: {archive.unzipped} bytes unzipped; Lambda allows {MAX_UNZIPPED_BYTES}. The largest: {largest}"
        )
    listed = out.with_suffix(".txt")
    lines = (f"{name}=={version} --hash=sha256:{hashes[name]}\n" for name, version in versions.items())
    listed.write_text("".join(lines), "utf-8")
    return Package(archive=archive, target=target, versions=_with_own(versions), requirements=listed)


def read_manifest(package: Path) -> Mapping[str, Any]:
    """Return the manifest of a package.

    Raises:
        PackagingError: The file was not built by ``build_package``.
    """
    try:
        with zipfile.ZipFile(package) as archive:
            manifest: object = json.loads(archive.read(MANIFEST))
    except FileNotFoundError:
        raise PackagingError(f"{package}: no such file; `vectora-normalize package` builds it") from None
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise PackagingError(f"{package}: was not built by `vectora-normalize package`: {error}") from None
    if not isinstance(manifest, dict) or not {"runtime", "architecture"} <= manifest.keys():
        raise PackagingError(f"{package}: was not built by `vectora-normalize package`: {MANIFEST}: {manifest!r:.80}")
    return cast("Mapping[str, Any]", manifest)


def _included(files: Iterable[tuple[str, Path]]) -> Iterator[tuple[str, Path]]:
    for name, path in files:
        unused_metadata = ".dist-info/" in name and not _KEPT_METADATA.match(name)
        if path.is_file() and not unused_metadata and not _EXCLUDED.search(name):
            yield name, path


def _with_own(versions: Mapping[str, str]) -> dict[str, str]:
    return dict(sorted({**versions, distribution.DISTRIBUTION: distribution.version()}.items()))


def _manifest(target: Target, versions: Mapping[str, str]) -> bytes:
    fields = {"runtime": target.runtime, "architecture": target.architecture, "packages": _with_own(versions)}
    return f"{json.dumps(fields, indent=2)}\n".encode()
