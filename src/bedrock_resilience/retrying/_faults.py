"""Fault: what went wrong with a call, and what that means. ``classify`` reads it off an exception.

No AWS library is imported: exceptions are told by their codes, their HTTP status and the names of their classes. So
this works in a Lambda without boto3, for errors of any version of it, and for exceptions made up in a test.

Sources: the botocore service model of bedrock-runtime (its exceptions and their statuses), "Troubleshooting Amazon
Bedrock API error codes" (AWS), and measurements of what boto3 1.43 and 1.44 raise for each row.
"""

from __future__ import annotations

import math

from bedrock_resilience._fault import Fault

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any


def _by_word(table: Mapping[Fault, str]) -> dict[str, Fault]:
    # mutmut selects a mutant after this module is imported, which is when this function runs.
    pairs = ((word, fault) for fault, words in table.items() for word in words.split())
    return {word.lower(): fault for word, fault in pairs}  # pragma: no mutate - it runs at import


# Error codes, in any spelling: streams write them in lower camel case (throttlingException), and those in snake case
# are Anthropic's own ("Errors", Claude API), which stand in the events of a Claude model's stream.
_BY_CODE = _by_word(
    {
        # The throttling codes of all AWS services are here, so that the policy serves calls other than Bedrock's too.
        Fault.THROTTLING: "ThrottlingException Throttling ThrottledException RequestThrottled "
        "RequestThrottledException TooManyRequests TooManyRequestsException ProvisionedThroughputExceededException "
        "RequestLimitExceeded BandwidthLimitExceeded LimitExceededException SlowDown PriorRequestNotComplete "
        "EC2ThrottledException TransactionInProgressException rate_limit_error",
        Fault.MODEL_NOT_READY: "ModelNotReadyException",
        Fault.SERVICE_UNAVAILABLE: "ServiceUnavailableException ServiceUnavailable",
        Fault.OVERLOADED: "overloaded_error OverloadedError OverloadedException",
        Fault.INTERNAL_SERVER: "InternalServerException InternalServerError InternalFailure InternalError api_error",
        Fault.BAD_GATEWAY: "BadGateway",
        Fault.GATEWAY_TIMEOUT: "GatewayTimeout timeout_error",
        Fault.REQUEST_TIMEOUT: "RequestTimeout RequestTimeoutException",
        Fault.MODEL_TIMEOUT: "ModelTimeoutException",
        Fault.MODEL_ERROR: "ModelErrorException",
        Fault.MODEL_STREAM_ERROR: "ModelStreamErrorException",
        Fault.VALIDATION: "ValidationException ValidationError invalid_request_error request_too_large",
        Fault.CONFLICT: "ConflictException",
        Fault.ACCESS_DENIED: "AccessDeniedException AccessDenied UnauthorizedOperation FTUFormNotFilled "
        "MPAgreementBeingCreated OptInRequired permission_error",
        Fault.NOT_FOUND: "ResourceNotFoundException ResourceNotFound not_found_error",
        Fault.CREDENTIALS: "ExpiredToken ExpiredTokenException UnrecognizedClientException InvalidClientTokenId "
        "InvalidSignatureException SignatureDoesNotMatch IncompleteSignature MissingAuthenticationToken "
        "MissingAuthenticationTokenException InvalidAccessKeyId RequestExpired NotAuthorized InvalidIdentityToken "
        "authentication_error",
        Fault.SERVICE_QUOTA: "ServiceQuotaExceededException billing_error",
    }
)

_BY_STATUS = {
    400: Fault.VALIDATION,
    401: Fault.CREDENTIALS,
    403: Fault.ACCESS_DENIED,
    404: Fault.NOT_FOUND,
    408: Fault.REQUEST_TIMEOUT,
    409: Fault.CONFLICT,
    424: Fault.MODEL_ERROR,
    429: Fault.THROTTLING,
    500: Fault.INTERNAL_SERVER,
    502: Fault.BAD_GATEWAY,
    503: Fault.SERVICE_UNAVAILABLE,
    504: Fault.GATEWAY_TIMEOUT,
    509: Fault.THROTTLING,  # "Bandwidth Limit Exceeded", as botocore's legacy mode reads it
    529: Fault.OVERLOADED,
}
_BY_HUNDRED = {4: Fault.VALIDATION, 5: Fault.INTERNAL_SERVER}  # the others of HTTP's client and server errors

