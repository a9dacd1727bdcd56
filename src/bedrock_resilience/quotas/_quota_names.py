"""Which quota of Service Quotas belongs to which model: the rules, and the names that need a table.

Service Quotas has no model ids: a quota has a code and a name, such as "Cross-region model inference tokens per minute
for Anthropic Claude Sonnet 4.5 V1". A name is taken apart into what it counts, for which way to call the model, and the
words of the model. It belongs to a model whose id has exactly these words, so that a name with a word more ("... 1M
Context Length", "Sonnet 4.6" for Sonnet 4) never matches.

The names are those of AWS General Reference, "Amazon Bedrock endpoints and quotas", and of listings of accounts, read
on 28 November 2026.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final, Literal

from bedrock_resilience.quotas._models import PROFILE_PREFIXES, model_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    Scope = Literal["on-demand", "cross-region", "global", "custom", "mantle"]
    QuotaField = Literal[
        "requests_per_minute",
        "tokens_per_minute",
        "tokens_per_day",
        "input_tokens_per_minute",
        "output_tokens_per_minute",
    ]

_PROVIDER_WORDS: Final[Mapping[str, frozenset[str]]] = {
    "ai21": frozenset({"ai", "21", "labs"}),
    "amazon": frozenset({"amazon"}),
    "anthropic": frozenset({"anthropic"}),
    "cohere": frozenset({"cohere"}),
    "deepseek": frozenset({"deepseek"}),
    "google": frozenset({"google"}),
    "luma": frozenset({"luma", "ai"}),
    "meta": frozenset({"meta"}),
    "minimax": frozenset({"minimax"}),
    "mistral": frozenset({"mistral", "ai"}),
    "moonshot": frozenset({"moonshot", "ai"}),
    "moonshotai": frozenset({"moonshot", "ai"}),
    "nvidia": frozenset({"nvidia"}),
    "openai": frozenset({"openai"}),
    "qwen": frozenset({"qwen"}),
    "stability": frozenset({"stability.ai", "stability", "ai"}),
    "twelvelabs": frozenset({"twelve", "labs", "twelvelabs"}),
    "writer": frozenset({"writer", "ai"}),
    "xai": frozenset({"xai"}),
    "zai": frozenset({"z.ai", "zai"}),
}
"""How the names of quotas begin for the models of a provider; many leave it out."""

_OTHER_WORDS: Final[Mapping[str, str]] = {
    "amazon.rerank": "rerank 1",
    "amazon.titan-embed-g1-text": "titan text embeddings",
    "amazon.titan-embed-image": "titan multimodal embeddings g1",
    "cohere.embed-english": "embed english",
    "cohere.embed-multilingual": "embed multilingual",
    "meta.llama4-maverick-17b": "llama 4 maverick",
    "meta.llama4-scout-17b": "llama 4 scout",
    "mistral.magistral-small-2509": "magistral small 1.2",
    "mistral.ministral-3-14b": "ministral 14b 3",
    "mistral.ministral-3-3b": "ministral 3b 3",
    "mistral.ministral-3-8b": "ministral 8b 3",
    "mistral.mistral-large-2402": "mistral large",
    "mistral.mistral-large-3-675b": "mistral large 3",
    "mistral.mistral-small-2402": "mistral small",
    "mistral.voxtral-mini-3b-2507": "voxtral mini 1",
    "mistral.voxtral-small-24b-2507": "voxtral small 1",
    "nvidia.nemotron-nano-12b": "nemotron nano 2 vl",
    "nvidia.nemotron-nano-9b": "nemotron nano 2",
    "nvidia.nemotron-super-3-120b": "nemotron 3 super 120b a12b",
    "stability.stable-conservative-upscale": "stable image conservative upscale",
    "stability.stable-creative-upscale": "stable image creative upscale",
    "stability.stable-fast-upscale": "stable image fast upscale",
    "stability.stable-outpaint": "stable image outpaint",
    "stability.stable-style-transfer": "stable image style transfer",
    "twelvelabs.marengo-embed-2-7": "marengo",
    "twelvelabs.pegasus-1-2": "pegasus",
}
"""Models whose quotas are named by other words than their ids have: the beginning of the id -> the words."""

_SAME_WORDS: Final[Mapping[str, tuple[str, ...]]] = {
    "8x7bb": ("8x7b",),  # as Service Quotas spells Mixtral's
    "embeddings": ("embed",),
    "sd": ("stable", "diffusion"),
}
_WORDS_WITHOUT_MEANING: Final = frozenset({"and", "chat", "instruct", "it", "model", "v0", "v1"})

_NAME: Final = re.compile(
    r"(?P<scope>|global cross-region|cross-region|on-demand|\(model customization\) sum of on-demand) ?"
    r"(?:model inference|model invocation|invokemodel|custom model deployment)(?: max)? "
    r"(?P<counts>requests per minute|tokens per minute|tokens per day) "
    r"for (?P<model>.+?)(?P<doubled> \(doubled for cross-region calls\))?"
)
# Of all models of an account and Region together. On 21 September 2026 it replaced the daily quotas of most models.
_ACCOUNT_NAME: Final = "cross-model max tokens per day"
_MANTLE_NAME: Final = re.compile(
    r"(?:\[bedrock-mantle endpoint\]|bedrock mantle) (?P<counts>input|output) tokens per minute for (?P<model>.+)"
)

# "-v1:0" and "-v2"; OpenAI's "-1:0"; a version that is part of the name keeps its number: Cohere's "rerank-v3-5:0".
_REVISION: Final = re.compile(r"-v(\d+)(?::\d+)?$|-1:\d+$|:\d+$")
_CONTEXT_WINDOW: Final = re.compile(r"(:\d+):\d+[km]?$")  # "-v1:0:200k", the same model with another context window
_DATE: Final = re.compile(r"20\d{6}$")
_VERSION: Final = re.compile(r"v?\d{1,2}(?:\.\d{1,2})?$")
_WORD_AND_VERSION: Final = re.compile(r"([a-z]{2,})(\d+(?:\.\d+)?)$")


@dataclass(frozen=True, slots=True)
class QuotaName:
    """The name of a quota, taken apart.

    Attributes:
        field: What it counts: the field of ``Quota``.
        scopes: The ways to call the model that it applies to.
        model: How it names the model, in lower case; empty for a quota of all models together.
        doubled: Whether it is twice as much for calls through a profile of several Regions.
    """

    field: QuotaField
    scopes: frozenset[Scope]
    model: str
    doubled: bool = False

    @property
    def of_all_models(self) -> bool:
        """Whether it is a quota of all models together."""
        return not self.model


@lru_cache(maxsize=4_096)  # a listing has some 1,500 names, and every model is compared with all of them
def parse_quota_name(name: str) -> QuotaName | None:
    """Take the name of a quota apart; None for one that counts neither the requests nor the tokens of a model.

    >>> parse_quota_name("Cross-Region InvokeModel tokens per minute for Claude 3.5 Sonnet V2").model
    'claude 3.5 sonnet v2'
    """
    lower = " ".join(name.lower().replace("cross region", "cross-region").replace("on demand", "on-demand").split())
    if lower == _ACCOUNT_NAME:
        return QuotaName("tokens_per_day", frozenset({"on-demand", "cross-region", "global", "custom"}), "")
    found = _MANTLE_NAME.fullmatch(lower)
    if found is not None:
        field: QuotaField = "input_tokens_per_minute" if found["counts"] == "input" else "output_tokens_per_minute"
        return QuotaName(field, frozenset({"mantle"}), found["model"])
    found = _NAME.fullmatch(lower)
    if found is None:
        return None
    return QuotaName(_FIELDS[found["counts"]], _scopes(found), found["model"], doubled=bool(found["doubled"]))


_FIELDS: Final[Mapping[str, QuotaField]] = {
    "requests per minute": "requests_per_minute",
    "tokens per minute": "tokens_per_minute",
    "tokens per day": "tokens_per_day",
}


_SCOPES: Final[Mapping[str, Scope]] = {
    "": "on-demand",
    "on-demand": "on-demand",
    "cross-region": "cross-region",
    "global cross-region": "global",
    "(model customization) sum of on-demand": "custom",
}


def _scopes(found: re.Match[str]) -> frozenset[Scope]:
    # "Model invocation max tokens per day for ...": of calls in one Region and through its profile alike.
    if not found["scope"] and found["counts"] == "tokens per day":
        return frozenset({"on-demand", "cross-region"})
    return frozenset({_SCOPES[found["scope"]]})


def split_profile(model_id: str) -> tuple[str, Scope]:
    """Split a model or profile id into the model's id, and how it is called.

    >>> split_profile("eu.anthropic.claude-sonnet-4-6")
    ('anthropic.claude-sonnet-4-6', 'cross-region')
    >>> split_profile("zai.glm-4.7")
    ('zai.glm-4.7', 'on-demand')
    """
    name = model_name(model_id)
    prefix, _, rest = name.partition(".")
    # A prefix that is not in the list precedes a provider.
    if f"{prefix}." not in PROFILE_PREFIXES and (prefix in _PROVIDER_WORDS or not _begins_with_provider(rest)):
        return name, "on-demand"
    return rest, "global" if prefix == "global" else "cross-region"


def _begins_with_provider(name: str) -> bool:
    provider, dot, _ = name.partition(".")
    return bool(dot) and provider in _PROVIDER_WORDS


class QuotaNames:
    """The words for a model in the names of quotas.

    Args:
        model_id: The id of the model, without the prefix of a profile.
    """

    __slots__ = ("_accepted", "_provider")

    def __init__(self, model_id: str) -> None:
        provider, _, rest = model_id.lower().partition(".")
        self._provider: frozenset[str] = _PROVIDER_WORDS.get(provider, frozenset({provider}))
        name = _CONTEXT_WINDOW.sub(r"\1", rest or provider)
        revision = _REVISION.search(name)
        stem = name[: revision.start()] if revision else name
        version = f"v{revision[1]}" if revision and revision[1] else "v1"
        words = [word for word in re.split(r"[-_:]", stem) if not _DATE.fullmatch(word)]
        self._accepted: list[frozenset[str]] = [_canonical([*_with_versions(words), version])]
        other = [text for start, text in _OTHER_WORDS.items() if _begins(f"{provider}.{stem}", start)]
        self._accepted += [_canonical(text.split()) for text in other]

    def match(self, quota_model: str) -> bool:
        """Return whether a quota names this model, by the ``model`` of a ``QuotaName``."""
        named = _canonical(_with_versions(re.split(r"[-\s(),]+", quota_model.replace("+", " plus"))))
        return any(named - (self._provider - accepted) == accepted for accepted in self._accepted)


def _begins(name: str, start: str) -> bool:
    return name == start or name.startswith(f"{start}-")


def _with_versions(words: Iterable[str]) -> list[str]:
    """Join the digits of a version to one word: ``claude 3 5`` to ``claude 3.5``, ``llama3 1`` to ``llama 3.1``."""
    joined: list[str] = []
    for word in words:
        glued = _WORD_AND_VERSION.fullmatch(word)
        for part in glued.groups() if glued else (word,):
            second = part.isdecimal() and len(part) <= 2  # noqa: PLR2004 - more digits are a date
            if second and joined and _VERSION.fullmatch(joined[-1]) and "." not in joined[-1]:
                joined[-1] = f"{joined[-1]}.{part}"
            else:
                joined.append(part)
    return joined


def _canonical(words: Iterable[str]) -> frozenset[str]:
    known = (part for word in words for part in _SAME_WORDS.get(word, (word,)))
    return frozenset(_canonical_version(word) for word in known if word) - _WORDS_WITHOUT_MEANING


def _canonical_version(word: str) -> str:
    if re.fullmatch(r"v?\d+\.\d+", word):
        digits = word.removeprefix("v").removesuffix(".0")
        # Mistral's "25.02" is a date, "2502" in the id.
        return digits.replace(".", "") if re.fullmatch(r"2\d\.\d\d", digits) else digits
    return word
