"""Fields are read with a check of their type; all faults are listed with their path."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from vectora_normalize.sources.config.fields import Faults, Fields, read_strings
from vectora_normalize.sources.config.safeyaml import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable


def fields(**values: object) -> tuple[Fields, Faults]:
    faults = Faults("f.yaml")
    return Fields(values, faults), faults


def faults_in(faults: Faults) -> list[str]:
    try:
        faults.raise_if_any()
    except ConfigurationError as error:
        return [fault.removeprefix("f.yaml: ") for fault in error.faults]
    return []


def test_values_of_the_right_type() -> None:
    read, faults = fields(
        string=" a ",
        boolean=False,
        integer=5,
        strings=["a", " b ", "a", ""],
        mapping={"in": "x"},
        mappings=[{"n": 1}, {}],
    )
    assert read.string("string") == "a"
    assert read.required_string("string") == "a"
    assert read.boolean("boolean", default=True) is False
    assert read.integer("integer", 1, least=0, most=9) == 5
    assert read.strings("strings") == ("a", "b")
    assert read.mapping("mapping").string("in") == "x"
    assert [each.integer("n", 7, least=0, most=9) for each in read.mappings("mappings")] == [1, 7]
    assert faults_in(faults) == []


def test_a_missing_or_null_field_reads_as_its_default() -> None:
    for read, faults in (
        fields(),
        fields(string=None, boolean=None, integer=None, strings=None, mapping=None, mappings=None),
    ):
        assert read.string("string", "d") == "d"
        assert read.boolean("boolean", default=True) is True
        assert read.integer("integer", 3, least=0, most=9) == 3
        assert read.strings("strings") == ()
        assert read.mapping("mapping").string("in") == ""
        assert list(read.mappings("mappings")) == []
        assert faults_in(faults) == []


STRING = "accepted: a string (in quotes, if it looks like a number, a date or yes/no)"


WRONG: list[tuple[Callable[[Fields], object], object, str]] = [
    (lambda f: f.string("x"), 7, f"x: got 7; {STRING}"),
    (lambda f: f.string("x"), True, f"x: got True; {STRING}"),
    (lambda f: f.required_string("x"), None, "x: got None; accepted: a string that is not empty"),
    (lambda f: f.required_string("x"), "  ", "x: got '  '; accepted: a string that is not empty"),
    (lambda f: f.required_string("x"), 7, f"x: got 7; {STRING}"),
    (lambda f: f.boolean("x", default=True), "yes", "x: got 'yes'; accepted: true or false"),
    (lambda f: f.boolean("x", default=True), 1, "x: got 1; accepted: true or false"),
    (lambda f: f.integer("x", 1, least=1, most=9), 0, "x: got 0; accepted: a whole number from 1 to 9"),
    (lambda f: f.integer("x", 1, least=1, most=9), 10, "x: got 10; accepted: a whole number from 1 to 9"),
    (lambda f: f.integer("x", 1, least=1, most=9), True, "x: got True; accepted: a whole number from 1 to 9"),
    (lambda f: f.integer("x", 1, least=1, most=9), 5.0, "x: got 5.0; accepted: a whole number from 1 to 9"),
    (lambda f: f.strings("x"), "a", "x: got 'a'; accepted: a list of strings"),
    (lambda f: f.strings("x"), ["a", 5], f"x[1]: got 5; {STRING}"),
    (lambda f: f.mapping("x"), [1], "x: got [1]; accepted: a mapping"),
    (lambda f: list(f.mappings("x")), {"a": 1}, "x: got {'a': 1}; accepted: a list of mappings"),
    (lambda f: list(f.mappings("x")), [3], "x[0]: got 3; accepted: a mapping"),
    (lambda f: f.mapping("x").string("y"), {"y": 3}, f"x.y: got 3; {STRING}"),
    (lambda f: [g.string("y") for g in f.mappings("x")], [{}, {"y": 3}], f"x[1].y: got 3; {STRING}"),
]


@pytest.mark.parametrize(("read", "value", "fault"), WRONG)
def test_a_wrong_value_is_listed_with_its_path(read: Callable[[Fields], object], value: object, fault: str) -> None:
    source, faults = fields(x=value)
    read(source)
    assert faults_in(faults) == [fault]


def test_all_faults_are_listed_at_once() -> None:
    read, faults = fields(a=1, b="x")
    read.string("a")
    read.boolean("b", default=True)
    read.refuse("c", "d", "e")
    assert len(faults_in(faults)) == 3


def test_a_list_of_strings_outside_a_mapping() -> None:
    faults = Faults("f.yaml")
    assert read_strings(["a", "a "], "here", faults) == ("a",)
    assert read_strings(None, "here", faults) == ()
    assert faults_in(faults) == ["here: got None; accepted: a list of strings"]
