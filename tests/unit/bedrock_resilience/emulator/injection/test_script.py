"""Rules, their order, their targets, and chance."""

from __future__ import annotations

import math
from typing import Any

import pytest

from bedrock_resilience.emulator._http.routes import Operation
from bedrock_resilience.emulator._injection.error_faults import ErrorAnswer
from bedrock_resilience.emulator._injection.script import FaultScript, Rule, Target
from bedrock_resilience.emulator._injection.stream_faults import Hang, StreamCut

PLAIN = Target(Operation.CONVERSE, "eu.anthropic.claude", "the text")
STREAM = Target(Operation.CONVERSE_STREAM, "eu.anthropic.claude", "the text")


def test_rules_are_met_in_order_and_used_up() -> None:
    script = FaultScript()
    script.add(Rule(Hang(), 2))
    script.add(Rule(ErrorAnswer(), 1))
    assert script.pending == 3
    assert [script.take(PLAIN) for _ in range(4)] == [Hang(), Hang(), ErrorAnswer(), None]


def test_a_rule_without_a_number_holds_until_cleared() -> None:
    script = FaultScript()
    script.add(Rule(Hang(), None))
    assert [script.take(PLAIN) for _ in range(50)] == [Hang()] * 50
    assert script.pending == 0
    script.clear()
    assert script.take(PLAIN) is None


@pytest.mark.parametrize(
    ("rule", "fits"),
    [
        (Rule(Hang()), True),
        (Rule(Hang(), operation=Operation.CONVERSE), True),
        (Rule(Hang(), operation=Operation.COUNT_TOKENS), False),
        (Rule(Hang(), model="claude"), True),
        (Rule(Hang(), model="nova"), False),
        (Rule(Hang(), containing="text"), True),
        (Rule(Hang(), containing="poison"), False),
        (Rule(StreamCut()), False),
    ],
)
def test_a_rule_is_for_the_requests_it_names(rule: Rule, *, fits: bool) -> None:
    assert rule.fits(PLAIN) is fits


def test_a_rule_that_does_not_fit_waits() -> None:
    script = FaultScript()
    script.add(Rule(StreamCut(), 1))
    script.add(Rule(Hang(), 1))
    assert [script.take(PLAIN), script.take(PLAIN), script.take(STREAM)] == [Hang(), None, StreamCut()]


def test_chance_is_the_seeds_and_starts_anew_when_cleared() -> None:
    def drawn(script: FaultScript) -> list[object]:
        script.randomly(0.5, [Hang(), ErrorAnswer()])
        return [script.take(PLAIN) for _ in range(200)]

    script = FaultScript(seed=3)
    first = drawn(script)
    script.clear()
    assert drawn(script) == first == drawn(FaultScript(seed=3)) != drawn(FaultScript(seed=4))
    assert 70 < first.count(None) < 130
    assert min(first.count(Hang()), first.count(ErrorAnswer())) > 25


def test_chance_does_not_break_what_does_not_stream() -> None:
    script = FaultScript()
    script.randomly(1.0, [StreamCut()])
    assert script.take(PLAIN) is None
    assert script.take(STREAM) == StreamCut()


@pytest.mark.parametrize("rate", ["0.1", None, True, -0.1, 1.1, math.nan])
def test_a_rate_that_is_none_is_refused(rate: Any) -> None:  # noqa: ANN401 - anything may be given
    with pytest.raises(ValueError, match=rf"^rate: got {rate!r}; accepted: 0 to 1$"):
        FaultScript().randomly(rate, [])


def test_a_rate_needs_a_fault() -> None:
    with pytest.raises(ValueError, match=r"^errors: got none; accepted: at least one$"):
        FaultScript().randomly(0.1, [])
    FaultScript().randomly(0, [])
