"""Converse and InvokeModel, one attempt each: a response that is not complete and well-formed raises a typed error.

botocore 1.44 returns a truncated or unexpected 200 body as a success without ``output``. Its parser raises an
``AttributeError`` on a body that is JSON but not an object. A response that was cut at ``max_tokens`` may contain half
a JSON document. All of these are errors here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, cast

from bedrock_resilience._errors import MalformedResponseError, StreamEventError
from bedrock_resilience._fault import Fault
from bedrock_resilience.bedrock._families import has_output, stop_reasons, values_at
from bedrock_resilience.bedrock._stop_reasons import check_stop_reasons, may_be_empty
from bedrock_resilience.retrying._faults import classify
from bedrock_resilience.retrying._retry_after import as_mapping

if TYPE_CHECKING:
    from collections.abc import Callable


class ResponseBody(dict[str, Any]):
    """The parsed body of a response of InvokeModel, with what came beside it.

    Some families have no usage in their bodies; the response headers have it for all of them.

    Attributes:
        response_metadata: The ``ResponseMetadata`` of boto3's response.
    """

    def __init__(self, fields: Mapping[str, Any], response_metadata: Mapping[str, Any]) -> None:
        super().__init__(fields)
        self.response_metadata: Mapping[str, Any] = response_metadata


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
    fields = as_mapping(response)
    reasons = list(stop_reasons(fields)) if isinstance(fields.get("stopReason"), str) else []
    check_stop_reasons(reasons, response)  # first, because a malformed_* response may be empty
    if not isinstance(dig(fields, "output", "message", "content"), list):
        raise _malformed("the response has no output message", response)
    if not reasons:
        raise MalformedResponseError("the response has no stop reason", response)
    if not has_output(fields) and not may_be_empty(reasons):
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
    response = send(client.invoke_model, with_json_body(request))
    return checked_body(read_body(response), response)


def checked_body(fields: Mapping[str, Any], response: Mapping[str, Any]) -> ResponseBody:
    """Return the checked body of a response of InvokeModel, with the metadata beside it."""
    body = ResponseBody(fields, response.get("ResponseMetadata", {}))
    check_invoke_model(body)
    return body


def check_invoke_model(body: Mapping[str, Any]) -> None:
    """Raise what ``invoke_model`` raises, for a parsed body from elsewhere."""
    reasons = list(stop_reasons(body))
    check_stop_reasons(reasons, body)
    if not has_output(body) and not may_be_empty(reasons):
        raise _malformed("the response has no output", body)


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
        raise_if_unparsed(error)
        raise


def raise_if_unparsed(error: Exception) -> None:
    """Raise a ``MalformedResponseError`` for an error of an SDK whose parser cannot read a response."""
    if classify(error) is Fault.MALFORMED_RESPONSE:
        raise MalformedResponseError(f"the SDK cannot parse the response: {error!r}") from error


def read_body(response: Mapping[str, Any]) -> dict[str, Any]:
    """Read the body of an InvokeModel response to its end, and parse it."""
    body = response["body"]
    try:
        raw: bytes = body.read()
    except Exception as error:
        raise_if_broken(error)
        raise
    finally:
        close: Callable[[], object] | None = getattr(body, "close", None)
        if close is not None:
            close()
    return parse_object(raw)


def raise_if_broken(error: Exception) -> None:
    """Raise a ``ConnectionError`` for a connection that broke while a body was read."""
    # Before a response begins, errors such as SSLError mean "never reached". This one has begun, and is billed.
    if classify(error) is Fault.CONNECTION_FAILED:
        raise ConnectionError(f"the connection broke while the response was read: {error}") from error


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


def dig(value: object, *keys: str) -> object:
    """Return the value under nested keys, or None if one of them is missing."""
    for key in keys:
        value = cast("Mapping[str, object]", value).get(key) if isinstance(value, Mapping) else None
    return value


def error_in(body: Mapping[str, Any]) -> StreamEventError | None:
    """Return the error that a body or an event reports in place of output, and None if it reports none."""
    inner: object = body.get("error") or body.get("Error")
    fields = as_mapping(inner) or body
    message = inner if isinstance(inner, str) else fields.get("message", fields.get("Message"))
    places = (fields, body) if inner else (body,)
    given: list[object] = [place.get(key) for place in places for key in _CODE_FIELDS]
    given += values_at(body, "ResponseMetadata.HTTPHeaders.x-amzn-errortype")
    codes = [str(code) for code in given if isinstance(code, (str, int)) and code not in {"", "error"}]
    errors = [StreamEventError({"Error": {"Code": code, "Message": message}}) for code in codes]
    known = next((error for error in errors if classify(error) is not Fault.UNKNOWN), None)
    if known is not None or not inner:
        return known
    return errors[0] if errors else StreamEventError({"Error": {"Code": None, "Message": message}})


# Where services put the code of an error: OpenAI and vLLM, Anthropic, AWS, others.
_CODE_FIELDS: Final = ("code", "Code", "type", "__type", "status")


def _malformed(problem: str, response: object) -> MalformedResponseError:
    error = error_in(as_mapping(response))
    if error is None:
        return MalformedResponseError(problem, response)
    fault = classify(error)
    known = Fault.MALFORMED_RESPONSE if fault is Fault.UNKNOWN else fault
    return MalformedResponseError(f"{problem}, but an error: {error}", response, known)
