"""Regular expressions of the configuration match as in Python, and cannot block a run."""

from __future__ import annotations

import warnings

import pytest
import regex
from hypothesis import given
from hypothesis import strategies as st

from support.stopwatch import Stopwatch
from support.ticking import Ticking
from vectora_normalize.sources.patterns import (
    MAX_PATTERN_LENGTH,
    MAX_PATTERNS,
    TIMEOUT_SECONDS,
    Patterns,
    unmet_requirement,
)

CATASTROPHIC = "(a|aa)+$"
LONG = "a" * 500 + "!"


def test_the_first_group_is_returned_or_else_the_match() -> None:
    patterns = Patterns([r"on (\d+)/(\d+)", r"\d+/\d+", "x", "(y)?on"], field="f")
    assert list(patterns.find("ON 12/34")) == ["12", "12/34", ""]
    assert patterns.problems == []


@pytest.mark.parametrize("pattern", [r'''r"(\d{4})"''', r"""R'(\d{4})'"""])
def test_a_python_raw_string_is_read_as_meant(pattern: str) -> None:
    assert unmet_requirement(pattern) is None
    assert list(Patterns([pattern], field="x").find("in 2026")) == ["2026"]


def test_match_any() -> None:
    patterns = Patterns(["Download attachment", "we are.*hiring"], field="f")
    assert patterns.match_any("Today we are now hiring")
    assert not patterns.match_any("We were hiring")


@pytest.mark.parametrize(
    "pattern",
    [
        r"(\w+ \d{1,2}, \d{4})\w*",
        "(?:published|released).*?(\\w+)",
        "[[a]",
        "(?=x)y",
        "a++",
        "(?>a)",
        r"\Aé\Z",
        "(?P<x>a)(?P=x)",
    ],
)
def test_patterns_of_the_re_module_are_accepted(pattern: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert unmet_requirement(pattern) is None


@pytest.mark.parametrize(
    ("pattern", "says"),
    [
        ("(", r"that Python's re module accepts \(missing \)"),
        ("*", "nothing to repeat"),
        (r"\p{L}", r"bad escape"),
        ("(?R)", "unknown extension"),
        ("(?:a){e<=3}(", "missing"),
        ("(" * 400, "Python's re module"),
        ("a" * (MAX_PATTERN_LENGTH + 1), f"of at most {MAX_PATTERN_LENGTH} characters"),
        ("a{5,2}", "min repeat greater than max repeat"),
        ("a{99999999999}", "Python's re module"),
    ],
)
def test_other_patterns_are_skipped_with_a_reason(pattern: str, says: str) -> None:
    fault = unmet_requirement(pattern)
    assert fault is not None
    assert says.replace("\\", "") in fault
    patterns = Patterns([pattern, "b"], field="f")
    assert patterns.problems == [f"f[0]: skipped; accepted: {fault}"]
    assert patterns.match_any("b")


def test_a_pattern_that_only_one_engine_accepts_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise regex.error("no")

    monkeypatch.setattr(regex, "compile", refuse)
    assert unmet_requirement("a") == "a regular expression that both re and regex accept (no)"


def test_the_number_of_patterns_is_limited() -> None:
    patterns = Patterns(["x"] * MAX_PATTERNS + ["y"], field="f")
    assert patterns.problems == [f"f: got {MAX_PATTERNS + 1} patterns; only the first {MAX_PATTERNS} are used"]
    assert not patterns.match_any("y")


def test_a_pattern_that_times_out_is_skipped_from_then_on() -> None:
    patterns = Patterns([CATASTROPHIC, "b"], field="f", budget=60)
    watch = Stopwatch()
    assert [patterns.match_any(LONG) for _ in range(50)] == [False] * 50
    assert watch.seconds < 2
    assert patterns.problems == [f"f[0]: timed out after {TIMEOUT_SECONDS} s; skipped from then on"]
    assert patterns.match_any("b")


def test_slow_patterns_share_a_budget() -> None:
    class Slow(Ticking):
        def monotonic(self) -> float:
            self.now += 0.2
            return self.now

    patterns = Patterns(["x", "y", "z"], field="f", budget=0.3, clock=Slow())
    assert list(patterns.find("xyz")) == ["x", "y"]
    assert patterns.problems == ["f: took more than 0.3 s in total; skipped from then on"]
    assert not patterns.match_any("xyz")
    assert len(patterns.problems) == 1


def test_a_pattern_that_runs_out_of_memory_is_skipped(monkeypatch: pytest.MonkeyPatch) -> None:
    class Greedy:
        groups = 0

        def search(self, *_: object, **__: object) -> None:
            raise MemoryError

    patterns = Patterns(["x", "y"], field="f")
    monkeypatch.setitem(patterns._compiled, 0, Greedy())  # pyright: ignore[reportPrivateUsage] - no pattern does this
    assert list(patterns.find("y")) == ["y"]
    assert patterns.problems == ["f[0]: used too much memory; skipped from then on"]


@given(st.text(alphabet=r"ab()[]{}*+?|^$\d.,1-", max_size=30))
def test_any_pattern_is_used_or_skipped(pattern: str) -> None:
    Patterns([pattern], field="f").match_any("aab" * 20 + "!")
