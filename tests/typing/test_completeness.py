"""Every public type of the package is known to type checkers without guessing."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_every_public_type_is_known(tmp_path: Path) -> None:
    # pyright looks for an installed package; an editable install is none to it.
    shutil.copytree(ROOT / "src" / "bedrock_resilience", tmp_path / "site" / "bedrock_resilience")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    done = subprocess.run(
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
        cwd=elsewhere,
        env={**os.environ, "PYTHONPATH": str(tmp_path / "site")},
        capture_output=True,
        text=True,
        check=False,
    )
    told = json.loads(done.stdout)["typeCompleteness"]
    guessed = [symbol["name"] for symbol in told["symbols"] if symbol["isExported"] and not symbol["isTypeKnown"]]
    assert guessed == []
    assert told["completenessScore"] == 1.0
