"""``bedrock-resilience simulate``: compare settings on a virtual clock before they are deployed."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - Typer reads the annotations
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.measure import Measurement
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from bedrock_resilience.cli._latency_option import LatencyText, latency_from
from bedrock_resilience.cli._output import console, print_json, refuse
from bedrock_resilience.cli._plots import check_drawable, draw
from bedrock_resilience.cli._policy_options import BaseDelay, JitterText, MaxDelay, MaxRetries, Multiplier, policy_from
from bedrock_resilience.cli._quota_options import Burst, Reading, TokensPerMinute, quota_from
from bedrock_resilience.simulation import (
    PACERS,
    Measure,
    Scenario,
    StoreConditions,
    Tokens,
    Trial,
    TrialResult,
    make_pacer,
    parse_sweeps,
    plot_run,
    run_trial,
    sweep,
)
from bedrock_resilience.simulation import simulate as run_scenario

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bedrock_resilience.quotas import Quota
    from bedrock_resilience.retrying._policy import RetryPolicy

_DEFAULT_RPM: Final = 50.0
_ANY_WIDTH: Final = 10_000  # characters of a terminal that folds no name
_TRIAL_NAMES: Final = {
    "none": "before: retries alone",
    "adaptive": "after: AdaptivePacer",
    "quota": "after: QuotaPacer",
    "shared": "after: SharedPacer",
    "auto": "after: auto, no quota",
}


def simulate(  # noqa: PLR0913, PLR0917 - one argument an option
    instances: Annotated[
        int, typer.Option(min=1, help="Processes that share the quota, such as Lambda invocations.")
    ] = 3,
    workers: Annotated[int, typer.Option(min=1, help="Workers of each.")] = 4,
    items: Annotated[int, typer.Option(min=0, help="Items of each.")] = 50,
    offset: Annotated[float, typer.Option(min=0, help="Seconds between the starts of two processes.")] = 60.0,
    rpm: Annotated[
        float | None,
        typer.Option("--rpm", help="Quota in requests per minute; 50 by default, no limit if --tpm is given."),
    ] = None,
    tpm: TokensPerMinute = None,
    input_tokens: Annotated[
        str, typer.Option(help="With --tpm: input tokens of the shortest and of the longest item.")
    ] = "500,3000",
    max_tokens: Annotated[int, typer.Option(help="With --tpm: max_tokens of each request.")] = 1_000,
    output_tokens: Annotated[int, typer.Option(help="With --tpm: output tokens of each answer.")] = 300,
    burst: Burst = 5.0,
    reading: Reading = "bucket",
    store_latency: Annotated[
        float, typer.Option(min=0, help="With a shared pace: seconds of a request to its store.")
    ] = 0.0,
    store_outage: Annotated[
        list[str] | None,
        typer.Option(help="With a shared pace: seconds (from,to) during which its store is unavailable. Repeatable."),
    ] = None,
    clock_skew: Annotated[
        float, typer.Option(min=0, help="With a shared pace: seconds by which each instance's clock is ahead.")
    ] = 0.0,
    latency: LatencyText = "6.5",
    max_retries: MaxRetries = None,
    base_delay: BaseDelay = None,
    multiplier: Multiplier = None,
    max_delay: MaxDelay = None,
    jitter: JitterText = None,
    pacer: Annotated[str | None, typer.Option(help=f"{', '.join(PACERS)}; all of them by default.")] = None,
    vary: Annotated[
        list[str] | None,
        typer.Option(
            "--sweep", help="Vary a field, such as workers=2,4,6,8. Repeatable: all combinations are simulated."
        ),
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Simulations of each setting.")] = 20,
    plot: Annotated[
        Path | None, typer.Option(help="Draw the first simulation of the last setting (SVG, PNG or PDF).")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,  # noqa: FBT002 - a flag
) -> None:
    """Simulate a scenario under several settings and compare them.

    Without options: three overlapping instances with 4 workers and 50 items each, a minute apart, under a quota of 50
    requests per minute; with the retry policy alone (before), and with each pacer (after). The production executor,
    policy and pacers run, on a virtual clock.
    """
    policy = policy_from(max_retries, base_delay, multiplier, max_delay, jitter)
    if plot is not None:
        check_drawable("--plot", plot)
    rpm = _DEFAULT_RPM if rpm is None and tpm is None else rpm
    try:
        scenario = Scenario(
            instances=instances,
            workers=workers,
            items=items,
            offset=offset,
            quota=quota_from(rpm=rpm, tpm=tpm, burst=burst if rpm is not None else None),
            latency=latency_from(latency),
            reading=reading,
            store=StoreConditions(
                latency=store_latency, outages=tuple(map(_span, store_outage or ())), skew=clock_skew
            ),
            tokens=None if tpm is None else _tokens(input_tokens, max_tokens, output_tokens),
        )
        trials = _trials(scenario, policy, pacer, vary or [])
    except (TypeError, ValueError) as problem:
        refuse(str(problem))
    results = _run(trials, seeds)
    if plot is not None:
        _plot(trials[-1], plot)
    if as_json:
        print_json([result.to_dict() for result in results])
    else:
        out = console()
        table = _table(scenario, results, seeds)
        if Measurement.get(out, out.options.update(width=_ANY_WIDTH), table).maximum > out.width:
            # Lines between the columns would leave the names too few characters.
            table.box, table.show_edge, table.pad_edge, table.collapse_padding = SIMPLE_HEAD, False, False, True
        out.print(table)


def _tokens(given: str, max_tokens: int, output: int) -> Tokens:
    try:
        least, most = (int(part) for part in given.split(","))
    except ValueError:
        raise ValueError(f"--input-tokens: got {given!r}; accepted: two whole numbers, such as 500,3000") from None
    return Tokens(least, most, max_tokens, output)


def _span(given: str) -> tuple[float, float]:
    try:
        start, end = (float(part) for part in given.split(","))
    except ValueError:
        raise ValueError(f"--store-outage: got {given!r}; accepted: two numbers, such as 60,120") from None
    return start, end


def _trials(scenario: Scenario, policy: RetryPolicy, pacer: str | None, vary: Sequence[str]) -> list[Trial]:
    base = Trial(name="", scenario=scenario, policy=policy)
    if vary:
        return sweep(base, parse_sweeps(vary), pacer=pacer or "none")
    names = PACERS if pacer is None else [pacer]
    return [
        Trial(name=_TRIAL_NAMES.get(name, name), scenario=scenario, policy=policy, pacer=make_pacer(name, scenario))
        for name in names
    ]


def _run(trials: Sequence[Trial], seeds: int) -> list[TrialResult]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    stderr = Console(stderr=True)
    with Progress(*columns, console=stderr, transient=True, disable=not stderr.is_terminal) as progress:
        task = progress.add_task("simulating", total=len(trials) * seeds)
        return [run_trial(trial, range(seeds), lambda: progress.advance(task)) for trial in trials]


def _plot(trial: Trial, file: Path) -> None:
    report = run_scenario(trial.scenario, policy=trial.policy, pacer=trial.pacer)
    draw("--plot", file, lambda target: plot_run(report, target))


def _table(scenario: Scenario, results: Sequence[TrialResult], seeds: int) -> Table:
    table = Table(
        title=f"{scenario.instances} x {scenario.workers} workers x {scenario.items} items, "
        f"{scenario.offset:g} s apart, quota {_quota(scenario.quota)} ({scenario.reading})",
        caption=f"means and standard deviations of {seeds} seeds; ratio: seconds over their lower bound; "
        "shares: the largest over the smallest",
    )
    # On a narrow terminal the names are folded, and no number is cut.
    table.add_column("setting", overflow="fold")
    for heading in ("attempts", "throttled", "failed", "seconds", "ratio", "shares"):
        table.add_column(heading, justify="right", no_wrap=True)
    for result in results:
        table.add_row(
            result.trial.name,
            f"{result.attempts.mean:.0f}",
            _percent(result.throttle_rate),
            _percent(result.failure_rate),
            f"{result.makespan.mean:.0f} ± {result.makespan.spread:.0f}",
            f"{result.ratio.mean:.2f}",
            "-" if result.share_ratio is None else f"{result.share_ratio.mean:.2f}",
        )
    return table


def _percent(measure: Measure) -> str:
    return f"{measure.mean:.1%} ± {measure.spread:.1%}"


def _quota(quota: Quota) -> str:
    limits = (("requests", quota.requests_per_minute), ("tokens", quota.tokens_per_minute))
    return " and ".join(f"{limit:.10g} {unit}" for unit, limit in limits if limit is not None) + " per minute"
