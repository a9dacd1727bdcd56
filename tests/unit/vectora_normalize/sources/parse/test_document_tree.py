"""The flat tree answers which nodes an element contains, and how much text."""

from __future__ import annotations

from vectora_normalize.sources.parse.document_tree import DocumentTree

PAGE = DocumentTree(
    '<div><h2><a href="/x">Title &amp; more</a></h2><time datetime="2026-11-20">Friday</time></div>tail'
)
DIV, HEADING, LINK = PAGE.tags.index("div"), PAGE.tags.index("h2"), PAGE.tags.index("a")


def test_nodes_are_in_document_order() -> None:
    assert PAGE.tags[DIV:] == ["div", "h2", "a", "", "time", "", ""]
    assert [text for text in PAGE.texts if text] == ["Title & more", "Friday", "tail"]
    assert [value for value in PAGE.values if value] == ["/x", "2026-11-20"]


def test_subtree_and_ancestors() -> None:
    assert list(PAGE.subtree(HEADING)) == [HEADING, LINK, LINK + 1]
    assert PAGE.ancestors(LINK)[:2] == [HEADING, DIV]
    assert 0 not in PAGE.ancestors(LINK)
    assert PAGE.ancestors(0) == []


def test_text_its_length_and_the_number_of_nodes() -> None:
    assert PAGE.text(DIV) == "Title & more Friday"
    assert PAGE.text_length(DIV) == len("Title & moreFriday")
    assert PAGE.size(DIV) == 6
    assert PAGE.size(LINK) == 2
    assert PAGE.text(0).endswith("tail")


def test_an_empty_page_has_no_text() -> None:
    empty = DocumentTree("")
    assert not any(empty.texts)
    assert len(empty) <= 4
