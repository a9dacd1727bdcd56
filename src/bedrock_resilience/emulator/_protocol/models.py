"""What is known of models: the most output tokens, modalities and ways to call each family. Data, with its date."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Final

from bedrock_resilience.quotas import MODEL_MAX_TOKENS, model_name

if TYPE_CHECKING:
    from collections.abc import Mapping

AS_OF: Final = date(2026, 11, 28)
"""When the tables of this module were read."""

MAX_OUTPUT_TOKENS: Final[Mapping[str, int]] = {
    # Anthropic, "Models overview": 4.6 and later have 128,000, except Haiku 4.5 and the 4.5 family with 64,000.
    "claude-3": 4_096,
    "claude-3-5": 8_192,
    "claude-3-7": 64_000,
    "claude-haiku-4": 64_000,
    "claude-opus-4": 32_000,
    "claude-opus-4-5": 64_000,
    **dict.fromkeys(("claude-opus-4-6", "claude-opus-4-7", "claude-opus-4-8", "claude-sonnet-4-6"), 128_000),
    "claude-sonnet-4": 64_000,
    **dict.fromkeys(("claude-haiku-5", "claude-opus-5", "claude-sonnet-5"), 128_000),
    # AWS, "Inference request parameters and response fields for foundation models", one page a family.
    "titan-text-express": 8_192,
    "titan-text-lite": 4_096,
    "titan-text-premier": 3_072,
    "cohere.command": 4_096,
    "llama2": 2_048,
    "llama3": 2_048,
    "llama3-1": 8_192,
    "llama3-2": 8_192,
    "llama3-3": 8_192,
    "llama4": 8_192,
    "mistral-7b": 8_192,
    "mixtral-8x7b": 4_096,
    "mistral-large": 8_192,
    "mistral-small": 8_192,
    "deepseek.r1": 32_768,
    "gpt-oss": 128_000,
    # Amazon, "Amazon Nova models": 10,000 for the first generation, 65,535 for the second.
    "nova": 10_000,
    "nova-2": 65_535,
}
"""Family to the most output tokens of a response. The longest family that a model id contains applies."""

PROFILE_PREFIXES: Final = ("apac.", "au.", "ca.", "eu.", "global.", "jp.", "us-gov.", "us.")
"""How the ids of cross-Region inference profiles begin."""


@dataclass(frozen=True, slots=True)
class Model:
    """A foundation model, as the control plane describes it.

    Attributes:
        model_id: Its id.
        name: Its name.
        inputs: Input modalities, such as ``TEXT`` and ``IMAGE``.
        outputs: Output modalities: ``TEXT`` or ``EMBEDDING``.
        profile_only: Whether it can be called through an inference profile only.
        legacy: Whether its lifecycle is ``LEGACY``.
    """

    model_id: str
    name: str
    inputs: tuple[str, ...] = ("TEXT",)
    outputs: tuple[str, ...] = ("TEXT",)
    profile_only: bool = False
    legacy: bool = False

    @property
    def provider(self) -> str:
        """The provider's name."""
        return _PROVIDERS[self.model_id.partition(".")[0]]

    @property
    def streams(self) -> bool:
        """Whether responses can be streamed."""
        return "TEXT" in self.outputs and "rerank" not in self.model_id


_PROVIDERS: Final = {
    "amazon": "Amazon",
    "anthropic": "Anthropic",
    "cohere": "Cohere",
    "meta": "Meta",
    "mistral": "Mistral AI",
    "openai": "OpenAI",
}
_SEEING: Final = ("TEXT", "IMAGE")
_WATCHING: Final = ("TEXT", "IMAGE", "VIDEO")

