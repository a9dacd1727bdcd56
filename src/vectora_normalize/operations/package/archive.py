"""Reproducible zip files: the same files give the same bytes."""

from __future__ import annotations

import hashlib
import stat
import zipfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

_TIMESTAMP: Final = (1980, 1, 1, 0, 0, 0)  # the earliest that the format has
# Lambda unpacks the code as one user and runs it as another, so every user must be able to read it.
_MODE: Final = (stat.S_IFREG | 0o644) << 16
_MADE_BY_UNIX: Final = 3  # other systems' entries have no mode
_LEVEL: Final = 6  # 9 takes three times as long and saves 0.2 %


@dataclass(frozen=True, slots=True, kw_only=True)
class Archive:
    """A zip that was written; sizes are bytes.

    Args:
        path: The file.
        sha256: SHA-256 of the file in hex.
        size: Size of the file.
        unzipped: Size of all files in it, unzipped.
        unzipped_by_name: The same for each top-level name, the largest first.
    """

    path: Path
    sha256: str
    size: int
    unzipped: int
    unzipped_by_name: Mapping[str, int]


def write_archive(files: Mapping[str, Path | bytes], out: Path) -> Archive:
    """Write the files in the order of their names, with fixed timestamps and modes.

    The same files give the same bytes with the same version of zlib; other versions may compress differently.

    Args:
        files: Name in the zip to the file, or to its bytes.
        out: The zip; an existing one is replaced atomically.

    Raises:
        OSError: A file could not be read, or ``out`` could not be written.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    temporary = out.with_name(f".{out.name}.partial")
    sizes: Counter[str] = Counter()
    try:
        with zipfile.ZipFile(temporary, "w") as archive:
            for name in sorted(files):
                content = files[name]
                data = content.read_bytes() if isinstance(content, Path) else content
                archive.writestr(_entry(name), data, zipfile.ZIP_DEFLATED, _LEVEL)
                sizes[name.partition("/")[0]] += len(data)
        temporary.replace(out)
    finally:
        temporary.unlink(missing_ok=True)
    written = out.read_bytes()
    return Archive(
        path=out,
        sha256=hashlib.sha256(written).hexdigest(),
        size=len(written),
        unzipped=sizes.total(),
        unzipped_by_name=dict(sizes.most_common()),
    )


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, _TIMESTAMP)
    entry.external_attr = _MODE
    entry.create_system = _MADE_BY_UNIX
    return entry
