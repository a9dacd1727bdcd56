"""The fetcher against valid HTTP servers and against others."""

from __future__ import annotations

import gzip
import logging
import random
import socket
import ssl
import threading
from typing import TYPE_CHECKING

import pytest
import trustme

from bedrock_resilience.clock import SystemClock
from support.hostileserver import HostileServer, gzipped, http, redirect
from support.ticking import Ticking
from vectora_normalize.sources.errors import FetchError, FetchErrorKind
from vectora_normalize.sources.http.addresses import AddressPolicy
from vectora_normalize.sources.http.fetch import Fetcher, FetchResult, Validators, resolve
from vectora_normalize.sources.http.limits import FetchLimits

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from bedrock_resilience.clock import Clock
    from support.hostileserver import Connection, Response
    from vectora_normalize.sources.http.fetch import Resolver

LOOPBACK = AddressPolicy(allowed=("127.0.0.1/32", "::1/128"), ports=None)
SHORT = FetchLimits(total_seconds=0.4, connect_seconds=0.3, idle_seconds=0.3)
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
FEED = b"<rss><channel><title>t</title></channel></rss>"


SLOW: dict[str, Callable[[Connection], object]] = {
    "status": lambda c: c.drip(b"x"),
    "headers": lambda c: c.send(b"HTTP/1.1 200 OK\r\n").drip(b"X-Header: y\r\n"),
    "body": lambda c: c.send(b"HTTP/1.1 200 OK\r\n\r\n").drip(b"<rss>"),
    "chunks": lambda c: c.send(CHUNKED).drip(b"1\r\nx\r\n"),
    "continue": lambda c: c.drip(b"HTTP/1.1 100 Continue\r\n\r\n", every=0.001),
    "silence": lambda c: c.pause(60),
    "stall": lambda c: c.send(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nx").pause(60),
}
ENDLESS: dict[str, tuple[Callable[[Connection], object], str]] = {
    "body": (lambda c: c.send(b"HTTP/1.1 200 OK\r\n\r\n").flood(b"<item>" * 1000), "bytes"),
    "chunks": (lambda c: c.send(CHUNKED).flood(b"5\r\n<rss>\r\n"), "bytes"),
    "headers": (lambda c: c.send(b"HTTP/1.1 200 OK\r\n").flood(b"X: " + b"y" * 1000 + b"\r\n"), "bytes of headers"),
    "continue": (lambda c: c.flood(b"HTTP/1.1 100 Continue\r\n\r\n"), "bytes of headers"),
    "trailers": (
        lambda c: c.send(CHUNKED + b"1\r\nx\r\n0\r\n").flood(b"Trailer: " + b"y" * 1000 + b"\r\n"),
        "bytes on the wire",
    ),
}


@pytest.fixture
def server() -> Iterator[HostileServer]:
    with HostileServer() as running:
        yield running


@pytest.fixture
def canary() -> Iterator[HostileServer]:
    """A server that must not get a connection: its loopback address is not allowed."""
    with HostileServer({"/": http(b"secret"), "/latest/meta-data/": http(b"secret")}, host="127.0.0.2") as running:
        yield running
        assert running.connections == 0


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def resolves_to(*addresses: str) -> Resolver:
    return lambda _host, _port: addresses


def in_turn(*responses: Sequence[str]) -> Resolver:
    waiting = iter(responses)
    return lambda _host, _port: next(waiting)


def fetcher(
    limits: FetchLimits | None = None,
    *,
    addresses: AddressPolicy = LOOPBACK,
    resolver: Resolver = resolve,
    clock: Clock | None = None,
    tls: ssl.SSLContext | None = None,
) -> Fetcher:
    return Fetcher(limits, addresses=addresses, resolver=resolver, clock=clock, tls=tls, rng=random.Random(1))


def failure(
    url: str,
    limits: FetchLimits | None = None,
    *,
    addresses: AddressPolicy = LOOPBACK,
    resolver: Resolver = resolve,
    clock: Clock | None = None,
    tls: ssl.SSLContext | None = None,
) -> FetchError:
    client = fetcher(limits, addresses=addresses, resolver=resolver, clock=clock or Ticking(), tls=tls)
    with pytest.raises(FetchError) as caught:
        client.fetch(url)
    return caught.value


class _FirstIsPublic(AddressPolicy, frozen=True):
    def is_public(self, address: str) -> bool:
        return address == "127.0.0.1"


class TestResponses:
    def test_a_document_with_all_attributes(self, server: HostileServer) -> None:
        server.responses["/feed"] = http(FEED, 'Content-Type: Application/RSS+xml; Charset="UTF-8"; x=y')
        found = fetcher().fetch(f"{server.url}/feed?a=b")
        assert found.url == f"{server.url}/feed?a=b"
        assert (found.status, found.body, found.truncated) == (200, FEED, False)
        assert (found.content_type, found.charset) == ("application/rss+xml", "utf-8")
        assert found.received_bytes == len(server.responses["/feed"])  # type: ignore[arg-type]  # fixed bytes
        assert 0 < found.elapsed < 5

    def test_the_request(self, server: HostileServer) -> None:
        server.responses["/feed"] = http(FEED)
        fetcher().fetch(f"{server.url}/feed")
        (request,) = server.requests
        assert request.startswith("GET /feed HTTP/1.1\r\n")
        assert f"Host: 127.0.0.1:{server.port}\r\n" in request
        assert "User-Agent: vectora-normalize/" in request
        assert "Accept-Encoding: gzip, deflate\r\n" in request
        assert "Connection: close\r\n" in request
        assert "Cookie" not in request
        assert "Referer" not in request

    @pytest.mark.parametrize(
        "response",
        [
            gzipped(FEED),
            b"HTTP/1.1 200 OK\r\n\r\n" + FEED,
            b"HTTP/1.0 200 OK\r\n\r\n" + FEED,
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(FEED), FEED),
            b"HTTP/1.1 100 Continue\r\n\r\n" + http(FEED),
            http(FEED, status="203 Non-Authoritative Information"),
            http(FEED, "Content-Type: image/svg+xml"),
            http(FEED, "Content-Type: application/octet-stream"),
        ],
    )  # fmt: skip
    def test_a_document_in_every_valid_form_of_response(self, server: HostileServer, response: bytes) -> None:
        server.responses["/"] = response
        found = fetcher().fetch(server.url)
        assert (found.body, found.truncated) == (FEED, False)

    @pytest.mark.parametrize(
        "response",
        [
            http(FEED, length=len(FEED) + 10),
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\n" + FEED,
            http(gzip.compress(FEED)[:-9], "Content-Encoding: gzip"),
        ],
    )
    def test_a_truncated_document_is_returned_and_marked(self, server: HostileServer, response: bytes) -> None:
        server.responses["/"] = response
        found = fetcher().fetch(server.url)
        assert found.body
        assert FEED.startswith(found.body)
        assert found.truncated

    @pytest.mark.parametrize(
        ("status", "kind"),
        [
            ("204 No Content", FetchErrorKind.EMPTY_RESPONSE),
            ("206 Partial Content", FetchErrorKind.UNEXPECTED_STATUS),
            ("300 Multiple Choices", FetchErrorKind.UNEXPECTED_STATUS),
            ("304 Not Modified", FetchErrorKind.NOT_MODIFIED),
            ("400 Bad Request", FetchErrorKind.UNEXPECTED_STATUS),
            ("401 Unauthorized", FetchErrorKind.FORBIDDEN),
            ("403 Forbidden", FetchErrorKind.FORBIDDEN),
            ("404 Not Found", FetchErrorKind.NOT_FOUND),
            ("410 Gone", FetchErrorKind.NOT_FOUND),
            ("429 Too Many Requests", FetchErrorKind.THROTTLED),
            ("500 Internal Server Error", FetchErrorKind.SERVER_ERROR),
            ("503 Service Unavailable", FetchErrorKind.SERVER_ERROR),
            ("599 Whatever", FetchErrorKind.SERVER_ERROR),
        ],
    )
    def test_every_other_status_has_its_kind_of_failure(
        self, server: HostileServer, status: str, kind: FetchErrorKind
    ) -> None:
        server.responses["/"] = http(
            b"" if status[0] == "2" and "Content" in status and "No" in status else b"x", status=status
        )
        error = failure(server.url)
        assert error.kind is kind
        assert error.status == int(status[:3])
        assert error.received_bytes > 0

    @pytest.mark.parametrize("content_type", ["image/png", "video/mp4", "Application/ZIP; x=y", "font/woff2"])
    def test_the_body_of_an_unsupported_media_type_is_not_read(self, server: HostileServer, content_type: str) -> None:
        server.responses["/"] = http(b"x" * 100_000, f"Content-Type: {content_type}")
        error = failure(server.url)
        assert error.kind is FetchErrorKind.UNSUPPORTED_MEDIA_TYPE
        assert content_type.partition(";")[0].lower() in error.message

    def test_a_response_without_a_body(self, server: HostileServer) -> None:
        server.responses["/"] = http(b"")
        assert failure(server.url).kind is FetchErrorKind.EMPTY_RESPONSE
        server.responses["/"] = gzipped(b"")
        assert failure(server.url).kind is FetchErrorKind.EMPTY_RESPONSE


