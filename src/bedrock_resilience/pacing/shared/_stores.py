"""Where instances store their shared pace: ``DynamoPaceStore``, or ``MemoryPaceStore`` in one process."""

from __future__ import annotations

import importlib
import json
import math
import threading
from typing import TYPE_CHECKING, Any, Final, Protocol

from bedrock_resilience._checks import instance as instance_of
from bedrock_resilience._checks import number, refuse, wrong_type, wrong_value
from bedrock_resilience._errors import StoreUnavailableError
from bedrock_resilience.pacing.shared._pace import NUMBERS, SharedPace, details_to_json, from_json
from bedrock_resilience.quotas._quota_limit import SECONDS_A_DAY

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bedrock_resilience._checks import Problem

KEY: Final = "pace"
"""The partition key of the DynamoDB table, a string."""
TIME_TO_LIVE: Final = "expires"
"""The attribute to switch the table's TTL on for."""
DETAILS: Final = "details"
"""The attribute of what is no number: the instances, and what was learned, as JSON."""


_REMEDIES: Final = {
    "ResourceNotFoundException": "create the table in this Region, or correct its name",
    "ValidationException": f"the table needs the partition key {KEY!r}, a string, alone",
    "AccessDeniedException": "allow dynamodb:PutItem on the table",
}


class PaceStore(Protocol):
    """Stores one pace for each key, and changes it by compare-and-swap."""

    def compare_and_swap(self, key: str, expected: SharedPace, new: SharedPace, instance: str) -> SharedPace | None:
        """Replace ``expected`` by ``new``, unless another instance has changed the pace since.

        Args:
            key: The key of the pace: the model.
            expected: What is stored, as far as the caller has read it; ``SharedPace()`` if nothing is.
            new: What to store, with the revision of ``expected`` plus 1.
            instance: The instance that changes it, for people who read the store.

        Returns:
            None if the pace was replaced; else what is stored instead, and nothing was changed.

        Raises:
            StoreUnavailableError: The store was not reached, or refused the request.
        """
        ...


