"""The harness does to a function what Lambda does, whatever the function does."""

from __future__ import annotations

import json
import os
import signal
import threading
from typing import TYPE_CHECKING

import pytest

from support.runtime import Function

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HANDLER = """
import json, os, sys, threading, time
count = 0

def handle(event, context):
    global count
    count += 1
    print("invocation", count, context.aws_request_id)
    return {
        "count": count, "event": event, "left": context.get_remaining_time_in_millis(), "path": sys.path,
        "name": context.function_name, "region": os.environ["AWS_REGION"], "mine": os.environ.get("MINE"),
    }

def fail(event, context):
    raise LookupError("not there")

def unserialisable(event, context):
    return {1, 2}

def crash(event, context):
    print("last words")
    sys.stdout.flush()
    os._exit(event)

def hang(event, context):
    print("going to sleep", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "app.py").write_text(HANDLER)
    (tmp_path / "broken.py").write_text("import no_such_module")
    return tmp_path


@pytest.fixture
def function(root: Path) -> Iterator[Function]:
    with Function(root, {"MINE": "1"}, handler="app.handle", timeout=20.0) as running:
        yield running


def test_one_process_has_one_event_after_the_other(function: Function) -> None:
    first, second = function.invoke({"a": 1}), function.invoke([2])
    assert (first.error, first.cold, second.cold) == (None, True, False)
    assert first.pid == second.pid
    assert (first.answer["count"], second.answer["count"]) == (1, 2)
    assert (first.answer["event"], second.answer["event"]) == ({"a": 1}, [2])
    assert 15_000 < first.answer["left"] <= 20_000
    assert (first.answer["name"], first.answer["region"], first.answer["mine"]) == (
        "ingest-normalize",
        "eu-west-3",
        "1",
    )
    assert first.log == f"invocation 1 {first.request_id}\n"
    assert second.log == f"invocation 2 {second.request_id}\n"


def test_the_process_sees_no_packages_of_this_machine(function: Function, root: Path) -> None:
    path = function.invoke({}).answer["path"]
    assert path[0] == str(root)
    assert not [folder for folder in path if folder.endswith("site-packages")]


@pytest.mark.parametrize(
    ("handler", "kind", "message"),
    [("app.fail", "LookupError", "not there"), ("app.unserialisable", "Runtime.MarshalError", "Unable to marshal")],
)
def test_an_error_is_told_and_the_process_lives_on(root: Path, handler: str, kind: str, message: str) -> None:
    with Function(root, {}, handler=handler) as function:
        first, second = function.invoke({}), function.invoke({})
    assert (first.error, first.answer["errorType"]) == ("Unhandled", kind)
    assert message in first.answer["errorMessage"]
    assert not second.cold


def test_an_event_that_is_no_json_is_told(function: Function) -> None:
    outcome = function.invoke_raw(b"{")
    assert (outcome.error, outcome.answer["errorType"]) == ("Unhandled", "Runtime.UnmarshalError")
    assert function.invoke({}).error is None


def test_a_crash_is_told_and_the_next_event_gets_a_new_process(root: Path) -> None:
    with Function(root, {}, handler="app.crash") as function:
        first, second = function.invoke(7), function.invoke(0)
    assert first.answer == {
        "errorType": "Runtime.ExitError",
        "errorMessage": f"RequestId: {first.request_id} Error: Runtime exited with error: exit status 7",
    }
    assert first.log == "last words\n"
    assert second.cold
    assert second.pid != first.pid


def test_a_process_is_killed_at_its_deadline(root: Path) -> None:
    with Function(root, {}, handler="app.hang") as function:
        first = function.invoke({}, timeout=0.5)
        assert first.answer == {
            "errorType": "Sandbox.Timedout",
            "errorMessage": f"{first.request_id} Task timed out after 0.50 seconds",
        }
        assert (first.error, first.log) == ("Unhandled", "going to sleep\n")
        with pytest.raises(ProcessLookupError):
            os.kill(first.pid, 0)
        assert function.invoke({}, timeout=0.2).cold


def test_a_process_may_be_killed_at_any_moment(root: Path) -> None:
    with Function(root, {}, handler="app.hang") as function:
        threading.Timer(0.5, function.kill).start()
        outcome = function.invoke({})
        assert outcome.answer["errorMessage"].endswith(f"exited with error: signal: {signal.SIGKILL}")
        function.kill()


def test_killing_an_idle_process_loses_no_event(function: Function) -> None:
    function.kill()
    first = function.invoke({})
    function.kill()
    second = function.invoke({})
    assert (first.answer["count"], second.answer["count"]) == (1, 1)


@pytest.mark.parametrize(
    ("handler", "kind"),
    [
        ("broken.handle", "Runtime.ImportModuleError"),
        ("nowhere.handle", "Runtime.ImportModuleError"),
        ("app.nobody", "Runtime.HandlerNotFound"),
        ("app", "Runtime.MalformedHandlerName"),
    ],
)
def test_a_function_that_cannot_start_says_why_each_time(root: Path, handler: str, kind: str) -> None:
    with Function(root, {}, handler=handler) as function:
        for _ in range(2):
            outcome = function.invoke({})
            assert (outcome.error, outcome.cold) == ("Unhandled", True)
            assert json.loads(outcome.payload)["errorType"] == kind
