"""The pictures of the documentation can be drawn again, and their captions are true."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from benchmarks.pacing.pictures import FOLDER, draw, incident_in_numbers

from support.pages import ROOT

if TYPE_CHECKING:
    from pathlib import Path


def texts(picture: Path) -> list[str]:
    """The titles and labels of a picture; Matplotlib writes each as a comment beside its outlines."""
    return re.findall(r"<!-- (.+) -->", picture.read_text("utf-8"))


@pytest.mark.nightly  # ten simulations
def test_the_pictures_of_the_documentation_can_be_drawn_again(tmp_path: Path) -> None:
    drawn = draw(tmp_path)  # that the same run gives the same bytes is tested with the plots themselves
    assert {picture.name for picture in drawn} == {picture.name for picture in FOLDER.glob("*.svg")}
    for picture in drawn:
        assert texts(picture) == texts(FOLDER / picture.name), "draw them again"
        if picture.name.startswith("badge-"):
            assert picture.read_text("utf-8") == (FOLDER / picture.name).read_text("utf-8")
        else:
            assert picture.read_text("utf-8").lstrip().startswith("<?xml")
            assert "prefers-color-scheme: dark" in picture.read_text("utf-8")


@pytest.mark.parametrize("page", ["README.md", "docs/index.md", "docs/explanation/pacing.md"])
def test_the_caption_of_the_incident_says_what_was_simulated(page: str) -> None:
    assert incident_in_numbers() in " ".join((ROOT / page).read_text("utf-8").split())