class MemoryPaceStore:
    """A store in this process: for simulations and tests, and for pacers of one process that share a quota."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._paces: dict[str, SharedPace] = {}

    def compare_and_swap(
        self,
        key: str,
        expected: SharedPace,
        new: SharedPace,
        instance: str = "",  # noqa: ARG002  # pragma: no mutate - the protocol's signature
    ) -> SharedPace | None:
        """Replace ``expected`` by ``new``, as ``PaceStore`` says; always available."""
        with self._lock:
            stored = self._paces.get(key, SharedPace())
            if stored.revision != expected.revision:
                return stored
            self._paces[key] = new
            return None


class DynamoPaceStore:
    """A DynamoDB table: partition key ``pace`` (string), TTL on ``expires``. Needs the extra ``[aws]``. Thread-safe.

    A change is one conditional PutItem; a refusal contains what is stored. The only permission needed is
    ``dynamodb:PutItem``.

    Args:
        name: The table's name or ARN.
        client: A boto3 DynamoDB client; None makes one with short timeouts, so that an unreachable table delays no
            request for long.
        region_name: The region of this client; None: as boto3 finds it.
        timeout: Seconds that this client waits for a connection, and again for a response. It tries twice.
        ttl: Seconds after which DynamoDB may delete a pace that no instance has changed.

    Raises:
        TypeError: An argument has the wrong type, or ``client`` is that of another service.
        ValueError: ``name`` is empty, or ``timeout`` or ``ttl`` is not finite and > 0.
        ModuleNotFoundError: boto3 is not installed.
    """

    def __init__(
        self,
        name: str,
        *,
        client: Any = None,  # noqa: ANN401 - boto3 makes its clients at run time
        region_name: str | None = None,
        timeout: float = 0.5,
        ttl: float = SECONDS_A_DAY,
    ) -> None:
        refuse(
            "DynamoPaceStore",
            nonempty("name", name, "the name or ARN of a table"),
            client_of("dynamodb", client),
            number("timeout", timeout, above=0, unit="seconds"),
            number("ttl", ttl, above=0, unit="seconds"),
        )
        self.name = name
        self._ttl = ttl
        self._client = make_client("DynamoPaceStore", "dynamodb", region_name, timeout, 2) if client is None else client

    def compare_and_swap(
        self, key: str, expected: SharedPace, new: SharedPace, instance: str = ""
    ) -> SharedPace | None:
        """Replace ``expected`` by ``new``, as ``PaceStore`` says."""
        exceptions = importlib.import_module("botocore.exceptions")
        try:
            self._client.put_item(
                TableName=self.name,
                Item=self._item(key, new, instance),
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
                **_condition(expected),
            )
        except exceptions.ClientError as error:
            response = error.response
            if response["Error"].get("Code") == "ConditionalCheckFailedException":
                return _pace(response.get("Item"))
            raise StoreUnavailableError(f"the table {self.name}: {failure_text(error, _REMEDIES)}") from error
        except exceptions.BotoCoreError as error:
            raise StoreUnavailableError(f"the table {self.name}: {error}") from error
        return None

    def _item(self, key: str, pace: SharedPace, instance: str) -> dict[str, dict[str, str]]:
        numbers = {name: {"N": repr(getattr(pace, name))} for name in ("revision", *NUMBERS)}
        details = {"S": json.dumps(details_to_json(pace), separators=(",", ":"))}
        expires = {"N": str(math.ceil(pace.at + self._ttl))}
        return {KEY: {"S": key}, **numbers, DETAILS: details, TIME_TO_LIVE: expires, "instance": {"S": instance}}

    def __repr__(self) -> str:
        return f"DynamoPaceStore({self.name!r})"


def _condition(expected: SharedPace) -> dict[str, Any]:
    if expected.revision == 0:
        return {"ConditionExpression": "attribute_not_exists(revision)"}
    return {
        "ConditionExpression": "revision = :expected",
        "ExpressionAttributeValues": {":expected": {"N": str(expected.revision)}},
    }


def _pace(item: Mapping[str, Mapping[str, str]] | None) -> SharedPace:
    if not item:
        return SharedPace()  # it was deleted in between
    try:
        numbers = {name: item[name]["N"] for name in ("revision", *NUMBERS)}
        # Earlier versions stored numbers alone.
        return from_json({**numbers, **json.loads(item[DETAILS]["S"] if DETAILS in item else "{}")})
    except (KeyError, TypeError, ValueError) as error:
        raise StoreUnavailableError(f"the item {item!r} is not a pace: {error!r}") from error


def nonempty(name: str, given: object, accepted: str) -> Problem | None:
    """Accept a ``str`` that is not empty."""
    return instance_of(name, given, str, accepted) or (None if given else wrong_value(name, given, accepted))


def client_of(service: str, client: Any) -> Problem | None:  # noqa: ANN401 - as below
    """Accept a client of the service, and what does not say which service it is for, such as a test's."""
    model = getattr(getattr(client, "meta", None), "service_model", None)
    given = getattr(model, "service_name", service)
    return None if given == service else wrong_type("client", client, f"a boto3 client of {service}, or None")


def failure_text(error: Any, remedies: Mapping[str, str]) -> str:  # noqa: ANN401 - a ClientError of botocore
    """Return the text of an error of AWS, with what to do about one that no wait resolves."""
    remedy = remedies.get(str(error.response.get("Error", {}).get("Code")))
    return str(error) if remedy is None else f"{error}; this does not pass by itself: {remedy}"


def make_client(owner: str, service: str, region_name: str | None, timeout: float, attempts: int) -> Any:  # noqa: ANN401 - boto3 makes its clients at run time
    """Return a boto3 client with short timeouts, so that an unreachable store delays no request for long.

    Raises:
        ModuleNotFoundError: boto3 is not installed.
    """
    try:
        session = importlib.import_module("boto3.session").Session
        config = importlib.import_module("botocore.config").Config
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"{owner} needs boto3 ({error}): pip install 'bedrock-resilience[aws]'", name=error.name
        ) from error
    settings = config(
        connect_timeout=timeout, read_timeout=timeout, retries={"mode": "standard", "total_max_attempts": attempts}
    )
    return session().client(service, region_name=region_name, config=settings)


if TYPE_CHECKING:
    _conforms: tuple[PaceStore, PaceStore] = (MemoryPaceStore(), DynamoPaceStore("paces"))
