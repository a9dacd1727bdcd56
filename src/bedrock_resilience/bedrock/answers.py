"""Answers, checked: one attempt each, and what is no whole answer is a typed failure.

botocore 1.44 takes a truncated or foreign 200 body for a success without ``output``; and an answer that was cut at
``max_tokens`` holds half a JSON document. Neither passes here.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from bedrock_resilience.faults import Fault

if TYPE_CHECKING:
    from collections.abc import Mapping

# The stop reasons after which the answer is not whole, in the spelling of both APIs. A guardrail's intervention or a
# content filter is a whole answer: what was asked for will not be said.
INCOMPLETE: Final = frozenset(
    {"max_tokens", "malformed_model_output", "malformed_tool_use", "model_context_window_exceeded"}
)


class MalformedAnswer(Exception):  # noqa: N818 - it is what came
    """A success status whose body is no answer: truncated, foreign, or without what every answer has.

    Attributes:
        answer: What came, as far as it could be read.
    """

    fault = Fault.MALFORMED_ANSWER

    def __init__(self, problem: str, answer: object = None) -> None:
        super().__init__(problem)
        self.answer = answer


class IncompleteAnswer(Exception):  # noqa: N818 - it is what came
    """An answer that says itself that it is not whole.

    Attributes:
        stop_reason: Why the model stopped: ``max_tokens``, ``malformed_*``, ``model_context_window_exceeded``.
        answer: The answer as it is; for a stream, the list of its events.
    """

    fault = Fault.INCOMPLETE_ANSWER

    def __init__(self, stop_reason: str, answer: object) -> None:
        super().__init__(f"the answer is incomplete: stop reason {stop_reason!r}")
        self.stop_reason = stop_reason
        self.answer = answer


def converse(client: Any, /, **request: Any) -> dict[str, Any]:  # noqa: ANN401 - a boto3 client, and its parameters
    """``client.converse(**request)``, one attempt, checked.

    Raises:
        MalformedAnswer: No output message with content, or no stop reason.
        IncompleteAnswer: The stop reason says that the answer is not whole.
    """
    answer: dict[str, Any] = client.converse(**request)
    check_converse(answer)
    return answer


def check_converse(answer: object) -> None:
    """Raise what ``converse`` raises, for an answer got elsewhere."""
    content = _dig(answer, "output", "message", "content")
    if not isinstance(content, list) or not content:
        raise MalformedAnswer("the answer has no output message with content", answer)
    stop_reason = _dig(answer, "stopReason")
    if not isinstance(stop_reason, str):
        raise MalformedAnswer("the answer has no stop reason", answer)
    check_stop_reason(stop_reason, answer)


def invoke_model(client: Any, /, **request: Any) -> dict[str, Any]:  # noqa: ANN401 - a boto3 client, and its parameters
    """``client.invoke_model(**request)``, one attempt, its body read, parsed and checked.

    A ``body`` that is a mapping is written as JSON. Models' answers differ; what is common to all is checked: a JSON
    object that is not empty, and for those that name a stop reason, that it is a whole one.

    Returns:
        The parsed body.

    Raises:
        MalformedAnswer: No JSON object, or an empty one.
        IncompleteAnswer: The stop reason says that the answer is not whole.
    """
    answer = read_body(client.invoke_model(**encoded(request)))
    stop_reason = answer.get("stop_reason") or answer.get("stopReason")
    if isinstance(stop_reason, str):
        check_stop_reason(stop_reason, answer)
    return answer


def encoded(request: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters of InvokeModel, with a mapping as body written as JSON."""
    body = request.get("body")
    if not isinstance(body, dict):
        return dict(request)
    return {"contentType": "application/json", "accept": "application/json", **request, "body": json.dumps(body)}


def read_body(response: Mapping[str, Any]) -> dict[str, Any]:
    """The body of an InvokeModel response, read to its end and parsed."""
    body = response["body"]
    try:
        raw = body.read()
    finally:
        close = getattr(body, "close", None)
        if close is not None:
            close()
    try:
        answer = json.loads(raw)
    except ValueError:
        raise MalformedAnswer(f"the body is no JSON: it starts with {raw[:40]!r}") from None
    if not isinstance(answer, dict) or not answer:
        raise MalformedAnswer("the body is no JSON object, or an empty one", answer)
    return answer


def check_stop_reason(stop_reason: str, answer: object) -> None:
    """Raise ``IncompleteAnswer`` if the stop reason means that."""
    if stop_reason in INCOMPLETE:
        raise IncompleteAnswer(stop_reason, answer)


def _dig(answer: object, *keys: str) -> object:
    for key in keys:
        answer = answer.get(key) if isinstance(answer, dict) else None
    return answer
