"""Plots of simulations and schedules. Needs the extra ``[plot]``; the suffix of the file selects SVG, PNG or PDF."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from pathlib import Path

    from bedrock_resilience.retrying._policy import RetryPolicy
    from bedrock_resilience.simulation._report import SimulationReport

_ADMITTED: Final = "#2a7f62"
_THROTTLED: Final = "#c8553d"
_LEARNED: Final = "#28536b"
_QUOTA: Final = "#7f7f7f"
_BAR_SECONDS: Final = 10.0


def plot_run(report: SimulationReport, file: Path) -> None:
    """Plot the requests admitted and throttled over time, the quota, and the rate of the pacers if they have one."""
    figure, axes = _figure("requests per minute")
    spans = report.over_time(_BAR_SECONDS)
    starts = [span.start for span in spans]
    scale = 60 / _BAR_SECONDS
    admitted = [span.admitted * scale for span in spans]
    axes.bar(starts, admitted, width=_BAR_SECONDS, align="edge", color=_ADMITTED, label="admitted")
    throttled = [span.throttled * scale for span in spans]
    axes.bar(starts, throttled, width=_BAR_SECONDS, align="edge", bottom=admitted, color=_THROTTLED, label="throttled")
    learned = [(span.start, span.pace) for span in spans if span.pace is not None]
    if learned:
        axes.plot(*zip(*learned, strict=True), color=_LEARNED, label="rate of the pacers", linewidth=2)
    _draw_quota(axes, report)
    axes.set_xlabel("seconds since the start")
    axes.set_title(
        f"{report.scenario.instances} x {report.scenario.workers} workers, pacer {report.pacer}: "
        f"{report.throttle_rate:.1%} throttled, {report.failure_rate:.1%} failed, {report.makespan:.0f} s"
    )
    _save(figure, axes, file)


def plot_schedule(policy: RetryPolicy, file: Path, *, draws: int = 200, seed: int = 0) -> None:
    """Plot the delays of a policy: the bounds of each retry as a band, and many random schedules as dots."""
    figure, axes = _figure("seconds")
    retries = list(range(policy.max_retries))
    bounds = [policy.bounds(retry) for retry in retries]
    numbers = [retry + 1 for retry in retries]
    for number, (least, greatest) in zip(numbers, bounds, strict=True):
        axes.plot([number, number], [least, greatest], color=_QUOTA, linewidth=8, alpha=0.5, solid_capstyle="butt")
    rng = random.Random(seed)  # noqa: S311 - a picture
    for _ in range(draws):
        offsets = [number + rng.uniform(-0.12, 0.12) for number in numbers]
        axes.plot(offsets, list(policy.delays(rng)), ".", color=_LEARNED, markersize=2)
    axes.set_xticks(numbers)
    axes.set_xlabel("retry")
    axes.set_title(f"Delays of {policy.max_retries} retries, their bounds and {draws} draws")
    axes.set_ylim(bottom=0)
    _save(figure, axes, file, legend=False)


def _draw_quota(axes: Any, report: SimulationReport) -> None:  # noqa: ANN401 - matplotlib's
    quota = report.scenario.quota.requests_per_minute
    if quota is None:
        return
    times, rates = [0.0], [quota]
    for change in report.scenario.changes:
        if change.quota.requests_per_minute is not None:
            times += [change.at, change.at]
            rates += [rates[-1], change.quota.requests_per_minute]
    times.append(max(report.makespan, times[-1]))
    rates.append(rates[-1])
    axes.plot(times, rates, color=_QUOTA, linestyle="--", label="quota")


def _figure(ylabel: str) -> tuple[Any, Any]:
    # Without pyplot, which needs a display and keeps global state.
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415 - the extra [plot]
    from matplotlib.figure import Figure  # noqa: PLC0415

    figure = Figure(figsize=(9, 4), layout="constrained")
    FigureCanvasAgg(figure)
    axes: Any = figure.add_subplot()
    axes.set_ylabel(ylabel)
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _save(figure: Any, axes: Any, file: Path, *, legend: bool = True) -> None:  # noqa: ANN401 - matplotlib's
    import matplotlib as mpl  # noqa: PLC0415 - the extra [plot]

    if legend:
        axes.legend(loc="upper right", frameon=False)
    # With a fixed salt and without a date, the same data gives the same file.
    settings: Any = {"svg.hashsalt": "bedrock-resilience"}
    with mpl.rc_context(settings):  # pyright: ignore[reportUnknownMemberType]  # matplotlib types its settings loosely
        figure.savefig(file, metadata={"Date": None} if file.suffix == ".svg" else None)
