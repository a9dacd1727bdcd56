"""classify: the fault of real exceptions of botocore, urllib3 and Python."""

from __future__ import annotations

import asyncio
import concurrent.futures
import http.client
import json
import pickle
import socket
import ssl
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, ClassVar

import botocore.eventstream
import botocore.exceptions as aws
import botocore.parsers
import botocore.session
import pytest
import urllib3.exceptions as web

from bedrock_resilience._fault import THROTTLING, TRANSIENT, Fault
from bedrock_resilience.errors import IncompleteResponseError, MalformedResponseError, StreamInterruptedError
from bedrock_resilience.quotas import Limit
from bedrock_resilience.retrying._faults import classify, error_code, limit_of
from bedrock_resilience.retrying._policy import sort_faults
from bedrock_resilience.retrying._retry_after import retry_after
from bedrock_resilience.testing import bedrock_error, stream_error, throttling_error

if TYPE_CHECKING:
    from collections.abc import Iterator

RETRYABLE = {
    Fault.THROTTLING,
    Fault.MODEL_NOT_READY,
    Fault.SERVICE_UNAVAILABLE,
    Fault.OVERLOADED,
    Fault.INTERNAL_SERVER,
    Fault.BAD_GATEWAY,
    Fault.GATEWAY_TIMEOUT,
    Fault.REQUEST_TIMEOUT,
    Fault.MODEL_TIMEOUT,
    Fault.MODEL_ERROR,
    Fault.MODEL_STREAM_ERROR,
    Fault.READ_TIMEOUT,
    Fault.CONNECTION_FAILED,
    Fault.CONNECTION_LOST,
    Fault.STREAM_INTERRUPTED,
    Fault.MALFORMED_RESPONSE,
    Fault.REJECTED_RESULT,
}
SLOWS_EVERYONE = {Fault.THROTTLING, Fault.SERVICE_UNAVAILABLE, Fault.OVERLOADED}
ENDS_RUN = {
    Fault.TOKENS_PER_DAY,
    Fault.ACCESS_DENIED,
    Fault.NOT_FOUND,
    Fault.CREDENTIALS,
    Fault.SERVICE_QUOTA,
    Fault.CONFIGURATION,
}
# The request may have run under these, and its tokens are billed again with a retry.
BILLED = {
    Fault.REQUEST_TIMEOUT,
    Fault.MODEL_TIMEOUT,
    Fault.MODEL_ERROR,
    Fault.MODEL_STREAM_ERROR,
    Fault.READ_TIMEOUT,
    Fault.CONNECTION_LOST,
    Fault.STREAM_INTERRUPTED,
    Fault.MALFORMED_RESPONSE,
}

# Every error that the model of bedrock-runtime knows, on any operation or inside any stream.
MODELLED = {
    "AccessDeniedException": Fault.ACCESS_DENIED,
    "ConflictException": Fault.CONFLICT,
    "InternalServerException": Fault.INTERNAL_SERVER,
    "ModelErrorException": Fault.MODEL_ERROR,
    "ModelNotReadyException": Fault.MODEL_NOT_READY,
    "ModelStreamErrorException": Fault.MODEL_STREAM_ERROR,
    "ModelTimeoutException": Fault.MODEL_TIMEOUT,
    "ResourceNotFoundException": Fault.NOT_FOUND,
    "ServiceQuotaExceededException": Fault.SERVICE_QUOTA,
    "ServiceUnavailableException": Fault.SERVICE_UNAVAILABLE,
    "ThrottlingException": Fault.THROTTLING,
    "ValidationException": Fault.VALIDATION,
}

URL = "https://bedrock-runtime.eu-west-3.amazonaws.com/"


@pytest.mark.parametrize("fault", Fault)
def test_the_attributes_of_each_fault(fault: Fault) -> None:
    assert fault.retryable == (fault in RETRYABLE)
    assert fault.backpressure == (fault in SLOWS_EVERYONE)
    assert fault.fatal == (fault in ENDS_RUN)


def test_a_fault_is_named_after_its_value() -> None:
    assert all(fault.value == fault.name.lower() for fault in Fault)


def test_the_repr_of_a_fault_is_an_expression() -> None:
    assert [eval(repr(fault), {"Fault": Fault}) for fault in Fault] == list(Fault)  # noqa: S307 - our own repr
    assert repr(Fault.READ_TIMEOUT) == "Fault.READ_TIMEOUT"