class TestRetries:
    def respond_in_turn(self, server: HostileServer, *responses: Response) -> None:
        waiting = list(responses)

        def response(connection: Connection) -> None:
            current = waiting.pop(0)
            connection.send(current) if isinstance(current, bytes) else current(connection)

        server.responses["/"] = response

    @pytest.mark.parametrize(
        "first",
        [
            http(b"x", status="500 Oops"),
            http(b"x", status="429 Slow"),
            b"",
            b"HTTP/1.1 503 Busy\r\nRetry-After: later\r\n\r\n",
        ],
    )
    def test_one_retry_after_the_backoff(self, server: HostileServer, first: bytes) -> None:
        self.respond_in_turn(server, first, http(FEED))
        clock = Ticking()
        found = fetcher(clock=clock).fetch(server.url)
        assert found.body == FEED
        assert found.received_bytes == len(first) + len(http(FEED))
        (slept,) = clock.slept
        assert 0.5 <= slept <= 1

    def test_no_second_retry(self, server: HostileServer) -> None:
        self.respond_in_turn(server, *[http(b"x", status="500 Oops")] * 3)
        assert failure(server.url).kind is FetchErrorKind.SERVER_ERROR
        assert len(server.requests) == 2

    @pytest.mark.parametrize("status", ["404 Not Found", "403 Forbidden", "304 Not Modified", "204 No Content"])
    def test_other_failures_are_not_retried(self, server: HostileServer, status: str) -> None:
        server.responses["/"] = http(b"", status=status)
        failure(server.url)
        assert len(server.requests) == 1

    def test_retry_after_in_seconds(self, server: HostileServer) -> None:
        self.respond_in_turn(server, http(b"x", "Retry-After: 7", status="429 Slow"), http(FEED))
        clock = Ticking()
        assert fetcher(clock=clock).fetch(server.url).body == FEED
        assert clock.slept == [7.0]

    def test_retry_after_as_a_date_of_the_servers_clock(self, server: HostileServer) -> None:
        dates = "Date: Sat, 21 Nov 2026 10:00:00 GMT", "Retry-After: Sat, 21 Nov 2026 10:00:09 GMT"
        self.respond_in_turn(server, http(b"x", *dates, status="503 Busy"), http(FEED))
        clock = Ticking()
        fetcher(clock=clock).fetch(server.url)
        assert clock.slept == [9.0]

    @pytest.mark.parametrize(
        "headers",
        [
            ("Date: Sat, 21 Nov 2026 10:00:09 GMT", "Retry-After: Sat, 21 Nov 2026 10:00:00 GMT"),
            ("Date: Sat, 21 Nov 2026 10:00:09 -0000", "Retry-After: Sat, 21 Nov 2026 10:00:00 -0000"),
        ],
    )
    def test_retry_after_as_a_date_in_the_past_is_no_delay(self, server: HostileServer, headers: Sequence[str]) -> None:
        self.respond_in_turn(server, http(b"x", *headers, status="503 Busy"), http(FEED))
        clock = Ticking()
        fetcher(clock=clock).fetch(server.url)
        assert clock.slept == [0.0]

    def test_no_retry_where_the_delay_does_not_fit(self, server: HostileServer) -> None:
        server.responses["/"] = http(b"x", "Retry-After: 3600", status="429 Slow")
        clock = Ticking()
        error = failure(server.url, clock=clock)
        assert error.retry_after == 3600
        assert error.message == f"{server.url}: the server answered 429 with Retry-After 3600 s"
        assert clock.slept == []
        assert len(server.requests) == 1

    def test_no_retry_where_the_delay_exceeds_the_end_of_the_run(self, server: HostileServer) -> None:
        server.responses["/"] = http(b"x", "Retry-After: 7", status="429 Slow")
        clock = Ticking()
        with pytest.raises(FetchError):
            fetcher(clock=clock).fetch(server.url, until=clock.now + 5)
        assert clock.slept == []


