"""Counts and log."""

from __future__ import annotations

import pytest

from bedrock_resilience.emulator._http.routes import Operation
from bedrock_resilience.emulator._injection.stream_faults import SlowFirstByte, TruncatedBody
from bedrock_resilience.emulator._request_log import RequestLog


def test_the_log_keeps_the_latest_and_the_counts_keep_all() -> None:
    request_log = RequestLog(size=2)
    for number in range(5):
        entry = request_log.arrived(float(number), "/x", {"amz-sdk-invocation-id": f"id-{number % 2}"}, b"{}")
        request_log.routed(entry, Operation.CONVERSE, "model")
        entry.status = 200
        request_log.finished(entry, float(number))
    assert [entry.serial for entry in request_log.entries] == [4, 5]
    assert (request_log.requests, request_log.answered, request_log.in_flight) == (5, 5, 0)
    assert request_log.invocations == {"id-0": 3, "id-1": 2}
    assert request_log.models == {"model": 5}


@pytest.mark.parametrize(
    ("error", "throttled"),
    [("ThrottlingException", True), ("429", True), ("ModelNotReadyException", False), (None, False)],
)
def test_throttles_are_refusals_for_the_rate(error: str | None, *, throttled: bool) -> None:
    request_log = RequestLog(size=1)
    entry = request_log.arrived(0.0, "/x", {}, b"")
    entry.status, entry.error = 429, error
    request_log.finished(entry, 1.0)
    request_log.finished(entry, 2.0)
    assert request_log.throttles == throttled
    assert request_log.errors == ({error: 1} if error else {})
    assert entry.finished_at == 1.0


def test_only_complete_responses_count_as_answered() -> None:
    request_log = RequestLog(size=9)
    for fault in (None, SlowFirstByte(), TruncatedBody()):
        entry = request_log.arrived(0.0, "/x", {}, b"")
        entry.status, entry.fault = 200, fault
        assert not entry.answered
        request_log.finished(entry, 1.0)
    assert request_log.answered == 2


def test_requests_in_flight_at_a_reset_are_not_counted_later() -> None:
    request_log = RequestLog(size=9)
    entry = request_log.arrived(0.0, "/x", {}, b"")
    entry.status = 200
    assert request_log.in_flight == 1
    request_log.clear()
    request_log.finished(entry, 1.0)
    assert (request_log.requests, request_log.answered, request_log.in_flight, request_log.entries) == (0, 0, 0, ())


@pytest.mark.parametrize(("body", "value"), [(b'{"a":1}', {"a": 1}), (b"[1]", None), (b"{", None)])
def test_the_body_of_an_entry_is_read_where_it_is_a_json_object(body: bytes, value: object) -> None:
    entry = RequestLog(size=1).arrived(0.0, "/x", {"amz-sdk-request": "attempt=1"}, body)
    assert entry.json == value
    assert (entry.attempt, entry.invocation_id) == ("attempt=1", None)
