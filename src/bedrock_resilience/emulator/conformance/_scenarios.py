"""Every way in which a call to Bedrock fails: how to provoke it on the emulator, and what is expected then.

What is expected is written out here, row by row, and not read from ``Fault``: otherwise the table would check the code
against itself. Attempts are those of a policy with three retries and ``retry_on="transient"``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from bedrock_resilience._fault import Fault

if TYPE_CHECKING:
    from collections.abc import Mapping

Call: TypeAlias = Literal["converse", "invoke_model", "converse_stream", "invoke_model_stream"]

_MAX_ATTEMPTS: Final = 4


class Expectation(Enum):
    """What a caller should do: ``Fault.retryable``, ``Fault.backpressure`` and ``Fault.fatal``."""

    RETRY = (True, False, False)
    SLOW_DOWN_AND_RETRY = (True, True, False)
    FAIL_ITEM = (False, False, False)
    END_BATCH = (False, False, True)


class ClientSetup(Enum):
    """The client that makes the call."""

    DEFAULT = "a client of the emulator"
    SHORT_READ_TIMEOUT = "a client of the emulator with a short read timeout"
    UNREACHABLE = "a client of a port on which nothing listens"
    WITHOUT_CREDENTIALS = "a client without credentials"


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureScenario:
    """One way to fail, and what is expected.

    Attributes:
        name: The name of the row.
        call: The operation of ``BedrockRuntime``.
        error: The fault to inject, as for ``BedrockEmulator.fail_next``; None to inject none.
        details: The details of that fault.
        client_setup: The client that makes the call.
        request_changes: Changes of the request.
        faults: The expected faults; more than one if versions of boto3 raise different errors.
        expectation: What these faults should mean.
        attempts: The attempts that ``BedrockRuntime`` should make.
        reaches_service: Whether these attempts reach the emulator.
        delivers_text: Whether text is delivered before the failure, so that the error must carry it.
    """

    name: str
    call: Call = "converse"
    error: str | int | None = None
    details: Mapping[str, Any] = field(default_factory=dict[str, Any])
    client_setup: ClientSetup = ClientSetup.DEFAULT
    request_changes: Mapping[str, Any] = field(default_factory=dict[str, Any])
    faults: frozenset[Fault]
    expectation: Expectation
    attempts: int
    reaches_service: bool = True
    delivers_text: bool = False


def _scenario(  # noqa: PLR0913 - a row of a table
    name: str,
    fault: Fault,
    expectation: Expectation,
    attempts: int,
    error: str | int | None,
    *,
    call: Call = "converse",
    other_fault: Fault | None = None,
    client_setup: ClientSetup = ClientSetup.DEFAULT,
    request_changes: Mapping[str, Any] | None = None,
    reaches_service: bool = True,
    delivers_text: bool = False,
    **details: Any,  # noqa: ANN401 - the fields of any fault
) -> FailureScenario:
    return FailureScenario(
        name=name,
        call=call,
        error=error,
        details=details,
        client_setup=client_setup,
        request_changes=request_changes or {},
        faults=frozenset({fault, other_fault or fault}),
        expectation=expectation,
        attempts=attempts,
        reaches_service=reaches_service,
        delivers_text=delivers_text,
    )


_JSON = "application/json"

_ERRORS: Final = (
    _scenario(
        "ThrottlingException 429",
        Fault.THROTTLING,
        Expectation.SLOW_DOWN_AND_RETRY,
        _MAX_ATTEMPTS,
        "ThrottlingException",
    ),
    _scenario("429 without a code", Fault.THROTTLING, Expectation.SLOW_DOWN_AND_RETRY, _MAX_ATTEMPTS, 429),
    _scenario(
        "429 whose body is a JSON list",
        Fault.THROTTLING,
        Expectation.SLOW_DOWN_AND_RETRY,
        _MAX_ATTEMPTS,
        "unexpected-body",
        body=b"[]",
        content_type=_JSON,
        status=429,
    ),
    _scenario("tokens per day spent, 429", Fault.TOKENS_PER_DAY, Expectation.END_BATCH, 1, "tokens-per-day"),
    _scenario(
        "ModelNotReadyException 429", Fault.MODEL_NOT_READY, Expectation.RETRY, _MAX_ATTEMPTS, "ModelNotReadyException"
    ),
    _scenario(
        "ServiceUnavailableException 503",
        Fault.SERVICE_UNAVAILABLE,
        Expectation.SLOW_DOWN_AND_RETRY,
        _MAX_ATTEMPTS,
        "ServiceUnavailableException",
    ),
    _scenario("503 without a code", Fault.SERVICE_UNAVAILABLE, Expectation.SLOW_DOWN_AND_RETRY, _MAX_ATTEMPTS, 503),
    _scenario("overloaded 529", Fault.OVERLOADED, Expectation.SLOW_DOWN_AND_RETRY, _MAX_ATTEMPTS, 529),
    _scenario(
        "InternalServerException 500",
        Fault.INTERNAL_SERVER,
        Expectation.RETRY,
        _MAX_ATTEMPTS,
        "InternalServerException",
    ),
    _scenario("502", Fault.BAD_GATEWAY, Expectation.RETRY, _MAX_ATTEMPTS, 502),
    _scenario("504", Fault.GATEWAY_TIMEOUT, Expectation.RETRY, _MAX_ATTEMPTS, 504),
    _scenario("RequestTimeout 408", Fault.REQUEST_TIMEOUT, Expectation.RETRY, 2, "RequestTimeout"),
    _scenario("ModelTimeoutException 408", Fault.MODEL_TIMEOUT, Expectation.RETRY, 2, "ModelTimeoutException"),
    _scenario("ModelErrorException 424", Fault.MODEL_ERROR, Expectation.RETRY, 2, "ModelErrorException"),
    _scenario(
        "ModelStreamErrorException 424",
        Fault.MODEL_STREAM_ERROR,
        Expectation.RETRY,
        2,
        "ModelStreamErrorException",
        call="invoke_model_stream",
    ),
    _scenario("ValidationException 400", Fault.VALIDATION, Expectation.FAIL_ITEM, 1, "ValidationException"),
    _scenario("ConflictException 409", Fault.CONFLICT, Expectation.FAIL_ITEM, 1, "ConflictException"),
    _scenario(
        "ValidationException 400, wrong model id",
        Fault.NOT_FOUND,
        Expectation.END_BATCH,
        1,
        "ValidationException",
        message="The provided model identifier is invalid.",
    ),
    _scenario("ResourceNotFoundException 404", Fault.NOT_FOUND, Expectation.END_BATCH, 1, "ResourceNotFoundException"),
    _scenario("AccessDeniedException 403", Fault.ACCESS_DENIED, Expectation.END_BATCH, 1, "AccessDeniedException"),
    _scenario("MPAgreementBeingCreated 403", Fault.ACCESS_DENIED, Expectation.END_BATCH, 1, "MPAgreementBeingCreated"),
    _scenario("FTUFormNotFilled 404", Fault.ACCESS_DENIED, Expectation.END_BATCH, 1, "FTUFormNotFilled"),
    _scenario("ExpiredTokenException 403", Fault.CREDENTIALS, Expectation.END_BATCH, 1, "ExpiredTokenException"),
    _scenario(
        "UnrecognizedClientException 403", Fault.CREDENTIALS, Expectation.END_BATCH, 1, "UnrecognizedClientException"
    ),
    _scenario(
        "ServiceQuotaExceededException 400",
        Fault.SERVICE_QUOTA,
        Expectation.END_BATCH,
        1,
        "ServiceQuotaExceededException",
        call="invoke_model",
    ),
)

_NEVER_SENT: Final = (
    _scenario(
        "connection refused",
        Fault.CONNECTION_FAILED,
        Expectation.RETRY,
        _MAX_ATTEMPTS,
        None,
        client_setup=ClientSetup.UNREACHABLE,
        reaches_service=False,
    ),
    _scenario(
        "no credentials",
        Fault.CREDENTIALS,
        Expectation.END_BATCH,
        1,
        None,
        client_setup=ClientSetup.WITHOUT_CREDENTIALS,
        reaches_service=False,
    ),
    _scenario(
        "a parameter of the wrong type",
        Fault.VALIDATION,
        Expectation.FAIL_ITEM,
        1,
        None,
        request_changes={"messages": "Hello"},
        reaches_service=False,
    ),
)

_TRANSPORT: Final = (
    _scenario(
        "no byte for the read timeout",
        Fault.READ_TIMEOUT,
        Expectation.RETRY,
        2,
        "hang",
        client_setup=ClientSetup.SHORT_READ_TIMEOUT,
    ),
    _scenario(
        "no byte for the read timeout",
        Fault.READ_TIMEOUT,
        Expectation.RETRY,
        2,
        "hang",
        client_setup=ClientSetup.SHORT_READ_TIMEOUT,
        call="invoke_model",
    ),
    _scenario("connection reset", Fault.CONNECTION_LOST, Expectation.RETRY, 2, "connection-reset"),
    # botocore 1.43.11 compares the body with its Content-Length, 1.44 accepts a shorter one.
    _scenario(
        "200 cut off",
        Fault.MALFORMED_RESPONSE,
        Expectation.RETRY,
        2,
        "truncated-body",
        other_fault=Fault.CONNECTION_LOST,
    ),
    _scenario("200 cut off", Fault.CONNECTION_LOST, Expectation.RETRY, 2, "truncated-body", call="invoke_model"),
)

_RESPONSES: Final = (
    _scenario("200 with the HTML of a proxy", Fault.MALFORMED_RESPONSE, Expectation.RETRY, 2, "unexpected-body"),
    _scenario(
        "200 with the HTML of a proxy",
        Fault.MALFORMED_RESPONSE,
        Expectation.RETRY,
        2,
        "unexpected-body",
        call="invoke_model",
    ),
    _scenario(
        "200 with no body",
        Fault.MALFORMED_RESPONSE,
        Expectation.RETRY,
        2,
        "unexpected-body",
        body=b"",
        content_type=_JSON,
    ),
    _scenario(
        "200 with a JSON list",
        Fault.MALFORMED_RESPONSE,
        Expectation.RETRY,
        2,
        "unexpected-body",
        body=b"[]",
        content_type=_JSON,
    ),
    _scenario(
        "200 without output",
        Fault.MALFORMED_RESPONSE,
        Expectation.RETRY,
        2,
        "unexpected-body",
        body=b"{}",
        content_type=_JSON,
    ),
    _scenario(
        "response cut at max_tokens",
        Fault.INCOMPLETE_RESPONSE,
        Expectation.FAIL_ITEM,
        1,
        None,
        request_changes={"inferenceConfig": {"maxTokens": 1}},
    ),
    _scenario(
        "response cut at max_tokens",
        Fault.INCOMPLETE_RESPONSE,
        Expectation.FAIL_ITEM,
        1,
        None,
        call="invoke_model",
        request_changes={"max_tokens": 1},
    ),
)

_UNMODELLED_EXCEPTIONS: Final = (
    # ConverseStream does not model this exception inside a stream: botocore leaves its code empty, and classify reads
    # its name from the frame of the parser.
    _scenario(
        "modelTimeoutException in a stream, before any text",
        Fault.MODEL_TIMEOUT,
        Expectation.RETRY,
        2,
        "stream-exception",
        call="converse_stream",
        exception="modelTimeoutException",
        after=0,
    ),
    _scenario(
        "modelTimeoutException in a stream, before any text",
        Fault.MODEL_TIMEOUT,
        Expectation.RETRY,
        2,
        "stream-exception",
        call="invoke_model_stream",
        exception="modelTimeoutException",
        after=0,
    ),
)

# In both kinds of stream one event starts the message (two in Claude's form), and text follows.
_BEFORE, _AFTER = 0, 4

_STREAMS: Final = tuple(
    scenario
    for call in ("converse_stream", "invoke_model_stream")
    for scenario in (
        _scenario(
            "throttlingException in a stream, before any text",
            Fault.THROTTLING,
            Expectation.SLOW_DOWN_AND_RETRY,
            _MAX_ATTEMPTS,
            "stream-exception",
            call=call,
            after=_BEFORE,
        ),
        _scenario(
            "throttlingException in a stream, after text",
            Fault.THROTTLING,
            Expectation.SLOW_DOWN_AND_RETRY,
            1,
            "stream-exception",
            call=call,
            after=_AFTER,
            delivers_text=True,
        ),
        _scenario(
            "modelStreamErrorException in a stream, before any text",
            Fault.MODEL_STREAM_ERROR,
            Expectation.RETRY,
            2,
            "stream-exception",
            call=call,
            exception="modelStreamErrorException",
            after=_BEFORE,
        ),
        _scenario(
            "error frame, before any text",
            Fault.INTERNAL_SERVER,
            Expectation.RETRY,
            _MAX_ATTEMPTS,
            "stream-error",
            call=call,
            after=_BEFORE,
        ),
        _scenario(
            "stream cut, before any text",
            Fault.STREAM_INTERRUPTED,
            Expectation.RETRY,
            2,
            "stream-cut",
            call=call,
            after=_BEFORE,
        ),
        _scenario(
            "stream cut, after text",
            Fault.STREAM_INTERRUPTED,
            Expectation.RETRY,
            1,
            "stream-cut",
            call=call,
            after=_AFTER,
            delivers_text=True,
        ),
        _scenario(
            "damaged frame, after text",
            Fault.STREAM_INTERRUPTED,
            Expectation.RETRY,
            1,
            "stream-corruption",
            call=call,
            after=_AFTER,
            delivers_text=True,
        ),
        _scenario(
            "stream stalls, after text",
            Fault.READ_TIMEOUT,
            Expectation.RETRY,
            1,
            "stream-stall",
            call=call,
            client_setup=ClientSetup.SHORT_READ_TIMEOUT,
            after=_AFTER,
            delivers_text=True,
        ),
        _scenario(
            "stream ends without its last event",
            Fault.STREAM_INTERRUPTED,
            Expectation.RETRY,
            1,
            "stream-without-stop",
            call=call,
            after=_AFTER,
            delivers_text=True,
        ),
        _scenario(
            "stream with the HTML of a proxy",
            Fault.STREAM_INTERRUPTED,
            Expectation.RETRY,
            2,
            "unexpected-body",
            call=call,
        ),
        _scenario(
            "stream cut at max_tokens",
            Fault.INCOMPLETE_RESPONSE,
            Expectation.FAIL_ITEM,
            1,
            None,
            call=call,
            request_changes={"inferenceConfig": {"maxTokens": 1}} if call == "converse_stream" else {"max_tokens": 1},
        ),
    )
)

FAILURE_SCENARIOS: Final[tuple[FailureScenario, ...]] = (
    *_ERRORS,
    *_NEVER_SENT,
    *_TRANSPORT,
    *_RESPONSES,
    *_UNMODELLED_EXCEPTIONS,
    *_STREAMS,
)
"""All rows of the table."""
