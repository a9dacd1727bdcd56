"""Every feed becomes well-formed XML with its content preserved and without a DTD."""

from __future__ import annotations

import xml.parsers.expat
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vectora_normalize.sources.parse.element_stack import MAX_ELEMENTS, MAX_TOKENS
from vectora_normalize.sources.parse.entries import MAX_ENTRIES
from vectora_normalize.sources.parse.repair_xml import MAX_ENTRY_TEXT, repair_xml


def assert_well_formed(xml: str) -> None:
    parser = xml_parser()
    parser.Parse(xml.encode(), True)  # noqa: FBT003 - expat's own argument


def xml_parser() -> xml.parsers.expat.XMLParserType:
    return xml.parsers.expat.ParserCreate(namespace_separator=" ")


def test_a_well_formed_feed_keeps_its_content() -> None:
    source = (
        '<?xml version="1.0"?><rss version="2.0" xmlns:dc="http://purl.org/dc/elements/1.1/"><channel><item>'
        "<title>A &amp; B &lt;C&gt; &#233;</title><dc:date>2026</dc:date><link rel='x' href='/a?b=1&amp;c=2'/>"
        "<description><![CDATA[<p>x & y</p>]]></description></item></channel></rss>"
    )
    repaired = repair_xml(source)
    assert repaired.problems == ()
    assert repaired.root == "rss"
    tree, original = ET.fromstring(repaired.xml), ET.fromstring(source)  # noqa: S314 - our own text
    assert [(e.tag, e.text, e.attrib) for e in tree.iter()] == [(e.tag, e.text, e.attrib) for e in original.iter()]


@pytest.mark.parametrize(
    ("source", "xml"),
    [
        ("<a>x & y < z</a>", "<a>x &amp; y &lt; z</a>"),
        ("<a>&nbsp;&eacute;&unknown;</a>", "<a>\xa0é&amp;unknown;</a>"),
        ("<a><b>x</a>", "<a><b>x</b></a>"),
        ("<a><b>x</b>", "<a><b>x</b></a>"),
        ("<a>x</b></a>", "<a>x</a>"),
        ("<a b=1 c='2' b=\"3\">x</a>", '<a b="1" c="2">x</a>'),
        ("<a b='<'>x</a>", "x"),
        ("<a b='&lt;'>x</a>", '<a b="&lt;">x</a>'),
        ("<a>\x00\x0bx\ud800\uffff</a>", "<a>x</a>"),
        ("<a b='\x01'>x</a>", '<a b="">x</a>'),
        ("<a><item>1<item>2</a>", "<a><item>1</item><item>2</item></a>"),
        ("<a>x</a><b>y</b>z", "<a>x</a>"),
        ("<a><b$>x</b$></a>", "<a>x</a>"),
        ("<a><é>x</é></a>", "<a>&lt;é&gt;x&lt;/é&gt;</a>"),
        ("<a:b:c>x</a:b:c><d>y</d>", "<d>y</d>"),
        ("text only", ""),
    ],
)
def test_malformed_xml_is_repaired(source: str, xml: str) -> None:
    repaired = repair_xml(source)
    if xml.startswith("<") or not xml:
        assert repaired.xml == xml
    if repaired.xml:
        assert_well_formed(repaired.xml)


@pytest.mark.parametrize(
    ("source", "xml"),
    [
        (
            "<rss><dc:date>x</dc:date></rss>",
            '<rss><dc:date xmlns:dc="http://purl.org/dc/elements/1.1/">x</dc:date></rss>',
        ),
        ("<rss><foo:bar>x</foo:bar></rss>", '<rss><foo:bar xmlns:foo="urn:undeclared:foo">x</foo:bar></rss>'),
        ("<rss foo:x='1'/>", '<rss foo:x="1" xmlns:foo="urn:undeclared:foo"></rss>'),
        ("<rss xml:lang='fr'/>", '<rss xml:lang="fr"></rss>'),
        ("<rss xmlns:a=''><a:b/></rss>", '<rss><a:b xmlns:a="urn:undeclared:a"></a:b></rss>'),
        ("<rss xmlns:xml='x' xmlns:xmlns='y'/>", "<rss></rss>"),
        ("<rss xmlns='http://www.w3.org/2000/xmlns/'/>", "<rss></rss>"),
        (
            "<a><b xmlns:c='u'><c:d/></b><c:e/></a>",
            '<a><b xmlns:c="u"><c:d></c:d></b><c:e xmlns:c="urn:undeclared:c"></c:e></a>',
        ),
    ],
)
def test_undeclared_prefixes_are_declared(source: str, xml: str) -> None:
    assert repair_xml(source).xml == xml
    assert_well_formed(xml)


