"""What a prompt is taken apart into: the text that is asked about, and hints around it."""

from __future__ import annotations

import pytest

from bedrock_resilience.emulator._generation.evidence import evidence_of
from bedrock_resilience.emulator._protocol.conversation import ChatMessage, Conversation


def asked(text: str, system: str = "") -> Conversation:
    return Conversation("model", system, (ChatMessage("user", ({"text": text},)),))


@pytest.mark.parametrize(
    "prompt",
    [
        "Read this.\n<item>The news.</item>",
        "Read this.\n<item-3f2a>The news.</item-3f2a>\nThank you.",
        '<rules>Be brief and read all of it.</rules>\n<document id="1">The news.</document>',
        "Read this:\n```text\nThe news.\n```",
        'Read this:\n"""\nThe news.\n"""',
        "Read this:\n---\nThe news.\n---\n",
        "Read this:\nBEGIN ITEM\nThe news.\nEND ITEM",
        "The news.",
        "Known companies: Acme, Emca\nThe news.",
    ],
)
def test_the_delimited_part_is_the_text(prompt: str) -> None:
    assert evidence_of(asked(prompt)).text.strip() == "The news."


def test_tags_inside_the_text_are_markup() -> None:
    assert evidence_of(asked("<item><b>The</b> news.</item>")).text == "The\n news."


def test_a_line_that_says_title_is_the_title() -> None:
    evidence = evidence_of(asked("<item>\nTitle: Big news\n\nIt is big.\n</item>"))
    assert evidence.title == "Big news"
    assert evidence.text == "Big news\n\n\nIt is big."


@pytest.mark.parametrize(
    "system",
    [
        "Known companies: Acme Corp, Emca",
        "known companies = Acme Corp, Emca.",
        "- **companies**: Acme Corp; Emca",
        '"companies": ["Acme Corp", "Emca"]',
        "<companies>Acme Corp, Emca</companies>",
        "<companies>\nAcme Corp\nEmca\n</companies>",
        "Companies to look for:\n- Acme Corp\n- Emca\n",
        "Companies:\n1. Acme Corp\n2. Emca",
        "Companies: Acme Corp | Emca",
    ],
)
def test_labelled_lists_are_hints(system: str) -> None:
    hints = dict(evidence_of(asked("The news.", system)).hints)
    assert [members for label, members in hints.items() if "compan" in label.lower()] == [("Acme Corp", "Emca")]


def test_a_name_may_have_a_comma_where_the_list_does_not_need_it() -> None:
    hints = evidence_of(asked("The news.", "companies: Acme, Inc; Emca")).hints
    assert hints == (("companies", ("Acme, Inc", "Emca")),)


def test_hints_also_stand_around_the_delimited_part() -> None:
    evidence = evidence_of(asked("companies: Acme\n<item>Emca: a company</item>"))
    assert evidence.hints == (("companies", ("Acme",)),)


def test_a_list_in_the_midst_of_an_undelimited_text_is_text() -> None:
    evidence = evidence_of(asked("Companies involved: Acme, Emca"))
    assert evidence.hints == ()
    assert evidence.text == "Companies involved: Acme, Emca"


def test_sentences_are_no_hints() -> None:
    system = "Read it. Then, if you can: write.\nNo list here:\n" + "x" * 200 + ": y\nlabel: " + "z" * 200
    assert evidence_of(asked("The news.", system)).hints == ()


def test_nothing_asked_is_no_text() -> None:
    assert evidence_of(Conversation("model", "Be.", ())).text == ""