def test_faults_survive_pickling() -> None:
    assert pickle.loads(pickle.dumps(Fault.THROTTLING)) is Fault.THROTTLING  # noqa: S301 - our own bytes


def test_faults_are_sorted_as_they_are_defined() -> None:
    assert sort_faults({Fault.UNKNOWN, Fault.MODEL_ERROR, Fault.THROTTLING}) == [
        Fault.THROTTLING,
        Fault.MODEL_ERROR,
        Fault.UNKNOWN,
    ]


def test_the_predefined_sets() -> None:
    assert frozenset({Fault.THROTTLING}) == THROTTLING
    assert {fault: 1 if fault in BILLED else None for fault in RETRYABLE - {Fault.REJECTED_RESULT}} == TRANSIENT


Model = Any  # botocore's stubs do not type its models


@pytest.fixture(scope="module")
def model() -> Model:
    return botocore.session.Session().get_service_model("bedrock-runtime")


class TestServiceModel:
    """Every error of botocore's model of bedrock-runtime; a new one fails here."""

    @staticmethod
    def errors(model: Model) -> Iterator[Model]:
        for name in model.operation_names:
            yield from model.operation_model(name).error_shapes

    @staticmethod
    def stream_members(model: Model) -> Iterator[tuple[str, Model]]:
        for name in model.operation_names:
            stream = model.operation_model(name).get_event_stream_output()
            if stream is not None:
                for member, shape in stream.members.items():
                    if shape.metadata.get("exception"):
                        yield member, shape

    def test_every_modelled_error_is_known(self, model: Model) -> None:
        assert {shape.name for shape in self.errors(model)} == set(MODELLED)

    def test_every_modelled_error_is_classified_with_its_own_status(self, model: Model) -> None:
        for shape in self.errors(model):
            status = shape.metadata["error"]["httpStatusCode"]
            assert classify(bedrock_error(shape.name, status)) is MODELLED[shape.name], shape.name

    def test_every_exception_event_of_a_stream_is_classified(self, model: Model) -> None:
        members = list(self.stream_members(model))
        assert {"throttlingException", "modelStreamErrorException", "validationException"} <= {
            name for name, _ in members
        }
        for member, shape in members:
            assert classify(stream_error(member)) is MODELLED[shape.name], member


CODES = [
    *MODELLED.items(),
    ("throttlingException", Fault.THROTTLING),
    ("THROTTLINGEXCEPTION", Fault.THROTTLING),
    ("Throttling", Fault.THROTTLING),
    ("ThrottledException", Fault.THROTTLING),
    ("RequestThrottled", Fault.THROTTLING),
    ("RequestThrottledException", Fault.THROTTLING),
    ("TooManyRequests", Fault.THROTTLING),
    ("TooManyRequestsException", Fault.THROTTLING),
    ("ProvisionedThroughputExceededException", Fault.THROTTLING),
    ("RequestLimitExceeded", Fault.THROTTLING),
    ("BandwidthLimitExceeded", Fault.THROTTLING),
    ("LimitExceededException", Fault.THROTTLING),
    ("SlowDown", Fault.THROTTLING),
    ("PriorRequestNotComplete", Fault.THROTTLING),
    ("EC2ThrottledException", Fault.THROTTLING),
    ("TransactionInProgressException", Fault.THROTTLING),
    ("rate_limit_error", Fault.THROTTLING),
    ("serviceUnavailableException", Fault.SERVICE_UNAVAILABLE),
    ("ServiceUnavailable", Fault.SERVICE_UNAVAILABLE),
    ("overloaded_error", Fault.OVERLOADED),
    ("OverloadedError", Fault.OVERLOADED),
    ("OverloadedException", Fault.OVERLOADED),
    ("internalServerException", Fault.INTERNAL_SERVER),
    ("InternalServerError", Fault.INTERNAL_SERVER),
    ("InternalFailure", Fault.INTERNAL_SERVER),
    ("InternalError", Fault.INTERNAL_SERVER),
    ("api_error", Fault.INTERNAL_SERVER),
    ("BadGateway", Fault.BAD_GATEWAY),
    ("GatewayTimeout", Fault.GATEWAY_TIMEOUT),
    ("timeout_error", Fault.GATEWAY_TIMEOUT),
    ("RequestTimeout", Fault.REQUEST_TIMEOUT),
    ("RequestTimeoutException", Fault.REQUEST_TIMEOUT),
    ("ValidationError", Fault.VALIDATION),
    ("invalid_request_error", Fault.VALIDATION),
    ("request_too_large", Fault.VALIDATION),
    ("AccessDenied", Fault.ACCESS_DENIED),
    ("UnauthorizedOperation", Fault.ACCESS_DENIED),
    ("FTUFormNotFilled", Fault.ACCESS_DENIED),
    ("MPAgreementBeingCreated", Fault.ACCESS_DENIED),
    ("OptInRequired", Fault.ACCESS_DENIED),
    ("SubscriptionRequiredException", Fault.ACCESS_DENIED),
    ("permission_error", Fault.ACCESS_DENIED),
    ("ResourceNotFound", Fault.NOT_FOUND),
    ("not_found_error", Fault.NOT_FOUND),
    ("ExpiredToken", Fault.CREDENTIALS),
    ("ExpiredTokenException", Fault.CREDENTIALS),
    ("UnrecognizedClientException", Fault.CREDENTIALS),
    ("InvalidClientTokenId", Fault.CREDENTIALS),
    ("InvalidSignatureException", Fault.CREDENTIALS),
    ("SignatureDoesNotMatch", Fault.CREDENTIALS),
    ("IncompleteSignature", Fault.CREDENTIALS),
    ("IncompleteSignatureException", Fault.CREDENTIALS),
    ("MissingAuthenticationToken", Fault.CREDENTIALS),
    ("MissingAuthenticationTokenException", Fault.CREDENTIALS),
    ("InvalidAccessKeyId", Fault.CREDENTIALS),
    ("RequestExpired", Fault.CREDENTIALS),
    ("NotAuthorized", Fault.CREDENTIALS),
    ("InvalidIdentityToken", Fault.CREDENTIALS),
    ("authentication_error", Fault.CREDENTIALS),
    ("billing_error", Fault.SERVICE_QUOTA),
    # qualified, as in a body's __type or in the header
    ("com.amazon.bedrock#ThrottlingException", Fault.THROTTLING),
    ("ThrottlingException:http://internal.amazon.com/coral/com.amazon.bedrock/", Fault.THROTTLING),
    ("throttling_exception", Fault.THROTTLING),
]


