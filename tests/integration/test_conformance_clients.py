"""The table of clients: every installed client raises what ``classify`` reads correctly, and the command reports it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

from bedrock_resilience import Fault
from bedrock_resilience.cli._app import app
from bedrock_resilience.emulator.conformance import (
    CLIENT_SCENARIOS,
    CLIENTS,
    FAMILY_SCENARIOS,
    Client,
    ClientCall,
    ClientScenario,
    installed_version,
    iter_client_conformance,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from bedrock_resilience.emulator.conformance import ClientResult

BY_NAME = {scenario.name: scenario for scenario in CLIENT_SCENARIOS}
ON_THIS_MACHINE = [
    scenario for scenario in (*CLIENT_SCENARIOS, *FAMILY_SCENARIOS) if scenario.route != "unknown-host"
]  # which asks a DNS
URLLIB = next(client for client in CLIENTS if client.name == "urllib")
BOTO3 = next(client for client in CLIENTS if client.name == "boto3 InvokeModel")


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Clients that wait less for the servers that are silent: each has eight of these rows."""
    monkeypatch.setattr("bedrock_resilience.emulator.conformance._client_runner._SHORT_TIMEOUT_SECONDS", 0.2)


@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.name)
def test_every_row_is_right(client: Client) -> None:
    if installed_version(client) is None:
        pytest.skip(f"{client.name} is not installed")
    results = list(iter_client_conformance([client], ON_THIS_MACHINE))
    assert [result.scenario for result in results] == [one for one in ON_THIS_MACHINE if one.applies_to(client)]
    assert [(result.scenario.name, result.raised, result.mismatches) for result in results if not result.passed] == []


def run(client: Client, scenario: ClientScenario) -> dict[str, object]:
    [result] = iter_client_conformance([client], [scenario])
    return result.to_dict()


def test_a_result_says_what_happened() -> None:
    assert run(BOTO3, BY_NAME["429 with Retry-After in seconds"]) == {
        "client": "boto3 InvokeModel",
        "version": installed_version(BOTO3),
        "scenario": "429 with Retry-After in seconds",
        "raised": "botocore.ClientError (429)",
        "fault": "throttling",
        "retry_after": 7.0,
        "passed": True,
        "mismatches": [],
    }


def raises(error: Exception | None) -> Callable[[ClientCall], object]:
    def call(_: ClientCall) -> None:
        if error is not None:
            raise error

    return call


@pytest.mark.parametrize(
    ("error", "mismatches"),
    [
        (
            KeyError("x"),
            [
                "fault: got Fault.UNKNOWN; expected: THROTTLING",
                "retry_after: got None; expected: 7.0",
            ],
        ),
        (None, ["fault: got None; expected: THROTTLING", "retry_after: got None; expected: 7.0"]),
    ],
)
def test_a_mismatch_is_reported(error: Exception | None, mismatches: list[str]) -> None:
    result = run(replace(URLLIB, call=raises(error)), BY_NAME["429 with Retry-After in seconds"])
    assert result["mismatches"] == mismatches
    assert result["raised"] == ("no error" if error is None else "builtins.KeyError")
    assert not result["passed"]


def test_what_a_client_hides_is_expected_of_it() -> None:
    scenario = BY_NAME["ThrottlingException, tokens per day"]
    assert scenario.expected(URLLIB) == {Fault.THROTTLING}  # it does not read the body
    assert scenario.expected(BOTO3) == {Fault.TOKENS_PER_DAY}
    assert scenario.expected(replace(BOTO3, limits={scenario.name: Fault.VALIDATION})) == {Fault.VALIDATION}


def command(*arguments: str) -> Any:  # noqa: ANN401 - the result of click's runner
    return CliRunner(env={"COLUMNS": "200"}).invoke(app, ["conformance", *arguments])


@pytest.fixture
def clients(monkeypatch: pytest.MonkeyPatch) -> None:
    """One client whose rows are wrong, and one that is not installed."""
    wrong = replace(URLLIB, name="wrong", call=raises(KeyError("x")))
    absent = replace(URLLIB, name="absent", package="a-package-that-does-not-exist")
    module = "bedrock_resilience.emulator.conformance"
    monkeypatch.setattr(f"{module}.CLIENTS", (URLLIB, wrong, absent))
    scenarios = [BY_NAME["429 with Retry-After in seconds"]]

    def iterate(clients: Iterable[Client]) -> Iterator[ClientResult]:
        return iter_client_conformance(clients, scenarios)

    monkeypatch.setattr(f"{module}.iter_client_conformance", iterate)


@pytest.mark.usefixtures("clients")
class TestCommand:
    def test_one_client(self) -> None:
        result = command("--client", "urllib")
        assert result.exit_code == 0
        assert "urllib of the standard library: 1 of 1 rows as expected" in result.stdout
        assert "throttling" in result.stdout
        assert "7 s" in result.stdout
        assert result.stdout.endswith("1 rows, 0 wrong\n")

    def test_a_wrong_row(self) -> None:
        result = command("--client", "urllib", "--client", "wrong")
        assert result.exit_code == 1
        assert "FAILED  wrong: 429 with Retry-After in seconds: fault: got Fault.UNKNOWN" in result.stdout
        assert result.stdout.endswith("2 rows, 1 wrong\n")

    def test_a_client_that_is_not_installed(self) -> None:
        result = command("--client", "a-package-that-does-not-exist")
        assert result.exit_code == 0
        assert result.stdout == "absent: not installed, skipped\n0 rows, 0 wrong\n"

    def test_json(self) -> None:
        result = command("--client", "urllib", "--client", "absent", "--json")
        printed = json.loads(result.stdout)
        assert [row["fault"] for row in printed["client_results"]] == ["throttling"]
        assert printed["skipped"] == ["absent"]
        assert printed["results"] == []

    def test_an_unknown_client(self) -> None:
        result = command("--client", "nobody")
        assert result.exit_code == 2
        assert "--client: got nobody; accepted: BedrockRuntime, urllib, wrong, absent" in result.stderr
