"""The only code that opens connections to sources.

A URL, its host's addresses and every redirect are vetted before a byte is sent; what comes back is measured while it
comes. One source's trouble is one `FetchError` and stays with that source.
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
from vectora_normalize.sources.urls import RequestTarget, parse_target, show_url

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Sequence

    from bedrock_resilience.clock import Clock
    from vectora_normalize.sources.http.http_exchange import HttpExchange

Resolver: TypeAlias = "Callable[[str, int], Sequence[str]]"
"""Host name and port to numeric addresses; raises OSError if there are none."""

Read = TypeVar("Read")

RETRY: Final = RetryPolicy(max_retries=1, base_delay=1.0, jitter=EqualJitter())
"""One polite retry; a source that needs two is left for the next run."""

_HEADERS: Final = {
    "User-Agent": f"vectora-normalize/{__version__}",
    "Accept": "application/rss+xml, application/atom+xml, application/feed+json, text/html;q=0.9, */*;q=0.5",
    "Accept-Encoding": inflate.ACCEPTED,
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
_RETRIED = frozenset({FetchErrorKind.THROTTLED, FetchErrorKind.SERVER_ERROR, FetchErrorKind.CONNECTION_FAILED})
# Feeds come as text/plain, application/octet-stream and worse, so only what cannot hold text is refused.
_WRONG_TYPE = re.compile(r"(image|audio|video|font|model)/(?!svg\+xml)|application/(pdf|zip|gzip|x-tar|wasm|msword)\b")
_CHARSET = re.compile(r";\s*charset\s*=\s*[\"']?([A-Za-z0-9._:-]{1,40})", re.IGNORECASE)
_SECONDS = re.compile(r"\d{1,9}")


class FetchResult(msgspec.Struct, frozen=True, kw_only=True):
    """A document as it was fetched.

    Args:
        url: Where it was found in the end: the base of its links.
        status: The HTTP status, 200 to 299.
        body: The bytes, decompressed.
        content_type: Media type in lower case, without parameters; empty where the server gave none.
        charset: Charset of the `Content-Type` header; empty where it names none.
        cut_short: Whether the connection ended before the body did.
        received: Bytes that came over the wire, headers, redirects and a retry included.
        elapsed: Seconds that it took.
    """

    url: str
    status: int
    body: bytes
    content_type: str = ""
    charset: str = ""
    cut_short: bool = False
    received: int = 0
    elapsed: float = 0.0


def resolve(host: str, port: int) -> tuple[str, ...]:
    """The numeric addresses of a host, by the system's resolver, in the order in which it prefers them.

    Raises:
        OSError: The name has none.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return tuple(dict.fromkeys(str(address[0]) for *_, address in found))


