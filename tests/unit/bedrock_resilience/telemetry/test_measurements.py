"""Measurements: what each event means as metrics."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest

from bedrock_resilience import NoJitter, Quota, QuotaPacer, Retrier, RetryPolicy
from bedrock_resilience.quotas import RequestTokens
from bedrock_resilience.retrying import CallInfo, CallStarted
from bedrock_resilience.telemetry._measurements import (
    INSTRUMENTS,
    attributes_of,
    import_extra,
    measurements,
    operation_name,
)
from bedrock_resilience.testing import FakeClock, scripted, throttling_error, validation_error

if TYPE_CHECKING:
    from bedrock_resilience.retrying import Event

Measured: TypeAlias = tuple[str, float, dict[str, str]]

INFO = CallInfo(operation="Converse", model="m", region="eu-west-3")
ANSWER = {"usage": {"inputTokens": 100, "outputTokens": 20, "totalTokens": 120}}


def measured(*outcomes: object, **options: Any) -> list[Measured]:  # noqa: ANN401 - as those of Retrier
    """The measurements of one call: name, value, and the attributes that are not those of every metric."""
    events: list[Event] = []
    policy = RetryPolicy(max_retries=1, jitter=NoJitter())
    retrier = Retrier(policy, clock=FakeClock(), listeners=[events.append], info=INFO, **options)
    try:
        retrier.call(scripted(*outcomes))
    except BaseException as error:  # noqa: BLE001 - these tests read the events
        del error
    found = [one for event in events for one in measurements(event, "aws.bedrock")]
    for one in found:
        assert set(one.attributes) <= set(one.instrument.attributes)
        assert one.attributes["gen_ai.request.model"] == "m"
    return [
        (
            one.instrument.name.removeprefix("bedrock_resilience."),
            one.value,
            {
                name.rpartition(".")[2]: value
                for name, value in one.attributes.items()
                if not name.startswith(("gen_ai", "cloud"))
            },
        )
        for one in found
    ]


FIRST_THROTTLED = ("attempts", 1, {"kind": "first", "type": "throttling"})
BACKOFF = ("wait.duration", 0.5, {"kind": "backoff"})


class TestAttempts:
    def test_each_is_counted_once_with_its_fault(self) -> None:
        assert measured(throttling_error(), "answer") == [
            FIRST_THROTTLED,
            BACKOFF,
            ("attempts", 1, {"kind": "retry"}),
        ]

    def test_of_a_call_that_fails(self) -> None:
        assert measured(throttling_error(), validation_error()) == [
            FIRST_THROTTLED,
            BACKOFF,
            ("attempts", 1, {"kind": "retry", "type": "validation"}),
        ]

    def test_of_a_call_that_is_cancelled(self) -> None:
        assert measured(KeyboardInterrupt()) == [("attempts", 1, {"kind": "first", "type": "cancelled"})]

    def test_a_retry_that_was_not_sent_is_not_counted(self) -> None:
        event = _EventAfterError()
        assert measured(throttling_error(), stop_event=event) == [FIRST_THROTTLED, BACKOFF]


class _EventAfterError:
    """A stop event that is set when it is read for the third time: after the delay of the first retry."""

    def __init__(self) -> None:
        self._reads = 0

    def is_set(self) -> bool:
        self._reads += 1
        return self._reads > 2


class TestQuota:
    def test_tokens_reserved_settled_and_unused(self) -> None:
        assert measured(ANSWER, tokens=RequestTokens(100, 200, burndown=5))[1:] == [
            ("quota.tokens", 300, {"state": "reserved"}),
            ("quota.tokens", 200.0, {"state": "settled"}),
            ("quota.tokens", 100.0, {"state": "unused"}),
        ]

    def test_the_rate_and_the_limit_of_the_pacer_at_every_event(self) -> None:
        pacer = QuotaPacer(Quota(requests_per_minute=60, tokens_per_minute=6_000))
        at_the_start: list[Measured] = [
            ("pacer.rate", 60.0, {"kind": "requests"}),
            ("pacer.rate", 6_000.0, {"kind": "tokens"}),
            ("quota.limit", 60, {"kind": "requests"}),
            ("quota.limit", 6_000, {"kind": "tokens"}),
            ("pacer.confidence", 1.0, {}),
        ]
        assert measured("answer", pacer=pacer) == [*at_the_start, ("attempts", 1, {"kind": "first"}), *at_the_start]

    def test_waits_for_the_pacer(self) -> None:
        pacer = QuotaPacer(Quota(requests_per_minute=30, burst=1))
        pacer.reserve(0.0)
        waits = [one for one in measured("answer", pacer=pacer) if one[0] == "wait.duration"]
        assert [attributes for _, _, attributes in waits] == [{"kind": "pacing"}]


class TestAttributes:
    def test_what_is_not_known_is_left_out(self) -> None:
        assert attributes_of(CallStarted(), "aws.bedrock") == {
            "gen_ai.provider.name": "aws.bedrock",
            "gen_ai.operation.name": "chat",
        }

    @pytest.mark.parametrize(
        ("operation", "model", "expected"),
        [
            ("Converse", "eu.anthropic.claude", "chat"),
            ("InvokeModel", "amazon.titan-embed-text-v2:0", "embeddings"),
            ("CountTokens", "eu.anthropic.claude", "count_tokens"),
            (None, None, "chat"),
        ],
    )
    def test_operations_have_the_names_of_the_conventions(
        self, operation: str | None, model: str | None, expected: str
    ) -> None:
        assert operation_name(CallStarted(operation=operation, model=model)) == expected

    def test_no_metric_has_an_attribute_of_one_call(self) -> None:
        assert not any("call" in name or "id" in name.split(".") for one in INSTRUMENTS for name in one.attributes)


def test_a_missing_package_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    with pytest.raises(ModuleNotFoundError, match=r"Some needs prometheus_client .*bedrock-resilience\[prometheus\]"):
        import_extra("Some", "prometheus_client", "prometheus")
