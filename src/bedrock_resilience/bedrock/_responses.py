"""Converse and InvokeModel, one attempt each: a response that is not complete and well-formed raises a typed error.

botocore 1.44 returns a truncated or unexpected 200 body as a success without ``output``. Its parser raises an
``AttributeError`` on a body that is JSON but not an object. A response that was cut at ``max_tokens`` may contain half
a JSON document. All of these are errors here.
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
"""The stop reasons of an incomplete response, in lower case. Under InvokeModel several models say ``length`` for
``max_tokens``. A guardrail's intervention, a content filter and a refusal end a complete response: a retry of the same
request does not get more.
"""

MAY_BE_EMPTY: Final = frozenset({"content_filtered", "guardrail_intervened", "refusal", "stop_sequence"})
"""The stop reasons whose response may be empty. With any other, an empty message is malformed."""

# The fields of InvokeModel bodies that carry the stop reason: at the top for Claude, Llama, Cohere and Nova; in each
# entry of a list for Titan, Mistral and the OpenAI shape. (AWS, "Inference request parameters and response fields".)
_STOP_REASON_FIELDS: Final = ("stop_reason", "stopReason", "finish_reason", "completionReason")
_OUTPUT_LISTS: Final = ("results", "outputs", "choices", "generations")

# The fields beside the output in any model's body, in lower case. A body with no other field has no output, for example
# an error that came with a success status.
_METADATA_FIELDS: Final = frozenset(
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
    """Make one attempt of ``client.converse(**request)``, and check the response.

    Raises:
        MalformedResponseError: No output message, an empty one, or no stop reason.
        IncompleteResponseError: The stop reason says that the response is incomplete.
    """
    response: dict[str, Any] = send(client.converse, request)
    check_converse(response)
    return response


def check_converse(response: object) -> None:
    """Raise what ``converse`` raises, for a response from elsewhere."""
    stop_reason = dig(response, "stopReason")
    if isinstance(stop_reason, str):
        check_stop_reason(stop_reason, response)  # first, because a malformed_* response may be empty
    content = dig(response, "output", "message", "content")
    if not isinstance(content, list):
        raise MalformedResponseError("the response has no output message", response)
    if not isinstance(stop_reason, str):
        raise MalformedResponseError("the response has no stop reason", response)
    if not content and stop_reason not in MAY_BE_EMPTY:
        raise MalformedResponseError("the message of the response is empty", response)


def invoke_model(client: Any, /, **request: Any) -> dict[str, Any]:  # noqa: ANN401 - a boto3 client, and its parameters
    """Make one attempt of ``client.invoke_model(**request)``; read, parse and check the body.

    A ``body`` that is a mapping is sent as JSON. The models' bodies differ; the check covers what they have in common:
    a JSON object with an output under some name, and a stop reason, if there is one, of a complete response.

    Returns:
        The parsed body.

    Raises:
        MalformedResponseError: Not a JSON object, or one without output: a message without content, an error.
        IncompleteResponseError: The stop reason says that the response is incomplete.
    """
    body = read_body(send(client.invoke_model, with_json_body(request)))
    check_invoke_model(body)
    return body


def check_invoke_model(body: Mapping[str, Any]) -> None:
    """Raise what ``invoke_model`` raises, for a parsed body from elsewhere."""
    reasons = list(stop_reasons(body))
    for reason in reasons:
        check_stop_reason(reason, body)
    if not _has_output(body) and MAY_BE_EMPTY.isdisjoint(reasons):
        raise MalformedResponseError("the response has no output", body)


def with_json_body(request: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters of InvokeModel, with a ``body`` that is a mapping encoded as JSON."""
    body = request.get("body")
    if not isinstance(body, Mapping):
        return dict(request)
    text = json.dumps(dict(cast("Mapping[str, Any]", body)))
    return {"contentType": "application/json", "accept": "application/json", **request, "body": text}


def send(operation: Callable[..., Any], request: Mapping[str, Any]) -> Any:  # noqa: ANN401 - what the operation returns
    """Call an operation of a client; a response that its parser cannot read is a ``MalformedResponseError``."""
    try:
        return operation(**request)
    except Exception as error:
        if classify(error) is Fault.MALFORMED_RESPONSE:
            raise MalformedResponseError(f"the SDK cannot parse the response: {error!r}") from error
        raise


def read_body(response: Mapping[str, Any]) -> dict[str, Any]:
    """Read the body of an InvokeModel response to its end, and parse it."""
    body = response["body"]
    try:
        raw: bytes = body.read()
    except Exception as error:
        # Before a response begins, errors such as SSLError mean "never reached". This one has begun, and is billed.
        if classify(error) is Fault.CONNECTION_FAILED:
            raise ConnectionError(f"the connection broke while the response was read: {error}") from error
        raise
    finally:
        close: Callable[[], object] | None = getattr(body, "close", None)
        if close is not None:
            close()
    return parse_object(raw)


def parse_object(raw: bytes | str) -> dict[str, Any]:
    """Parse a JSON object that is not empty.

    Raises:
        MalformedResponseError: It is anything else.
    """
    try:
        value: object = json.loads(raw)
    except (ValueError, RecursionError):
        raise MalformedResponseError(f"not JSON: it starts with {raw[:40]!r}", raw) from None
    if not isinstance(value, dict) or not value:
        raise MalformedResponseError(f"not a JSON object, or an empty one: it starts with {raw[:40]!r}", raw)
    return cast("dict[str, Any]", value)


def check_stop_reason(stop_reason: str, body: object) -> None:
    """Raise ``IncompleteResponseError`` if the stop reason is one of an incomplete response."""
    if stop_reason.lower() in INCOMPLETE:
        raise IncompleteResponseError(stop_reason, body)


def dig(value: object, *keys: str) -> object:
    """Return the value under nested keys, or None where one of them is missing."""
    for key in keys:
        value = cast("Mapping[str, object]", value).get(key) if isinstance(value, Mapping) else None
    return value


def _has_output(body: Mapping[str, Any]) -> bool:
    if dig(body, "output", "message", "content") == []:  # Nova
        return False
    return any(
        value not in (None, "", [], {})
        for name, value in body.items()
        # A "message" that is a text belongs to an error; Cohere's output is a "message" that is an object.
        if name.lower() not in _METADATA_FIELDS and not (name.lower() == "message" and isinstance(value, str))
    )


def stop_reasons(body: Mapping[str, Any]) -> Iterator[str]:
    """Yield the stop reasons in a body of InvokeModel, or in one event of its stream, of any family of models."""
    entries: list[object] = [body]
    for name in _OUTPUT_LISTS:
        listed: object = body.get(name)
        if isinstance(listed, list):
            entries += cast("list[object]", listed)
    for entry in entries:
        for name in _STOP_REASON_FIELDS:
            reason = dig(entry, name)
            if isinstance(reason, str):
                yield reason
