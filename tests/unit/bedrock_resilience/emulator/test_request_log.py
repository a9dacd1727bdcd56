"""Counts and log."""

from __future__ import annotations

import pytest

from bedrock_resilience.emulator._http.routes import Operation
from bedrock_resilience.emulator._injection.stream_faults import SlowFirstByte, TruncatedBody
from bedrock_resilience.emulator._request_log import RequestLog


def test_the_log_keeps_the_latest_and_the_counts_keep_all() -> None:
    journal = RequestLog(size=2)
    for number in range(5):
        exchange = journal.arrived(float(number), "/x", {"amz-sdk-invocation-id": f"id-{number % 2}"}, b"{}")
        journal.routed(exchange, Operation.CONVERSE, "model")
        exchange.status = 200
        journal.finished(exchange, float(number))
    assert [exchange.serial for exchange in journal.log] == [4, 5]
    assert (journal.requests, journal.answered, journal.in_flight) == (5, 5, 0)
    assert journal.invocations == {"id-0": 3, "id-1": 2}
    assert journal.models == {"model": 5}


@pytest.mark.parametrize(
    ("error", "throttled"),
    [("ThrottlingException", True), ("429", True), ("ModelNotReadyException", False), (None, False)],
)
def test_throttles_are_refusals_for_the_rate(error: str | None, *, throttled: bool) -> None:
    journal = RequestLog(size=1)
    exchange = journal.arrived(0.0, "/x", {}, b"")
    exchange.status, exchange.error = 429, error
    journal.finished(exchange, 1.0)
    journal.finished(exchange, 2.0)
    assert journal.throttles == throttled
    assert journal.errors == ({error: 1} if error else {})
    assert exchange.finished_at == 1.0


def test_only_whole_answers_count_as_answered() -> None:
    journal = RequestLog(size=9)
    for fault in (None, SlowFirstByte(), TruncatedBody()):
        exchange = journal.arrived(0.0, "/x", {}, b"")
        exchange.status, exchange.fault = 200, fault
        assert not exchange.answered
        journal.finished(exchange, 1.0)
    assert journal.answered == 2


def test_what_was_in_flight_when_all_was_forgotten_is_not_counted_later() -> None:
    journal = RequestLog(size=9)
    exchange = journal.arrived(0.0, "/x", {}, b"")
    exchange.status = 200
    assert journal.in_flight == 1
    journal.clear()
    journal.finished(exchange, 1.0)
    assert (journal.requests, journal.answered, journal.in_flight, journal.log) == (0, 0, 0, ())


@pytest.mark.parametrize(("body", "value"), [(b'{"a":1}', {"a": 1}), (b"[1]", None), (b"{", None)])
def test_the_body_of_an_entry_is_read_where_it_is_a_json_object(body: bytes, value: object) -> None:
    exchange = RequestLog(size=1).arrived(0.0, "/x", {"amz-sdk-request": "attempt=1"}, body)
    assert exchange.json == value
    assert (exchange.attempt, exchange.invocation_id) == ("attempt=1", None)
