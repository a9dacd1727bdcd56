"""A local run on a server of chat completions: found by its address, asked for JSON, bounded, and its errors named."""

from __future__ import annotations

import datetime as dt
import http.server
import json
import threading
from typing import TYPE_CHECKING, Any, cast

import pytest

from bedrock_resilience.emulator import BedrockEmulator
from support.folders import small_folder
from vectora_normalize.cli.job import Job, Outcome, run_job
from vectora_normalize.contract import RunRefusedError
from vectora_normalize.local.model import LocalModel, find_model

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

NOW = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)


class _ModelServer(http.server.ThreadingHTTPServer):
    """Answers with what it was given, and keeps the requests."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.models: bytes = b'{"data": [{"id": "tiny"}, {"id": "large"}]}'
        self.content: str = ""
        self.requests: list[dict[str, Any]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self._answer(cast("_ModelServer", self.server).models)

    def do_POST(self) -> None:
        server = cast("_ModelServer", self.server)
        server.requests.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        choice = {"message": {"role": "assistant", "content": server.content}, "finish_reason": "stop"}
        usage = {"prompt_tokens": 900, "completion_tokens": 80}
        self._answer(json.dumps({"choices": [choice], "usage": usage}).encode())

    def _answer(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the base class's
        del format, args


@pytest.fixture
def server() -> Generator[_ModelServer]:
    with _ModelServer() as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def run_on(url: str, tmp_path: Path, **options: Any) -> Outcome:  # noqa: ANN401 - of a job
    folder = small_folder(tmp_path / "small").path
    job = Job(local=folder, out=tmp_path / "out", model=url, **options)
    return run_job(job, {}, now=NOW, request_id="r1")


EXTRACTION: dict[str, Any] = {
    "summary": "Risperidone is **here**.",
    "event_type": "other",
    "companies": [],
    "molecules": ["risperidone", "aspirin"],
    "technologies": [],
    "trademarks": [],
    "indications": [],
}


def test_the_items_are_those_of_the_model_grounded_as_ever(server: _ModelServer, tmp_path: Path) -> None:
    server.content = f"```json\n{json.dumps(EXTRACTION)}\n```"
    outcome = run_on(server.url, tmp_path, model_name="large")
    assert (outcome.status, outcome.answer["body"]["items_normalized"]) == (200, 3)
    assert outcome.summary is not None
    items = json.loads((tmp_path / "out" / str(outcome.summary.items_key)).read_bytes())
    assert {item["summary"] for item in items} == {"Risperidone is here."}
    assert [item["molecules_detected"] for item in items] == [["risperidone"]] * 3
    assert outcome.summary.report["settings"]["model_id"] == "local.large"
    assert outcome.summary.report["cost"]["bedrock"]["input_tokens"] == 2700


def test_the_server_is_asked_for_json_under_the_schema_of_the_tool(server: _ModelServer, tmp_path: Path) -> None:
    server.content = json.dumps(EXTRACTION)
    run_on(server.url, tmp_path)
    asked = server.requests[0]
    assert asked["model"] == "tiny"
    assert "tools" not in asked
    assert asked["max_tokens"] == 1000
    schema = asked["response_format"]["json_schema"]["schema"]
    assert set(schema["required"]) == set(EXTRACTION)
    assert "Respond with one JSON object" in asked["messages"][0]["content"]


@pytest.mark.parametrize("content", ["I cannot.", "{}", "[1]", '{"summary": 7}', ""])
def test_anything_else_fails_its_item_and_not_the_run(server: _ModelServer, tmp_path: Path, content: str) -> None:
    server.content = content
    outcome = run_on(server.url, tmp_path)
    assert (outcome.status, outcome.answer["body"]["items_normalized"]) == (200, 0)
    assert outcome.summary is not None
    assert set(outcome.summary.report["bedrock"]["faults"]) <= {"malformed_response", "incomplete_response"}


def test_the_emulator_s_own_chat_completions_are_such_a_server(tmp_path: Path) -> None:
    with BedrockEmulator() as emulator:
        outcome = run_on(f"{emulator.endpoint_url}/openai/v1", tmp_path)
        assert (outcome.status, outcome.answer["body"]["items_normalized"]) == (200, 3)
        assert emulator.requests >= 3


def test_responses_of_one_model_are_none_of_another(server: _ModelServer, tmp_path: Path) -> None:
    server.content = json.dumps(EXTRACTION)
    for name in ("tiny", "large"):
        outcome = run_on(server.url, tmp_path, model_name=name)
        assert outcome.summary is not None
        assert outcome.summary.report["work"]["invoked"] == 3
    assert len(server.requests) == 6


@pytest.mark.parametrize(
    ("url", "base"),
    [("", "/v1"), ("/", "/v1"), ("/v1/", "/v1"), ("/v1/chat/completions", "/v1"), ("/api/openai", "/api/openai")],
)
def test_the_address_may_be_any_part_of_the_api(server: _ModelServer, url: str, base: str) -> None:
    assert find_model(server.url + url) == LocalModel(server.url + base, "tiny")


@pytest.mark.parametrize("models", [b"", b"not found", b"[]", b"{}", b'{"data": [1, {"id": 2}, {}]}', b"[" * 100_000])
def test_a_server_without_a_list_has_its_one_model(server: _ModelServer, models: bytes) -> None:
    server.models = models
    assert find_model(server.url).name == "default"
    assert find_model(server.url, "any").name == "any"


@pytest.mark.parametrize("url", ["", "localhost:1", "ftp://127.0.0.1/", "http://", "http://127.0.0.1:99999/"])
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(RunRefusedError, match=r"^--model: got .* accepted: the address of a server"):
        find_model(url)


def test_a_server_that_does_not_answer_is_named(server: _ModelServer, tmp_path: Path) -> None:
    server.server_close()
    outcome = run_on(server.url, tmp_path)
    assert outcome.status == 400
    assert "which cannot be reached" in outcome.answer["body"]["message"]


def test_an_unknown_name_is_refused_with_the_known_ones(server: _ModelServer, tmp_path: Path) -> None:
    message = run_on(server.url, tmp_path, model_name="huge").answer["body"]["message"]
    assert message == "--model-name: got 'huge'; accepted: tiny, large"


@pytest.mark.parametrize("options", [{"model": "http://127.0.0.1:1"}, {"model_name": "x"}])
def test_the_options_belong_to_a_local_run(options: dict[str, str]) -> None:
    outcome = run_job(Job(client="c", **options), {}, now=NOW, request_id="r1")  # type: ignore[arg-type]  # both are texts
    assert outcome.status == 400
    assert "without --local" in outcome.answer["body"]["message"]


def test_a_name_belongs_to_a_server(tmp_path: Path) -> None:
    folder = small_folder(tmp_path / "small").path
    outcome = run_job(Job(local=folder, model_name="x"), {}, now=NOW, request_id="r1")
    assert outcome.answer["body"]["message"] == "--model-name: got it without --model; accepted: beside it"


@pytest.mark.parametrize(
    ("name", "model_id"),
    [("qwen2.5:0.5b", "local.qwen2-5-0-5b"), ("///", "local.default"), ("x" * 99, f"local.{'x' * 48}")],
)
def test_the_model_id_is_one_that_bedrock_would_accept(name: str, model_id: str) -> None:
    assert LocalModel("http://127.0.0.1", name).model_id == model_id


def test_the_server_gives_up_before_the_client_does() -> None:
    model = LocalModel("http://127.0.0.1:1/v1", "x")
    for read_timeout, timeout in ((300.0, 298.0), (1.0, 1.0)):
        backend: Any = model.responder(read_timeout)
        assert backend._timeout == timeout