class Fetcher:
    """Fetches sources within limits. It may be shared between threads.

    Args:
        limits: What one fetch may use up, and how many run at once.
        addresses: Which addresses and ports may be connected to.
        resolver: Host name to addresses.
        clock: Time and waiting.
        rng: Chance for the jitter of the retry.
        tls: Context for https; None for the system's certificates.
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
        self._clock = clock or SystemClock()
        self._rng = rng or random.Random()  # noqa: S311 - spreads retries, guards nothing
        self._tls = tls
        self._tls_lock = threading.Lock()

    def fetch(self, url: str, *, until: float | None = None) -> FetchResult:
        """The document at a URL.

        Throttling (429), server errors and broken connections are retried once, after the wait that the server asks
        for or a second of backoff, if the time of the fetch allows it.

        Args:
            url: An http or https URL.
            until: Instant of the clock at which the fetch ends, if that is before its own limit.

        Raises:
            FetchError: With kind, message, and what it cost.
        """
        budget = FetchBudget(self.limits, self._clock, until)
        try:
            try:
                return self._fetch_once(url, budget)
            except FetchError as error:
                if not self._waited_for_retry(error, budget):
                    raise
            return self._fetch_once(url, budget)
        except FetchError as error:
            error.received, error.elapsed = budget.received, budget.elapsed
            raise

    def fetch_all(
        self,
        urls: Sequence[str],
        read: Callable[[int, FetchResult | FetchError], Read],
        *,
        until: float | None = None,
    ) -> list[Read]:
        """Fetch many documents at once and read each as soon as it is there.

        `read` is called with the index of the URL and what came of it, for one document at a time: parsing is work of
        the processor, and this way no more bodies are in memory than there are workers.

        Args:
            urls: Fetched in this order, as far as the limit per host lets them.
            read: Makes of a document what is kept of it.
            until: Instant of the clock at which every fetch ends; those not started by then fail as NOT_STARTED.

        Returns:
            What `read` returned, in the order of the URLs.
        """
        results: dict[int, Read] = {}
        queue = PerHostQueue([_host_of(url) for url in urls], self.limits.per_host)
        reading = threading.Lock()
        crashes: list[BaseException] = []

        def work() -> None:
            try:
                for index in queue:
                    outcome = self._outcome(urls[index], until)
                    queue.task_done(index)
                    with reading:
                        results[index] = read(index, outcome)
            except BaseException as crash:  # noqa: BLE001 - raised again by the caller's thread, below
                crashes.append(crash)
                queue.close()

        threads = [threading.Thread(target=work, name="fetch") for _ in range(min(self.limits.workers, len(urls)))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if crashes:
            raise crashes[0]
        return [results[index] for index in range(len(urls))]

    def _outcome(self, url: str, until: float | None) -> FetchResult | FetchError:
        if until is not None and self._clock.monotonic() >= until:
            return FetchError(FetchErrorKind.NOT_STARTED, f"{show_url(url)}: the time for fetching was over")
        try:
            return self.fetch(url, until=until)
        except FetchError as error:
            return error

    def _waited_for_retry(self, error: FetchError, budget: FetchBudget) -> bool:
        """Whether another attempt is worth it; waits for it if so."""
        if error.kind not in _RETRIED:
            return False
        backoff = RETRY.delay(0, self._rng.random())
        wait = backoff if error.retry_after is None else error.retry_after
        if not budget.fits(wait):
            return False
        self._clock.sleep(wait)
        return True

    def _fetch_once(self, url: str, budget: FetchBudget) -> FetchResult:
        for _ in range(self.limits.max_redirects + 1):
            try:
                target = parse_target(url)
                found = self._ask(target, budget)
            except FetchError as error:
                raise _located(error, url) from None
            if isinstance(found, FetchResult):
                return found
            url = found
        raise FetchError(
            FetchErrorKind.TOO_MANY_REDIRECTS, f"{show_url(url)}: more than {self.limits.max_redirects} redirects"
        )

    def _ask(self, target: RequestTarget, budget: FetchBudget) -> FetchResult | str:
        """The document at a target, or the URL that it redirects to."""
        from vectora_normalize.sources.http.http_exchange import HttpExchange  # noqa: PLC0415 - its imports cost a cold start 30 ms

        addresses = self._vet(target, budget)
        tls = self._tls_context() if target.scheme == "https" else None
        with HttpExchange(target, addresses, _HEADERS, limits=self.limits, budget=budget, tls=tls) as exchange:
            if exchange.status in _REDIRECTS:
                return _redirect(target, exchange.header("Location"))
            _check_status(exchange)
            return self._read_body(target, exchange, budget)

    def _vet(self, target: RequestTarget, budget: FetchBudget) -> tuple[str, ...]:
        """The addresses of the target's host, each of them allowed."""
        if not self.addresses.accepts_port(target.port):
            accepted = ", ".join(map(str, sorted(self.addresses.ports or ())))
            raise FetchError(FetchErrorKind.REFUSED_ADDRESS, f"port {target.port} is refused; accepted: {accepted}")
        found = _look_up(self._resolver, target, budget.timeout(self.limits.connect_seconds))
        for address in found:
            # One bad address condemns the name: picking the good ones would be choosing for whoever mixed them.
            if objection := self.addresses.refusal_reason(address):
                raise FetchError(FetchErrorKind.REFUSED_ADDRESS, f"its address {address} is refused: {objection}")
        return found

    def _read_body(self, target: RequestTarget, exchange: HttpExchange, budget: FetchBudget) -> FetchResult:
        content_type = exchange.header("Content-Type")
        media_type = content_type.partition(";")[0].strip().lower()
        if _WRONG_TYPE.match(media_type):
            raise FetchError(FetchErrorKind.WRONG_TYPE, f"it is {media_type[:60]!r}, neither a feed nor a page")
        if (exchange.length or 0) > self.limits.max_wire_bytes:
            accepted = self.limits.max_wire_bytes
            raise FetchError(FetchErrorKind.TOO_LARGE, f"it announces {exchange.length} bytes; accepted: {accepted}")
        encoding = exchange.header("Content-Encoding")
        body, complete = inflate.inflate(exchange.chunks(), encoding, self.limits.max_bytes)
        if not body:
            kind = FetchErrorKind.BROKEN_ANSWER if exchange.cut_short else FetchErrorKind.EMPTY
            raise FetchError(kind, "the answer has no body", status=exchange.status)
        charset = _CHARSET.search(content_type)
        return FetchResult(
            url=target.url,
            status=exchange.status,
            body=body,
            content_type=media_type,
            charset=charset[1].lower() if charset else "",
            cut_short=exchange.cut_short or not complete,
            received=budget.received,
            elapsed=budget.elapsed,
        )

    def _tls_context(self) -> ssl.SSLContext:
        import ssl  # noqa: PLC0415 - sources without https, as in a local run, need none

        with self._tls_lock:
            if self._tls is None:
                self._tls = ssl.create_default_context()  # reads all of the system's certificates: once is enough
            return self._tls


