"""The service without a socket: order of checks, timing, settlement."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Any

import pytest

from bedrock_resilience.emulator._generation.extractor import extract
from bedrock_resilience.emulator._http.server import Request
from bedrock_resilience.emulator._injection.script import FaultScript, Rule
from bedrock_resilience.emulator._injection.stream_faults import UnexpectedBody
from bedrock_resilience.emulator._latency import Constant
from bedrock_resilience.emulator._operations.service import Service
from bedrock_resilience.emulator._request_log import RequestLog
from bedrock_resilience.quotas import Limit, Quota, QuotaLedger, Usage
from support.approx import approx

if TYPE_CHECKING:
    from random import Random

SONNET = "eu.anthropic.claude-sonnet-4-5"
HELLO: dict[str, Any] = {"messages": [{"role": "user", "content": [{"text": "Hello."}]}]}


class StillClock:
    """A clock that advances only when it sleeps."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        raise AssertionError(f"the service does not wait, and not {seconds} s")

    async def asleep(self, seconds: float) -> None:
        raise AssertionError(f"the service does not wait, and not {seconds} s")


class Setup:
    """A service with its parts."""

    def __init__(self, quota: Quota | None = None, latency: float = 2.0) -> None:
        self.clock = StillClock()
        self.ledger = QuotaLedger(quota)
        self.script = FaultScript()
        self.request_log = RequestLog(100)
        self.service = Service(
            ledger=self.ledger,
            script=self.script,
            request_log=self.request_log,
            responder=extract,
            latency=Constant(latency),
            clock=self.clock,
        )

    def send(self, operation: str = "converse", body: object = HELLO) -> Any:  # noqa: ANN401 - PendingReply
        request = Request("POST", f"/model/{SONNET}/{operation}", {}, json.dumps(body).encode())
        return self.service(request, self.clock.now)


def test_a_response_is_sent_after_its_latency_and_reports_it() -> None:
    setup = Setup()
    reply = setup.send().reply
    assert (reply.delay, reply.pause) == (2.0, 0.0)
    assert json.loads(reply.frames[0])["metrics"]["latencyMs"] == 2_000


def test_a_stream_starts_early_and_ends_after_its_latency() -> None:
    reply = Setup().send("converse-stream").reply
    assert reply.delay == approx(0.4)
    assert reply.delay + reply.pause * (len(reply.frames) - 1) == approx(2.0)


def test_a_response_slower_than_the_latency_is_not_delayed_further() -> None:
    setup = Setup(latency=0.5)

    def slow(rng: Random) -> float:
        setup.clock.now += 3.0
        return 0.5 + 0 * rng.random()

    setup.service.latency = slow
    assert setup.send().reply.delay == approx(3.0)


def test_a_negative_latency_counts_as_zero() -> None:
    def negative(rng: Random) -> float:
        return -5.0 * (1 + rng.random())

    setup = Setup()
    setup.service.latency = negative
    assert setup.send().reply.delay == 0.0


def test_the_reservation_is_settled_once_when_the_response_is_complete() -> None:
    setup = Setup(Quota(tokens_per_minute=10_000))
    delivery = setup.send(body={**HELLO, "inferenceConfig": {"maxTokens": 1_000}})
    assert setup.ledger.level(1_000.0, SONNET, Limit.TOKENS_PER_MINUTE) == 10_000 - 1_002
    assert (setup.ledger.in_flight, setup.request_log.in_flight) == (1, 1)
    delivery.done()
    delivery.done()
    (entry,) = setup.request_log.entries
    assert entry.usage == Usage(2, 27)
    assert setup.ledger.level(1_000.0, SONNET, Limit.TOKENS_PER_MINUTE) == 10_000 - (2 + 5 * 27)
    assert (setup.ledger.in_flight, setup.request_log.in_flight, setup.request_log.answered) == (0, 0, 1)


def test_a_response_to_a_disconnected_client_is_settled_and_not_counted() -> None:
    setup = Setup(Quota(tokens_per_minute=100_000))
    delivery = setup.send()
    delivery.lost()
    delivery.done()
    (entry,) = setup.request_log.entries
    assert (entry.status, entry.error, entry.answered) == (None, None, False)
    assert (setup.request_log.answered, setup.request_log.in_flight) == (0, 0)
    assert setup.ledger.level(1_000.0, SONNET, Limit.TOKENS_PER_MINUTE) == 100_000 - (2 + 5 * 27)


def test_an_invalid_request_costs_no_quota() -> None:
    setup = Setup(Quota(requests_per_minute=60, burst=1))
    assert setup.send(body={}).reply.status == 400
    assert setup.send().reply.status == 200
    assert setup.send().reply.status == 429


def test_a_cached_prompt_is_in_the_usage_and_settled_as_such() -> None:
    setup = Setup(Quota(tokens_per_minute=1_000_000))
    body = {**HELLO, "system": [{"text": "x" * 20_000}, {"cachePoint": {"type": "default"}}]}
    usages: list[Usage | None] = []
    for _ in range(2):
        setup.send(body=body).done()
        usages.append(setup.request_log.entries[-1].usage)
    assert usages == [Usage(2, 27, cache_write_input_tokens=5_000), Usage(2, 27, cache_read_input_tokens=5_000)]
    spent = 1_000_000 - setup.ledger.level(1_000.0, SONNET, Limit.TOKENS_PER_MINUTE)
    assert spent == 2 * (2 + 5 * 27) + 5_000


@pytest.mark.parametrize(("status", "error"), [(200, None), (503, "503")])
def test_an_unexpected_body_is_logged_as_the_client_receives_it(status: int, error: str | None) -> None:
    setup = Setup(Quota(requests_per_minute=1, burst=1))
    setup.script.add(Rule(UnexpectedBody(status=status), 2))
    for _ in range(2):  # the second would have been throttled
        setup.send().done()
        entry = setup.request_log.entries[-1]
        assert (entry.status, entry.error, entry.answered) == (status, error, False)


def test_request_ids_depend_on_the_seed_and_are_unique() -> None:
    def ids() -> list[str]:
        setup = Setup()
        return [str(setup.send().reply.headers["x-amzn-RequestId"]) for _ in range(50)]

    assert ids() == ids()
    assert len(set(ids())) == 50


def test_concurrent_requests_get_their_own_responses() -> None:
    setup = Setup()
    wrong: list[str] = []

    def ask(name: str) -> None:
        for number in range(20):
            text = f"{name} {number}."
            delivery = setup.send(body={"messages": [{"role": "user", "content": [{"text": text}]}]})
            delivery.done()
            if text.encode() not in delivery.reply.frames[0]:
                wrong.append(text)

    threads = [threading.Thread(target=ask, args=(f"Thread {name}",)) for name in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert (setup.request_log.requests, setup.request_log.answered, setup.ledger.in_flight) == (160, 160, 0)


def test_an_error_in_a_fault_is_reported_and_leaves_nothing_open(caplog: pytest.LogCaptureFixture) -> None:
    setup = Setup()
    body: Any = 5
    setup.script.add(Rule(UnexpectedBody(body=body)))
    delivery = setup.send()
    delivery.done()
    assert delivery.reply.status == 500
    assert b"TypeError" in delivery.reply.frames[0]
    assert setup.request_log.in_flight == 0
    assert setup.ledger.in_flight == 0
    assert "failed" in caplog.text
