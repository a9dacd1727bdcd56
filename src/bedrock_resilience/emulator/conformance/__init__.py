"""The table of failures: each one provoked on the emulator with an unmodified boto3, and compared with what is right.

>>> from bedrock_resilience.emulator.conformance import FAILURE_SCENARIOS, FailureScenario
>>> isinstance(FAILURE_SCENARIOS[0], FailureScenario)
True
"""

from __future__ import annotations

from bedrock_resilience.emulator.conformance._runner import ScenarioResult, iter_conformance, run_conformance
from bedrock_resilience.emulator.conformance._scenarios import (
    FAILURE_SCENARIOS,
    ClientSetup,
    Expectation,
    FailureScenario,
)

__all__ = [
    "FAILURE_SCENARIOS",
    "ClientSetup",
    "Expectation",
    "FailureScenario",
    "ScenarioResult",
    "iter_conformance",
    "run_conformance",
]
