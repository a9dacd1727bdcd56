"""The server responds with the files of a folder, and with nothing outside it."""

from __future__ import annotations

import datetime as dt
import http.client
import socket
import threading
from typing import TYPE_CHECKING

import pytest

from vectora_normalize.local.sources import SourceServer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TODAY = dt.date(2026, 3, 14)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    sources = tmp_path / "sources"
    for name, content in {
        "press.example/feed.xml": b"<rss>{{ date -1d iso-date }}</rss>",
        "press.example/news/index.html": b"<p>\xe9</p>",
        "press.example/feed.json": b"{}",
        "press.example/film.bin": b"\x00",
        "press.example/a b.atom": b"<feed/>",
        "press.example/broken.rss": b"{{ date whenever }}",
        "press.example/.hidden": b"secret",
    }.items():
        (sources / name).parent.mkdir(parents=True, exist_ok=True)
        (sources / name).write_bytes(content)
    (tmp_path / "outside.xml").write_bytes(b"secret")
    return sources


@pytest.fixture
def server(folder: Path) -> Iterator[SourceServer]:
    with SourceServer(folder, TODAY) as running:
        yield running


def get(server: SourceServer, target: str) -> tuple[int, str, bytes]:
    host = server.base_url.removeprefix("http://")
    connection = http.client.HTTPConnection(host, timeout=5)
    try:
        connection.request("GET", target)
        response = connection.getresponse()
        return response.status, response.headers["Content-Type"], response.read()
    finally:
        connection.close()


@pytest.mark.parametrize(
    ("target", "content_type", "body"),
    [
        ("/press.example/feed.xml", "application/xml", b"<rss>2026-03-13</rss>"),
        ("/press.example/feed.xml?utm_source=x", "application/xml", b"<rss>2026-03-13</rss>"),
        ("/press.example/news/", "text/html", b"<p>\xe9</p>"),
        ("/press.example/feed.json", "application/feed+json", b"{}"),
        ("/press.example/a%20b.atom", "application/atom+xml", b"<feed/>"),
        ("/press.example/film.bin", "application/octet-stream", b"\x00"),
    ],
)
def test_a_file_is_served_with_its_content_type(
    server: SourceServer, target: str, content_type: str, body: bytes
) -> None:
    assert get(server, target) == (200, content_type, body)


@pytest.mark.parametrize(
    "target",
    [
        "/",
        "/press.example/none.xml",
        "/press.example",
        "/press.example//feed.xml",
        "/press.example/.hidden",
        "/../outside.xml",
        "/press.example/../../outside.xml",
        "/press.example/..%2f..%2foutside.xml",
        "/%2e%2e/outside.xml",
        "/press.example/..%5c..%5coutside.xml",
        "/press.example/feed.xml%00.html",
        "/" + "long" * 500,
    ],
)
def test_any_other_target_is_not_found(server: SourceServer, target: str) -> None:
    status, _, body = get(server, target)
    assert status == 404
    assert b"secret" not in body


def test_an_invalid_placeholder_is_a_server_error_with_a_message(server: SourceServer) -> None:
    status, _, body = get(server, "/press.example/broken.rss")
    assert status == 500
    assert b"got {{ date whenever }}" in body


def test_the_file_of_a_target_may_be_missing(folder: Path) -> None:
    server = SourceServer(folder, TODAY)
    assert server.file_of("/press.example/none.xml?page=2") == folder / "press.example/none.xml"
    assert server.file_of("/press.example/") == folder / "press.example/index.html"
    assert server.file_of("/press.example/../x") is None


def test_a_client_that_disconnects_is_not_an_error_of_the_server(
    server: SourceServer, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "press.example/large.xml").write_bytes(b"x" * 20_000_000)  # more than the socket's buffers hold
    with socket.create_connection(("127.0.0.1", int(server.base_url.rpartition(":")[2])), timeout=5) as reader:
        reader.sendall(b"GET /press.example/large.xml HTTP/1.1\r\nHost: press.example\r\n\r\n")
        assert reader.recv(10)
    assert get(server, "/press.example/feed.json")[0] == 200
    assert capsys.readouterr() == ("", "")


def test_an_error_of_the_server_is_reported(
    server: SourceServer, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def fail(_target: str) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(server, "read", fail)
    with pytest.raises(http.client.RemoteDisconnected):
        get(server, "/press.example/feed.json")
    assert "ZeroDivisionError" in capfd.readouterr().err


def test_closing_ends_the_server_and_its_thread(folder: Path) -> None:
    with SourceServer(folder, TODAY) as server:
        assert get(server, "/press.example/feed.json")[0] == 200
        host = server.base_url.removeprefix("http://")
    with pytest.raises(RuntimeError, match="with statement"):
        _ = server.base_url
    with pytest.raises(ConnectionRefusedError):
        http.client.HTTPConnection(host, timeout=5).connect()
    assert "source-server" not in {thread.name for thread in threading.enumerate()}
    server.__exit__(None, None, None)  # a second time does no harm
