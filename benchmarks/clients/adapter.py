"""What the table does with a client."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable

MODEL_ID: Final = "eu.anthropic.claude-sonnet-4-5-20250929-v1:0"
EMBEDDING_MODEL_ID: Final = "amazon.titan-embed-text-v2:0"
OPENAI_MODEL_ID: Final = "openai.gpt-oss-120b-1:0"
REGION: Final = "eu-west-3"
KEY: Final = "emulator"
MAX_TOKENS: Final = 500
PROMPT: Final = "Camurus announces results of its trial."
TOOL_PROMPT: Final = "What is magic_function(3)?"
TOOL_DESCRIPTION: Final = "Applies a magic function to a number."
TOOL_SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {"number": {"type": "integer"}},
    "required": ["number"],
}

Guard: TypeAlias = "Callable[[Any], Any]"
"""Puts a session or a client under ``protect`` and returns it."""


class Adapter(Protocol):
    """One client, made for an endpoint. A method that raises ``NotOffered`` says what the client does not do."""

    def plain(self) -> str:
        """Ask once and return the text."""
        ...

    def stream(self) -> str:
        """Ask once and return the text that was streamed."""
        ...

    def tools(self) -> int:
        """Ask for a call of the tool, and return the number that it was called with."""
        ...

    def embeddings(self) -> int:
        """Embed a text, and return the number of dimensions."""
        ...


class NotOffered(Exception):  # noqa: N818 - a statement, not an error
    """The client, or Bedrock's API that it speaks, has no such operation; the text is the reason."""
