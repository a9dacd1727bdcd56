"""Rules, their order, their targets, and random faults."""

from __future__ import annotations

import math
from typing import Any

import pytest

from bedrock_resilience.emulator._http.routes import Operation
from bedrock_resilience.emulator._injection.error_faults import ErrorResponse
from bedrock_resilience.emulator._injection.script import FaultScript, FaultTarget, Rule
from bedrock_resilience.emulator._injection.stream_faults import Hang, StreamCut

PLAIN = FaultTarget(Operation.CONVERSE, "eu.anthropic.claude", "the text", streams=False)
STREAM = FaultTarget(Operation.CONVERSE_STREAM, "eu.anthropic.claude", "the text", streams=True)


def test_rules_are_met_in_order_and_used_up() -> None:
    script = FaultScript()
    script.add(Rule(Hang(), 2))
    script.add(Rule(ErrorResponse(), 1))
    assert script.pending == 3
    assert [script.next_fault(PLAIN) for _ in range(4)] == [Hang(), Hang(), ErrorResponse(), None]


def test_a_rule_without_a_number_holds_until_cleared() -> None:
    script = FaultScript()
    script.add(Rule(Hang(), None))
    assert [script.next_fault(PLAIN) for _ in range(50)] == [Hang()] * 50
    assert script.pending == 0
    script.clear()
    assert script.next_fault(PLAIN) is None


@pytest.mark.parametrize(
    ("rule", "matches"),
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
def test_a_rule_is_for_the_requests_it_names(rule: Rule, *, matches: bool) -> None:
    assert rule.matches(PLAIN) is matches


def test_a_rule_that_does_not_fit_waits() -> None:
    script = FaultScript()
    script.add(Rule(StreamCut(), 1))
    script.add(Rule(Hang(), 1))
    assert [script.next_fault(PLAIN), script.next_fault(PLAIN), script.next_fault(STREAM)] == [
        Hang(),
        None,
        StreamCut(),
    ]


def test_random_faults_depend_on_the_seed_and_restart_when_cleared() -> None:
    def drawn(script: FaultScript) -> list[object]:
        script.set_random(0.5, [Hang(), ErrorResponse()])
        return [script.next_fault(PLAIN) for _ in range(200)]

    script = FaultScript(seed=3)
    first = drawn(script)
    script.clear()
    assert drawn(script) == first == drawn(FaultScript(seed=3)) != drawn(FaultScript(seed=4))
    assert 70 < first.count(None) < 130
    assert min(first.count(Hang()), first.count(ErrorResponse())) > 25


def test_random_stream_faults_apply_to_streams_only() -> None:
    script = FaultScript()
    script.set_random(1.0, [StreamCut()])
    assert script.next_fault(PLAIN) is None
    assert script.next_fault(STREAM) == StreamCut()


@pytest.mark.parametrize(
    ("rate", "error"),
    [
        ("0.1", TypeError),
        (None, TypeError),
        (True, TypeError),
        (-0.1, ValueError),
        (1.1, ValueError),
        (math.nan, ValueError),
    ],
)
def test_a_rate_outside_0_to_1_is_refused(rate: Any, error: type[Exception]) -> None:  # noqa: ANN401 - anything may be given
    expected = rf"^fail_randomly: rate: got {rate!r}; accepted: a finite number from 0 to 1"
    with pytest.raises(error, match=expected):
        FaultScript().set_random(rate, [Hang()])


def test_a_rate_needs_a_fault() -> None:
    with pytest.raises(ValueError, match=r"^fail_randomly: errors: got \(\); accepted: at least one$"):
        FaultScript().set_random(0.1, [])
    FaultScript().set_random(0, [])
