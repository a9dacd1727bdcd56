"""The articles behind the entries of a run: fetched within limits, or read from the cache.

For each host, the robots.txt is read first. A host that fails repeatedly gets no further request in the run. A failure
concerns one article only: its entry keeps the text of the feed or listing.
"""

from __future__ import annotations

import threading
import traceback
from enum import StrEnum
from typing import TYPE_CHECKING, Final, TypeAlias

import msgspec

from vectora_normalize.sources.errors import FetchError, FetchErrorKind, ParseError
from vectora_normalize.sources.http.fetch import FetchResult
from vectora_normalize.sources.http.robots import ALLOW_ALL, DISALLOW_ALL, MAX_BYTES, RobotsRules, parse_robots
from vectora_normalize.sources.urls import RequestTarget, parse_target, redact_url
from vectora_normalize.storage.objects import StoreError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vectora_normalize.sources.article_cache import ArticleCache, StoredArticle
    from vectora_normalize.sources.http.fetch import Fetcher
    from vectora_normalize.sources.parse.entries import ArticlePage

MAX_ARTICLES: Final = 200
"""Articles that a run fetches or takes from the cache."""

ARTICLE_SECONDS: Final = 90.0
"""The longest that the articles of a run take, in seconds."""

MAX_SHARE: Final = 0.4
"""The most that they take of the time that the run has left when they begin; the rest is for the calls to Bedrock."""

MAX_FAILURES_OF_HOST: Final = 3
"""Failures in a row after which a host gets no further requests in this run."""

# Failures of the host; all others concern one article.
_FAILURES_OF_HOST: Final = frozenset(
    {
        FetchErrorKind.CONNECTION_ERROR,
        FetchErrorKind.DNS_ERROR,
        FetchErrorKind.FORBIDDEN,
        FetchErrorKind.SERVER_ERROR,
        FetchErrorKind.THROTTLED,
        FetchErrorKind.TIMEOUT,
        FetchErrorKind.TLS_ERROR,
    }
)
# A robots.txt that is missing allows everything, one that cannot be reached nothing (RFC 9309).
_ROBOTS_MISSING: Final = frozenset(
    {
        FetchErrorKind.EMPTY_RESPONSE,
        FetchErrorKind.FORBIDDEN,
        FetchErrorKind.INVALID_REDIRECT,
        FetchErrorKind.NOT_FOUND,
        FetchErrorKind.TOO_MANY_REDIRECTS,
        FetchErrorKind.UNSUPPORTED_MEDIA_TYPE,
    }
)


class ArticleOrigin(StrEnum):
    """The origin of an article."""

    FETCHED = "fetched"
    """From its page."""
    UNCHANGED = "unchanged"
    """From the cache, after its server said that the page has not changed."""
    STORED = "stored"
    """From the cache, without a request, or because the request failed."""


class FetchedArticle(msgspec.Struct, frozen=True):
    """An article that was fetched.

    Args:
        page: What its page contains.
        origin: Where it comes from.
    """

    page: ArticlePage
    origin: ArticleOrigin


class ArticleRequest(msgspec.Struct, frozen=True):
    """An article to fetch.

    Args:
        url: The link of the entry.
        date_patterns: Regular expressions for dates, of the entry's source.
        from_public: Whether the source is on a public server, whose links must not lead to private addresses.
    """

    url: str
    date_patterns: tuple[str, ...] = ()
    from_public: bool = False


ArticleOutcome: TypeAlias = FetchedArticle | FetchError


