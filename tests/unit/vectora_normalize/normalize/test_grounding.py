"""A name is reported only where the text contains it, and in the client's spelling where the client watches it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vectora_normalize.items import FoundBy
from vectora_normalize.normalize.grounding import Text, Watchlist, ground, name_key


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("Camurus", "Today Camurus reports."),
        ("Camurus", "CAMURUS"),
        ("Camurus", "Camurus\u2019 pipeline"),
        ("Camurus", "Camurus's pipeline"),
        ("Camurus", "(Camurus)"),
        ("Durect.", "Durect reports"),
        ("UZEDY®", "Uzedy grew"),
        ("Uzedy", "UZEDY® grew"),
        ("Uzedy", "UZEDY(R) grew"),
        ("BEPO®", "the BEPO™ technology"),
        ("PharmaShell", "PharmaShell ® depot"),
        ("long acting injectable", "a long-acting injectable"),
        ("long-acting injectable", "a long acting\ninjectable"),
        ("long-acting", "a long\u2011acting drug"),
        ("once-monthly", "once\u2013monthly"),
        ("Pharma Shell", "PharmaShell"),
        ("Novo Nordisk", "Novo\u00a0Nordisk"),
        ("Société Générale", "SOCIETE GENERALE"),
        ("Societe Generale", "Socie\u0301te\u0301 Ge\u0301ne\u0301rale"),
        ("injectable", "inject\u00adable"),
        ("Straße", "STRASSE"),
        ("Johnson & Johnson", "Johnson & Johnson Innovative Medicine"),
        ("C++", "written in C++, not C"),
        ("5-FU", "5 FU"),
        ("ViiV", "\uff36\uff49\uff49\uff36 Healthcare"),
    ],
)
def test_a_text_contains_a_name_however_it_is_spelt(name: str, text: str) -> None:
    assert Text(text).contains(name)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("LAI", "lait and laissez-faire"),
        ("insulin", "insulinotropic"),
        ("Merck & Co", "Merck KGaA"),
        ("Teva Pharmaceutical", "Teva"),
        ("PharmaShell", "pharma shell"),  # one word does not fall apart: "in sulin" is no insulin
        ("Camurus", "camu rus"),
        ("Bayer", ""),
        ("", "anything"),
        ("®", "a ® sign"),
        ("--", "a -- b"),
        ("...", "a ... b"),
    ],
)
def test_a_text_does_not_contain_what_is_another_name(name: str, text: str) -> None:
    assert not Text(text).contains(name)


def test_a_name_does_not_reach_from_the_title_into_the_text() -> None:
    text = Text("Results of Novo", "Nordisk is a place.")
    assert not text.contains("Novo Nordisk")
    assert text.contains("Novo")
    assert text.contains("Nordisk")


words = st.text(st.characters(categories=("Lu", "Ll", "Nd"), max_codepoint=0x24F), min_size=1, max_size=8)


@given(st.lists(words, min_size=1, max_size=4), words, words)
def test_words_are_found_between_other_words(name: list[str], before: str, after: str) -> None:
    for joint in (" ", "-", "  ", "\n"):
        assert Text(f"{before} {joint.join(name)} {after}").contains(" ".join(name))


@given(st.text(max_size=40), st.text(max_size=40))
def test_any_name_can_be_looked_up_in_any_text(name: str, text: str) -> None:
    assert Text(text).contains(name) in {True, False}
    if name_key(name) == "":
        assert not Text(text).contains(name)


def test_the_first_spelling_of_a_scope_is_the_one_reported() -> None:
    watchlist = Watchlist(["Uzedy", "UZEDY", "UZEDY®", "®"])
    assert watchlist.spelling("uzedy ®") == "Uzedy"
    assert watchlist.spelling("PharmaShell") is None
    assert watchlist.spelling("®") is None


def test_watched_names_are_found_in_the_order_of_the_scope() -> None:
    watchlist = Watchlist(["MedinCell", "Teva", "Camurus"])
    assert watchlist.found_in(Text("Camurus and MedinCell")) == ["MedinCell", "Camurus"]


def test_names_are_grounded_and_spelt_as_the_client_spells_them() -> None:
    text = Text("Teva and MedinCell", "UZEDY® grew 30 %. Long acting is  the word.")
    watchlist = Watchlist(["Uzedy", "MedinCell", "Camurus"])
    reported = ["UZEDY", "Camurus", "Uzedy®", "Teva", "Pfizer", "long-acting"]
    detected, watched, found_by = ground(reported, text, watchlist)
    assert detected == ("Uzedy", "Teva", "Long acting", "MedinCell")
    assert watched == ("Uzedy", "MedinCell")
    assert found_by == {
        "Uzedy": FoundBy.BOTH,
        "Teva": FoundBy.MODEL,
        "Long acting": FoundBy.MODEL,
        "MedinCell": FoundBy.RULE,
    }


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("Novo\n Nordisk", "Novo  NORDISK"),
        ("Nane\u202exa", "Nanexa"),
        ("pharmashell depot", "PharmaShell® depot"),
        ("uzedy", "UZEDY"),
        ("long-acting", "long\u2011acting"),
        ("ViiV", "\uff36\uff49\uff49\uff36"),
    ],
)
def test_a_name_that_is_not_watched_is_spelt_as_the_source_wrote_it(name: str, written: str) -> None:
    detected, watched, _ = ground([name], Text("News", f"The (new) ® {written}, of today."), Watchlist([]))
    assert (detected, watched) == ((" ".join(written.split()),), ())


def test_a_name_that_the_text_does_not_contain_has_no_spelling() -> None:
    assert Text("Camurus").spelling("Teva") is None
    assert Text("Camurus").spelling("...") is None


def test_a_long_name_is_none() -> None:
    text = "word " * 40
    assert ground([text], Text(text), Watchlist([])) == ((), (), {})


@pytest.mark.parametrize(
    ("text", "found"),
    [("the LAI market", True), ("(LAI)", True), ("BEPO® and more", False), ("a lai of Marie", False), ("LAIT", False)],
)
def test_a_rule_finds_an_acronym_only_in_capitals(text: str, *, found: bool) -> None:
    assert (Watchlist(["LAI"]).found_in(Text(text)) == ["LAI"]) is found


@pytest.mark.parametrize("text", ["bepo grew", "BEPO™ grew"])
def test_a_model_may_find_an_acronym_in_any_letters(text: str) -> None:
    detected, watched, found_by = ground(["bepo"], Text(text), Watchlist(["BEPO®"]))
    assert (detected, watched) == (("BEPO®",), ("BEPO®",))
    assert found_by == {"BEPO®": FoundBy.BOTH if "BEPO" in text else FoundBy.MODEL}


@given(st.lists(words, max_size=6), st.lists(words, max_size=6), st.text(max_size=40))
def test_what_is_watched_was_detected_and_what_is_detected_is_in_the_text(
    names: list[str], scope: list[str], content: str
) -> None:
    text = Text(content)
    detected, watched, found_by = ground(names, text, Watchlist(scope))
    assert set(found_by) == set(detected)
    assert set(Watchlist(scope).found_in(text)) <= set(watched)
    assert set(watched) <= set(detected)
    assert set(watched) <= set(scope)
    assert all(map(text.contains, detected))
    assert len({name_key(name) for name in detected}) == len(detected)
