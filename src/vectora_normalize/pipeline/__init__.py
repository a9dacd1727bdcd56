"""The run: takes a request and its dependencies, and returns a summary."""

from __future__ import annotations

from vectora_normalize.pipeline.dependencies import Dependencies, Invocation
from vectora_normalize.pipeline.run import run
from vectora_normalize.pipeline.summary import RunSummary

__all__ = ["Dependencies", "Invocation", "RunSummary", "run"]
