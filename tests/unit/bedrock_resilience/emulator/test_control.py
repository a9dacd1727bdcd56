"""The control endpoint, over HTTP."""

from __future__ import annotations

import contextlib
import http.client
import json
from typing import TYPE_CHECKING, Any

import pytest

from bedrock_resilience.emulator import BedrockEmulator, Uniform
from bedrock_resilience.quotas import Quota

if TYPE_CHECKING:
    from collections.abc import Generator

CONVERSE = "/model/a.b/converse"
HELLO = {"messages": [{"role": "user", "content": [{"text": "Hello."}]}]}


@pytest.fixture
def emulator() -> Generator[BedrockEmulator]:
    with BedrockEmulator() as running:
        yield running


def send(emulator: BedrockEmulator, method: str, path: str, body: object = None) -> tuple[int, Any]:
    connection = http.client.HTTPConnection(emulator.endpoint_url.removeprefix("http://"), timeout=5)
    with contextlib.closing(connection):
        data = body if isinstance(body, bytes | None) else json.dumps(body)
        connection.request(method, path, data)
        response = connection.getresponse()
        return response.status, json.loads(response.read())


def test_stats_show_counts_and_settings(emulator: BedrockEmulator) -> None:
    assert send(emulator, "POST", CONVERSE, HELLO)[0] == 200
    status, stats = send(emulator, "GET", "/_emulator/stats")
    assert status == 200
    assert stats == {
        "requests": 1,
        "answered": 1,
        "throttles": 0,
        "in_flight": 0,
        "errors": {},
        "invocations": 0,
        "models": ["a.b"],
        "faults_pending": 0,
        "quota": dict.fromkeys(
            (
                "requests_per_minute",
                "tokens_per_minute",
                "tokens_per_day",
                "burst",
                "input_tokens_per_minute",
                "output_tokens_per_minute",
            )
        ),
        "reading": "bucket",
        "latency": 0.0,
    }


def test_the_log_has_an_entry_for_each_request(emulator: BedrockEmulator) -> None:
    emulator.fail_next(1, "hang", operation="ConverseStream")
    emulator.fail_next(1, 503)
    send(emulator, "POST", CONVERSE, HELLO)
    send(emulator, "POST", CONVERSE, HELLO)
    send(emulator, "POST", "/nothing")
    failed, answered, unknown = send(emulator, "GET", "/_emulator/log")[1]["log"]
    assert (failed["status"], failed["error"], failed["usage"]) == (503, "503", None)
    assert failed["fault"].startswith("ErrorResponse(code=None, status=503")
    assert (answered["operation"], answered["model_id"], answered["fault"]) == ("Converse", "a.b", None)
    assert answered["usage"]["input_tokens"] == 2
    assert (unknown["operation"], unknown["error"]) == (None, "UnknownOperationException")


def test_faults_quota_and_latency_are_set_and_reset(emulator: BedrockEmulator) -> None:
    status, stats = send(
        emulator, "POST", "/_emulator/faults", {"n": 2, "error": "hang", "operation": "ConverseStream"}
    )
    assert (status, stats["faults_pending"]) == (200, 2)
    assert send(emulator, "PUT", "/_emulator/faults/random", {"rate": 1, "errors": [429]})[0] == 200
    assert send(emulator, "POST", CONVERSE, HELLO)[0] == 429
    assert send(emulator, "DELETE", "/_emulator/faults")[1]["faults_pending"] == 0
    assert send(emulator, "POST", CONVERSE, HELLO)[0] == 200
    stats = send(emulator, "PUT", "/_emulator/quota", {"requests_per_minute": 1, "burst": 1})[1]
    assert stats["quota"]["requests_per_minute"] == 1
    assert emulator.quota == Quota(requests_per_minute=1, burst=1)
    assert [send(emulator, "POST", CONVERSE, HELLO)[0] for _ in range(2)] == [200, 429]
    assert send(emulator, "PUT", "/_emulator/latency", {"latency": "uniform:0,0.01"})[1]["latency"].startswith(
        "Uniform"
    )
    assert emulator.latency == Uniform(0, 0.01)
    assert send(emulator, "PUT", "/_emulator/latency", {"latency": 0.01})[1]["latency"] == 0.01
    assert send(emulator, "POST", "/_emulator/reset")[1]["requests"] == 0
    assert send(emulator, "PUT", "/_emulator/quota", {})[1]["quota"]["burst"] is None