# Exceptions without a response, by package and class name; a class is looked up before its bases.
_BY_CLASS = {
    "botocore": _by_word(
        {
            Fault.CONNECTION_FAILED: "ConnectionError EndpointConnectionError ConnectTimeoutError "
            "ProxyConnectionError SSLError",
            Fault.READ_TIMEOUT: "ReadTimeoutError",
            Fault.CONNECTION_LOST: "ConnectionClosedError HTTPClientError ResponseStreamingError IncompleteReadError",
            Fault.STREAM_INTERRUPTED: "EventStreamError ParserError",  # ParserError: of botocore.eventstream
            Fault.MALFORMED_RESPONSE: "ResponseParserError ChecksumError FlexibleChecksumError",
            Fault.CREDENTIALS: "NoCredentialsError PartialCredentialsError CredentialRetrievalError "
            "TokenRetrievalError SSOError LoginError ProfileNotFound NoAuthTokenError MetadataRetrievalError "
            "RefreshWithMFAUnsupportedError UnknownCredentialError InfiniteLoopConfigError UnknownTokenProviderError",
            Fault.VALIDATION: "ParamValidationError ValidationError",
            Fault.CONFIGURATION: "NoRegionError InvalidRegionError InvalidEndpointConfigurationError "
            "EndpointProviderError UnknownServiceError UnknownEndpointError EndpointVariantError "
            "InvalidRetryConfigurationError InvalidProxiesConfigError DataNotFoundError UnknownSignatureVersionError "
            "InvalidConfigError ConfigParseError ConfigNotFound UnknownRegionError InvalidIMDSEndpointError "
            "UnknownFIPSEndpointError ServiceNotInRegionError UnsupportedSignatureVersionError InvalidDefaultsMode "
            "MissingDependencyException",
        }
    ),
    "urllib3": _by_word(
        {
            Fault.READ_TIMEOUT: "ReadTimeoutError",
            Fault.CONNECTION_FAILED: "ConnectTimeoutError NewConnectionError MaxRetryError ProxyError SSLError",
            Fault.STREAM_INTERRUPTED: "ProtocolError IncompleteRead DecodeError InvalidChunkLength",
        }
    ),
    # The body that a function of the caller's own could not read: truncated, or a proxy's HTML.
    "json": _by_word({Fault.MALFORMED_RESPONSE: "JSONDecodeError"}),
    "http": _by_word({Fault.CONNECTION_LOST: "IncompleteRead RemoteDisconnected"}),
    "socket": _by_word({Fault.CONNECTION_FAILED: "gaierror"}),
    "ssl": _by_word({Fault.CONNECTION_FAILED: "SSLError"}),
    "builtins": _by_word(
        {
            Fault.CONNECTION_FAILED: "ConnectionRefusedError",
            Fault.CONNECTION_LOST: "ConnectionError",
            Fault.READ_TIMEOUT: "TimeoutError",
            Fault.CANCELLED: "KeyboardInterrupt SystemExit GeneratorExit",
        }
    ),
    "asyncio": _by_word({Fault.CANCELLED: "CancelledError"}),
    "concurrent": _by_word({Fault.CANCELLED: "CancelledError"}),
}

# What Bedrock's 400 says when the model id, not the item, is at fault. Wording is no contract: where AWS changes it,
# the fault falls back to VALIDATION, and a run with a wrong model id costs one call an item again.
_MODEL_ID_MESSAGES = (
    "model identifier is invalid",
    "model id is invalid",
    "on-demand throughput isn",  # "... isn't supported", with either apostrophe
    "id or arn of an inference profile",
)


def classify(error: BaseException) -> Fault:
    """What went wrong, read off an exception of boto3, botocore, urllib3, an SDK with ``status_code``, or Python.

    An exception that carries a ``Fault`` as its attribute ``fault`` says so itself. Everything unknown is
    ``Fault.UNKNOWN``, which is not retried.
    """
    declared = _asked(error, "fault")
    if isinstance(declared, Fault):
        return declared
    fault = _from_response(_mapping(_asked(error, "response")))
    return fault or _from_class(error) or _from_parser(error) or Fault.UNKNOWN


def error_code(error: BaseException) -> str:
    """The name an operator looks for: the service's error code if there is one, else the class's name."""
    return _code_and_message(_asked(error, "response"))[0] or type(error).__name__


def retry_after(error: BaseException) -> float | None:
    """Seconds that the server asks to wait, or None. Dates are read against the answer's own ``Date`` header.

    ``x-amz-retry-after`` is in milliseconds (botocore 1.44 honours it), ``Retry-After`` in seconds or an HTTP date (no
    mode of botocore honours it; AWS documents it for 529, and Lambda's own 429 carries it). The headers are those of
    botocore's ``ClientError``, or of the response of an SDK built on httpx or requests.
    """
    headers = _headers(error)
    milliseconds = _number(headers.get("x-amz-retry-after"))
    if milliseconds is not None:
        return milliseconds / 1000
    value = headers.get("retry-after")
    seconds = _number(value)
    if seconds is None and value is not None and "date" in headers:
        seconds = _seconds_between(headers["date"], value)
    return seconds


