"""The results of parsing.

Of a feed or a listing page: its entries as they are, and its problems. Of an article page: what it contains.
"""

from __future__ import annotations

import datetime as dt  # noqa: TC003 - msgspec reads the annotations when it is first used
from typing import Final

import msgspec

MAX_ENTRIES: Final = 1_000
"""Entries of a document; further ones are not read. Feeds and listing pages have the newest first."""


class DocumentEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of a feed or of a listing page.

    Args:
        title: HTML or plain text.
        summary: HTML or plain text; the longest text of the entry.
        link: Absolute URL; empty if the entry has no usable link.
        published: Day of publication in UTC; None if no date could be read.
        language: The declared language, such as ``en-GB``; empty if none is declared.
    """

    title: str
    summary: str
    link: str
    published: dt.date | None = None
    language: str = ""


class Document(msgspec.Struct, frozen=True):
    """A parsed feed or page.

    Args:
        entries: The entries in the order of the document.
        problems: One sentence for each defect of the document.
    """

    entries: tuple[DocumentEntry, ...]
    problems: tuple[str, ...] = ()


class ArticlePage(msgspec.Struct, frozen=True, kw_only=True):
    """What an article page contains.

    Args:
        text: The text of the article, one paragraph a line; empty if none was found.
        title: The title that the page declares; empty if it declares none.
        description: The summary that the page declares; empty if it declares none.
        published: Day of publication in UTC; None if no date could be read.
    """

    text: str
    title: str = ""
    description: str = ""
    published: dt.date | None = None
