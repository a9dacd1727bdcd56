"""Pacers: when may the next request be sent?"""

from __future__ import annotations

from bedrock_resilience._later import loaded_later
from bedrock_resilience.pacing.adaptive import AdaptiveLaw, AdaptivePacer
from bedrock_resilience.pacing.protocol import Pacer, Reservation
from bedrock_resilience.pacing.quota_pacer import QuotaPacer
from bedrock_resilience.pacing.unpaced import NoPacer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from bedrock_resilience.pacing.shared import SharedPacer
    from bedrock_resilience.pacing.shared_table import DynamoTable, MemoryTable, SharedTable, TableUnavailableError

__all__ = [
    "AdaptiveLaw",
    "AdaptivePacer",
    "DynamoTable",
    "MemoryTable",
    "NoPacer",
    "Pacer",
    "QuotaPacer",
    "Reservation",
    "SharedPacer",
    "SharedTable",
    "TableUnavailableError",
]

# Only who shares a pace pays for what it takes.
__getattr__: Callable[[str], object] = loaded_later(
    __name__,
    {
        "DynamoTable": "shared_table",
        "MemoryTable": "shared_table",
        "SharedPacer": "shared",
        "SharedTable": "shared_table",
        "TableUnavailableError": "shared_table",
    },
)
