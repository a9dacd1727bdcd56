"""classify: exceptions that wrap others, groups, and exceptions of packages that have nothing to do with Bedrock."""

from __future__ import annotations

import errno
import sqlite3
import urllib.error
from email.message import Message
from itertools import permutations
from typing import Any

import botocore.exceptions
import pytest
import tenacity
import urllib3.exceptions

from bedrock_resilience import Fault, classify
from bedrock_resilience.testing import access_denied, bedrock_error, throttling_error, validation_error

URL = "https://bedrock.example"


def raised_from(error: Exception, cause: BaseException) -> Exception:
    error.__cause__ = cause
    return error


class FrameworkError(Exception):
    """The error of a framework that calls Bedrock."""


class AccessDenied(Exception):  # noqa: N818 - the name that psutil uses
    """As psutil has it: about a process, not about Bedrock."""


@pytest.mark.parametrize("error", [AccessDenied(), sqlite3.InternalError("database is malformed"), KeyError("daily")])
def test_names_of_other_packages_mean_nothing(error: Exception) -> None:
    assert classify(error) is Fault.UNKNOWN


class TestCauses:
    def test_what_wraps_one_clear_failure_is_that_failure(self) -> None:
        wrapped = raised_from(FrameworkError("model call failed"), throttling_error())
        assert classify(wrapped) is Fault.THROTTLING
        assert classify(raised_from(FrameworkError("agent failed"), wrapped)) is Fault.THROTTLING

    def test_an_error_that_happened_while_another_was_handled_is_not_that_one(self) -> None:
        error = KeyError("text")
        error.__context__ = throttling_error()
        assert classify(error) is Fault.UNKNOWN

    def test_a_clear_failure_is_not_replaced_by_its_cause(self) -> None:
        assert classify(raised_from(validation_error(), throttling_error())) is Fault.VALIDATION

    def test_a_circle_of_causes_ends(self) -> None:
        one, other = FrameworkError(), FrameworkError()
        one.__cause__, other.__cause__ = other, one
        assert classify(one) is Fault.UNKNOWN

    def test_the_last_attempt_of_tenacity(self) -> None:
        def fail() -> None:
            raise throttling_error()

        with pytest.raises(tenacity.RetryError) as raised:
            tenacity.Retrying(stop=tenacity.stop_after_attempt(1))(fail)
        raised.value.__cause__ = None
        assert classify(raised.value) is Fault.THROTTLING


class TestGroups:
    def test_members_that_agree(self) -> None:
        assert classify(ExceptionGroup("all", [throttling_error(), throttling_error()])) is Fault.THROTTLING

    @pytest.mark.parametrize(
        ("errors", "fault"),
        [
            ([throttling_error(), validation_error()], Fault.VALIDATION),
            ([throttling_error(), validation_error(), access_denied()], Fault.ACCESS_DENIED),
            ([throttling_error(), TimeoutError()], Fault.READ_TIMEOUT),
            ([throttling_error(), KeyError("x")], Fault.UNKNOWN),
        ],
    )
    def test_members_that_disagree_are_the_most_cautious_of_them(self, errors: list[Exception], fault: Fault) -> None:
        for order in permutations(errors):
            assert classify(ExceptionGroup("some", list(order))) is fault

    def test_a_cancellation_among_them(self) -> None:
        assert classify(BaseExceptionGroup("stop", [access_denied(), KeyboardInterrupt()])) is Fault.CANCELLED

    def test_groups_in_groups_and_in_causes(self) -> None:
        inner = ExceptionGroup("inner", [throttling_error()])
        assert classify(ExceptionGroup("outer", [inner, raised_from(FrameworkError(), inner)])) is Fault.THROTTLING


