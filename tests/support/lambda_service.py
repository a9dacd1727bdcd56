"""Lambda as a service, in front of moto's: an invocation runs something, and answers can be scripted.

moto keeps functions, their code and their concurrency, but it runs a function only with Docker. Here an invocation goes
to what the test hands in, a second one at a time meets the function's reserved concurrency as it would in Lambda, and a
test can have the next answer of any operation be another one.
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import http.server
import json
import re
import threading
from collections import Counter, defaultdict, deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qs, unquote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping
    from email.message import Message

_INVOKE: Final = re.compile(r"/2015-03-31/functions/([^/]+)/invocations")
_TIMEOUT_SECONDS: Final = 30.0  # seconds for moto
_HOP_BY_HOP: Final = frozenset({"connection", "content-length", "date", "keep-alive", "server", "transfer-encoding"})


@dataclass(frozen=True, slots=True)
class Ran:
    """What an invocation came to.

    Args:
        payload: What the invoker gets.
        error: None for an answer; else what X-Amz-Function-Error says.
        log: What the function wrote.
    """

    payload: bytes
    error: str | None = None
    log: str = ""


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer of the service, as it goes over the wire."""

    status: int
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()


def refusal(status: int, code: str, message: str, **fields: str) -> Reply:
    """An error of the service."""
    body = json.dumps({"Type": "User", "Message": message, **fields}).encode()
    return Reply(status, body, (("x-amzn-errortype", code),))


class LambdaService:
    """Lambda, until the end of its block.

    Args:
        behind: Address of moto's server.
        run: What an invocation does: the function's name and the event's bytes to what came of it.
    """

    def __init__(self, behind: str, run: Callable[[str, bytes], Ran]) -> None:
        self._behind = urlsplit(behind).netloc
        self._run = run
        self._scripted: dict[tuple[str, str], deque[Reply]] = defaultdict(deque)
        self._in_flight: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._queued: list[threading.Thread] = []
        self.url = ""
        self.requests: list[tuple[str, str]] = []
        """Method and last part of the path of every request."""
        self.written: list[tuple[str, bytes]] = []
        """Path with its query, and body, of every PUT."""
        self.invoked: list[str] = []
        """The version of each invocation, or the alias."""

    def answer_next(self, method: str, last: str, *replies: Reply) -> None:
        """Have the next requests of this method, whose path ends with ``last``, answered so."""
        self._scripted[method, last].extend(replies)

    def handle(self, method: str, path: str, headers: Message, body: bytes) -> Reply:
        """The answer to a request."""
        last = path.partition("?")[0].rpartition("/")[2]
        self.requests.append((method, last))
        self.written += [(path, body)] if method == "PUT" else []
        if self._scripted[method, last]:
            return self._scripted[method, last].popleft()
        invoked = _INVOKE.match(path)
        if invoked and method == "POST":
            self.invoked += parse_qs(urlsplit(path).query).get("Qualifier", ["$LATEST"])
            return self._invoke(unquote(invoked[1]), headers, body)
        return self._forward(method, path, dict(headers.items()), body)

    def _forward(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Reply:
        connection = http.client.HTTPConnection(self._behind, timeout=_TIMEOUT_SECONDS)
        with contextlib.closing(connection):
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            forwarded = tuple((name, value) for name, value in answer.getheaders() if name.lower() not in _HOP_BY_HOP)
            return Reply(answer.status, answer.read(), forwarded)

    def _invoke(self, name: str, headers: Message, body: bytes) -> Reply:
        signed = {"Authorization": headers["Authorization"]}  # names the service and the region
        known = self._forward("GET", f"/2015-03-31/functions/{name}", signed, b"")
        if known.status != http.HTTPStatus.OK:
            return known
        if headers.get("X-Amz-Invocation-Type") == "Event":
            self._queued.append(threading.Thread(target=self._run, args=(name, body)))
            self._queued[-1].start()
            return Reply(202)
        reserved = json.loads(known.body).get("Concurrency", {}).get("ReservedConcurrentExecutions")
        with self._lock:
            if reserved is not None and self._in_flight[name] >= int(reserved):
                reason = "ReservedFunctionConcurrentInvocationLimitExceeded"
                return refusal(429, "TooManyRequestsException", "Rate Exceeded.", Reason=reason)
            self._in_flight[name] += 1
        try:
            ran = self._run(name, body)
        finally:
            with self._lock:
                self._in_flight[name] -= 1
        returned = [("X-Amz-Executed-Version", "$LATEST")]
        if ran.error:
            returned.append(("X-Amz-Function-Error", ran.error))
        if headers.get("X-Amz-Log-Type") == "Tail":
            returned.append(("X-Amz-Log-Result", base64.b64encode(ran.log.encode()[-4096:]).decode()))
        return Reply(200, ran.payload, tuple(returned))

    def wait(self) -> None:
        """Until the events that were queued have run."""
        for thread in self._queued:
            thread.join()


@contextlib.contextmanager
def lambda_service(behind: str, run: Callable[[str, bytes], Ran]) -> Generator[LambdaService]:
    """A Lambda that runs until the end of the block; see ``LambdaService``."""
    service = LambdaService(behind, run)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _handler(service))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    service.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield service
    finally:
        service.wait()
        server.shutdown()
        server.server_close()
        thread.join()


def _handler(service: LambdaService) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def _handle(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            reply = service.handle(self.command, self.path, self.headers, body)
            self.send_response(reply.status)
            for name, value in (*reply.headers, ("Content-Length", str(len(reply.body)))):
                self.send_header(name, value)
            self.end_headers()
            with contextlib.suppress(ConnectionError):  # the caller has given up
                self.wfile.write(reply.body)

        do_GET = do_POST = do_PUT = do_DELETE = _handle  # noqa: N815 - the base class looks these names up

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class has it so
            """Log nothing: a failing test shows what matters."""

    return Handler


def create_function(client: Any, role: str, **configuration: Any) -> None:  # noqa: ANN401 - boto3 makes its clients at run time
    """A function as infra/s1-runtime.yaml makes it, unless ``configuration`` says otherwise."""
    client.create_function(
        **{
            "FunctionName": "vectora-inbox-ingest-normalize-dev",
            "Runtime": "python3.12",
            "Role": role,
            "Handler": "vectora_normalize.handler.lambda_handler",
            "Architectures": ["x86_64"],
            "Timeout": 300,
            "Code": {"ZipFile": b"old"},
            **configuration,
        }
    )
