"""The data on models that quotas use: their names in ids, and the most tokens that each can produce, with dates."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from bedrock_resilience._checks import instance, refuse

if TYPE_CHECKING:
    from collections.abc import Iterable

MODEL_MAX_TOKENS: Final = 64_000
"""What a request without ``max_tokens`` reserves for its output on a model of no known family: the maximum of Claude
Sonnet 4.5."""

PROFILE_PREFIXES: Final = ("apac.", "au.", "ca.", "eu.", "global.", "in.", "jp.", "us-gov.", "us.")
"""How the ids of cross-Region inference profiles begin."""

_CLAUDE: Final = "Anthropic, Models overview"
_PARAMETERS: Final = "AWS, Inference request parameters and response fields for foundation models"
_NOVA: Final = "Amazon, Amazon Nova models"

MAX_OUTPUT_ROWS: Final = (
    ("claude-3", 4_096, _CLAUDE),
    ("claude-3-5", 8_192, _CLAUDE),
    ("claude-3-7", 64_000, _CLAUDE),
    ("claude-fable-5", 128_000, _CLAUDE),
    ("claude-haiku-4", 64_000, _CLAUDE),
    ("claude-haiku-5", 128_000, _CLAUDE),
    ("claude-opus-4", 32_000, _CLAUDE),
    ("claude-opus-4-5", 64_000, _CLAUDE),
    ("claude-opus-4-6", 128_000, _CLAUDE),
    ("claude-opus-4-7", 128_000, _CLAUDE),
    ("claude-opus-4-8", 128_000, _CLAUDE),
    ("claude-opus-5", 128_000, _CLAUDE),
    ("claude-sonnet-4", 64_000, _CLAUDE),
    ("claude-sonnet-4-6", 128_000, _CLAUDE),
    ("claude-sonnet-5", 128_000, _CLAUDE),
    ("titan-text-express", 8_192, _PARAMETERS),
    ("titan-text-lite", 4_096, _PARAMETERS),
    ("titan-text-premier", 3_072, _PARAMETERS),
    ("cohere.command", 4_096, _PARAMETERS),
    ("llama2", 2_048, _PARAMETERS),
    ("llama3", 2_048, _PARAMETERS),
    ("llama3-1", 8_192, _PARAMETERS),
    ("llama3-2", 8_192, _PARAMETERS),
    ("llama3-3", 8_192, _PARAMETERS),
    ("llama4", 8_192, _PARAMETERS),
    ("mistral-7b", 8_192, _PARAMETERS),
    ("mixtral-8x7b", 4_096, _PARAMETERS),
    ("mistral-large", 8_192, _PARAMETERS),
    ("mistral-small", 8_192, _PARAMETERS),
    ("deepseek.r1", 32_768, _PARAMETERS),
    ("gpt-oss", 128_000, _PARAMETERS),
    ("nova", 10_000, _NOVA),
    ("nova-2", 65_535, _NOVA),
    # They return vectors and scores, which are not counted as tokens.
    ("titan-embed", 0, _PARAMETERS),
    ("nova-2-multimodal-embeddings", 0, _PARAMETERS),
    ("cohere.embed", 0, _PARAMETERS),
    ("marengo-embed", 0, _PARAMETERS),
    ("rerank", 0, _PARAMETERS),
)
"""The rows of ``MAX_OUTPUT_TOKENS``: family, tokens and source."""

_KNOWN_MAXIMA: Final = {family: tokens for family, tokens, _ in MAX_OUTPUT_ROWS}


@lru_cache(maxsize=256)  # every request of a paced client asks, and most clients call few models
def max_output_tokens(model_id: str) -> int:
    """Return the most output tokens of a model: that of its family, or 64,000 if the family is not known.

    Args:
        model_id: A model id, a profile id or an ARN of either.

    Raises:
        TypeError: ``model_id`` is not a ``str``.

    >>> max_output_tokens("eu.anthropic.claude-opus-4-1-20250805-v1:0"), max_output_tokens("my-model")
    (32000, 64000)
    """
    check_model_id("max_output_tokens", model_id)
    family = longest_family(model_id, _KNOWN_MAXIMA)
    return MODEL_MAX_TOKENS if family is None else _KNOWN_MAXIMA[family]


def check_model_id(owner: str, given: object) -> None:
    """Refuse a model id that is not a ``str``."""
    refuse(owner, instance("model_id", given, str, "a model id, a profile id, or an ARN of either"))


def longest_family(model_id: str, families: Iterable[str]) -> str | None:
    """Return the longest of the families that a model id contains; None if it contains none."""
    # No digit may follow: claude-opus-4-8 is not the family of a claude-opus-4-80, nor claude-opus-4 that of
    # claude-opus-45.
    found = [name for name in families if name in model_id and re.search(re.escape(name) + r"(?!\d)", model_id)]
    return max(found, key=len, default=None)


def model_name(model_id: str) -> str:
    """Return the model or profile id at the end of an ARN; any other id as it is.

    >>> model_name("arn:aws:bedrock:eu-west-3:1:inference-profile/eu.anthropic.claude-sonnet-4-5-20250929-v1:0")
    'eu.anthropic.claude-sonnet-4-5-20250929-v1:0'
    """
    return model_id.rpartition("/")[2] if model_id.startswith("arn:") else model_id


def base_model_id(model_id: str) -> str:
    """Return the id of the model behind a cross-Region inference profile or an ARN of either; any other id unchanged.

    >>> base_model_id("eu.anthropic.claude-sonnet-4-5-20250929-v1:0")
    'anthropic.claude-sonnet-4-5-20250929-v1:0'
    """
    name = model_name(model_id)
    return next((name.removeprefix(prefix) for prefix in PROFILE_PREFIXES if name.startswith(prefix)), name)
