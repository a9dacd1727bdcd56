"""What the Lambda needs beside its own code, as wheels for the machine that it will run on.

pip chooses and unpacks the wheels. It is told the target's version, machine and tags, but it evaluates the markers of
requirements (`; python_version < "3.13"`) with the Python that it runs in. So what it installed is looked over again
with the target's own values: a package that is missing is found here, not by the first invocation.
"""

from __future__ import annotations

import re
import subprocess
import sys
from importlib import metadata
from typing import TYPE_CHECKING, Final

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from vectora_normalize.operations.package import distribution as own
from vectora_normalize.operations.package.target import PackagingError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from pathlib import Path

    from vectora_normalize.operations.package.target import Target

# Quotes stand in an answer of pip's; what follows "for" is the requirement that no wheel fits.
_NO_WHEEL: Final = re.compile(r"No matching distribution found for (\S+)")


def requirements(target: Target, *, without: Collection[str] = ()) -> list[str]:
    """What this distribution asks for on the target, without markers.

    Args:
        target: Where it will run.
        without: Names of distributions to leave out.
    """
    return sorted(
        f"{asked.name}{_extras(asked)}{asked.specifier}"
        for asked in own.asked_for()
        if asked.name not in without and _applies(asked, target, extra=own.EXTRA)
    )


def install(requirements: Sequence[str], target: Target, folder: Path, *, constraint: Path | None = None) -> None:
    """Unpack wheels for the target into a folder.

    Args:
        requirements: What to install, with all that it needs.
        target: Where it will run.
        folder: Where to.
        constraint: A file of pip's constraints, such as the versions of an earlier package.

    Raises:
        PackagingError: There is no such wheel, the index was not reached, or pip is missing.
    """
    platforms = [word for platform in target.platforms for word in ("--platform", platform)]
    constraints = [] if constraint is None else ["--constraint", str(constraint)]
    # --no-user: a user's own configuration may ask for the user's folder, which --target excludes.
    command = [
        *(sys.executable, "-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check"),
        *("--no-compile", "--no-user", "--target", str(folder), "--implementation", "cp"),
        *("--python-version", target.python, "--only-binary", ":all:", *platforms, *constraints, *requirements),
    ]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, errors="replace")  # noqa: S603 - our own interpreter
    if ran.returncode:
        raise PackagingError(_why(ran.stderr, target))


def versions(folder: Path) -> dict[str, str]:
    """Name and version of each distribution in a folder."""
    found = metadata.distributions(path=[str(folder)])
    return dict(sorted((canonicalize_name(distribution.name), distribution.version) for distribution in found))


def check_complete(folder: Path, target: Target) -> None:
    """Look whether everything is there that the distributions in a folder need on the target.

    Raises:
        PackagingError: Something is missing, or has a version that does not do.
    """
    there = versions(folder)
    faults = [
        f"{distribution.name} needs {needed.name}{needed.specifier}, not {_version_of(needed, there) or 'none at all'}"
        for distribution in metadata.distributions(path=[str(folder)])
        for needed in map(Requirement, distribution.requires or ())
        if _applies(needed, target) and not _satisfied(needed, there)
    ]
    if faults:
        raise PackagingError(
            f"the package would not be complete for {target}: {'; '.join(sorted(faults))}. "
            f"Package with the target's own Python ({target.runtime}), whose markers pip then goes by"
        )


def _extras(asked: Requirement) -> str:
    return f"[{','.join(sorted(asked.extras))}]" if asked.extras else ""


def _applies(asked: Requirement, target: Target, extra: str = "") -> bool:
    return asked.marker is None or asked.marker.evaluate({**target.marker_environment(), "extra": extra})


def _version_of(needed: Requirement, there: Mapping[str, str]) -> str | None:
    return there.get(canonicalize_name(needed.name))


def _satisfied(needed: Requirement, there: Mapping[str, str]) -> bool:
    version = _version_of(needed, there)
    return version is not None and needed.specifier.contains(version, prereleases=True)


def _why(complaint: str, target: Target) -> str:
    """What pip said, in one line, with what to do where that is known."""
    if missing := _NO_WHEEL.findall(complaint):
        return (
            f"{', '.join(sorted(set(missing)))}: no wheel for {target} in the package index. "
            "Give another --platform (it may be repeated) or --python, or a --constraint with a version that has one"
        )
    errors = [line.removeprefix("ERROR: ") for line in complaint.splitlines() if line.startswith("ERROR: ")]
    said = errors or complaint.strip().splitlines()[-1:] or ["it gave no reason"]
    return f"pip could not install the dependencies for {target}: {'; '.join(said)}"
