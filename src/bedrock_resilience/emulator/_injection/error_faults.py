"""Errors in place of a response, and all faults by name."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from bedrock_resilience._checks import Problem, instance, number, refuse, whole_number, wrong_type, wrong_value
from bedrock_resilience.emulator._http.replies import Reply, error_reply
from bedrock_resilience.emulator._injection.injected_fault import InjectedFault
from bedrock_resilience.emulator._injection.stream_faults import RESPONSE_FAULTS, STREAM_EXCEPTIONS
from bedrock_resilience.emulator._protocol.errors import ERRORS, STATUS_MESSAGES, TOO_MANY_TOKENS_PER_DAY, ServiceError
from bedrock_resilience.emulator._protocol.jsonvalues import as_object

if TYPE_CHECKING:
    from bedrock_resilience.emulator._injection.injected_fault import MakeReply


@dataclass(frozen=True, slots=True)
class ErrorResponse(InjectedFault):
    """An error in place of a response.

    Attributes:
        code: The error's code; None for a response without one, as of a proxy.
        status: The HTTP status; by default that of the code.
        message: The message; by default that of the code.
        headers: Further headers.
        members: Further members of the body, such as ``originalStatusCode``.
        retry_after: Seconds for a Retry-After header.
        delay: Seconds before the response.
    """

    code: str | None = "ThrottlingException"
    status: int | None = None
    message: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    members: Mapping[str, Any] = field(default_factory=dict[str, Any])
    retry_after: int | None = None
    delay: float = 0.0

    def __post_init__(self) -> None:
        refuse(
            "ErrorResponse",
            whole_number("status", self.status, least=400, most=599, optional=True),
            wrong_value("code", self.code, f"a code with a status, or one of {', '.join(sorted(ERRORS))}")
            if self.status is None and self.code not in ERRORS
            else None,
        )

    @property
    def error_code(self) -> str:
        """The code; the status as text if there is none."""
        return self.code or str(self.error.status)

    @property
    def error(self) -> ServiceError:
        """The error itself."""
        retry_after = {} if self.retry_after is None else {"Retry-After": str(self.retry_after)}
        headers = {**retry_after, **self.headers}
        return ServiceError(self.code, self.message, status=self.status, headers=headers, members=self.members)

    def apply(self, make_reply: MakeReply) -> Reply:
        """The error."""
        del make_reply
        return error_reply(self.error, delay=self.delay)


TOKENS_PER_DAY: Final = "tokens-per-day"
"""The name of a ``ThrottlingException`` whose message says that the tokens of the day are used up."""


def make_fault(error: str | int | InjectedFault, **details: object) -> InjectedFault:
    """The fault of this name.

    Args:
        error: A code of ``ERRORS``, a name of ``RESPONSE_FAULTS``, ``tokens-per-day``, an HTTP status (429, 502, 529)
            for a response without a code, or a fault, which is returned unchanged.
        details: Fields of the fault, such as ``message``, ``retry_after``, ``seconds`` or ``after``.

    Raises:
        TypeError: A field has a value of the wrong type.
        ValueError: A name, field or value is not accepted.
    """
    if not isinstance(error, str | int):
        if details:
            refuse("fail_next", *(wrong_value(name, details[name], "only with an error's name") for name in details))
        return error
    given = {name: value for name, value in details.items() if value is not None}
    if error == TOKENS_PER_DAY:
        return _build(ErrorResponse, {"message": TOO_MANY_TOKENS_PER_DAY, **given})
    if isinstance(error, str) and error in RESPONSE_FAULTS:
        return _build(RESPONSE_FAULTS[error], given)
    if isinstance(error, str) and not error.isdigit():
        if error not in ERRORS and "status" not in given:
            known = ", ".join((*sorted(ERRORS), TOKENS_PER_DAY, *sorted(RESPONSE_FAULTS)))
            refuse("fail_next", wrong_value("error", error, f"an HTTP status, {known}; any other code with a status"))
        return _build(ErrorResponse, {"code": error, **given})
    return _build(ErrorResponse, {"code": None, "status": int(error), **given})


def _build(kind: type[InjectedFault], given: Mapping[str, object]) -> InjectedFault:
    accepted = inspect.signature(kind).parameters
    fields = f"the fields {', '.join(accepted)}" if accepted else "no further fields"
    # The code is the name of the error itself, which has been looked up.
    problems = [
        _problem(name, value) if name in accepted else wrong_value(name, value, fields)
        for name, value in given.items()
        if name != "code"
    ]
    refuse("fail_next", *problems)
    body = given.get("body")
    return kind(**{**given, "body": body.encode()} if isinstance(body, str) else given)


def _problem(name: str, value: object) -> Problem | None:  # noqa: PLR0911 - one return for each kind of field
    match name:
        case "seconds" | "delay":
            return number(name, value, least=0.0, unit="seconds")
        case "fraction":
            return number(name, value, least=0.0, most=1.0)
        case "after" | "status" | "retry_after":
            return whole_number(name, value, least=0)
        case "members":
            return instance(name, value, Mapping, "a mapping")
        case "headers":
            return _headers_problem(value)
        case "exception" if isinstance(value, str):
            names = ", ".join(STREAM_EXCEPTIONS)
            return None if value in STREAM_EXCEPTIONS else wrong_value(name, value, names)
        case "body":
            return instance(name, value, (str, bytes), "a string or bytes")
        case _:
            return instance(name, value, str, "a string")


def _headers_problem(value: object) -> Problem | None:
    accepted = "a mapping of strings without line breaks"  # a line break would end the header and begin another
    fields = as_object(value)
    if fields is None:
        return wrong_type("headers", value, accepted)
    broken = any("\r" in text or "\n" in text for text in map(str, (*fields, *fields.values())))
    return wrong_value("headers", value, accepted) if broken else None


FAULT_NAMES: Final[tuple[str | int, ...]] = (
    *sorted(ERRORS.keys() - {"SerializationException", "UnknownOperationException"}),
    TOKENS_PER_DAY,
    *sorted(STATUS_MESSAGES),
    *sorted(RESPONSE_FAULTS),
)
"""Every name that ``BedrockEmulator.fail_next`` accepts: error codes, statuses, and faults of the response."""
