"""Every way in which a call to Bedrock fails: how to provoke it on the emulator, and what is right then.

What is right is written out here, row by row, and not asked of ``Fault``: the table would otherwise agree with itself.
Attempts are those of a policy with three retries and ``retry_on="transient"``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from bedrock_resilience._fault import Fault

if TYPE_CHECKING:
    from collections.abc import Mapping

Call: TypeAlias = Literal["converse", "invoke_model", "converse_stream", "invoke_model_stream"]

ALL_ATTEMPTS: Final = 4


class Means(Enum):
    """What a caller should do, as (retryable, slows everyone, ends the run)."""

    RETRY = (True, False, False)
    SLOW_AND_RETRY = (True, True, False)
    FAIL_THE_ITEM = (False, False, False)
    END_THE_RUN = (False, False, True)


class Setting(Enum):
    """Where the client stands."""

    NORMAL = "a client that can reach the emulator"
    IMPATIENT = "the same with a short read timeout"
    UNREACHABLE = "a client of a port on which nobody listens"
    WITHOUT_CREDENTIALS = "a client without credentials"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One way to fail, and what is right.

    Attributes:
        name: The row's name.
        call: The operation of ``BedrockRuntime``.
        error: What the emulator is told to do, as for ``fail_next``; None where it has no part in it.
        details: The details of that.
        setting: Where the client stands.
        changes: Changes of the request.
        faults: What ``classify`` may say; more than one where boto3's versions see different things.
        means: What that should mean.
        attempts: Requests that ``BedrockRuntime`` should try to send.
        arrives: Whether they reach the emulator.
        delivered: Whether something is delivered before it fails, so that the failure must carry it.
    """

    name: str
    call: Call = "converse"
    error: str | int | None = None
    details: Mapping[str, Any] = field(default_factory=dict[str, Any])
    setting: Setting = Setting.NORMAL
    changes: Mapping[str, Any] = field(default_factory=dict[str, Any])
    faults: frozenset[Fault]
    means: Means
    attempts: int
    arrives: bool = True
    delivered: bool = False


def _case(  # noqa: PLR0913 - a row of a table
    name: str,
    fault: Fault,
    means: Means,
    attempts: int,
    error: str | int | None,
    *,
    call: Call = "converse",
    or_fault: Fault | None = None,
    setting: Setting = Setting.NORMAL,
    changes: Mapping[str, Any] | None = None,
    arrives: bool = True,
    delivered: bool = False,
    **details: Any,  # noqa: ANN401 - the fields of any kind of failure
) -> Case:
    return Case(
        name=name,
        call=call,
        error=error,
        details=details,
        setting=setting,
        changes=changes or {},
        faults=frozenset({fault, or_fault or fault}),
        means=means,
        attempts=attempts,
        arrives=arrives,
        delivered=delivered,
    )


_JSON = "application/json"

