"""Listeners for the events of calls, one file each."""

from __future__ import annotations

from bedrock_resilience.telemetry._logging import LoggingListener

__all__ = ["LoggingListener"]