def test_an_unexpected_body_is_given_as_text(emulator: BedrockEmulator) -> None:
    fault = {"error": "unexpected-body", "body": '{"é": 1}', "content_type": "application/json"}
    assert send(emulator, "POST", "/_emulator/faults", fault)[0] == 200
    assert send(emulator, "POST", CONVERSE, HELLO) == (200, {"é": 1})


def test_the_quotas_of_several_models_are_shown_by_model() -> None:
    with BedrockEmulator({"a.b": Quota(tokens_per_day=5)}) as emulator:
        quota = send(emulator, "GET", "/_emulator/stats")[1]["quota"]
    assert quota["a.b"]["tokens_per_day"] == 5


@pytest.mark.parametrize(
    ("method", "path", "body", "message"),
    [
        ("POST", "faults", b"{", "body: not JSON ("),
        ("POST", "faults", [1], "body: got [1]; accepted: a JSON object"),
        ("POST", "faults", {"n": "2"}, "fail_next: n: got '2'; accepted: a whole number >= 1, or None"),
        ("POST", "faults", {"n": 0}, "fail_next: n: got 0; accepted: a whole number >= 1, or None"),
        ("POST", "faults", {"error": None}, "error: got None; accepted: a name or an HTTP status"),
        (
            "POST",
            "faults",
            {"error": "x"},
            "fail_next: error: got 'x'; accepted: an HTTP status, AccessDeniedException,",
        ),
        ("POST", "faults", {"model": 5}, "fail_next: model: got 5; accepted: a string"),
        ("POST", "faults", {"nn": 5}, "fail_next: nn: got 5; accepted: the fields code, status"),
        ("PUT", "faults/random", {}, "fail_randomly: rate: got None; accepted: a finite number from 0 to 1"),
        ("PUT", "faults/random", {"rate": 0.5, "errors": "x"}, "errors: got 'x'; accepted: a list of errors"),
        (
            "POST",
            "faults",
            {"error": "unexpected-body", "body": 5},
            "fail_next: body: got 5; accepted: a string or bytes",
        ),
        (
            "POST",
            "faults",
            {"headers": {"a": "b\r\nc"}},
            "fail_next: headers: got {'a': 'b\\r\\nc'}; accepted: a mapping of strings",
        ),
        ("PUT", "quota", {"rpm": 5}, "rpm: not a field of a quota; accepted: requests_per_minute,"),
        ("PUT", "quota", {"burst": 5}, "Quota: burst: got 5; accepted: None without requests_per_minute"),
        ("PUT", "latency", {}, "BedrockEmulator: latency: got None; accepted: a finite number of seconds >= 0"),
        ("PUT", "latency", {"latency": "fast"}, "parse_latency: latency: got 'fast'; accepted: seconds (6.5)"),
    ],
)
def test_an_invalid_setting_is_refused_by_name(
    emulator: BedrockEmulator, method: str, path: str, body: object, message: str
) -> None:
    status, answer = send(emulator, method, f"/_emulator/{path}", body)
    assert status == 400
    assert answer["message"].startswith(message)


def test_an_unknown_action_names_the_known_ones(emulator: BedrockEmulator) -> None:
    status, answer = send(emulator, "GET", "/_emulator/nothing")
    assert status == 404
    assert "accepted: GET /_emulator/stats, GET /_emulator/log, POST /_emulator/faults" in answer["message"]


def test_the_reading_is_set_by_its_name(emulator: BedrockEmulator) -> None:
    status, stats = send(emulator, "PUT", "/_emulator/reading", {"reading": "fixed:30+refusals-count"})
    assert (status, stats["reading"]) == (200, "fixed:30+refusals-count")
    assert emulator.reading.phase == 30.0
    for body in ({"reading": "minutely"}, {"reading": 5}, {}):
        status, answer = send(emulator, "PUT", "/_emulator/reading", body)
        assert status == 400
        assert "accepted:" in answer["message"]
