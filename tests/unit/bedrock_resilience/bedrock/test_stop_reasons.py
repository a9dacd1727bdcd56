"""Stop reasons: what each means is written out here, and not read from the table."""

from __future__ import annotations

import re

import pytest

from bedrock_resilience import Fault
from bedrock_resilience.bedrock._stop_reasons import STOP_REASONS, check_stop_reasons, may_be_empty
from bedrock_resilience.errors import IncompleteResponseError, MalformedResponseError
from support.pages import ROOT

INCOMPLETE = [
    "max_tokens",
    "MAX_TOKENS",
    "length",
    "LENGTH",
    "model_length",
    "model_context_window_exceeded",
    "ERROR_LIMIT",
    "malformed_model_output",
    "malformed_tool_use",
    "pause_turn",
    "RAG_QUERY_WHEN_RAG_DISABLED",
    "USER_CANCEL",
]
FAILURES = {
    "ERROR": Fault.MODEL_ERROR,
    "error": Fault.MODEL_ERROR,
    "TIMEOUT": Fault.MODEL_TIMEOUT,
    "insufficient_system_resource": Fault.SERVICE_UNAVAILABLE,
}
MAY_BE_EMPTY = [
    "content_filtered",
    "CONTENT_FILTERED",
    "content_filter",
    "guardrail_intervened",
    "INTERVENED",
    "refusal",
    "ERROR_TOXIC",
    "stop_sequence",
    "STOP_SEQUENCE",
    "STOP_CRITERIA_MET",
]
COMPLETE = [
    "end_turn",
    "tool_use",
    "stop",
    "tool_calls",
    "function_call",
    "COMPLETE",
    "FINISH",
    "FINISHED",
    "TOOL_CALL",
    "something_new",
]


@pytest.mark.parametrize("reason", INCOMPLETE)
def test_an_incomplete_response(reason: str) -> None:
    body = {"stop_reason": reason}
    with pytest.raises(IncompleteResponseError) as raised:
        check_stop_reasons(["stop", reason], body)
    assert (raised.value.stop_reason, raised.value.body) == (reason, body)
    assert not may_be_empty([reason])


@pytest.mark.parametrize(("reason", "fault"), FAILURES.items())
def test_a_failure_of_the_service(reason: str, fault: Fault) -> None:
    with pytest.raises(MalformedResponseError, match=f"is a failure: stop reason '{reason}'") as raised:
        check_stop_reasons([reason], None)
    assert raised.value.fault is fault
    assert fault.retryable


@pytest.mark.parametrize("reason", MAY_BE_EMPTY)
def test_a_complete_response_that_may_be_empty(reason: str) -> None:
    check_stop_reasons([reason], None)
    assert may_be_empty([reason])
    assert may_be_empty(["stop", reason])


@pytest.mark.parametrize("reason", COMPLETE)
def test_a_complete_response_with_output(reason: str) -> None:
    check_stop_reasons([reason], None)
    assert not may_be_empty([reason])


def test_every_row_is_tried_here_and_has_a_source() -> None:
    tried = {reason.lower() for reason in (*INCOMPLETE, *FAILURES, *MAY_BE_EMPTY)}
    assert set(STOP_REASONS) == tried
    assert all(row.source for row in STOP_REASONS.values())


def test_the_page_has_every_row() -> None:
    page = (ROOT / "docs" / "how-to" / "bedrock-client.md").read_text("utf-8")
    table = re.search(r"^\| stop reasons \|.*\n\|[-|]+\|\n((?:\|.*\n)+)", page, re.MULTILINE)
    assert table is not None
    incomplete, failures, may_be_empty_, _ = (line.split("|")[1] for line in table[1].splitlines())
    documented = dict.fromkeys(re.findall(r"`(\w+)`", incomplete), (Fault.INCOMPLETE_RESPONSE, False))
    documented |= {reason: (Fault(fault), False) for reason, fault in re.findall(r"`(\w+)` \(`(\w+)`\)", failures)}
    documented |= dict.fromkeys(re.findall(r"`(\w+)`", may_be_empty_), (None, True))
    assert documented == {reason: (row.fault, row.may_be_empty) for reason, row in STOP_REASONS.items()}
