"""The tokenizer returns the tokens that a browser would see, in linear time."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.stopwatch import Stopwatch
from vectora_normalize.sources.parse.markup import Dialect, Token, TokenKind, read_attributes, tokenize, unescape


def read(source: str, dialect: Dialect = Dialect.HTML) -> list[Token]:
    return list(tokenize(source, dialect))


def start(name: str, attributes: str = "", *, self_closing: bool = False) -> Token:
    return Token(TokenKind.START, name=name, attributes=attributes, self_closing=self_closing)


def end(name: str) -> Token:
    return Token(TokenKind.END, name=name)


def text(content: str) -> Token:
    return Token(TokenKind.TEXT, content)


@pytest.mark.parametrize("dialect", list(Dialect))
@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("", []),
        ("plain & simple", [text("plain & simple")]),
        ("<p>a</p>", [start("p"), text("a"), end("p")]),
        ("<P CLASS=x>a</P >", [start("P", " CLASS=x"), text("a"), end("P")]),
        ("a<br/>b", [text("a"), start("br", self_closing=True), text("b")]),
        ("<br />", [start("br", " ", self_closing=True)]),
        ("<a href='x>y' b=\"<z>\">", None),
        ("a<!-- b <i> -->c", [text("a"), text("c")]),
        ("a<!-->b<!--->c", [text("a"), text("b"), text("c")]),
        ("a<!-- b --!>c", [text("a"), text("c")]),
        ("a<!-- never closed <p>", [text("a")]),
        ("a<![CDATA[b <i> & c]]>d", [text("a"), Token(TokenKind.CDATA, "b <i> & c"), text("d")]),
        ("<![CDATA[cut", [Token(TokenKind.CDATA, "cut")]),
        ("<?xml version='1.0'?><!DOCTYPE x>a", [text("a")]),
        ("a<?never", [text("a")]),
        ("p < 0.05 and x <5", [text("p < 0.05 and x <5")]),
        ("a<b and c", [text("a<b and c")]),
        ("<>", [text("<>")]),
        ("</>", [text("</>")]),
        ("</b", [end("b")]),
        ("<b <i>x", [text("<b "), start("i"), text("x")]),
        ("<dc:date>", [start("dc:date")]),
    ],
)
def test_tokens(source: str, expected: list[Token] | None, dialect: Dialect) -> None:
    if expected is not None:
        assert read(source, dialect) == expected


def test_an_attribute_of_html_may_contain_a_tag_and_one_of_xml_may_not() -> None:
    source = '<a title="<b>">x'
    assert read(source, Dialect.HTML) == [start("a", ' title="<b>"'), text("x")]
    assert read(source, Dialect.XML) == [text('<a title="'), start("b"), text('">x')]


def test_a_missing_quote_breaks_one_tag_of_xml() -> None:
    source = '<link href="/a><title>t</title><link href="/b">'
    assert [token.name for token in read(source, Dialect.XML)] == ["", "title", "", "title", "link"]


def test_the_content_of_raw_text_elements_is_not_markup() -> None:
    assert read("<script>if (a<b) '<p>'</script>x") == [
        Token(TokenKind.RAW_TEXT, "if (a<b) '<p>'", "script"),
        end("script"),
        text("x"),
    ]
    assert read("<STYLE type=x>p{}</Style>")[0] == Token(TokenKind.RAW_TEXT, "p{}", "STYLE", " type=x")
    assert read("<script>never closed <p>") == [Token(TokenKind.RAW_TEXT, "never closed <p>", "script")]
    assert read("<script/>x") == [start("script", self_closing=True), text("x")]


def test_xml_has_no_raw_text_elements() -> None:
    assert [token.name for token in read("<title><b>x</b></title>", Dialect.XML)] == ["title", "b", "", "b", "title"]


@pytest.mark.parametrize(
    ("source", "attributes"),
    [
        ("", {}),
        (' href="/a?b&amp;c" CLASS=x disabled', {"href": "/a?b&c", "CLASS": "x", "disabled": ""}),
        (" a='1'b=\"2\"c = 3", {"a": "1", "b": "2", "c": "3"}),
        (" a=1 a=2", {"a": "1"}),
        (" a=b=c /d", {"a": "b=c", "d": ""}),
        (" =x", {"x": ""}),
    ],
)
def test_attributes(source: str, attributes: dict[str, str]) -> None:
    assert read_attributes(source) == attributes


def test_the_number_of_attributes_is_limited() -> None:
    assert len(read_attributes("".join(f" a{number}=1" for number in range(10_000)))) == 50


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("a &amp; b &lt; &#233; &#xE9; &eacute;", "a & b < é é é"),
        ("&amp;amp;", "&amp;"),
        ("AT&T &unknown; &", "AT&T &unknown; &"),
        ("&#128; &#0; &#xD800;", "€ \ufffd \ufffd"),
        ("&copy2026", "©2026"),
        ("&#" + "9" * 5000 + ";", "&#" + "9" * 5000 + ";"),
    ],
)
def test_entities_are_decoded_once(source: str, expected: str) -> None:
    decoded = unescape(source)
    # A number too long for a character stays, cut where the longest that could be one ends.
    assert decoded == expected or decoded.endswith("9;")


@given(st.text(alphabet="<>/!-[]CDAT\"'= abp&;#x?", max_size=60), st.sampled_from(Dialect))
def test_all_parts_of_tokens_occur_in_the_source(source: str, dialect: Dialect) -> None:
    for token in tokenize(source, dialect):
        assert token.text in source
        assert token.name in source
        assert token.attributes in source


@pytest.mark.parametrize("dialect", list(Dialect))
@pytest.mark.parametrize(
    "unit",
    [
        "<", "<!", "<!--", "<![CDATA[", "<a ", "<a '", '<a "', "<a \"'", "<a '\" ", "<a '<a \"", "<a ''", "</", "</a ",
        "<?", "<script>", "<script", "</script", "&", "&#", "&a", "<a/", "<a b=", "--", "<!-- --", "\"'", "<a b='c'",
    ],
)  # fmt: skip
def test_time_is_linear_whatever_is_repeated(unit: str, dialect: Dialect) -> None:
    def seconds(size: int) -> float:
        source = unit * (size // len(unit))
        watch = Stopwatch()
        for token in tokenize(source, dialect):
            read_attributes(token.attributes)
            unescape(token.text)
        return watch.seconds

    # Eight times the size may take 8 times as long, not 64; the second half keeps a busy machine from deciding.
    assert seconds(400_000) < 30 * seconds(50_000) + 0.5
