"""Draws the pictures of the documentation: ``python -m benchmarks.pacing.pictures`` writes them into docs/pictures/."""

from __future__ import annotations

from pathlib import Path

from benchmarks.pacing.targets import HALVED

from bedrock_resilience.pacing import AdaptivePacer
from bedrock_resilience.retrying._policy import RetryPolicy
from bedrock_resilience.simulation import Scenario, plot_run, plot_schedule, simulate

FOLDER = Path(__file__).parents[2] / "docs" / "pictures"
INCIDENT = Scenario(instances=3, workers=4, items=50, offset=60.0)
RUNS = {
    "incident-retries-alone.svg": (INCIDENT, None),
    "incident-adaptive.svg": (INCIDENT, AdaptivePacer),
    "twelve-workers-adaptive.svg": (Scenario(workers=12, items=208), AdaptivePacer),
    "quota-halved-adaptive.svg": (HALVED, AdaptivePacer),
}


def draw(folder: Path = FOLDER) -> list[Path]:
    """Write all pictures into a folder; the same code writes the same pictures."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, (scenario, pacer) in RUNS.items():
        plot_run(simulate(scenario, pacer=pacer), folder / name)
    plot_schedule(RetryPolicy(), folder / "schedule.svg")
    return [folder / name for name in (*RUNS, "schedule.svg")]


if __name__ == "__main__":
    for picture in draw():
        print(picture)
