"""EmfListener: the lines that Powertools writes, as CloudWatch reads them."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest

from bedrock_resilience import NoJitter, Quota, QuotaPacer, Retrier, RetryPolicy
from bedrock_resilience.quotas import RequestTokens
from bedrock_resilience.retrying import CallInfo
from bedrock_resilience.telemetry import EmfListener
from bedrock_resilience.testing import FakeClock, scripted, throttling_error, validation_error

pytest.importorskip("aws_lambda_powertools")

INFO = CallInfo(operation="Converse", model="m", region="eu-west-3")
ANSWER = {"usage": {"inputTokens": 100, "outputTokens": 20, "totalTokens": 120}}


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Any:  # noqa: ANN401 - a function
    """Makes a call with these outcomes, and returns the line that was written about it."""

    def call(*outcomes: object, listener: EmfListener | None = None, **options: Any) -> dict[str, Any]:  # noqa: ANN401 - as those of Retrier
        policy = RetryPolicy(max_retries=1, jitter=NoJitter())
        settings: dict[str, Any] = {"info": INFO, "listeners": [listener or EmfListener()], **options}
        with suppress(Exception, KeyboardInterrupt):
            Retrier(policy, clock=FakeClock(), **settings).call(scripted(*outcomes))
        (line,) = capsys.readouterr().out.splitlines()
        parsed: dict[str, Any] = json.loads(line)
        return parsed

    return call


def metrics(line: dict[str, Any]) -> dict[str, tuple[float, str]]:
    """Name to value and unit, as the directive of the line states them."""
    (directive,) = line["_aws"]["CloudWatchMetrics"]
    return {one["Name"]: (line[one["Name"]][0], one["Unit"]) for one in directive["Metrics"]}


def test_a_call_that_is_throttled_once(call: Any) -> None:  # noqa: ANN401 - a function
    line = call(throttling_error(), "answer")
    assert metrics(line) == {
        "Attempts": (2, "Count"),
        "Retries": (1, "Count"),
        "Throttles": (1, "Count"),
        "FailedCalls": (0, "Count"),
        "BackoffSeconds": (0.5, "Seconds"),
        "PacingSeconds": (0.0, "Seconds"),
    }
    (directive,) = line["_aws"]["CloudWatchMetrics"]
    assert directive["Namespace"] == "BedrockResilience"
    assert sorted(directive["Dimensions"][0]) == ["Model", "Operation", "service"]
    assert (line["Model"], line["Operation"], line["service"]) == ("m", "Converse", "bedrock")
    assert (line["region"], line["fault"]) == ("eu-west-3", "throttling")
    assert line["call_id"]


@pytest.mark.parametrize("outcome", [validation_error(), KeyboardInterrupt()])
def test_a_call_that_does_not_succeed(call: Any, outcome: BaseException) -> None:  # noqa: ANN401 - a function
    assert metrics(call(outcome))["FailedCalls"] == (1, "Count")


def test_tokens_and_the_pacer(call: Any) -> None:  # noqa: ANN401 - a function
    found = metrics(
        call(
            ANSWER,
            pacer=QuotaPacer(Quota(requests_per_minute=60, tokens_per_minute=6_000)),
            tokens=RequestTokens(100, 200, burndown=5),
        )
    )
    assert {name: found[name] for name in list(found)[6:]} == {
        "TokensReserved": (300, "Count"),
        "TokensSettled": (200, "Count"),
        "TokensUnused": (100, "Count"),
        "PacerRequestRate": (60, "Count"),
        "PacerTokenRate": (6_000, "Count"),
        "QuotaRequestLimit": (60, "Count"),
        "QuotaTokenLimit": (6_000, "Count"),
        "PacerConfidence": (1, "None"),
    }


def test_what_the_pacer_does_not_know_is_left_out(call: Any) -> None:  # noqa: ANN401 - a function
    found = metrics(call("answer", pacer=QuotaPacer(Quota(requests_per_minute=60))))
    assert {"PacerTokenRate", "QuotaTokenLimit"}.isdisjoint(found)


def test_dimensions_that_are_not_known_or_not_ascii(call: Any) -> None:  # noqa: ANN401 - a function
    line = call("answer", info=None)
    assert (line["Model"], line["Operation"]) == ("unknown", "unknown")
    assert "region" not in line
    assert call("answer", info=CallInfo(model="modèle"))["Model"] == "mod\\xe8le"


def test_another_namespace_and_service(call: Any) -> None:  # noqa: ANN401 - a function
    listener = EmfListener("Mine", "my-service")
    line = call("answer", listener=listener)
    assert line["_aws"]["CloudWatchMetrics"][0]["Namespace"] == "Mine"
    assert line["service"] == "my-service"
    assert repr(listener) == "EmfListener('Mine', 'my-service')"


def test_what_is_no_name_is_refused_where_the_listener_is_made() -> None:
    powertools: Any = object()  # not the name of a namespace, such as a Metrics of Powertools
    with pytest.raises(TypeError) as refused:
        EmfListener(powertools, service=None)  # type: ignore[arg-type]
    assert str(refused.value) == (
        f"EmfListener: namespace: got {powertools!r}; accepted: the name of a namespace; service: got None; accepted: "
        "a string"
    )
