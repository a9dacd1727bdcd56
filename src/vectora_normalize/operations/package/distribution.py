"""This distribution's part of a package: its code as this process would import it, and what it asks for.

So the command works from a clone and from an installed wheel alike, and needs no build tool.
"""

from __future__ import annotations

import tomllib
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Final

from packaging.requirements import Requirement

import bedrock_resilience
import vectora_normalize

if TYPE_CHECKING:
    from collections.abc import Iterator

DISTRIBUTION: Final = "bedrock-resilience"
EXTRA: Final = "normalize"
_PACKAGES: Final = (bedrock_resilience, vectora_normalize)
_METADATA: Final = """\
Metadata-Version: 2.1
Name: {name}
Version: {version}
"""


def version() -> str:
    """The version that is packaged."""
    return bedrock_resilience.__version__


def asked_for() -> list[Requirement]:
    """What a package needs beside the code, with its markers; those of other extras are among them.

    A clone is asked for what it declares now: the metadata of an editable installation is that of the day it was made.
    """
    project = _source_folder(vectora_normalize.__file__).parent / "pyproject.toml"
    if not project.is_file():
        return [Requirement(text) for text in metadata.requires(DISTRIBUTION) or ()]
    declared = tomllib.loads(project.read_text("utf-8"))["project"]
    return [Requirement(text) for text in (*declared["dependencies"], *declared["optional-dependencies"][EXTRA])]


def code() -> Iterator[tuple[str, Path]]:
    """Name in the package and place of each file of both import packages."""
    for package in _PACKAGES:
        root = _source_folder(package.__file__)
        yield from ((path.relative_to(root).as_posix(), path) for path in (root / package.__name__).rglob("*"))


def metadata_file() -> tuple[str, bytes]:
    """What tells a scanner of the package, and `importlib.metadata`, which version of this distribution it holds."""
    folder = f"{DISTRIBUTION.replace('-', '_')}-{version()}.dist-info"
    return f"{folder}/METADATA", _METADATA.format(name=DISTRIBUTION, version=version()).encode()


def _source_folder(file: str | None) -> Path:
    return Path(file or "").resolve().parents[1]
