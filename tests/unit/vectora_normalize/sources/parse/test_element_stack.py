"""Elements are opened and closed in pairs, whatever order they come in, and not without end."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from vectora_normalize.sources.parse.element_stack import MAX_DEPTH, MAX_ELEMENTS, Balance

NONE: frozenset[str] = frozenset()


def opened(*names: str) -> Balance:
    balance = Balance()
    for name in names:
        assert balance.start(name)
    return balance


def test_an_end_tag_closes_what_was_opened_inside() -> None:
    balance = opened("a", "b", "c")
    assert balance.end("b") == ["c", "b"]
    assert balance.depth == 1
    assert balance.end_all() == ["a"]
    assert balance.depth == 0


def test_an_end_tag_that_fits_nothing_closes_nothing() -> None:
    balance = opened("a")
    assert balance.end("b") == []
    assert balance.is_open("a")
    assert not balance.is_open("b")


def test_elements_can_shield_what_is_around_them() -> None:
    balance = opened("ul", "li", "ul")
    assert balance.end("li", inside=frozenset({"ul"})) == []
    assert balance.start("li")
    assert balance.end("li", inside=frozenset({"ul"})) == ["li"]
    assert balance.end("ul", inside=frozenset({"ul"})) == ["ul"]


def test_what_lies_too_deep_is_refused_and_noted() -> None:
    assert not opened(*["div"] * MAX_DEPTH).too_deep
    balance = opened(*["div"] * MAX_DEPTH)
    assert not balance.start("div")
    assert balance.too_deep
    assert balance.depth == MAX_DEPTH


def test_a_document_has_only_so_many_elements() -> None:
    balance = Balance()
    for _ in range(MAX_ELEMENTS - 1):
        balance.start("a")
        balance.end("a")
    assert not balance.full
    balance.start("a")
    assert balance.full


@given(st.lists(st.tuples(st.booleans(), st.sampled_from("abc")), max_size=300))
def test_what_is_written_is_always_balanced(tags: list[tuple[bool, str]]) -> None:
    balance = Balance()
    written: list[str] = []
    for is_start, name in tags:
        if is_start and balance.start(name):
            written.append(name)
        for closed in [] if is_start else balance.end(name):
            assert written.pop() == closed
    for closed in balance.end_all():
        assert written.pop() == closed
    assert written == []
    assert not any(balance.is_open(name) for name in "abc")
