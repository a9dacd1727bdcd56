"""The fetcher: the only code that connects to sources.

A URL, the addresses of its host and the target of every redirect are checked before a request is sent; a response is
limited while it is received. Each failure is a ``FetchError`` of one source and does not affect the others.
"""

from __future__ import annotations

import datetime as dt
import random
import re
import socket
import threading
from contextlib import suppress
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Final, TypeAlias, TypeVar
from urllib.parse import urljoin

import msgspec

from bedrock_resilience import EqualJitter, RetryPolicy
from bedrock_resilience._version import __version__
from bedrock_resilience.clock import SystemClock
from vectora_normalize.sources.errors import FetchError, FetchErrorKind
from vectora_normalize.sources.http import inflate
from vectora_normalize.sources.http.addresses import AddressPolicy
from vectora_normalize.sources.http.hosts import PerHostQueue
from vectora_normalize.sources.http.limits import FetchBudget, FetchLimits
from vectora_normalize.sources.http.robots import USER_AGENT
from vectora_normalize.sources.urls import RequestTarget, parse_target, redact_url

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Mapping, Sequence

    from bedrock_resilience.clock import Clock
    from vectora_normalize.sources.http.http_exchange import HttpExchange

Resolver: TypeAlias = "Callable[[str, int], Sequence[str]]"
"""Host name and port to numeric addresses; raises ``OSError`` if there are none."""

Fetched = TypeVar("Fetched")
Parsed = TypeVar("Parsed")

RETRY: Final = RetryPolicy(max_retries=1, base_delay=1.0, jitter=EqualJitter())
"""One retry; a source that needs more waits for the next run."""

_REQUEST_HEADERS: Final = {
    "User-Agent": f"{USER_AGENT}/{__version__}",
    "Accept": "application/rss+xml, application/atom+xml, application/feed+json, text/html;q=0.9, */*;q=0.5",
    "Accept-Encoding": inflate.ACCEPT_ENCODING,
    "Connection": "close",
}
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_KIND_OF_STATUS = {
    304: FetchErrorKind.NOT_MODIFIED,
    401: FetchErrorKind.FORBIDDEN,
    403: FetchErrorKind.FORBIDDEN,
    404: FetchErrorKind.NOT_FOUND,
    410: FetchErrorKind.NOT_FOUND,
    429: FetchErrorKind.THROTTLED,
}
_RETRYABLE = frozenset({FetchErrorKind.THROTTLED, FetchErrorKind.SERVER_ERROR, FetchErrorKind.CONNECTION_ERROR})
# Servers send feeds as text/plain, application/octet-stream and others, so only types that cannot contain text are
# refused.
_UNSUPPORTED_MEDIA_TYPE = re.compile(
    r"(image|audio|video|font|model)/(?!svg\+xml)|application/(pdf|zip|gzip|x-tar|wasm|msword)\b"
)
_CHARSET = re.compile(r";\s*charset\s*=\s*[\"']?([A-Za-z0-9._:-]{1,40})", re.IGNORECASE)
_MAX_VALIDATOR_LENGTH = 500  # characters
_DELAY_SECONDS = re.compile(r"\d{1,9}")


class Validators(msgspec.Struct, frozen=True, kw_only=True):
    """The validators of a stored document, which make a request for it conditional.

    Args:
        etag: Its ``ETag`` header; empty if the server sent none.
        last_modified: Its ``Last-Modified`` header; empty if the server sent none.
    """

    etag: str = ""
    last_modified: str = ""

    def __bool__(self) -> bool:
        """Return whether there is one."""
        return bool(self.etag or self.last_modified)

    def headers(self) -> dict[str, str]:
        """Return the headers of the conditional request."""
        headers = {"If-None-Match": self.etag, "If-Modified-Since": self.last_modified}
        return {name: value for name, value in headers.items() if value}


class FetchResult(msgspec.Struct, frozen=True, kw_only=True):
    """A fetched document.

    Args:
        url: The URL after redirects; the base of the document's links.
        status: The HTTP status, 200 to 299.
        body: The decompressed body.
        content_type: Media type in lower case, without parameters; empty if the server sent none.
        charset: Charset of the ``Content-Type`` header; empty if it has none.
        truncated: Whether the connection ended before the body did.
        received_bytes: Bytes received, headers, redirects and a retry included.
        elapsed: Seconds that the fetch took.
        validators: What a later request can send to get the document only if it has changed.
        is_public: Whether it comes from a public address.
    """

    url: str
    status: int
    body: bytes
    content_type: str = ""
    charset: str = ""
    truncated: bool = False
    received_bytes: int = 0
    elapsed: float = 0.0
    validators: Validators = Validators()
    is_public: bool = False


