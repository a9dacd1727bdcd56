"""What a document holds before anything is cleaned, counted or dropped: its entries, and what was wrong with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    import datetime as dt

MAX_ENTRIES: Final = 1_000
"""Entries of a document; further ones are not read. Feeds and listing pages put the newest first."""


class DocumentEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One piece of news as a document gives it.

    Args:
        title: HTML or plain text.
        summary: HTML or plain text; the longest that the document gives.
        link: Absolute URL; empty where there is none that can be followed.
        published: Day of publication in UTC; None where none could be read.
        language: As the document says, such as `en-GB`; empty where it says nothing.
    """

    title: str
    summary: str
    link: str
    published: dt.date | None = None
    language: str = ""


class Document(msgspec.Struct, frozen=True):
    """All that could be read of a feed or page.

    Args:
        entries: In the order of the document.
        problems: What was wrong with it, one sentence each.
    """

    entries: tuple[DocumentEntry, ...]
    problems: tuple[str, ...] = ()
