"""Elements are opened and closed in pairs, in any order of tags, within the limits."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from vectora_normalize.sources.parse.element_stack import MAX_DEPTH, MAX_ELEMENTS, ElementStack

NONE: frozenset[str] = frozenset()


def opened(*names: str) -> ElementStack:
    stack = ElementStack()
    for name in names:
        assert stack.start(name)
    return stack


def test_an_end_tag_closes_the_elements_inside() -> None:
    stack = opened("a", "b", "c")
    assert stack.end("b") == ["c", "b"]
    assert stack.depth == 1
    assert stack.end_all() == ["a"]
    assert stack.depth == 0


def test_an_end_tag_without_a_start_tag_closes_nothing() -> None:
    stack = opened("a")
    assert stack.end("b") == []
    assert stack.is_open("a")
    assert not stack.is_open("b")


def test_elements_outside_the_scope_are_not_closed() -> None:
    stack = opened("ul", "li", "ul")
    assert stack.end("li", scope=frozenset({"ul"})) == []
    assert stack.start("li")
    assert stack.end("li", scope=frozenset({"ul"})) == ["li"]
    assert stack.end("ul", scope=frozenset({"ul"})) == ["ul"]


def test_the_depth_is_limited() -> None:
    assert not opened(*["div"] * MAX_DEPTH).too_deep
    stack = opened(*["div"] * MAX_DEPTH)
    assert not stack.start("div")
    assert stack.too_deep
    assert stack.depth == MAX_DEPTH


def test_the_number_of_elements_is_limited() -> None:
    stack = ElementStack()
    for _ in range(MAX_ELEMENTS - 1):
        stack.start("a")
        stack.end("a")
    assert not stack.full
    stack.start("a")
    assert stack.full


@given(st.lists(st.tuples(st.booleans(), st.sampled_from("abc")), max_size=300))
def test_the_result_is_always_balanced(tags: list[tuple[bool, str]]) -> None:
    stack = ElementStack()
    written: list[str] = []
    for is_start, name in tags:
        if is_start and stack.start(name):
            written.append(name)
        for closed in [] if is_start else stack.end(name):
            assert written.pop() == closed
    for closed in stack.end_all():
        assert written.pop() == closed
    assert written == []
    assert not any(stack.is_open(name) for name in "abc")


def test_the_limits_can_be_lower() -> None:
    stack = ElementStack(max_depth=1, max_elements=2)
    assert (stack.start("a"), stack.full) == (True, False)
    assert (stack.start("b"), stack.full, stack.too_deep) == (False, True, True)