class TestRedirects:
    @pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"])
    def test_a_redirect_is_followed_and_the_result_has_the_last_url(self, server: HostileServer, status: str) -> None:
        server.responses.update({"/": redirect("sub/feed?x=y", status), "/sub/feed": http(FEED)})
        found = fetcher().fetch(server.url)
        assert found.url == f"{server.url}/sub/feed?x=y"
        assert server.paths == ["/", "/sub/feed?x=y"]

    def test_a_target_in_utf_8_and_with_spaces(self, server: HostileServer) -> None:
        server.responses.update({"/": redirect(" /d\u00e9 p\u00f4t "), "/d%C3%A9%20p%C3%B4t": http(FEED)})
        assert fetcher().fetch(server.url).body == FEED

    def test_the_number_of_redirects_is_limited(self, server: HostileServer) -> None:
        server.responses["/"] = redirect("/?again")
        error = failure(server.url, FetchLimits(max_redirects=3))
        assert error.kind is FetchErrorKind.TOO_MANY_REDIRECTS
        assert error.message.endswith("more than 3 redirects")
        assert len(server.requests) == 4

    def test_redirects_can_be_disallowed(self, server: HostileServer) -> None:
        server.responses["/"] = redirect("/x")
        assert failure(server.url, FetchLimits(max_redirects=0)).kind is FetchErrorKind.TOO_MANY_REDIRECTS

    @pytest.mark.parametrize("location", ["", "http://[::1"])
    def test_a_redirect_without_a_valid_target_is_refused(self, server: HostileServer, location: str) -> None:
        server.responses["/"] = redirect(location)
        assert failure(server.url).kind is FetchErrorKind.INVALID_REDIRECT

    @pytest.mark.parametrize(
        "location", ["file:///etc/passwd", "ftp://127.0.0.1/", "gopher://127.0.0.1/", "http://a:b@127.0.0.1/"]
    )
    def test_a_redirect_to_another_scheme_or_with_credentials_is_refused(
        self, server: HostileServer, location: str
    ) -> None:
        server.responses["/"] = redirect(location)
        error = failure(server.url)
        assert error.kind is FetchErrorKind.INVALID_URL
        assert "a:b" not in error.message

    @pytest.mark.parametrize(
        "location",
        [
            "http://127.0.0.2:{port}/",
            "//127.0.0.2:{port}/",
            "http://[::ffff:127.0.0.2]:{port}/",
            "http://[::ffff:7f00:2]:{port}/",
            "http://localtest.example:{port}/",
            "http://127.2:{port}/",
            "http://0x7f000002:{port}/",
            "http://2130706434:{port}/",
            "http://0177.0.0.2:{port}/",
            "http://\uff11\uff12\uff17.0.0.2:{port}/",
        ],
    )
    def test_a_redirect_to_a_blocked_address_is_refused(
        self, server: HostileServer, canary: HostileServer, location: str
    ) -> None:
        server.responses["/"] = redirect(location.format(port=canary.port))
        error = failure(server.url, resolver=lambda host, _: ("127.0.0.2",) if host.endswith("example") else (host,))
        assert error.kind in {FetchErrorKind.BLOCKED_ADDRESS, FetchErrorKind.INVALID_URL}

    @pytest.mark.parametrize(
        "location",
        ["http://169.254.169.254/latest/meta-data/", "http://[fd00:ec2::254]/", "http://10.0.0.1/", "http://0.0.0.0/"],
    )
    def test_a_redirect_to_the_metadata_service_is_refused(self, server: HostileServer, location: str) -> None:
        server.responses["/"] = redirect(location)
        open_house = AddressPolicy.from_setting(allow_private_sources=True)
        for policy in (LOOPBACK, open_house):
            if policy is LOOPBACK or "10.0.0.1" not in location:
                assert failure(server.url, addresses=policy).kind is FetchErrorKind.BLOCKED_ADDRESS


