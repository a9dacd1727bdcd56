"""The quotas of an account, read from AWS Service Quotas.

Service Quotas lists a quota with the value that the account has (``ListServiceQuotas``, ``GetServiceQuota``) or, if
the account has none of its own, with AWS's default (``ListAWSDefaultServiceQuotas``). ``_quota_names`` decides which of
the 1,500 quotas of Bedrock belong to a model.

boto3 is imported on the first call: the library works without it.
"""

from __future__ import annotations

import importlib
import math
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from bedrock_resilience._checks import instance, number, refuse, wrong_value
from bedrock_resilience._errors import QuotaUnavailableError
from bedrock_resilience.quotas._quota_names import QuotaNames, parse_quota_name, split_profile

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Mapping

    from bedrock_resilience.clock import Clock
    from bedrock_resilience.quotas._quota_names import QuotaField, Scope

__all__ = ["ServiceQuota", "ServiceQuotas"]

_FAILURE_SECONDS: Final = 300.0
"""Seconds for which a failure is used again: a function without the permission must not ask at every invocation."""

# A function in a VPC without a route to Service Quotas continues after 6 seconds and the backoff of botocore.
_CLIENT_CONFIG: Final[Mapping[str, Any]] = {
    "connect_timeout": 2,
    "read_timeout": 10,
    "retries": {"mode": "standard", "total_max_attempts": 3},
}
_SERVICE: Final = "bedrock"
_PAGE_SIZE: Final = 100  # the most that the service allows; Bedrock has some 15 pages
# Error codes of AWS, by their beginnings, and botocore's exceptions.
_NO_CREDENTIALS: Final = (
    "ExpiredToken",
    "InvalidClientTokenId",
    "NoCredentialsError",
    "PartialCredentialsError",
    "SignatureDoesNotMatch",
    "UnrecognizedClient",
)
_NO_PERMISSION: Final = ("AccessDenied", "SubscriptionRequired", *_NO_CREDENTIALS)
# Not listed with those of the credentials: the account may have them, and the provider failed.
_NO_SESSION: Final = ("CredentialRetrievalError", "SSO", "TokenRetrievalError", "UnauthorizedSSOToken")
_NO_CONNECTION: Final = ("ConnectTimeoutError", "EndpointConnectionError", "ProxyConnectionError")
_FIELDS: Final[Mapping[str, tuple[QuotaField, ...]]] = {
    "bedrock-runtime": ("requests_per_minute", "tokens_per_minute", "tokens_per_day"),
    "bedrock-mantle": ("input_tokens_per_minute", "output_tokens_per_minute"),
}
"""The quotas of each endpoint."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceQuota:
    """One quota that was taken from Service Quotas.

    Attributes:
        field: The field of ``Quota`` that it became.
        value: The value of that field: the one that is listed, or twice as much if the name says "doubled for
            cross-region calls" and the model is called through a cross-Region profile.
        code: Its code, such as ``L-F4DDD3EB``.
        name: Its name.
        applied: Whether the value is the account's own. False: AWS's default, because the account has none.
    """

    field: str
    value: float
    code: str
    name: str
    applied: bool = True

    def __str__(self) -> str:
        return (
            f"{self.field} {self.value:,.15g} ({self.code} {self.name}{'' if self.applied else ', the default of AWS'})"
        )

    def to_dict(self) -> dict[str, object]:
        """Return it for JSON."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceQuotas:
    """The sources of the numbers of a ``Quota``. Its text is one line for a log.

    Attributes:
        model: The id of the model, without the prefix of a profile.
        scope: How it is called: ``on-demand`` (in one Region), ``cross-region``, ``global``, ``custom``, or
            ``mantle``: through the endpoint ``bedrock-mantle``.
        region: The Region whose quotas these are: the one that requests are sent to.
        quotas: What was taken, one a field.
    """

    model: str
    scope: str
    region: str
    quotas: tuple[ServiceQuota, ...]

    def __str__(self) -> str:
        return f"{self.model}, {self.scope}, in {self.region}: {'; '.join(map(str, self.quotas))}"

    def to_dict(self) -> dict[str, object]:
        """Return them for JSON."""
        return {
            "model": self.model,
            "scope": self.scope,
            "region": self.region,
            "quotas": [quota.to_dict() for quota in self.quotas],
        }