def _from_response(response: Mapping[str, object]) -> Fault | None:
    code, message = _code_and_message(response)
    # A code read off a body by hand may be qualified ("com.amazon#ThrottlingException:http://..."), or in snake case.
    word = code.rpartition("#")[2].partition(":")[0].lower()
    fault = _BY_CODE.get(word) or _BY_CODE.get(word.replace("_", ""))
    if fault is None and code.isdecimal():  # botocore's stand-in where neither header nor body names a code
        fault = _from_status(int(code))
    if fault is None:
        fault = _from_status(_mapping(response.get("ResponseMetadata")).get("HTTPStatusCode"))
    return _read_message(fault, message.lower())


def _from_status(status: object) -> Fault | None:
    if not isinstance(status, int):
        return None
    return _BY_STATUS.get(status) or _BY_HUNDRED.get(status // 100)


def _read_message(fault: Fault | None, message: str) -> Fault | None:
    if fault is Fault.THROTTLING and "per day" in message:
        return Fault.TOKENS_PER_DAY
    if fault is Fault.VALIDATION and any(words in message for words in _MODEL_ID_MESSAGES):
        return Fault.NOT_FOUND
    return fault


def _from_class(error: BaseException) -> Fault | None:
    for cls in type(error).__mro__:
        name = cls.__name__.lower()
        package = _BY_CLASS.get(cls.__module__.partition(".")[0], {})
        fault = package.get(name) or _BY_CODE.get(name)
        if fault is not None:
            return _read_message(fault, message_of(error).lower())
    # The exceptions of SDKs built on httpx have it themselves, those of httpx and requests in their response.
    return _from_status(_asked(error, "status_code")) or _from_status(_asked(_asked(error, "response"), "status_code"))


def _from_parser(error: BaseException) -> Fault | None:
    # botocore's parser takes every body for a JSON object. A foreign one that is a list, a text, null or no UTF-8 makes
    # it raise an AttributeError, a TypeError or the like, and the answer's status is to be had from its frame alone.
    traceback = error.__traceback__
    while traceback is not None:
        frame = traceback.tb_frame
        if frame.f_globals.get("__name__") == "botocore.parsers":
            return _from_unparsed(_mapping(frame.f_locals.get("response")))
        traceback = traceback.tb_next
    return None


def _from_unparsed(response: Mapping[str, object]) -> Fault:
    if ":message-type" in _mapping(response.get("headers")):  # a frame of a stream, whose status is made up
        return Fault.STREAM_INTERRUPTED
    return _from_status(response.get("status_code")) or Fault.MALFORMED_RESPONSE


def _code_and_message(response: object) -> tuple[str, str]:
    error = _mapping(_mapping(response).get("Error"))
    return str(error.get("Code") or ""), str(error.get("Message"))


def _headers(error: BaseException) -> dict[str, str]:
    response = _asked(error, "response")
    metadata = _mapping(_mapping(response).get("ResponseMetadata"))
    headers: Any = metadata.get("HTTPHeaders") or _asked(response, "headers") or {}
    try:
        return {str(name).lower(): str(value) for name, value in dict(headers).items()}
    except (TypeError, ValueError):
        return {}


def message_of(error: BaseException) -> str:
    """What an error says, and nothing where not even that can be asked."""
    try:
        return str(error)
    except Exception:  # noqa: BLE001 - the class is the caller's
        return ""


def _asked(thing: object, name: str) -> Any:  # noqa: ANN401 - any error has any attributes
    # Attributes may be computed, and raise whatever they like: httpx's are such.
    try:
        return getattr(thing, name, None)  # pragma: no mutate - without the None it is the same, and slower
    except Exception:  # noqa: BLE001 - as above
        return None


def _mapping(value: object) -> Mapping[str, object]:
    # Errors come from anywhere, and ``response`` may be anything: httpx's is an object, a test's a Mock.
    return value if isinstance(value, dict) else {}  # pyright: ignore[reportUnknownVariableType]  # its keys are compared only


def _number(text: str | None) -> float | None:
    try:
        number = float(text) if text is not None else None
    except ValueError:
        return None
    return number if number is not None and 0 <= number < math.inf else None


def _seconds_between(earlier: str, later: str) -> float | None:
    from email.utils import parsedate_to_datetime  # noqa: PLC0415 - only a Retry-After given as a date needs it

    try:
        return max(0.0, (parsedate_to_datetime(later) - parsedate_to_datetime(earlier)).total_seconds())
    except (TypeError, ValueError):
        return None
