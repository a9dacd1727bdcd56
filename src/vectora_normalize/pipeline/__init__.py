"""The run: request in, summary out; everything it touches is handed in."""

from __future__ import annotations

from vectora_normalize.pipeline.dependencies import Invocation, Parts
from vectora_normalize.pipeline.run import run
from vectora_normalize.pipeline.summary import RunSummary

__all__ = ["Invocation", "Parts", "RunSummary", "run"]