def read_service_quotas(
    model_id: str,
    *,
    session: Any,  # noqa: ANN401 - a boto3 session
    region_name: str | None,
    endpoint: str,
    max_age: float,
    clock: Clock,
) -> ServiceQuotas:
    """Read the quotas of a model; see ``Quota.from_service_quotas``."""
    known = " or ".join(map(repr, _FIELDS))
    refuse(
        "Quota.from_service_quotas",
        instance("model_id", model_id, str, "the id or the ARN of a model")
        or (None if model_id else wrong_value("model_id", model_id, "the id or the ARN of a model")),
        number("max_age", max_age, least=0, unit="seconds"),
        None if endpoint in _FIELDS else wrong_value("endpoint", endpoint, known),
    )
    fields = _FIELDS[endpoint]
    account = _Account(model_id, session, region_name, max_age, clock)
    model, scope = account.resolve(model_id)
    scope = "mantle" if endpoint == "bedrock-mantle" else scope
    names = QuotaNames(model)
    found = account.applied(scope, names)
    if any(field not in found for field in fields):
        found = {**account.defaults(scope, names), **found}
    if found.keys() <= {"tokens_per_day"}:
        raise account.unavailable(
            "no-match", f"no quota a minute has the name of {model}, {account.ways(scope, names)}"
        )
    quotas = tuple(found[field] for field in fields if field in found)
    closed = [str(quota) for quota in quotas if quota.value <= 0]
    if closed:
        raise account.unavailable("no-access", f"the account has no access to the model: {'; '.join(closed)}")
    return ServiceQuotas(model=model, scope=scope, region=account.region, quotas=quotas)


_CALLED: Final[Mapping[Scope, str]] = {
    "on-demand": "in one Region",
    "cross-region": "through a cross-Region profile",
    "global": "through its global profile",
    "custom": "as a custom model",
    "mantle": "through bedrock-mantle",
}


class _Account:
    """The requests to AWS of one call, for its model."""

    def __init__(self, model_id: str, session: Any, region: str | None, max_age: float, clock: Clock) -> None:  # noqa: ANN401 - a boto3 session
        self._model_id = model_id
        self.region: str = region or _region_of(model_id)
        self._session = self._new_session() if session is None else session
        self.region = self.region or self._session.region_name or ""
        if not self.region:
            raise self.unavailable("no-match", "no Region is configured: give region_name")
        self._max_age = max_age
        self._clock = clock

    def _new_session(self) -> Any:  # noqa: ANN401 - a boto3 session
        sessions = _import("boto3.session")
        try:
            return sessions.Session()
        except _import("botocore.exceptions").BotoCoreError as error:  # a profile that does not exist
            raise self.unavailable("no-permission", str(error)) from None

    def unavailable(self, reason: str, problem: str) -> QuotaUnavailableError:
        """Return the error of this call."""
        return QuotaUnavailableError(self._model_id, self.region, reason, problem)

    def resolve(self, model_id: str) -> tuple[str, Scope]:
        """Return the id of the model behind an id or an ARN, and how it is called.

        Raises:
            QuotaUnavailableError: AWS does not say, or there is no such quota.
        """
        kind, name = _split_arn(model_id)
        if kind in {"", "foundation-model", "inference-profile"}:
            return split_profile(name)
        if kind == "application-inference-profile":
            return self._called_through(model_id)
        if kind == "prompt":
            return self.resolve(self._model_of_prompt(model_id))
        if kind == "custom-model-deployment":
            return self._base_model(model_id), "custom"
        raise self.unavailable(
            "no-match", f"Service Quotas has no quota for a model that is called with the ARN of a {kind}"
        )

    def applied(self, scope: Scope, names: QuotaNames) -> dict[str, ServiceQuota]:
        """Return the quotas of a model that are listed with a value of the account, by field.

        None if the list is not allowed: the values can be read one by one, by the codes of the defaults.
        """
        try:
            listed = self._list("ListServiceQuotas", "list_service_quotas")
        except QuotaUnavailableError as error:
            if error.reason != "no-permission":
                raise
            return {}
        return {match.field: match.taken(match.listed, applied=True) for match in _matches(listed, scope, names)}

    def defaults(self, scope: Scope, names: QuotaNames) -> dict[str, ServiceQuota]:
        """Return the quotas of a model among AWS's defaults, each with the account's value if there is one."""
        listed = self._list("ListAWSDefaultServiceQuotas", "list_aws_default_service_quotas")
        found: dict[str, ServiceQuota] = {}
        for match in _matches(listed, scope, names):
            value = self._ask("service-quotas", "GetServiceQuota", _applied_value, match.code)
            found[match.field] = match.taken(match.listed if value is None else value, applied=value is not None)
        return found

    def ways(self, scope: Scope, names: QuotaNames) -> str:
        """State how the model is called, whose quota was not found, and which ways to call it have a quota."""
        others = [called for other, called in _CALLED.items() if other != scope and self._any_a_minute(other, names)]
        return f"called {_CALLED[scope]}{'; there is one for it, called ' if others else ''}{' or '.join(others)}"

    def _any_a_minute(self, scope: Scope, names: QuotaNames) -> bool:
        return bool({*self.defaults(scope, names), *self.applied(scope, names)} - {"tokens_per_day"})

    def _called_through(self, profile: str) -> tuple[str, Scope]:
        models = self._ask("bedrock", "GetInferenceProfile", _models_of_profile, profile)
        regions = {arn.split(":")[3] for arn in models}
        model = _split_arn(models[0])[1]
        if "" in regions:  # only a global profile has the model of no Region
            return model, "global"
        return model, "on-demand" if regions == {self.region} else "cross-region"

    def _model_of_prompt(self, prompt: str) -> str:
        model = self._ask("bedrock-agent", "GetPrompt", _model_of_prompt, prompt)
        if not model:
            raise self.unavailable("no-match", "the prompt names no model")
        return str(model)

    def _base_model(self, deployment: str) -> str:
        model = self._ask("bedrock", "GetCustomModelDeployment", _model_of_deployment, deployment)
        return _split_arn(self._ask("bedrock", "GetCustomModel", _base_of_custom_model, model))[1]

    def _list(self, operation: str, paginator: str) -> list[_Listed]:
        listed: list[_Listed] = self._ask("service-quotas", operation, _listed, paginator)
        return listed

    def _ask(self, service: str, operation: str, call: Callable[[Any, str], Any], parameter: str) -> Any:  # noqa: ANN401 - what `call` returns
        """Ask AWS, or return its earlier answer.

        Raises:
            QuotaUnavailableError: AWS was not reached, or refused.
        """
        exceptions = _import("botocore.exceptions")

        def ask() -> Any:  # noqa: ANN401 - as above
            try:
                config = _import("botocore.config").Config(**_CLIENT_CONFIG)
                return call(self._session.client(service, region_name=self.region, config=config), parameter)
            except exceptions.ClientError as error:
                return _failure(service, operation, _code_of(error), error)
            except exceptions.BotoCoreError as error:
                name = type(error).__name__
                return _failure(service, operation, name, error)  # pragma: no mutate - the service of a refusal alone

        try:
            credentials = self._session.get_credentials()
            account = None if credentials is None else credentials.get_frozen_credentials().access_key
        except exceptions.BotoCoreError:
            account = None  # pragma: no mutate - no account; the client meets the same problem
        key = (account, self.region, operation, parameter)
        answer = _answers.get(key, ask, self._max_age, self._clock)
        if isinstance(answer, _Failure):
            raise self.unavailable(answer.reason, answer.problem)
        return answer


