"""The control plane, as far as clients ask it about models: foundation models and inference profiles.

Shapes: the service model of ``bedrock`` in botocore. The account and the Region in ARNs are invented.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qs

from bedrock_resilience.emulator._protocol.errors import ServiceError
from bedrock_resilience.emulator._protocol.models import AS_OF, MODELS, Model
from bedrock_resilience.quotas import model_name
from bedrock_resilience.quotas._models import PROFILE_PREFIXES, base_model_id

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bedrock_resilience.emulator._protocol.jsonvalues import JsonObject

_REGION: Final = "eu-west-3"
_ACCOUNT: Final = "000000000000"
# Where the profiles of a geography route to. AWS, "Supported Regions and models for inference profiles"; of the other
# geographies no list was found, and their profiles name the Region of the request alone.
_DESTINATIONS: Final[Mapping[str, tuple[str, ...]]] = {
    "eu.": ("eu-central-1", "eu-north-1", "eu-south-1", "eu-south-2", "eu-west-1", "eu-west-3"),
    "us.": ("us-east-1", "us-east-2", "us-west-2"),
    "global.": ("",),
}
_LISTED_PREFIXES: Final = ("eu.", "global.", "us.")
_TIME: Final = f"{AS_OF.isoformat()}T00:00:00Z"


def list_foundation_models(query: str) -> JsonObject:
    """The response of ``ListFoundationModels``, filtered by provider, output modality and inference type."""
    wanted = parse_qs(query)
    summaries = [_details(model) for model in MODELS.values()]
    for parameter, field in _FILTERS.items():
        for value in wanted.get(parameter, ()):
            summaries = [summary for summary in summaries if _matches(summary[field], value)]
    return {"modelSummaries": summaries}


def _matches(found: str | list[str], value: str) -> bool:
    # No source says whether the case of a provider counts; guides write both "Anthropic" and "anthropic".
    return value.lower() in found.lower() if isinstance(found, str) else value in found


_FILTERS: Final = {
    "byCustomizationType": "customizationsSupported",
    "byInferenceType": "inferenceTypesSupported",
    "byOutputModality": "outputModalities",
    "byProvider": "providerName",
}


def get_foundation_model(identifier: str) -> JsonObject:
    """The response of ``GetFoundationModel``.

    Raises:
        ServiceError: ``ResourceNotFoundException`` for a model that is not listed.
    """
    model = MODELS.get(model_name(identifier))
    if model is None:
        raise ServiceError("ResourceNotFoundException", "Could not resolve the foundation model from the identifier.")
    return {"modelDetails": _details(model)}


def list_inference_profiles(query: str, profiles: Mapping[str, str]) -> JsonObject:
    """The response of ``ListInferenceProfiles``, in one page.

    Args:
        query: ``type``, if given, is ``SYSTEM_DEFINED`` or ``APPLICATION``.
        profiles: Application inference profiles: ARN to the model or profile behind it.
    """
    ids = [
        f"{prefix}{model.model_id}" for model in MODELS.values() if model.profile_only for prefix in _LISTED_PREFIXES
    ]
    summaries = [get_inference_profile(identifier, profiles) for identifier in (*ids, *profiles)]
    wanted = parse_qs(query).get("type")
    chosen = [summary for summary in summaries if wanted is None or summary["type"] in wanted]
    return {"inferenceProfileSummaries": chosen}


def get_inference_profile(identifier: str, profiles: Mapping[str, str]) -> JsonObject:
    """The response of ``GetInferenceProfile``, for a cross-Region profile of a listed model or an application's.

    Raises:
        ServiceError: ``ResourceNotFoundException`` for any other.
    """
    target = profiles.get(identifier, identifier)
    name = model_name(identifier)
    prefix = next((prefix for prefix in PROFILE_PREFIXES if model_name(target).startswith(prefix)), "")
    model = MODELS.get(base_model_id(target))
    if model is None or not (prefix or identifier in profiles):
        raise ServiceError("ResourceNotFoundException", "Unable to find the inference profile with this identifier.")
    application = identifier in profiles
    kind = "application-inference-profile" if application else "inference-profile"
    arn = identifier if identifier.startswith("arn:") else f"arn:aws:bedrock:{_REGION}:{_ACCOUNT}:{kind}/{name}"
    regions = _DESTINATIONS.get(prefix, (_REGION,))
    return {
        "inferenceProfileName": name
        if application
        else f"{prefix.removesuffix('.').upper()} {model.provider} {model.name}",
        "description": f"Routes requests to {model.name}.",
        "createdAt": _TIME,
        "updatedAt": _TIME,
        "inferenceProfileArn": arn,
        "models": [{"modelArn": _arn(model, region)} for region in regions],
        "inferenceProfileId": name,
        "status": "ACTIVE",
        "type": "APPLICATION" if application else "SYSTEM_DEFINED",
    }


def _arn(model: Model, region: str = _REGION) -> str:
    return f"arn:aws:bedrock:{region}::foundation-model/{model.model_id}"


def _details(model: Model) -> dict[str, Any]:
    return {
        "modelArn": _arn(model),
        "modelId": model.model_id,
        "modelName": model.name,
        "providerName": model.provider,
        "inputModalities": list(model.inputs),
        "outputModalities": list(model.outputs),
        "responseStreamingSupported": model.streams,
        "customizationsSupported": [],
        "inferenceTypesSupported": ["INFERENCE_PROFILE" if model.profile_only else "ON_DEMAND"],
        "modelLifecycle": {"status": "LEGACY" if model.legacy else "ACTIVE"},
    }
