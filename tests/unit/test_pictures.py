"""The pictures of the documentation can be drawn again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.pacing.pictures import FOLDER, draw

if TYPE_CHECKING:
    from pathlib import Path


def test_the_pictures_of_the_documentation_can_be_drawn_again(tmp_path: Path) -> None:
    drawn = draw(tmp_path)  # that the same run gives the same bytes is tested with the plots themselves
    assert {picture.name for picture in drawn} == {picture.name for picture in FOLDER.glob("*.svg")}
    assert all(picture.read_text("utf-8").lstrip().startswith("<?xml") for picture in drawn)
