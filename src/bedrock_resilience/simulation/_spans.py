"""Spans of time as data, checked."""

from __future__ import annotations

from typing import Any

from bedrock_resilience._checks import Problem, number, wrong_type, wrong_value


def spans_problem(name: str, given: Any) -> list[Problem | None]:  # noqa: ANN401 - anything may be given
    """The problems of an iterable of spans (from, to), in seconds, with from < to."""
    try:
        return [_span_problem(name, span) for span in given]
    except TypeError:
        return [wrong_type(name, given, "an iterable")]


def _span_problem(name: str, given: Any) -> Problem | None:  # noqa: ANN401 - anything may be given
    accepted = "an iterable of spans (from, to), in seconds, with from < to"
    try:
        start, end = given
    except (TypeError, ValueError):
        return wrong_type(name, given, accepted)
    problem = number(name, start, least=0, unit="seconds") or number(name, end, least=0, unit="seconds")
    return problem or (wrong_value(name, given, accepted) if start >= end else None)
