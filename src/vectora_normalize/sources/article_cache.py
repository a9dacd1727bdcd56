"""The articles that earlier runs fetched, stored in the data bucket under their URLs.

Articles are public, so all clients share them. What is stored is what was extracted, not the page, with the validators
of the page: a later run asks the source whether the page has changed.
"""

from __future__ import annotations

import datetime as dt  # noqa: TC003 - msgspec reads the annotations when it is first used
import hashlib
from typing import TYPE_CHECKING, Final

import msgspec

from vectora_normalize.sources.http.fetch import Validators  # noqa: TC001 - as datetime
from vectora_normalize.sources.parse.entries import ArticlePage  # noqa: TC001 - as datetime
from vectora_normalize.storage.objects import NotFoundError

if TYPE_CHECKING:
    from vectora_normalize.storage.objects import ObjectStore

PREFIX: Final = "raw/_articles/"
"""Prefix of the stored articles in the data bucket. No client id begins with an underscore."""

FRESH_HOURS: Final = 24
"""Hours for which an article whose server sends no validators is used without a request."""

_EXTRACTION_VERSION: Final = 1
"""Increased with each change of the extraction, so that articles are extracted again."""


class StoredArticle(msgspec.Struct, frozen=True, kw_only=True):
    """An article as it is stored.

    Args:
        url: The URL of the entry's link, for people.
        page: What was extracted.
        validators: The validators of the page.
        fetched_at: When the page was fetched.
        extraction: The version of the extraction.
    """

    url: str
    page: ArticlePage
    validators: Validators
    fetched_at: dt.datetime
    extraction: int = 0


class ArticleCache:
    """The stored articles. Threads may share it.

    Args:
        store: The data bucket.
        now: The start of the run.
        read_only: Whether nothing is stored, as in a dry run.
    """

    def __init__(self, store: ObjectStore, now: dt.datetime, *, read_only: bool = False) -> None:
        self._store = store
        self._now = now
        self._read_only = read_only

    def get(self, url: str) -> StoredArticle | None:
        """Return the stored article of a URL; None if there is none that can be used.

        Raises:
            StoreError: The store could not be read.
        """
        try:
            stored = msgspec.json.decode(self._store.get(_key(url)), type=StoredArticle)
        except (NotFoundError, msgspec.DecodeError, UnicodeDecodeError):
            return None
        return stored if stored.extraction == _EXTRACTION_VERSION and stored.url == url else None

    def is_fresh(self, stored: StoredArticle) -> bool:
        """Return whether a stored article is used without a request: without validators, for a day."""
        age = (self._now - stored.fetched_at).total_seconds()
        return not stored.validators and 0 <= age < FRESH_HOURS * 3600

    def put(self, url: str, page: ArticlePage, validators: Validators) -> None:
        """Store the article of a URL, unless the cache is read only.

        Raises:
            StoreError: The store could not be written.
        """
        if self._read_only:
            return
        stored = StoredArticle(
            url=url, page=page, validators=validators, fetched_at=self._now, extraction=_EXTRACTION_VERSION
        )
        self._store.put(_key(url), msgspec.json.encode(stored))


def _key(url: str) -> str:
    return f"{PREFIX}{hashlib.sha256(url.encode()).hexdigest()}.json"
