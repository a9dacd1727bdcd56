"""``bedrock-resilience conformance``: causes every failure on the emulator, and checks the results."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.measure import Measurement
from rich.table import Table

from bedrock_resilience.cli._output import console, print_json, refuse

if TYPE_CHECKING:
    from bedrock_resilience.emulator.conformance import Client, ClientResult, ScenarioResult

_PROPERTIES = ("retryable", "backpressure", "fatal")
_COLUMNS = ("failure", "call", "boto3 raises", "fault", *_PROPERTIES, "attempts", "requests", "of a batch")
_NUMBERS = frozenset({"attempts", "requests", "of a batch"})
_MAX_WIDTH_COLUMNS = 1_000


RUNTIME: Final = "BedrockRuntime"
"""The name of the table of ``BedrockRuntime`` over boto3 for ``--client``."""


def conformance(
    client: Annotated[
        list[str] | None,
        typer.Option(
            help="Only this client, by its name or its package; BedrockRuntime for the table over boto3. Repeatable."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,  # noqa: FBT002 - a flag
) -> None:
    """Cause every failure of Bedrock on this machine with the installed clients, and check how each is handled.

    The first table is of BedrockRuntime over boto3, with three retries and retry_on=transient. It has the attempts of
    one call, and the requests that the emulator counts, also for a batch of 8 items on 4 workers. One table for each
    installed client follows: what classify returns for its exceptions. The exit code is 1 if a row is wrong.
    """
    from bedrock_resilience.emulator.conformance import installed_version  # noqa: PLC0415 - not for other commands

    clients, runtime = _selected(client)
    results, version = _run() if runtime else ([], None)
    if not as_json and runtime:
        _print(results, str(version))
    client_results = _run_clients(clients, show=not as_json)
    skipped = [one.name for one in clients if installed_version(one) is None]
    rows: list[ScenarioResult | ClientResult] = [*results, *client_results]
    wrong = sum(not row.passed for row in rows)
    if as_json:
        print_json(
            {
                "boto3": version,
                "results": [result.to_dict() for result in results],
                "client_results": [result.to_dict() for result in client_results],
                "skipped": skipped,
            }
        )
    else:
        typer.echo(f"{len(rows)} rows, {wrong} wrong")
    if wrong:
        raise typer.Exit(1)


def _selected(names: list[str] | None) -> tuple[list[Client], bool]:
    """Return the clients with these names or packages, and whether BedrockRuntime is among them; None selects all."""
    from bedrock_resilience.emulator.conformance import CLIENTS  # noqa: PLC0415 - as above

    clients = [one for one in CLIENTS if names is None or one.name in names or one.package in names]
    runtime = names is None or RUNTIME in names
    if not clients and not runtime:
        accepted = ", ".join([RUNTIME, *(one.name for one in CLIENTS)])
        refuse(f"--client: got {', '.join(names or ())}; accepted: {accepted}, or the name of a package")
    return clients, runtime


def _run_clients(clients: list[Client], *, show: bool) -> list[ClientResult]:
    from bedrock_resilience.emulator.conformance import iter_client_conformance  # noqa: PLC0415 - as above

    results: list[ClientResult] = []
    for one in clients:
        of_client = list(iter_client_conformance([one]))
        if show:
            _print_client(one.name, of_client)
        results += of_client
    return results


def _run() -> tuple[list[ScenarioResult], str]:
    try:
        import boto3  # noqa: PLC0415 - the extra [aws], which the other commands do not need
    except ModuleNotFoundError:
        refuse("the command needs boto3: pip install 'bedrock-resilience[aws,cli]'")
    from bedrock_resilience.emulator.conformance import run_conformance  # noqa: PLC0415 - as above

    return run_conformance(), boto3.__version__


def _print_client(name: str, results: list[ClientResult]) -> None:
    if not results:
        typer.echo(f"{name}: not installed, skipped")
        return
    title = (
        f"{name} {results[0].version}: {sum(result.passed for result in results)} of {len(results)} rows as expected"
    )
    table = Table(title=title, title_justify="left")
    for column in ("failure", "raises", "fault", "retry after"):
        table.add_column(column)
    for result in results:
        fault = "none" if result.fault is None else result.fault.value
        wait = "" if result.retry_after is None else f"{result.retry_after:g} s"
        table.add_row(result.scenario.name, result.raised, fault, wait, style=None if result.passed else "bold red")
    out = console()
    if not out.is_terminal:  # a file or another program needs one line for each row
        out.width = Measurement.get(out, out.options.update(max_width=_MAX_WIDTH_COLUMNS), table).maximum
    out.print(table)
    for result in results:
        if not result.passed:
            typer.echo(f"FAILED  {name}: {result.scenario.name}: {'; '.join(result.mismatches)}")


def _print(results: list[ScenarioResult], version: str) -> None:
    title = f"boto3 {version}: {sum(result.passed for result in results)} of {len(results)} rows as expected"
    table = Table(title=title, title_justify="left")
    for column in _COLUMNS:
        table.add_column(column, justify="right" if column in _NUMBERS else "left")
    for result in results:
        table.add_row(*_cells(result), style=None if result.passed else "bold red")
    out = console()
    width = Measurement.get(out, out.options.update(max_width=_MAX_WIDTH_COLUMNS), table).maximum
    if not out.is_terminal:  # a file or another program needs one line for each row
        out.width = width
    if out.width >= width:
        out.print(table)
    else:
        typer.echo("\n".join([title, *map(_lines, results)]))
    for result in results:
        if not result.passed:
            typer.echo(f"FAILED  {result.scenario.name} ({result.scenario.call}): {'; '.join(result.mismatches)}")


def _lines(result: ScenarioResult) -> str:
    """A row for a terminal that is too narrow for the table."""
    _, _, boto3, fault, *flags, attempts, requests, batch_requests = _cells(result)
    properties = [name for name, flag in zip(_PROPERTIES, flags, strict=True) if flag]
    return (
        f"{result.scenario.name} ({result.scenario.call})\n"
        f"    {boto3} -> {', '.join([fault, *properties])}\n"
        f"    attempts {attempts}, requests {requests}, of a batch {batch_requests}"
    )


def _cells(result: ScenarioResult) -> list[str]:
    fault = result.fault
    flags = (False, False, False) if fault is None else (fault.retryable, fault.backpressure, fault.fatal)
    return [
        result.scenario.name,
        result.scenario.call,
        result.boto3,
        "none" if fault is None else fault.value,
        *("yes" if flag else "" for flag in flags),
        str(result.attempts),
        str(result.requests),
        str(result.batch_requests),
    ]
