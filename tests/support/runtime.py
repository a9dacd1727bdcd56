"""Lambda's side of the Runtime API: a function's process is started, given events, and killed at its deadline.

The process runs AWS's own runtime client over what a package holds, and sees no other package of this machine. As in
Lambda it lives until it dies: what it has imported and opened serves the next event, and after a crash, a deadline or
an error of its start, the next event starts another one.
"""

from __future__ import annotations

import contextlib
import http.server
import importlib.util
import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

if TYPE_CHECKING:
    from collections.abc import Mapping

_VERSION: Final = "/2018-06-01/runtime"
_RUNTIME_CLIENT: Final = ("awslambdaric", "runtime_client", "simplejson", "snapshot_restore_py")
_MAX_START_SECONDS: Final = 60.0  # seconds for a process to start; a busy machine is slow
_PAUSE: Final = 0.005


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an event.

    Args:
        payload: The bytes that the invoker gets.
        error: None for an answer; ``Unhandled`` where the function failed, as the header X-Amz-Function-Error says it.
        request_id: The invocation's name.
        log: What the process wrote while it had the event, and while it was started for it.
        cold: Whether a process was started for it.
        pid: That process.
    """

    payload: bytes
    error: str | None
    request_id: str
    log: str
    cold: bool
    pid: int

    @property
    def answer(self) -> Any:  # noqa: ANN401 - whatever JSON the function gave
        """The payload, parsed."""
        return json.loads(self.payload)


class Function:
    """A function as Lambda runs it: one process, and one event at a time.

    Args:
        root: The unpacked package.
        environ: Its environment variables.
        handler: What is called, as in the function's configuration.
        timeout: Seconds that an event may take.
        name: Name of the function.
    """

    def __init__(
        self,
        root: Path,
        environ: Mapping[str, str],
        *,
        handler: str = "handler.lambda_handler",
        timeout: float = 60.0,
        name: str = "ingest-normalize",
    ) -> None:
        self.timeout = timeout
        self._root = root
        self._handler = handler
        self._environ = {**_environment(name), **environ}
        self._arn = f"arn:aws:lambda:eu-west-3:123456789012:function:{name}"
        self._process: _Process | None = None
        self._one_at_a_time = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.close()

    def invoke(self, event: object, *, timeout: float | None = None) -> Outcome:
        """Send one event and wait for what becomes of it; after ``timeout`` seconds the process is killed."""
        return self.invoke_raw(json.dumps(event).encode(), timeout=timeout)

    def invoke_raw(self, payload: bytes, *, timeout: float | None = None) -> Outcome:
        """As ``invoke``, with the event as bytes."""
        event = _Event(payload, self._arn, self.timeout if timeout is None else timeout)
        with self._one_at_a_time:
            self._drop_ended()
            cold = self._process is None
            process = self._process = self._process or _Process(self._root, self._handler, self._environ)
            begin = 0 if cold else process.log.stat().st_size
            body, error = process.handle(event)
            log = process.log.read_bytes()[begin:].decode(errors="replace")
            self._drop_ended()
            return Outcome(body, error, event.request_id, log, cold, process.pid)

    def kill(self) -> None:
        """End the process, if there is one, at once; an event in progress is reported as a crash."""
        if self._process is not None:
            self._process.kill()

    def _drop_ended(self) -> None:
        if self._process is not None and self._process.ended:
            self._process.close()
            self._process = None


@dataclass(slots=True)
class _Event:
    """An event on its way: given to the process when it asks, answered when it posts."""

    payload: bytes
    arn: str
    seconds: float
    request_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    deadline: float | None = None  # wall time, as the process receives it; set when the process takes the event
    posted: tuple[str, bytes] | None = None  # the last part of the path, and the body


class _Process:
    """One process of the function, and the Runtime API that it alone talks to."""

    def __init__(self, root: Path, handler: str, environ: Mapping[str, str]) -> None:
        self._events: queue.Queue[_Event | None] = queue.Queue()
        self._not_started: list[bytes] = []  # what it has posted instead of asking for an event
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _runtime_api(self._events, self._not_started))
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()
        self._folder = tempfile.TemporaryDirectory()
        folder = Path(self._folder.name)
        self.log = folder / "log"
        api = {"AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{self._server.server_port}", "LAMBDA_TASK_ROOT": str(root)}
        # -S: no site-packages, so that what the package lacks is missing here as it would be there.
        command = [sys.executable, "-S", "-m", "awslambdaric", handler]
        environment = {**environ, **api, "PYTHONPATH": str(_runtime_client(folder / "client"))}
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(command, cwd=root, env=environment, stdout=log, stderr=log)
        self.pid = self._process.pid

    @property
    def ended(self) -> bool:
        return self._process.poll() is not None

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def close(self) -> None:
        self.kill()
        self._events.put(None)  # for the thread that still waits with its last request
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        self._folder.cleanup()

    def handle(self, event: _Event) -> tuple[bytes, str | None]:
        """What the invoker gets: a payload, and the kind of error if it is one."""
        self._events.put(event)
        started_until = _now() + _MAX_START_SECONDS
        while event.posted is None and not self._not_started and not self.ended:
            if event.deadline is not None and _now() >= event.deadline:
                self.kill()
                text = f"{event.request_id} Task timed out after {event.seconds:.2f} seconds"
                return _error("Sandbox.Timedout", text), "Unhandled"
            assert event.deadline is not None or _now() < started_until, self.log.read_text()
            time.sleep(_PAUSE)  # noqa: TID251 - waits for another process
        if event.posted is not None:
            what, body = event.posted
            return body, None if what == "response" else "Unhandled"
        if self._not_started:
            self.kill()
            return self._not_started[0], "Unhandled"
        status = self._process.wait()
        how = f"signal: {-status}" if status < 0 else f"exit status {status}"
        text = f"RequestId: {event.request_id} Error: Runtime exited with error: {how}"
        return _error("Runtime.ExitError", text), "Unhandled"


def _now() -> float:
    return time.time()  # noqa: TID251 - deadlines are sent to another process


def _error(kind: str, message: str) -> bytes:
    return json.dumps({"errorType": kind, "errorMessage": message}).encode()


def _environment(name: str) -> dict[str, str]:
    return {
        "PATH": os.defpath,
        "LANG": "en_US.UTF-8",
        "TZ": ":UTC",
        "AWS_LAMBDA_FUNCTION_NAME": name,
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512",
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{name}",
        "AWS_LAMBDA_LOG_STREAM_NAME": "2026/11/21/[$LATEST]0",
        "AWS_REGION": "eu-west-3",
        "AWS_DEFAULT_REGION": "eu-west-3",
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_SESSION_TOKEN": "testing",
    }


def _runtime_client(folder: Path) -> Path:
    """A folder with AWS's runtime client and nothing else, as the runtime has it beside the function's code."""
    folder.mkdir()
    for name in _RUNTIME_CLIENT:
        spec = importlib.util.find_spec(name)
        assert spec is not None
        assert spec.origin is not None
        origin = Path(spec.origin)
        origin = origin.parent if origin.name == "__init__.py" else origin
        (folder / origin.name).symlink_to(origin)
    return folder


def _runtime_api(
    events: queue.Queue[_Event | None], not_started: list[bytes]
) -> type[http.server.BaseHTTPRequestHandler]:
    in_progress: dict[str, _Event] = {}

    class RuntimeApi(http.server.BaseHTTPRequestHandler):
        """AWS, "Using the Lambda runtime API"."""

        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            assert self.path == f"{_VERSION}/invocation/next"
            event = events.get()
            if event is None:
                self.close_connection = True
                return
            in_progress[event.request_id] = event
            deadline = _now() + event.seconds
            headers = {
                "Lambda-Runtime-Aws-Request-Id": event.request_id,
                "Lambda-Runtime-Deadline-Ms": str(int(deadline * 1000)),
                "Lambda-Runtime-Invoked-Function-Arn": event.arn,
            }
            event.deadline = deadline
            self._answer(200, event.payload, headers)

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self._answer(202, b'{"status":"OK"}', {})
            if self.path == f"{_VERSION}/init/error":
                not_started.append(body)
                return
            request_id, _, what = self.path.removeprefix(f"{_VERSION}/invocation/").partition("/")
            in_progress.pop(request_id).posted = what, body

        def _answer(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
            self.send_response(status)
            shape = {"Content-Type": "application/json", "Content-Length": str(len(body))}
            for name, value in {**headers, **shape}.items():
                self.send_header(name, value)
            self.end_headers()
            with contextlib.suppress(ConnectionError):  # it was killed meanwhile
                self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class has it so
            """Log nothing: a failing test shows what matters."""

    return RuntimeApi
