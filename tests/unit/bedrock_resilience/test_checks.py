"""Argument checks: what is accepted, and how a refusal is worded."""

from __future__ import annotations

import math
import sys
from typing import Any

import pytest

from bedrock_resilience._checks import Problem, function, has_methods, instance, number, refuse, whole_number


def texts(*problems: Problem | None) -> list[tuple[str, str] | None]:
    return [None if problem is None else (problem.error.__name__, problem.text) for problem in problems]


def test_nothing_is_raised_where_there_is_no_problem() -> None:
    refuse("Owner", None, whole_number("n", 1), None)


def test_all_problems_are_raised_together_with_their_owner() -> None:
    with pytest.raises(ValueError, match=r"^Owner: n: got -1; accepted: .*; x: got -2; accepted: .*$"):
        refuse("Owner", whole_number("n", -1, least=0), None, number("x", -2, least=0))


def test_one_wrong_type_makes_it_a_type_error() -> None:
    with pytest.raises(TypeError):
        refuse("Owner", whole_number("n", -1, least=0), number("x", "2"))


@pytest.mark.parametrize(
    ("given", "bounds", "problem"),
    [
        (0, {"least": 0}, None),
        (-1, {"least": 0}, ("ValueError", "n: got -1; accepted: a whole number >= 0")),
        (5, {"most": 5}, None),
        (6, {"most": 5}, ("ValueError", "n: got 6; accepted: a whole number <= 5")),
        (6_001, {"least": 1, "most": 6_000}, ("ValueError", "n: got 6001; accepted: a whole number from 1 to 6,000")),
        (True, {}, ("TypeError", "n: got True; accepted: a whole number")),
        (1.0, {}, ("TypeError", "n: got 1.0; accepted: a whole number")),
        (None, {"least": 1}, ("TypeError", "n: got None; accepted: a whole number >= 1")),
        (None, {"least": 1, "optional": True}, None),
        ("1", {"optional": True}, ("TypeError", "n: got '1'; accepted: a whole number, or None")),
    ],
)
def test_whole_numbers(given: object, bounds: dict[str, Any], problem: tuple[str, str] | None) -> None:
    assert texts(whole_number("n", given, **bounds)) == [problem]


@pytest.mark.parametrize(
    ("given", "bounds", "problem"),
    [
        (0, {"least": 0}, None),
        (0.5, {"above": 0}, None),
        (0, {"above": 0}, ("ValueError", "x: got 0; accepted: a finite number > 0")),
        (
            -0.1,
            {"least": 0, "unit": "seconds"},
            ("ValueError", "x: got -0.1; accepted: a finite number of seconds >= 0"),
        ),
        (3_601, {"least": 0, "most": 3600.0}, ("ValueError", "x: got 3601; accepted: a finite number from 0 to 3,600")),
        (1.5, {"above": 0, "most": 1}, ("ValueError", "x: got 1.5; accepted: a finite number > 0 and <= 1")),
        (math.inf, {}, ("ValueError", "x: got inf; accepted: a finite number")),
        (math.nan, {}, ("ValueError", "x: got nan; accepted: a finite number")),
        (10**400, {}, ("ValueError", f"x: got {10**400}; accepted: a finite number")),
        (sys.float_info.max, {}, None),
        (-sys.float_info.max, {}, None),
        (True, {}, ("TypeError", "x: got True; accepted: a finite number")),
        ("1", {"least": 0}, ("TypeError", "x: got '1'; accepted: a finite number >= 0")),
        (None, {"optional": True}, None),
        ("1", {"optional": True}, ("TypeError", "x: got '1'; accepted: a finite number, or None")),
    ],
)
def test_numbers(given: object, bounds: dict[str, Any], problem: tuple[str, str] | None) -> None:
    assert texts(number("x", given, **bounds)) == [problem]


def test_instances_methods_and_functions() -> None:
    wrong = ("TypeError", "part: got 5; accepted: a text")
    assert texts(instance("part", "x", str, "a text"), instance("part", 5, (str, bytes), "a text")) == [None, wrong]
    assert texts(instance("part", None, str, "a text", optional=True)) == [None]
    assert texts(has_methods("part", "x", ("upper",), "a text"), has_methods("part", 5, ("upper",), "a text")) == [
        None,
        wrong,
    ]
    assert texts(has_methods("part", None, ("upper",), "a text", optional=True)) == [None]
    assert texts(function("part", len, "a text"), function("part", 5, "a text")) == [None, wrong]
    assert texts(function("part", None, "a text", optional=True)) == [None]


def test_a_class_has_not_the_methods_of_its_instances() -> None:
    assert texts(has_methods("part", str, ("upper",), "a text")) == [
        ("TypeError", "part: got <class 'str'>; accepted: a text")
    ]
