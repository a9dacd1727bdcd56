"""The examples: each has what a reader needs to copy it. Their own tests are beside them, in ``examples/``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import pytest

from support.pages import ROOT

if TYPE_CHECKING:
    from pathlib import Path

FOLDERS: Final = sorted(path.parent for path in (ROOT / "examples").glob("*/requirements.txt"))
PAGE: Final = (ROOT / "docs" / "how-to" / "examples.md").read_text("utf-8")
MATRIX: Final = (ROOT / "scripts" / "client_matrix.sh").read_text("utf-8")


def test_all_examples_are_found() -> None:
    assert [folder.name for folder in FOLDERS] == [
        "async_service",
        "lambda_converse",
        "langchain_app",
        "settings_study",
        "sqs_worker",
        "strands_app",
    ]


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_an_example_is_complete(folder: Path) -> None:
    names = {path.name for path in folder.iterdir() if path.is_file()}
    readme = (folder / "README.md").read_text("utf-8")
    assert set(re.findall(r"^\| `([\w.]+)` \|", readme, re.MULTILINE)) == names - {"README.md"}
    assert (folder / "requirements.txt").read_text("utf-8").startswith("bedrock-resilience")
    (program,) = [name for name in names if name.endswith(".py") and not name.startswith("test_")]
    assert f"test_{program}" in names
    assert f'--8<-- "examples/{folder.name}/{program}"' in PAGE
    assert f"`examples/{folder.name}`" in PAGE


def test_the_examples_with_other_packages_run_in_environments_of_their_own() -> None:
    conftest = (ROOT / "examples" / "conftest.py").read_text("utf-8")
    required = re.findall(r'"(\w+)": "\w+"', conftest)
    assert required
    assert set(re.findall(r"\|(\w*)\"$", MATRIX, re.MULTILINE)) - {""} == set(required)
