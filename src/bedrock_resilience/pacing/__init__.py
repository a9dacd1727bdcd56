"""Pacers: when may the next request be sent?"""

from __future__ import annotations

from bedrock_resilience.pacing.adaptive import AdaptiveLaw, AdaptivePacer
from bedrock_resilience.pacing.protocol import Pacer, Reservation
from bedrock_resilience.pacing.quota_pacer import QuotaPacer
from bedrock_resilience.pacing.unpaced import NoPacer

TYPE_CHECKING = False
if TYPE_CHECKING:
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
_LATER = {
    "DynamoTable": "shared_table",
    "MemoryTable": "shared_table",
    "SharedPacer": "shared",
    "SharedTable": "shared_table",
    "TableUnavailableError": "shared_table",
}


def __getattr__(name: str) -> object:
    try:
        module = _LATER[name]
    except KeyError:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}") from None
    import importlib  # noqa: PLC0415 - only names that are loaded later need it

    value: object = getattr(importlib.import_module(f"{__name__}.{module}"), name)
    globals()[name] = value
    return value
