"""The families of models behind InvokeModel and Converse as data: the paths of the fields in their bodies and events.

A path is a sequence of keys with dots between them; ``*`` matches every entry of a list.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


class Family(NamedTuple):
    """The paths of the fields that are read from the bodies and stream events of a family.

    Attributes:
        name: The models.
        source: Where the shapes are documented.
        text: The paths of the text.
        stop_reason: The paths of the stop reason.
        output: The paths of what has the output: the text, tool calls and the like. Empty: the text only.
        marks: Paths, besides those of the output, that identify a body or event of this family.
        event_types: Values of ``type`` that do the same.
    """

    name: str
    source: str
    text: tuple[str, ...]
    stop_reason: tuple[str, ...]
    output: tuple[str, ...] = ()
    marks: tuple[str, ...] = ()
    event_types: frozenset[str] = frozenset()


FAMILIES: Final = (
    Family(
        name="Converse, Amazon Nova",
        source="AWS, Converse and ConverseStream; AWS, Amazon Nova, Complete request schema",
        text=("output.message.content.*.text", "contentBlockDelta.delta.text"),
        output=("output.message.content", "contentBlockStart.start", "contentBlockDelta.delta"),
        stop_reason=("stopReason", "messageStop.stopReason"),
        marks=(
            "output.message",
            "messageStart",
            "contentBlockStart",
            "contentBlockDelta",
            "contentBlockStop",
            "messageStop",
            "metadata.usage",
        ),
    ),
    Family(
        name="Anthropic Claude, Messages",
        source="AWS, Anthropic Claude Messages API; Claude API, Streaming messages",
        text=("content.*.text", "content_block.text", "delta.text"),
        output=("content", "content_block", "delta"),
        stop_reason=("stop_reason", "delta.stop_reason"),
        event_types=frozenset(
            {
                "content_block_delta",
                "content_block_start",
                "content_block_stop",
                "message",
                "message_delta",
                "message_start",
                "message_stop",
                "ping",
            }
        ),
    ),
    Family(
        name="Anthropic Claude 2, Text Completions",
        source="AWS, Anthropic Claude Text Completions API",
        text=("completion",),
        stop_reason=("stop_reason",),
    ),
    Family(
        name="Amazon Titan Text",
        source="AWS, Amazon Titan Text models",
        text=("results.*.outputText", "outputText"),
        stop_reason=("results.*.completionReason", "completionReason"),
    ),
    Family(
        name="Meta Llama",
        source="AWS, Meta Llama models",
        text=("generation",),
        stop_reason=("stop_reason",),
    ),
    Family(
        name="Mistral AI, text completion",
        source="AWS, Mistral AI text completion",
        text=("outputs.*.text",),
        stop_reason=("outputs.*.stop_reason",),
    ),
    Family(
        name="chat completions: OpenAI, Qwen, DeepSeek, Mistral AI, AI21 Jamba",
        source="OpenAI API, Chat completion; AWS, OpenAI models, DeepSeek models, Mistral AI chat completion, "
        "AI21 Labs Jamba models",
        # DeepSeek-R1 has the text of its text completion in choices.*.text; Mistral streams messages, not deltas.
        text=(
            "choices.*.message.content",
            "choices.*.message.content.*.text",
            "choices.*.delta.content",
            "choices.*.delta.content.*.text",
            "choices.*.text",
        ),
        output=("choices.*.message", "choices.*.delta", "choices.*.text"),
        stop_reason=("choices.*.finish_reason", "choices.*.stop_reason"),
        marks=("choices",),
    ),
    Family(
        name="Cohere Command, Command R",
        source="AWS, Cohere Command models; AWS, Cohere Command R and Command R+ models",
        text=("generations.*.text", "text", "message.content.*.text"),
        output=(
            "generations.*.text",
            "text",
            "tool_calls",
            "search_queries",
            "message.content",
            "message.tool_calls",
        ),
        stop_reason=("generations.*.finish_reason", "finish_reason"),
        marks=("generations", "is_finished"),
    ),
)

_STOP_REASONS: Final = (
    *dict.fromkeys(path for family in FAMILIES for path in family.stop_reason),
    "finishReason",  # TwelveLabs Pegasus, whose text is in "message"
    "amazon-bedrock-guardrailAction",  # Bedrock adds it to the body of any family
)
_TEXTS: Final = tuple(path for family in FAMILIES for path in family.text)

# Keys whose values are not output, inside of what has the output.
_BESIDE_OUTPUT: Final = frozenset({"index", "role", "stop_reason", "stop_sequence", "type"})
_REASONING: Final = frozenset(
    {"data", "reasoning", "reasoningContent", "reasoning_content", "redactedContent", "signature", "thinking"}
)

# The fields beside the output in the bodies and events of models that no family above describes, in lower case. What
# has no other field has no output.
_METADATA_FIELDS: Final = frozenset(
    {
        "__type",
        "amazon-bedrock-guardrailaction",
        "amazon-bedrock-invocationmetrics",
        "amazon-bedrock-trace",
        "code",
        "completionreason",
        "created",
        "detail",
        "error",
        "finish_reason",
        "finishreason",
        "generation_token_count",
        "id",
        "index",
        "inputtexttokencount",
        "metrics",
        "model",
        "object",
        "p",
        "param",
        "prompt_token_count",
        "request_id",
        "responsemetadata",
        "role",
        "status",
        "stop_reason",
        "stop_sequence",
        "stopreason",
        "type",
        "usage",
    }
)


def values_at(value: object, path: str) -> Iterator[object]:
    """Yield the values under a path; none where a key of it is missing."""
    key, _, rest = path.partition(".")
    if key == "*":
        found = cast("list[object]", value) if isinstance(value, list) else []
    elif isinstance(value, Mapping) and key in value:
        found = [cast("Mapping[str, object]", value)[key]]
    else:
        return
    if not rest:
        yield from found
        return
    for entry in found:
        yield from values_at(entry, rest)


def text_of(body: Mapping[str, Any]) -> str:
    """Return the text of a body or of one event of a stream, of any family; empty if it has none."""
    return "".join(text for text in _values(body, _TEXTS) if isinstance(text, str))


def stop_reasons(body: Mapping[str, Any]) -> Iterator[str]:
    """Yield the stop reasons of a body or of one event of a stream, of any family."""
    return (reason for reason in _values(body, _STOP_REASONS) if isinstance(reason, str))


def has_output(body: Mapping[str, Any], *, or_reasoning: bool = False) -> bool:
    """Return whether a body or an event of a stream has output: text, a tool call or the like that is not empty.

    A field that is not known is output in the body of a model of no known family.

    Args:
        body: The body or the event.
        or_reasoning: Whether the reasoning of the model before its answer counts, too.
    """
    families = [family for family in FAMILIES if _is_of(family, body)]
    if families:
        ignored = _BESIDE_OUTPUT if or_reasoning else _BESIDE_OUTPUT | _REASONING
        paths = (path for family in families for path in family.output or family.text)
        return any(_is_filled(value, ignored) for value in _values(body, paths))
    return any(
        value not in (None, "", [], {})
        for name, value in body.items()
        # A "message" that is a text belongs to an error, except beside a "finishReason".
        if name.lower() not in _METADATA_FIELDS
        and not (name.lower() == "message" and isinstance(value, str) and "finishReason" not in body)
    )


def _is_of(family: Family, body: Mapping[str, Any]) -> bool:
    kind = body.get("type")
    if isinstance(kind, str) and kind in family.event_types:
        return True
    return any(True for _ in _values(body, (*family.marks, *family.text)))


def _is_filled(value: object, ignored: frozenset[str]) -> bool:
    if isinstance(value, Mapping):
        fields = cast("Mapping[str, object]", value)
        return any(_is_filled(inner, ignored) for key, inner in fields.items() if key not in ignored)
    if isinstance(value, list):
        return any(_is_filled(inner, ignored) for inner in cast("list[object]", value))
    return value is not None and value != ""


def _values(body: object, paths: Iterable[str]) -> Iterator[object]:
    for path in paths:
        yield from values_at(body, path)
