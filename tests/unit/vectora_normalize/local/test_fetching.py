"""The real fetcher reads the local files, under the URLs of the sources."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import pytest

from vectora_normalize.local.fetching import LocalFetcher
from vectora_normalize.local.sources import SourceServer
from vectora_normalize.sources.errors import FetchError, FetchErrorKind
from vectora_normalize.sources.http.fetch import FetchResult

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def fetcher(tmp_path: Path) -> Iterator[LocalFetcher]:
    (tmp_path / "press.example").mkdir()
    (tmp_path / "press.example/feed.xml").write_bytes(b"<rss>{{ date -1d iso-date }}</rss>")
    with SourceServer(tmp_path, dt.date(2026, 3, 1)) as server:
        yield LocalFetcher(server)


@pytest.mark.parametrize("url", ["https://press.example/feed.xml", "http://press.example/feed.xml?from=rss"])
def test_a_result_has_the_url_of_the_source(fetcher: LocalFetcher, url: str) -> None:
    found = fetcher.fetch(url)
    assert (found.url, found.body, found.content_type) == (url, b"<rss>2026-02-28</rss>", "application/xml")


def test_the_port_of_a_url_is_not_part_of_the_path(fetcher: LocalFetcher) -> None:
    assert fetcher.fetch("https://press.example:8443/feed.xml").body == b"<rss>2026-02-28</rss>"


def test_a_missing_file_is_in_the_message(fetcher: LocalFetcher, tmp_path: Path) -> None:
    with pytest.raises(FetchError) as raised:
        fetcher.fetch("https://press.example/none.xml?key=secret")
    assert raised.value.kind is FetchErrorKind.NOT_FOUND
    assert str(raised.value) == (
        "https://press.example/none.xml?...: the server answered 404 "
        f"(in a local run it is the file {tmp_path / 'press.example/none.xml'})"
    )


def test_another_failure_has_its_message_with_the_url_of_the_source(fetcher: LocalFetcher, tmp_path: Path) -> None:
    (tmp_path / "press.example/picture.xml").write_bytes(b"")
    with pytest.raises(FetchError) as raised:
        fetcher.fetch("https://press.example/picture.xml")
    assert raised.value.kind is FetchErrorKind.EMPTY_RESPONSE
    assert str(raised.value) == "https://press.example/picture.xml: the response has no body"


def test_a_url_that_the_real_fetcher_refuses_is_refused(fetcher: LocalFetcher) -> None:
    with pytest.raises(FetchError) as raised:
        fetcher.fetch("file:///etc/passwd")
    assert raised.value.kind is FetchErrorKind.INVALID_URL


def test_many_urls_are_fetched(fetcher: LocalFetcher) -> None:
    urls = ["https://press.example/feed.xml", "https://press.example/none.xml"]

    def read(index: int, found: FetchResult | FetchError) -> tuple[int, bool]:
        return index, isinstance(found, FetchResult)

    assert fetcher.fetch_all(urls, read) == [(0, True), (1, False)]
