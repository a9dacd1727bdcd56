"""Where instances store their shared pace: ``DynamoPaceStore`` in production, ``MemoryPaceStore`` in one process."""

from __future__ import annotations

import dataclasses
import importlib
import math
import threading
from typing import TYPE_CHECKING, Any, Final, Protocol

from bedrock_resilience._checks import number, refuse
from bedrock_resilience._errors import StoreUnavailableError
from bedrock_resilience.pacing.shared._schedule import SharedPace
from bedrock_resilience.quotas._quota import SECONDS_A_DAY

if TYPE_CHECKING:
    from collections.abc import Mapping

KEY: Final = "pace"
"""The partition key of the DynamoDB table, a string."""
TIME_TO_LIVE: Final = "expires"
"""The attribute to switch the table's TTL on for."""

_FIELDS: Final = tuple(field.name for field in dataclasses.fields(SharedPace))


class PaceStore(Protocol):
    """Stores one pace for each key, and changes it by compare-and-swap."""

    def compare_and_swap(self, key: str, expected: SharedPace, new: SharedPace, instance: str) -> SharedPace | None:
        """Replace ``expected`` by ``new``, unless another instance has changed the pace since.

        Args:
            key: The key of the pace: the model.
            expected: What is stored, as far as the caller knows; ``SharedPace()`` where nothing is.
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
        instance: str = "",  # noqa: ARG002 - the protocol's signature
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
        ttl: Seconds after which DynamoDB may delete a pace that nobody has changed.

    Raises:
        TypeError: ``timeout`` or ``ttl`` is not a number.
        ValueError: It is not finite and > 0.
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
            number("timeout", timeout, above=0, unit="seconds"),
            number("ttl", ttl, above=0, unit="seconds"),
        )
        self.name = name
        self._ttl = ttl
        self._client = _client(region_name, timeout) if client is None else client

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
            raise StoreUnavailableError(str(error)) from error
        except exceptions.BotoCoreError as error:
            raise StoreUnavailableError(str(error)) from error
        return None

    def _item(self, key: str, pace: SharedPace, instance: str) -> dict[str, dict[str, str]]:
        numbers = {name: {"N": repr(getattr(pace, name))} for name in _FIELDS}
        expires = {"N": str(math.ceil(pace.at + self._ttl))}
        return {KEY: {"S": key}, **numbers, TIME_TO_LIVE: expires, "instance": {"S": instance}}

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
        numbers = {name: float(item[name]["N"]) for name in _FIELDS if name != "revision"}
        return SharedPace(revision=int(item["revision"]["N"]), **numbers)
    except (KeyError, ValueError) as error:
        raise StoreUnavailableError(f"the item {item!r} is not a pace: {error!r}") from error


def _client(region_name: str | None, timeout: float) -> Any:  # noqa: ANN401 - boto3 makes its clients at run time
    try:
        session = importlib.import_module("boto3.session").Session
        config = importlib.import_module("botocore.config").Config
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"DynamoPaceStore needs boto3 ({error}): pip install 'bedrock-resilience[aws]'", name=error.name
        ) from error
    settings = config(
        connect_timeout=timeout, read_timeout=timeout, retries={"mode": "standard", "total_max_attempts": 2}
    )
    return session().client("dynamodb", region_name=region_name, config=settings)


if TYPE_CHECKING:
    _conforms: tuple[PaceStore, PaceStore] = (MemoryPaceStore(), DynamoPaceStore(""))
