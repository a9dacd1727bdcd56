"""This distribution in a package: its code as this process imports it, its requirements and its metadata.

The command therefore works from a clone as from an installed wheel, without a build tool.
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
    """Return the version of this distribution."""
    return bedrock_resilience.__version__


def declared_requirements() -> list[Requirement]:
    """Return the requirements of this distribution with their markers; those of other extras may be among them.

    In a clone they are read from ``pyproject.toml``: the metadata of an editable installation may be older.
    """
    project = _source_folder(vectora_normalize.__file__).parent / "pyproject.toml"
    if not project.is_file():
        return [Requirement(text) for text in metadata.requires(DISTRIBUTION) or ()]
    declared = tomllib.loads(project.read_text("utf-8"))["project"]
    return [Requirement(text) for text in (*declared["dependencies"], *declared["optional-dependencies"][EXTRA])]


def code() -> Iterator[tuple[str, Path]]:
    """Yield the name in the package and the path of each file of both import packages."""
    for package in _PACKAGES:
        root = _source_folder(package.__file__)
        yield from ((path.relative_to(root).as_posix(), path) for path in (root / package.__name__).rglob("*"))


def metadata_file() -> tuple[str, bytes]:
    """Return the name and content of ``METADATA``, from which scanners and ``importlib.metadata`` read the version."""
    folder = f"{DISTRIBUTION.replace('-', '_')}-{version()}.dist-info"
    return f"{folder}/METADATA", _METADATA.format(name=DISTRIBUTION, version=version()).encode()


def _source_folder(file: str | None) -> Path:
    return Path(file or "").resolve().parents[1]
