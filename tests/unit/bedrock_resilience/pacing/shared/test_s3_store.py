"""S3PaceStore: its arguments, and a response that is cut off. Its integration test has a bucket."""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING, Any, cast

import boto3
import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

from bedrock_resilience.errors import StoreUnavailableError
from bedrock_resilience.pacing import S3PaceStore
from bedrock_resilience.pacing.shared import SharedPace

if TYPE_CHECKING:
    from collections.abc import Mapping

_boto3 = cast("Any", boto3)  # its stubs overload `client` for services whose types are not installed


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({"bucket": ""}, "bucket: got ''; accepted: the name of a bucket"),
        (
            {"bucket": "s3://paces/pace"},
            "bucket: got 's3://paces/pace'; accepted: the name of a bucket alone, and the path in it as prefix",
        ),
        (
            {"bucket": "paces/pace"},
            "bucket: got 'paces/pace'; accepted: the name of a bucket alone, and the path in it as prefix",
        ),
        ({"bucket": 5}, "bucket: got 5; accepted: the name of a bucket"),
        ({"prefix": None}, "prefix: got None; accepted: a str"),
        ({"timeout": 0.0}, "timeout: got 0.0; accepted: a finite number of seconds > 0"),
    ],
)
def test_a_wrong_argument_is_named(arguments: Mapping[str, Any], problem: str) -> None:
    given: dict[str, Any] = {"bucket": "paces", "client": object(), **arguments}
    with pytest.raises((TypeError, ValueError)) as refused:
        S3PaceStore(**given)
    assert str(refused.value) == f"S3PaceStore: {problem}"


@pytest.mark.parametrize("bucket", ["paces", "arn:aws:s3:eu-west-3:123456789012:accesspoint/paces"])
def test_the_name_of_a_bucket_and_the_arn_of_an_access_point_are_accepted(bucket: str) -> None:
    assert S3PaceStore(bucket, client=object()).bucket == bucket


def test_a_client_of_another_service_is_refused() -> None:
    client = _boto3.client("dynamodb", region_name="eu-west-3")
    with contextlib.closing(client), pytest.raises(TypeError) as refused:
        S3PaceStore("paces", client=client)
    assert str(refused.value) == f"S3PaceStore: client: got {client!r}; accepted: a boto3 client of s3, or None"


def test_without_boto3_the_store_and_the_extra_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "boto3.session", None)
    with pytest.raises(ModuleNotFoundError, match=r"^S3PaceStore.* pip install 'bedrock-resilience\[aws\]'"):
        S3PaceStore("paces")


@pytest.mark.parametrize("error", [ReadTimeoutError(endpoint_url="https://s3"), ConnectionResetError("cut off")])
def test_a_response_that_is_cut_off_is_no_pace(error: Exception) -> None:
    class Body(contextlib.AbstractContextManager[Any]):
        def read(self) -> bytes:
            raise error

        def __exit__(self, *_: object) -> None: ...

        close = __exit__

    class Client:
        def get_object(self, **_: object) -> dict[str, object]:
            return {"Body": Body(), "ETag": "1"}

    with pytest.raises(StoreUnavailableError) as raised:
        S3PaceStore("paces", client=Client()).compare_and_swap("model", SharedPace(revision=1), SharedPace(revision=2))
    assert str(raised.value) == f"s3://paces/pace/model.json: {error}"


@pytest.mark.parametrize(
    ("code", "remedy"),
    [
        ("NoSuchBucket", "; this does not pass by itself: create the bucket, or correct its name"),
        ("AccessDenied", "; this does not pass by itself: allow s3:PutObject and s3:GetObject under the prefix"),
        ("SlowDown", ""),
    ],
)
def test_the_text_of_a_failure_that_does_not_pass_says_what_to_do(code: str, remedy: str) -> None:
    failure = ClientError({"Error": {"Code": code, "Message": "No."}}, "PutObject")

    class Client:
        def put_object(self, **_: object) -> None:
            raise failure

    with pytest.raises(StoreUnavailableError) as raised:
        S3PaceStore("paces", client=Client()).compare_and_swap("model", SharedPace(), SharedPace(revision=1))
    assert str(raised.value) == f"s3://paces/pace/model.json: {failure}{remedy}"
