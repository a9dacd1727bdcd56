"""classify: exceptions that wrap others, groups, and exceptions of packages unrelated to Bedrock."""

from __future__ import annotations

import errno
import sqlite3
import urllib.error
from email.message import Message
from itertools import permutations
from types import SimpleNamespace
from typing import Any

import botocore.exceptions
import pytest
import tenacity
import urllib3.exceptions

from bedrock_resilience import Fault, classify
from bedrock_resilience.retrying._faults import error_code
from bedrock_resilience.retrying._retry_after import retry_after
from bedrock_resilience.testing import access_denied, bedrock_error, throttling_error, validation_error

URL = "https://bedrock.example"
TUNNEL, CONNECTED_TUNNEL = SimpleNamespace(_connected=False), SimpleNamespace(_connected=True)


def raised_from(error: Exception, cause: BaseException) -> Exception:
    error.__cause__ = cause
    return error


def raised_in(module: str, error: Exception, **variables: object) -> Exception:
    """Raise an error in a function of a module, with these local variables, and return it with its traceback."""
    namespace: dict[str, Any] = {"__name__": module}
    exec(f"def work(error, {', '.join(variables)}):\n    raise error", namespace)  # noqa: S102 - a frame is needed
    with pytest.raises(type(error)) as raised:
        namespace["work"](error, **variables)
    return raised.value


class FrameworkError(Exception):
    """The error of a framework that calls Bedrock."""


class AccessDenied(Exception):  # noqa: N818 - the name that psutil uses
    """Like psutil's: about a process, not about Bedrock."""


@pytest.mark.parametrize("error", [AccessDenied(), sqlite3.InternalError("database is malformed"), KeyError("daily")])
def test_class_names_of_other_packages_are_ignored(error: Exception) -> None:
    assert classify(error) is Fault.UNKNOWN


class TestCauses:
    def test_a_wrapper_of_a_known_fault_is_that_fault(self) -> None:
        wrapped = raised_from(FrameworkError("model call failed"), throttling_error())
        assert classify(wrapped) is Fault.THROTTLING
        assert classify(raised_from(FrameworkError("agent failed"), wrapped)) is Fault.THROTTLING

    def test_the_implicit_context_is_not_a_cause(self) -> None:
        error = KeyError("text")
        error.__context__ = throttling_error()
        assert classify(error) is Fault.UNKNOWN

    def test_a_known_fault_is_not_replaced_by_its_cause(self) -> None:
        assert classify(raised_from(validation_error(), throttling_error())) is Fault.VALIDATION

    def test_a_cycle_of_causes_ends(self) -> None:
        one, other = FrameworkError(), FrameworkError()
        one.__cause__, other.__cause__ = other, one
        assert classify(one) is Fault.UNKNOWN

    def test_the_clearest_of_several_counts(self) -> None:
        wrapper = raised_from(FrameworkError("call failed", KeyError("text")), throttling_error())
        assert classify(wrapper) is Fault.THROTTLING

    def test_the_last_attempt_of_tenacity(self) -> None:
        def fail() -> None:
            raise throttling_error()

        with pytest.raises(tenacity.RetryError) as raised:
            tenacity.Retrying(stop=tenacity.stop_after_attempt(1))(fail)
        raised.value.__cause__ = None
        assert classify(raised.value) is Fault.THROTTLING

    @pytest.mark.parametrize("name", ["original_exception", "original_error"])
    def test_an_error_that_a_framework_keeps_in_an_attribute(self, name: str) -> None:
        error = FrameworkError("model call failed")
        setattr(error, name, throttling_error())
        assert classify(error) is Fault.THROTTLING

    def test_the_last_attempt_of_another_package_is_not_called(self) -> None:
        error = FrameworkError()
        error.last_attempt = SimpleNamespace(exception=throttling_error)  # type: ignore[attr-defined]
        assert classify(error) is Fault.UNKNOWN


