"""Errors to test with: the exception that boto3 raises for each kind of failure.

With botocore installed, these are its own exceptions with the contents of real ones, as measured on the wire. Without
it, they are stand-ins of the same names with the same ``.response``, which ``classify`` treats alike.
"""

from __future__ import annotations

from difflib import get_close_matches
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from bedrock_resilience._checks import instance, number, refusal, refuse, whole_number, wrong_value
from bedrock_resilience._errors import IncompleteResponseError, MalformedResponseError, RejectedResultError
from bedrock_resilience._fault import Fault

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_ENDPOINT: Final = "https://bedrock-runtime.eu-west-3.amazonaws.com/"
_REQUEST_ID: Final = "00000000-0000-4000-8000-000000000000"

# Error code: its HTTP status, and a message of the service with it.
_KNOWN: Final[Mapping[str, tuple[int, str]]] = {
    "ThrottlingException": (429, "Too many requests, please wait before trying again."),
    "ModelNotReadyException": (429, "The model is not ready for inference. Wait and try again."),
    "ServiceUnavailableException": (503, "Bedrock is unable to process your request."),
    "overloaded_error": (529, "Overloaded"),
    "InternalServerException": (500, "An internal server error occurred. Retry your request."),
    "502": (502, "Bad Gateway"),
    "504": (504, "Gateway Timeout"),
    "RequestTimeout": (408, "The request took too long."),
    "ModelTimeoutException": (408, "The request took too long to process."),
    "ModelErrorException": (424, "The request failed due to an error while processing the model."),
    "ModelStreamErrorException": (424, "An error occurred while streaming the response."),
    "ValidationException": (400, "Malformed input request, please reformat your input and try again."),
    "ConflictException": (409, "Error occurred because of a conflict while performing an operation."),
    "AccessDeniedException": (403, "You don't have access to the model with the specified model ID."),
    "ResourceNotFoundException": (404, "Could not resolve the foundation model from the provided model identifier."),
    "ExpiredTokenException": (403, "The security token included in the request is expired"),
    "ServiceQuotaExceededException": (400, "Your request exceeds the service quota for your account."),
}
# For these botocore sets MaxAttemptsReached, even if it is configured to make one attempt.
_RETRIED_BY_BOTOCORE: Final = frozenset({429, 500, 502, 503, 504})


def bedrock_error(
    code: str,
    status: int | None = None,
    message: str | None = None,
    *,
    operation: str = "Converse",
    headers: Mapping[str, str] | None = None,
) -> Exception:
    """Return the ``ClientError`` that boto3 raises for a response with this error code.

    Args:
        code: The error code, such as ``"ThrottlingException"``.
        status: The HTTP status; None: that of the code. A code that is not a common one needs one.
        message: The message of the service; None: one that belongs to the code.
        operation: The operation that was called.
        headers: Further headers of the response, such as ``{"retry-after": "5"}``.

    Raises:
        TypeError: ``code`` or ``message`` is not a string, or ``status`` is not a whole number.
        ValueError: The code is not a common one, and no status is given.
    """
    refuse(
        "bedrock_error",
        instance("code", code, str, "a string, such as 'ThrottlingException', before the status"),
        whole_number("status", status, least=100, most=999, optional=True),
        instance("message", message, str, "a string, or None", optional=True),
    )
    if status is None and code not in _KNOWN:
        similar = get_close_matches(code, _KNOWN, n=1)
        known = repr(similar[0]) if similar else "a common code, such as 'ThrottlingException'"
        refuse("bedrock_error", wrong_value("code", code, f"{known}; any other code with its status"))
    known_status, known_message = _KNOWN.get(code, (400, "The request failed."))
    status = known_status if status is None else status
    message = known_message if message is None else message
    metadata: dict[str, Any] = {
        "RequestId": _REQUEST_ID,
        "HTTPStatusCode": status,
        "HTTPHeaders": {
            "content-type": "application/json",
            "x-amzn-requestid": _REQUEST_ID,
            "x-amzn-errortype": code,
            **({name.lower(): value for name, value in headers.items()} if headers is not None else {}),
        },
        "RetryAttempts": 0,
    }
    if status in _RETRIED_BY_BOTOCORE:
        metadata["MaxAttemptsReached"] = True
    response = {"Error": {"Message": message, "Code": code}, "ResponseMetadata": metadata, "message": message}
    return error_class(code)(response, operation)


