"""The models that the control plane lists: modalities, and ways to call each. Data, with its date."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

AS_OF: Final = date(2026, 11, 28)
"""When the table of this module was read."""


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