class TestGroups:
    def test_a_group_whose_members_agree(self) -> None:
        assert classify(ExceptionGroup("all", [throttling_error(), throttling_error()])) is Fault.THROTTLING

    @pytest.mark.parametrize(
        ("errors", "fault"),
        [
            ([throttling_error(), validation_error()], Fault.VALIDATION),
            ([throttling_error(), validation_error(), access_denied()], Fault.ACCESS_DENIED),
            ([throttling_error(), TimeoutError()], Fault.READ_TIMEOUT),
            ([validation_error(), TimeoutError()], Fault.VALIDATION),
            ([throttling_error(), KeyError("x")], Fault.UNKNOWN),
        ],
    )
    def test_a_group_whose_members_disagree_is_the_most_cautious(self, errors: list[Exception], fault: Fault) -> None:
        for order in permutations(errors):
            assert classify(ExceptionGroup("some", list(order))) is fault

    def test_a_group_with_a_cancellation(self) -> None:
        assert classify(BaseExceptionGroup("stop", [access_denied(), KeyboardInterrupt()])) is Fault.CANCELLED

    def test_a_group_that_holds_the_exception_that_it_caused(self) -> None:
        error = FrameworkError("agent failed")
        error.__cause__ = ExceptionGroup("calls", [error])
        assert classify(error) is Fault.UNKNOWN
        error.__cause__ = ExceptionGroup("calls", [error, throttling_error()])
        assert classify(error) is Fault.THROTTLING
        lost = botocore.exceptions.HTTPClientError(error=None)
        alone = classify(lost)
        lost.__cause__ = ExceptionGroup("calls", [lost])
        assert classify(lost) is alone is not Fault.UNKNOWN

    def test_groups_in_groups_and_in_causes(self) -> None:
        inner = ExceptionGroup("inner", [throttling_error()])
        assert classify(ExceptionGroup("outer", [inner, raised_from(FrameworkError(), inner)])) is Fault.THROTTLING

    def test_a_chain_longer_than_real_ones_ends(self) -> None:
        def chain(length: int) -> Exception:
            error: Exception = throttling_error()
            for _ in range(length):
                error = raised_from(FrameworkError(), error)
            return error

        assert classify(chain(40)) is Fault.THROTTLING
        assert classify(chain(2_000)) is Fault.UNKNOWN

    @pytest.mark.timeout(10)
    def test_a_wrapper_that_holds_its_cause_twice_is_looked_at_once(self) -> None:
        error: Exception = KeyError("x")
        for _ in range(40):
            error = raised_from(FrameworkError(error), error)
        assert classify(error) is Fault.UNKNOWN


class TestTransport:
    @pytest.mark.parametrize(
        ("status", "fault"), [(429, Fault.THROTTLING), (503, Fault.SERVICE_UNAVAILABLE), (500, Fault.INTERNAL_SERVER)]
    )
    def test_a_retry_layer_that_gave_up_on_a_status_is_that_status(self, status: int, fault: Fault) -> None:
        reason = urllib3.exceptions.ResponseError(f"too many {status} error responses")
        given_up = urllib3.exceptions.MaxRetryError(None, URL, reason)  # type: ignore[arg-type]
        assert classify(given_up) is fault
        retry_error: type[Exception] = type("RetryError", (OSError,), {"__module__": "requests.exceptions"})
        assert classify(retry_error(given_up)) is fault
        assert classify(RuntimeError(str(given_up))) is Fault.UNKNOWN

    def test_a_retry_layer_around_a_read_timeout_has_sent_the_request(self) -> None:
        reason = urllib3.exceptions.ReadTimeoutError(None, URL, "Read timed out.")  # type: ignore[arg-type]
        assert classify(urllib3.exceptions.MaxRetryError(None, URL, reason)) is Fault.READ_TIMEOUT  # type: ignore[arg-type]
        refused = urllib3.exceptions.NewConnectionError(None, "refused")  # type: ignore[arg-type]
        assert classify(urllib3.exceptions.MaxRetryError(None, URL, refused)) is Fault.CONNECTION_FAILED  # type: ignore[arg-type]

    def test_the_error_that_botocore_wraps_is_classified(self) -> None:
        for inner, fault in (
            (ConnectionRefusedError(), Fault.CONNECTION_FAILED),
            (ValueError(), Fault.CONNECTION_LOST),
        ):
            assert classify(botocore.exceptions.HTTPClientError(error=inner)) is fault

    def test_a_known_subclass_is_not_unwrapped(self) -> None:
        inner = urllib3.exceptions.ProtocolError("Connection broken", urllib3.exceptions.IncompleteRead(1, 2))
        assert classify(inner) is Fault.STREAM_INTERRUPTED
        # A Converse response that is cut off, in boto3 1.43.11.
        closed = botocore.exceptions.ConnectionClosedError(endpoint_url=URL, error=inner)
        assert classify(raised_from(closed, inner)) is Fault.CONNECTION_LOST

    @pytest.mark.parametrize("number", [errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN])
    def test_a_network_that_cannot_be_reached(self, number: int) -> None:
        assert classify(OSError(number, "no route")) is Fault.CONNECTION_FAILED
        assert classify(urllib.error.URLError(OSError(number, "no route"))) is Fault.CONNECTION_FAILED

    def test_a_disk_error_is_no_network_error(self) -> None:
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

    @pytest.mark.parametrize(
        ("module", "variables", "fault"),
        [
            ("httpcore._sync.http_proxy", {"self": TUNNEL, "connect_request": 1}, Fault.CONNECTION_FAILED),
            ("httpcore._async.http_proxy", {"self": TUNNEL, "connect_request": 1}, Fault.CONNECTION_FAILED),
            ("httpcore._sync.http_proxy", {"self": CONNECTED_TUNNEL, "connect_request": 1}, Fault.READ_TIMEOUT),
            ("httpcore._sync.http_proxy", {"self": TUNNEL}, Fault.READ_TIMEOUT),
            ("httpcore._sync.connection", {"self": TUNNEL, "connect_request": 1}, Fault.READ_TIMEOUT),
        ],
    )
    def test_a_connect_of_httpcore_that_hangs_was_never_sent(
        self, module: str, variables: dict[str, object], fault: Fault
    ) -> None:
        assert classify(raised_in(module, TimeoutError(), **variables)) is fault

    def test_timeouts_that_are_each_others_cause(self) -> None:
        one, other = TimeoutError(), TimeoutError()
        one.__cause__, other.__cause__ = other, one
        assert classify(one) is Fault.READ_TIMEOUT

    @pytest.mark.parametrize(("status", "fault"), [(503, Fault.SERVICE_UNAVAILABLE), (429, Fault.THROTTLING)])
    def test_the_status_of_urllib(self, status: int, fault: Fault) -> None:
        error = urllib.error.HTTPError(URL, status, "no", Message(), None)
        assert classify(error) is fault
        error.close()


