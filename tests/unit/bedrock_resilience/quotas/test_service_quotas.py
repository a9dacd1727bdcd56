"""Quotas read from Service Quotas, over the wire of a real boto3 client."""

from __future__ import annotations

import json
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any, cast

import pytest

from bedrock_resilience import Quota
from bedrock_resilience.errors import QuotaUnavailableError
from bedrock_resilience.quotas import ServiceQuota
from bedrock_resilience.quotas._service_quotas import (
    _listed,  # pyright: ignore[reportPrivateUsage]
    _region_of,  # pyright: ignore[reportPrivateUsage]
    forget_answers,
)
from bedrock_resilience.testing import FakeClock
from support.rawserver import raw_server
from support.service_quotas import RECORDED, LoopbackServiceQuotas, service_quotas

if TYPE_CHECKING:
    from collections.abc import Iterator

SONNET = "eu.anthropic.claude-sonnet-4-5-20250929-v1:0"
DENIED = (400, "AccessDeniedException")
ARN = "arn:aws:bedrock:eu-west-3:111122223333:"


@pytest.fixture(scope="module")
def session() -> object:
    return new_session("eu-west-3")


def new_session(region: str | None = None) -> object:
    return import_module("boto3.session").Session(region_name=region)


@pytest.fixture(scope="module")
def running() -> Iterator[LoopbackServiceQuotas]:
    with service_quotas() as services:
        yield services


@pytest.fixture
def services(running: LoopbackServiceQuotas, monkeypatch: pytest.MonkeyPatch) -> LoopbackServiceQuotas:
    running.reset(RECORDED)
    monkeypatch.setenv("AWS_ENDPOINT_URL", running.url)
    forget_answers()
    return running


def read(model: str, session: object, **options: Any) -> Quota:  # noqa: ANN401 - those of the method
    return Quota.from_service_quotas(model, session=session, **options)


def unavailable(model: str, session: object, **options: Any) -> QuotaUnavailableError:  # noqa: ANN401 - as above
    with pytest.raises(QuotaUnavailableError) as caught:
        read(model, session, **options)
    assert "\n" not in str(caught.value)
    return caught.value


