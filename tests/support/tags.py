"""Which item a request to Bedrock is about: its text stands between tags named by its hash."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from bedrock_resilience.emulator import BedrockEmulator

_TAG: Final = re.compile(rb"<item-([0-9a-f]{16})>")


def answered_tags(emulator: BedrockEmulator) -> Counter[str]:
    """The number of complete responses about each item, by its tag; complete responses are billed."""
    found = (_TAG.search(entry.body) for entry in emulator.log if entry.answered)
    return Counter(match[1].decode() for match in found if match)
