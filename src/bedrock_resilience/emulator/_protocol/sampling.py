"""Settings of sampling that a model refuses together.

AWS, "Anthropic Claude Messages API: Request and Response", says that newer models take only one of temperature and
``top_p``. The words and the models are those that users quote: https://github.com/BerriAI/litellm/issues/15070 (Sonnet
4.5), https://github.com/aws-samples/bedrock-chat/pull/979 (Opus 4.1), and
https://github.com/aws-samples/bedrock-access-gateway/pull/238 (Haiku 4.5, Opus 4.5, Sonnet 4.6).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from bedrock_resilience.emulator._protocol.errors import invalid
from bedrock_resilience.emulator._protocol.jsonvalues import as_object
from bedrock_resilience.quotas._models import longest_family

if TYPE_CHECKING:
    from bedrock_resilience.emulator._protocol.jsonvalues import JsonObject

_ONE_OF_BOTH: Final = (
    "claude-haiku-4-5",
    "claude-opus-4-1",
    "claude-opus-4-5",
    "claude-sonnet-4-5",
    "claude-sonnet-4-6",
)


def check_sampling(model_id: str, request: JsonObject, *, prefix: str = "") -> None:
    """Check the settings of sampling in a request in Converse's form that has passed ``check_converse``.

    Args:
        model_id: The model.
        request: The request.
        prefix: What the operation puts before the words of the model.

    Raises:
        ServiceError: ``ValidationException`` for both a temperature and a ``top_p``, if the model takes only one.
    """
    inference = as_object(request.get("inferenceConfig")) or {}
    both = inference.get("temperature") is not None and inference.get("topP") is not None
    if both and longest_family(model_id, _ONE_OF_BOTH) is not None:
        raise invalid(
            f"{prefix}`temperature` and `top_p` cannot both be specified for this model. Please use only one."
        )
