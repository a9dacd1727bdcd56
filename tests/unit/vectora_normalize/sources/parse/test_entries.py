"""An entry is what a document says and nothing else: only what it must have is required."""

from __future__ import annotations

import pytest

from vectora_normalize.sources.parse.entries import Document, DocumentEntry


def test_an_entry_may_lack_date_and_language() -> None:
    entry = DocumentEntry(title="", summary="", link="")
    assert (entry.published, entry.language) == (None, "")


def test_entries_and_documents_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        DocumentEntry(title="a", summary="", link="").title = "b"  # type: ignore[misc]  # that is the point
    with pytest.raises(AttributeError):
        Document(()).problems = ("x",)  # type: ignore[misc]  # that is the point
