"""Errors to test with: what boto3 raises, with botocore and without."""

from __future__ import annotations

import sys
from functools import cache
from typing import Any, cast

import botocore.exceptions as aws
import pytest
import urllib3.exceptions as web

from bedrock_resilience import IncompleteResponseError, MalformedResponseError
from bedrock_resilience._fault import Fault
from bedrock_resilience.retrying._faults import classify, error_code
from bedrock_resilience.retrying._retry_after import retry_after
from bedrock_resilience.testing import _errors as errors
from bedrock_resilience.testing import (
    access_denied,
    bedrock_error,
    connection_failed,
    connection_lost,
    error_of,
    incomplete_response,
    malformed_response,
    no_credentials,
    no_region,
    read_timeout,
    stream_cut,
    stream_error,
    throttling_error,
    throttling_errors,
    tokens_per_day_error,
    validation_error,
)

FAULTS = [fault for fault in Fault if fault is not Fault.CANCELLED]


def response(error: Exception) -> dict[str, Any]:
    return cast("dict[str, Any]", getattr(error, "response"))  # noqa: B009 - a ClientError's; an Exception has none


def hide_botocore(patch: pytest.MonkeyPatch) -> None:
    """Make an environment that has neither botocore nor urllib3, with caches of classes of its own."""
    for name in ("botocore", "botocore.exceptions", "urllib3", "urllib3.exceptions"):
        patch.setitem(sys.modules, name, None)
    # Other modules hold classes from these caches, so the caches are replaced for a time and not cleared.
    for name in ("error_class", "_error_type", "_class"):
        patch.setattr(errors, name, cache(getattr(errors, name).__wrapped__))


@pytest.fixture
def without_botocore(monkeypatch: pytest.MonkeyPatch) -> None:
    hide_botocore(monkeypatch)


class TestRealErrors:
    def test_a_throttling_error_has_the_shape_of_a_real_one(self) -> None:
        error = throttling_error()
        assert isinstance(error, aws.ClientError)
        assert type(error).__name__ == "ThrottlingException"
        assert type(error).__module__ == "botocore.errorfactory"
        assert str(error) == (
            "An error occurred (ThrottlingException) when calling the Converse operation (reached max retries: 0): "
            "Too many requests, please wait before trying again."
        )
        assert response(error)["Error"] == {
            "Code": "ThrottlingException",
            "Message": "Too many requests, please wait before trying again.",
        }
        metadata = response(error)["ResponseMetadata"]
        assert metadata["HTTPStatusCode"] == 429
        assert metadata["RetryAttempts"] == 0
        assert metadata["MaxAttemptsReached"] is True
        assert metadata["HTTPHeaders"]["x-amzn-errortype"] == "ThrottlingException"
        assert metadata["HTTPHeaders"]["x-amzn-requestid"] == metadata["RequestId"]

    def test_each_code_has_one_class_and_each_error_is_new(self) -> None:
        assert type(throttling_error()) is type(throttling_error())
        assert throttling_error() is not throttling_error()
        assert not isinstance(validation_error(), type(throttling_error()))

    def test_a_code_that_no_model_knows_is_a_plain_client_error(self) -> None:
        assert type(bedrock_error("SomethingNew", 400)) is aws.ClientError
        assert type(bedrock_error("429", 429)) is aws.ClientError

    def test_every_part_may_be_chosen(self) -> None:
        error = bedrock_error("Odd", 418, "I am a teapot.", operation="InvokeModel", headers={"Retry-After": "5"})
        assert str(error) == "An error occurred (Odd) when calling the InvokeModel operation: I am a teapot."
        assert response(error)["ResponseMetadata"]["HTTPStatusCode"] == 418
        assert response(error)["ResponseMetadata"]["HTTPHeaders"]["retry-after"] == "5"
        assert "MaxAttemptsReached" not in response(error)["ResponseMetadata"]
        assert response(error)["message"] == "I am a teapot."

    def test_the_defaults_are_those_of_the_code(self) -> None:
        assert response(bedrock_error("ServiceUnavailableException"))["ResponseMetadata"]["HTTPStatusCode"] == 503
        assert response(bedrock_error("SomethingNew", 418))["Error"]["Message"] == "The request failed."

    @pytest.mark.parametrize(
        ("arguments", "text"),
        [
            (
                ("ThrotlingException",),
                "code: got 'ThrotlingException'; accepted: 'ThrottlingException'; any other code with its status",
            ),
            (
                ("SomethingNew",),
                (
                    "code: got 'SomethingNew'; accepted: a common code, such as 'ThrottlingException'; any other code "
                    "with its status"
                ),
            ),
            (("ThrottlingException", 42), "status: got 42; accepted: a whole number from 100 to 999, or None"),
        ],
    )
    def test_a_code_without_a_status_must_be_known(self, arguments: Any, text: str) -> None:  # noqa: ANN401 - any arguments
        with pytest.raises(ValueError) as refused:  # noqa: PT011 - the whole text is compared
            bedrock_error(*arguments)
        assert str(refused.value) == f"bedrock_error: {text}"

    def test_the_code_comes_before_the_status(self) -> None:
        with pytest.raises(TypeError) as refused:
            bedrock_error(503, "ServiceUnavailableException", "No capacity.")  # type: ignore[arg-type]  # the wrong way
        assert str(refused.value) == (
            "bedrock_error: code: got 503; accepted: a string, such as 'ThrottlingException', before the status; "
            "status: got 'ServiceUnavailableException'; accepted: a whole number from 100 to 999, or None"
        )

    def test_a_retry_after_header(self) -> None:
        assert retry_after(throttling_error(retry_after=2.5)) == 2.5
        assert retry_after(throttling_error()) is None
        assert "InvokeModel" in str(throttling_error("Slow down.", operation="InvokeModel"))

    def test_several_throttling_errors(self) -> None:
        several = throttling_errors(3)
        assert [type(error) for error in several] == [type(throttling_error())] * 3
        assert len({id(error) for error in several}) == 3
        assert throttling_errors(0) == []
        with pytest.raises(TypeError, match=r"^throttling_errors: n: got '2'; accepted: a whole number >= 0$"):
            throttling_errors("2")  # type: ignore[arg-type]  # that is the point
        with pytest.raises(ValueError, match=r"^throttling_errors: n: got -1; accepted: a whole number >= 0$"):
            throttling_errors(-1)

    def test_the_arguments_of_a_throttling_error(self) -> None:
        assert retry_after(throttling_error(retry_after=0)) == 0.0
        with pytest.raises(TypeError) as refused:
            throttling_error(2, retry_after="5")  # type: ignore[arg-type]  # that is the point
        assert str(refused.value) == (
            "throttling_error: message: got 2; accepted: a string, or None; throttling_errors(2) makes two errors; "
            "retry_after: got '5'; accepted: a finite number of seconds >= 0, or None"
        )
        with pytest.raises(TypeError, match=r"^bedrock_error: message: got 2; accepted: a string, or None$"):
            bedrock_error("ThrottlingException", message=2)  # type: ignore[arg-type]  # that is the point

    def test_errors_without_a_response(self) -> None:
        assert type(read_timeout()) is aws.ReadTimeoutError
        assert type(connection_failed()) is aws.EndpointConnectionError
        assert type(connection_lost()) is aws.ConnectionClosedError
        assert type(no_credentials()) is aws.NoCredentialsError
        assert type(no_region()) is aws.NoRegionError
        assert type(stream_error()) is aws.EventStreamError
        assert type(stream_cut()) is web.ProtocolError
        assert type(malformed_response()) is MalformedResponseError
        assert type(incomplete_response()) is IncompleteResponseError
        assert "https://bedrock-runtime" in str(read_timeout())
        assert "'max_tokens'" in str(incomplete_response())
        assert "'malformed_tool_use'" in str(incomplete_response("malformed_tool_use"))

    def test_an_error_inside_a_stream_has_no_metadata(self) -> None:
        error = stream_error("modelStreamErrorException", "It broke.")
        assert response(error) == {"Error": {"Code": "modelStreamErrorException", "Message": "It broke."}}
        assert "ConverseStream" in str(error)
        assert response(stream_error())["Error"]["Code"] == "throttlingException"

    def test_the_short_names(self) -> None:
        assert classify(access_denied()) is Fault.ACCESS_DENIED
        assert classify(tokens_per_day_error()) is Fault.TOKENS_PER_DAY
        assert classify(validation_error("No.")) is Fault.VALIDATION
        assert "No." in str(validation_error("No.", operation="InvokeModel"))


