"""The pictures of the documentation can be drawn again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.pacing.pictures import FOLDER, draw

if TYPE_CHECKING:
    from pathlib import Path


def test_the_pictures_in_the_documentation_are_those_that_the_script_draws(tmp_path: Path) -> None:
    drawn = draw(tmp_path)
    assert {picture.name for picture in drawn} == {picture.name for picture in FOLDER.glob("*.svg")}
    assert all(picture.read_text("utf-8").lstrip().startswith("<?xml") for picture in drawn)


def test_the_same_code_draws_the_same_pictures(tmp_path: Path) -> None:
    once, again = draw(tmp_path / "once"), draw(tmp_path / "again")
    assert [picture.read_bytes() for picture in once] == [picture.read_bytes() for picture in again]