def throttling_error(
    message: str | None = None, *, operation: str = "Converse", retry_after: float | None = None
) -> Exception:
    """Return a 429 ThrottlingException; ``retry_after`` is its Retry-After header, in seconds.

    Raises:
        TypeError: ``message`` is not a string, or ``retry_after`` is not a number.
        ValueError: ``retry_after`` is negative or not finite.
    """
    refuse(
        "throttling_error",
        instance("message", message, str, "a string, or None; throttling_errors(2) makes two errors", optional=True),
        number("retry_after", retry_after, least=0, optional=True, unit="seconds"),
    )
    headers = None if retry_after is None else {"retry-after": f"{retry_after:g}"}
    return bedrock_error("ThrottlingException", message=message, operation=operation, headers=headers)


def throttling_errors(n: int) -> list[Exception]:
    """Return ``n`` new throttling errors for a script: ``scripted(*throttling_errors(2), "done")``.

    Raises:
        TypeError: ``n`` is not a whole number.
        ValueError: ``n`` is negative.
    """
    refuse("throttling_errors", whole_number("n", n, least=0))
    return [throttling_error() for _ in range(n)]


def tokens_per_day_error() -> Exception:
    """Return a 429 ThrottlingException that no retry helps against: the tokens of the day are used up."""
    return throttling_error("Too many tokens per day, please wait before trying again.")


def validation_error(message: str | None = None, *, operation: str = "Converse") -> Exception:
    """Return a 400 ValidationException: the request is invalid."""
    return bedrock_error("ValidationException", message=message, operation=operation)


def access_denied() -> Exception:
    """Return a 403 AccessDeniedException, with which every item of a batch fails."""
    return bedrock_error("AccessDeniedException")


def read_timeout() -> Exception:
    """Return botocore's ReadTimeoutError: no response came, but the generation ran and is billed."""
    return _botocore("ReadTimeoutError", 'Read timeout on endpoint URL: "{endpoint_url}"', endpoint_url=_ENDPOINT)


def connection_failed() -> Exception:
    """Return botocore's EndpointConnectionError: the service was not reached."""
    return _botocore(
        "EndpointConnectionError", 'Could not connect to the endpoint URL: "{endpoint_url}"', endpoint_url=_ENDPOINT
    )


def connection_lost() -> Exception:
    """Return botocore's ConnectionClosedError: the request was sent, and no response came."""
    return _botocore(
        "ConnectionClosedError",
        'Connection was closed before we received a valid response from endpoint URL: "{endpoint_url}".',
        endpoint_url=_ENDPOINT,
    )


def no_credentials() -> Exception:
    """Return botocore's NoCredentialsError: the request cannot be signed."""
    return _botocore("NoCredentialsError", "Unable to locate credentials")


def no_region() -> Exception:
    """Return botocore's NoRegionError: the client cannot be made."""
    return _botocore("NoRegionError", "You must specify a region.")


def stream_error(code: str = "throttlingException", message: str = "Too many requests.") -> Exception:
    """Return botocore's EventStreamError: an exception event in a stream, with its code in lower camel case."""
    response = {"Error": {"Code": code, "Message": message}}
    error: Exception = _error_type("EventStreamError")(response, "ConverseStream")
    return error


def stream_cut() -> Exception:
    """Return urllib3's ProtocolError, which boto3 passes on if the connection of a stream breaks."""
    message = "Connection broken: InvalidChunkLength(got length b'', 0 bytes read)"
    error: Exception = _class("urllib3.exceptions", "ProtocolError")(message)
    return error


def malformed_response() -> Exception:
    """Return the error of this package for a success without a usable body."""
    return MalformedResponseError("the response has no output message with content", {})


def incomplete_response(stop_reason: str = "max_tokens") -> Exception:
    """Return the error of this package for a response whose stop reason says that it is incomplete."""
    return IncompleteResponseError(stop_reason, {})


def error_of(fault: Fault) -> Exception:
    """Return a new exception with this fault: ``classify(error_of(fault)) is fault``.

    Raises:
        TypeError: It is not a ``Fault``.
        ValueError: ``Fault.CANCELLED``, which is not a failure of a call.
    """
    refuse("error_of", instance("fault", fault, Fault, "a Fault, such as Fault.THROTTLING"))
    make = _MAKERS.get(fault)
    if make is None:
        raise refusal("error_of", wrong_value("fault", fault, "any other Fault: this one is not a failure"))
    return make()


def _coded(code: str) -> Callable[[], Exception]:
    return lambda: bedrock_error(code)


