"""The table of failures: with the boto3 that is installed, every row is right; and a wrong row would be seen."""

from __future__ import annotations

import io
import json
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from rich.console import Console
from typer.testing import CliRunner

from bedrock_resilience import Fault, bedrock_runtime_client
from bedrock_resilience.cli._app import app
from bedrock_resilience.emulator.conformance import CASES, Case, Means, Row, run_failures_table

if TYPE_CHECKING:
    from collections.abc import Iterable

BY_NAME = {(case.name, case.call): case for case in CASES}
THROTTLED = BY_NAME["ThrottlingException 429", "converse"]
CUT_AFTER_TEXT = BY_NAME["stream cut, after text", "converse_stream"]
DENIED = BY_NAME["AccessDeniedException 403", "converse"]


def test_every_row_is_right() -> None:
    rows = run_failures_table()
    assert [row.case for row in rows] == list(CASES)
    assert [(row.case.name, row.case.call, row.wrong) for row in rows if not row.right] == []


def test_a_row_says_what_was_seen() -> None:
    [row] = run_failures_table([THROTTLED])
    assert row.to_dict() == {
        "failure": "ThrottlingException 429",
        "call": "converse",
        "boto3": "ThrottlingException",
        "raised": "ThrottlingException",
        "fault": "throttling",
        "retryable": True,
        "backpressure": True,
        "fatal": False,
        "attempts": 4,
        "requests": 4,
        "run_requests": 32,
        "right": True,
        "wrong": [],
    }


@pytest.mark.parametrize(
    ("case", "wrong"),
    [
        (replace(THROTTLED, faults=frozenset({Fault.OVERLOADED})), ["fault: Fault.THROTTLING; right: OVERLOADED"]),
        (replace(THROTTLED, means=Means.FAIL_THE_ITEM), ["THROTTLING does not mean FAIL_THE_ITEM"]),
        (
            replace(THROTTLED, attempts=2),
            ["attempts: 4; right: 2", "requests: 4; right: 2", "requests of a run: 32; right: 16 to 16"],
        ),
        (replace(THROTTLED, arrives=False), ["requests: 4; right: 0"]),
        (replace(THROTTLED, delivered=True), ["the failure does not carry the text that was delivered"]),
        (
            replace(CUT_AFTER_TEXT, delivered=True, details={"after": 0}, attempts=2),
            ["the failure does not carry the text that was delivered"],
        ),
        (
            replace(THROTTLED, error=None),
            [
                "fault: None; right: THROTTLING",
                "attempts: 0; right: 4",
                "requests: 1; right: 4",
                "requests of a run: 8; right: 32 to 32",
            ],
        ),
    ],
)
def test_a_wrong_row_is_seen(case: Case, wrong: list[str]) -> None:
    [row] = run_failures_table([case])
    assert list(row.wrong) == wrong
    assert not row.right
    assert row.to_dict()["wrong"] == wrong


def test_a_second_retry_layer_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    def eager(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - as the factory
        client = bedrock_runtime_client(*args, **kwargs)
        client.meta.events.register_first("needs-retry.bedrock-runtime.Converse", once_more)
        return client

    def once_more(attempts: int, **_: object) -> int | None:
        return 0 if attempts == 1 else None

    monkeypatch.setattr("bedrock_resilience.emulator.conformance._table.bedrock_runtime_client", eager)
    [row] = run_failures_table([DENIED])
    assert row.wrong[:2] == ("botocore has retried by itself", "requests: 2; right: 1")


def rows_of(*rows: Row) -> Any:  # noqa: ANN401 - in place of run_failures_table
    def run(cases: Iterable[Case] = CASES) -> list[Row]:
        del cases
        return list(rows)

    return run


@pytest.fixture(scope="module")
def right_row() -> Row:
    [row] = run_failures_table([DENIED])
    return row


def test_the_command_prints_the_table(right_row: Row, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bedrock_resilience.emulator.conformance.run_failures_table", rows_of(right_row))
    result = CliRunner(env={"COLUMNS": "200"}).invoke(app, ["failures"])
    assert result.exit_code == 0
    assert f"boto3 {boto3.__version__}: 1 of 1 rows right" in result.stdout
    assert "access_denied" in result.stdout
    assert "WRONG" not in result.stdout


def test_what_is_no_screen_gets_a_line_a_row(right_row: Row, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bedrock_resilience.emulator.conformance.run_failures_table", rows_of(right_row))
    result = CliRunner(env={"COLUMNS": "80"}).invoke(app, ["failures"])
    (line,) = [line for line in result.stdout.splitlines() if "AccessDeniedException 403" in line]
    assert [cell.strip() for cell in line.strip("│").split("│")] == [
        "AccessDeniedException 403",
        "converse",
        "AccessDeniedException",
        "access_denied",
        "",
        "",
        "yes",
        "1",
        "1",
        str(right_row.run_requests),
    ]


def test_a_screen_that_is_too_narrow_gets_no_table(right_row: Row, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bedrock_resilience.emulator.conformance.run_failures_table", rows_of(right_row))
    screen = Console(force_terminal=True, width=80, file=io.StringIO())
    monkeypatch.setattr(sys.modules["bedrock_resilience.cli._conformance"], "console", lambda: screen)
    result = CliRunner().invoke(app, ["failures"])
    assert result.exit_code == 0
    assert result.stdout == (
        f"boto3 {boto3.__version__}: 1 of 1 rows right\n"
        "AccessDeniedException 403 (converse)\n"
        "    AccessDeniedException -> access_denied, end run\n"
        f"    attempts 1, requests 1, of a run {right_row.run_requests}\n"
    )


def test_the_command_fails_on_a_wrong_row(right_row: Row, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = replace(right_row, fault=None, wrong=("fault: None; right: ACCESS_DENIED",))
    monkeypatch.setattr("bedrock_resilience.emulator.conformance.run_failures_table", rows_of(right_row, wrong))
    result = CliRunner(env={"COLUMNS": "200"}).invoke(app, ["failures"])
    assert result.exit_code == 1
    assert "1 of 2 rows right" in result.stdout
    assert "WRONG  AccessDeniedException 403 (converse): fault: None; right: ACCESS_DENIED" in result.stdout


def test_the_command_prints_json(right_row: Row, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bedrock_resilience.emulator.conformance.run_failures_table", rows_of(right_row))
    result = CliRunner().invoke(app, ["failures", "--json"])
    assert result.exit_code == 0
    assert json.loads(result.stdout) == {"boto3": boto3.__version__, "rows": [right_row.to_dict()]}


def test_without_boto3_the_command_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "boto3", None)
    result = CliRunner().invoke(app, ["failures"])
    assert result.exit_code == 2
    assert "pip install 'bedrock-resilience[aws,cli]'" in result.stderr
