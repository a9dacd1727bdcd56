"""Families of models: text, output, stop reason, usage and limit are read from the shapes of each."""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Any

import pytest

from bedrock_resilience import Fault
from bedrock_resilience.bedrock import check_invoke_model, invoke_model, request_tokens
from bedrock_resilience.bedrock._families import FAMILIES, has_output, stop_reasons, text_of, values_at
from bedrock_resilience.bedrock._streams import CheckedStream, invoke_model_stream
from bedrock_resilience.errors import IncompleteResponseError, MalformedResponseError, StreamInterruptedError
from bedrock_resilience.quotas import usage_from
from bedrock_resilience.testing import ScriptedBedrock
from support.families import FAMILIES as EXAMPLES
from support.families import METRICS, TEXT, USAGE, FamilyExample

if TYPE_CHECKING:
    from collections.abc import Sequence

every_family = pytest.mark.parametrize("family", EXAMPLES.values(), ids=EXAMPLES)


def stream_of(events: Sequence[dict[str, Any]]) -> CheckedStream:
    chunks = [{"chunk": {"bytes": json.dumps(event).encode()}} for event in events]
    return invoke_model_stream(ScriptedBedrock(chunks), modelId="m", body="{}")


def with_reason(family: FamilyExample, body: dict[str, Any], reason: str) -> dict[str, Any]:
    changed = copy.deepcopy(body)
    *path, last = family.stop_reason
    place: Any = changed
    for key in path:
        place = place[key]
    place[last] = reason
    return changed


@every_family
class TestEveryFamily:
    def test_a_complete_body_passes(self, family: FamilyExample) -> None:
        assert invoke_model(ScriptedBedrock(family.body), modelId="m", body="{}") == family.body
        assert text_of(family.body) == TEXT

    def test_a_complete_stream_passes(self, family: FamilyExample) -> None:
        stream = stream_of(family.events)
        assert list(stream) == family.events
        assert "".join(map(text_of, family.events)) == TEXT
        assert stream.usage == USAGE

    def test_empty_text_is_no_output(self, family: FamilyExample) -> None:
        assert not has_output(family.empty)
        with pytest.raises(MalformedResponseError, match="no output") as raised:
            check_invoke_model(family.empty)
        assert raised.value.fault is Fault.MALFORMED_RESPONSE

    @pytest.mark.parametrize(
        "reason", ["content_filtered", "CONTENT_FILTERED", "guardrail_intervened", "Refusal", "ERROR_TOXIC"]
    )
    def test_a_filter_may_leave_no_text(self, family: FamilyExample, reason: str) -> None:
        check_invoke_model(with_reason(family, family.empty, reason))

    def test_a_guardrail_may_leave_no_text(self, family: FamilyExample) -> None:
        check_invoke_model({**family.empty, "amazon-bedrock-guardrailAction": "INTERVENED"})
        with pytest.raises(MalformedResponseError):
            check_invoke_model({**family.empty, "amazon-bedrock-guardrailAction": "NONE"})

    @pytest.mark.parametrize("reason", ["max_tokens", "LENGTH", "model_length", "ERROR_LIMIT"])
    def test_a_limit_makes_a_body_incomplete(self, family: FamilyExample, reason: str) -> None:
        cut = with_reason(family, family.body, reason)
        assert list(stop_reasons(cut)) == [reason]
        with pytest.raises(IncompleteResponseError) as raised:
            check_invoke_model(cut)
        assert raised.value.stop_reason == reason

    def test_a_stream_of_empty_text_and_metrics_has_no_output(self, family: FamilyExample) -> None:
        events = [event for event in family.events if not has_output(event, or_reasoning=True)]
        if not any(METRICS.keys() & event.keys() for event in events):
            events.append(METRICS)
        # Claude 2 ends a response with a stop sequence, after which it may be empty.
        text = json.dumps(events).replace('"stop_reason": "stop_sequence"', '"stop_reason": "end_turn"')
        with pytest.raises(StreamInterruptedError, match="the stream has no output") as raised:
            list(stream_of(json.loads(text)))
        assert raised.value.fault is Fault.MALFORMED_RESPONSE

    def test_usage_is_read_from_body_headers_and_stream(self, family: FamilyExample) -> None:
        assert usage_from(family.body) == family.usage
        assert usage_from(family.events) == USAGE

    def test_the_limit_of_a_request_is_read(self, family: FamilyExample) -> None:
        assert request_tokens({"modelId": "m", "body": family.request}).max_tokens == 77
        assert request_tokens({"modelId": "m", "body": json.dumps(family.request)}).max_tokens == 77


