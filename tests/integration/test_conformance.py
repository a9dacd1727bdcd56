"""The table of failures: with the installed boto3 every scenario passes, and a mismatch is reported."""

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
from bedrock_resilience.emulator.conformance import (
    FAILURE_SCENARIOS,
    Expectation,
    FailureScenario,
    ScenarioResult,
    run_conformance,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

BY_NAME = {(scenario.name, scenario.call): scenario for scenario in FAILURE_SCENARIOS}
THROTTLED = BY_NAME["ThrottlingException 429", "converse"]
CUT_AFTER_TEXT = BY_NAME["stream cut, after text", "converse_stream"]
DENIED = BY_NAME["AccessDeniedException 403", "converse"]
RUNTIME_ONLY = ["conformance", "--client", "BedrockRuntime"]


def test_every_scenario_passes() -> None:
    results = run_conformance()
    assert [result.scenario for result in results] == list(FAILURE_SCENARIOS)
    assert [
        (result.scenario.name, result.scenario.call, result.mismatches) for result in results if not result.passed
    ] == []


def test_a_result_says_what_happened() -> None:
    [result] = run_conformance([THROTTLED])
    assert result.to_dict() == {
        "scenario": "ThrottlingException 429",
        "call": "converse",
        "boto3": "ThrottlingException",
        "raised": "ThrottlingException",
        "fault": "throttling",
        "retryable": True,
        "backpressure": True,
        "fatal": False,
        "attempts": 4,
        "requests": 4,
        "batch_requests": 32,
        "passed": True,
        "mismatches": [],
    }


MISMATCHES = [
    (
        replace(THROTTLED, faults=frozenset({Fault.OVERLOADED})),
        ["fault: got Fault.THROTTLING; expected: OVERLOADED"],
    ),
    (replace(THROTTLED, expectation=Expectation.FAIL_ITEM), ["THROTTLING does not mean FAIL_ITEM"]),
    (
        replace(THROTTLED, attempts=2),
        [
            "attempts: got 4; expected: 2",
            "requests: got 4; expected: 2",
            "requests of a batch: got 32; expected: 16 to 16",
        ],
    ),
    (replace(THROTTLED, reaches_service=False), ["requests: got 4; expected: 0"]),
    (replace(THROTTLED, delivers_text=True), ["the error does not carry the text that was delivered"]),
    (
        replace(CUT_AFTER_TEXT, delivers_text=True, details={"after": 0}, attempts=2),
        ["the error does not carry the text that was delivered"],
    ),
    (
        replace(THROTTLED, error=None),
        [
            "fault: got None; expected: THROTTLING",
            "attempts: got 0; expected: 4",
            "requests: got 1; expected: 4",
            "requests of a batch: got 8; expected: 32 to 32",
        ],
    ),
]


def test_mismatches_are_reported() -> None:
    results = run_conformance(scenario for scenario, _ in MISMATCHES)
    assert [list(result.mismatches) for result in results] == [mismatches for _, mismatches in MISMATCHES]
    assert not any(result.passed for result in results)
    assert [result.to_dict()["mismatches"] for result in results] == [mismatches for _, mismatches in MISMATCHES]


def test_a_second_retry_layer_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    def eager(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - as the factory
        client = bedrock_runtime_client(*args, **kwargs)
        client.meta.events.register_first("needs-retry.bedrock-runtime.Converse", once_more)
        return client

    def once_more(attempts: int, **_: object) -> int | None:
        return 0 if attempts == 1 else None

    monkeypatch.setattr("bedrock_resilience.emulator.conformance._runner.bedrock_runtime_client", eager)
    [result] = run_conformance([DENIED])
    assert result.mismatches[:2] == ("botocore retried by itself", "requests: got 2; expected: 1")


def results_of(*results: ScenarioResult) -> Any:  # noqa: ANN401 - in place of ``run_conformance``
    def run(scenarios: Iterable[FailureScenario] = FAILURE_SCENARIOS) -> list[ScenarioResult]:
        del scenarios
        return list(results)

    return run


@pytest.fixture(scope="module")
def passed() -> ScenarioResult:
    [result] = run_conformance([DENIED])
    return result


def test_the_command_prints_the_table(passed: ScenarioResult, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bedrock_resilience.emulator.conformance.run_conformance", results_of(passed))
    result = CliRunner(env={"COLUMNS": "200"}).invoke(app, RUNTIME_ONLY)
    assert result.exit_code == 0
    assert f"boto3 {boto3.__version__}: 1 of 1 rows as expected" in result.stdout
    assert "access_denied" in result.stdout
    assert "FAILED" not in result.stdout


def test_a_file_gets_one_line_for_each_row(passed: ScenarioResult, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bedrock_resilience.emulator.conformance.run_conformance", results_of(passed))
    result = CliRunner(env={"COLUMNS": "80"}).invoke(app, RUNTIME_ONLY)
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
        str(passed.batch_requests),
    ]


def test_a_screen_too_narrow_for_the_table_gets_lines(passed: ScenarioResult, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bedrock_resilience.emulator.conformance.run_conformance", results_of(passed))
    screen = Console(force_terminal=True, width=80, file=io.StringIO())
    monkeypatch.setattr(sys.modules["bedrock_resilience.cli._conformance"], "console", lambda: screen)
    result = CliRunner().invoke(app, RUNTIME_ONLY)
    assert result.exit_code == 0
    assert result.stdout == (
        f"boto3 {boto3.__version__}: 1 of 1 rows as expected\n"
        "AccessDeniedException 403 (converse)\n"
        "    AccessDeniedException -> access_denied, fatal\n"
        f"    attempts 1, requests 1, of a batch {passed.batch_requests}\n"
        "1 rows, 0 wrong\n"
    )


def test_the_command_fails_where_a_row_does_not_pass(passed: ScenarioResult, monkeypatch: pytest.MonkeyPatch) -> None:
    failed = replace(passed, fault=None, mismatches=("fault: got None; expected: ACCESS_DENIED",))
    monkeypatch.setattr("bedrock_resilience.emulator.conformance.run_conformance", results_of(passed, failed))
    result = CliRunner(env={"COLUMNS": "200"}).invoke(app, RUNTIME_ONLY)
    assert result.exit_code == 1
    assert "1 of 2 rows as expected" in result.stdout
    assert "FAILED  AccessDeniedException 403 (converse): fault: got None; expected: ACCESS_DENIED" in result.stdout


def test_the_command_prints_json(passed: ScenarioResult, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bedrock_resilience.emulator.conformance.run_conformance", results_of(passed))
    result = CliRunner().invoke(app, [*RUNTIME_ONLY, "--json"])
    assert result.exit_code == 0
    assert json.loads(result.stdout) == {
        "boto3": boto3.__version__,
        "results": [passed.to_dict()],
        "client_results": [],
        "skipped": [],
    }


def test_without_boto3_the_command_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "boto3", None)
    result = CliRunner().invoke(app, RUNTIME_ONLY)
    assert result.exit_code == 2
    assert "pip install 'bedrock-resilience[aws,cli]'" in result.stderr