@pytest.mark.parametrize(("code", "fault"), CODES)
def test_a_code_decides_whatever_the_status_says(code: str, fault: Fault) -> None:
    assert classify(bedrock_error(code, 418)) is fault


@pytest.mark.parametrize(
    ("status", "fault"),
    [
        (400, Fault.VALIDATION),
        (401, Fault.CREDENTIALS),
        (402, Fault.VALIDATION),
        (403, Fault.ACCESS_DENIED),
        (404, Fault.NOT_FOUND),
        (408, Fault.REQUEST_TIMEOUT),
        (409, Fault.CONFLICT),
        (424, Fault.MODEL_ERROR),
        (429, Fault.THROTTLING),
        (499, Fault.VALIDATION),
        (500, Fault.INTERNAL_SERVER),
        (501, Fault.INTERNAL_SERVER),
        (502, Fault.BAD_GATEWAY),
        (503, Fault.SERVICE_UNAVAILABLE),
        (504, Fault.GATEWAY_TIMEOUT),
        (509, Fault.THROTTLING),
        (529, Fault.OVERLOADED),
        (599, Fault.INTERNAL_SERVER),
        (200, Fault.UNKNOWN),
        (399, Fault.UNKNOWN),
        (600, Fault.UNKNOWN),
    ],
)
def test_without_a_known_code_the_status_decides(status: int, fault: Fault) -> None:
    assert classify(bedrock_error("SomethingNew", status)) is fault
    assert classify(bedrock_error(str(status), status)) is fault, "botocore's stand-in for a missing code"
    assert classify(bedrock_error(str(status), 418)) is (fault if fault is not Fault.UNKNOWN else Fault.VALIDATION)
    assert classify(bedrock_error("", status)) is fault


@pytest.mark.parametrize(
    ("code", "message", "fault"),
    [
        ("ThrottlingException", "Too many tokens, please wait before trying again.", Fault.THROTTLING),
        ("ThrottlingException", "Too many tokens per day, please wait before trying again.", Fault.TOKENS_PER_DAY),
        ("throttlingException", "TOO MANY TOKENS PER DAY", Fault.TOKENS_PER_DAY),
        ("429", "Too many tokens per day, please wait before trying again.", Fault.TOKENS_PER_DAY),
        ("ValidationException", "Once per day is enough.", Fault.VALIDATION),
        ("ValidationException", "The provided model identifier is invalid.", Fault.NOT_FOUND),
        ("ValidationException", "The model ID is invalid.", Fault.NOT_FOUND),
        (
            "ValidationException",
            "Invocation of model ID x with on-demand throughput isn't supported. Retry with an inference profile.",
            Fault.NOT_FOUND,
        ),
        ("AccessDeniedException", "to perform bedrock:InvokeModel on an inference profile", Fault.ACCESS_DENIED),
    ],
)
def test_the_message_distinguishes_faults_of_one_code(code: str, message: str, fault: Fault) -> None:
    assert classify(bedrock_error(code, 400 if code == "ValidationException" else 429, message)) is fault