class _Failure(NamedTuple):
    """The failure of a request to AWS."""

    reason: str
    problem: str


class _Answers:
    """The answers of AWS in this process. One thread asks, the others wait for its answer."""

    def __init__(self) -> None:
        self._known: dict[Hashable, tuple[float, object]] = {}
        self._lock = threading.Lock()

    def get(self, key: Hashable, ask: Callable[[], Any], max_age: float, clock: Clock) -> Any:  # noqa: ANN401 - what AWS answered
        """Return the answer of at most ``max_age`` seconds ago; failures are asked about again sooner."""
        with self._lock:
            at, answer = self._known.get(key, (-math.inf, None))
            if clock.monotonic() - at >= (min(max_age, _FAILURE_SECONDS) if isinstance(answer, _Failure) else max_age):
                answer = ask()
                self._known[key] = clock.monotonic(), answer
            return answer

    def clear(self) -> None:
        """Drop all answers."""
        with self._lock:
            self._known.clear()


_answers: Final = _Answers()
forget_answers: Final = _answers.clear


class _Listed(NamedTuple):
    """A quota of a list."""

    name: str
    code: str
    value: float


class _Match(NamedTuple):
    """A quota of a list that belongs to a model."""

    field: QuotaField
    name: str
    code: str
    listed: float
    factor: int

    def taken(self, listed: float, *, applied: bool) -> ServiceQuota:
        """Return it with the value that applies."""
        value = listed * self.factor
        return ServiceQuota(field=self.field, value=value, code=self.code, name=self.name, applied=applied)


def _matches(listed: Iterable[_Listed], scope: Scope, names: QuotaNames) -> Iterable[_Match]:
    """Return the quotas of a model, one a field.

    A quota of the model goes before one of all models together. If several have the model's name, the lowest
    applies.
    """
    found: dict[str, tuple[tuple[bool, float], _Match]] = {}
    for quota in listed:
        name = parse_quota_name(quota.name)
        if name is None or scope not in name.scopes or not (name.of_all_models or names.match(name.model)):
            continue
        factor = 2 if name.doubled and scope == "cross-region" else 1
        match = _Match(name.field, quota.name, quota.code, quota.value, factor)
        rank = name.of_all_models, quota.value
        if name.field not in found or rank < found[name.field][0]:
            found[name.field] = rank, match
    return [match for _, match in found.values()]


