"""How the runs went, out of logs and run reports: the two rates of the contract, and what to do about them."""

from __future__ import annotations

from vectora_normalize.operations.report.assessment import Limits, Verdict, judge
from vectora_normalize.operations.report.records import Record, records
from vectora_normalize.operations.report.runs import RunNumbers, runs

__all__ = ["Limits", "Record", "RunNumbers", "Verdict", "judge", "records", "runs"]