def in_stream(code: str, message: str = "") -> aws.EventStreamError:
    return aws.EventStreamError({"Error": {"Code": code, "Message": message}}, "ConverseStream")


REAL = [
    # before sending
    (aws.NoCredentialsError(), Fault.CREDENTIALS),
    (aws.PartialCredentialsError(provider="env", cred_var="x"), Fault.CREDENTIALS),
    (aws.CredentialRetrievalError(provider="sso", error_msg="x"), Fault.CREDENTIALS),
    (aws.TokenRetrievalError(provider="sso", error_msg="x"), Fault.CREDENTIALS),
    (aws.SSOTokenLoadError(error_msg="x"), Fault.CREDENTIALS),
    (aws.ProfileNotFound(profile="x"), Fault.CREDENTIALS),
    (aws.NoAuthTokenError(), Fault.CREDENTIALS),
    (aws.MetadataRetrievalError(error_msg="x"), Fault.CREDENTIALS),
    (aws.ParamValidationError(report="x"), Fault.VALIDATION),
    (aws.ValidationError(value="x", param="y", type_name="z"), Fault.VALIDATION),
    (aws.InvalidEndpointConfigurationError(msg="x"), Fault.CONFIGURATION),
    (aws.NoRegionError(), Fault.CONFIGURATION),
    (aws.InvalidRegionError(region_name="x"), Fault.CONFIGURATION),
    (aws.EndpointProviderError(msg="x"), Fault.CONFIGURATION),
    (aws.UnknownServiceError(service_name="x", known_service_names="y"), Fault.CONFIGURATION),
    (aws.UnknownEndpointError(service_name="x", region_name="y"), Fault.CONFIGURATION),
    (aws.EndpointVariantError(tags="x"), Fault.CONFIGURATION),
    (aws.InvalidRetryConfigurationError(retry_config_option="x", valid_options="y"), Fault.CONFIGURATION),
    (aws.InvalidProxiesConfigError(), Fault.CONFIGURATION),
    (aws.DataNotFoundError(data_path="x"), Fault.CONFIGURATION),
    (aws.UnknownSignatureVersionError(signature_version="x"), Fault.CONFIGURATION),
    (aws.UnsupportedSignatureVersionError(signature_version="x"), Fault.CONFIGURATION),
    (aws.UnknownFIPSEndpointError(service_name="x", region_name="y"), Fault.CONFIGURATION),
    (aws.ServiceNotInRegionError(service_name="x", region_name="y"), Fault.CONFIGURATION),
    (aws.InvalidDefaultsMode(mode="x", valid_modes="y"), Fault.CONFIGURATION),
    (aws.MissingDependencyException(msg="x"), Fault.CONFIGURATION),
    # never reached the service
    (aws.EndpointConnectionError(endpoint_url=URL), Fault.CONNECTION_FAILED),
    (aws.ConnectTimeoutError(endpoint_url=URL), Fault.CONNECTION_FAILED),
    (aws.ProxyConnectionError(proxy_url=URL), Fault.CONNECTION_FAILED),
    (aws.SSLError(endpoint_url=URL, error=ValueError()), Fault.CONNECTION_FAILED),
    (aws.ConnectionError(error=ValueError()), Fault.CONNECTION_FAILED),
    # sent, and no complete response
    (aws.ReadTimeoutError(endpoint_url=URL), Fault.READ_TIMEOUT),
    (aws.ConnectionClosedError(endpoint_url=URL), Fault.CONNECTION_LOST),
    (aws.HTTPClientError(error="x"), Fault.CONNECTION_LOST),
    (aws.ResponseStreamingError(error="x"), Fault.CONNECTION_LOST),
    (aws.IncompleteReadError(actual_bytes=1, expected_bytes=2), Fault.CONNECTION_LOST),
    (botocore.parsers.ResponseParserError("Unable to parse response"), Fault.MALFORMED_RESPONSE),
    # inside a stream
    (in_stream("throttlingException"), Fault.THROTTLING),
    (in_stream("modelStreamErrorException"), Fault.MODEL_STREAM_ERROR),
    (in_stream("ThrottlingException", "Too many tokens per day"), Fault.TOKENS_PER_DAY),
    (in_stream(""), Fault.STREAM_INTERRUPTED),
    (botocore.eventstream.ChecksumMismatch(1, 2), Fault.STREAM_INTERRUPTED),
    (botocore.eventstream.InvalidHeadersLength(1), Fault.STREAM_INTERRUPTED),
    (botocore.eventstream.InvalidPayloadLength(1), Fault.STREAM_INTERRUPTED),
    (botocore.eventstream.DuplicateHeader("x"), Fault.STREAM_INTERRUPTED),
    (web.ProtocolError("Connection broken"), Fault.STREAM_INTERRUPTED),
    (web.IncompleteRead(1, 2), Fault.STREAM_INTERRUPTED),
    (web.DecodeError("x"), Fault.STREAM_INTERRUPTED),
    (web.ReadTimeoutError(None, "", "Read timed out."), Fault.READ_TIMEOUT),  # type: ignore[arg-type]  # as in a stream
    (web.ConnectTimeoutError(), Fault.CONNECTION_FAILED),
    (web.NewConnectionError(None, "refused"), Fault.CONNECTION_FAILED),  # type: ignore[arg-type]  # no pool here
    (web.MaxRetryError(None, URL), Fault.CONNECTION_FAILED),  # type: ignore[arg-type]  # no pool here
    (web.ProxyError("x", OSError()), Fault.CONNECTION_FAILED),
    (web.SSLError("x"), Fault.CONNECTION_FAILED),
    # ours
    (MalformedResponseError("x"), Fault.MALFORMED_RESPONSE),
    (IncompleteResponseError("max_tokens", {}), Fault.INCOMPLETE_RESPONSE),
    (StreamInterruptedError("cut", []), Fault.STREAM_INTERRUPTED),
    (StreamInterruptedError("cut", [], Fault.READ_TIMEOUT), Fault.READ_TIMEOUT),
    # Python's
    (json.JSONDecodeError("Expecting value", "<html>", 0), Fault.MALFORMED_RESPONSE),
    (http.client.IncompleteRead(b""), Fault.CONNECTION_LOST),
    (http.client.RemoteDisconnected(""), Fault.CONNECTION_LOST),
    (socket.gaierror(), Fault.CONNECTION_FAILED),
    (ssl.SSLCertVerificationError(), Fault.CONNECTION_FAILED),
    (ConnectionRefusedError(), Fault.CONNECTION_FAILED),
    (ConnectionResetError(), Fault.CONNECTION_LOST),
    (BrokenPipeError(), Fault.CONNECTION_LOST),
    (TimeoutError(), Fault.READ_TIMEOUT),
    (KeyboardInterrupt(), Fault.CANCELLED),
    (SystemExit(), Fault.CANCELLED),
    (GeneratorExit(), Fault.CANCELLED),
    (asyncio.CancelledError(), Fault.CANCELLED),
    (concurrent.futures.CancelledError(), Fault.CANCELLED),
    (ValueError("too many requests"), Fault.UNKNOWN),
    (KeyError("output"), Fault.UNKNOWN),
    (OSError("disk full"), Fault.UNKNOWN),
]


