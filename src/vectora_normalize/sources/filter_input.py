"""From a draft to the item that it may become: its title, text, language and link."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec

from vectora_normalize.items import RawItem, hash_content
from vectora_normalize.sources.config.catalog import ContentEnrichment
from vectora_normalize.sources.drafts import FIRST_LINES, MAX_TITLE_LENGTH
from vectora_normalize.sources.parse.text import clean_markup, clean_text, count_words, truncate
from vectora_normalize.sources.urls import absolute_link

if TYPE_CHECKING:
    import datetime as dt

    from vectora_normalize.sources.articles import FetchedArticle
    from vectora_normalize.sources.config.catalog import Source
    from vectora_normalize.sources.drafts import Draft
    from vectora_normalize.sources.parse.entries import DocumentEntry

_MAX_GENERATED_TITLE = 100  # characters of a title that is made from the text, for an entry without a title
_LANGUAGE = re.compile(r"[a-z]{2,3}(?![a-z])")
_TRUNCATED_TITLE = re.compile(r"\s*(?:\u2026|\.\.\.|\[\u2026\]|\[\.\.\.\])\Z")
_ENDS_SENTENCE = (".", "!", "?", ":", "\u2026", "\u3002")


class FilterInput(msgspec.Struct, frozen=True):
    """An item, and the whole text that the filters see.

    Args:
        item: The item; its content is truncated to the limit of the source.
        words: The words of the whole text.
        beginning: The title and the first lines of the text.
    """

    item: RawItem
    words: int
    beginning: str


def to_filter_input(source: Source, draft: Draft, published: dt.date) -> FilterInput | None:
    """Return the candidate of an entry; None where no text is left after cleaning.

    Args:
        source: The source.
        draft: Its entry, and the article behind it.
        published: The day of the item.
    """
    entry, text = draft.entry, _text(source, draft)
    opening = draft.opening if text == draft.excerpt else text[:FIRST_LINES]
    title = _title(entry, draft.article) or truncate(text, _MAX_GENERATED_TITLE)
    if not title:
        return None
    whole = _join(title, text)
    content = truncate(whole, source.max_content_length)
    language = _LANGUAGE.match(entry.language.strip().lower())
    item = RawItem(
        source_key=source.source_key,
        source_type=source.source_type,
        title=title,
        url=entry.link or absolute_link(source.homepage_url, ""),
        published_at=published,
        language=language[0] if language else source.default_language,
        content=content,
        content_hash=hash_content(content),
        company_id=source.company_id,
    )
    return FilterInput(item, count_words(whole), f"{title}\n{opening}")


def _text(source: Source, draft: Draft) -> str:
    """Return the text of an item, on one line: that of its article, or else that of the feed or listing."""
    if draft.article is None:
        return draft.excerpt
    if source.content_enrichment is ContentEnrichment.FULL_ARTICLE and draft.failure is None:
        return clean_text(draft.article.page.text)
    return max(draft.excerpt, draft.article.page.description, key=len)


def _title(entry: DocumentEntry, article: FetchedArticle | None) -> str:
    """Return the title of an entry; that of its page where the feed or listing has only the beginning of it."""
    title = clean_markup(entry.title, MAX_TITLE_LENGTH)
    beginning = _TRUNCATED_TITLE.sub("", title)
    if article is not None and beginning != title and article.page.title.lower().startswith(beginning.lower()):
        return article.page.title
    return title


def _join(title: str, summary: str) -> str:
    """Return title and summary as one text; a summary that begins with the title is returned alone."""
    if summary.startswith(title):
        return summary
    return f"{title}{' ' if title.endswith(_ENDS_SENTENCE) else '. '}{summary}" if summary else title