def _listed(client: Any, paginator: str) -> list[_Listed]:  # noqa: ANN401 - boto3 makes the client's class at run time
    pages = client.get_paginator(paginator).paginate(ServiceCode=_SERVICE, PaginationConfig={"PageSize": _PAGE_SIZE})
    return [
        _Listed(quota["QuotaName"], quota["QuotaCode"], float(quota["Value"]))
        for page in pages
        for quota in page["Quotas"]
        if {"QuotaName", "QuotaCode", "Value"} <= quota.keys()
    ]


def _applied_value(client: Any, code: str) -> float | None:  # noqa: ANN401 - as above
    try:
        return float(client.get_service_quota(ServiceCode=_SERVICE, QuotaCode=code)["Quota"]["Value"])
    except _import("botocore.exceptions").ClientError as error:
        if _code_of(error) == "NoSuchResourceException":
            return None
        raise


def _models_of_profile(client: Any, arn: str) -> list[str]:  # noqa: ANN401 - as above
    return [model["modelArn"] for model in client.get_inference_profile(inferenceProfileIdentifier=arn)["models"]]


def _model_of_prompt(client: Any, arn: str) -> str | None:  # noqa: ANN401 - as above
    identifier, _, version = arn.rpartition(":")
    versioned = identifier.count(":") >= _COLONS_OF_ARN
    asked = {"promptIdentifier": identifier, "promptVersion": version} if versioned else {"promptIdentifier": arn}
    prompt = client.get_prompt(**asked)
    variants = prompt.get("variants", [])
    default = [variant for variant in variants if variant["name"] == prompt.get("defaultVariant")]
    return next((variant.get("modelId") for variant in [*default, *variants]), None)


def _model_of_deployment(client: Any, arn: str) -> str:  # noqa: ANN401 - as above
    return str(client.get_custom_model_deployment(customModelDeploymentIdentifier=arn)["modelArn"])


def _base_of_custom_model(client: Any, arn: str) -> str:  # noqa: ANN401 - as above
    return str(client.get_custom_model(modelIdentifier=arn)["baseModelArn"])


def _failure(service: str, operation: str, code: str, error: Exception) -> _Failure:
    if code.startswith("AccessDenied"):
        return _Failure(
            "no-permission", f"{operation} was refused ({code}): allow {_IAM_PREFIXES[service]}:{operation}"
        )
    # One line, also if a proxy answers with a page.
    text = " ".join(str(error).split())[:_MAX_ERROR_CHARACTERS]
    if code.startswith((*_NO_CREDENTIALS, *_NO_SESSION)):
        text = f"{text}; {_LOG_IN}"
    elif code.startswith(_NO_CONNECTION):
        text = f"{text}; {_CHECK_ROUTE}"
    reason = "no-permission" if code.startswith(_NO_PERMISSION) else "not-reached"
    return _Failure(reason, f"{operation} failed ({code}): {text}")


_LOG_IN: Final = "log in, or set AWS_PROFILE, or run with a role"
_CHECK_ROUTE: Final = "check the Region, and the route from here to AWS"


_MAX_ERROR_CHARACTERS: Final = 300
_IAM_PREFIXES: Final = {"service-quotas": "servicequotas", "bedrock": "bedrock", "bedrock-agent": "bedrock"}


def _code_of(error: Any) -> str:  # noqa: ANN401 - botocore's ClientError
    return str(error.response["Error"]["Code"])


_COLONS_OF_ARN: Final = 5  # before the resource


def _split_arn(model_id: str) -> tuple[str, str]:
    """Split an ARN into the kind of its resource and the name; any other id has no kind.

    >>> _split_arn("arn:aws:bedrock:eu-west-3::foundation-model/amazon.nova-lite-v1:0")
    ('foundation-model', 'amazon.nova-lite-v1:0')
    """
    if not model_id.startswith("arn:"):
        return "", model_id
    kind, _, name = model_id.split(":", _COLONS_OF_ARN)[-1].partition("/")
    return kind, name


def _region_of(model_id: str) -> str:
    """Return the Region of an ARN; empty for any other id, and for the ARN of a model of no Region."""
    return model_id.split(":")[3] if model_id.count(":") >= _COLONS_OF_ARN and model_id.startswith("arn:") else ""


def _import(module: str) -> Any:  # noqa: ANN401 - a module
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"reading Service Quotas needs boto3 ({error}): pip install 'bedrock-resilience[aws]'", name=error.name
        ) from error
