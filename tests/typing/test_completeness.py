"""Every public type of the package is declared, so that type checkers infer nothing."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.nightly  # pyright reads the whole package once more
def test_every_public_type_is_known(tmp_path: Path) -> None:
    # pyright looks for an installed package and does not follow an editable install.
    shutil.copytree(ROOT / "src" / "bedrock_resilience", tmp_path / "site" / "bedrock_resilience")
    working_directory = tmp_path / "working_directory"
    working_directory.mkdir()
    finished = subprocess.run(
        [
            str(Path(sys.executable).with_name("pyright")),
            *(
                "--pythonpath",
                sys.executable,
                "--verifytypes",
                "bedrock_resilience",
                "--ignoreexternal",
                "--outputjson",
            ),
        ],
        cwd=working_directory,
        env={**os.environ, "PYTHONPATH": str(tmp_path / "site")},
        capture_output=True,
        text=True,
        check=False,
    )
    completeness = json.loads(finished.stdout)["typeCompleteness"]
    unknown = [
        symbol["name"] for symbol in completeness["symbols"] if symbol["isExported"] and not symbol["isTypeKnown"]
    ]
    assert unknown == []
    assert completeness["completenessScore"] == 1.0