def _host_of(url: str) -> str:
    try:
        return parse_target(url).host
    except FetchError:
        return ""


def _located(error: FetchError, url: str) -> FetchError:
    """The same error, its message beginning with where it happened."""
    shown = show_url(url)
    if not error.message.startswith(shown):
        error.message = f"{shown}: {error.message}"
        error.args = (error.message,)
    return error


def _redirect(target: RequestTarget, location: str) -> str:
    """Where a redirect leads, as an absolute URL; it is vetted like any other when its turn comes."""
    if not location:
        raise FetchError(FetchErrorKind.REFUSED_REDIRECT, "a redirect without a target")
    try:
        # Headers arrive as Latin-1; most servers that put more than ASCII into one mean UTF-8.
        text = location.encode("latin-1").decode("utf-8", "replace").strip().replace(" ", "%20")
        url = urljoin(target.url, text)
    except ValueError:
        raise FetchError(FetchErrorKind.REFUSED_REDIRECT, "a redirect to something that is no URL") from None
    if target.scheme == "https" and url.lower().startswith("http:"):
        raise FetchError(FetchErrorKind.REFUSED_REDIRECT, f"a redirect from https to {show_url(url)}")
    return url


def _check_status(exchange: HttpExchange) -> None:
    status = exchange.status
    if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES and status != HTTPStatus.PARTIAL_CONTENT:
        return
    server_error = status >= HTTPStatus.INTERNAL_SERVER_ERROR
    kind = (
        FetchErrorKind.SERVER_ERROR if server_error else _KIND_OF_STATUS.get(status, FetchErrorKind.UNEXPECTED_STATUS)
    )
    wait = _retry_after(exchange)
    asked = "" if wait is None else f", asking to wait {wait:.0f} s"
    raise FetchError(kind, f"the server answered {status}{asked}", status=status, retry_after=wait)


def _retry_after(exchange: HttpExchange) -> float | None:
    """Seconds that the server asks to wait; None where it does not, or not in a form that can be read."""
    value = exchange.header("Retry-After").strip()
    if _SECONDS.fullmatch(value):
        return float(value)
    # The date is one of the server's clock, so it is compared with that clock.
    then, now = _http_date(value), _http_date(exchange.header("Date"))
    return max(0.0, (then - now).total_seconds()) if then and now else None


def _http_date(value: str) -> dt.datetime | None:
    try:
        date = parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    return date if date.tzinfo else date.replace(tzinfo=dt.UTC)


def _look_up(resolver: Resolver, target: RequestTarget, seconds: float) -> tuple[str, ...]:
    """The host's addresses, or a failure once the time is over; the system's resolver knows no timeout of its own."""
    found: list[str] = []

    def ask() -> None:
        with suppress(OSError, UnicodeError):  # getaddrinfo raises the second for names that IDNA cannot encode
            found.extend(resolver(target.host, target.port))

    thread = threading.Thread(target=ask, name="resolve", daemon=True)
    thread.start()
    thread.join(seconds)
    if not found:
        why = f"no answer within {seconds:.1f} s" if thread.is_alive() else "it has no address"
        raise FetchError(FetchErrorKind.UNRESOLVED_NAME, f"the name cannot be resolved: {why}")
    return tuple(found)
