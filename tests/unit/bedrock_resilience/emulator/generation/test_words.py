"""Words, sentences and names, told by their shape."""

from __future__ import annotations

import pytest

from bedrock_resilience.emulator._generation.words import appears_in, names, sentences, shaped, stem, stems, words


def test_words_are_split_at_underscores_and_capitals() -> None:
    assert words("clinical_update eventType HTTP x 12") == ["clinical", "update", "event", "type", "http"]


def test_stems_match_the_forms_of_a_word() -> None:
    assert stem("regulatory") == stem("Regulators") == "regula"
    assert stem("drugs") == stem("drug")
    assert stems("The drugs and the companies") == {"drug", "compan"}


def test_sentences_end_at_stops_and_at_lines() -> None:
    assert sentences("One. Two! 3 times? Yes\nA heading\n\nThe dose is 2.5 mg. it goes on.") == [
        "One.",
        "Two!",
        "3 times?",
        "Yes",
        "A heading",
        "The dose is 2.5 mg. it goes on.",
    ]


@pytest.mark.parametrize(
    ("name", "found"),
    [("Teva", True), ("teva", True), ("Tev", False), ("Eva", False), ("C++", True), ("MedinCell", True)],
)
def test_a_name_stands_in_a_text_as_a_whole_and_in_any_case(name: str, *, found: bool) -> None:
    assert appears_in(name, "TEVA and Medincell use C++.") is found


def test_names_are_capitalised_sequences_without_the_words_that_only_begin_a_sentence() -> None:
    text = "The University of Lyon met Ada on Monday. However, O\N{RIGHT SINGLE QUOTATION MARK}Neill did not. A B"
    assert names(text) == ["University of Lyon", "Ada", "O\N{RIGHT SINGLE QUOTATION MARK}Neill"]


@pytest.mark.parametrize(
    ("asked", "text", "found"),
    [
        ("companies", "Yesterday Acme Widget Corp and Bank said so.", ["Acme Widget Corp"]),
        ("organisation", "The Novo Nordisk Foundation gave.", ["Novo Nordisk Foundation"]),
        ("trademarks", "BRIXADI\N{REGISTERED SIGN} beats Uzedy\N{TRADE MARK SIGN} and Other.", ["BRIXADI", "Uzedy"]),
        (
            "molecules",
            "Risperidone, semaglutide and adalimumab, not aspirin.",
            ["Risperidone", "semaglutide", "adalimumab"],
        ),
        (
            "indications",
            "For opioid use disorder or diagnosis of type 2 diabetes.",
            ["opioid use disorder", "type 2 diabetes"],
        ),
        ("technologies", "A long-acting injectable on the BEPO platform.", ["long-acting injectable", "BEPO platform"]),
    ],
)
def test_names_of_known_kinds_are_told_by_their_shape(asked: str, text: str, found: list[str]) -> None:
    assert shaped(stems(asked), text) == found


def test_a_kind_without_a_shape_is_told_by_none() -> None:
    assert shaped(stems("cities"), "Lyon and Paris") is None
