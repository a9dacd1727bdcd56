"""Articles of earlier runs, stored under their URLs."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import msgspec

from vectora_normalize.sources.article_cache import PREFIX, ArticleCache, StoredArticle
from vectora_normalize.sources.http.fetch import Validators
from vectora_normalize.sources.parse.entries import ArticlePage
from vectora_normalize.storage.objects import FolderStore

if TYPE_CHECKING:
    from pathlib import Path

NOW = dt.datetime(2026, 11, 28, 6, tzinfo=dt.UTC)
URL = "https://depot.example/news/1"
PAGE = ArticlePage(text="Some text.\nMore.", title="T", description="D", published=dt.date(2026, 11, 20))


def test_an_article_is_stored_with_its_validators(tmp_path: Path) -> None:
    cache = ArticleCache(FolderStore(tmp_path), NOW)
    assert cache.get(URL) is None
    cache.put(URL, PAGE, Validators(etag='"x"'))
    stored = cache.get(URL)
    assert stored is not None
    assert (stored.page, stored.validators, stored.fetched_at) == (PAGE, Validators(etag='"x"'), NOW)
    assert [key.startswith(PREFIX) for key in FolderStore(tmp_path).list("raw/")] == [True]
    assert cache.get(f"{URL}?x") is None


def test_only_articles_without_validators_are_used_without_a_request_and_for_a_day() -> None:
    def fresh(hours: float, validators: Validators) -> bool:
        stored = StoredArticle(url=URL, page=PAGE, validators=validators, fetched_at=NOW - dt.timedelta(hours=hours))
        return ArticleCache(FolderStore("unused"), NOW).is_fresh(stored)

    assert [fresh(hours, Validators()) for hours in (0, 23.9, 24.1, -1)] == [True, True, False, False]
    assert not fresh(1, Validators(last_modified="Fri, 20 Nov 2026 10:00:00 GMT"))


def test_a_cache_that_is_read_only_is_used_and_not_filled(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    cache = ArticleCache(store, NOW, read_only=True)
    cache.put(URL, PAGE, Validators())
    assert list(store.list(PREFIX)) == []
    ArticleCache(store, NOW).put(URL, PAGE, Validators())
    assert cache.get(URL) is not None


def test_what_cannot_be_used_counts_as_absent(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    cache = ArticleCache(store, NOW)
    cache.put(URL, PAGE, Validators())
    (key,) = store.list(PREFIX)
    old = msgspec.json.decode(store.get(key))
    for body in (
        b"\xff",
        b"[]",
        msgspec.json.encode({**old, "extraction": 0}),
        msgspec.json.encode({**old, "url": "x"}),
    ):
        store.put(key, body)
        assert cache.get(URL) is None
