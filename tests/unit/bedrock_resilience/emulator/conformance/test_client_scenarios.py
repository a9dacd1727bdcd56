"""The rows of the clients are complete, and faults that a row does not tell apart mean the same."""

from __future__ import annotations

import pytest

from bedrock_resilience import TRANSIENT, Fault
from bedrock_resilience.emulator.conformance import CLIENT_SCENARIOS, CLIENTS, FAMILY_SCENARIOS, ClientScenario

ALL = (*CLIENT_SCENARIOS, *FAMILY_SCENARIOS)


def test_there_are_at_least_250_rows() -> None:
    assert sum(scenario.applies_to(client) for client in CLIENTS for scenario in ALL) >= 250


def test_no_row_is_repeated() -> None:
    for client in CLIENTS:
        names = [scenario.name for scenario in ALL if scenario.applies_to(client)]
        assert len(names) == len(set(names)), client.name
    assert len({client.name for client in CLIENTS}) == len(CLIENTS)


@pytest.mark.parametrize("scenario", ALL, ids=lambda scenario: scenario.name)
def test_faults_that_are_not_distinguished_have_the_same_attributes(scenario: ClientScenario) -> None:
    meanings = {
        (fault.retryable, fault.backpressure, fault.fatal, TRANSIENT.get(fault, 0)) for fault in scenario.faults
    }
    assert len(meanings) == 1


def test_every_fault_of_a_service_has_a_row() -> None:
    never_sent = {Fault.CANCELLED, Fault.UNKNOWN, Fault.REJECTED_RESULT}
    assert set(Fault) - set[Fault]().union(*(scenario.faults for scenario in ALL)) == never_sent


def test_every_known_limit_of_a_client_is_a_row() -> None:
    for client in CLIENTS:
        assert set(client.limits) <= {scenario.name for scenario in ALL if scenario.applies_to(client)}
