"""The table of failures: each one provoked on the emulator, met by an unmodified boto3, compared with what is right.

>>> from bedrock_resilience.failures import CASES, Case
>>> isinstance(CASES[0], Case)
True
"""

from __future__ import annotations

from bedrock_resilience.failures.cases import CASES, Case, Means, Setting
from bedrock_resilience.failures.table import iterate_failures_table, run_failures_table
from bedrock_resilience.failures.trial import Row

__all__ = ["CASES", "Case", "Means", "Row", "Setting", "iterate_failures_table", "run_failures_table"]
