"""Pacers: when may the next request be sent?"""

from __future__ import annotations

from bedrock_resilience._lazy import lazy_attributes
from bedrock_resilience.pacing._adaptive import AdaptiveConfig, AdaptivePacer
from bedrock_resilience.pacing._no_pacer import NoPacer
from bedrock_resilience.pacing._protocol import Pacer, Reservation
from bedrock_resilience.pacing._quota_pacer import QuotaPacer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from bedrock_resilience._errors import StoreUnavailableError
    from bedrock_resilience.pacing.shared._pacer import SharedPacer
    from bedrock_resilience.pacing.shared._stores import DynamoTable, MemoryTable, SharedTable

__all__ = [
    "AdaptiveConfig",
    "AdaptivePacer",
    "DynamoTable",
    "MemoryTable",
    "NoPacer",
    "Pacer",
    "QuotaPacer",
    "Reservation",
    "SharedPacer",
    "SharedTable",
    "StoreUnavailableError",
]

# Only who shares a pace pays for what it takes.
__getattr__: Callable[[str], object] = lazy_attributes(
    __name__,
    {
        "DynamoTable": "shared._stores",
        "MemoryTable": "shared._stores",
        "SharedPacer": "shared._pacer",
        "SharedTable": "shared._stores",
        "StoreUnavailableError": "shared._stores",
    },
)
