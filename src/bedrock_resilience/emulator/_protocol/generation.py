"""What a responder generates, before it takes the form of an operation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from bedrock_resilience.emulator._protocol.conversation import Conversation

if TYPE_CHECKING:
    from bedrock_resilience.emulator._protocol.jsonvalues import JsonObject


@dataclass(frozen=True, slots=True)
class Generation:
    """A response before it takes the form of an operation.

    Attributes:
        content: Blocks in Converse's form: ``{"text": ...}`` and ``{"toolUse": {"toolUseId", "name", "input"}}``.
        stop_reason: Why generation ended, in Converse's words.
        stop_sequence: The sequence at which it ended, where it did.
        input_tokens: As the responder counted them; None leaves the counting to the emulator.
        output_tokens: As for ``input_tokens``.
    """

    content: tuple[JsonObject, ...]
    stop_reason: str = "end_turn"
    stop_sequence: str | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None


Responder: TypeAlias = Callable[[Conversation], Generation]
"""Generates the responses. It is called from several threads at once, and may raise a ``ServiceError``."""
