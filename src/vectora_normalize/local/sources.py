"""The sources of a local run: a folder of files, served over HTTP on loopback as if it were the web.

`https://depot-dispatch.example/feed.xml` is the file `depot-dispatch.example/feed.xml` of the folder; an address that
ends in `/` is the `index.html` there. Dates in the files follow the day of the run (see `rendering`). The server is a
real one because the fetcher that reads it is the real one: status lines, content types and broken bytes and all.
"""

from __future__ import annotations

import http
import re
import sys
import threading
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Final, Self

from vectora_normalize.local.rendering import TemplateError, render

if TYPE_CHECKING:
    import datetime as dt
    from pathlib import Path

LOOPBACK: Final = "127.0.0.1"

_SEGMENT: Final = re.compile(r"[^./\\\x00-\x1f\x7f][^/\\\x00-\x1f\x7f]*")
_CONTENT_TYPES: Final = {
    # No charset: what the file itself declares has the last word, as with most servers of files.
    ".atom": "application/atom+xml",
    ".htm": "text/html",
    ".html": "text/html",
    ".json": "application/feed+json",
    ".rss": "application/rss+xml",
    ".xml": "application/xml",
}
_POLL: Final = 0.02  # seconds that closing the server may take


class SourceServer:
    """A server of a folder of sources on loopback; a context manager.

    Args:
        folder: Holds one folder a host, named as the host.
        today: Day that the dates in the files count from.
    """

    def __init__(self, folder: Path, today: dt.date) -> None:
        self.folder = folder
        self.today = today
        self._server: _Server | None = None

    def __enter__(self) -> Self:
        self._server = _Server(self)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(_POLL,), name="source-server")
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._thread.join()
            self._server = None

    @property
    def base_url(self) -> str:
        """Address of the server.

        Raises:
            RuntimeError: It is not running.
        """
        if self._server is None:
            raise RuntimeError("the source server is not running; use it in a with statement")
        return f"http://{LOOPBACK}:{self._server.server_address[1]}"

    def file_of(self, target: str) -> Path | None:
        """The file that a request's target names, there or not; None where the target leads out of the folder."""
        path = urllib.parse.unquote(urllib.parse.urlsplit(target).path)
        *folders, name = path.removeprefix("/").split("/")
        segments = [*folders, name or "index.html"]
        # A segment that begins with a dot would lead out of the folder, or to a file nobody meant to publish.
        return self.folder.joinpath(*segments) if all(map(_SEGMENT.fullmatch, segments)) else None

    def read(self, target: str) -> tuple[bytes, str] | None:
        """Content and content type of a request's target; None where there is no such file.

        Raises:
            TemplateError: The file holds a placeholder that cannot be read.
        """
        file = self.file_of(target)
        if file is None:
            return None
        try:
            template = file.read_bytes()
        except OSError:  # not there, a folder, or a name that no file can have
            return None
        return render(template, self.today), _CONTENT_TYPES.get(file.suffix.lower(), "application/octet-stream")


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, sources: SourceServer) -> None:
        super().__init__((LOOPBACK, 0), _Handler)
        self.sources = sources

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - as the standard library has it
        """Report what went wrong, unless the reader went away in the middle of an answer."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    server: _Server  # pyright: ignore[reportIncompatibleVariableOverride] - the only one that starts it
    protocol_version = "HTTP/1.1"
    timeout = 10  # a reader that connects and says nothing must not keep a thread

    def do_GET(self) -> None:
        try:
            found = self.server.sources.read(self.path)
        except TemplateError as error:
            self._answer(http.HTTPStatus.INTERNAL_SERVER_ERROR, str(error).encode(), "text/plain; charset=utf-8")
            return
        if found is None:
            self._answer(http.HTTPStatus.NOT_FOUND, b"no such file in the folder of sources", "text/plain")
        else:
            self._answer(http.HTTPStatus.OK, *found)

    def _answer(self, status: http.HTTPStatus, body: bytes, content_type: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as the standard library has it
        """Stay silent: the run's own log tells what was fetched."""
