"""Bedrock's token accounting: what a call reserves when it starts, and what it costs when it ends.

The rules are those of the AWS page "How tokens are counted" (read November 2026):

- start: ``total input tokens + maxTokens`` are deducted from the tokens-per-minute quota; a call that does not fit is
  throttled;
- end: the call is settled at ``InputTokenCount + CacheWriteInputTokens + OutputTokenCount x burndown``; the rest is
  refunded.

The settlement can exceed the reservation: 3,000 tokens in, maxTokens 1,000 and 600 tokens out reserve 4,000 and
settle at 6,000 on a model with burndown 5. Cache reads do not count when settling; whether they count when reserving
is not documented.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, cast

from bedrock_resilience._checks import number, refuse, whole_number
from bedrock_resilience.quotas._models import MODEL_MAX_TOKENS, check_model_id, longest_family

__all__ = [
    "TokenEstimator",
    "Usage",
    "burndown_rate",
    "reserved_tokens",
    "settled_tokens",
    "usage_from",
]

IMAGE_TOKENS: Final = 1_600
"""An image counts about (width x height) / 750 tokens; larger ones are scaled down to about this many (Anthropic,
"Vision").
"""


@dataclass(frozen=True, slots=True)
class Usage:
    """The tokens of one answered call, as Bedrock reports them.

    With prompt caching ``input_tokens`` excludes what was read from or written to the cache; the whole input is the sum
    of the three (AWS, "Prompt caching").

    Raises:
        TypeError: A count is not an integer.
        ValueError: A count is negative. Both name every such field.
    """

    input_tokens: int
    output_tokens: int
    cache_write_input_tokens: int = 0
    cache_read_input_tokens: int = 0

    def __post_init__(self) -> None:
        refuse("Usage", *(whole_number(field, getattr(self, field), least=0) for field in self.__slots__))

    @property
    def total_input_tokens(self) -> int:
        """All tokens that the model read, from the cache or not."""
        return self.input_tokens + self.cache_write_input_tokens + self.cache_read_input_tokens


BURNDOWN_BY_FAMILY: Final = {
    **dict.fromkeys(("claude-3-7", "claude-haiku-4", "claude-opus-4", "claude-sonnet-4"), 5.0),
    **dict.fromkeys(("claude-opus-5", "claude-sonnet-5"), 10.0),
    **dict.fromkeys(("claude-haiku-4-8", "claude-opus-4-8", "claude-sonnet-4-8"), 15.0),
}
"""The rows of ``BURNDOWN_RATES``: family -> rate."""


def burndown_rate(model_id: str, overrides: Mapping[str, float] | None = None) -> float:
    """Return how many tokens of quota one output token of this model costs.

    Args:
        model_id: A model id, a profile id or an ARN of either. The ARN of an application inference profile names no
            model, so its rate is 1.
        overrides: Family -> rate, tried before ``BURNDOWN_RATES``.

    Raises:
        TypeError: ``model_id`` is not a ``str``, or the rate found in ``overrides`` is not a number.
        ValueError: The rate is not positive and finite. Both name the family.

    >>> burndown_rate("eu.anthropic.claude-sonnet-4-5-20250929-v1:0")
    5.0
    >>> burndown_rate("amazon.nova-lite-v1:0")
    1.0
    >>> burndown_rate("amazon.nova-lite-v1:0", {"nova-lite": 2.0})
    2.0
    """
    check_model_id("burndown_rate", model_id)
    family = longest_family(model_id, overrides or {})
    if overrides and family is not None:
        check_burndown(family, overrides[family])
        return overrides[family]
    return _known_burndown(model_id)


@lru_cache(maxsize=256)  # every request of a paced client asks, and most clients call few models
def _known_burndown(model_id: str) -> float:
    family = longest_family(model_id, BURNDOWN_BY_FAMILY)
    return 1.0 if family is None else BURNDOWN_BY_FAMILY[family]


def check_burndown(family: str, given: object) -> None:
    """Refuse a rate that is not a number (TypeError), or not positive and finite (ValueError)."""
    refuse("burndown", number(repr(family), given, above=0))


def reserved_tokens(
    input_tokens: int, max_tokens: int | None = None, *, model_max_tokens: int = MODEL_MAX_TOKENS
) -> int:
    """Return the tokens deducted from the quota when a call starts.

    Args:
        input_tokens: All input tokens, cached ones included.
        max_tokens: The request's ``maxTokens``; None reserves the model's maximum.
        model_max_tokens: The model's maximum, see ``max_output_tokens``.

    >>> reserved_tokens(3_000, 1_000)
    4000
    >>> reserved_tokens(100)
    64100
    """
    return input_tokens + (model_max_tokens if max_tokens is None else max_tokens)


def settled_tokens(usage: Usage, burndown: float = 1.0) -> float:
    """Return the tokens that a call cost, once it has ended.

    >>> settled_tokens(Usage(3_000, 600), burndown=5)
    6000
    """
    return usage.input_tokens + usage.cache_write_input_tokens + usage.output_tokens * burndown


# Names of (input, output, cache write, cache read), in this order. Converse and its stream's metadata. The body of
# InvokeModel (Claude, Cohere). The last chunk of InvokeModelWithResponseStream. The response headers of InvokeModel.
# Chat completions (OpenAI and others), whose input includes what was read from a cache. Llama. An event of Titan's
# stream.
_NAMES: Final = (
    ("inputTokens", "outputTokens", "cacheWriteInputTokens", "cacheReadInputTokens"),
    ("input_tokens", "output_tokens", "cache_creation_input_tokens", "cache_read_input_tokens"),
    ("inputTokenCount", "outputTokenCount", "cacheWriteInputTokenCount", "cacheReadInputTokenCount"),
    (
        "x-amzn-bedrock-input-token-count",
        "x-amzn-bedrock-output-token-count",
        "x-amzn-bedrock-cache-write-input-token-count",
        "x-amzn-bedrock-cache-read-input-token-count",
    ),
    ("prompt_tokens", "completion_tokens", "", ""),
    ("prompt_token_count", "generation_token_count", "", ""),
    ("inputTextTokenCount", "totalOutputTextTokenCount", "", ""),
)

# The paths of these counts, the most specific one first.
_PLACES: Final = (
    ("usage",),
    ("metadata", "usage"),
    ("amazon-bedrock-invocationMetrics",),
    (),
    ("meta", "tokens"),
    ("meta", "billed_units"),
    ("ResponseMetadata", "HTTPHeaders"),
)

_LENGTH_REASONS: Final = frozenset({"length", "max_tokens", "max_output_tokens"})


def usage_from(response: object) -> Usage | None:
    """Return the usage that a response reports; None if it reports none that can be read.

    It reads the response of ``converse()`` and the ``metadata`` event of its stream. For InvokeModel, it reads the
    decoded body for every family of models that reports its usage there, and the last chunk of the stream. It also
    reads the return values of boto3's ``invoke_model()`` (from the response headers; the body is left unread) and of
    ``bedrock.invoke_model()``. In a list of events, the last that reports a usage counts.

    >>> usage_from({"usage": {"inputTokens": 12, "outputTokens": 3, "totalTokens": 15}})
    Usage(input_tokens=12, output_tokens=3, cache_write_input_tokens=0, cache_read_input_tokens=0)
    """
    if isinstance(response, list):
        events = reversed(cast("list[object]", response))
        return next((usage for event in events if (usage := usage_from(event)) is not None), None)
    for place in _PLACES:
        counts = _at(response, place)
        for names in _NAMES if counts else ():  # pragma: no mutate - where nothing is, nothing is found
            usage = _usage(counts, names)
            if usage is not None:
                return usage
    beside = getattr(response, "response_metadata", None)
    return _of_titan(response) or (None if beside is None else usage_from({"ResponseMetadata": beside}))


def stopped_for_length(response: object) -> bool:
    """Return whether a response of an API of ``bedrock-mantle``, or an event of its stream, stopped for its length.

    >>> stopped_for_length({"choices": [{"finish_reason": "length"}]})
    True
    """
    fields = _at(response, ())
    choices = fields.get("choices")
    choice = cast("list[object]", choices)[0] if isinstance(choices, list) and choices else None
    found = (
        fields.get("stop_reason"),  # Messages
        _at(response, ("delta",)).get("stop_reason"),  # its stream
        _at(choice, ()).get("finish_reason"),  # Chat Completions
        _at(response, ("incomplete_details",)).get("reason"),  # Responses
        _at(response, ("response", "incomplete_details")).get("reason"),  # its stream
    )
    return not _LENGTH_REASONS.isdisjoint(reason for reason in found if isinstance(reason, str))


def _of_titan(response: object) -> Usage | None:
    # The body of Titan counts the output of each result.
    fields = _at(response, ())
    given, results = _count(fields.get("inputTextTokenCount")), fields.get("results")
    if given is None or not isinstance(results, list):
        return None
    produced = [_count(_at(result, ()).get("tokenCount")) for result in cast("list[object]", results)]
    return Usage(given, sum(count or 0 for count in produced)) if produced and None not in produced else None


def _at(response: object, place: tuple[str, ...]) -> Mapping[str, object]:
    found = response
    for key in place:
        found = cast("Mapping[str, object]", found).get(key) if isinstance(found, Mapping) else None
    return cast("Mapping[str, object]", found) if isinstance(found, Mapping) else {}


def _usage(counts: Mapping[str, object], names: tuple[str, str, str, str]) -> Usage | None:
    if names[0] not in counts:  # pragma: no mutate - where the first is missing, they are of another shape
        return None
    given, produced, written, read = (_count(counts.get(name)) for name in names)
    if given is None or produced is None:
        return None
    return Usage(given, produced, written or 0, read or 0)


def _count(value: object) -> int | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value if value >= 0 else None
    # Header values are text.
    return int(value) if isinstance(value, str) and value.isascii() and value.isdigit() else None


class TokenEstimator:
    """Estimates the input tokens of a request from its length, and learns from the usage of responses. Thread-safe.

    A pacer requires the tokens of a call before Bedrock has counted them. CountTokens costs a round trip and does not
    accept cross-Region profiles. The estimate is ``characters x ratio``, and the ratio follows what responses report
    with exponential smoothing, so use one estimator for each kind of prompt. Images count as a fixed number of tokens.

    Args:
        tokens_per_character: The first ratio. The default assumes 3.5 characters a token, which is on the safe side for
            English with Claude (about 4).
        weight: Share of a new observation in the ratio, 0 < weight <= 1.

    Raises:
        TypeError: An argument is not a number.
        ValueError: It is out of range. Both name every such argument.
    """

    __slots__ = ("_lock", "_ratio", "_weight")

    def __init__(self, tokens_per_character: float = 1 / 3.5, weight: float = 0.2) -> None:
        refuse(
            "TokenEstimator",
            number("tokens_per_character", tokens_per_character, above=0),
            number("weight", weight, above=0, most=1),
        )
        self._ratio = tokens_per_character
        self._weight = weight
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"TokenEstimator(tokens_per_character={self._ratio:.4g}, weight={self._weight!r})"

    @property
    def tokens_per_character(self) -> float:
        """The ratio learned so far."""
        return self._ratio

    def estimate(self, request: object) -> int:
        """Return the input tokens that this request, or text, is expected to have.

        >>> TokenEstimator(tokens_per_character=0.25).estimate("four characters a token")
        6
        """
        characters, fixed = _measure(request)
        return math.ceil(characters * self._ratio) + fixed

    def learn(self, request: object, usage: Usage) -> None:
        """Adapt the ratio to what Bedrock counted for this request. A request without text changes nothing."""
        characters, fixed = _measure(request)
        observed = usage.total_input_tokens - fixed
        if characters == 0 or observed <= 0:
            return
        with self._lock:
            self._ratio += self._weight * (observed / characters - self._ratio)


# Parts of a request that the model does not read.
_UNREAD: Final = frozenset(
    {
        "additionalModelRequestFields",
        "additionalModelResponseFieldPaths",
        "endpoint",
        "guardrailConfig",
        "inferenceConfig",
        "modelId",
        "performanceConfig",
        "requestMetadata",
        "serviceTier",
        "toolChoice",
    }
)

# The types of images in the bodies of Claude, and of Chat Completions and Responses.
_IMAGE_TYPES: Final = ("image", "image_url", "input_image")


def _measure(part: object) -> tuple[int, int]:
    """Return the characters of all texts in a request (or a part of it), and the tokens of its images."""
    if isinstance(part, str | bytes | bytearray):
        return len(part), 0
    if isinstance(part, Mapping):
        fields = cast("Mapping[object, object]", part)
        if "image" in fields or fields.get("type") in _IMAGE_TYPES:
            return 0, IMAGE_TOKENS
        names = sum(len(name) for name in fields if isinstance(name, str))
        sizes = [_measure(value) for name, value in fields.items() if name not in _UNREAD]
    elif isinstance(part, list | tuple):
        names = 0
        sizes = [_measure(value) for value in cast("list[object]", part)]
    else:
        return 0, 0
    return names + sum(size for size, _ in sizes), sum(fixed for _, fixed in sizes)
