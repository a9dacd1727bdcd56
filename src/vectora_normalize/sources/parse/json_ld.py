"""JSON-LD of a page to entries: the schema.org metadata of its articles, which pages publish for search engines."""

from __future__ import annotations

import json
import re
from collections import deque
from typing import TYPE_CHECKING, Any, Final, cast

import msgspec

from vectora_normalize.sources.parse.dates import find_date
from vectora_normalize.sources.parse.entries import MAX_ENTRIES, DocumentEntry
from vectora_normalize.sources.urls import absolute_link

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable, Iterator

_ARTICLE_TYPES: Final = frozenset(
    {"Article", "BlogPosting", "MedicalScholarlyArticle", "NewsArticle", "Report", "ScholarlyArticle", "TechArticle"}
)
_PAGE_TYPES: Final = _ARTICLE_TYPES | {"ItemPage", "WebPage"}
# Around the JSON, as pages for old browsers have it: <!-- ... -->, //<![CDATA[ ... //]]>.
_COMMENT_START: Final = re.compile(r"\s*(?://|/\*)?\s*<!(?:--|\[CDATA\[)(?:\s*\*/)?")
_COMMENT_END: Final = re.compile(r"(?://|/\*)?\s{0,9}(?:--|\]\])>(?:\s*\*/)?\s*\Z")
_MAX_COMMENT_END: Final = 40  # characters
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
            entry = _entry(fields, link)
            published = entry.published or _modified(fields)
            entries.setdefault(link, msgspec.structs.replace(entry, published=published))
        if len(entries) >= MAX_ENTRIES:
            break
    return list(entries.values())


class DescribedPage(msgspec.Struct, frozen=True):
    """The JSON-LD of an article page.

    Args:
        entry: Title, description and date.
        body: The text of the article as plain text; empty if it is not described.
        modified: The date of its last change; None if it is not described.
    """

    entry: DocumentEntry
    body: str = ""
    modified: dt.date | None = None


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
            best = DescribedPage(entry, body if isinstance(body, str) else "", _modified(fields))
            best_rank = rank
    return best


def _has_type(fields: dict[str, Any], accepted: frozenset[str]) -> bool:
    value = fields.get("@type")
    types = cast("list[object]", value) if isinstance(value, list) else [value]
    # The type is a name, or that name in full: schema:NewsArticle, https://schema.org/NewsArticle.
    return not accepted.isdisjoint(re.split("[/:]", name)[-1] for name in types if isinstance(name, str))


def _objects(scripts: Iterable[str]) -> Iterator[dict[str, Any]]:
    """Yield all JSON objects of the scripts, breadth first; without recursion, because the nesting may be deep."""
    remaining, visited = _MAX_SCRIPT_LENGTH, 0
    for script in scripts:
        remaining -= len(script)
        try:
            queue: deque[object] = deque([_decode(script)] if remaining >= 0 else ())
        except (ValueError, RecursionError):
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


def _decode(script: str) -> object:
    """Return the value of a script, whose JSON may be inside a comment and have line breaks inside strings.

    Raises:
        ValueError: It is not JSON.
    """
    inner = script
    if (start := _COMMENT_START.match(script)) is not None:
        end = _COMMENT_END.search(script, max(start.end(), len(script.rstrip()) - _MAX_COMMENT_END))
        inner = script[start.end() : end.start() if end else len(script)]
    try:
        return msgspec.json.decode(inner)
    except msgspec.DecodeError:
        return json.loads(inner, strict=False)


def _url(fields: dict[str, Any]) -> str:
    page = fields.get("mainEntityOfPage")
    inner = cast("dict[str, Any]", page).get("@id") if isinstance(page, dict) else page
    return next((url for url in (fields.get("url"), inner, fields.get("@id")) if isinstance(url, str) and url), "")


def _entry(fields: dict[str, Any], link: str) -> DocumentEntry:
    return DocumentEntry(
        title=_text(fields, "headline", "name"),
        summary=_text(fields, "description", "abstract"),
        link=link,
        published=find_date(_text(fields, "datePublished", "dateCreated")),
        language=_text(fields, "inLanguage"),
    )


def _modified(fields: dict[str, Any]) -> dt.date | None:
    return find_date(_text(fields, "dateModified"))


def _text(fields: dict[str, Any], *names: str) -> str:
    return next((value for name in names if isinstance(value := fields.get(name), str) and value), "")