_ERRORS: Final = (
    _case("ThrottlingException 429", Fault.THROTTLING, Means.SLOW_AND_RETRY, ALL_ATTEMPTS, "ThrottlingException"),
    _case("429 without a code", Fault.THROTTLING, Means.SLOW_AND_RETRY, ALL_ATTEMPTS, 429),
    _case(
        "429 whose body is a JSON list",
        Fault.THROTTLING,
        Means.SLOW_AND_RETRY,
        ALL_ATTEMPTS,
        "foreign-body",
        body=b"[]",
        content_type=_JSON,
        status=429,
    ),
    _case("tokens per day spent, 429", Fault.TOKENS_PER_DAY, Means.END_THE_RUN, 1, "tokens-per-day"),
    _case("ModelNotReadyException 429", Fault.MODEL_NOT_READY, Means.RETRY, ALL_ATTEMPTS, "ModelNotReadyException"),
    _case(
        "ServiceUnavailableException 503",
        Fault.SERVICE_UNAVAILABLE,
        Means.SLOW_AND_RETRY,
        ALL_ATTEMPTS,
        "ServiceUnavailableException",
    ),
    _case("503 without a code", Fault.SERVICE_UNAVAILABLE, Means.SLOW_AND_RETRY, ALL_ATTEMPTS, 503),
    _case("overloaded 529", Fault.OVERLOADED, Means.SLOW_AND_RETRY, ALL_ATTEMPTS, 529),
    _case("InternalServerException 500", Fault.INTERNAL_SERVER, Means.RETRY, ALL_ATTEMPTS, "InternalServerException"),
    _case("502", Fault.BAD_GATEWAY, Means.RETRY, ALL_ATTEMPTS, 502),
    _case("504", Fault.GATEWAY_TIMEOUT, Means.RETRY, ALL_ATTEMPTS, 504),
    _case("RequestTimeout 408", Fault.REQUEST_TIMEOUT, Means.RETRY, 2, "RequestTimeout"),
    _case("ModelTimeoutException 408", Fault.MODEL_TIMEOUT, Means.RETRY, 2, "ModelTimeoutException"),
    _case("ModelErrorException 424", Fault.MODEL_ERROR, Means.RETRY, 2, "ModelErrorException"),
    _case(
        "ModelStreamErrorException 424",
        Fault.MODEL_STREAM_ERROR,
        Means.RETRY,
        2,
        "ModelStreamErrorException",
        call="invoke_model_stream",
    ),
    _case("ValidationException 400", Fault.VALIDATION, Means.FAIL_THE_ITEM, 1, "ValidationException"),
    _case("ConflictException 409", Fault.CONFLICT, Means.FAIL_THE_ITEM, 1, "ConflictException"),
    _case(
        "ValidationException 400, wrong model id",
        Fault.NOT_FOUND,
        Means.END_THE_RUN,
        1,
        "ValidationException",
        message="The provided model identifier is invalid.",
    ),
    _case("ResourceNotFoundException 404", Fault.NOT_FOUND, Means.END_THE_RUN, 1, "ResourceNotFoundException"),
    _case("AccessDeniedException 403", Fault.ACCESS_DENIED, Means.END_THE_RUN, 1, "AccessDeniedException"),
    _case("MPAgreementBeingCreated 403", Fault.ACCESS_DENIED, Means.END_THE_RUN, 1, "MPAgreementBeingCreated"),
    _case("FTUFormNotFilled 404", Fault.ACCESS_DENIED, Means.END_THE_RUN, 1, "FTUFormNotFilled"),
    _case("ExpiredTokenException 403", Fault.CREDENTIALS, Means.END_THE_RUN, 1, "ExpiredTokenException"),
    _case("UnrecognizedClientException 403", Fault.CREDENTIALS, Means.END_THE_RUN, 1, "UnrecognizedClientException"),
    _case(
        "ServiceQuotaExceededException 400",
        Fault.SERVICE_QUOTA,
        Means.END_THE_RUN,
        1,
        "ServiceQuotaExceededException",
        call="invoke_model",
    ),
)

_NEVER_SENT: Final = (
    _case(
        "connection refused",
        Fault.CONNECTION_FAILED,
        Means.RETRY,
        ALL_ATTEMPTS,
        None,
        setting=Setting.UNREACHABLE,
        arrives=False,
    ),
    _case(
        "no credentials",
        Fault.CREDENTIALS,
        Means.END_THE_RUN,
        1,
        None,
        setting=Setting.WITHOUT_CREDENTIALS,
        arrives=False,
    ),
    _case(
        "a parameter of the wrong type",
        Fault.VALIDATION,
        Means.FAIL_THE_ITEM,
        1,
        None,
        changes={"messages": "Hello"},
        arrives=False,
    ),
)

_TRANSPORT: Final = (
    _case("no byte for the read timeout", Fault.READ_TIMEOUT, Means.RETRY, 2, "hang", setting=Setting.IMPATIENT),
    _case(
        "no byte for the read timeout",
        Fault.READ_TIMEOUT,
        Means.RETRY,
        2,
        "hang",
        setting=Setting.IMPATIENT,
        call="invoke_model",
    ),
    _case("connection reset", Fault.CONNECTION_LOST, Means.RETRY, 2, "connection-reset"),
    # botocore 1.43.11 compares the body with its Content-Length, 1.44 takes what there is.
    _case("200 cut off", Fault.MALFORMED_RESPONSE, Means.RETRY, 2, "cut-body", or_fault=Fault.CONNECTION_LOST),
    _case("200 cut off", Fault.CONNECTION_LOST, Means.RETRY, 2, "cut-body", call="invoke_model"),
)

