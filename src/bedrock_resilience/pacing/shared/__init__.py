"""One pace for several processes, through a store that they share."""

from __future__ import annotations

from bedrock_resilience.pacing.shared._pace import InstanceShare, SharedPace
from bedrock_resilience.pacing.shared._pacer import SharedPacer
from bedrock_resilience.pacing.shared._s3_store import S3PaceStore
from bedrock_resilience.pacing.shared._stores import DynamoPaceStore, MemoryPaceStore, PaceStore

__all__ = [
    "DynamoPaceStore",
    "InstanceShare",
    "MemoryPaceStore",
    "PaceStore",
    "S3PaceStore",
    "SharedPace",
    "SharedPacer",
]
