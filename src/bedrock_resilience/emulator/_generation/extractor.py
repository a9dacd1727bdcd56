"""The default responder: not a language model, but a deterministic extraction from the request.

A forced tool's schema (or a JSON schema for the response) is filled from the text of the request. Without either, the
response is a text that begins with ``DISCLAIMER``.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Final

from bedrock_resilience.emulator._generation.evidence import evidence_of
from bedrock_resilience.emulator._generation.filling import fill
from bedrock_resilience.emulator._generation.reading import TextReader
from bedrock_resilience.emulator._generation.words import stems, words
from bedrock_resilience.emulator._protocol.conversation import ANY, NO_TOOL
from bedrock_resilience.emulator._protocol.generation import Generation

if TYPE_CHECKING:
    from bedrock_resilience.emulator._generation.evidence import Evidence
    from bedrock_resilience.emulator._protocol.conversation import Conversation, Tool

DISCLAIMER: Final = (
    "This is the Bedrock emulator of bedrock-resilience, not a language model: it only quotes the request."
)
"""The text that every generated response contains."""


def extract(conversation: Conversation) -> Generation:
    """A response made of the request itself; the same request always gets the same response."""
    evidence = evidence_of(conversation)
    tool = _tool(conversation, evidence)
    if tool is not None:
        use = {"toolUseId": _tool_use_id(conversation), "name": tool.name, "input": fill(tool.schema, evidence)}
        return Generation(({"toolUse": use},), "tool_use")
    if conversation.response_schema is not None:
        return Generation(({"text": json.dumps(fill(conversation.response_schema, evidence), ensure_ascii=False)},))
    quoted = TextReader(evidence).summary()
    return Generation(({"text": f"{DISCLAIMER}\n{quoted}" if quoted else DISCLAIMER},))


def _tool(conversation: Conversation, evidence: Evidence) -> Tool | None:
    """The tool to use: the forced one, or the one that shares most words with the text, if one must be used or matches.

    Tool results get a text response, so that a loop of tool uses ends.
    """
    if conversation.forced_tool is not None:
        return conversation.forced_tool
    if conversation.tool_choice == NO_TOOL or not conversation.tools:
        return None
    shared = {
        tool.name: len(stems(" ".join(words(f"{tool.name} {tool.description}"))) & evidence.stems)
        for tool in conversation.tools
    }
    best = max(conversation.tools, key=lambda tool: shared[tool.name])
    if conversation.tool_choice == ANY:
        return best
    return best if shared[best.name] and not conversation.last_user_message.has_tool_results else None


def _tool_use_id(conversation: Conversation) -> str:
    prompt = "\x1e".join((conversation.system, *(f"{turn.role}\x1f{turn.content!r}" for turn in conversation.messages)))
    return f"tooluse_{hashlib.sha256(prompt.encode('utf-8', 'backslashreplace')).hexdigest()[:22]}"
