"""``Limit``: the kinds of quotas by name, the endpoint with quotas of its own, and the periods that quotas count.

A pacer that learns its quota needs these, and no ``Quota``.
"""

from __future__ import annotations

import enum
from typing import Final

SECONDS_A_MINUTE: Final = 60.0
SECONDS_A_DAY: Final = 86_400.0
MANTLE: Final = "bedrock-mantle"


class Limit(enum.Enum):
    """The quota that refused a request; the value is the name of the field of ``Quota``."""

    REQUESTS_PER_MINUTE = "requests_per_minute"
    TOKENS_PER_MINUTE = "tokens_per_minute"
    TOKENS_PER_DAY = "tokens_per_day"
    INPUT_TOKENS_PER_MINUTE = "input_tokens_per_minute"
    OUTPUT_TOKENS_PER_MINUTE = "output_tokens_per_minute"
