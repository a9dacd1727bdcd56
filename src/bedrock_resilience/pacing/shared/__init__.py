"""One pace for several processes, through a store that they share."""

from __future__ import annotations

from bedrock_resilience.pacing.shared._pacer import SharedPacer
from bedrock_resilience.pacing.shared._schedule import SharedPace
from bedrock_resilience.pacing.shared._stores import DynamoPaceStore, MemoryPaceStore, PaceStore

__all__ = ["DynamoPaceStore", "MemoryPaceStore", "PaceStore", "SharedPace", "SharedPacer"]