def test_a_dtd_is_removed() -> None:
    bomb = '<!DOCTYPE r [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;"><!ENTITY x SYSTEM "file:///etc/passwd">]>'
    repaired = repair_xml(f"{bomb}<r>&b;&x;</r>")
    assert repaired.xml == "<r>&amp;b;&amp;x;</r>"
    assert repaired.root == "r"


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ("<a><b>x</a>", "not well-formed XML: 1 tags were repaired"),
        ("<a>x</a></a>", "not well-formed XML: 1 tags were repaired"),
        ("<a>x", "the document is incomplete: some elements are not closed"),
        (
            "<a>" + "<b>" * 200 + "</b>" * 200 + "</a>",
            "elements nested more than 100 levels deep; their tags were removed",
        ),
        ("<a>" + "<item></item>" * (MAX_ENTRIES + 1) + "</a>", f"more than {MAX_ENTRIES} items; the rest was not read"),
        ("<a>" + "<b></b>" * MAX_ELEMENTS + "</a>", f"more than {MAX_ELEMENTS} elements; the rest was not read"),
        ("<a>" + "</b>" * MAX_TOKENS + "</a>", f"more than {MAX_TOKENS} tags and texts; the rest was not read"),
    ],
)
def test_repairs_and_limits_are_reported(source: str, problem: str) -> None:
    repaired = repair_xml(source)
    assert problem in repaired.problems
    assert_well_formed(repaired.xml)


def test_the_text_of_an_item_is_limited() -> None:
    long = "x" * (MAX_ENTRY_TEXT - 10)
    repaired = repair_xml(f"<a><item><b>{long}</b><c>{'y' * 30}</c></item><item>{long}</item></a>")
    assert repaired.xml.count("x") == 2 * len(long)
    assert repaired.xml.count("y") == 10
    assert repaired.problems == (f"items with more than {MAX_ENTRY_TEXT} characters; their text was truncated",)


def test_the_limit_of_items_is_exact() -> None:
    repaired = repair_xml("<a>" + "<item>x</item>" * MAX_ENTRIES + "</a>")
    assert repaired.problems == ()
    assert repaired.xml.count("<item>") == MAX_ENTRIES
    assert repair_xml("<a>" + "<item>x</item>" * (MAX_ENTRIES + 5) + "</a>").xml.count("<item>") == MAX_ENTRIES


SOUP = st.lists(
    st.sampled_from(
        [
            "<rss>", "</rss>", "<item>", "</item>", "<dc:a b:c='d'>", "</dc:a>", "<a xmlns:b='u'>", "<b:x xmlns='v'/>",
            "&", "&lt;", "&nbsp;", "<![CDATA[", "]]>", "<!--", "-->", "<!DOCTYPE a [", "<!ENTITY a 'b'>", "<?pi", "x",
            "<a b=\"c' d='e\">", "<a a:x='1' b:x='1' xmlns:a='u' xmlns:b='u'>", "é", "\ud800", "\x00",
            "<", ">", "'", '"', "<xml:a>",
            "<xmlns:a>", "<a xml:b='c'>", "<a xmlns:xml='q'>", "<a xmlns='http://www.w3.org/XML/1998/namespace'>",
        ]
    ),
    max_size=40,
)  # fmt: skip


@given(SOUP)
def test_the_result_is_always_well_formed(pieces: list[str]) -> None:
    repaired = repair_xml("".join(pieces))
    if not repaired.xml:
        return
    try:
        assert_well_formed(repaired.xml)
    except xml.parsers.expat.ExpatError as error:
        # Two attributes that only their namespaces make equal: feedparser's forgiving mode reads those.
        assert "duplicate attribute" in str(error)  # noqa: PT017 - one error among others


@given(st.text(max_size=200))
def test_any_text_is_accepted(source: str) -> None:
    repair_xml(source)