class TestErrorOf:
    @pytest.mark.parametrize("fault", FAULTS)
    def test_every_fault_has_an_error_that_means_it(self, fault: Fault) -> None:
        assert classify(error_of(fault)) is fault
        assert error_of(fault) is not error_of(fault)

    def test_a_cancellation_is_no_failure(self) -> None:
        with pytest.raises(ValueError) as refused:  # noqa: PT011 - the whole text is compared
            error_of(Fault.CANCELLED)
        assert str(refused.value) == (
            f"error_of: fault: got {Fault.CANCELLED!r}; accepted: any other Fault: this one is not a failure"
        )

    def test_a_name_is_no_fault(self) -> None:
        with pytest.raises(TypeError) as refused:
            error_of("throttling")  # type: ignore[arg-type]  # that is the point
        assert str(refused.value) == ("error_of: fault: got 'throttling'; accepted: a Fault, such as Fault.THROTTLING")


@pytest.mark.usefixtures("without_botocore")
class TestStandIns:
    @pytest.mark.parametrize("fault", FAULTS)
    def test_classification_cannot_tell_them_from_the_real_ones(self, fault: Fault) -> None:
        assert classify(error_of(fault)) is fault

    def test_they_are_no_botocore_exceptions_but_have_their_names(self) -> None:
        error = throttling_error()
        assert not isinstance(error, aws.ClientError)
        assert type(error).__name__ == "ThrottlingException"
        assert type(error).__mro__[1].__name__ == "ClientError"
        assert type(error).__mro__[1].__module__ == "botocore.exceptions"
        assert type(read_timeout()).__module__ == "botocore.exceptions"
        assert type(stream_cut()).__module__ == "urllib3.exceptions"

    def test_they_have_the_same_texts(self) -> None:
        assert str(validation_error("No.")) == (
            "An error occurred (ValidationException) when calling the Converse operation: No."
        )
        assert str(read_timeout()) == (
            'Read timeout on endpoint URL: "https://bedrock-runtime.eu-west-3.amazonaws.com/"'
        )
        assert str(no_credentials()) == "Unable to locate credentials"
        assert error_code(throttling_error()) == "ThrottlingException"
        assert throttling_error().operation_name == "Converse"  # type: ignore[attr-defined]  # as the real one
        assert retry_after(throttling_error(retry_after=2)) == 2.0

    def test_each_code_has_one_class(self) -> None:
        assert type(throttling_error()) is type(throttling_error())


def test_the_stand_ins_have_the_texts_of_the_real_errors() -> None:
    real = [str(error_of(fault)) for fault in FAULTS]
    with pytest.MonkeyPatch.context() as patch:
        hide_botocore(patch)
        stand_ins = [str(error_of(fault)) for fault in FAULTS]
    assert [text.replace(" (reached max retries: 0)", "") for text in real] == stand_ins
