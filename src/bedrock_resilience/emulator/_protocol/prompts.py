"""Prompts of Prompt management, which Converse takes by their ARN in place of a model."""

from __future__ import annotations

from typing import Any, Final

from bedrock_resilience.emulator._protocol.checks import require_object, require_string
from bedrock_resilience.emulator._protocol.errors import invalid
from bedrock_resilience.emulator._protocol.jsonvalues import JsonObject, as_list
from bedrock_resilience.emulator._protocol.validation import merged_turns

# Converse's documentation: a prompt defines these itself. No source was found for the words of the refusal.
_REFUSED: Final = ("additionalModelRequestFields", "inferenceConfig", "system", "toolConfig")


def prompt_request(request: JsonObject) -> JsonObject:
    """The request that a prompt makes of its variables. The emulator stores no prompts: it sends the variables as text.

    Further messages follow, as the documentation says.

    Raises:
        ServiceError: ``ValidationException`` for a field that the prompt defines.
    """
    for name in _REFUSED:
        if name in request:
            raise invalid(f"{name}: not accepted together with a prompt from Prompt management, which defines it")
    variables = require_object(request.get("promptVariables") or {}, "promptVariables")
    values = [
        f"{name}: {require_string(require_object(value, path).get('text'), f'{path}.text')}"
        for name, value in variables.items()
        for path in [f"promptVariables.{name}"]
    ]
    further: list[Any] = as_list(request.get("messages")) or []
    said = {"role": "user", "content": [{"text": "\n".join(values) or "The prompt has no variables."}]}
    return {**request, "messages": merged_turns([said, *further])}
