"""Pictures show what was simulated, and are the same for the same data."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bedrock_resilience import AdaptivePacer, Quota, RetryPolicy
from bedrock_resilience.simulation import QuotaChange, Scenario, plot_run, plot_schedule, simulate

if TYPE_CHECKING:
    from pathlib import Path

CHANGING = Scenario(
    items=30,
    workers=6,
    latency=2.0,
    quota=Quota(requests_per_minute=60, burst=3),
    changes=(QuotaChange(10.0, Quota(requests_per_minute=30, burst=3)), QuotaChange(20.0, Quota())),
)


def test_a_run_is_drawn_with_its_quota_and_its_pace(tmp_path: Path) -> None:
    first, second = tmp_path / "first.svg", tmp_path / "second.svg"
    report = simulate(CHANGING, pacer=AdaptivePacer)
    plot_run(report, first)
    plot_run(report, second)
    assert first.read_bytes() == second.read_bytes()
    drawn = first.read_text()
    assert drawn.startswith("<?xml")
    for text in ("rate of the pacers", "quota", "throttled", "admitted", "pacer AdaptivePacer"):
        assert f"<!-- {text}" in drawn or text in drawn


def test_a_run_without_quota_or_pacer_has_neither_line(tmp_path: Path) -> None:
    file = tmp_path / "run.svg"
    plot_run(simulate(Scenario(items=4, quota=Quota())), file)
    assert "rate of the pacers" not in file.read_text()
    assert "<!-- quota -->" not in file.read_text()


@pytest.mark.parametrize("ending", [".svg", ".png", ".pdf"])
def test_a_schedule_is_drawn_with_any_jitter(tmp_path: Path, ending: str) -> None:
    file = tmp_path / f"schedule{ending}"
    plot_schedule(RetryPolicy(max_retries=5), file, draws=3)
    assert file.stat().st_size > 1_000


def test_a_policy_without_retries_can_be_drawn(tmp_path: Path) -> None:
    file = tmp_path / "schedule.svg"
    plot_schedule(RetryPolicy(max_retries=0), file)
    assert "Delays of 0 retries" in file.read_text()
