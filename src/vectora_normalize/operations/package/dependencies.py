"""The dependencies of the Lambda, as wheels for the machine that it runs on.

pip chooses and unpacks the wheels. It accepts the version, machine and tags of a target, but evaluates the markers of
requirements (``; python_version < "3.13"``) with the Python that runs pip. Therefore the installed distributions are
checked again with the target's own values: a missing one is found here, not by the first invocation.

A requirements file with versions and hashes, such as ``infra/requirements.txt``, decides everything: pip installs these
files and no others, whoever controls the package index.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Final

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from vectora_normalize.operations.package import distribution
from vectora_normalize.operations.package.target import PackagingError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from vectora_normalize.operations.package.target import Target

_COMMENT: Final = re.compile(r"(^|[ \t])#.*", re.MULTILINE)
_PINNED: Final = re.compile(r"==[^*,]+")
# The word after "for" is the requirement that no wheel satisfies.
_NO_WHEEL: Final = re.compile(r"No matching distribution found for (\S+)")


def requirements(target: Target, *, without: Collection[str] = ()) -> list[str]:
    """Return the requirements of this distribution on the target, without markers.

    Args:
        target: The runtime and the machine.
        without: Names of distributions to exclude.
    """
    return sorted(
        f"{requirement.name}{_extras(requirement)}{requirement.specifier}"
        for requirement in distribution.declared_requirements()
        if requirement.name not in without and _applies(requirement, target, extra=distribution.EXTRA)
    )


def pinned_requirements(file: Path, target: Target, *, without: Collection[str] = ()) -> list[str]:
    """Return the lines of a requirements file that apply to the target, without markers.

    Args:
        file: Each requirement is pinned with ``==`` and has at least one ``--hash``, as ``make lock`` and
            ``build_package`` write them.
        target: The runtime and the machine.
        without: Names of distributions to exclude.

    Raises:
        PackagingError: A line is not pinned or has no hash.
        OSError: The file could not be read.
    """
    text = _COMMENT.sub("", file.read_text("utf-8")).replace("\\\n", " ")
    lines: list[str] = []
    for line in filter(None, map(str.strip, text.splitlines())):
        declared, *hashes = line.split("--hash=")
        try:
            requirement = Requirement(declared.strip())
        except InvalidRequirement as error:
            raise PackagingError(f"--requirements: {file}: got {declared.strip()!r}: {error}") from None
        if not hashes or not _PINNED.fullmatch(str(requirement.specifier)):
            raise PackagingError(
                f"--requirements: {file}: got {line!r:.100}; accepted: name==version --hash=sha256:..., for each"
            )
        if requirement.name not in without and _applies(requirement, target):
            lines.append(" --hash=".join([f"{requirement.name}{requirement.specifier}", *map(str.strip, hashes)]))
    return lines


def install(
    requirements: Sequence[str], target: Target, folder: Path, *, constraint: Path | None = None, pinned: bool = False
) -> dict[str, str]:
    """Unpack wheels for the target into a folder; return the SHA-256 of each wheel, in hex, by the distribution's name.

    Args:
        requirements: What to install; their own dependencies are installed, too, unless they are ``pinned``.
        target: The runtime and the machine.
        folder: The folder.
        constraint: A constraints file for pip.
        pinned: The requirements are those of ``pinned_requirements``: exactly these wheels are installed.

    Raises:
        PackagingError: There is no such wheel, its hash is another one, the index could not be reached, or pip is
            missing.
    """
    platforms = [word for platform in target.platforms for word in ("--platform", platform)]
    constraints = [] if constraint is None else ["--constraint", str(constraint)]
    with tempfile.TemporaryDirectory(prefix="pip-") as temporary:
        listed, report = Path(temporary, "requirements.txt"), Path(temporary, "report.json")
        listed.write_text("\n".join(requirements), "utf-8")
        # --no-user: pip's configuration may set --user, which --target does not allow. --no-warn-conflicts: pip would
        # compare the target with the packages of this environment, which takes seconds and does not concern the target.
        command = [
            *(sys.executable, "-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check"),
            *("--no-compile", "--no-user", "--no-warn-conflicts", "--target", str(folder), "--implementation", "cp"),
            *("--python-version", target.python, "--only-binary", ":all:", *platforms, *constraints),
            *(("--require-hashes", "--no-deps") if pinned else ()),
            *("--report", str(report), "--requirement", str(listed)),
        ]
        ran = subprocess.run(command, capture_output=True, text=True, check=False, errors="replace")  # noqa: S603 - our own interpreter
        if ran.returncode:
            raise PackagingError(_error_text(ran.stderr, target))
        installed = json.loads(report.read_bytes())["install"]
    return {
        canonicalize_name(one["metadata"]["name"]): one["download_info"]["archive_info"]["hashes"]["sha256"]
        for one in installed
    }


def versions(folder: Path) -> dict[str, str]:
    """Return the name and version of each distribution in a folder."""
    found = metadata.distributions(path=[str(folder)])
    return dict(sorted((canonicalize_name(one.name), one.version) for one in found))


def check_complete(folder: Path, target: Target, requirements: Sequence[str] = ()) -> None:
    """Check that a folder has the dependencies of all distributions in it, on the target.

    Args:
        folder: The folder.
        target: The runtime and the machine.
        requirements: Those of this distribution, without markers.

    Raises:
        PackagingError: A dependency is missing, or its version does not satisfy the requirement.
    """
    installed = versions(folder)
    requiring = [(one.name, one.requires or ()) for one in metadata.distributions(path=[str(folder)])]
    faults = [
        f"{name} requires {needed.name}{needed.specifier}; installed: {_version_of(needed, installed) or 'none'}"
        for name, texts in (*requiring, (distribution.DISTRIBUTION, requirements))
        for needed in map(Requirement, texts)
        if _applies(needed, target) and not _satisfied(needed, installed)
    ]
    if faults:
        raise PackagingError(
            f"the package would not be complete for {target}: {'; '.join(sorted(faults))}. "
            f"Build it with the target's own Python ({target.runtime}), so that pip evaluates the markers for it"
        )


def _extras(requirement: Requirement) -> str:
    return f"[{','.join(sorted(requirement.extras))}]" if requirement.extras else ""


def _applies(requirement: Requirement, target: Target, extra: str = "") -> bool:
    marker = requirement.marker
    return marker is None or marker.evaluate({**target.marker_environment(), "extra": extra})


def _version_of(requirement: Requirement, installed: Mapping[str, str]) -> str | None:
    return installed.get(canonicalize_name(requirement.name))


def _satisfied(requirement: Requirement, installed: Mapping[str, str]) -> bool:
    version = _version_of(requirement, installed)
    return version is not None and requirement.specifier.contains(version, prereleases=True)


def _error_text(stderr: str, target: Target) -> str:
    """Return the error of pip in one line, with what to do where that is known."""
    if missing := _NO_WHEEL.findall(stderr):
        return (
            f"{', '.join(sorted(set(missing)))}: no wheel for {target} in the package index. "
            "Give another --platform (it may be repeated) or --python, or a --constraint with a version that has one"
        )
    errors = [line.removeprefix("ERROR: ") for line in stderr.splitlines() if line.startswith("ERROR: ")]
    reasons = errors or stderr.strip().splitlines()[-1:] or ["no reason given"]
    return f"pip could not install the dependencies for {target}: {'; '.join(reasons)}"