MODELS: Final[Mapping[str, Model]] = {
    model.model_id: model
    for model in (
        # AWS, "Supported foundation models in Amazon Bedrock" and "Supported Regions for inference profiles": Claude
        # models from 3.7 on, Nova Premier and Llama from 3.1 on are called through profiles (in Europe).
        Model("anthropic.claude-3-haiku-20240307-v1:0", "Claude 3 Haiku", _SEEING, legacy=True),
        Model("anthropic.claude-3-5-sonnet-20240620-v1:0", "Claude 3.5 Sonnet", _SEEING, legacy=True),
        Model(
            "anthropic.claude-3-7-sonnet-20250219-v1:0", "Claude 3.7 Sonnet", _SEEING, profile_only=True, legacy=True
        ),
        Model("anthropic.claude-sonnet-4-20250514-v1:0", "Claude Sonnet 4", _SEEING, profile_only=True, legacy=True),
        Model("anthropic.claude-haiku-4-5-20251001-v1:0", "Claude Haiku 4.5", _SEEING, profile_only=True),
        Model(
            "anthropic.claude-sonnet-4-5-20250929-v1:0", "Claude Sonnet 4.5", _SEEING, profile_only=True, legacy=True
        ),
        Model("anthropic.claude-opus-4-5-20251101-v1:0", "Claude Opus 4.5", _SEEING, profile_only=True),
        Model("anthropic.claude-sonnet-4-6", "Claude Sonnet 4.6", _SEEING, profile_only=True),
        Model("amazon.nova-micro-v1:0", "Nova Micro"),
        Model("amazon.nova-lite-v1:0", "Nova Lite", _WATCHING),
        Model("amazon.nova-pro-v1:0", "Nova Pro", _WATCHING),
        Model("amazon.titan-text-express-v1", "Titan Text G1 - Express", legacy=True),
        Model("amazon.titan-embed-text-v1", "Titan Embeddings G1 - Text", outputs=("EMBEDDING",)),
        Model("amazon.titan-embed-text-v2:0", "Titan Text Embeddings V2", outputs=("EMBEDDING",)),
        Model("amazon.rerank-v1:0", "Rerank 1.0"),
        Model("cohere.command-text-v14", "Command", legacy=True),
        Model("cohere.command-r-v1:0", "Command R"),
        Model("cohere.command-r-plus-v1:0", "Command R+"),
        Model("cohere.embed-english-v3", "Embed English", outputs=("EMBEDDING",)),
        Model("cohere.embed-multilingual-v3", "Embed Multilingual", outputs=("EMBEDDING",)),
        Model("cohere.rerank-v3-5:0", "Rerank 3.5"),
        Model("meta.llama3-8b-instruct-v1:0", "Llama 3 8B Instruct"),
        Model("meta.llama3-1-70b-instruct-v1:0", "Llama 3.1 70B Instruct", profile_only=True),
        Model("mistral.mistral-7b-instruct-v0:2", "Mistral 7B Instruct"),
        Model("mistral.mistral-large-2402-v1:0", "Mistral Large (24.02)"),
        Model("mistral.mistral-large-2407-v1:0", "Mistral Large (24.07)"),
        Model("openai.gpt-oss-20b-1:0", "gpt-oss-20b"),
        Model("openai.gpt-oss-120b-1:0", "gpt-oss-120b"),
    )
}
"""The models that ``ListFoundationModels`` lists, by id. The emulator serves every other model id too."""


def max_output_tokens(model_id: str) -> int:
    """The most output tokens of a model: that of its family, or 64,000 where the family is not known.

    >>> max_output_tokens("eu.anthropic.claude-opus-4-1-20250805-v1:0"), max_output_tokens("my-model")
    (32000, 64000)
    """
    families = [family for family in MAX_OUTPUT_TOKENS if re.search(re.escape(family) + r"(?!\d)", model_id)]
    return MAX_OUTPUT_TOKENS[max(families, key=len)] if families else MODEL_MAX_TOKENS


def base_model_id(model_id: str) -> str:
    """The id of the model behind a cross-Region inference profile or an ARN of either; any other id unchanged.

    >>> base_model_id("eu.anthropic.claude-sonnet-4-5-20250929-v1:0")
    'anthropic.claude-sonnet-4-5-20250929-v1:0'
    """
    name = model_name(model_id)
    prefix = next((prefix for prefix in PROFILE_PREFIXES if name.startswith(prefix)), "")
    return name.removeprefix(prefix)