def resolve(host: str, port: int) -> tuple[str, ...]:
    """Return the numeric addresses of a host from the system's resolver, in its order of preference.

    Raises:
        OSError: The name has no address.
    """
    results = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return tuple(dict.fromkeys(str(address[0]) for *_, address in results))


class Fetcher:
    """Fetches documents within limits. Threads may share it.

    Args:
        limits: The limits of each fetch, and the number of concurrent ones.
        addresses: The addresses and ports that may be connected to.
        resolver: Resolves host names.
        clock: Time and sleep.
        rng: Random numbers for the jitter of the retry.
        tls: The TLS context; None for one with the system's certificates.
    """

    def __init__(
        self,
        limits: FetchLimits | None = None,
        *,
        addresses: AddressPolicy | None = None,
        resolver: Resolver = resolve,
        clock: Clock | None = None,
        rng: random.Random | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.limits = limits or FetchLimits()
        self.addresses = addresses or AddressPolicy()
        self._resolver = resolver
        self.clock = clock or SystemClock()
        self._rng = rng or random.Random()  # noqa: S311 - for jitter, not for security
        self._tls = tls
        self._tls_lock = threading.Lock()

    def fetch(
        self,
        url: str,
        *,
        until: float | None = None,
        validators: Validators | None = None,
        from_public: bool = False,
    ) -> FetchResult:
        """Fetch the document at a URL.

        Throttling (429), server errors and connection errors are retried once, after the delay of ``Retry-After`` or
        else a second of backoff, if the time of the fetch allows it.

        Args:
            url: An http or https URL.
            until: Instant of the clock at which the fetch ends, if that is before its own limit.
            validators: Those of the stored document, which make the request conditional.
            from_public: Whether the URL is from a document of a public server, which must not lead to a private one.

        Raises:
            FetchError: With kind, message, received bytes and elapsed time. NOT_MODIFIED: the stored document is still
                the current one.
        """
        budget = FetchBudget(self.limits, self.clock, until)
        headers = {**_REQUEST_HEADERS, **(validators.headers() if validators else {})}
        try:
            try:
                return self._fetch_once(url, budget, headers, from_public=from_public)
            except FetchError as error:
                delay = self._retry_delay(error)
                if delay is None or not budget.fits(delay):
                    raise
            self.clock.sleep(delay)
            return self._fetch_once(url, budget, headers, from_public=from_public)
        except FetchError as error:
            error.received_bytes, error.elapsed = budget.received_bytes, budget.elapsed
            raise

    def fetch_all(
        self,
        urls: Sequence[str],
        parse: Callable[[int, FetchResult | FetchError], Parsed],
        *,
        until: float | None = None,
    ) -> list[Parsed]:
        """Fetch many documents concurrently and parse each as soon as it is received.

        ``parse`` gets the index of the URL and the result or the failure. It runs for one document at a time, because
        parsing is bound by the processor, and so there are never more bodies in memory than workers.

        Args:
            urls: The URLs; fetched in this order, as far as the limit per host allows.
            parse: Returns what is kept of a document.
            until: Instant of the clock at which every fetch ends; those not started by then fail as NOT_STARTED.

        Returns:
            The results of ``parse``, in the order of the URLs.
        """
        return self.map_urls(urls, lambda index: self._fetch_or_error(urls[index], until), parse)

    def map_urls(
        self, urls: Sequence[str], fetch: Callable[[int], Fetched], parse: Callable[[int, Fetched], Parsed]
    ) -> list[Parsed]:
        """Call two functions for each URL: ``fetch`` concurrently within the limit per host, ``parse`` one at a time.

        Args:
            urls: The URLs.
            fetch: Gets the index of a URL.
            parse: Gets the index of a URL and what ``fetch`` returned for it.

        Returns:
            The results of ``parse``, in the order of the URLs.
        """
        results: dict[int, Parsed] = {}
        queue = PerHostQueue([host_of(url) for url in urls], self.limits.per_host)
        parse_lock = threading.Lock()

        def fetch_next() -> None:
            for index in queue:
                fetched = fetch(index)
                queue.task_done(index)
                with parse_lock:
                    results[index] = parse(index, fetched)

        _run_in_threads(fetch_next, min(self.limits.workers, len(urls)), on_crash=queue.close)
        return [results[index] for index in range(len(urls))]

    def _fetch_or_error(self, url: str, until: float | None) -> FetchResult | FetchError:
        if until is not None and self.clock.monotonic() >= until:
            return FetchError(FetchErrorKind.NOT_STARTED, f"{redact_url(url)}: the time for fetching was over")
        try:
            return self.fetch(url, until=until)
        except FetchError as error:
            return error

    def _retry_delay(self, error: FetchError) -> float | None:
        """Return the seconds to wait before the retry; None if a retry does not help."""
        if error.kind not in _RETRYABLE:
            return None
        backoff = RETRY.delay(0, self._rng.random())
        return backoff if error.retry_after is None else error.retry_after

    def _fetch_once(
        self, url: str, budget: FetchBudget, headers: Mapping[str, str], *, from_public: bool
    ) -> FetchResult:
        for _ in range(self.limits.max_redirects + 1):
            try:
                target = parse_target(url)
                addresses = self._allowed_addresses(target, budget)
                from_public = self._check_hop(addresses, from_public=from_public)
                result = self._request(target, addresses, budget, headers)
            except FetchError as error:
                raise _with_url(error, url) from None
            if isinstance(result, FetchResult):
                return msgspec.structs.replace(result, is_public=from_public)
            url = result
        raise FetchError(
            FetchErrorKind.TOO_MANY_REDIRECTS, f"{redact_url(url)}: more than {self.limits.max_redirects} redirects"
        )

    def _request(
        self, target: RequestTarget, addresses: tuple[str, ...], budget: FetchBudget, headers: Mapping[str, str]
    ) -> FetchResult | str:
        """Send one request; return the document, or the URL of a redirect."""
        from vectora_normalize.sources.http.http_exchange import HttpExchange  # noqa: PLC0415 - 30 ms of a cold start

        tls = self._tls_context() if target.scheme == "https" else None
        with HttpExchange(target, addresses, headers, limits=self.limits, budget=budget, tls=tls) as exchange:
            if exchange.status in _REDIRECTS:
                return _redirect_url(target, exchange.header("Location"))
            _check_status(exchange)
            return self._read_body(target, exchange, budget)

    def _allowed_addresses(self, target: RequestTarget, budget: FetchBudget) -> tuple[str, ...]:
        """Return the addresses of the target's host, after all of them were checked."""
        if not self.addresses.allows_port(target.port):
            accepted = ", ".join(map(str, sorted(self.addresses.ports or ())))
            raise FetchError(FetchErrorKind.BLOCKED_ADDRESS, f"port {target.port} is blocked; accepted: {accepted}")
        addresses = _lookup(self._resolver, target, budget.timeout(self.limits.connect_seconds))
        for address in addresses:
            # One blocked address blocks the name: a name that mixes public and private addresses is an attack or an
            # error, and choosing the public ones would hide it.
            if reason := self.addresses.refusal_reason(address, target.port):
                raise FetchError(FetchErrorKind.BLOCKED_ADDRESS, f"its address {address} is blocked: {reason}")
        return addresses

    def _check_hop(self, addresses: Sequence[str], *, from_public: bool) -> bool:
        """Return whether the addresses are public; a public server must not reach what only this machine can."""
        is_public = all(map(self.addresses.is_public, addresses))
        if from_public and not is_public:
            message = "a public server leads to a private address, which is blocked"
            raise FetchError(FetchErrorKind.BLOCKED_ADDRESS, message)
        return is_public

    def _read_body(self, target: RequestTarget, exchange: HttpExchange, budget: FetchBudget) -> FetchResult:
        content_type = exchange.header("Content-Type")
        media_type = content_type.partition(";")[0].strip().lower()
        if _UNSUPPORTED_MEDIA_TYPE.match(media_type):
            message = f"the media type is {media_type[:60]!r}, neither a feed nor a page"
            raise FetchError(FetchErrorKind.UNSUPPORTED_MEDIA_TYPE, message)
        if (exchange.content_length or 0) > self.limits.max_wire_bytes:
            message = f"the body has {exchange.content_length} bytes; accepted: {self.limits.max_wire_bytes}"
            raise FetchError(FetchErrorKind.TOO_LARGE, message)
        encoding = exchange.header("Content-Encoding")
        body, complete = inflate.inflate(exchange.chunks(), encoding, self.limits.max_bytes)
        if not body:
            kind = FetchErrorKind.INVALID_RESPONSE if exchange.truncated else FetchErrorKind.EMPTY_RESPONSE
            raise FetchError(kind, "the response has no body", status=exchange.status)
        charset = _CHARSET.search(content_type)
        return FetchResult(
            url=target.url,
            status=exchange.status,
            body=body,
            content_type=media_type,
            charset=charset[1].lower() if charset else "",
            truncated=exchange.truncated or not complete,
            received_bytes=budget.received_bytes,
            elapsed=budget.elapsed,
            validators=Validators(
                etag=_validator(exchange.header("ETag")), last_modified=_validator(exchange.header("Last-Modified"))
            ),
        )

    def _tls_context(self) -> ssl.SSLContext:
        import ssl  # noqa: PLC0415 - sources without https, as in a local run, do not need it

        with self._tls_lock:
            if self._tls is None:
                self._tls = ssl.create_default_context()  # once, because it reads all certificates of the system
            return self._tls


def _run_in_threads(work: Callable[[], None], count: int, *, on_crash: Callable[[], None]) -> None:
    """Run a function in several threads, and raise the first exception after all of them have ended."""
    crashes: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except BaseException as crash:  # noqa: BLE001 - raised again by the caller's thread, below
            crashes.append(crash)
            on_crash()

    threads = [threading.Thread(target=run, name="fetch") for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if crashes:
        raise crashes[0]


def host_of(url: str) -> str:
    """Return the host of a URL; empty if it is not valid."""
    try:
        return parse_target(url).host
    except FetchError:
        return ""


def _with_url(error: FetchError, url: str) -> FetchError:
    """Return the error with a message that begins with the redacted URL."""
    redacted = redact_url(url)
    if not error.message.startswith(redacted):
        error.message = f"{redacted}: {error.message}"
        error.args = (error.message,)
    return error


def _redirect_url(target: RequestTarget, location: str) -> str:
    """Return the absolute URL of a redirect; it is checked like any other before it is requested."""
    if not location:
        raise FetchError(FetchErrorKind.INVALID_REDIRECT, "a redirect without a target")
    try:
        # Headers are decoded as Latin-1; most servers that send non-ASCII characters mean UTF-8.
        text = location.encode("latin-1").decode("utf-8", "replace").strip().replace(" ", "%20")
        url = urljoin(target.url, text)
    except ValueError:
        raise FetchError(FetchErrorKind.INVALID_REDIRECT, "a redirect to an invalid URL") from None
    if target.scheme == "https" and url.lower().startswith("http:"):
        raise FetchError(FetchErrorKind.INVALID_REDIRECT, f"a redirect from https to {redact_url(url)}")
    return url


def _check_status(exchange: HttpExchange) -> None:
    status = exchange.status
    if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES and status != HTTPStatus.PARTIAL_CONTENT:
        return
    server_error = status >= HTTPStatus.INTERNAL_SERVER_ERROR
    kind = (
        FetchErrorKind.SERVER_ERROR if server_error else _KIND_OF_STATUS.get(status, FetchErrorKind.UNEXPECTED_STATUS)
    )
    delay = _retry_after(exchange)
    suffix = "" if delay is None else f" with Retry-After {delay:.0f} s"
    raise FetchError(kind, f"the server answered {status}{suffix}", status=status, retry_after=delay)


def _retry_after(exchange: HttpExchange) -> float | None:
    """Return the seconds of the ``Retry-After`` header; None if it is missing or invalid."""
    value = exchange.header("Retry-After").strip()
    if _DELAY_SECONDS.fullmatch(value):
        return float(value)
    # A date is an instant of the server's clock, so it is compared with that clock.
    then, now = _http_date(value), _http_date(exchange.header("Date"))
    return max(0.0, (then - now).total_seconds()) if then and now else None


def _validator(value: str) -> str:
    """Return a validator that can be sent in a header again; empty if it cannot."""
    value = value.strip()
    return value if len(value) <= _MAX_VALIDATOR_LENGTH and value.isascii() and value.isprintable() else ""


def _http_date(value: str) -> dt.datetime | None:
    try:
        date = parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    return date if date.tzinfo else date.replace(tzinfo=dt.UTC)


def _lookup(resolver: Resolver, target: RequestTarget, seconds: float) -> tuple[str, ...]:
    """Return the addresses of the target's host, or fail after a timeout, which the system's resolver does not have."""
    addresses: list[str] = []

    def look_up() -> None:
        with suppress(OSError, UnicodeError):  # UnicodeError: a name that IDNA cannot encode
            addresses.extend(resolver(target.host, target.port))

    thread = threading.Thread(target=look_up, name="resolve", daemon=True)
    thread.start()
    thread.join(seconds)
    if not addresses:
        reason = f"no response within {seconds:.1f} s" if thread.is_alive() else "it has no address"
        raise FetchError(FetchErrorKind.DNS_ERROR, f"the host name cannot be resolved: {reason}")
    return tuple(addresses)