@pytest.mark.parametrize(
    ("error", "fault"), REAL, ids=lambda value: type(value).__qualname__ if isinstance(value, BaseException) else None
)
def test_real_exceptions(error: BaseException, fault: Fault) -> None:
    assert classify(error) is fault


def test_an_exception_unknown_to_older_botocore() -> None:
    newer: type[Exception] = type("UnknownTokenProviderError", (Exception,), {"__module__": "botocore.exceptions"})
    assert classify(newer()) is Fault.CREDENTIALS


def test_a_subclass_is_classified_like_its_base() -> None:
    class MyTimeout(aws.ReadTimeoutError): ...

    assert classify(MyTimeout(endpoint_url=URL)) is Fault.READ_TIMEOUT


def test_a_class_is_looked_up_before_its_bases() -> None:
    # A ReadTimeoutError is an HTTPClientError, too.
    assert isinstance(aws.ReadTimeoutError(endpoint_url=URL), aws.HTTPClientError)
    assert classify(aws.ReadTimeoutError(endpoint_url=URL)) is not classify(aws.HTTPClientError(error="x"))


class TestErrorsOfOtherPackages:
    """Exceptions of other packages are classified by what they declare."""

    def test_an_error_may_declare_its_fault(self) -> None:
        class MyError(TimeoutError):
            fault = Fault.THROTTLING

        assert classify(MyError()) is Fault.THROTTLING

    def test_a_declaration_that_is_no_fault_is_ignored(self) -> None:
        class MyError(TimeoutError):
            fault = "throttling"

        assert classify(MyError()) is Fault.READ_TIMEOUT

    def test_a_class_named_like_an_error_code(self) -> None:
        class ThrottlingException(Exception): ...  # noqa: N818 - a test double as users write them

        assert classify(ThrottlingException()) is Fault.THROTTLING
        assert classify(ThrottlingException("Too many tokens per day")) is Fault.TOKENS_PER_DAY

    @pytest.mark.parametrize(
        ("status", "fault"), [(429, Fault.THROTTLING), (529, Fault.OVERLOADED), (200, Fault.UNKNOWN)]
    )
    def test_an_sdk_error_with_a_status_code(self, status: int, fault: Fault) -> None:
        class APIStatusError(Exception):
            status_code = status

        assert classify(APIStatusError()) is fault

    def test_a_message_that_is_in_the_response_alone(self) -> None:
        class APIError(Exception):
            response: ClassVar = {"Error": {"Code": "ThrottlingException", "Message": "Too many tokens per day"}}

        assert classify(APIError()) is Fault.TOKENS_PER_DAY

    def test_a_type_beside_the_error_in_a_body(self) -> None:
        class APIError(Exception):
            body: ClassVar = {"error": {"message": "Slow down"}, "__type": "ThrottlingException"}

        assert classify(APIError()) is Fault.THROTTLING

    @pytest.mark.parametrize(
        ("body", "fault"),
        [
            ({"error": {"__type": "com.amazon.coral#ThrottlingException:http://internal/"}}, Fault.THROTTLING),
            ({"error": {"type": "ThrottlingException", "message": "Too many tokens per day"}}, Fault.TOKENS_PER_DAY),
            ({"type": "ThrottlingException", "message": "Too many tokens per day"}, Fault.TOKENS_PER_DAY),
            (b'{"type": "ThrottlingException"}'.ljust(65_536), Fault.THROTTLING),
            (b'{"type": "ThrottlingException"}'.ljust(65_537), Fault.UNKNOWN),  # no error response is that long
        ],
        ids=["qualified", "nested", "flat", "long", "too-long"],
    )
    def test_an_error_that_is_in_the_body_alone(self, body: object, fault: Fault) -> None:
        error: Any = RuntimeError()
        error.body = body
        assert classify(error) is fault

    @pytest.mark.parametrize(("package", "fault"), [("botocore", Fault.ACCESS_DENIED), ("psutil", Fault.UNKNOWN)])
    def test_a_modelled_exception_without_a_response(self, package: str, fault: Fault) -> None:
        modelled = type("AccessDeniedException", (Exception,), {"__module__": f"{package}.errorfactory"})
        assert classify(modelled()) is fault

    @pytest.mark.parametrize(
        ("code", "fault"),
        [(429, Fault.THROTTLING), ("429", Fault.THROTTLING), (7, Fault.UNKNOWN), (True, Fault.UNKNOWN)],
    )
    def test_a_status_as_the_code_in_a_body(self, code: object, fault: Fault) -> None:
        error: Any = RuntimeError("slow down")
        error.body = {"error": {"message": "slow down", "code": code}}
        assert classify(error) is fault

    @pytest.mark.parametrize("name", ["status", "code"])
    def test_a_number_that_only_other_packages_mean_as_an_http_status(self, name: str) -> None:
        error = RuntimeError()
        setattr(error, name, 503)
        assert classify(error) is Fault.UNKNOWN

    def test_a_status_code_in_the_response_of_an_error(self) -> None:
        class HTTPStatusError(Exception):
            response = SimpleNamespace(status_code=529)

        assert classify(HTTPStatusError()) is Fault.OVERLOADED

    def test_a_status_code_of_the_error_itself_comes_before_that_of_its_response(self) -> None:
        class APIStatusError(Exception):
            status_code = 429
            response = SimpleNamespace(status_code=503)

        assert classify(APIStatusError()) is Fault.THROTTLING

    def test_an_error_whose_str_raises_is_classified_by_its_class(self) -> None:
        class ThrottlingException(Exception):  # noqa: N818 - a test double as users write them
            def __str__(self) -> str:
                raise RuntimeError("half initialized")

        assert classify(ThrottlingException()) is Fault.THROTTLING

    def test_attributes_that_raise_count_as_missing(self) -> None:
        class OddError(TimeoutError):
            @property
            def response(self) -> object:
                raise RuntimeError("the response was never set")

            fault = status_code = response

        assert classify(OddError()) is Fault.READ_TIMEOUT
        assert error_code(OddError()) == "OddError"
        assert retry_after(OddError()) is None

    @pytest.mark.parametrize("status", ["429", None, object()])
    def test_a_status_code_that_is_no_number_is_ignored(self, status: object) -> None:
        class APIStatusError(Exception):
            status_code = status

        assert classify(APIStatusError()) is Fault.UNKNOWN

    @pytest.mark.parametrize(
        "response",
        [
            None,
            "text",
            5,
            [],
            {},
            {"Error": None},
            {"Error": "x"},
            {"Error": {}, "ResponseMetadata": {}},
            SimpleNamespace(),
        ],
    )
    def test_a_response_of_another_kind_is_ignored(self, response: object) -> None:
        class OddError(TimeoutError): ...

        error = OddError()
        error.response = response  # type: ignore[attr-defined]  # as any library might
        assert classify(error) is Fault.READ_TIMEOUT
        assert error_code(error) == "OddError"
        assert retry_after(error) is None

    def test_an_exception_event_unknown_to_the_model_is_a_stream_interrupted(self) -> None:
        assert classify(in_stream("")) is Fault.STREAM_INTERRUPTED
        # With metadata it was no stream, and with a code something is known about it.
        assert classify(in_stream("somethingNewException")) is Fault.STREAM_INTERRUPTED
        assert classify(aws.ClientError({"Error": {"Code": ""}, "ResponseMetadata": {}}, "Converse")) is Fault.UNKNOWN  # type: ignore[typeddict-item]  # as thin as they come


