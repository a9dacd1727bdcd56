"""Requests for extended thinking that Claude refuses.

Anthropic, "Extended thinking", says what cannot be combined. The words are those that users quote:
https://github.com/danny-avila/LibreChat/issues/8346 (budget), https://github.com/Aider-AI/aider/issues/3720
(temperature), https://github.com/BerriAI/litellm/issues/9001 (budget and maximum). For ``top_p``, ``top_k`` and forced
tools no quotation from Bedrock was found: the words are the emulator's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from bedrock_resilience.emulator._protocol.conversation import thinking_of
from bedrock_resilience.emulator._protocol.errors import invalid
from bedrock_resilience.emulator._protocol.jsonvalues import JsonObject, as_list, as_object, is_integer, quoted

if TYPE_CHECKING:
    from collections.abc import Iterator

_KINDS: Final = ("adaptive", "disabled", "enabled")
_MIN_BUDGET_TOKENS: Final = 1_024
_MIN_TOP_P: Final = 0.95


def check_thinking(request: JsonObject, *, prefix: str = "") -> None:
    """Check the thinking of a request in Converse's form that has passed ``check_converse``.

    Args:
        request: The request.
        prefix: What the operation puts before the words of the model.

    Raises:
        ServiceError: ``ValidationException`` for the first problem found.
    """
    for problem in _problems(request):
        raise invalid(f"{prefix}{problem}")


def _problems(request: JsonObject) -> Iterator[str]:
    thinking = thinking_of(request)
    kind = thinking.get("type", "disabled")
    if kind not in _KINDS:
        yield f"thinking: Input tag {quoted(kind)} found using 'type' does not match any of the expected tags"
    if kind != "enabled":
        return
    additional = as_object(request["additionalModelRequestFields"]) or {}
    inference = as_object(request.get("inferenceConfig")) or {}
    budget: Any = thinking.get("budget_tokens")
    if not is_integer(budget):
        yield "thinking.enabled.budget_tokens: Field required"
    elif budget < _MIN_BUDGET_TOKENS:
        yield f"thinking.enabled.budget_tokens: Input should be greater than or equal to {_MIN_BUDGET_TOKENS}"
    elif budget >= inference.get("maxTokens", budget + 1) and not _interleaved(additional):
        yield "`max_tokens` must be greater than `thinking.budget_tokens`."
    if inference.get("temperature", 1) != 1:
        yield "`temperature` may only be set to 1 when thinking is enabled."
    if inference.get("topP", 1) < _MIN_TOP_P:
        yield "`top_p` must be greater than or equal to 0.95 or unset when thinking is enabled."
    if additional.get("top_k") is not None:
        yield "`top_k` must be unset when thinking is enabled."
    if (as_object((as_object(request.get("toolConfig")) or {}).get("toolChoice")) or {}).keys() & {"any", "tool"}:
        yield "Thinking may not be enabled when tool_choice forces tool use."


def _interleaved(additional: JsonObject) -> bool:
    """Whether the budget is for several turns: with interleaved thinking it may exceed the maximum of one."""
    return any(str(beta).startswith("interleaved-thinking") for beta in as_list(additional.get("anthropic_beta")) or [])
