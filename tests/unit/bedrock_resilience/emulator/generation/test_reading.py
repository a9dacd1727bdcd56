"""Single facts, read out of a text."""

from __future__ import annotations

import pytest

from bedrock_resilience.emulator._generation.evidence import Evidence
from bedrock_resilience.emulator._generation.reading import TextReader
from support.approx import approx

KINDS = ["clinical_update", "partnership", "regulatory", "other"]
EXPLAINED = (
    "clinical_update: results or progress of a trial; partnership: licence, supply; regulatory: approval; other: none"
)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("The regulator wrote.", "regulatory"),
        ("A trial brought results.", "clinical_update"),
        ("They sign a licence.", "partnership"),
        ("The other day it rained.", "other"),
        ("An update of the results.", "clinical_update"),
        ("It rained.", "other"),
    ],
)
def test_an_option_is_chosen_by_its_words_and_by_those_that_explain_it(text: str, kind: str) -> None:
    assert TextReader(Evidence(text)).choice(KINDS, "event_type", EXPLAINED) == kind


def test_the_hints_of_a_prompt_explain_options_too() -> None:
    hints = (("regulatory", ("approval", "label")), ("Partnership", ("licence",)))
    assert TextReader(Evidence("The label changes.", hints)).choice(KINDS, "event_type") == "regulatory"
    assert TextReader(Evidence("The licence ends.", hints)).choice(KINDS, "event_type") == "partnership"


def test_without_a_sign_the_first_option_is_taken() -> None:
    assert TextReader(Evidence("It rained.")).choice(["a1", "b2"], "kind") == "a1"


def test_names_come_from_the_hints_for_their_kind_and_from_their_shape() -> None:
    hints = (("watched companies", ("Teva", "Absent")), ("molecules", ("risperidone",)))
    reader = TextReader(Evidence("Teva and Acme Pharma study Risperidone in Lyon.", hints))
    assert reader.names("companies") == ["Teva", "Acme Pharma"]
    assert reader.names("molecules") == ["risperidone"]
    assert reader.names("cities") == [], "a prompt that lists names lists those that it wants"


def test_without_hints_any_capitalised_name_will_do() -> None:
    assert TextReader(Evidence("Ada met Charles Babbage.")).names("people") == ["Ada", "Charles Babbage"]


def test_a_name_inside_a_longer_one_is_not_told_twice() -> None:
    hints = (("companies", ("Acme Pharma Group", "Camurus")),)
    reader = TextReader(Evidence("The Acme Pharma Group meets Camurus AB.", hints))
    assert reader.names("companies") == ["Acme Pharma Group", "Camurus"]


@pytest.mark.parametrize(("asked", "number"), [("patients", 1_250), ("price", -12.5), ("share", 30), ("weight", 0.0)])
def test_a_number_is_taken_from_the_sentence_that_names_it(asked: str, number: float) -> None:
    text = "It enrolled 1,250 patients. The price moved by -12.5 euros. A share of 30 was lost. No weight."
    assert TextReader(Evidence(text)).number(asked) == approx(number)


def test_a_summary_is_some_sentences_without_the_title() -> None:
    text = f"A title\n{'First sentence here. ' * 30}"
    summary = TextReader(Evidence(text, title="A title")).summary()
    assert summary.startswith("First sentence here. First")
    assert 300 < len(summary) < 400
    assert TextReader(Evidence("A title", title="A title")).summary() == "A title"
    assert len(TextReader(Evidence("x" * 1_000)).summary()) == 400


def test_a_title_is_the_title_or_the_first_sentence() -> None:
    assert TextReader(Evidence("A title\nText.", title="A title")).phrase("headline") == "A title"
    assert TextReader(Evidence("First. Second.")).phrase("title") == "First."


def test_only_what_every_word_confirms_is_true() -> None:
    reader = TextReader(Evidence("The trial was approved."))
    assert reader.mentions("trial_approved")
    assert not reader.mentions("trial_stopped")
    assert not reader.mentions("is_it")
