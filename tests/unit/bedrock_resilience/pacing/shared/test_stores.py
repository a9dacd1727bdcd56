"""DynamoPaceStore: its arguments. The integration test of the shared pacer has a table."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import sys
from typing import TYPE_CHECKING, Any, cast

import boto3
import pytest
from botocore.exceptions import ClientError

from bedrock_resilience.errors import StoreUnavailableError
from bedrock_resilience.pacing import DynamoPaceStore
from bedrock_resilience.pacing.shared import SharedPace
from bedrock_resilience.pacing.shared._stores import failure_text

if TYPE_CHECKING:
    from collections.abc import Mapping

_boto3 = cast("Any", boto3)  # its stubs overload `client` for services whose types are not installed


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({"name": ""}, "name: got ''; accepted: the name or ARN of a table"),
        ({"name": None}, "name: got None; accepted: the name or ARN of a table"),
        ({"timeout": 0.0}, "timeout: got 0.0; accepted: a finite number of seconds > 0"),
        ({"ttl": "1 h"}, "ttl: got '1 h'; accepted: a finite number of seconds > 0"),
    ],
)
def test_a_wrong_argument_is_named(arguments: Mapping[str, Any], problem: str) -> None:
    given: dict[str, Any] = {"name": "paces", "client": object(), **arguments}
    with pytest.raises((TypeError, ValueError)) as refused:
        DynamoPaceStore(**given)
    assert str(refused.value) == f"DynamoPaceStore: {problem}"


def test_a_client_of_another_service_is_refused() -> None:
    client = _boto3.client("s3", region_name="eu-west-3")
    with contextlib.closing(client), pytest.raises(TypeError) as refused:
        DynamoPaceStore("paces", client=client)
    assert (
        str(refused.value) == f"DynamoPaceStore: client: got {client!r}; accepted: a boto3 client of dynamodb, or None"
    )


@pytest.mark.parametrize(
    ("code", "remedy"),
    [
        (
            "ResourceNotFoundException",
            "; this does not pass by itself: create the table in this Region, or correct its name",
        ),
        (
            "ValidationException",
            "; this does not pass by itself: the table needs the partition key 'pace', a string, alone",
        ),
        ("AccessDeniedException", "; this does not pass by itself: allow dynamodb:PutItem on the table"),
        ("ThrottlingException", ""),
    ],
)
def test_the_text_of_a_failure_that_does_not_pass_says_what_to_do(code: str, remedy: str) -> None:
    failure = ClientError({"Error": {"Code": code, "Message": "No."}}, "PutItem")

    class Client:
        def put_item(self, **_: object) -> None:
            raise failure

    with pytest.raises(StoreUnavailableError) as raised:
        DynamoPaceStore("paces", client=Client()).compare_and_swap("model", SharedPace(), SharedPace(revision=1))
    assert str(raised.value) == f"the table paces: {failure}{remedy}"


@pytest.mark.parametrize(("settings", "seconds"), [({}, 0.5), ({"timeout": 2.0}, 2.0)])
def test_its_own_client_is_of_the_region_and_gives_up_soon(settings: Mapping[str, Any], seconds: float) -> None:
    client = DynamoPaceStore("paces", region_name="eu-south-2", **settings)._client  # pyright: ignore[reportPrivateUsage]
    with contextlib.closing(client):
        assert (client.meta.service_model.service_name, client.meta.region_name) == ("dynamodb", "eu-south-2")
        config = client.meta.config
        assert (config.connect_timeout, config.read_timeout) == (seconds, seconds)
        assert config.retries == {"mode": "standard", "total_max_attempts": 2}


def test_without_boto3_the_store_and_the_extra_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "boto3.session", None)
    with pytest.raises(
        ModuleNotFoundError, match=r"^DynamoPaceStore needs boto3 .*: pip install 'bedrock-resilience\[aws\]'"
    ) as raised:
        DynamoPaceStore("paces")
    assert raised.value.name == "boto3.session"


PACE = SharedPace(revision=3, at=1_000.25, granted=4.0, learned={"cuts": 1})


class Client:
    """Keeps the request, and answers with what is stored."""

    def __init__(self, stored: Mapping[str, Any] | None = None) -> None:
        self.stored = stored
        self.request: dict[str, Any] = {}

    def put_item(self, **request: Any) -> None:  # noqa: ANN401 - as boto3 does
        self.request = request
        if self.stored is not None:
            response: Any = {"Error": {"Code": "ConditionalCheckFailedException"}, "Item": self.stored}
            raise ClientError(response, "PutItem")


@pytest.mark.parametrize("instance", ["", "blue"])
def test_what_it_sends(instance: str) -> None:
    client = Client()
    store = DynamoPaceStore("paces", client=client, ttl=60.0)
    given = (instance,) if instance else ()
    assert store.compare_and_swap("model", SharedPace(revision=2), PACE, *given) is None
    item = client.request.pop("Item")
    assert client.request == {
        "TableName": "paces",
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        "ConditionExpression": "revision = :expected",
        "ExpressionAttributeValues": {":expected": {"N": "2"}},
    }
    assert {name: item[name] for name in ("pace", "instance", "expires", "revision", "at", "granted")} == {
        "pace": {"S": "model"},
        "instance": {"S": instance},
        "expires": {"N": "1061"},
        "revision": {"N": "3"},
        "at": {"N": "1000.25"},
        "granted": {"N": "4.0"},
    }
    assert item["details"]["S"] == json.dumps(json.loads(item["details"]["S"]), separators=(",", ":"))
    assert DynamoPaceStore("paces", client=Client(item)).compare_and_swap("model", SharedPace(), PACE) == PACE


def test_an_item_without_details_is_that_of_an_earlier_version() -> None:
    client = Client()
    DynamoPaceStore("paces", client=client).compare_and_swap("model", SharedPace(), PACE)
    item = {name: value for name, value in client.request["Item"].items() if name != "details"}
    stored = DynamoPaceStore("paces", client=Client(item)).compare_and_swap("model", SharedPace(), PACE)
    assert stored == dataclasses.replace(PACE, learned={})


def test_an_error_without_a_code() -> None:
    response: Any = {"Error": {}}
    failure = ClientError(response, "PutItem")
    assert failure_text(failure, {}) == str(failure)
    failure.response = cast("Any", {})
    assert failure_text(failure, {"None": "do it"}) == f"{failure}; this does not pass by itself: do it"
