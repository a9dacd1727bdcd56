"""Whatever boto3 raises becomes one line that says what to do."""

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
def test_credentials_that_are_none_are_told_with_how_to_look(error: Exception) -> None:
    assert re.match(r"doing it: no valid AWS credentials; set AWS_PROFILE or log in \(`aws sts .*\): ", line(error))


@pytest.mark.parametrize("code", ["AccessDenied", "AccessDeniedException", "403"])
def test_what_is_not_allowed_is_told_with_aws_s_own_words(code: str) -> None:
    assert line(refusal(code, "User u may not\ndo it")).startswith("doing it: not allowed: User u may not do it (")


def test_any_other_refusal_is_told_with_its_code() -> None:
    assert line(refusal("Throttling")) == "doing it: Throttling: why"


@pytest.mark.parametrize(
    "error",
    [
        exceptions.EndpointConnectionError(endpoint_url="https://x"),
        exceptions.ConnectTimeoutError(endpoint_url="https://x"),
        exceptions.ReadTimeoutError(endpoint_url="https://x"),
    ],
)
def test_an_aws_that_is_not_reached_is_told_with_its_address(error: Exception) -> None:
    assert re.match(r"doing it: AWS was not reached: .*https://x", line(error))


def test_what_boto3_itself_refuses_is_told() -> None:
    assert line(exceptions.NoRegionError()) == "doing it: You must specify a region."


def test_a_mistake_of_this_program_is_not_hidden() -> None:
    with pytest.raises(TypeError), wrap_aws_errors("doing it"):
        raise TypeError