class TestAddresses:
    @pytest.mark.parametrize("found", [("127.0.0.2",), ("93.184.216.34", "127.0.0.2"), ("169.254.169.254",)])
    def test_all_addresses_of_a_name_are_checked(self, canary: HostileServer, found: tuple[str, ...]) -> None:
        error = failure(f"http://news.example:{canary.port}/", resolver=resolves_to(*found))
        assert error.kind is FetchErrorKind.BLOCKED_ADDRESS
        assert error.message.startswith(f"http://news.example:{canary.port}/: its address ")

    def test_the_connection_goes_to_the_checked_address(self, server: HostileServer, canary: HostileServer) -> None:
        # DNS rebinding: the second look-up would be the bad one.
        server.responses["/"] = http(FEED)
        found = fetcher(resolver=in_turn(("127.0.0.1",), ("127.0.0.2",))).fetch(f"http://rebind.example:{server.port}/")
        assert found.body == FEED
        assert f"Host: rebind.example:{server.port}\r\n" in server.requests[0]
        assert canary.connections == 0

    def test_the_name_of_every_redirect_is_resolved_and_checked(self, server: HostileServer) -> None:
        server.responses["/"] = redirect("/again")
        error = failure(f"http://rebind.example:{server.port}/", resolver=in_turn(("127.0.0.1",), ("127.0.0.2",)))
        assert error.kind is FetchErrorKind.BLOCKED_ADDRESS
        assert server.paths == ["/"]

    def test_a_public_server_may_not_redirect_to_a_private_address(self, server: HostileServer) -> None:
        server.responses.update({"/": redirect("/again"), "/again": http(FEED)})
        url = f"http://rebind.example:{server.port}/"
        # On this machine no public address can be served, so a loopback address stands for one.
        policy = _FirstIsPublic.from_setting(allow_private_sources=True)
        error = failure(url, addresses=policy, resolver=in_turn(("127.0.0.1",), ("127.0.0.2",)))
        assert error.kind is FetchErrorKind.BLOCKED_ADDRESS
        assert error.message.endswith("a public server leads to a private address, which is blocked")
        assert server.paths == ["/"]
        assert fetcher(addresses=policy, resolver=resolves_to("127.0.0.1")).fetch(url).body == FEED

    def test_the_next_address_is_tried_after_a_connection_error(self, server: HostileServer) -> None:
        server.responses["/"] = http(FEED)
        all_loopback = AddressPolicy(allowed=("127.0.0.0/8",), ports=None)
        # No server listens on this port of 127.0.0.3.
        found = fetcher(addresses=all_loopback, resolver=resolves_to("127.0.0.3", "127.0.0.1")).fetch(
            f"http://news.example:{server.port}/"
        )
        assert found.body == FEED

    def test_ipv6(self) -> None:
        with HostileServer({"/": http(FEED)}, host="::1") as server:
            assert fetcher().fetch(server.url).body == FEED
            assert f"Host: [::1]:{server.port}\r\n" in server.requests[0]

    def test_a_port_that_is_not_of_a_web_server_is_refused(self) -> None:
        error = failure("http://127.0.0.1:25/", addresses=AddressPolicy(allowed=("127.0.0.1/32",)))
        assert error.kind is FetchErrorKind.BLOCKED_ADDRESS
        assert error.message == "http://127.0.0.1:25/: port 25 is blocked; accepted: 80, 443, 8080, 8443"

    @pytest.mark.parametrize("exception", [socket.gaierror(-2, "unknown"), UnicodeError("label too long")])
    def test_a_name_without_addresses(self, exception: Exception) -> None:
        def refuse(*_: object) -> list[str]:
            raise exception

        for resolver in (refuse, resolves_to()):
            error = failure("http://nowhere.example/", resolver=resolver)
            assert error.kind is FetchErrorKind.DNS_ERROR
            assert error.message == "http://nowhere.example/: the host name cannot be resolved: it has no address"

    def test_the_lookup_has_a_timeout(self) -> None:
        release = threading.Event()

        def hang(*_: object) -> tuple[str, ...]:
            release.wait(30)
            return ()

        clock = SystemClock()
        begin = clock.monotonic()
        error = failure("http://slow.example/", SHORT, resolver=hang, clock=clock)
        release.set()
        assert error.kind is FetchErrorKind.DNS_ERROR
        assert "no response within 0.3 s" in error.message
        assert clock.monotonic() - begin < 5

    def test_an_invalid_result_of_the_resolver_is_refused(self) -> None:
        error = failure("http://odd.example/", resolver=resolves_to("not an address"))
        assert error.kind is FetchErrorKind.BLOCKED_ADDRESS

    def test_the_resolver_of_the_system(self) -> None:
        assert resolve("127.0.0.1", 80) == ("127.0.0.1",)
        assert set(resolve("localhost", 80)) <= {"127.0.0.1", "::1"}

    def test_a_port_without_a_server(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
        error = failure(f"http://127.0.0.1:{port}/")
        assert error.kind is FetchErrorKind.CONNECTION_ERROR
        assert error.message == f"http://127.0.0.1:{port}/: connection error: Connection refused"


class TestLimits:
    @pytest.mark.parametrize("response", SLOW.values(), ids=SLOW)
    def test_a_slow_response_times_out(self, server: HostileServer, response: Callable[[Connection], object]) -> None:
        server.responses["/"] = response
        clock = SystemClock()
        begin = clock.monotonic()
        error = failure(server.url, SHORT, clock=clock)
        assert error.kind is FetchErrorKind.TIMEOUT
        assert clock.monotonic() - begin < 3
        assert 0.25 < error.elapsed < 3

    @pytest.mark.parametrize(("response", "message"), ENDLESS.values(), ids=ENDLESS)
    def test_an_endless_response_is_stopped_at_the_limit(
        self, server: HostileServer, response: Callable[[Connection], object], message: str
    ) -> None:
        server.responses["/"] = response
        error = failure(server.url, FetchLimits(max_bytes=100_000, max_wire_bytes=150_000))
        assert error.kind is FetchErrorKind.TOO_LARGE
        assert message in error.message
        assert error.received_bytes < 300_000

    def test_a_body_with_a_content_length_above_the_limit_is_not_read(self, server: HostileServer) -> None:
        server.responses["/"] = http(b"x", length=10**9)
        error = failure(server.url)
        assert error.kind is FetchErrorKind.TOO_LARGE
        assert "the body has 1000000000 bytes" in error.message
        assert error.received_bytes < 1000

    def test_a_decompression_bomb_is_stopped_at_the_limit(self, server: HostileServer) -> None:
        server.responses["/"] = gzipped(bytes(50 * 1024 * 1024))
        error = failure(server.url, FetchLimits(max_bytes=100_000))
        assert error.kind is FetchErrorKind.TOO_LARGE
        assert error.received_bytes < 200_000

    @pytest.mark.parametrize(
        "response",
        [
            b"SSH-2.0-OpenSSH_9.2\r\n",
            b"\x00\x01\x02\x03" * 100,
            b"HTTP/1.1 abc OK\r\n\r\n",
            b"HTTP/9.9 200 OK\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
            b"HTTP/1.1 200 OK\r\n" + b"".join(b"X-%d: y\r\n" % number for number in range(500)) + b"\r\n",
            http(b"not gzip", "Content-Encoding: gzip"),
            http(b"x", "Content-Encoding: br"),
        ],
        ids=["ssh", "binary", "status", "version", "chunk", "headers", "gzip", "br"],
    )
    def test_an_invalid_response_fails_with_its_kind(self, server: HostileServer, response: bytes) -> None:
        server.responses["/"] = response
        error = failure(server.url)
        assert error.kind is FetchErrorKind.INVALID_RESPONSE or error.kind is FetchErrorKind.CONNECTION_ERROR
        assert error.message.startswith(f"{server.url}: ")

    def test_a_reset_connection_fails_with_its_kind(self, server: HostileServer) -> None:
        def reset(connection: Connection) -> None:
            connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nx")
            connection.pause(0.05)  # so that the reset does not overtake the response
            # An RST instead of a FIN.
            connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")

        server.responses["/"] = reset
        error = failure(server.url)
        assert error.kind is FetchErrorKind.CONNECTION_ERROR
        assert error.message == f"{server.url}: connection error: Connection reset by peer"


class TestTls:
    def serve(self, authority: trustme.CA, *names: str) -> HostileServer:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert(*names).configure_cert(context)  # pyright: ignore[reportUnknownMemberType] - it takes pyOpenSSL as well
        return HostileServer({"/": http(FEED)}, tls=context)

    def trusting(self, authority: trustme.CA) -> ssl.SSLContext:
        context = ssl.create_default_context()
        authority.configure_trust(context)  # pyright: ignore[reportUnknownMemberType] - as above
        return context

    def test_a_certificate_of_the_host_is_accepted(self, authority: trustme.CA) -> None:
        with self.serve(authority, "news.example") as server:
            url = f"https://news.example:{server.port}/"
            found = fetcher(tls=self.trusting(authority), resolver=resolves_to("127.0.0.1")).fetch(url)
        assert found.body == FEED
        assert found.url == url

    def test_a_certificate_of_another_name_is_refused(self, authority: trustme.CA) -> None:
        with self.serve(authority, "other.example", "127.0.0.1") as server:
            error = failure(
                f"https://news.example:{server.port}/", tls=self.trusting(authority), resolver=resolves_to("127.0.0.1")
            )
        assert error.kind is FetchErrorKind.TLS_ERROR
        assert "Hostname mismatch" in error.message
        assert server.requests == []

    def test_a_certificate_of_an_unknown_authority_is_refused(self, authority: trustme.CA) -> None:
        with self.serve(authority, "127.0.0.1") as server:
            error = failure(server.url)
        assert error.kind is FetchErrorKind.TLS_ERROR
        assert server.requests == []

    def test_a_server_without_tls_fails_with_its_kind(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:

            def response() -> None:
                sock, _ = listener.accept()
                with sock:
                    sock.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                    sock.recv(4096)

            thread = threading.Thread(target=response)
            thread.start()
            error = failure(f"https://127.0.0.1:{listener.getsockname()[1]}/")
            thread.join()
        assert error.kind is FetchErrorKind.TLS_ERROR
        assert "the TLS handshake failed" in error.message

    def test_the_handshake_has_a_timeout(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            clock = SystemClock()
            begin = clock.monotonic()
            error = failure(f"https://127.0.0.1:{listener.getsockname()[1]}/", SHORT, clock=clock)
        assert error.kind is FetchErrorKind.TIMEOUT
        assert clock.monotonic() - begin < 5

    def test_a_redirect_from_https_to_http_is_refused(self, authority: trustme.CA, server: HostileServer) -> None:
        with self.serve(authority, "127.0.0.1") as secure:
            secure.responses["/"] = redirect(f"{server.url}/?token=hunter2")
            error = failure(secure.url, tls=self.trusting(authority))
        assert error.kind is FetchErrorKind.INVALID_REDIRECT
        assert "from https to http://127.0.0.1" in error.message
        assert "hunter2" not in error.message
        assert server.requests == []

    def test_a_redirect_from_http_to_https_is_followed(self, authority: trustme.CA, server: HostileServer) -> None:
        with self.serve(authority, "127.0.0.1") as secure:
            server.responses["/"] = redirect(secure.url)
            assert fetcher(tls=self.trusting(authority)).fetch(server.url).body == FEED


class TestConcurrency:
    def test_results_are_in_the_order_of_the_urls(self, server: HostileServer) -> None:
        paths = [f"/{number}" for number in range(20)]
        server.responses.update({path: http(path.encode()) for path in paths if path != "/7"})

        def parse(index: int, found: FetchResult | FetchError) -> tuple[int, str]:
            return index, found.kind if isinstance(found, FetchError) else found.body.decode()

        results = fetcher().fetch_all([server.url + path for path in paths], parse)
        assert results == [(index, path if index != 7 else "not_found") for index, path in enumerate(paths)]

    def test_the_requests_of_one_host_are_limited_while_others_go_on(self) -> None:
        both_arrived, other_parsed = threading.Barrier(2), threading.Event()

        def wait(connection: Connection) -> None:
            # The first two requests get a response after both have arrived and the other host was parsed.
            if connection.request.startswith(("GET /0 ", "GET /1 ")):
                both_arrived.wait(10)
                other_parsed.wait(10)
            connection.send(http(FEED))

        with (
            HostileServer(dict.fromkeys((f"/{n}" for n in range(6)), wait)) as slow,
            HostileServer({"/": http(FEED)}, host="::1") as other,
        ):
            urls = [*(f"{slow.url}/{n}" for n in range(6)), other.url]

            def parse(index: int, _: object) -> int:
                if index == 6:
                    other_parsed.set()
                return index

            assert fetcher(FetchLimits(workers=8, per_host=2)).fetch_all(urls, parse) == list(range(7))
            assert slow.max_concurrent == 2

    def test_the_number_of_concurrent_requests_is_limited(self, server: HostileServer) -> None:
        server.responses.update(
            dict.fromkeys((f"/{number}" for number in range(12)), lambda c: c.pause(0.01).send(http(FEED)))
        )
        limits = FetchLimits(workers=3, per_host=12)
        fetcher(limits).fetch_all([f"{server.url}/{number}" for number in range(12)], lambda _index, _found: None)
        assert 1 <= server.max_concurrent <= 3

    def test_documents_are_parsed_one_at_a_time(self, server: HostileServer) -> None:
        server.responses["/"] = http(FEED)
        reading = threading.Lock()

        def parse(*_: object) -> bool:
            free = reading.acquire(blocking=False)
            threading.Event().wait(0.005)
            reading.release()
            return free

        assert all(fetcher(FetchLimits(per_host=8)).fetch_all([server.url] * 16, parse))

    def test_a_fetch_after_the_end_of_the_run_is_not_started(self, server: HostileServer) -> None:
        clock = Ticking()
        kinds = fetcher(clock=clock).fetch_all(
            [server.url, "nonsense"],
            lambda _, found: found.kind if isinstance(found, FetchError) else None,
            until=clock.now,
        )
        assert kinds == [FetchErrorKind.NOT_STARTED] * 2
        assert server.requests == []

    def test_a_fetch_ends_with_the_run(self, server: HostileServer) -> None:
        server.responses["/"] = lambda c: c.pause(60)
        clock = SystemClock()
        begin = clock.monotonic()
        (error,) = fetcher(clock=clock).fetch_all([server.url], lambda _, found: found, until=begin + 0.3)
        assert isinstance(error, FetchError)
        assert error.kind is FetchErrorKind.TIMEOUT
        assert clock.monotonic() - begin < 5

    def test_a_crash_of_the_parser_is_raised_and_stops_the_others(self, server: HostileServer) -> None:
        server.responses["/"] = http(FEED)

        def crash(*_: object) -> None:
            raise ZeroDivisionError

        before = threading.active_count()
        with pytest.raises(ZeroDivisionError):
            fetcher(FetchLimits(workers=1)).fetch_all([server.url] * 5, crash)
        assert len(server.requests) == 1
        assert threading.active_count() <= before + 5  # the server's own threads

    def test_no_urls(self) -> None:
        assert fetcher().fetch_all([], lambda _index, _found: None) == []


class TestSecrets:
    def test_no_secret_is_in_a_message_or_log(self, server: HostileServer, caplog: pytest.LogCaptureFixture) -> None:
        secret = "hunter2"
        responses: dict[str, Response] = {
            "/404": http(b"", status="404 None"),
            "/headers": b"HTTP/1.1 200 OK\r\nbroken header\r\n: x\r\n\r\n" + FEED,
            "/loop": redirect(f"/loop?key={secret}"),
            "/down": b"",
            "/ssh": f"SSH {secret}\r\n".encode(),
            "/to": redirect(f"http://user:{secret}@127.0.0.1/"),
            "/wrong": redirect(f"http://127.0.0.2/?key={secret}"),
        }
        server.responses.update(responses)
        urls = [f"{server.url}{path}?key={secret}" for path in responses]
        urls += [f"http://u:{secret}@127.0.0.1/", f"https://127.0.0.1:1/?key={secret}", f"ftp://{secret}@x/"]

        def parse(_: int, found: FetchResult | FetchError) -> str:
            return str(found) + repr(found) if isinstance(found, FetchError) else ""

        with caplog.at_level(logging.DEBUG):
            messages = fetcher(clock=Ticking()).fetch_all(urls, parse)
        assert all(secret not in text for text in messages)
        assert caplog.records == []


def test_a_conditional_request_sends_the_validators_of_the_stored_document(server: HostileServer) -> None:
    modified = "Fri, 20 Nov 2026 10:00:00 GMT"
    server.responses["/a"] = http(FEED, 'ETag: W/"x"', f"Last-Modified: {modified}")
    fetcher = Fetcher(addresses=LOOPBACK)
    found = fetcher.fetch(f"{server.url}/a").validators
    assert found == Validators(etag='W/"x"', last_modified=modified)
    assert "If-" not in server.requests[0]
    server.responses["/a"] = http(status="304 Not Modified")
    with pytest.raises(FetchError) as caught:
        fetcher.fetch(f"{server.url}/a", validators=found)
    assert caught.value.kind is FetchErrorKind.NOT_MODIFIED
    assert 'If-None-Match: W/"x"\r\n' in server.requests[1]
    assert f"If-Modified-Since: {modified}\r\n" in server.requests[1]


@pytest.mark.parametrize("value", ["x" * 501, "caf\xe9", ""])
def test_a_validator_that_cannot_be_sent_again_is_ignored(server: HostileServer, value: str) -> None:
    server.responses["/a"] = b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nETag: " + value.encode("latin-1") + b"\r\n\r\nx"
    found = Fetcher(addresses=LOOPBACK).fetch(f"{server.url}/a").validators
    assert not found
    assert found.headers() == {}
