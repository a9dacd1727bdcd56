"""Every injectable fault, by its name."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bedrock_resilience.emulator._injection.error_faults import FAULT_NAMES, ErrorResponse, make_fault
from bedrock_resilience.emulator._injection.injected_fault import InjectedFault
from bedrock_resilience.emulator._injection.stream_faults import Hang, StreamException, TruncatedBody
from bedrock_resilience.emulator._protocol.errors import ERRORS, STATUS_MESSAGES, ServiceError

if TYPE_CHECKING:
    from bedrock_resilience.emulator._http.replies import Reply


def nothing() -> Reply:
    raise AssertionError("an error generates nothing")


@pytest.mark.parametrize("name", FAULT_NAMES)
def test_every_failure_is_made_by_its_name(name: str | int) -> None:
    made = make_fault(name)
    assert isinstance(made, InjectedFault)
    if isinstance(made, ErrorResponse):
        assert made.apply(nothing).status == made.error.status >= 400


@pytest.mark.parametrize(
    ("error", "made"),
    [
        ("ThrottlingException", ErrorResponse()),
        (529, ErrorResponse(None, 529)),
        ("529", ErrorResponse(None, 529)),
        ("hang", Hang()),
        (TruncatedBody(0.1), TruncatedBody(0.1)),
    ],
)
def test_names_status_codes_and_faults_are_accepted(error: str | int | InjectedFault, made: InjectedFault) -> None:
    assert make_fault(error) == made


def test_fields_are_set_and_none_leaves_the_default() -> None:
    assert make_fault("stream-exception", after=5, message=None) == StreamException(after=5)
    assert make_fault("Odd", status=418, retry_after=3) == ErrorResponse("Odd", 418, retry_after=3)


def test_an_exception_of_a_stream_must_be_a_modeled_one() -> None:
    with pytest.raises(ValueError, match=r"^fail_next: exception: got 'ThrottlingException'; accepted: internalServer"):
        make_fault("stream-exception", exception="ThrottlingException")
    with pytest.raises(TypeError, match=r"^fail_next: exception: got 5; accepted: a string"):
        make_fault("stream-exception", exception=5)


def test_an_error_without_a_code_shows_as_its_status() -> None:
    made = ErrorResponse(None, 529)
    assert made.error_code == "529"
    reply = made.apply(nothing)
    assert (reply.status, reply.frames) == (529, (b'{"message":"Overloaded"}',))
    assert "x-amzn-ErrorType" not in reply.headers


def test_an_error_of_the_service_has_its_code_in_a_header_and_63_bytes_of_body() -> None:
    reply = ErrorResponse(message="Too many tokens, please wait before trying again.").apply(nothing)
    assert reply.headers["x-amzn-ErrorType"].startswith("ThrottlingException:http://internal.amazon.com/coral/")
    assert reply.length == 63, "as recorded from AWS"


@pytest.mark.parametrize(("code", "status"), [("Odd", None), (None, None), ("ThrottlingException", 200)])
def test_an_error_needs_a_status(code: str | None, status: int | None) -> None:
    with pytest.raises(
        ValueError, match=r"^ErrorResponse: (code: got .+; accepted: a code with a status, or one of|status: got 200)"
    ):
        ErrorResponse(code, status)


def test_every_code_has_a_status_and_a_message() -> None:
    assert all(400 <= status < 600 and message for status, message in ERRORS.values())
    assert ServiceError("Odd").status == 500
    assert ServiceError(None, status=503).message == STATUS_MESSAGES[503]
    assert str(ServiceError("ThrottlingException")).startswith("ThrottlingException: Too many requests")
    assert str(ServiceError(None, status=529)) == "529: Overloaded"
