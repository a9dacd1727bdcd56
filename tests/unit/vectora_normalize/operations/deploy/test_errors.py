"""Exceptions of AWS and boto3 become one line with what to do."""

from __future__ import annotations

import re

import pytest
from botocore import exceptions

from vectora_normalize.operations.deploy import DeployError
from vectora_normalize.operations.deploy.errors import wrap_aws_errors


def refusal(code: str, message: str = "why") -> exceptions.ClientError:
    return exceptions.ClientError({"Error": {"Code": code, "Message": message}}, "Operation")


def line(error: Exception) -> str:
    with pytest.raises(DeployError) as failed, wrap_aws_errors("doing it"):
        raise error
    assert failed.value.__cause__ is error
    assert "\n" not in str(failed.value)
    return str(failed.value)


@pytest.mark.parametrize(
    "error",
    [
        exceptions.NoCredentialsError(),
        exceptions.ProfileNotFound(profile="p"),
        exceptions.CredentialRetrievalError(provider="p", error_msg="e"),
        refusal("ExpiredToken"),
        refusal("UnrecognizedClientException"),
        refusal("InvalidAccessKeyId"),
    ],
)
def test_missing_or_invalid_credentials_are_reported_with_a_hint(error: Exception) -> None:
    assert re.match(r"doing it: no valid AWS credentials; set AWS_PROFILE or log in \(`aws sts .*\): ", line(error))


@pytest.mark.parametrize("code", ["AccessDenied", "AccessDeniedException", "403"])
def test_a_denied_action_is_reported_with_the_message_of_aws(code: str) -> None:
    assert line(refusal(code, "User u may not\ndo it")).startswith("doing it: not allowed: User u may not do it (")


def test_any_other_error_is_reported_with_its_code() -> None:
    assert line(refusal("Throttling")) == "doing it: Throttling: why"


@pytest.mark.parametrize(
    "error",
    [
        exceptions.EndpointConnectionError(endpoint_url="https://x"),
        exceptions.ConnectTimeoutError(endpoint_url="https://x"),
        exceptions.ReadTimeoutError(endpoint_url="https://x"),
    ],
)
def test_an_unreachable_endpoint_is_reported_with_its_address(error: Exception) -> None:
    assert re.match(r"doing it: AWS could not be reached: .*https://x", line(error))


def test_an_error_of_boto3_itself_is_reported() -> None:
    assert line(exceptions.NoRegionError()) == "doing it: You must specify a region."


def test_a_programming_error_is_not_hidden() -> None:
    with pytest.raises(TypeError), wrap_aws_errors("doing it"):
        raise TypeError
