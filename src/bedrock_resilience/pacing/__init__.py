"""Pacers decide when the next request may be sent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bedrock_resilience._lazy import lazy_attributes

if TYPE_CHECKING:
    from collections.abc import Callable

    from bedrock_resilience._errors import StoreUnavailableError
    from bedrock_resilience.pacing._adaptive import AdaptivePacer
    from bedrock_resilience.pacing._adaptive_config import AdaptiveConfig
    from bedrock_resilience.pacing._no_pacer import NoPacer
    from bedrock_resilience.pacing._protocol import Pacer, Reservation
    from bedrock_resilience.pacing._quota_pacer import QuotaPacer
    from bedrock_resilience.pacing._status import PacerStatus
    from bedrock_resilience.pacing.shared import DynamoPaceStore, MemoryPaceStore, PaceStore, S3PaceStore, SharedPacer

__all__ = [
    "AdaptiveConfig",
    "AdaptivePacer",
    "DynamoPaceStore",
    "MemoryPaceStore",
    "NoPacer",
    "PaceStore",
    "Pacer",
    "PacerStatus",
    "QuotaPacer",
    "Reservation",
    "S3PaceStore",
    "SharedPacer",
    "StoreUnavailableError",
]

# A program that uses one pacer does not load the others.
_LAZY = {
    "AdaptiveConfig": "_adaptive_config",
    "AdaptivePacer": "_adaptive",
    "DynamoPaceStore": "shared",
    "MemoryPaceStore": "shared",
    "NoPacer": "_no_pacer",
    "PaceStore": "shared",
    "Pacer": "_protocol",
    "PacerStatus": "_status",
    "QuotaPacer": "_quota_pacer",
    "Reservation": "_protocol",
    "S3PaceStore": "shared",
    "SharedPacer": "shared",
    "StoreUnavailableError": "shared._stores",
}

__getattr__: Callable[[str], object] = lazy_attributes(__name__, _LAZY)


def __dir__() -> list[str]:
    return __all__