class TestWhichQuota:
    @pytest.mark.parametrize(
        ("model", "requests", "tokens", "day"),
        [
            (SONNET, 50, 200_000, 700e6),
            ("jp.anthropic.claude-sonnet-4-5-20250929-v1:0", 50, 200_000, 700e6),
            ("global.anthropic.claude-sonnet-4-5-20250929-v1:0", 500, 500_000, 700e6),
            ("anthropic.claude-sonnet-4-6", 5_000, 3_000_000, 700e6),
            ("us.anthropic.claude-opus-4-7", None, 30_000_000, 700e6),
            ("anthropic.claude-3-5-sonnet-20240620-v1:0", 50, 400_000, 700e6),
            ("apac.anthropic.claude-3-5-sonnet-20241022-v2:0", 100, 800_000, 2 * 576e6),
            ("amazon.nova-lite-v1:0", 1_000, 4_000_000, 5_760e6),
        ],
    )
    def test_it_is_that_of_the_model_as_it_is_called(
        self,
        services: LoopbackServiceQuotas,
        session: object,
        model: str,
        requests: float | None,
        tokens: float,
        day: float,
    ) -> None:
        services.page = 6
        quota = read(model, session)
        assert quota == Quota(requests_per_minute=requests, tokens_per_minute=tokens, tokens_per_day=day)

    def test_the_quota_says_where_it_comes_from(self, services: LoopbackServiceQuotas, session: object) -> None:
        source = read(SONNET, session).replace(burst=5).source
        assert source is not None
        assert (source.model, source.scope, source.region) == (SONNET[3:], "cross-region", "eu-west-3")
        assert [quota.code for quota in source.quotas] == ["L-4A6BFAB1", "L-F4DDD3EB", "L-E3F10727"]
        assert source.quotas[1] == ServiceQuota(
            field="tokens_per_minute", value=200_000, code="L-F4DDD3EB", name=RECORDED["L-F4DDD3EB"][0]
        )
        assert str(source) == (
            f"{SONNET[3:]}, cross-region, in eu-west-3: "
            f"requests_per_minute 50 (L-4A6BFAB1 {RECORDED['L-4A6BFAB1'][0]}); "
            f"tokens_per_minute 200,000 (L-F4DDD3EB {RECORDED['L-F4DDD3EB'][0]}); "
            f"tokens_per_day 700,000,000 (L-E3F10727 Cross-Model Max Tokens Per Day)"
        )
        written = json.loads(json.dumps(source.to_dict()))
        assert (written["model"], written["scope"], written["region"]) == (SONNET[3:], "cross-region", "eu-west-3")
        assert written["quotas"][1]["code"] == "L-F4DDD3EB"
        assert services.requests == ["ListServiceQuotas"]

    def test_of_two_quotas_with_the_name_the_lower_applies(
        self, services: LoopbackServiceQuotas, session: object
    ) -> None:
        services.applied["L-1"] = ("Cross-Region InvokeModel tokens per minute for Claude Sonnet 4.5", 100_000)
        services.applied["L-2"] = ("Cross-Region InvokeModel requests per minute for Claude Sonnet 4.5", 60)
        quota = read(SONNET, session)
        assert (quota.requests_per_minute, quota.tokens_per_minute) == (50, 100_000)

    def test_of_two_quotas_with_the_same_name_and_value_the_first_applies(
        self, services: LoopbackServiceQuotas, session: object
    ) -> None:
        services.applied["L-1"] = services.applied["L-F4DDD3EB"]
        source = read(SONNET, session).source
        assert source is not None
        assert source.quotas[1].code == "L-F4DDD3EB"

    def test_without_an_applied_value_it_is_the_default(self, services: LoopbackServiceQuotas, session: object) -> None:
        services.defaults = dict(RECORDED)
        services.unlisted = {"L-4A6BFAB1": 20}
        services.applied = {"L-F4DDD3EB": RECORDED["L-F4DDD3EB"], "L-4A6BFAB1": (RECORDED["L-4A6BFAB1"][0], None)}
        quota = read(SONNET, session)
        assert quota == Quota(requests_per_minute=20, tokens_per_minute=200_000, tokens_per_day=700e6)
        assert quota.source is not None
        assert [one.applied for one in quota.source.quotas] == [True, True, False]
        assert str(quota.source).endswith("Per Day, the default of AWS)")

    def test_no_list_of_the_account_is_needed(self, services: LoopbackServiceQuotas, session: object) -> None:
        services.defaults = dict(RECORDED)
        services.failures["ListServiceQuotas"] = DENIED
        services.applied["L-45E0AD92"] = (RECORDED["L-45E0AD92"][0], 1_000)
        assert read("amazon.nova-lite-v1:0", session).tokens_per_day == 1_000

    def test_the_client_gives_up_within_seconds(
        self, services: LoopbackServiceQuotas, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        session: Any = new_session("eu-west-3")
        make_client, limits = session.client, set[object]()

        def client(*args: object, config: Any, region_name: str, **options: object) -> object:  # noqa: ANN401 - botocore's
            attempts = config.retries["total_max_attempts"]
            limits.add((region_name, config.connect_timeout, config.read_timeout, attempts))
            return make_client(*args, config=config, region_name=region_name, **options)

        monkeypatch.setattr(session, "client", client)
        read(SONNET, session, region_name="eu-south-2")
        assert limits == {("eu-south-2", 2, 10, 3)}
        assert services.requests == ["ListServiceQuotas"]

    def test_another_account_is_asked_about_its_own(
        self, services: LoopbackServiceQuotas, session: object, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        read(SONNET, session)
        read(SONNET, session)
        assert services.requests == ["ListServiceQuotas"]
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "another")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "another")
        read(SONNET, new_session("eu-west-3"))
        assert services.requests == ["ListServiceQuotas"] * 2

    @pytest.mark.parametrize("model", ["anthropic.claude-opus-4-7", "global.anthropic.claude-opus-4-7"])
    def test_bedrock_mantle_has_quotas_of_its_own(
        self, services: LoopbackServiceQuotas, session: object, model: str
    ) -> None:
        quota = read(model, session, endpoint="bedrock-mantle")
        assert quota == Quota.mantle(input_tokens_per_minute=20_000_000, output_tokens_per_minute=4_000_000)
        assert quota.source is not None
        assert (quota.source.scope, quota.source.model) == ("mantle", "anthropic.claude-opus-4-7")
        assert services.requests == ["ListServiceQuotas"]
        error = unavailable("amazon.nova-lite-v1:0", session, endpoint="bedrock-mantle")
        assert error.problem.endswith(
            "has the name of amazon.nova-lite-v1:0, called through bedrock-mantle; there is one for it, called in one "
            "Region or as a custom model"
        )


