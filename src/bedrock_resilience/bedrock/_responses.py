"""Answers, checked: one attempt each, and what is no whole answer is a typed failure.

botocore 1.44 takes a truncated or foreign 200 body for a success without ``output``, its parser raises an
``AttributeError`` on a body that is JSON but no object, and an answer that was cut at ``max_tokens`` holds half a JSON
document. None of them passes here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, cast

from bedrock_resilience._errors import IncompleteResponseError, MalformedResponseError
from bedrock_resilience._fault import Fault
from bedrock_resilience.retrying._faults import classify

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

INCOMPLETE: Final = frozenset(
    {"length", "malformed_model_output", "malformed_tool_use", "max_tokens", "model_context_window_exceeded"}
)
"""The stop reasons after which an answer is not whole, in small letters; ``length`` is what several models say for
``max_tokens`` under InvokeModel. A guardrail's intervention, a content filter and a refusal make a whole answer: what
was asked for will not be said.
"""

MAY_BE_EMPTY: Final = frozenset({"content_filtered", "guardrail_intervened", "refusal", "stop_sequence"})
"""The stop reasons after which there may be nothing to say. After any other, an empty message is no answer."""

# Where the bodies of InvokeModel name their stop reason: Claude, Llama, Cohere and Nova at the top; Titan, Mistral and
# the OpenAI shape in each entry of a list. (AWS, "Inference request parameters and response fields".)
_REASONS: Final = ("stop_reason", "stopReason", "finish_reason", "completionReason")
_LISTS: Final = ("results", "outputs", "choices", "generations")

# What stands around the output in any model's body, in small letters. A body that has nothing else has no output: an
# error that came with a success status, for one.
_FRAME: Final = frozenset(
    {
        "__type",
        "amazon-bedrock-invocationmetrics",
        "code",
        "completionreason",
        "created",
        "error",
        "finish_reason",
        "generation_token_count",
        "id",
        "inputtexttokencount",
        "metrics",
        "model",
        "object",
        "prompt_token_count",
        "request_id",
        "role",
        "status",
        "stop_reason",
        "stop_sequence",
        "stopreason",
        "type",
        "usage",
    }
)


def converse(client: Any, /, **request: Any) -> dict[str, Any]:  # noqa: ANN401 - a boto3 client, and its parameters
    """``client.converse(**request)``, one attempt, checked.

    Raises:
        MalformedResponseError: No output message, an empty one, or no stop reason.
        IncompleteResponseError: The stop reason says that the answer is not whole.
    """
    answer: dict[str, Any] = sent(client.converse, request)
    check_converse(answer)
    return answer


def check_converse(answer: object) -> None:
    """Raise what ``converse`` raises, for an answer got elsewhere."""
    stop_reason = dig(answer, "stopReason")
    if isinstance(stop_reason, str):
        check_stop_reason(stop_reason, answer)  # first: a malformed_* answer may well be an empty one
    content = dig(answer, "output", "message", "content")
    if not isinstance(content, list):
        raise MalformedResponseError("the answer has no output message", answer)
    if not isinstance(stop_reason, str):
        raise MalformedResponseError("the answer has no stop reason", answer)
    if not content and stop_reason not in MAY_BE_EMPTY:
        raise MalformedResponseError("the answer's message is empty", answer)


def invoke_model(client: Any, /, **request: Any) -> dict[str, Any]:  # noqa: ANN401 - a boto3 client, and its parameters
    """``client.invoke_model(**request)``, one attempt, its body read, parsed and checked.

    A ``body`` that is a mapping is written as JSON. Models' answers differ; what is common to all is checked: a JSON
    object with an output of some name, whose stop reason, where it names one, means that it is whole.

    Returns:
        The parsed body.

    Raises:
        MalformedResponseError: No JSON object, or one without output: a message without content, an error.
        IncompleteResponseError: The stop reason says that the answer is not whole.
    """
    answer = read_body(sent(client.invoke_model, encoded(request)))
    check_invoke_model(answer)
    return answer


def check_invoke_model(answer: Mapping[str, Any]) -> None:
    """Raise what ``invoke_model`` raises, for a parsed body got elsewhere."""
    reasons = list(_stop_reasons(answer))
    for reason in reasons:
        check_stop_reason(reason, answer)
    if not _has_output(answer) and MAY_BE_EMPTY.isdisjoint(reasons):
        raise MalformedResponseError("the answer has no output", answer)


def encoded(request: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters of InvokeModel, with a mapping as body written as JSON."""
    body = request.get("body")
    if not isinstance(body, Mapping):
        return dict(request)
    text = json.dumps(dict(cast("Mapping[str, Any]", body)))
    return {"contentType": "application/json", "accept": "application/json", **request, "body": text}


def sent(operation: Callable[..., Any], request: Mapping[str, Any]) -> Any:  # noqa: ANN401 - what the operation returns
    """Call an operation of a client; what its parser could not read is a ``MalformedResponseError``."""
    try:
        return operation(**request)
    except Exception as error:
        if classify(error) is Fault.MALFORMED_RESPONSE:
            raise MalformedResponseError(f"the body cannot be read as an answer: {error!r}") from error
        raise


def read_body(response: Mapping[str, Any]) -> dict[str, Any]:
    """The body of an InvokeModel response, read to its end and parsed."""
    body = response["body"]
    try:
        raw: bytes = body.read()
    except Exception as error:
        # Names such as SSLError mean "never reached" before the answer begins. Here it has begun, and is billed.
        if classify(error) is Fault.CONNECTION_FAILED:
            raise ConnectionError(f"the connection broke while the answer was read: {error}") from error
        raise
    finally:
        close: Callable[[], object] | None = getattr(body, "close", None)
        if close is not None:
            close()
    return parsed(raw)


def parsed(raw: bytes | str) -> dict[str, Any]:
    """A JSON object that is not empty.

    Raises:
        MalformedResponseError: It is anything else.
    """
    try:
        answer: object = json.loads(raw)
    except (ValueError, RecursionError):
        raise MalformedResponseError(f"no JSON: it starts with {raw[:40]!r}", raw) from None
    if not isinstance(answer, dict) or not answer:
        raise MalformedResponseError(f"no JSON object, or an empty one: it starts with {raw[:40]!r}", raw)
    return cast("dict[str, Any]", answer)


def check_stop_reason(stop_reason: str, answer: object) -> None:
    """Raise ``IncompleteResponseError`` if the stop reason means that."""
    if stop_reason.lower() in INCOMPLETE:
        raise IncompleteResponseError(stop_reason, answer)


def dig(value: object, *keys: str) -> object:
    """What stands under these keys, one inside the other; None where any of them is missing."""
    for key in keys:
        value = cast("Mapping[str, object]", value).get(key) if isinstance(value, Mapping) else None
    return value


def _has_output(answer: Mapping[str, Any]) -> bool:
    if dig(answer, "output", "message", "content") == []:  # Nova
        return False
    return any(
        value not in (None, "", [], {})
        for name, value in answer.items()
        # A text is what an error says; Cohere's message is the answer.
        if name.lower() not in _FRAME and not (name.lower() == "message" and isinstance(value, str))
    )


def _stop_reasons(answer: Mapping[str, Any]) -> Iterator[str]:
    entries: list[object] = [answer]
    for name in _LISTS:
        listed: object = answer.get(name)
        if isinstance(listed, list):
            entries += cast("list[object]", listed)
    for entry in entries:
        for name in _REASONS:
            reason = dig(entry, name)
            if isinstance(reason, str):
                yield reason
