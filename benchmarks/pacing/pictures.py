"""Draws the pictures of the documentation: ``python -m benchmarks.pacing.pictures`` writes them into docs/pictures/."""

from __future__ import annotations

import functools
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import matplotlib as mpl
from benchmarks.pacing.targets import HALVED
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from bedrock_resilience.pacing import AdaptivePacer
from bedrock_resilience.retrying._policy import RetryPolicy
from bedrock_resilience.simulation import Scenario, plot_run, plot_schedule, simulate

if TYPE_CHECKING:
    from bedrock_resilience.simulation import SimulationReport

ROOT: Final = Path(__file__).parents[2]
FOLDER: Final = ROOT / "docs" / "pictures"
INCIDENT = Scenario(instances=3, workers=4, items=50, offset=60.0)
INCIDENT_PICTURE: Final = "incident.svg"
SCHEDULE_PICTURE: Final = "schedule.svg"
RUNS = {
    "twelve-workers-adaptive.svg": (Scenario(workers=12, items=208), AdaptivePacer),
    "quota-halved-adaptive.svg": (HALVED, AdaptivePacer),
}
_ADMITTED: Final = "#2a7f62"
_THROTTLED: Final = "#c8553d"
_QUOTA: Final = "#7f7f7f"
_BAR_SECONDS: Final = 10.0
# A reader whose system is dark gets a dark picture; renderers that know no media queries show the light one.
_DARK: Final = """<style>@media (prefers-color-scheme: dark) {
[style*="fill: #ffffff"] {fill: #1e2129 !important}
[id^="text_"] {fill: #e6e6e6}
[style*="stroke: #000000"] {stroke: #e6e6e6 !important}
[style*="fill: #2a7f62"] {fill: #46a584 !important}
[style*="fill: #c8553d"] {fill: #e5755d !important}
[style*="stroke: #28536b"] {stroke: #7fb3d5 !important}
[style*="stroke: #7f7f7f"] {stroke: #a6a6a6 !important}
}</style>
"""
_BADGE: Final = """<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="20" role="img">
<title>{left}: {right}</title>
<rect width="{width}" height="20" rx="3" fill="#24292f"/>
<path d="M{split} 0h{rest}a3 3 0 0 1 3 3v14a3 3 0 0 1-3 3h-{rest}z" fill="#1f6f54"/>
<g fill="#ffffff" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11" text-anchor="middle">
<text x="{left_middle}" y="14">{left}</text><text x="{right_middle}" y="14">{right}</text>
</g></svg>
"""
_LETTER_WIDTH: Final = 7


def draw(folder: Path = FOLDER) -> list[Path]:
    """Write all pictures into a folder; the same code writes the same pictures."""
    folder.mkdir(parents=True, exist_ok=True)
    _draw_incident(folder / INCIDENT_PICTURE)
    for name, (scenario, pacer) in RUNS.items():
        plot_run(simulate(scenario, pacer=pacer), folder / name)
    plot_schedule(RetryPolicy(), folder / SCHEDULE_PICTURE)
    drawn = [folder / name for name in (INCIDENT_PICTURE, *RUNS, SCHEDULE_PICTURE)]
    for picture in drawn:
        picture.write_text(picture.read_text("utf-8").replace("</metadata>\n", f"</metadata>\n{_DARK}", 1), "utf-8")
    return [*drawn, *_draw_badges(folder)]


@functools.cache
def incident_in_numbers() -> str:
    """What the caption of the incident's picture says on the pages."""
    alone, paced = simulate(INCIDENT), simulate(INCIDENT, pacer=AdaptivePacer)
    longer = paced.makespan / alone.makespan - 1
    return (
        f"With retries alone, {alone.throttle_rate:.0%} of the requests are throttled and {alone.failed} of "
        f"{alone.submitted} items are lost. With `AdaptivePacer`, {paced.throttle_rate:.0%} are throttled and "
        f"{paced.failed or 'none'} of the items are lost; the run takes {longer:.0%} longer."
    )


def _draw_badges(folder: Path) -> list[Path]:
    """Draw what the package's metadata says about Python, the license and its types."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    pythons = [line.rpartition(" ")[2] for line in project["classifiers"] if "Python :: 3." in line]
    badges = {"python": f"{pythons[0]} to {pythons[-1]}", "license": project["license"]}
    if "Typing :: Typed" in project["classifiers"]:
        badges["typing"] = "typed"
    for left, right in badges.items():
        split, rest = _LETTER_WIDTH * len(left) + 14, _LETTER_WIDTH * len(right) + 11
        badge = _BADGE.format(
            left=left,
            right=right,
            split=split,
            rest=rest,
            width=split + rest + 3,
            left_middle=split / 2,
            right_middle=split + rest / 2,
        )
        (folder / f"badge-{left}.svg").write_text(badge, "utf-8")
    return [folder / f"badge-{left}.svg" for left in badges]


def _draw_incident(file: Path) -> None:
    """Draw the incident twice, one above the other: with retries alone, and with a pacer."""
    figure: Any = Figure(figsize=(9, 5.2), layout="constrained")
    FigureCanvasAgg(figure)
    panels: Any = figure.subplots(2, 1, sharex=True, sharey=True)
    _draw_panel(panels[0], "Retries alone", simulate(INCIDENT))
    _draw_panel(panels[1], "Retries and AdaptivePacer", simulate(INCIDENT, pacer=AdaptivePacer))
    panels[0].legend(loc="upper right", frameon=False, ncols=3)
    panels[1].set_xlabel("seconds since the first of three instances started")
    settings: Any = {"svg.hashsalt": "bedrock-resilience"}
    with mpl.rc_context(settings):  # pyright: ignore[reportUnknownMemberType]  # matplotlib types its settings loosely
        figure.savefig(file, metadata={"Date": None})


def _draw_panel(axes: Any, name: str, report: SimulationReport) -> None:
    spans = report.over_time(_BAR_SECONDS)
    starts = [span.start for span in spans]
    admitted = [span.admitted * 60 / _BAR_SECONDS for span in spans]
    throttled = [span.throttled * 60 / _BAR_SECONDS for span in spans]
    axes.bar(starts, admitted, width=_BAR_SECONDS, align="edge", color=_ADMITTED, label="admitted")
    axes.bar(starts, throttled, width=_BAR_SECONDS, align="edge", bottom=admitted, color=_THROTTLED, label="throttled")
    axes.axhline(report.scenario.quota.requests_per_minute, color=_QUOTA, linestyle="--", label="quota")
    lost = f"{report.failed} of {report.submitted} items lost"
    axes.set_title(f"{name}: {report.throttle_rate:.0%} of the requests throttled, {lost}", loc="left")
    axes.set_ylabel("requests a minute")
    axes.spines[["top", "right"]].set_visible(False)


if __name__ == "__main__":
    for picture in draw():
        print(picture)
