"""A zip of files that has the same bytes whenever the files have."""

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

_TIMESTAMP: Final = (1980, 1, 1, 0, 0, 0)  # the earliest that a zip can hold
# Lambda runs the code as another user than the one who unpacks it: everyone must be able to read it.
_MODE: Final = (stat.S_IFREG | 0o644) << 16
_MADE_BY_UNIX: Final = 3  # else the mode would be ignored
_LEVEL: Final = 9


@dataclass(frozen=True, slots=True, kw_only=True)
class Archive:
    """A zip that was written.

    Args:
        path: Where it is.
        sha256: Of its bytes, in hexadecimal.
        size: Its bytes.
        unzipped: Bytes of its files.
        parts: Unzipped bytes by what stands at its top, the largest first.
    """

    path: Path
    sha256: str
    size: int
    unzipped: int
    parts: Mapping[str, int]


def write_archive(files: Mapping[str, Path | bytes], out: Path) -> Archive:
    """Write the files, in the order of their names and without anything of this machine or moment.

    The same files give the same bytes with the same zlib; another version of zlib may compress otherwise.

    Args:
        files: Name in the zip to the file, or to its bytes.
        out: Where to; replaced whole or not at all.

    Raises:
        OSError: A file could not be read, or `out` not be written.
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
        parts=dict(sizes.most_common()),
    )


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, _TIMESTAMP)
    entry.external_attr = _MODE
    entry.create_system = _MADE_BY_UNIX
    return entry