class TestParserFailures:
    """Foreign bodies on which botocore's parser itself fails; the status is in its frame."""

    @staticmethod
    def raised(model: Model, response: dict[str, Any]) -> Exception:
        shape = model.operation_model("Converse").output_shape
        try:
            botocore.parsers.create_parser("rest-json").parse(response, shape)
        except Exception as error:  # noqa: BLE001 - that it raises is the premise
            return error
        raise AssertionError("the parser accepted it")

    @pytest.mark.parametrize("body", [b"[1]", b'"text"', b"5"])
    def test_a_foreign_body_with_a_success_status(self, model: Model, body: bytes) -> None:
        error = self.raised(model, {"status_code": 200, "headers": {}, "body": body})
        assert classify(error) is Fault.MALFORMED_RESPONSE

    def test_a_foreign_body_with_an_error_status_is_that_error(self, model: Model) -> None:
        error = self.raised(model, {"status_code": 429, "headers": {}, "body": b"[1]"})
        assert classify(error) is Fault.THROTTLING

    def test_an_event_of_a_stream_has_no_status_of_its_own(self, model: Model) -> None:
        error = self.raised(model, {"status_code": 400, "headers": {":message-type": "exception"}, "body": b"[1]"})
        assert classify(error) is Fault.STREAM_INTERRUPTED

    def test_an_error_that_never_met_the_parser_stays_unknown(self) -> None:
        with pytest.raises(AttributeError) as raised:
            object().status_code  # type: ignore[attr-defined]  # noqa: B018 - that is the point
        assert classify(raised.value) is Fault.UNKNOWN