class SdkError(Exception):
    """Like the errors of the anthropic and openai SDKs: a status, and the parsed body."""

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
    assert classify(bedrock_error(code, 400, message)) is fault
    assert fault.fatal == (fault is not Fault.VALIDATION)


def defined_in(module: str, name: str, *bases: type[BaseException]) -> type[Any]:
    """A class as a package that is not installed here defines it."""
    return type(name, bases or (Exception,), {"__module__": module})


def with_response(error: Exception, headers: dict[str, str], content: object, status: int = 400) -> Exception:
    """Like the errors of httpx and requests: with the response, which has the body that was read."""
    error.response = SimpleNamespace(status_code=status, headers=headers, _content=content)  # type: ignore[attr-defined]
    return error


class TestResponsesOfHttpClients:
    def test_the_code_is_in_the_header_of_aws(self) -> None:
        error = with_response(FrameworkError(), {"X-Amzn-ErrorType": "ServiceQuotaExceededException:http://x/"}, b"")
        assert classify(error) is Fault.SERVICE_QUOTA
        assert error_code(error) == "ServiceQuotaExceededException"

    @pytest.mark.parametrize(
        ("status", "body", "fault"),
        [
            (400, b'{"message": "The provided model identifier is invalid."}', Fault.NOT_FOUND),
            (429, b'{"Message": "Too many tokens per day"}', Fault.TOKENS_PER_DAY),
            (429, b'{"error": {"code": "insufficient_quota"}}', Fault.SERVICE_QUOTA),
            (400, b"<html>model identifier is invalid</html>", Fault.VALIDATION),
            (400, b'["model identifier is invalid"]', Fault.VALIDATION),
            (400, b'{"message": "' + b" " * 65_536 + b'model identifier is invalid"}', Fault.VALIDATION),
            (400, False, Fault.VALIDATION),  # requests: not read
        ],
    )
    def test_the_code_and_the_message_are_in_the_body(self, status: int, body: object, fault: Fault) -> None:
        assert classify(with_response(FrameworkError("400"), {}, body, status)) is fault

    def test_an_event_of_a_stream_in_the_text_of_anthropics_decoder(self) -> None:
        text = "Bad response code, expected 200: {'status_code': 400, 'headers': {':exception-type': '%s', "
        assert classify(ValueError(text % "throttlingException")) is Fault.THROTTLING
        assert (
            classify(ValueError(f"{text % 'throttlingException'} b'Too many tokens per day'")) is Fault.TOKENS_PER_DAY
        )
        assert classify(ValueError(text.replace("exception-type", "error-code") % "InternalFailure")) is (
            Fault.INTERNAL_SERVER
        )
        assert classify(ValueError("':exception-type': 'throttlingException'")) is Fault.UNKNOWN

    def test_an_event_of_a_stream_that_botocore_has_no_model_of(self) -> None:
        response = {"headers": {":exception-type": "modelStreamErrorException"}}
        parsed = raised_in("botocore.eventstream", bedrock_error("", 400), response_dict=response)
        assert classify(parsed) is Fault.MODEL_STREAM_ERROR
        others: list[tuple[str, object]] = [
            ("another.eventstream", response),
            ("botocore.eventstream", {"headers": {}}),
            ("botocore.eventstream", None),
        ]
        for module, parsed_event in others:
            error = raised_in(module, bedrock_error("", 400), response_dict=parsed_event)
            assert classify(error) is not Fault.MODEL_STREAM_ERROR


