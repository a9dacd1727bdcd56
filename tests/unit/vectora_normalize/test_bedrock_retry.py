"""call_bedrock_with_retry beyond the contract's four scenarios: its client, its responses, its log lines."""

from __future__ import annotations

import json
import logging
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

from bedrock_resilience import Fault, MalformedResponseError, NoJitter, Retrier, RetryPolicy, classify
from bedrock_resilience.bedrock import bedrock_runtime_client
from bedrock_resilience.errors import ClientConfigurationError
from bedrock_resilience.retrying._events import RetryScheduled
from bedrock_resilience.testing import (
    FakeClock,
    ScriptedBedrock,
    claude_response,
    instant_retries,
    read_timeout,
    scripted,
    stream_error,
    throttling_error,
    throttling_errors,
    validation_error,
)
from vectora_normalize import bedrock_retry
from vectora_normalize.bedrock_retry import ContractLoggingListener, call_bedrock_with_retry

if TYPE_CHECKING:
    from collections.abc import Iterator

BODY: dict[str, Any] = {"anthropic_version": "bedrock-2023-05-31", "max_tokens": 1_000, "messages": []}


@pytest.fixture(autouse=True)
def no_client_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bedrock_retry, "_clients", {})


@pytest.fixture
def sleeps() -> Iterator[list[float]]:
    """The requested sleeps; none is executed."""
    with instant_retries() as clock:
        yield clock.sleeps


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [f"{record.levelname} {record.getMessage()}" for record in caplog.records]


def test_the_text_of_the_response_is_returned() -> None:
    client = ScriptedBedrock({"content": [{"type": "text", "text": "Hel"}, {"type": "text", "text": "lo"}]})
    assert call_bedrock_with_retry("model", BODY, client=client) == "Hello"
    [(operation, request)] = client.requests
    assert operation == "invoke_model"
    assert request["modelId"] == "model"
    assert json.loads(request["body"]) == BODY


def test_blocks_without_text_add_none() -> None:
    thinking = {"type": "thinking", "thinking": "..."}
    client = ScriptedBedrock({"content": [thinking, "text", {"type": "text", "text": "Hello"}]})
    assert call_bedrock_with_retry("model", BODY, client=client) == "Hello"


@pytest.mark.parametrize("body", [{"content": []}, {"content": "Hello"}, {"a": 1}, {"content": [{"text": None}]}])
def test_a_response_without_text_is_malformed_and_not_retried(body: dict[str, Any]) -> None:
    client = ScriptedBedrock(body)
    with pytest.raises(MalformedResponseError, match=r"no (text|output)"):
        call_bedrock_with_retry("model", BODY, client=client)
    assert client.calls == 1


def test_a_text_cut_at_max_tokens_is_returned() -> None:
    client = ScriptedBedrock(claude_response("Hel", "max_tokens"))
    assert call_bedrock_with_retry("model", BODY, client=client) == "Hel"


def test_the_two_lines_that_the_log_filters_count(caplog: pytest.LogCaptureFixture, sleeps: list[float]) -> None:
    client = ScriptedBedrock(then=throttling_error())
    with pytest.raises(Exception, match="ThrottlingException"):
        call_bedrock_with_retry("model", BODY, client=client)
    assert lines(caplog) == [
        *(
            f"WARNING ThrottlingException détectée (tentative {attempt}/4). Retry dans {seconds:.2f}s..."
            for attempt, seconds in enumerate(sleeps, 1)
        ),
        "ERROR ThrottlingException - Échec après 4 tentatives. Abandon de l'appel Bedrock.",
    ]


def test_the_delays_are_those_of_the_contract(sleeps: list[float]) -> None:
    client = ScriptedBedrock(*throttling_errors(12), "Hello")
    assert call_bedrock_with_retry("model", BODY, max_retries=12, base_delay=0.25, client=client) == "Hello"
    assert len(sleeps) == 12
    assert all(0 <= slept - 0.25 * 2**retry <= 0.1 for retry, slept in enumerate(sleeps))  # with no cap
    assert len({round(slept - 0.25 * 2**retry, 9) for retry, slept in enumerate(sleeps)}) > 1


def test_no_delay_is_beyond_an_hour(sleeps: list[float]) -> None:
    client = ScriptedBedrock(*throttling_errors(20), "Hello")
    call_bedrock_with_retry("model", BODY, max_retries=20, base_delay=1.0, client=client)
    assert 3_599 < max(sleeps) <= 3_600


@pytest.mark.parametrize("error", [read_timeout(), validation_error()])
def test_nothing_but_throttling_is_retried(
    error: Exception, caplog: pytest.LogCaptureFixture, sleeps: list[float]
) -> None:
    client = ScriptedBedrock(error)
    with pytest.raises(type(error)) as raised:
        call_bedrock_with_retry("model", BODY, client=client)
    assert raised.value is error
    assert (client.calls, sleeps) == (1, [])
    assert not any("Échec" in line or "détectée" in line for line in lines(caplog))


@pytest.mark.parametrize(
    ("arguments", "field"),
    [({"max_retries": -1}, "max_retries"), ({"max_retries": "3"}, "max_retries"), ({"base_delay": "1"}, "base_delay")],
)
def test_arguments_out_of_range_are_refused(arguments: dict[str, Any], field: str) -> None:
    refusal = ValueError if arguments == {"max_retries": -1} else TypeError
    with pytest.raises(refusal, match=f"{field}: got "):
        call_bedrock_with_retry("model", BODY, client=ScriptedBedrock(), **arguments)


