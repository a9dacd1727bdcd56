"""A zip does not depend on the machine or the time at which it was written."""

from __future__ import annotations

import hashlib
import os
import stat
import zipfile
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vectora_normalize.operations.package.archive import write_archive

if TYPE_CHECKING:
    from pathlib import Path

FILES: dict[str, Path | bytes] = {"pkg/b.py": b"b", "a.py": b"aa", "pkg/sub/c.py": b"c" * 1000}


def test_the_same_files_are_the_same_bytes_whatever_their_order_dates_and_modes(tmp_path: Path) -> None:
    on_disk = tmp_path / "b.py"
    on_disk.write_bytes(b"b")
    on_disk.chmod(0o600)
    os.utime(on_disk, (1, 1))
    first = write_archive(FILES, tmp_path / "one.zip")
    again = write_archive(dict(reversed({**FILES, "pkg/b.py": on_disk}.items())), tmp_path / "two.zip")
    assert first.path.read_bytes() == again.path.read_bytes()
    assert first.sha256 == again.sha256 == hashlib.sha256(first.path.read_bytes()).hexdigest()


def test_every_user_may_read_the_unpacked_files(tmp_path: Path) -> None:
    with zipfile.ZipFile(write_archive(FILES, tmp_path / "x.zip").path) as archive:
        for entry in archive.infolist():
            assert stat.S_IMODE(entry.external_attr >> 16) == 0o644
            assert entry.date_time == (1980, 1, 1, 0, 0, 0)
            assert entry.create_system == 3


def test_sizes_are_given_for_each_top_level_name(tmp_path: Path) -> None:
    archive = write_archive(FILES, tmp_path / "x.zip")
    assert dict(archive.unzipped_by_name) == {"pkg": 1001, "a.py": 2}
    assert list(archive.unzipped_by_name) == ["pkg", "a.py"]
    assert archive.unzipped == 1003
    assert archive.size == archive.path.stat().st_size < 1003


def test_a_failure_leaves_the_existing_zip_and_no_partial_file(tmp_path: Path) -> None:
    out = tmp_path / "new" / "x.zip"
    before = write_archive(FILES, out).path.read_bytes()
    with pytest.raises(FileNotFoundError):
        write_archive({**FILES, "z.py": tmp_path / "missing"}, out)
    assert out.read_bytes() == before
    assert list(out.parent.iterdir()) == [out]


NAMES = st.text("abc/", min_size=1).filter(lambda name: "//" not in name and name[0] != "/" and name[-1] != "/")


@given(files=st.dictionaries(NAMES, st.binary(), max_size=5))
def test_the_zip_has_exactly_the_given_files(files: dict[str, bytes], tmp_path_factory: pytest.TempPathFactory) -> None:
    archive = write_archive(files, tmp_path_factory.getbasetemp() / "any.zip")
    with zipfile.ZipFile(archive.path) as read:
        assert {name: read.read(name) for name in read.namelist()} == files
        assert read.namelist() == sorted(files)
    assert archive.unzipped == sum(map(len, files.values())) == sum(archive.unzipped_by_name.values())
