"""The default answerer: no language model, but a deterministic reading of the request.

A forced tool's schema (or a JSON schema set for the answer) is filled from the text that the request asks about;
without either, the answer is a text that says what made it.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Final

from bedrock_resilience.emulator._generation.evidence import evidence_of
from bedrock_resilience.emulator._generation.filling import fill
from bedrock_resilience.emulator._generation.generation import Generation
from bedrock_resilience.emulator._generation.reading import Reader
from bedrock_resilience.emulator._generation.words import stems, words
from bedrock_resilience.emulator._protocol.conversation import ANY, NO_TOOL

if TYPE_CHECKING:
    from bedrock_resilience.emulator._generation.evidence import Evidence
    from bedrock_resilience.emulator._protocol.conversation import Conversation, Tool

DISCLAIMER: Final = (
    "This is the Bedrock emulator of bedrock-resilience, not a language model: it only quotes the request."
)
"""The text that every generated response contains."""


def extract(conversation: Conversation) -> Generation:
    """An answer made of the request itself; the same request always gets the same answer."""
    evidence = evidence_of(conversation)
    tool = _tool(conversation, evidence)
    if tool is not None:
        use = {"toolUseId": _tool_use_id(conversation), "name": tool.name, "input": fill(tool.schema, evidence)}
        return Generation(({"toolUse": use},), "tool_use")
    if conversation.answer_schema is not None:
        return Generation(({"text": json.dumps(fill(conversation.answer_schema, evidence), ensure_ascii=False)},))
    quoted = Reader(evidence).summary()
    return Generation(({"text": f"{DISCLAIMER}\n{quoted}" if quoted else DISCLAIMER},))


def _tool(conversation: Conversation, evidence: Evidence) -> Tool | None:
    """The tool to use: the forced one, or the one that shares most words with the text if one must be used or fits.

    Results of tools are answered with a text, so that a loop of tool uses comes to its end.
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
    return best if shared[best.name] and not conversation.last_user_message.answers_a_tool else None


def _tool_use_id(conversation: Conversation) -> str:
    asked = "\x1e".join((conversation.system, *(f"{turn.role}\x1f{turn.content!r}" for turn in conversation.messages)))
    return f"tooluse_{hashlib.sha256(asked.encode('utf-8', 'backslashreplace')).hexdigest()[:22]}"