_MAKERS: Final[Mapping[Fault, Callable[[], Exception]]] = {
    Fault.THROTTLING: throttling_error,
    Fault.TOKENS_PER_DAY: tokens_per_day_error,
    Fault.MODEL_NOT_READY: _coded("ModelNotReadyException"),
    Fault.SERVICE_UNAVAILABLE: _coded("ServiceUnavailableException"),
    Fault.OVERLOADED: _coded("overloaded_error"),
    Fault.INTERNAL_SERVER: _coded("InternalServerException"),
    Fault.BAD_GATEWAY: _coded("502"),
    Fault.GATEWAY_TIMEOUT: _coded("504"),
    Fault.REQUEST_TIMEOUT: _coded("RequestTimeout"),
    Fault.MODEL_TIMEOUT: _coded("ModelTimeoutException"),
    Fault.MODEL_ERROR: _coded("ModelErrorException"),
    Fault.MODEL_STREAM_ERROR: _coded("ModelStreamErrorException"),
    Fault.READ_TIMEOUT: read_timeout,
    Fault.CONNECTION_FAILED: connection_failed,
    Fault.CONNECTION_LOST: connection_lost,
    Fault.STREAM_INTERRUPTED: stream_cut,
    Fault.MALFORMED_RESPONSE: malformed_response,
    Fault.INCOMPLETE_RESPONSE: incomplete_response,
    Fault.REJECTED_RESULT: lambda: RejectedResultError(None),
    Fault.VALIDATION: validation_error,
    Fault.CONFLICT: _coded("ConflictException"),
    Fault.ACCESS_DENIED: access_denied,
    Fault.NOT_FOUND: _coded("ResourceNotFoundException"),
    Fault.CREDENTIALS: _coded("ExpiredTokenException"),
    Fault.SERVICE_QUOTA: _coded("ServiceQuotaExceededException"),
    Fault.CONFIGURATION: no_region,
    Fault.UNKNOWN: lambda: RuntimeError("a programming error"),
}


@cache
def error_class(code: str) -> type[Exception]:
    """Return the class that a client raises for this code, as in ``client.exceptions``.

    boto3 makes a class for each code in the model of the service; any other code is a plain ``ClientError``.
    """
    base: type[Exception] = _error_type("ClientError")
    if code not in _KNOWN or not code.endswith("Exception"):
        return base
    return type(code, (base,), {"__module__": "botocore.errorfactory"})


@cache
def _error_type(name: str) -> Any:  # noqa: ANN401 - botocore's class, or one of the same name
    """Return ``ClientError``, or another class with its constructor."""
    found = _class("botocore.exceptions", name)
    if found.__init__ is not Exception.__init__:
        return found
    members = {"__init__": _init_client_error, "__module__": "botocore.exceptions"}
    return type(name, (Exception,), members)


def check_parameters(operation: str, parameters: Mapping[str, object]) -> None:
    """Check the parameters of an operation against the model of the service, as boto3 does before it sends a request.

    Without botocore, nothing is checked.

    Raises:
        ParamValidationError: A parameter is unknown, missing, or of the wrong type; botocore's own exception.
    """
    shape = input_shapes().get(operation)
    if shape is not None:
        report = import_module("botocore.validate").ParamValidator().validate(parameters, shape)
        if report.has_errors():
            raise _class("botocore.exceptions", "ParamValidationError")(report=report.generate_report())


@cache
def input_shapes() -> Mapping[str, Any]:
    """Return the parameters of each operation, as the installed botocore describes them."""
    try:
        loaders, model = import_module("botocore.loaders"), import_module("botocore.model")
    except ImportError:
        return {}
    described = loaders.Loader().load_service_model("bedrock-runtime", "service-2")
    service = model.ServiceModel(described, "bedrock-runtime")
    return {name: service.operation_model(name).input_shape for name in service.operation_names}


def _init_client_error(self: Any, response: Mapping[str, Any], operation: str) -> None:  # noqa: ANN401 - see above
    message = "An error occurred ({Code}) when calling the {operation} operation: {Message}"
    Exception.__init__(self, message.format(operation=operation, **response["Error"]))
    self.response = response
    self.operation_name = operation


def _botocore(name: str, message: str, **fields: str) -> Exception:
    found = _class("botocore.exceptions", name)
    error: Exception = found(**fields) if found.__init__ is not Exception.__init__ else found(message.format(**fields))
    return error


@cache
def _class(module: str, name: str) -> Any:  # noqa: ANN401 - the library's class, or one of the same name
    try:
        return getattr(import_module(module), name)
    except ImportError:
        return type(name, (Exception,), {"__module__": module})
