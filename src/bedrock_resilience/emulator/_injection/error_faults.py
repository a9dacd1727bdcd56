"""Errors in place of an answer, and everything that can go wrong by its name."""

from __future__ import annotations

import inspect
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from bedrock_resilience.emulator._http.replies import Reply, failure
from bedrock_resilience.emulator._injection.fault_injection import FaultInjection
from bedrock_resilience.emulator._injection.stream_faults import DAMAGE
from bedrock_resilience.emulator._protocol.errors import ERRORS, STATUS_MESSAGES, TOO_MANY_TOKENS_PER_DAY, ServiceError
from bedrock_resilience.emulator._protocol.jsonvalues import as_object

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bedrock_resilience.emulator._injection.fault_injection import MakeReply


@dataclass(frozen=True, slots=True)
class ErrorAnswer(FaultInjection):
    """An error in place of an answer.

    Attributes:
        code: the code of the error; None for an answer without one, as a proxy gives it.
        status: the HTTP status; by default that of the code.
        message: the message; by default that of the code.
        headers: further headers.
        members: further members of the body, such as `originalStatusCode`.
        retry_after: seconds for a Retry-After header.
        delay: seconds before the answer.
    """

    code: str | None = "ThrottlingException"
    status: int | None = None
    message: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    members: Mapping[str, Any] = field(default_factory=dict[str, Any])
    retry_after: int | None = None
    delay: float = 0.0

    def __post_init__(self) -> None:
        if self.status is not None and not 400 <= self.status <= 599:  # noqa: PLR2004 - the statuses of errors in HTTP
            raise ValueError(f"status: got {self.status!r}; accepted: 400 to 599")
        if self.status is None and self.code not in ERRORS:
            accepted = ", ".join(sorted(ERRORS))
            raise ValueError(f"error: got {self.code!r} without a status; accepted: a status, or one of {accepted}")

    @property
    def error_code(self) -> str:
        """The code; the status as text if it has none."""
        return self.code or str(self.error.status)

    @property
    def error(self) -> ServiceError:
        """The error itself."""
        waiting = {} if self.retry_after is None else {"Retry-After": str(self.retry_after)}
        headers = {**waiting, **self.headers}
        return ServiceError(self.code, self.message, status=self.status, headers=headers, members=self.members)

    def apply(self, answer: MakeReply) -> Reply:
        """The error."""
        del answer
        return failure(self.error, delay=self.delay)


TOKENS_PER_DAY: Final = "tokens-per-day"
"""The name of a ThrottlingException whose message says that the tokens of the day are spent."""


def fault(error: str | int | FaultInjection, **details: object) -> FaultInjection:
    """The fault of this name.

    Args:
        error: a code of `ERRORS`, a name of `DAMAGE`, `tokens-per-day`, an HTTP status (429, 502, 529) for an
            answer without a code, or a fault as it is.
        details: fields of the fault, such as `message`, `retry_after`, `seconds` or `after`.

    Raises:
        ValueError: a name, field or value that is not accepted.
    """
    if not isinstance(error, str | int):
        if details:
            raise ValueError(f"{', '.join(sorted(details))}: accepted only together with the name of an error")
        return error
    given = {name: value for name, value in details.items() if value is not None}
    if error == TOKENS_PER_DAY:
        return _made(ErrorAnswer, {"message": TOO_MANY_TOKENS_PER_DAY, **given})
    if isinstance(error, str) and error in DAMAGE:
        return _made(DAMAGE[error], given)
    if isinstance(error, str) and not error.isdigit():
        if error not in ERRORS and "status" not in given:
            known = ", ".join((*sorted(ERRORS), TOKENS_PER_DAY, *sorted(DAMAGE)))
            raise ValueError(f"error: got {error!r}; accepted: an HTTP status, {known}; any other code with a status")
        return _made(ErrorAnswer, {"code": error, **given})
    return _made(ErrorAnswer, {"code": None, "status": int(error), **given})


def _made(kind: type[FaultInjection], given: Mapping[str, object]) -> FaultInjection:
    accepted = inspect.signature(kind).parameters
    unknown = sorted(given.keys() - accepted.keys())
    if unknown:
        fields = ", ".join(accepted) or "no further fields"
        raise ValueError(f"{unknown[0]}: not a field of this fault; accepted: {fields}")
    for name, value in given.items():
        if name != "code":  # that is the name of the error itself, and it has been looked up
            _check(name, value)
    body = given.get("body")
    return kind(**{**given, "body": body.encode()} if isinstance(body, str) else given)


def _check(name: str, value: object) -> None:
    if name in {"seconds", "delay", "fraction"}:
        most = 1.0 if name == "fraction" else math.inf
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= most or value == math.inf:
            raise ValueError(f"{name}: got {value!r}; accepted: a number from 0{' to 1' if name == 'fraction' else ''}")
    elif name in {"after", "status", "retry_after"}:
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise ValueError(f"{name}: got {value!r}; accepted: an integer >= 0")
    elif name in {"headers", "members"}:
        _check_mapping(name, value)
    elif not isinstance(value, str | bytes if name == "body" else str):
        raise ValueError(f"{name}: got {value!r}; accepted: a text{' or bytes' if name == 'body' else ''}")


def _check_mapping(name: str, value: object) -> None:
    fields = as_object(value)
    if fields is None:
        raise ValueError(f"{name}: got {value!r}; accepted: a mapping")
    # A line break in a header would end it, and begin another.
    if name == "headers" and any("\r" in text or "\n" in text for text in map(str, (*fields, *fields.values()))):
        raise ValueError(f"headers: got {value!r}; accepted: a mapping of texts of one line")


FAULT_NAMES: Final[tuple[str | int, ...]] = (
    *sorted(ERRORS.keys() - {"SerializationException", "UnknownOperationException"}),
    TOKENS_PER_DAY,
    *sorted(STATUS_MESSAGES),
    *sorted(DAMAGE),
)
"""Everything that `fault` knows by name: the rows of the table of failures."""
