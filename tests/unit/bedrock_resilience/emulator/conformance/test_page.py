"""The page about failures says what the code says."""

from __future__ import annotations

import re

from bedrock_resilience import TRANSIENT, Fault
from bedrock_resilience.emulator.conformance import CLIENT_SCENARIOS, CLIENTS, FAILURE_SCENARIOS, FAMILY_SCENARIOS
from support.pages import ROOT

PAGE = (ROOT / "docs" / "explanation" / "failures.md").read_text("utf-8")


def rows(first_column: str) -> list[list[str]]:
    """The cells of the table whose first heading this is."""
    table = re.search(rf"^\| {first_column} \|.*\n\|[-|]+\|\n((?:\|.*\n?)+)", PAGE, re.MULTILINE)
    assert table is not None
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table[1].splitlines()]


def yes(meant: bool) -> str:  # noqa: FBT001 - a cell
    return "yes" if meant else ""


def limit(fault: Fault) -> str:
    if fault not in TRANSIENT:
        return ""
    return "all" if TRANSIENT[fault] is None else str(TRANSIENT[fault])


def test_every_fault_is_documented_as_it_is() -> None:
    documented = [[row[0], *row[3:]] for row in rows("fault")]
    assert documented == [
        [f"`{fault.value}`", yes(fault.retryable), yes(fault.backpressure), yes(fault.fatal), limit(fault)]
        for fault in Fault
    ]


def test_every_row_of_the_table_is_documented_as_it_is() -> None:
    documented = [
        (name, call.strip("`"), fault.strip("`"), int(attempts)) for name, call, _, fault, attempts in rows("failure")
    ]
    assert [(name, call, attempts) for name, call, _, attempts in documented] == [
        (scenario.name, scenario.call, scenario.attempts) for scenario in FAILURE_SCENARIOS
    ]
    for (name, _, fault, _), scenario in zip(documented, FAILURE_SCENARIOS, strict=True):
        assert Fault(fault) in scenario.faults, name


ALL_CLIENT_SCENARIOS = (*CLIENT_SCENARIOS, *FAMILY_SCENARIOS)


def test_every_client_is_documented_with_its_rows() -> None:
    assert rows("client") == [
        [
            client.name,
            "of Python" if client.package is None else f"`{client.package}`",
            str(sum(scenario.applies_to(client) for scenario in ALL_CLIENT_SCENARIOS)),
        ]
        for client in CLIENTS
    ]


def test_every_row_of_the_clients_is_documented() -> None:
    assert [[name, fault] for name, _, fault in rows("row")] == [
        [scenario.name, ", ".join(sorted(f"`{fault.value}`" for fault in scenario.faults))]
        for scenario in ALL_CLIENT_SCENARIOS
    ]
