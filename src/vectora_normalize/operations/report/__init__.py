"""Rates, limits and advice for the Lambda's runs, from logs and run reports."""

from __future__ import annotations

from vectora_normalize.operations.report.assessment import Assessment, assess
from vectora_normalize.operations.report.log_lines import LogLine, parse_lines
from vectora_normalize.operations.report.runs import RunNumbers, find_runs

__all__ = ["Assessment", "LogLine", "RunNumbers", "assess", "find_runs", "parse_lines"]
