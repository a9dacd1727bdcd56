"""The sources of a local run: a folder of files, served over HTTP on loopback in place of the internet.

``https://depot-dispatch.example/feed.xml`` is the file ``depot-dispatch.example/feed.xml`` of the folder; a URL that
ends in ``/`` is the file ``index.html`` there. Date placeholders in the files are replaced (see ``rendering``). It is
an HTTP server, so that the fetcher of production reads status lines, content types and invalid bytes.
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
    # Without a charset: the declaration in the file decides, as with most servers of static files.
    ".atom": "application/atom+xml",
    ".htm": "text/html",
    ".html": "text/html",
    ".json": "application/feed+json",
    ".rss": "application/rss+xml",
    ".xml": "application/xml",
}
_POLL_SECONDS: Final = 0.02  # the longest that closing the server takes


class SourceServer:
    """A server of a folder of sources on loopback; a context manager.

    Args:
        folder: Contains one folder for each host, with the name of the host.
        today: The day to which the date placeholders are relative.
    """

    def __init__(self, folder: Path, today: dt.date) -> None:
        self.folder = folder
        self.today = today
        self._server: _SourceHttpServer | None = None

    def __enter__(self) -> Self:
        self._server = _SourceHttpServer(self)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(_POLL_SECONDS,), name="source-server")
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
        """The URL of the server, without a slash at the end.

        Raises:
            RuntimeError: The server is not running.
        """
        if self._server is None:
            raise RuntimeError("the source server is not running; use it in a with statement")
        return f"http://{LOOPBACK}:{self._server.server_address[1]}"

    def file_of(self, target: str) -> Path | None:
        """Return the file of a request target, whether it exists or not; None if it is outside the folder."""
        path = urllib.parse.unquote(urllib.parse.urlsplit(target).path)
        *folders, name = path.removeprefix("/").split("/")
        segments = [*folders, name or "index.html"]
        # A segment that begins with a dot could refer to a parent folder or to a hidden file.
        return self.folder.joinpath(*segments) if all(map(_SEGMENT.fullmatch, segments)) else None

    def read(self, target: str) -> tuple[bytes, str] | None:
        """Return content and content type of a request target; None if there is no such file.

        Raises:
            TemplateError: The file contains an invalid placeholder.
        """
        file = self.file_of(target)
        if file is None:
            return None
        try:
            template = file.read_bytes()
        except OSError:  # no such file, a folder, or an invalid name
            return None
        return render(template, self.today), _CONTENT_TYPES.get(file.suffix.lower(), "application/octet-stream")


class _SourceHttpServer(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, sources: SourceServer) -> None:
        super().__init__((LOOPBACK, 0), _Handler)
        self.sources = sources

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - as in the standard library
        """Report an exception, except if the client closed the connection during a response."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    server: _SourceHttpServer  # pyright: ignore[reportIncompatibleVariableOverride] - the only server of this handler
    protocol_version = "HTTP/1.1"
    timeout = 10  # seconds; a client that sends no request must not keep a thread

    def do_GET(self) -> None:
        try:
            file = self.server.sources.read(self.path)
        except TemplateError as error:
            self._respond(http.HTTPStatus.INTERNAL_SERVER_ERROR, str(error).encode(), "text/plain; charset=utf-8")
            return
        if file is None:
            self._respond(http.HTTPStatus.NOT_FOUND, b"no such file in the folder of sources", "text/plain")
        else:
            self._respond(http.HTTPStatus.OK, *file)

    def _respond(self, status: http.HTTPStatus, body: bytes, content_type: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as in the standard library
        """Log nothing; the log of the run says what was fetched."""
