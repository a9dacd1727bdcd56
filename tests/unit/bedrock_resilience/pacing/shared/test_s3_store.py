"""S3PaceStore: its arguments, and a response that is cut off. Its integration test has a bucket."""

from __future__ import annotations

import contextlib
import io
import json
import sys
from typing import TYPE_CHECKING, Any, cast

import boto3
import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

from bedrock_resilience.errors import StoreUnavailableError
from bedrock_resilience.pacing import S3PaceStore
from bedrock_resilience.pacing.shared import SharedPace
from bedrock_resilience.pacing.shared._pace import to_json

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


@pytest.mark.parametrize(("settings", "seconds"), [({}, 0.5), ({"timeout": 2.0}, 2.0)])
def test_its_own_client_is_of_the_region_and_gives_up_soon(settings: Mapping[str, Any], seconds: float) -> None:
    client = S3PaceStore("paces", region_name="eu-south-2", **settings)._client  # pyright: ignore[reportPrivateUsage]
    with contextlib.closing(client):
        assert (client.meta.service_model.service_name, client.meta.region_name) == ("s3", "eu-south-2")
        config = client.meta.config
        assert (config.connect_timeout, config.read_timeout) == (seconds, seconds)
        assert config.retries == {"mode": "standard", "total_max_attempts": 1}


class TestRequests:
    """What the store sends to S3, one request after the other."""

    class Client:
        """Answers with these, and keeps the requests."""

        def __init__(self, *answers: str | SharedPace | ClientError) -> None:
            self.answers = list(answers)
            self.requests: list[tuple[str, dict[str, Any]]] = []

        def _answer(self, operation: str, request: dict[str, Any]) -> dict[str, Any]:
            self.requests.append((operation, request))
            answer = self.answers.pop(0)
            if isinstance(answer, ClientError):
                raise answer
            if isinstance(answer, str):
                return {"ETag": answer}
            body = contextlib.closing(io.BytesIO(json.dumps(to_json(answer)).encode()))
            return {"ETag": f"read-{answer.revision}", "Body": body}

        def put_object(self, **request: Any) -> dict[str, Any]:  # noqa: ANN401 - as boto3 does
            return self._answer("put", request)

        def get_object(self, **request: Any) -> dict[str, Any]:  # noqa: ANN401 - as boto3 does
            return self._answer("get", request)

        @property
        def conditions(self) -> list[tuple[str, str | None]]:
            return [(name, request.get("IfMatch") or request.get("IfNoneMatch")) for name, request in self.requests]

    MISSING = ClientError({"Error": {"Code": "NoSuchKey"}}, "GetObject")
    CHANGED = ClientError({"Error": {"Code": "PreconditionFailed"}}, "PutObject")
    FIRST, SECOND, THIRD = (SharedPace(revision=revision, at=9.0) for revision in (1, 2, 3))

    def store(self, *answers: str | SharedPace | ClientError) -> tuple[S3PaceStore, Client]:
        client = self.Client(*answers)
        return S3PaceStore("paces", prefix="p/", client=client), client

    @pytest.mark.parametrize("instance", ["", "blue"])
    def test_a_first_write(self, instance: str) -> None:
        store, client = self.store("one")
        given = (instance,) if instance else ()
        assert store.compare_and_swap("eu.a/b:0 c", SharedPace(), self.FIRST, *given) is None
        text = json.dumps({**to_json(self.FIRST), "instance": instance}).replace(": ", ":").replace(", ", ",")
        assert client.requests == [
            (
                "put",
                {
                    "Bucket": "paces",
                    "Key": "p/eu.a/b:0%20c.json",
                    "Body": text.encode(),
                    "ContentType": "application/json",
                    "IfNoneMatch": "*",
                },
            )
        ]

    def test_the_next_write_knows_the_version_but_not_that_of_another_key(self) -> None:
        store, client = self.store("one", "two", self.MISSING)
        assert store.compare_and_swap("m", SharedPace(), self.FIRST) is None
        assert store.compare_and_swap("m", self.FIRST, self.SECOND) is None
        assert store.compare_and_swap("other", self.SECOND, self.THIRD) == SharedPace()
        assert client.conditions == [("put", "*"), ("put", "one"), ("get", None)]

    def test_what_this_process_has_not_seen_is_read_first(self) -> None:
        store, client = self.store(self.FIRST, "two")
        assert store.compare_and_swap("m", self.FIRST, self.SECOND) is None
        assert client.conditions == [("get", None), ("put", "read-1")]

    @pytest.mark.parametrize("stored", [SharedPace(revision=1, at=8.0), SharedPace(revision=2, at=9.0)])
    def test_something_else_that_is_stored_is_not_replaced(self, stored: SharedPace) -> None:
        store, client = self.store(stored)
        assert store.compare_and_swap("m", self.FIRST, self.SECOND) == stored
        assert client.conditions == [("get", None)]

    def test_what_another_instance_has_changed_is_returned(self) -> None:
        store, client = self.store(self.FIRST, self.CHANGED, self.SECOND, "three")
        assert store.compare_and_swap("m", self.FIRST, self.SECOND) == self.SECOND
        assert store.compare_and_swap("m", self.SECOND, self.THIRD) is None
        assert client.conditions == [("get", None), ("put", "read-1"), ("get", None), ("put", "read-2")]

    @pytest.mark.parametrize("answers", [(MISSING,), (CHANGED, MISSING)])
    def test_what_was_deleted_is_forgotten(self, answers: tuple[ClientError, ...]) -> None:
        store, client = self.store("one", *answers, self.MISSING)
        assert store.compare_and_swap("m", SharedPace(), self.FIRST) is None
        assert store.compare_and_swap("m", self.FIRST, self.SECOND) == SharedPace()
        assert store.compare_and_swap("m", self.FIRST, self.SECOND) == SharedPace()
        assert [name for name, _ in client.requests] == ["put", "put", *["get"] * len(answers)]

    def test_an_error_without_a_code(self) -> None:
        failure = ClientError(cast("Any", {}), "PutObject")
        store, _ = self.store(failure)
        with pytest.raises(StoreUnavailableError) as raised:
            store.compare_and_swap("m", SharedPace(), self.FIRST)
        assert str(raised.value) == f"s3://paces/p/m.json: {failure}"