class TestUnavailable:
    def test_no_quota_has_the_name(self, services: LoopbackServiceQuotas, session: object) -> None:
        error = unavailable("mistral.unheard-of", session)
        assert (error.model, error.region, error.reason) == ("mistral.unheard-of", "eu-west-3", "no-match")
        assert str(error) == (
            "the quota of mistral.unheard-of in eu-west-3 is not known: no quota a minute has the name of "
            "mistral.unheard-of, called in one Region"
        )
        assert services.requests == ["ListServiceQuotas", "ListAWSDefaultServiceQuotas"]

    def test_the_model_is_called_in_another_way(self, services: LoopbackServiceQuotas, session: object) -> None:
        services.defaults["L-34152C1D"] = RECORDED["L-34152C1D"]
        error = unavailable("anthropic.claude-opus-4-7", session)
        assert error.problem.endswith(
            "; there is one for it, called through a cross-Region profile or through its global profile or through "
            "bedrock-mantle"
        )

    def test_a_way_that_only_the_defaults_list_is_named(self, services: LoopbackServiceQuotas, session: object) -> None:
        del services.applied["L-34152C1D"]
        services.defaults["L-34152C1D"] = RECORDED["L-34152C1D"]
        error = unavailable("anthropic.claude-opus-4-7", session)
        assert "or through its global profile" in error.problem

    def test_values_of_zero_are_all_named_and_one_is_a_value(
        self, services: LoopbackServiceQuotas, session: object
    ) -> None:
        services.applied["L-F4DDD3EB"] = (RECORDED["L-F4DDD3EB"][0], 1)
        assert read(SONNET, session).tokens_per_minute == 1
        services.applied["L-F4DDD3EB"] = (RECORDED["L-F4DDD3EB"][0], 0)
        services.applied["L-4A6BFAB1"] = (RECORDED["L-4A6BFAB1"][0], 0)
        error = unavailable(SONNET, session, max_age=0)
        assert error.problem == (
            f"the account has no access to the model: requests_per_minute 0 (L-4A6BFAB1 {RECORDED['L-4A6BFAB1'][0]}); "
            f"tokens_per_minute 0 (L-F4DDD3EB {RECORDED['L-F4DDD3EB'][0]})"
        )

    def test_a_value_of_zero_means_no_access(self, services: LoopbackServiceQuotas, session: object) -> None:
        services.applied["L-F4DDD3EB"] = (RECORDED["L-F4DDD3EB"][0], 0)
        error = unavailable(SONNET, session)
        assert error.reason == "no-access"
        assert "the account has no access to the model: tokens_per_minute 0 (L-F4DDD3EB" in str(error)

    @pytest.mark.parametrize(
        ("failures", "reason", "text"),
        [
            (
                {"ListServiceQuotas": DENIED, "ListAWSDefaultServiceQuotas": DENIED},
                "no-permission",
                "ListAWSDefaultServiceQuotas was refused (AccessDeniedException): allow servicequotas:ListAWSDefault",
            ),
            (
                {"ListServiceQuotas": DENIED, "GetServiceQuota": DENIED},
                "no-permission",
                "GetServiceQuota was refused (AccessDeniedException): allow servicequotas:GetServiceQuota",
            ),
            (
                dict.fromkeys(("ListServiceQuotas", "ListAWSDefaultServiceQuotas"), (400, "ExpiredTokenException")),
                "no-permission",
                "; log in, or set AWS_PROFILE, or run with a role",
            ),
            (
                {"ListServiceQuotas": (400, "IllegalArgumentException")},
                "not-reached",
                "failed (IllegalArgumentException): An error occurred (IllegalArgumentException)",
            ),
        ],
    )
    def test_aws_refuses(
        self,
        services: LoopbackServiceQuotas,
        session: object,
        failures: dict[str, tuple[int, str]],
        reason: str,
        text: str,
    ) -> None:
        services.failures, services.defaults = failures, dict(RECORDED)
        error = unavailable(SONNET, session)
        assert error.reason == reason
        assert text in str(error)

    def test_the_page_of_a_proxy_is_one_line(self, session: object, monkeypatch: pytest.MonkeyPatch) -> None:
        page = b"<html>\n<h1>Forbidden</h1>\n" + b"x" * 10_000
        headers = b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: %d\r\n\r\n" % len(page)
        with raw_server(headers + page) as server:
            monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
            error = unavailable(SONNET, session, max_age=0)
        assert error.reason == "not-reached"
        assert len(str(error)) < 500

    def test_no_network(self, session: object, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
        monkeypatch.setattr("botocore.endpoint.time.sleep", _no_sleep)
        error = unavailable(SONNET, session, max_age=0)
        assert error.reason == "not-reached"
        assert "ListServiceQuotas failed (EndpointConnectionError)" in str(error)
        assert str(error).endswith("; check the Region, and the route from here to AWS")

    def test_no_credentials(self, services: LoopbackServiceQuotas, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
            monkeypatch.delenv(name)
        monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        error = unavailable(SONNET, None, region_name="eu-west-3")
        assert error.reason == "no-permission"
        assert error.problem == (
            "ListAWSDefaultServiceQuotas failed (NoCredentialsError): Unable to locate credentials; "
            "log in, or set AWS_PROFILE, or run with a role"
        )
        assert services.requests == []

    def test_credentials_that_cannot_be_read(
        self, services: LoopbackServiceQuotas, session: object, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(*_: object, **__: object) -> None:
            raise import_module("botocore.exceptions").CredentialRetrievalError(provider="sso", error_msg="expired")

        monkeypatch.setattr(session, "get_credentials", refuse)
        monkeypatch.setattr(session, "client", refuse)
        error = unavailable(SONNET, session)
        assert error.problem == (
            "ListServiceQuotas failed (CredentialRetrievalError): Error when retrieving credentials from sso: expired; "
            "log in, or set AWS_PROFILE, or run with a role"
        )
        assert services.requests == []

    def test_no_such_profile(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AWS_PROFILE", "nobody")
        error = unavailable(SONNET, None)
        assert (error.reason, error.problem) == ("no-permission", "The config profile (nobody) could not be found")

    def test_no_region(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("AWS_DEFAULT_REGION")
        error = unavailable(SONNET, new_session())
        assert str(error) == f"the quota of {SONNET} is not known: no Region is configured: give region_name"
        assert error.reason == "no-match"

    def test_no_boto3(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "boto3.session", None)
        with pytest.raises(ModuleNotFoundError, match=r"needs boto3 .*'bedrock-resilience\[aws\]'") as raised:
            Quota.from_service_quotas(SONNET)
        assert raised.value.name == "boto3.session"

    @pytest.mark.parametrize(("given", "error"), [(None, TypeError), ("", ValueError)])
    def test_the_model_is_checked(self, given: object, error: type[Exception]) -> None:
        with pytest.raises(error) as raised:
            Quota.from_service_quotas(cast("str", given))
        assert str(raised.value) == (
            f"Quota.from_service_quotas: model_id: got {given!r}; accepted: the id or the ARN of a model"
        )

    def test_there_are_two_endpoints(self) -> None:
        with pytest.raises(ValueError, match="endpoint: got 'x'; accepted: 'bedrock-runtime' or 'bedrock-mantle'"):
            Quota.from_service_quotas(SONNET, endpoint=cast("Any", "x"))

    @pytest.mark.parametrize(("given", "error"), [("1", TypeError), (-1, ValueError)])
    def test_the_age_is_checked(self, given: object, error: type[Exception]) -> None:
        with pytest.raises(error) as raised:
            Quota.from_service_quotas(SONNET, max_age=cast("float", given))
        accepted = "a finite number of seconds >= 0"
        assert str(raised.value) == f"Quota.from_service_quotas: max_age: got {given!r}; accepted: {accepted}"


def _no_sleep(_: float) -> None:
    """Do not wait."""


class TestCache:
    def test_an_answer_serves_every_model_of_the_region_for_an_hour(
        self, services: LoopbackServiceQuotas, session: object
    ) -> None:
        clock = FakeClock()
        read(SONNET, session, clock=clock)
        read("anthropic.claude-sonnet-4-6", session, clock=clock)
        clock.advance(3_599)
        read(SONNET, session, clock=clock)
        assert services.requests == ["ListServiceQuotas"]
        read(SONNET, session, clock=clock, region_name="us-east-1")
        assert services.requests == ["ListServiceQuotas"] * 2
        clock.advance(1)
        read(SONNET, session, clock=clock)
        assert services.requests == ["ListServiceQuotas"] * 3

    def test_a_failure_is_remembered_for_five_minutes(self, services: LoopbackServiceQuotas, session: object) -> None:
        clock = FakeClock()
        services.failures["ListServiceQuotas"] = (400, "IllegalArgumentException")
        unavailable(SONNET, session, clock=clock)
        services.failures.clear()
        clock.advance(299)
        unavailable(SONNET, session, clock=clock)
        assert services.requests == ["ListServiceQuotas"]
        clock.advance(1)
        assert read(SONNET, session, clock=clock).requests_per_minute == 50

    def test_an_age_of_zero_asks_anew(self, services: LoopbackServiceQuotas, session: object) -> None:
        read(SONNET, session)
        services.applied["L-4A6BFAB1"] = (RECORDED["L-4A6BFAB1"][0], 75)
        assert read(SONNET, session).requests_per_minute == 50
        assert read(SONNET, session, max_age=0).requests_per_minute == 75

    def test_threads_that_ask_at_once_share_one_answer(self, services: LoopbackServiceQuotas) -> None:
        sessions = [new_session("eu-west-3") for _ in range(4)]
        with ThreadPoolExecutor(4) as pool:
            quotas = list(pool.map(partial(read, SONNET), sessions))
        assert {quota.requests_per_minute for quota in quotas} == {50}
        assert services.requests == ["ListServiceQuotas"]


class TestArns:
    def test_the_region_of_an_arn_goes_before_that_of_the_session(
        self, services: LoopbackServiceQuotas, session: object
    ) -> None:
        quota = read(f"arn:aws:bedrock:eu-north-1:1:inference-profile/{SONNET}", session)
        assert quota.source is not None
        assert (quota.source.region, quota.requests_per_minute) == ("eu-north-1", 50)

    @pytest.mark.parametrize(
        ("regions", "scope", "tokens"),
        [
            (("eu-west-3", "eu-central-1"), "cross-region", 200_000),
            (("", "eu-west-3"), "global", 500_000),
        ],
    )
    def test_an_application_inference_profile_has_the_quota_of_its_model(
        self, services: LoopbackServiceQuotas, session: object, regions: tuple[str, ...], scope: str, tokens: float
    ) -> None:
        models = [{"modelArn": f"arn:aws:bedrock:{region}::foundation-model/{SONNET[3:]}"} for region in regions]
        services.resources["application-inference-profile/abc"] = {"models": models}
        for _ in range(2):
            quota = read(f"{ARN}application-inference-profile/abc", session)
            assert quota.source is not None
            assert (quota.source.scope, quota.tokens_per_minute) == (scope, tokens)
        assert len(services.requests) == 2

    def test_one_of_a_single_region_has_that_of_calls_in_one(
        self, services: LoopbackServiceQuotas, session: object
    ) -> None:
        model = {"modelArn": "arn:aws:bedrock:eu-west-3::foundation-model/amazon.nova-lite-v1:0"}
        services.resources["application-inference-profile/abc"] = {"models": [model]}
        assert read(f"{ARN}application-inference-profile/abc", session).tokens_per_minute == 4_000_000

    @pytest.mark.parametrize("version", ["", ":3"])
    def test_a_prompt_has_that_of_the_model_of_its_default(
        self, services: LoopbackServiceQuotas, session: object, version: str
    ) -> None:
        variants = [{"name": "one", "modelId": "amazon.nova-lite-v1:0"}, {"name": "two", "modelId": SONNET}]
        services.resources["prompt/ABCDEFGHIJ"] = {"variants": variants, "defaultVariant": "two"}
        assert read(f"{ARN}prompt/ABCDEFGHIJ{version}", session).tokens_per_minute == 200_000
        assert ("promptVersion=3" if version else "prompt/ABCDEFGHIJ") in services.requests[0]
        assert ("promptVersion" in services.requests[0]) == bool(version)

    @pytest.mark.parametrize("answer", [{"variants": []}, {}])
    def test_a_prompt_without_a_model(
        self, services: LoopbackServiceQuotas, session: object, answer: dict[str, Any]
    ) -> None:
        services.resources["prompt/ABCDEFGHIJ"] = answer
        error = unavailable(f"{ARN}prompt/ABCDEFGHIJ", session)
        assert error.reason == "no-match"
        assert error.problem == "the prompt names no model"

    def test_a_custom_model_shares_the_quota_of_its_base(
        self, services: LoopbackServiceQuotas, session: object
    ) -> None:
        custom = f"{ARN}custom-model/amazon.nova-lite-v1:0:300k/abcdefghijkl"
        base = "arn:aws:bedrock:eu-west-3::foundation-model/amazon.nova-lite-v1:0:300k"
        services.resources["custom-model-deployment"] = {"modelArn": custom}
        services.resources["custom-model/"] = {"baseModelArn": base, "modelArn": custom}
        quota = read(f"{ARN}custom-model-deployment/abcdefghijkl", session)
        assert quota.source is not None
        assert (quota.source.scope, quota.tokens_per_minute) == ("custom", 4_000_000)

    def test_a_refused_control_plane_names_the_permission(
        self, services: LoopbackServiceQuotas, session: object
    ) -> None:
        path = f"/inference-profiles/{ARN}application-inference-profile/abc"
        services.failures[path] = (403, "AccessDeniedException")
        error = unavailable(f"{ARN}application-inference-profile/abc", session)
        assert (error.reason, error.problem) == (
            "no-permission",
            "GetInferenceProfile was refused (AccessDeniedException): allow bedrock:GetInferenceProfile",
        )

    @pytest.mark.parametrize(
        ("kind", "path", "operation"),
        [
            ("prompt/ABCDEFGHIJ", "prompt/ABCDEFGHIJ", "GetPrompt"),
            ("custom-model-deployment/abcdefghijkl", "custom-model-deployment", "GetCustomModelDeployment"),
            ("custom-model-deployment/abcdefghijkl", "custom-model/", "GetCustomModel"),
        ],
    )
    def test_a_control_plane_that_knows_nothing_of_it_is_named(
        self, services: LoopbackServiceQuotas, session: object, kind: str, path: str, operation: str
    ) -> None:
        services.resources["custom-model-deployment"] = {"modelArn": f"{ARN}custom-model/mine"}
        services.resources.pop(path, None)
        error = unavailable(f"{ARN}{kind}", session)
        assert error.problem.startswith(f"{operation} failed (")

    def test_a_foundation_model_is_called_in_its_region(self, services: LoopbackServiceQuotas, session: object) -> None:
        arn = "arn:aws:bedrock:eu-west-3::foundation-model/amazon.nova-lite-v1:0"
        assert read(arn, session).tokens_per_minute == 4_000_000

    def test_a_custom_model_without_a_deployment_has_none(
        self, services: LoopbackServiceQuotas, session: object
    ) -> None:
        error = unavailable(f"{ARN}custom-model/amazon.nova-lite-v1:0/abc", session)
        assert error.problem.endswith("called with the ARN of a custom-model")

    def test_what_has_no_quota_of_a_model_says_so(self, services: LoopbackServiceQuotas, session: object) -> None:
        error = unavailable(f"{ARN}provisioned-model/abc", session)
        assert (error.reason, services.requests) == ("no-match", [])
        assert "the ARN of a provisioned-model" in str(error)


def test_a_quota_needs_a_name_a_code_and_a_value() -> None:
    class Client:
        """Lists three quotas, of which one has more than is needed, and one less."""

        def get_paginator(self, _: str) -> Client:
            return self

        def paginate(self, **_: object) -> list[dict[str, list[dict[str, object]]]]:
            quota: dict[str, object] = {"QuotaName": "a", "QuotaCode": "L-1", "Value": 5}
            return [{"Quotas": [quota, {**quota, "Unit": "None"}, {"QuotaName": "b", "QuotaCode": "L-2"}]}]

    assert _listed(Client(), "list_service_quotas") == [("a", "L-1", 5.0)] * 2


@pytest.mark.parametrize(
    ("model", "region"),
    [
        ("arn:aws:bedrock:eu-west-3:1:inference-profile/x", "eu-west-3"),
        ("arn:aws:bedrock:eu-west-3:1:inference-profile/x-v1:0", "eu-west-3"),
        ("arn:aws:bedrock", ""),
        ("a:b:c:d:e:f", ""),
        (SONNET, ""),
    ],
)
def test_only_an_arn_has_a_region(model: str, region: str) -> None:
    assert _region_of(model) == region
