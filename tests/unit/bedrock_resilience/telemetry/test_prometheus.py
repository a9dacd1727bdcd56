"""PrometheusListener: what a scrape reads."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest

from bedrock_resilience import BoundedExecutor, NoJitter, Quota, QuotaPacer, RetryPolicy
from bedrock_resilience.quotas import RequestTokens
from bedrock_resilience.retrying import CallInfo
from bedrock_resilience.telemetry import PrometheusListener
from bedrock_resilience.testing import FakeClock, scripted, throttling_error, validation_error
from support.approx import approx

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bedrock_resilience.retrying import Listener

prometheus: Any = pytest.importorskip("prometheus_client")
parser: Any = importlib.import_module("prometheus_client.parser")

Samples: TypeAlias = dict[str, list[tuple[dict[str, str], float]]]

ANSWER = {"usage": {"inputTokens": 100, "outputTokens": 20, "totalTokens": 120}}
COMMON = {"gen_ai_provider_name": "aws.bedrock", "gen_ai_request_model": "m", "cloud_region": "eu-west-3"}
CALL = {**COMMON, "gen_ai_operation_name": "chat"}


def run(listeners: Iterable[Listener]) -> None:
    """Three items: one is throttled once, one fails for good."""
    BoundedExecutor(
        1,
        policy=RetryPolicy(jitter=NoJitter()),
        clock=FakeClock(),
        pacer=QuotaPacer(Quota(requests_per_minute=60, tokens_per_minute=60_000)),
        listeners=listeners,
        tokens=RequestTokens(100, 200, burndown=5),
        info=CallInfo(operation="Converse", model="m", region="eu-west-3"),
    ).run(scripted(throttling_error(), ANSWER, validation_error(), ANSWER), range(3))


def scraped(registry: object) -> Samples:
    """The samples of an exposition, parsed: name to labels and value."""
    found: Samples = {}
    for family in parser.text_string_to_metric_families(prometheus.generate_latest(registry).decode()):
        for sample in family.samples:
            found.setdefault(sample.name, []).append((dict(sample.labels), sample.value))
    return found


def test_the_name_of_an_application_is_no_registry() -> None:
    with pytest.raises(TypeError) as refused:
        PrometheusListener("my-app")
    assert str(refused.value) == (
        "PrometheusListener: registry: got 'my-app'; accepted: a CollectorRegistry of prometheus_client, or None"
    )


@pytest.fixture
def samples() -> Samples:
    registry = prometheus.CollectorRegistry()
    run([PrometheusListener(registry)])
    return scraped(registry)


def test_attempts_by_kind_and_fault(samples: Samples) -> None:
    kind = "bedrock_resilience_attempt_kind"
    assert samples["bedrock_resilience_attempts_total"] == [
        ({**CALL, kind: "first", "error_type": "throttling"}, 1),
        ({**CALL, kind: "retry", "error_type": ""}, 1),
        ({**CALL, kind: "first", "error_type": "validation"}, 1),
        ({**CALL, kind: "first", "error_type": ""}, 1),
    ]


def test_the_seconds_of_waits(samples: Samples) -> None:
    backoff = {**CALL, "bedrock_resilience_wait_kind": "backoff"}
    assert (backoff, 1) in samples["bedrock_resilience_wait_duration_seconds_count"]
    assert (backoff, 0.5) in samples["bedrock_resilience_wait_duration_seconds_sum"]
    assert ({**backoff, "le": "0.25"}, 0) in samples["bedrock_resilience_wait_duration_seconds_bucket"]
    assert ({**backoff, "le": "0.5"}, 1) in samples["bedrock_resilience_wait_duration_seconds_bucket"]


def test_tokens_of_quota(samples: Samples) -> None:
    state = "bedrock_resilience_quota_state"
    assert samples["bedrock_resilience_quota_tokens_total"] == [
        ({**CALL, state: "reserved"}, 600),
        ({**CALL, state: "settled"}, 400),
        ({**CALL, state: "unused"}, 200),
    ]


def test_what_the_pacer_knows(samples: Samples) -> None:
    kind = "bedrock_resilience_quota_kind"
    assert samples["bedrock_resilience_quota_limit"] == [
        ({**COMMON, kind: "requests"}, 60),
        ({**COMMON, kind: "tokens"}, 60_000),
    ]
    # The throttle of requests has ended their burst: the interval between them is longer by the delays of a network.
    assert samples["bedrock_resilience_pacer_rate"] == [
        ({**COMMON, kind: "requests"}, approx(60 / 1.05)),
        ({**COMMON, kind: "tokens"}, 60_000),
    ]
    assert samples["bedrock_resilience_pacer_confidence"] == [(COMMON, 1)]


def test_the_default_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    registry = prometheus.CollectorRegistry()
    monkeypatch.setattr(prometheus, "REGISTRY", registry)
    run([PrometheusListener(provider="test")])
    assert {labels["gen_ai_provider_name"] for labels, _ in scraped(registry)["bedrock_resilience_pacer_rate"]} == {
        "test"
    }
    with pytest.raises(ValueError, match="bedrock_resilience_attempts"):
        PrometheusListener()


def test_an_exporter_of_opentelemetry_has_the_same_names_and_labels() -> None:
    exporter: Any = pytest.importorskip("opentelemetry.exporter.prometheus")
    sdk: Any = importlib.import_module("opentelemetry.sdk.metrics")
    from bedrock_resilience.telemetry import OpenTelemetryListener  # noqa: PLC0415 - may be missing

    ours, theirs = prometheus.CollectorRegistry(), prometheus.CollectorRegistry()
    provider = sdk.MeterProvider([exporter.PrometheusMetricReader(registry=theirs)])
    run([PrometheusListener(ours), OpenTelemetryListener(meter_provider=provider, spans=False)])
    assert comparable(scraped(theirs)) == comparable(scraped(ours))
    provider.shutdown()


def comparable(samples: Samples) -> set[tuple[str, frozenset[tuple[str, str]], float]]:
    """Samples without what an exporter adds: labels of its scope, empty labels, and the time of creation."""
    return {
        (
            name,
            frozenset((label, text) for label, text in labels.items() if text and not label.startswith("otel_")),
            value,
        )
        for name, found in samples.items()
        if name.startswith("bedrock_resilience") and not name.endswith("_created")
        for labels, value in found
    }


def test_its_repr_names_the_provider() -> None:
    listener = PrometheusListener(prometheus.CollectorRegistry(), provider="p")
    assert repr(listener) == "PrometheusListener(provider='p')"
