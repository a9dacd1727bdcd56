"""HTTP/1.1 requests read from bytes, and heads of answers."""

from __future__ import annotations

import io
from http import HTTPStatus

import pytest

from bedrock_resilience.emulator._http.http_parser import (
    LARGEST_BODY,
    BadRequestError,
    ClientLeftError,
    chunk,
    head_of,
    read_body,
    read_head,
)
from bedrock_resilience.emulator._http.replies import Reply

CHUNKED = b"GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
MANY_HEADERS = b"".join(b"h%d: x\r\n" % number for number in range(300))


def read(raw: bytes) -> tuple[str, str, dict[str, str], bytes, bool]:
    stream = io.BytesIO(raw)
    head = read_head(stream)
    assert head is not None
    return head.method, head.target, dict(head.headers), read_body(stream, head), head.keep_alive


def test_a_request_is_read_with_its_headers_in_small_letters() -> None:
    raw = b"POST /model/a%3Ab/invoke HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nX-Two:  spaced \r\n\r\n{}rest"
    headers = {"host": "x", "content-length": "2", "x-two": "spaced"}
    assert read(raw) == ("POST", "/model/a%3Ab/invoke", headers, b"{}", True)


@pytest.mark.parametrize(
    ("raw", "kept"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", True),
        (b"GET / HTTP/1.1\r\nConnection: Close\r\n\r\n", False),
        (b"GET / HTTP/1.0\r\n\r\n", False),
        (b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", True),
    ],
)
def test_a_connection_is_kept_as_the_version_and_the_client_wish(raw: bytes, *, kept: bool) -> None:
    assert read(raw)[4] is kept


def test_a_chunked_body_is_put_together() -> None:
    raw = CHUNKED + b"3;x=y\r\nabc\r\nA\r\n0123456789\r\n0\r\nTrailer: t\r\n\r\n"
    assert read(raw)[3] == b"abc0123456789"


def test_a_client_that_has_left_sends_no_request() -> None:
    assert read_head(io.BytesIO(b"")) is None
    assert read_head(io.BytesIO(b"POST / HT")) is None


@pytest.mark.parametrize(
    "raw",
    [
        b"POST / HTTP/1.1\r\nHost: x",
        b"POST / HTTP/1.1\r\nHost: x\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\nabc",
        CHUNKED + b"5\r\nabc",
        CHUNKED + b"3\r\nabc\r\n",
    ],
)
def test_a_request_that_is_not_whole_is_none(raw: bytes) -> None:
    with pytest.raises(ClientLeftError):
        read(raw)


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b"NONSENSE\r\n\r\n", HTTPStatus.BAD_REQUEST),
        (b"GET / SPDY/3\r\n\r\n", HTTPStatus.BAD_REQUEST),
        (b"GET / HTTP/1.1\r\nno colon\r\n\r\n", HTTPStatus.BAD_REQUEST),
        (b"GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n", HTTPStatus.BAD_REQUEST),
        (b"GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", HTTPStatus.BAD_REQUEST),
        (b"GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", HTTPStatus.BAD_REQUEST),
        (b"GET / HTTP/1.1\r\nContent-Length: 33554433\r\n\r\n", HTTPStatus.REQUEST_ENTITY_TOO_LARGE),
        (CHUNKED + b"2000001\r\n", HTTPStatus.REQUEST_ENTITY_TOO_LARGE),
        (b"GET /" + b"x" * 70_000, HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE),
        (b"GET / HTTP/1.1\r\n" + MANY_HEADERS, HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE),
    ],
)
def test_what_is_no_request_is_refused(raw: bytes, status: HTTPStatus) -> None:
    with pytest.raises(BadRequestError) as raised:
        read(raw)
    assert raised.value.status is status
    assert LARGEST_BODY == 2**25


def test_a_head_frames_its_body_by_length_or_by_chunks() -> None:
    plain = head_of(Reply(200, {"X-A": "b"}, (b"abc",), 3), keep_alive=True).decode()
    assert plain.startswith("HTTP/1.1 200 OK\r\nDate: ")
    assert plain.endswith("X-A: b\r\nContent-Length: 3\r\nConnection: keep-alive\r\n\r\n")
    streamed = head_of(Reply(529, {}, (), None), keep_alive=False).decode()
    assert streamed.startswith("HTTP/1.1 529 \r\n")
    assert streamed.endswith("Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n")
    assert chunk(b"0123456789abcdef") == b"10\r\n0123456789abcdef\r\n"