_ANSWERS: Final = (
    _case("200 with the HTML of a proxy", Fault.MALFORMED_RESPONSE, Means.RETRY, 2, "foreign-body"),
    _case(
        "200 with the HTML of a proxy", Fault.MALFORMED_RESPONSE, Means.RETRY, 2, "foreign-body", call="invoke_model"
    ),
    _case("200 with no body", Fault.MALFORMED_RESPONSE, Means.RETRY, 2, "foreign-body", body=b"", content_type=_JSON),
    _case(
        "200 with a JSON list", Fault.MALFORMED_RESPONSE, Means.RETRY, 2, "foreign-body", body=b"[]", content_type=_JSON
    ),
    _case(
        "200 without output", Fault.MALFORMED_RESPONSE, Means.RETRY, 2, "foreign-body", body=b"{}", content_type=_JSON
    ),
    _case(
        "answer cut at max_tokens",
        Fault.INCOMPLETE_RESPONSE,
        Means.FAIL_THE_ITEM,
        1,
        None,
        changes={"inferenceConfig": {"maxTokens": 1}},
    ),
    _case(
        "answer cut at max_tokens",
        Fault.INCOMPLETE_RESPONSE,
        Means.FAIL_THE_ITEM,
        1,
        None,
        call="invoke_model",
        changes={"max_tokens": 1},
    ),
)

_UNMODELLED: Final = (
    # ConverseStream does not model this exception inside a stream: botocore then leaves its code empty.
    _case(
        "modelTimeoutException in a stream, before any text",
        Fault.STREAM_INTERRUPTED,
        Means.RETRY,
        2,
        "stream-exception",
        call="converse_stream",
        exception="modelTimeoutException",
        after=0,
    ),
    _case(
        "modelTimeoutException in a stream, before any text",
        Fault.MODEL_TIMEOUT,
        Means.RETRY,
        2,
        "stream-exception",
        call="invoke_model_stream",
        exception="modelTimeoutException",
        after=0,
    ),
)

# In both kinds of stream one event opens the message (two for Claude's), and text follows.
_BEFORE, _AFTER = 0, 4

_STREAMS: Final = tuple(
    case
    for call in ("converse_stream", "invoke_model_stream")
    for case in (
        _case(
            "throttlingException in a stream, before any text",
            Fault.THROTTLING,
            Means.SLOW_AND_RETRY,
            ALL_ATTEMPTS,
            "stream-exception",
            call=call,
            after=_BEFORE,
        ),
        _case(
            "throttlingException in a stream, after text",
            Fault.THROTTLING,
            Means.SLOW_AND_RETRY,
            1,
            "stream-exception",
            call=call,
            after=_AFTER,
            delivered=True,
        ),
        _case(
            "modelStreamErrorException in a stream, before any text",
            Fault.MODEL_STREAM_ERROR,
            Means.RETRY,
            2,
            "stream-exception",
            call=call,
            exception="modelStreamErrorException",
            after=_BEFORE,
        ),
        _case(
            "error frame, before any text",
            Fault.INTERNAL_SERVER,
            Means.RETRY,
            ALL_ATTEMPTS,
            "stream-error",
            call=call,
            after=_BEFORE,
        ),
        _case(
            "stream cut, before any text",
            Fault.STREAM_INTERRUPTED,
            Means.RETRY,
            2,
            "stream-cut",
            call=call,
            after=_BEFORE,
        ),
        _case(
            "stream cut, after text",
            Fault.STREAM_INTERRUPTED,
            Means.RETRY,
            1,
            "stream-cut",
            call=call,
            after=_AFTER,
            delivered=True,
        ),
        _case(
            "damaged frame, after text",
            Fault.STREAM_INTERRUPTED,
            Means.RETRY,
            1,
            "stream-damage",
            call=call,
            after=_AFTER,
            delivered=True,
        ),
        _case(
            "stream stalls, after text",
            Fault.READ_TIMEOUT,
            Means.RETRY,
            1,
            "stream-stall",
            call=call,
            setting=Setting.IMPATIENT,
            after=_AFTER,
            delivered=True,
        ),
        _case(
            "stream ends without its last event",
            Fault.STREAM_INTERRUPTED,
            Means.RETRY,
            1,
            "stream-without-stop",
            call=call,
            after=_AFTER,
            delivered=True,
        ),
        _case("stream with the HTML of a proxy", Fault.STREAM_INTERRUPTED, Means.RETRY, 2, "foreign-body", call=call),
        _case(
            "stream cut at max_tokens",
            Fault.INCOMPLETE_RESPONSE,
            Means.FAIL_THE_ITEM,
            1,
            None,
            call=call,
            changes={"inferenceConfig": {"maxTokens": 1}} if call == "converse_stream" else {"max_tokens": 1},
        ),
    )
)

CASES: Final[tuple[Case, ...]] = (*_ERRORS, *_NEVER_SENT, *_TRANSPORT, *_ANSWERS, *_UNMODELLED, *_STREAMS)
"""All rows of the table."""
