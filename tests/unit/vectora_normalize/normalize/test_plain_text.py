"""A summary is plain text, whatever the model wrote."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from vectora_normalize.normalize.plain_text import MAX_SUMMARY_CHARACTERS, plain_summary


@pytest.mark.parametrize(
    ("written", "plain"),
    [
        ("UZEDY\n grew  by 30 %.", "UZEDY grew by 30 %."),
        ("<p>Teva <b>grew</b>.</p><script>x()</script>", "Teva grew."),
        ("&lt;b&gt;Teva&lt;/b&gt; grew.", "Teva grew."),
        ("&amp;lt;i&amp;gt;Teva grew.", "Teva grew."),
        ("**Teva** grew, `fast` and __well__.", "Teva grew, fast and well."),
        ("# News\n- Teva grew.\n- Camurus did.", "News Teva grew. Camurus did."),
        ("```json\nTeva grew.\n```", "Teva grew."),
        ("See [the release](https://e.org/a?b=c) of Teva.", "See the release of Teva."),
        ("See [the release](https://e.org/a_(b)) of Teva.", "See the release of Teva."),
        ("![A chart](javascript:alert(1)) Teva grew.", "A chart Teva grew."),
        ("Teva grew (https://e.org/a), see www.e.org/b.", "Teva grew, see."),
        ("Teva grew, mailto:a@e.org.", "Teva grew,."),
        ("Teva\u202e werg\u202c \u200bgrew\x07.", "Teva werg grew."),
        ("<item-0123456789abcdef>Teva grew.</item-0123456789abcdef>", "Teva grew."),
        ("< / item-0123456789abcdef >Teva grew. /item-0123456789abcdef", "Teva grew."),
        ("&lt;item-0123456789abcdef&gt;Teva grew.", "Teva grew."),
        ("It was significant (p < 0.05), and x > 3.", "It was significant (p < 0.05), and x > 3."),
        ("A 2 * 3 * 4 design in snake_case_names.", "A 2 * 3 * 4 design in snake_case_names."),
        ("https://e.org/", ""),
        (" \u200b ", ""),
    ],
)
def test_markup_links_and_invisible_characters_are_removed(written: str, plain: str) -> None:
    assert plain_summary(written) == plain


def test_a_summary_is_bounded() -> None:
    assert len(plain_summary("word " * 10_000)) <= MAX_SUMMARY_CHARACTERS
    assert len(plain_summary("<" * 10_000)) <= MAX_SUMMARY_CHARACTERS


def test_entities_within_entities_end_somewhere() -> None:
    plain = plain_summary(f"&{'amp;' * 20}lt;b>Teva grew.")
    assert plain.endswith("Teva grew.")
    assert "<b" not in plain


@given(st.text(st.sampled_from("<>/&;lt[]()*`# ahpw:.item-0\n\u202e"), max_size=80) | st.text(max_size=80))
@example("://")
def test_no_tag_is_left(written: str) -> None:
    plain = plain_summary(written)
    assert not any(f"<{mark}" in plain for mark in "aitp/!?")
    assert "\n" not in plain
    assert "\u202e" not in plain
    assert "e.org" not in plain_summary(f"{written} https://e.org/x")  # "://" alone, in ``written``, is no link