def test_error_code_is_the_services_name_of_it() -> None:
    assert error_code(throttling_error()) == "ThrottlingException"
    assert error_code(stream_error("modelStreamErrorException")) == "modelStreamErrorException"
    assert error_code(bedrock_error("", 429)) == "ClientError"
    assert error_code(aws.ReadTimeoutError(endpoint_url=URL)) == "ReadTimeoutError"
    assert error_code(TimeoutError()) == "TimeoutError"


class TestRetryAfter:
    @pytest.mark.parametrize(
        ("headers", "seconds"),
        [
            ({}, None),
            ({"retry-after": "5"}, 5.0),
            ({"Retry-After": "0"}, 0.0),
            ({"retry-after": "1.5"}, 1.5),
            ({"x-amz-retry-after": "3000"}, 3.0),
            ({"x-amz-retry-after": "250", "retry-after": "60"}, 0.25),
            ({"retry-after-ms": "750", "retry-after": "60"}, 0.75),
            ({"x-amz-retry-after": "250", "retry-after-ms": "750"}, 0.25),
            ({"x-amz-retry-after": "soon", "retry-after": "60"}, 60.0),
            ({"retry-after": "-1"}, None),
            ({"retry-after": "inf"}, None),
            ({"retry-after": "nan"}, None),
            ({"retry-after": "soon"}, None),
            ({"retry-after": "Sat, 21 Nov 2026 20:00:30 GMT", "date": "Sat, 21 Nov 2026 20:00:00 GMT"}, 30.0),
            ({"retry-after": "Sat, 21 Nov 2026 19:59:00 GMT", "date": "Sat, 21 Nov 2026 20:00:00 GMT"}, 0.0),
            ({"retry-after": "Sat, 21 Nov 2026 20:00:30 GMT"}, None),
            ({"retry-after": "soon", "date": "Sat, 21 Nov 2026 20:00:00 GMT"}, None),
            ({"retry-after": "Sat, 21 Nov 2026 20:00:30 GMT", "date": "yesterday"}, None),
            ({"retry-after": "Sat, 21 Nov 2026 20:00:30 GMT", "date": "Sat, 21 Nov 2026 20:00:00 -0000"}, None),
        ],
    )
    def test_the_retry_after_headers(self, headers: dict[str, str], seconds: float | None) -> None:
        assert retry_after(bedrock_error("ThrottlingException", headers=headers)) == seconds

    def test_the_headers_of_an_error_that_has_them_itself(self) -> None:
        class HTTPError(Exception):
            headers: ClassVar = {"Retry-After": "5"}  # as urllib's

        assert retry_after(HTTPError()) == 5.0

    @pytest.mark.parametrize("headers", [{"Retry-After": "5"}, [("retry-after", "5")]])
    def test_the_headers_of_an_sdk_built_on_httpx(self, headers: object) -> None:
        class APIStatusError(Exception):
            status_code = 529
            response = SimpleNamespace(headers=headers)

        assert retry_after(APIStatusError()) == 5.0

    @pytest.mark.parametrize("headers", [5, "retry-after", ["retry-after"], None])
    def test_invalid_headers_are_ignored(self, headers: object) -> None:
        class OddError(Exception):
            response = SimpleNamespace(headers=headers)

        assert retry_after(OddError()) is None

    def test_an_error_without_headers_has_no_retry_after(self) -> None:
        assert retry_after(in_stream("throttlingException")) is None
        assert retry_after(TimeoutError()) is None


