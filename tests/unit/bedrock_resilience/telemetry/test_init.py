"""The package: every listener is listed, and none of their packages is imported with it."""

from __future__ import annotations

import subprocess
import sys

from bedrock_resilience import telemetry


def test_every_listener_is_listed() -> None:
    assert dir(telemetry) == telemetry.__all__
    assert all(callable(getattr(telemetry, name)) for name in telemetry.__all__)


def test_nothing_of_a_third_party_is_imported_before_a_listener_is_made() -> None:
    code = """
import sys
from bedrock_resilience import telemetry
[getattr(telemetry, name) for name in telemetry.__all__]
print({"opentelemetry", "prometheus_client", "structlog", "aws_lambda_powertools"} & set(sys.modules))
"""
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "set()\n"