class TestTransportOfOtherClients:
    @pytest.mark.parametrize(
        ("text", "fault"),
        [
            ("407 Proxy Authentication Required", Fault.CONFIGURATION),
            ("407", Fault.CONFIGURATION),
            ("cannot connect to 10.0.0.1:407", Fault.CONNECTION_FAILED),
            ("503 Service Unavailable", Fault.CONNECTION_FAILED),
        ],
    )
    def test_a_proxy_of_httpx(self, text: str, fault: Fault) -> None:
        assert classify(defined_in("httpx", "ProxyError")(text)) is fault

    @pytest.mark.parametrize(("status", "fault"), [(407, Fault.CONFIGURATION), (503, Fault.CONNECTION_FAILED)])
    def test_a_proxy_of_aiohttp(self, status: int, fault: Fault) -> None:
        error = defined_in("aiohttp.client_exceptions", "ClientHttpProxyError")()
        error.status = status
        assert classify(error) is fault
        assert classify(botocore.exceptions.ProxyConnectionError(proxy_url=URL, error=error)) is fault

    def test_aiohttp_makes_up_the_status_of_what_it_cannot_parse(self) -> None:
        error = defined_in("aiohttp.client_exceptions", "ClientResponseError")()
        error.status = 400
        assert classify(error) is Fault.VALIDATION
        error.__cause__ = KeyError("a middleware raised it from this")
        assert classify(error) is Fault.VALIDATION
        error.__cause__ = defined_in("aiohttp.http_exceptions", "BadStatusLine")()
        assert classify(error) is Fault.MALFORMED_RESPONSE

    def test_aiobotocore_calls_a_lost_connection_an_endpoint_that_cannot_be_reached(self) -> None:
        lost = defined_in("aiohttp.client_exceptions", "ServerDisconnectedError")()
        assert classify(botocore.exceptions.EndpointConnectionError(endpoint_url=URL, error=lost)) is (
            Fault.CONNECTION_LOST
        )
        assert classify(botocore.exceptions.EndpointConnectionError(endpoint_url=URL)) is Fault.CONNECTION_FAILED

    def test_a_timeout_of_the_caller_while_aiohttp_waits_for_a_proxy(self) -> None:
        def _create_proxy_connection() -> None:
            raise TimeoutError

        with pytest.raises(TimeoutError) as raised:
            _create_proxy_connection()
        assert classify(raised.value) is Fault.CONNECTION_FAILED


class TestTranslations:
    """litellm replaces what it catches, without naming it as the cause."""

    def test_the_original_counts(self) -> None:
        error = defined_in("litellm.exceptions", "ServiceUnavailableError")()
        error.status_code = 503
        assert classify(error) is Fault.SERVICE_UNAVAILABLE
        error.__context__ = bedrock_error("InternalServerException")
        assert classify(error) is Fault.INTERNAL_SERVER

    def test_an_original_that_means_nothing_does_not_count(self) -> None:
        error = defined_in("litellm.exceptions", "RateLimitError")()
        error.status_code = 429
        error.__context__ = KeyError("daily")
        assert classify(error) is Fault.THROTTLING
        error.__context__ = error
        assert classify(error) is Fault.THROTTLING

    def test_a_failure_to_connect_has_no_status(self) -> None:
        base = defined_in("openai", "APIConnectionError")
        error = defined_in("litellm.exceptions", "APIConnectionError", base)()
        error.status_code = 500
        assert classify(error) is Fault.CONNECTION_LOST

    def test_the_wait_is_that_of_the_original(self) -> None:
        original = with_response(FrameworkError(), {"Retry-After": "7"}, b"", 429)
        error = defined_in("litellm.exceptions", "APIError")()
        error.__context__ = original
        assert retry_after(error) == 7.0
        assert retry_after(raised_from(FrameworkError(), error)) == 7.0
        other = FrameworkError()
        other.__context__ = original
        assert retry_after(other) is None

    def test_a_cycle_of_causes_has_no_retry_after(self) -> None:
        error = FrameworkError()
        error.__cause__ = raised_from(FrameworkError(), error)
        assert retry_after(error) is None
