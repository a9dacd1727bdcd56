"""The table of failures: each one provoked on the emulator, met by an unmodified boto3, compared with what is right.

>>> from bedrock_resilience.emulator.conformance import CASES, Case
>>> isinstance(CASES[0], Case)
True
"""

from __future__ import annotations

from bedrock_resilience.emulator.conformance._runner import Row
from bedrock_resilience.emulator.conformance._scenarios import CASES, Case, Means, Setting
from bedrock_resilience.emulator.conformance._table import iterate_failures_table, run_failures_table

__all__ = ["CASES", "Case", "Means", "Row", "Setting", "iterate_failures_table", "run_failures_table"]
