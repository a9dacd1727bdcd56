"""The articles of a run: polite, limited, cached; each failure concerns one article."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import pytest

from bedrock_resilience.testing import FakeClock
from vectora_normalize.sources.article_cache import PREFIX, ArticleCache
from vectora_normalize.sources.articles import (
    MAX_FAILURES_OF_HOST,
    ArticleFetcher,
    ArticleOrigin,
    ArticleRequest,
    FetchedArticle,
)
from vectora_normalize.sources.errors import FetchError, FetchErrorKind
from vectora_normalize.sources.http.fetch import Fetcher, FetchResult, Validators
from vectora_normalize.sources.http.limits import FetchLimits
from vectora_normalize.sources.parse import article as article_parser
from vectora_normalize.storage.objects import FolderStore, StoreError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

HOST = "https://depot.example"
ROBOTS = f"{HOST}/robots.txt"
NOW = dt.datetime(2026, 11, 28, 6, tzinfo=dt.UTC)
PAGE = b"<h1>A headline</h1><p>Nordlai has signed a licence agreement for three long-acting products.</p>"
ONE_AT_A_TIME = FetchLimits(workers=1)

Answer = bytes | FetchErrorKind | FetchError


class Web(Fetcher):
    """A fetcher with prepared pages; a page that is not there is NOT_FOUND.

    Args:
        pages: URL to the body, or to the failure.
        etag: The ETag of all pages.
        seconds: Seconds that each request takes.
    """

    def __init__(self, pages: dict[str, Answer], *, etag: str = "", seconds: float = 0.0) -> None:
        self.time = FakeClock()
        super().__init__(ONE_AT_A_TIME, clock=self.time)
        self.pages = pages
        self.etag = etag
        self.seconds = seconds
        self.requests: list[str] = []

    def fetch(
        self,
        url: str,
        *,
        until: float | None = None,
        validators: Validators | None = None,
        from_public: bool = False,
    ) -> FetchResult:
        self.requests.append(url)
        self.time.advance(self.seconds)
        answer = self.pages.get(url, FetchErrorKind.NOT_FOUND)
        if isinstance(answer, FetchErrorKind):
            raise FetchError(answer, f"{url}: {answer}")
        if isinstance(answer, FetchError):
            raise answer
        if validators and validators.etag == self.etag:
            raise FetchError(FetchErrorKind.NOT_MODIFIED, "the server answered 304", status=304)
        cut = b"CUT" in answer
        return FetchResult(url=url, status=200, body=answer, validators=Validators(etag=self.etag), truncated=cut)


def urls(count: int) -> list[str]:
    return [f"{HOST}/{number}" for number in range(count)]


def fetch(
    web: Web, wanted: Sequence[str], *, cache: ArticleCache | None = None, until: float = 90.0
) -> list[FetchedArticle | FetchError]:
    return ArticleFetcher(web, cache, until=until).fetch_all([ArticleRequest(url) for url in wanted])


def kinds(outcomes: Sequence[FetchedArticle | FetchError]) -> list[str]:
    return [str(outcome.kind) if isinstance(outcome, FetchError) else str(outcome.origin) for outcome in outcomes]


def test_articles_come_in_the_order_of_the_requests() -> None:
    web = Web(dict.fromkeys(urls(3), PAGE))
    outcomes = fetch(web, [*urls(3), f"{HOST}/missing"])
    assert kinds(outcomes) == ["fetched", "fetched", "fetched", "not_found"]
    assert isinstance(outcomes[0], FetchedArticle)
    assert "licence agreement" in outcomes[0].page.text
    assert web.requests == [ROBOTS, *urls(3), f"{HOST}/missing"]


def test_robots_txt_is_kept() -> None:
    web = Web({ROBOTS: b"User-agent: *\nDisallow: /1", **dict.fromkeys(urls(2), PAGE)})
    outcomes = fetch(web, urls(2))
    assert kinds(outcomes) == ["fetched", "disallowed"]
    assert web.requests == [ROBOTS, f"{HOST}/0"]


@pytest.mark.parametrize(
    ("failure", "outcome"),
    [
        (FetchErrorKind.NOT_FOUND, "fetched"),
        (FetchErrorKind.EMPTY_RESPONSE, "fetched"),
        (FetchError(FetchErrorKind.UNEXPECTED_STATUS, "418", status=418), "fetched"),
        (FetchError(FetchErrorKind.UNEXPECTED_STATUS, "no status"), "disallowed"),
        (FetchErrorKind.SERVER_ERROR, "disallowed"),
        (FetchErrorKind.TIMEOUT, "disallowed"),
    ],
)
def test_a_robots_txt_that_is_missing_allows_everything_and_one_that_fails_nothing(
    failure: Answer, outcome: str
) -> None:
    web = Web({ROBOTS: failure, f"{HOST}/0": PAGE})
    assert kinds(fetch(web, urls(1))) == [outcome]


def test_a_crawl_delay_is_kept_as_long_as_there_is_time() -> None:
    web = Web({ROBOTS: b"User-agent: *\nCrawl-delay: 40", **dict.fromkeys(urls(4), PAGE)})
    assert kinds(fetch(web, urls(4))) == ["fetched", "fetched", "fetched", "not_started"]
    assert web.time.monotonic() == 80


def test_a_host_that_keeps_failing_is_left_alone() -> None:
    web = Web(dict.fromkeys(urls(5), FetchErrorKind.SERVER_ERROR))
    outcomes = fetch(web, urls(5))
    assert kinds(outcomes) == ["server_error"] * MAX_FAILURES_OF_HOST + ["not_started"] * 2
    assert isinstance(outcomes[-1], FetchError)
    assert outcomes[-1].message == f"{HOST}/4: its host failed 3 times in a row"
    other = "https://other.example/0"
    assert kinds(fetch(Web({**web.pages, other: PAGE}), [*urls(4), other]))[-1] == "fetched"


def test_a_success_and_a_failure_of_one_article_end_the_row_of_failures() -> None:
    late: list[Answer] = [FetchErrorKind.TIMEOUT, FetchErrorKind.TIMEOUT]
    web = Web(dict(zip(urls(7), [*late, PAGE, *late, FetchErrorKind.TOO_LARGE, PAGE], strict=True)))
    assert kinds(fetch(web, urls(7)))[-1] == "fetched"


def test_nothing_begins_and_nothing_is_parsed_after_the_end() -> None:
    web = Web(dict.fromkeys(urls(3), PAGE), seconds=40)
    assert kinds(fetch(web, urls(3), until=81)) == ["fetched", "not_started", "not_started"]
    assert web.requests == [ROBOTS, *urls(2)]


def test_an_invalid_url_is_a_failure_of_its_article() -> None:
    assert kinds(fetch(Web({}), ["ftp://depot.example/"])) == ["invalid_url"]


def test_a_page_that_cannot_be_parsed_is_a_failure_of_its_article(monkeypatch: pytest.MonkeyPatch) -> None:
    web = Web({f"{HOST}/0": b"no markup", f"{HOST}/1": PAGE, f"{HOST}/2": b"%PDF-1.7"})
    assert kinds(fetch(web, urls(3))) == ["parse_error", "fetched", "unsupported_media_type"]

    def crash(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(article_parser, "parse_article", crash)
    (outcome,) = fetch(web, urls(1))
    assert isinstance(outcome, FetchError)
    assert outcome.kind is FetchErrorKind.PARSER_CRASHED
    assert outcome.message.startswith(f"{HOST}/0: ZeroDivisionError in crash, line ")


def test_an_article_with_validators_is_asked_for_again(tmp_path: Path) -> None:
    cache = ArticleCache(FolderStore(tmp_path), NOW)
    web = Web({f"{HOST}/0": PAGE}, etag='"a"')
    (first,) = fetch(web, urls(1), cache=cache)
    (second,) = fetch(web, urls(1), cache=cache)
    assert kinds([first, second]) == ["fetched", "unchanged"]
    assert isinstance(first, FetchedArticle)
    assert second == FetchedArticle(first.page, ArticleOrigin.UNCHANGED)
    web.etag = '"b"'
    web.pages[f"{HOST}/0"] = PAGE.replace(b"three", b"four")
    (third,) = fetch(web, urls(1), cache=cache)
    assert isinstance(third, FetchedArticle)
    assert "four long-acting" in third.page.text


def test_an_article_without_validators_is_used_for_a_day_and_after_a_failure(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    web = Web({f"{HOST}/0": PAGE})
    assert kinds(fetch(web, urls(1), cache=ArticleCache(store, NOW))) == ["fetched"]
    web.requests.clear()
    assert kinds(fetch(web, urls(1), cache=ArticleCache(store, NOW + dt.timedelta(hours=23)))) == ["stored"]
    assert web.requests == []
    later = ArticleCache(store, NOW + dt.timedelta(days=2))
    web.pages[f"{HOST}/0"] = FetchErrorKind.TIMEOUT
    assert kinds(fetch(web, urls(1), cache=later)) == ["stored"]
    assert web.requests == [ROBOTS, f"{HOST}/0"]


def test_an_incomplete_page_is_not_stored(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    assert kinds(fetch(Web({f"{HOST}/0": PAGE + b"CUT"}), urls(1), cache=ArticleCache(store, NOW))) == ["fetched"]
    assert list(store.list(PREFIX)) == []


@pytest.mark.parametrize("method", ["get", "put"])
def test_a_store_that_fails_costs_the_cache_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str) -> None:
    def fail(*_: object) -> bytes:
        raise StoreError("access denied")

    store = FolderStore(tmp_path)
    monkeypatch.setattr(store, method, fail)
    articles = ArticleFetcher(Web(dict.fromkeys(urls(2), PAGE)), ArticleCache(store, NOW), until=90)
    assert kinds(articles.fetch_all([ArticleRequest(url) for url in urls(2)])) == ["fetched", "fetched"]
    assert articles.problems == ["articles are not cached in this run: access denied"]
