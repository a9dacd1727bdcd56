"""The result of parsing a document: its entries as they are, and the problems of the document."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    import datetime as dt

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