class ArticleFetcher:
    """Fetches the articles of one run.

    Args:
        fetcher: Opens the connections.
        cache: The articles of earlier runs; None: every article is fetched.
        until: Instant of the fetcher's clock after which nothing begins.
    """

    def __init__(self, fetcher: Fetcher, cache: ArticleCache | None, *, until: float) -> None:
        self._fetcher = fetcher
        self._cache = cache
        self._until = until
        self._hosts: dict[tuple[str, bool], _Host] = {}
        self._lock = threading.Lock()
        self.problems: list[str] = []
        """One sentence for each problem that does not concern a single article."""

    def fetch_all(self, requests: Sequence[ArticleRequest]) -> list[ArticleOutcome]:
        """Return each article, or why there is none, in the order of the requests."""
        return self._fetcher.map_urls(
            [request.url for request in requests],
            lambda index: self._fetch(requests[index]),
            lambda index, fetched: self._parse(requests[index], fetched),
        )

    def _fetch(self, request: ArticleRequest) -> FetchResult | FetchError | FetchedArticle:
        """Return the page of an article, or the stored article in its place."""
        stored = self._stored(request.url)
        if stored is not None and self._cache is not None and self._cache.is_fresh(stored):
            return FetchedArticle(stored.page, ArticleOrigin.STORED)
        try:
            return self._request(request, stored)
        except FetchError as error:
            if stored is None:
                return error
            unchanged = error.kind is FetchErrorKind.NOT_MODIFIED
            return FetchedArticle(stored.page, ArticleOrigin.UNCHANGED if unchanged else ArticleOrigin.STORED)

    def _request(self, request: ArticleRequest, stored: StoredArticle | None) -> FetchResult:
        url, from_public = request.url, request.from_public
        target = parse_target(url)
        host = self._host(target, from_public=from_public)
        self._check_time(url)
        rules = host.read_rules(self._fetcher, target, self._until, from_public=from_public)
        if not rules.allows(target.path):
            message = f"{redact_url(url)}: the robots.txt of its host disallows it, or could not be read"
            raise FetchError(FetchErrorKind.DISALLOWED, message)
        if host.failures >= MAX_FAILURES_OF_HOST:
            message = f"{redact_url(url)}: its host failed {host.failures} times in a row"
            raise FetchError(FetchErrorKind.NOT_STARTED, message)
        if rules.crawl_delay:
            self._fetcher.clock.sleep(
                host.reserve(url, self._fetcher.clock.monotonic(), rules.crawl_delay, self._until)
            )
        try:
            validators = stored.validators if stored else None
            result = self._fetcher.fetch(url, until=self._until, validators=validators, from_public=from_public)
        except FetchError as error:
            host.failures = host.failures + 1 if error.kind in _FAILURES_OF_HOST else 0
            raise
        host.failures = 0
        return result

    def _parse(self, request: ArticleRequest, fetched: FetchResult | FetchError | FetchedArticle) -> ArticleOutcome:
        if not isinstance(fetched, FetchResult):
            return fetched
        from vectora_normalize.sources.parse.article import parse_article  # noqa: PLC0415 - loaded by the first article

        where = redact_url(fetched.url)
        if fetched.body.lstrip().startswith(b"%PDF-"):  # servers send it as application/octet-stream, too
            return FetchError(FetchErrorKind.UNSUPPORTED_MEDIA_TYPE, f"{where}: a PDF, and no page")
        try:
            self._check_time(request.url)  # parsing takes a part of a second, and there may be many pages
        except FetchError as error:
            return error
        try:
            page = parse_article(
                fetched.body, base=fetched.url, charset=fetched.charset, date_patterns=request.date_patterns
            )
        except ParseError as error:
            return FetchError(FetchErrorKind.PARSE_ERROR, f"{where}: {error.message}")
        except Exception as error:  # noqa: BLE001 - a page that triggers a bug must not fail the other articles
            *_, place = traceback.extract_tb(error.__traceback__)
            message = f"{where}: {type(error).__name__} in {place.name}, line {place.lineno}"
            return FetchError(FetchErrorKind.PARSER_CRASHED, message)
        self._store(request.url, page, fetched)
        return FetchedArticle(page, ArticleOrigin.FETCHED)

    def _stored(self, url: str) -> StoredArticle | None:
        try:
            return self._cache.get(url) if self._cache else None
        except StoreError as error:
            self._cache_failed(error)
            return None

    def _store(self, url: str, page: ArticlePage, fetched: FetchResult) -> None:
        if self._cache is None or fetched.truncated:
            return
        try:
            self._cache.put(url, page, fetched.validators)
        except StoreError as error:
            self._cache_failed(error)

    def _cache_failed(self, error: StoreError) -> None:
        """Go on without the cache: it saves requests, and no article depends on it."""
        with self._lock:
            self._cache = None
            self.problems[:] = [f"articles are not cached in this run: {error}"]

    def _check_time(self, url: str) -> None:
        if self._fetcher.clock.monotonic() >= self._until:
            raise FetchError(FetchErrorKind.NOT_STARTED, f"{redact_url(url)}: the time for articles was over")

    def _host(self, target: RequestTarget, *, from_public: bool) -> _Host:
        with self._lock:
            return self._hosts.setdefault((f"{target.scheme}://{target.authority}", from_public), _Host())


class _Host(msgspec.Struct):
    """The state of one host in a run."""

    failures: int = 0
    """Failures in a row."""
    rules: RobotsRules | None = None
    next_at: float = 0.0
    """Instant at which the next request may begin, if the host asks for a delay."""
    lock: threading.Lock = msgspec.field(default_factory=threading.Lock)

    def read_rules(self, fetcher: Fetcher, target: RequestTarget, until: float, *, from_public: bool) -> RobotsRules:
        """Return the rules of the robots.txt, which is fetched once in a run."""
        with self.lock:
            if self.rules is None:
                url = f"{target.scheme}://{target.authority}/robots.txt"
                self.rules = _fetch_rules(fetcher, url, until, from_public=from_public)
            return self.rules

    def reserve(self, url: str, now: float, delay: float, until: float) -> float:
        """Return the seconds to wait before the next request.

        Raises:
            FetchError: NOT_STARTED: the host would have to be asked after the end of the time.
        """
        with self.lock:
            start = max(now, self.next_at)
            if start >= until:
                message = f"{redact_url(url)}: its host asks for {delay:g} s between requests; the time is over before"
                raise FetchError(FetchErrorKind.NOT_STARTED, message)
            self.next_at = start + delay
            return start - now


def _fetch_rules(fetcher: Fetcher, url: str, until: float, *, from_public: bool) -> RobotsRules:
    try:
        fetched = fetcher.fetch(url, until=until, from_public=from_public)
    except FetchError as error:
        return ALLOW_ALL if error.kind in _ROBOTS_MISSING or _is_client_error(error) else DISALLOW_ALL
    return parse_robots(fetched.body[:MAX_BYTES].decode("utf-8", "replace"))


def _is_client_error(error: FetchError) -> bool:
    return error.kind is FetchErrorKind.UNEXPECTED_STATUS and 400 <= (error.status or 0) < 500  # noqa: PLR2004 - 4xx
