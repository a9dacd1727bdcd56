"""The study as a script: it prints its table and writes its plots."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest


def test_the_study_writes_its_plots(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["study.py", str(tmp_path)])
    study = runpy.run_path(str(Path(__file__).with_name("study.py")))
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "adaptive.png",
        "pacers.png",
        "without-pacer.png",
        "workers.png",
    ]
    assert "throttled" in capsys.readouterr().out
    assert study["reports"]["none"].throttle_rate > 0.3
    assert study["reports"]["adaptive"].throttle_rate < 0.1
    assert study["reports"]["shared"].throttles == 0
