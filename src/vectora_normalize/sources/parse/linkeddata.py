"""JSON-LD of a page (schema.org) to entries: what a page says of its articles for search engines."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Final, cast

import msgspec

from vectora_normalize.sources.parse.dates import find_date
from vectora_normalize.sources.parse.entries import MAX_ENTRIES, DocumentEntry
from vectora_normalize.sources.urls import absolute_link

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_ARTICLES: Final = frozenset(
    {"Article", "BlogPosting", "MedicalScholarlyArticle", "NewsArticle", "Report", "ScholarlyArticle", "TechArticle"}
)
_MOST_VALUES: Final = 20_000  # looked at on a page
_LONGEST: Final = 1_000_000  # characters of all scripts of a page


def read_linked_data(scripts: Iterable[str], *, base: str) -> list[DocumentEntry]:
    """The articles that the JSON-LD of a page names; what cannot be read is left out, since it repeats the page.

    Args:
        scripts: The contents of its `application/ld+json` scripts.
        base: The page's URL, for relative links.
    """
    found: dict[str, DocumentEntry] = {}
    for fields in _objects(scripts):
        kind = fields.get("@type")
        kinds = cast("list[object]", kind) if isinstance(kind, list) else [kind]
        link = absolute_link(_address(fields), base)
        if link and not _ARTICLES.isdisjoint(each for each in kinds if isinstance(each, str)):
            found.setdefault(link, _entry(fields, link))
        if len(found) >= MAX_ENTRIES:
            break
    return list(found.values())


def _objects(scripts: Iterable[str]) -> Iterator[dict[str, Any]]:
    """Every JSON object of the scripts, outermost first, without recursion."""
    left, looked_at = _LONGEST, 0
    for script in scripts:
        left -= len(script)
        try:
            waiting: deque[object] = deque([msgspec.json.decode(script)] if left >= 0 else ())
        except (msgspec.DecodeError, RecursionError):
            continue
        while waiting and looked_at < _MOST_VALUES:
            looked_at += 1
            value = waiting.popleft()
            if isinstance(value, dict):
                fields = cast("dict[str, Any]", value)
                yield fields
                waiting.extend(fields.values())
            elif isinstance(value, list):
                waiting.extend(cast("list[object]", value))


def _address(fields: dict[str, Any]) -> str:
    page = fields.get("mainEntityOfPage")
    inner = cast("dict[str, Any]", page).get("@id") if isinstance(page, dict) else page
    return next((each for each in (fields.get("url"), inner, fields.get("@id")) if isinstance(each, str) and each), "")


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
