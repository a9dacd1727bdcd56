"""Text without markup and invisible characters, on one line, truncated between words."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.stopwatch import Stopwatch
from vectora_normalize.sources.parse.text import (
    clean_markup,
    clean_text,
    count_words,
    is_call_to_action,
    is_read_more,
    truncate,
    without_read_more,
)


def text_of(source: str) -> str:
    return clean_markup(source, 20_000)


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("", ""),
        ("plain", "plain"),
        ("  two \n\t words\u00a0here ", "two words here"),
        ("<p>one</p><p>two</p>", "one two"),
        ("one<br>two<hr/>three", "one two three"),
        ("Medi<b>cell</b> and <i>Teva</i>", "Medicell and Teva"),
        ("<li>a</li><li>b</li>", "a b"),
        ("a &amp; b &lt;c&gt;", "a & b <c>"),
        ("twice &amp;lt;", "twice &lt;"),
        ("<p>twice &amp;lt;</p>", "twice &lt;"),
        ("<p>x</p><script>alert('<p>')</script><style>p{}</style>y", "x y"),
        ("<!-- hidden -->seen<!-- hidden", "seen"),
        ("<p>p<0.05 and n < 3</p>", "p<0.05 and n < 3"),
        ("<![CDATA[<b>raw</b> & text]]>", "<b>raw</b> & text"),
        ("<div>cut <b", "cut <b"),
        ("<textarea>form</textarea><title>t</title>rest", "rest"),
    ],
)
def test_markup_is_removed(source: str, text: str) -> None:
    assert text_of(source) == text


@pytest.mark.parametrize(
    "link",
    [
        "Read more",
        "Read more »",
        "READ MORE...",
        "Continue reading →",
        "[…] Learn more",
        "Lire la suite",
        "Läs mer",
        "Weiterlesen",
    ],
)
def test_read_more_links_are_removed(link: str) -> None:
    assert is_read_more(link)
    assert text_of(f'<p>News. <a href="/x"><b>{link}</b></a></p> Rest') == "News. Rest"


def test_other_links_are_kept() -> None:
    assert text_of('<a href="/x">Read more about Camurus</a> and <a>that') == "Read more about Camurus and that"
    assert not is_read_more("Read more about Camurus")
    assert not is_read_more("Read more" + " " * 60)


@pytest.mark.parametrize(
    "invisible",
    [
        "\x00", "\x07", "\x1b", "\x7f", "\x9f", "\u00ad", "\u034f", "\u061c", "\u115f", "\u180e", "\u200b", "\u200c",
        "\u200d", "\u200e", "\u200f", "\u202a", "\u202e", "\u2060", "\u2066", "\u2069", "\u206f", "\u3164", "\ufe0f",
        "\ufeff", "\ufff9", "\U000e0041", "\U000e0100", "\U0001d173", "\ud800", "\ue000", "\uffff", "\U0010ffff",
    ],
)  # fmt: skip
def test_invisible_characters_are_removed(invisible: str) -> None:
    assert clean_text(f"Me{invisible}di") == "Medi"
    assert text_of(f"<p>Me{invisible}di</p>") == "Medi"


def test_bidirectional_controls_are_removed() -> None:
    assert clean_text("safe \u202egnp.exe\u202c \u2067abc\u2069") == "safe gnp.exe abc"


def test_all_invisible_characters_of_unicode_are_removed() -> None:
    kept = [
        hex(code)
        for code in range(0x110000)
        if unicodedata.category(chr(code)) in {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}
        and clean_text(f"a{chr(code)}b") not in {"ab", "a b"}
    ]
    # Signs of Arabic, Syriac and Kaithi that stand above numbers: format characters by name, but visible.
    visible = [0x600, 0x601, 0x602, 0x603, 0x604, 0x605, 0x6DD, 0x70F, 0x890, 0x891, 0x8E2, 0x110BD, 0x110CD]
    assert kept == [hex(code) for code in visible]


def test_characters_are_composed_so_that_equal_texts_have_equal_hashes() -> None:
    assert clean_text("A\u030asa Nore\u0301n") == "Åsa Norén"
    assert clean_text("e\u200b\u0301") == "é"


def test_long_runs_of_combining_marks_are_limited_in_linear_time() -> None:
    watch = Stopwatch()
    limited = clean_text("a" + "\u0316\u0300" * 100_000 + "b")
    assert watch.seconds < 2  # NFC alone takes half a minute
    assert len(limited) <= 32
    assert limited.endswith("b")


@given(st.text())
def test_cleaning_is_idempotent(text: str) -> None:
    once = clean_text(text)
    assert clean_text(once) == once
    assert unicodedata.is_normalized("NFC", once)
    assert once == " ".join(once.split())
    once.encode()


@given(st.text(alphabet="<>/!-[]\"'= abp&;#\u0301\u200b\n", max_size=80), st.integers(1, 30))
def test_any_markup_gives_clean_text(source: str, length: int) -> None:
    text = clean_markup(source, length)
    assert len(text) <= length
    assert clean_text(text) == text


@pytest.mark.parametrize(
    ("text", "length", "expected"),
    [
        ("one two three", 13, "one two three"),
        ("one two three", 9, "one two"),
        ("one two three", 7, "one two"),
        ("unbreakable", 5, "unbre"),
        ("a verylongwordindeed", 12, "a verylongwo"),
        ("", 5, ""),
    ],
)
def test_text_is_truncated_between_words_where_possible(text: str, length: int, expected: str) -> None:
    assert truncate(text, length) == expected


@pytest.mark.parametrize(
    ("text", "words"),
    [("", 0), ("Once-monthly injection, 5 mg.", 5), ("持効性注射剤", 6), ("펩트론 임상", 2), ("...", 0)],
)
def test_words_are_counted_in_every_script(text: str, words: int) -> None:
    assert count_words(text) == words


def test_the_processed_markup_is_limited_by_the_length_of_the_text() -> None:
    watch = Stopwatch()
    assert clean_markup("<a>" * 2_000_000 + "far", 100) == ""
    assert clean_markup("<b></b>" * 2_000_000 + "far", 500_000) == ""
    assert watch.seconds < 2


def test_markup_is_truncated_to_the_length() -> None:
    assert clean_markup("<p>" + "word " * 1000 + "</p>", 22) == "word word word word"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The news. Read more", "The news."),
        ("The news.READ MORE \u2192", "The news."),
        ("The news\u2026 [Continue reading]", "The news\u2026 [Continue reading]"),
        ("The news... Download attachment", "The news..."),
        ("Children read more", "Children read more"),
        ("Read more", "Read more"),
        ("x" * 200 + "! View PDF", "x" * 200 + "!"),
    ],
)
def test_a_read_more_at_the_end_of_a_text_is_removed(text: str, expected: str) -> None:
    assert without_read_more(text) == expected


@pytest.mark.parametrize("text", ["Read more about Camurus", "Download", " » Download the report", "View attachment"])
def test_calls_to_an_action(text: str) -> None:
    assert is_call_to_action(text)
    assert not is_call_to_action(f"The company says: {text}")
    assert not is_call_to_action(text + " x" * 60)
    assert clean_markup(f"a <a>{text}</a> b", 100, is_left_out=is_call_to_action) == "a b"


@pytest.mark.parametrize("text", ["Reading more", "Downloads rise", "Viewpoints of a chemist"])
def test_words_that_only_begin_like_one(text: str) -> None:
    assert not is_call_to_action(text)