def test_a_client_that_retries_by_itself_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    client = bedrock_runtime_client("eu-west-3")
    monkeypatch.setitem(client.meta.config.retries, "total_max_attempts", 5)
    with pytest.raises(ClientConfigurationError, match="makes 20"):
        call_bedrock_with_retry("model", BODY, client=client)


def test_a_client_is_made_once_for_each_region(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str | None] = []

    def make(region_name: str | None) -> ScriptedBedrock:
        made.append(region_name)
        return ScriptedBedrock(then="Hello")

    monkeypatch.setattr(bedrock_retry, "bedrock_runtime_client", make)
    for region in ("", "eu-west-3", "", "eu-west-3"):
        monkeypatch.setenv("BEDROCK_REGION", region)
        assert call_bedrock_with_retry("model", BODY) == "Hello"
    assert made == [None, "eu-west-3"]


def test_threads_that_start_together_make_one_client(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[ScriptedBedrock] = []
    together = threading.Barrier(8)

    def make(region_name: str | None) -> ScriptedBedrock:
        del region_name
        time.sleep(0.01)  # noqa: TID251 - so that the others arrive meanwhile
        made.append(ScriptedBedrock(then="Hello"))
        return made[-1]

    def call() -> None:
        together.wait()
        call_bedrock_with_retry("model", BODY)

    monkeypatch.setattr(bedrock_retry, "bedrock_runtime_client", make)
    threads = [threading.Thread(target=call) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [client.calls for client in made] == [8]


def test_the_lines_go_to_the_modules_logger(caplog: pytest.LogCaptureFixture, sleeps: list[float]) -> None:
    call_bedrock_with_retry("model", BODY, client=ScriptedBedrock(*throttling_errors(1), "Hello"))
    assert [(record.name, record.levelno) for record in caplog.records] == [
        ("vectora_normalize.bedrock_retry", logging.WARNING)
    ]
    assert len(sleeps) == 1


def test_an_exhausted_daily_quota_is_raised_at_once(caplog: pytest.LogCaptureFixture, sleeps: list[float]) -> None:
    error = throttling_error("Too many tokens per day, please wait before trying again.")
    client = ScriptedBedrock(error)
    with pytest.raises(type(error)):
        call_bedrock_with_retry("model", BODY, client=client)
    assert classify(error) is Fault.TOKENS_PER_DAY
    assert (client.calls, sleeps) == (1, [])
    assert lines(caplog)


class TestContractLoggingListener:
    POLICY = RetryPolicy(jitter=NoJitter(), retry_on="transient")

    @pytest.fixture(autouse=True)
    def all_levels(self, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.DEBUG)

    def call(self, *outcomes: object, policy: RetryPolicy = POLICY) -> None:
        with suppress(Exception):  # these tests read the log
            Retrier(policy, clock=FakeClock(), listeners=[ContractLoggingListener()]).call(scripted(*outcomes))

    def test_throttled_then_answered(self, caplog: pytest.LogCaptureFixture) -> None:
        self.call(*throttling_errors(3), "done")
        assert lines(caplog) == [
            "WARNING ThrottlingException détectée (tentative 1/4). Retry dans 0.50s...",
            "WARNING ThrottlingException détectée (tentative 2/4). Retry dans 1.00s...",
            "WARNING ThrottlingException détectée (tentative 3/4). Retry dans 2.00s...",
        ]

    def test_throttled_for_ever(self, caplog: pytest.LogCaptureFixture) -> None:
        self.call(*throttling_errors(2), policy=self.POLICY.replace(max_retries=1))
        assert lines(caplog) == [
            "WARNING ThrottlingException détectée (tentative 1/2). Retry dans 0.50s...",
            "ERROR ThrottlingException - Échec après 2 tentatives. Abandon de l'appel Bedrock.",
        ]

    def test_a_throttled_call_without_retries_is_abandoned(self, caplog: pytest.LogCaptureFixture) -> None:
        self.call(throttling_error(), policy=self.POLICY.replace(max_retries=0))
        assert lines(caplog) == ["ERROR ThrottlingException - Échec après 1 tentatives. Abandon de l'appel Bedrock."]

    def test_throttling_in_another_spelling_has_the_same_line(self, caplog: pytest.LogCaptureFixture) -> None:
        self.call(stream_error("throttlingException"), "done")
        assert lines(caplog) == ["WARNING ThrottlingException détectée (tentative 1/4). Retry dans 0.50s..."]

    def test_another_fault_has_its_own_name(self, caplog: pytest.LogCaptureFixture) -> None:
        self.call(read_timeout(), read_timeout())
        assert lines(caplog) == [
            "WARNING ReadTimeoutError détectée (tentative 1/4). Retry dans 0.50s...",
            "ERROR ReadTimeoutError - Échec après 2 tentatives. Abandon de l'appel Bedrock.",
        ]

    def test_a_failure_without_a_retry_is_no_abandoned_call(self, caplog: pytest.LogCaptureFixture) -> None:
        error = validation_error("Malformed input.")
        self.call(error)
        assert lines(caplog) == [f"ERROR ValidationException: the Bedrock call failed, not retryable: {error}"]

    def test_delays_have_two_decimals(self, caplog: pytest.LogCaptureFixture) -> None:
        ContractLoggingListener()(
            RetryScheduled(attempt=1, max_attempts=4, delay=0.5249, fault=Fault.THROTTLING, error=throttling_error())
        )
        assert lines(caplog) == ["WARNING ThrottlingException détectée (tentative 1/4). Retry dans 0.52s..."]
