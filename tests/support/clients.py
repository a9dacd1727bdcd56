"""A small client with its configuration and its web, all in memory: for tests of what stands above them."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Final

from vectora_normalize.sources.errors import FetchError, FetchErrorKind
from vectora_normalize.sources.http.fetch import Fetcher, FetchResult

if TYPE_CHECKING:
    from collections.abc import Mapping

    from vectora_normalize.sources.http.fetch import Validators
    from vectora_normalize.storage.objects import ObjectStore

NOW: Final = dt.datetime(2026, 11, 21, 6, 30, tzinfo=dt.UTC)

CONFIG: Final[Mapping[str, str]] = {
    "clients/small.yaml": """
client_profile: {client_id: small, language: fr}
source_config: {source_bouquets_enabled: [all]}
watch_domains:
  - {company_scope: companies, trademark_scope: brands}
""",
    "canonical/sources/source_catalog.yaml": """
sources:
  - {source_key: one, source_type: press, rss_url: "https://one.example/feed", max_content_length: 500}
  - {source_key: two, source_type: press, rss_url: "https://two.example/feed", max_content_length: 500}
  - {source_key: idle, source_type: press, rss_url: "https://idle.example/feed", enabled: false}
bouquets:
  - {bouquet_id: all, source_keys: [one, two, idle]}
""",
    "canonical/scopes/company_scopes.yaml": "companies: [Camurus, Teva]",
    "canonical/scopes/trademark_scopes.yaml": "brands: [Uzedy]",
}


def configure(store: ObjectStore, **changes: str | None) -> None:
    """Write the configuration; a file given by the last word of its name is another one, or none."""
    for key, text in CONFIG.items():
        name = key.rpartition("/")[2].removesuffix(".yaml")
        changed = changes.get(name, text)
        if changed is not None:
            store.put(key, changed.encode())


def feed(*titles: str, day: str = "Fri, 20 Nov 2026 09:00:00 GMT") -> bytes:
    """An RSS feed with an item for each title."""
    items = "".join(
        f"<item><title>{title}</title><link>https://one.example/{number}</link><pubDate>{day}</pubDate>"
        f"<description>{title} and nothing more.</description></item>"
        for number, title in enumerate(titles)
    )
    return f'<?xml version="1.0"?><rss version="2.0"><channel><title>t</title>{items}</channel></rss>'.encode()


class FixedFetcher(Fetcher):
    """A web of a few pages; everything else is not found."""

    def __init__(self, pages: Mapping[str, bytes]) -> None:
        super().__init__()
        self._pages = pages

    def fetch(
        self,
        url: str,
        *,
        until: float | None = None,
        validators: Validators | None = None,
        from_public: bool = False,
    ) -> FetchResult:
        """The page at that URL."""
        del until, validators
        if url not in self._pages:
            raise FetchError(FetchErrorKind.NOT_FOUND, f"{url}: the server answered 404", status=404)
        return FetchResult(url=url, status=200, body=self._pages[url], content_type="application/rss+xml")
