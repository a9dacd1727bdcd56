"""JSON-LD of a page to entries: the schema.org metadata of its articles, which pages publish for search engines."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Final, cast

import msgspec

from vectora_normalize.sources.parse.dates import find_date
from vectora_normalize.sources.parse.entries import MAX_ENTRIES, DocumentEntry
from vectora_normalize.sources.urls import absolute_link

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_ARTICLE_TYPES: Final = frozenset(
    {"Article", "BlogPosting", "MedicalScholarlyArticle", "NewsArticle", "Report", "ScholarlyArticle", "TechArticle"}
)
_PAGE_TYPES: Final = _ARTICLE_TYPES | {"ItemPage", "WebPage"}
_MAX_VALUES: Final = 20_000  # JSON values of a page that are visited
_MAX_SCRIPT_LENGTH: Final = 1_000_000  # characters of all scripts of a page


def read_json_ld(scripts: Iterable[str], *, base: str) -> list[DocumentEntry]:
    """Return the articles in the JSON-LD of a page; invalid scripts are ignored, because JSON-LD repeats the page.

    Args:
        scripts: The content of the ``application/ld+json`` scripts.
        base: The URL of the page, for relative links.
    """
    entries: dict[str, DocumentEntry] = {}
    for fields in _objects(scripts):
        link = absolute_link(_url(fields), base)
        if link and _has_type(fields, _ARTICLE_TYPES):
            entries.setdefault(link, _entry(fields, link))
        if len(entries) >= MAX_ENTRIES:
            break
    return list(entries.values())


class DescribedPage(msgspec.Struct, frozen=True):
    """The JSON-LD of an article page.

    Args:
        entry: Title, description and date.
        body: The text of the article as plain text; empty if it is not described.
    """

    entry: DocumentEntry
    body: str = ""


def describe_page(scripts: Iterable[str], *, url: str) -> DescribedPage | None:
    """Return what the JSON-LD of an article page says of that page; None if it says nothing.

    Args:
        scripts: The content of the ``application/ld+json`` scripts.
        url: The URL of the page. An article of another URL is a related one, unless it is the only one.
    """
    best: DescribedPage | None = None
    best_rank = 0
    for fields in _objects(scripts):
        if not _has_type(fields, _PAGE_TYPES):
            continue
        link = absolute_link(_url(fields), url)
        same = not link or link.partition("#")[0].rstrip("/") == url.partition("#")[0].rstrip("/")
        rank = 2 * same + _has_type(fields, _ARTICLE_TYPES)
        entry = _entry(fields, link)
        if rank > best_rank and (entry.published or best is None):
            body = fields.get("articleBody")
            best, best_rank = DescribedPage(entry, body if isinstance(body, str) else ""), rank
    return best


def _has_type(fields: dict[str, Any], accepted: frozenset[str]) -> bool:
    value = fields.get("@type")
    types = cast("list[object]", value) if isinstance(value, list) else [value]
    return not accepted.isdisjoint(name for name in types if isinstance(name, str))


def _objects(scripts: Iterable[str]) -> Iterator[dict[str, Any]]:
    """Yield all JSON objects of the scripts, breadth first; without recursion, because the nesting may be deep."""
    remaining, visited = _MAX_SCRIPT_LENGTH, 0
    for script in scripts:
        remaining -= len(script)
        try:
            queue: deque[object] = deque([msgspec.json.decode(script)] if remaining >= 0 else ())
        except (msgspec.DecodeError, RecursionError):
            continue
        while queue and visited < _MAX_VALUES:
            visited += 1
            value = queue.popleft()
            if isinstance(value, dict):
                fields = cast("dict[str, Any]", value)
                yield fields
                queue.extend(fields.values())
            elif isinstance(value, list):
                queue.extend(cast("list[object]", value))


def _url(fields: dict[str, Any]) -> str:
    page = fields.get("mainEntityOfPage")
    inner = cast("dict[str, Any]", page).get("@id") if isinstance(page, dict) else page
    return next((url for url in (fields.get("url"), inner, fields.get("@id")) if isinstance(url, str) and url), "")


def _entry(fields: dict[str, Any], link: str) -> DocumentEntry:
    def text(*names: str) -> str:
        return next((value for name in names if isinstance(value := fields.get(name), str) and value), "")

    return DocumentEntry(
        title=text("headline", "name"),
        summary=text("description", "abstract"),
        link=link,
        published=find_date(text("datePublished", "dateCreated", "dateModified")),
        language=text("inLanguage"),
    )