def test_every_family_says_where_it_is_documented() -> None:
    assert all(family.source and family.text and family.stop_reason for family in FAMILIES)
    assert len({family.name for family in FAMILIES}) == len(FAMILIES)


OUTPUTS: list[dict[str, Any]] = [
    {"choices": [{"message": {"content": None, "tool_calls": [{"id": "1", "function": {"name": "f"}}]}}]},
    {"choices": [{"message": {"content": "", "refusal": "I cannot"}, "finish_reason": "stop"}]},
    {"choices": [{"message": {"content": [{"type": "text", "text": "Hello"}]}}]},
    {"output": {"message": {"content": [{"toolUse": {"toolUseId": "t", "name": "f", "input": {}}}]}}},
    {"output": {"message": {"content": [{"a_new_kind_of_block": {"format": "png"}}]}}},
    {"type": "message", "content": [{"type": "tool_use", "id": "t", "name": "f", "input": {}}]},
    {"text": "", "tool_calls": [{"name": "f", "parameters": {}}], "finish_reason": "COMPLETE"},
    {"text": "", "search_queries": [{"text": "a query"}]},
    {"message": {"role": "assistant", "content": [{"type": "text", "text": "Hello"}]}},
    {"message": {"tool_calls": [{"id": "1"}], "content": []}, "finish_reason": "TOOL_CALL"},
    {"embedding": [0.1]},
    {"results": [{"index": 0, "relevance_score": 0.0}]},
    {"images": ["aGk="], "error": "One of the images was filtered"},
    {"message": "What is in the video", "finishReason": "stop"},
]


@pytest.mark.parametrize("body", OUTPUTS)
def test_what_is_output(body: dict[str, Any]) -> None:
    assert has_output(body)
    check_invoke_model(body)


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({"contentBlockDelta": {"delta": {"toolUse": {"input": "{}"}}}}, ""),
        ({"contentBlockDelta": {"delta": {"reasoningContent": {"text": "Hm"}}}}, ""),
        ({"delta": "Hello"}, ""),
        ({"generation": None}, ""),
        ({"content": [{"text": "a"}, {"type": "tool_use"}, {"text": "b"}]}, "ab"),
        ({"choices": [{"message": {"content": [{"type": "text", "text": "a"}]}}]}, "a"),
    ],
)
def test_the_text_is_that_of_the_answer(body: dict[str, Any], text: str) -> None:
    assert text_of(body) == text


@pytest.mark.parametrize(
    "event",
    [
        {"contentBlockDelta": {"delta": {"reasoningContent": {"text": "Hm"}}}},
        {"type": "content_block_delta", "delta": {"type": "thinking_delta", "thinking": "Hm"}},
        {"type": "content_block_start", "content_block": {"type": "redacted_thinking", "data": "abc"}},
        {"choices": [{"index": 0, "delta": {"content": "", "reasoning_content": "Hm"}}]},
    ],
)
def test_reasoning_opens_a_stream_and_is_no_answer(event: dict[str, Any]) -> None:
    assert has_output(event, or_reasoning=True)
    assert not has_output(event)


STRANGE: list[dict[str, Any]] = [{"type": ["message"]}, {"type": {}}, {"choices": {}}, {"results": [[]]}]


@pytest.mark.parametrize("body", STRANGE)
def test_a_strange_shape_breaks_nothing(body: dict[str, Any]) -> None:
    assert list(stop_reasons(body)) == []
    assert text_of(body) == ""
    assert has_output(body) is ("results" in body)


def test_a_path_leads_through_mappings_and_lists() -> None:
    body = {"a": [{"b": 1}, {"b": [2]}, {"c": 3}, "b"]}
    assert list(values_at(body, "a.*.b")) == [1, [2]]
    assert list(values_at(body, "a.*.b.*")) == [2]
    assert list(values_at(body, "a.b")) == list(values_at("text", "*")) == list(values_at(body, "x.*")) == []
