"""From the document of one source to its drafts: parse it, and count every entry that cannot become an item."""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING

from vectora_normalize.sources.config.catalog import ContentEnrichment
from vectora_normalize.sources.drafts import FIRST_LINES, Draft, SourceResult
from vectora_normalize.sources.errors import FetchError, FetchErrorKind, ParseError
from vectora_normalize.sources.parse.text import clean_markup, is_call_to_action, without_read_more
from vectora_normalize.sources.urls import redact_url

if TYPE_CHECKING:
    from vectora_normalize.sources.config.catalog import Source
    from vectora_normalize.sources.http.fetch import FetchResult
    from vectora_normalize.sources.parse.entries import Document, DocumentEntry
    from vectora_normalize.sources.window import Window

_EXCERPT_LENGTH = 20_000  # characters of an excerpt that the filters see at least


def read_source(source: Source, fetched: FetchResult | FetchError, window: Window) -> SourceResult:
    """Return the entries of one source that may become items.

    Args:
        source: The source.
        fetched: Its document, or why it could not be fetched.
        window: The days.
    """
    result = SourceResult(source=source, received_bytes=fetched.received_bytes, fetch_seconds=fetched.elapsed)
    if isinstance(fetched, FetchError):
        result.failure, result.message = fetched.kind, fetched.message
        return result
    result.is_public = fetched.is_public
    try:
        document = _parse(source, fetched)
    except ParseError as error:
        result.failure, result.message = FetchErrorKind.PARSE_ERROR, f"{redact_url(fetched.url)}: {error.message}"
        return result
    except Exception as error:  # noqa: BLE001 - a document that triggers a bug must not fail the other sources
        *_, place = traceback.extract_tb(error.__traceback__)
        result.failure = FetchErrorKind.PARSER_CRASHED
        result.message = f"{redact_url(fetched.url)}: {type(error).__name__} in {place.name}, line {place.lineno}"
        return result
    truncated = ("the connection ended before the document did",) if fetched.truncated else ()
    result.problems = (*truncated, *document.problems)
    result.counts["entries"] = len(document.entries)
    enriched = source.content_enrichment is not ContentEnrichment.NONE
    for entry in document.entries:
        if not (entry.title.strip() or entry.summary.strip()):
            result.drop("invalid", entry)
        elif entry.published is None and not (enriched and entry.link):
            result.drop("undated", entry)
        elif entry.published is not None and not window.contains(entry.published):
            result.drop("outside_window", entry)
        else:
            result.drafts.append(_draft(source, entry))
    return result


def _draft(source: Source, entry: DocumentEntry) -> Draft:
    length = max(source.max_content_length, _EXCERPT_LENGTH)
    excerpt = without_read_more(clean_markup(entry.summary, length))
    if "<" in entry.summary:
        opening = clean_markup(entry.summary, FIRST_LINES, is_left_out=is_call_to_action)
    else:
        opening = excerpt[:FIRST_LINES]
    return Draft(entry, excerpt, opening)


def _parse(source: Source, fetched: FetchResult) -> Document:
    if source.ingestion_mode == "html":
        from vectora_normalize.sources.parse.pages import parse_page  # noqa: PLC0415 - loaded by the first page

        patterns = source.date_extraction_patterns
        return parse_page(fetched.body, base=fetched.url, charset=fetched.charset, date_patterns=patterns)
    from vectora_normalize.sources.parse.feeds import parse_feed  # noqa: PLC0415 - loaded by the first feed

    return parse_feed(fetched.body, base=fetched.url, charset=fetched.charset)
