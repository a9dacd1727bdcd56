"""The tables of failures: each one is provoked with unmodified clients and compared with what is expected.

``FAILURE_SCENARIOS`` are the failures of ``BedrockRuntime`` over boto3, with attempts and batches. ``CLIENT_SCENARIOS``
are those that any client can meet: what ``classify`` makes of the exceptions of ``CLIENTS``.
``FAMILY_SCENARIOS`` are bodies and streams of InvokeModel that are no complete response, for every family of models.

>>> from bedrock_resilience.emulator.conformance import FAILURE_SCENARIOS, FailureScenario
>>> isinstance(FAILURE_SCENARIOS[0], FailureScenario)
True
"""

from __future__ import annotations

from bedrock_resilience.emulator.conformance._client_runner import ClientResult, iter_client_conformance
from bedrock_resilience.emulator.conformance._client_scenarios import CLIENT_SCENARIOS, ClientScenario
from bedrock_resilience.emulator.conformance._clients import CLIENTS, installed_version
from bedrock_resilience.emulator.conformance._clients._client import Client, ClientCall
from bedrock_resilience.emulator.conformance._family_scenarios import FAMILY_SCENARIOS
from bedrock_resilience.emulator.conformance._raw_server import RawReply
from bedrock_resilience.emulator.conformance._runner import ScenarioResult, iter_conformance, run_conformance
from bedrock_resilience.emulator.conformance._scenarios import (
    FAILURE_SCENARIOS,
    ClientSetup,
    Expectation,
    FailureScenario,
)

__all__ = [
    "CLIENTS",
    "CLIENT_SCENARIOS",
    "FAILURE_SCENARIOS",
    "FAMILY_SCENARIOS",
    "Client",
    "ClientCall",
    "ClientResult",
    "ClientScenario",
    "ClientSetup",
    "Expectation",
    "FailureScenario",
    "RawReply",
    "ScenarioResult",
    "installed_version",
    "iter_client_conformance",
    "iter_conformance",
    "run_conformance",
]