class TestTransport:
    def test_a_retry_layer_around_a_read_timeout_has_sent_the_request(self) -> None:
        reason = urllib3.exceptions.ReadTimeoutError(None, URL, "Read timed out.")  # type: ignore[arg-type]
        assert classify(urllib3.exceptions.MaxRetryError(None, URL, reason)) is Fault.READ_TIMEOUT  # type: ignore[arg-type]
        refused = urllib3.exceptions.NewConnectionError(None, "refused")  # type: ignore[arg-type]
        assert classify(urllib3.exceptions.MaxRetryError(None, URL, refused)) is Fault.CONNECTION_FAILED  # type: ignore[arg-type]

    def test_what_botocore_wraps_is_clearer_than_its_wrapper(self) -> None:
        for inner, fault in (
            (ConnectionRefusedError(), Fault.CONNECTION_FAILED),
            (ValueError(), Fault.CONNECTION_LOST),
        ):
            assert classify(botocore.exceptions.HTTPClientError(error=inner)) is fault

    @pytest.mark.parametrize("number", [errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN])
    def test_a_network_that_cannot_be_reached(self, number: int) -> None:
        assert classify(OSError(number, "no route")) is Fault.CONNECTION_FAILED
        assert classify(urllib.error.URLError(OSError(number, "no route"))) is Fault.CONNECTION_FAILED

    def test_an_error_of_the_disk_is_not_of_the_network(self) -> None:
        assert classify(OSError(errno.ENOSPC, "no space left")) is Fault.UNKNOWN

    def test_a_proxy_that_wants_credentials(self) -> None:
        refused = OSError("Tunnel connection failed: 407 Proxy Authentication Required")
        assert classify(urllib3.exceptions.ProxyError("Cannot connect to proxy.", refused)) is Fault.CONFIGURATION

    def test_a_handshake_that_hangs_was_never_sent(self) -> None:
        def do_handshake() -> None:
            raise TimeoutError("The handshake operation timed out")

        with pytest.raises(TimeoutError) as raised:
            do_handshake()
        assert classify(raised.value) is Fault.CONNECTION_FAILED
        read_timeout = raised_from(botocore.exceptions.ReadTimeoutError(endpoint_url=URL), raised.value)
        assert classify(read_timeout) is Fault.CONNECTION_FAILED

    @pytest.mark.parametrize(("status", "fault"), [(503, Fault.SERVICE_UNAVAILABLE), (429, Fault.THROTTLING)])
    def test_the_status_of_urllib(self, status: int, fault: Fault) -> None:
        error = urllib.error.HTTPError(URL, status, "no", Message(), None)
        assert classify(error) is fault
        error.close()


class SdkError(Exception):
    """As the SDKs of anthropic and openai have it: a status, and the parsed body."""

    def __init__(self, status_code: int, body: object) -> None:
        super().__init__(f"Error code: {status_code}")
        self.status_code = status_code
        self.body = body


def anthropic_body(kind: str, message: str = "no") -> dict[str, Any]:
    return {"type": "error", "error": {"type": kind, "message": message}}


@pytest.mark.parametrize(
    ("status", "body", "fault"),
    [
        (529, anthropic_body("overloaded_error"), Fault.OVERLOADED),
        (529, anthropic_body("api_error"), Fault.OVERLOADED),  # the status says more than the code
        (502, "<html>", Fault.BAD_GATEWAY),
        (504, None, Fault.GATEWAY_TIMEOUT),
        (500, anthropic_body("api_error"), Fault.INTERNAL_SERVER),
        (200, anthropic_body("overloaded_error"), Fault.OVERLOADED),  # an error event inside a stream
        (200, anthropic_body("api_error"), Fault.INTERNAL_SERVER),
        (400, anthropic_body("invalid_request_error"), Fault.VALIDATION),
        (429, {"message": "slow down", "type": "requests", "code": "rate_limit_exceeded"}, Fault.THROTTLING),
        (429, {"message": "pay", "type": "insufficient_quota", "code": "insufficient_quota"}, Fault.SERVICE_QUOTA),
        (429, {"message": "Too many tokens", "__type": "ThrottlingException"}, Fault.THROTTLING),
        (401, anthropic_body("authentication_error"), Fault.CREDENTIALS),
        (418, None, Fault.VALIDATION),
        (407, None, Fault.CONFIGURATION),
    ],
)
def test_the_errors_of_an_sdk(status: int, body: object, fault: Fault) -> None:
    assert classify(SdkError(status, body)) is fault


@pytest.mark.parametrize(
    ("code", "message", "fault"),
    [
        ("ThrottlingException", "Daily token limit exceeded", Fault.TOKENS_PER_DAY),
        ("ValidationException", "Operation not allowed", Fault.ACCESS_DENIED),
        (
            "ValidationException",
            "Your AWS account is not authorized to invoke this API operation.",
            Fault.ACCESS_DENIED,
        ),
        ("ValidationException", "This model version has reached the end of its life.", Fault.NOT_FOUND),
        ("ValidationException", "The model is not supported in this region.", Fault.NOT_FOUND),
        ("ValidationException", "data retention mode 'default' is not available for this model", Fault.NOT_FOUND),
        ("InvalidSignatureException", "Signature expired: 20261128T0800Z", Fault.CREDENTIALS),
        ("AccessDeniedException", "Signature not yet current: clock skew", Fault.CREDENTIALS),
        (
            "RequestTimeTooSkewed",
            "The difference between the request time and the server's time is too large",
            Fault.CREDENTIALS,
        ),
        ("ValidationException", "messages.0.content: too long", Fault.VALIDATION),
    ],
)
def test_errors_about_the_account_end_the_run(code: str, message: str, fault: Fault) -> None:
    assert classify(bedrock_error(code, message=message)) is fault
    assert fault.fatal == (fault is not Fault.VALIDATION)
