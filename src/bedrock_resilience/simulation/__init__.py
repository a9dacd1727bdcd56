"""The simulator: production code in virtual time, so that settings are chosen before they are deployed."""

from __future__ import annotations

from bedrock_resilience.simulation._driver import simulate
from bedrock_resilience.simulation._report import InstanceReport, SimulationReport, Span
from bedrock_resilience.simulation._scenario import QuotaChange, Scenario, Tokens
from bedrock_resilience.simulation._service import SimulatedRequest

__all__ = [
    "InstanceReport",
    "QuotaChange",
    "Scenario",
    "SimulatedRequest",
    "SimulationReport",
    "Span",
    "Tokens",
    "simulate",
]