@pytest.mark.parametrize(
    ("message", "limit"),
    [
        ("Too many tokens, please wait before trying again.", Limit.TOKENS_PER_MINUTE),
        ("Too many tokens per day, please wait before trying again.", Limit.TOKENS_PER_DAY),
        ("Too many requests, please wait before trying again.", Limit.REQUESTS_PER_MINUTE),
        ("Your request rate is too high. Reduce the frequency of requests.", Limit.REQUESTS_PER_MINUTE),
        ("Rate exceeded", None),
    ],
)
def test_the_message_of_a_throttle_names_the_limit(message: str, limit: Limit | None) -> None:
    assert limit_of(bedrock_error("ThrottlingException", 429, message)) is limit


def test_a_limit_of_a_wrapped_exception() -> None:
    outer = RuntimeError("the framework's")
    outer.__cause__ = bedrock_error("ThrottlingException", 429, "Too many tokens, please wait before trying again.")
    assert limit_of(outer) is Limit.TOKENS_PER_MINUTE
    outer.__cause__ = outer  # a circle
    assert limit_of(outer) is None


def test_a_limit_of_an_exception_that_litellm_replaced() -> None:
    replaced = type("RateLimitError", (Exception,), {"__module__": "litellm.exceptions"})("slow down")
    replaced.__context__ = throttling_error("Too many tokens, please wait before trying again.")
    assert limit_of(replaced) is Limit.TOKENS_PER_MINUTE


def test_without_an_error_there_is_no_limit() -> None:
    assert limit_of(None) is None


def test_a_declared_limit_goes_before_the_message() -> None:
    error: Any = RuntimeError("Too many tokens")
    error.limit = Limit.REQUESTS_PER_MINUTE
    assert limit_of(error) is Limit.REQUESTS_PER_MINUTE
    error.limit = "requests"  # an attribute of another package
    assert limit_of(error) is Limit.TOKENS_PER_MINUTE
