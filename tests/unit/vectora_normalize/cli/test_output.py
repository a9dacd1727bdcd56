"""Output for people: one line per log record, a bar on terminals only, tables with the numbers of a run."""

from __future__ import annotations

import contextlib
import io
import logging
from typing import Any

import pytest
from rich.console import Console

from bedrock_resilience.batch._progress import Progress
from vectora_normalize.cli import output
from vectora_normalize.pipeline import RunSummary


def terminal(*, width: int = 100) -> Console:
    return Console(file=io.StringIO(), force_terminal=True, width=width, color_system=None, highlight=False)


def file_console(*, width: int = 100) -> Console:
    return Console(file=io.StringIO(), width=width, highlight=False)


def written(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def batch(**numbers: int) -> Progress:
    nothing = dict.fromkeys(("submitted", "succeeded", "failed", "unstarted", "in_flight", "attempts", "retries"), 0)
    return Progress(**{**nothing, "throttles": 0, "total": 10, **numbers})


def report(**changes: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    source: dict[str, Any] = {
        "source_key": "press__one",
        "failure": None,
        "message": "",
        "problems": [],
        "counts": {"entries": 12, "kept": 9, "outside_window": 2, "undated": 1, "duplicate": 0},
    }
    numbers: dict[str, Any] = {
        "failed": 0,
        "unstarted": 0,
        "attempts": 11,
        "throttles": 2,
        "retry_rate": 0.1818,
        "faults": {},
        "stopped": None,
    }
    work = {"invoked": 8, "reused": 0, "joined": 0, "queued": 0, "resumed": 0, "given_up": 0}
    return {
        "sources": [source],
        "bedrock": {**numbers, **changes},
        "work": work,
        "items": [],
        "warnings": [],
        "unsupported": [],
    }


def summary_of(run_report: dict[str, Any]) -> RunSummary:
    return RunSummary(
        client_id="c",
        items_ingested=9,
        items_normalized=8,
        seconds=1.25,
        refusal=None,
        counts={"RetryRate": 18.18},
        by_source={},
        report=run_report,
        report_key="report.json",
        items_key="items.json",
    )


@pytest.mark.parametrize("console", [terminal(width=30), file_console(width=30)], ids=["terminal", "file"])
def test_a_log_record_is_one_line_however_long_and_whatever_is_in_it(console: Console) -> None:
    line = "ThrottlingException détectée (tentative 1/4). Retry dans 0.52s... [red]no markup[/red] " + "long " * 20
    with output.logging_to(console, logging.WARNING):
        logging.getLogger("vectora_normalize.somewhere").warning(line)
        logging.getLogger("bedrock_resilience.somewhere").info("not asked for")
    assert written(console).splitlines() == [f"WARNING {line}"]


def test_the_loggers_are_as_before_afterwards() -> None:
    logger = logging.getLogger("vectora_normalize")
    before = (list(logger.handlers), logger.level, logger.propagate)
    with contextlib.suppress(ZeroDivisionError), output.logging_to(file_console(), logging.INFO):
        assert logger.level == logging.INFO
        raise ZeroDivisionError
    assert (list(logger.handlers), logger.level, logger.propagate) == before


def test_a_terminal_has_a_bar_with_the_progress() -> None:
    console = terminal()
    with output.progress_on(console) as show:
        show(batch(submitted=7, succeeded=4, failed=1, unstarted=1, throttles=3))
    assert "normalising" in written(console)
    assert "6/10" in written(console)
    assert "3 throttled, 1 failed, 1 not started" in written(console)


def test_a_bar_without_items_shows_the_current_step() -> None:
    console = terminal()
    with output.progress_on(console):
        pass
    assert "reading sources" in written(console)


def test_log_lines_are_written_above_the_bar() -> None:
    console = terminal()
    with output.logging_to(console, logging.WARNING), output.progress_on(console) as show:
        show(batch(succeeded=1))
        logging.getLogger("vectora_normalize").warning("a line")
        show(batch(succeeded=2))
    assert "WARNING a line\n" in written(console).replace("\r", "\n").replace("\x1b[2K", "")


def test_a_file_has_no_bar() -> None:
    console = file_console()
    with output.progress_on(console) as show:
        show(batch(succeeded=5))
    assert written(console).strip() == ""


def test_the_row_of_a_source_counts_its_entries() -> None:
    console = file_console()
    console.print(output.sources_table(report()))
    header, row = [" ".join(line.split()) for line in written(console).splitlines()]
    assert header == "source entries kept left out, and why"
    assert row == "press__one 12 9 2 outside the window, 1 undated"


def test_the_rows_of_failed_and_damaged_sources_have_the_reason() -> None:
    run_report = report()
    failed = {**run_report["sources"][0], "source_key": "press__two", "failure": "not_found", "message": "answered 404"}
    broken = {**run_report["sources"][0], "source_key": "press__three", "problems": ["it ends [in] the middle"]}
    run_report["sources"] = [failed, broken]
    console = file_console(width=200)
    console.print(output.sources_table(run_report))
    assert "answered 404" in written(console)
    assert "1 undated; it ends [in] the middle" in written(console)


def test_the_summary_has_a_row_for_each_number() -> None:
    console = file_console()
    console.print(output.summary_table(summary_of(report())))
    assert [" ".join(line.split()) for line in written(console).splitlines()] == [
        "sources 1",
        "items ingested 9",
        "normalized 8",
        "failed 0",
        "attempts 11",
        "throttles 2",
        "retry rate 18.2 %",
        "seconds 1.2",
    ]


def test_failures_are_counted_by_their_reason() -> None:
    run_report = report(failed=3, unstarted=4, stopped="deadline", faults={"throttling": 2, "validation": 1})
    run_report["sources"].append({**run_report["sources"][0], "failure": "not_found"})
    console = file_console()
    console.print(output.summary_table(summary_of(run_report)))
    lines = [" ".join(line.split()) for line in written(console).splitlines()]
    assert "sources 2 (1 failed)" in lines
    assert "failed 3 (2 throttling, 1 validation)" in lines
    assert "not started 4 (deadline)" in lines


def test_items_of_other_runs_are_counted_separately() -> None:
    run_report = report()
    run_report["work"].update(reused=5, joined=1, resumed=2)
    console = file_console()
    console.print(output.summary_table(summary_of(run_report)))
    lines = [" ".join(line.split()) for line in written(console).splitlines()]
    assert "items ingested 9 (2 left by earlier runs)" in lines
    assert "normalized 8 (5 answered before, 1 answered by another run)" in lines


def test_the_first_failures_are_named_and_the_rest_is_counted() -> None:
    items = [{"status": "succeeded", "title": "fine", "fault": None, "error": None}]
    items += [{"status": "failed", "title": f"t{n}", "fault": "throttling", "error": "E: x"} for n in range(7)]
    lines = output.failures({"items": items})
    assert lines == [*(f"- t{n}: throttling" for n in range(5)), "- and 2 more; the report has all of them"]


def test_a_failure_without_a_fault_shows_its_error() -> None:
    failed = {"status": "failed", "title": "t", "fault": None, "error": "KeyError: 'x'"}
    assert output.failures({"items": [failed]}) == ["- t: KeyError: 'x'"]
    assert output.failures({"items": []}) == []
