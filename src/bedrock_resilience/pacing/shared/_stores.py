"""`SharedTable`: where instances keep their shared pace. `DynamoTable` is for production, `MemoryTable` one process."""

from __future__ import annotations

import dataclasses
import importlib
import math
import threading
from typing import TYPE_CHECKING, Any, Final, Protocol

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


class SharedTable(Protocol):
    """One small state for each key, changed only by those who know it."""

    def exchange(self, key: str, seen: SharedPace, new: SharedPace, instance: str) -> SharedPace | None:
        """Put `new` in the place of `seen`, unless somebody else has changed it since.

        Args:
            key: Whose pace it is.
            seen: What is there, as far as the caller knows; `SharedPace()` where nothing is.
            new: What shall be there, with the revision of `seen` plus 1.
            instance: Who changes it; for whoever looks at the table.

        Returns:
            None if it was changed; else what is there instead, and nothing was changed.

        Raises:
            StoreUnavailableError: The table could not be reached.
        """
        ...


class MemoryTable:
    """A table in this process: for simulations and tests, and for pacers of one process that share a quota."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._paces: dict[str, SharedPace] = {}

    def exchange(self, key: str, seen: SharedPace, new: SharedPace, instance: str = "") -> SharedPace | None:  # noqa: ARG002 - the protocol's
        """As `SharedTable.exchange`; always within reach."""
        with self._lock:
            there = self._paces.get(key, SharedPace())
            if there.revision != seen.revision:
                return there
            self._paces[key] = new
            return None


class DynamoTable:
    """A DynamoDB table: partition key ``pace`` (string), TTL on ``expires``. Needs the extra ``[aws]``. Thread-safe.

    One conditional PutItem a change; where it is refused, the refusal carries what is there. No other permission than
    ``dynamodb:PutItem`` is needed.

    Args:
        name: The table's name or ARN.
        client: A boto3 DynamoDB client; None makes one with short timeouts, so that a table out of reach holds nobody
            up.
        region_name: The region of that client; None: as boto3 finds it.
        timeout: Seconds that client waits for a connection, and again for an answer. It tries twice.
        keep: Seconds after which DynamoDB may delete a pace that nobody has changed.

    Raises:
        ValueError: ``timeout`` or ``keep`` is not a finite number > 0.
        ModuleNotFoundError: boto3 is not installed.
    """

    def __init__(
        self,
        name: str,
        *,
        client: Any = None,  # noqa: ANN401 - boto3 makes its clients at run time
        region_name: str | None = None,
        timeout: float = 0.5,
        keep: float = SECONDS_A_DAY,
    ) -> None:
        for field, given in (("timeout", timeout), ("keep", keep)):
            if not 0 < given < math.inf:
                raise ValueError(f"DynamoTable.{field}: got {given!r}; accepted: a finite number of seconds > 0")
        self.name = name
        self._keep = keep
        self._client = _client(region_name, timeout) if client is None else client

    def exchange(self, key: str, seen: SharedPace, new: SharedPace, instance: str = "") -> SharedPace | None:
        """As `SharedTable.exchange`."""
        exceptions = importlib.import_module("botocore.exceptions")
        try:
            self._client.put_item(
                TableName=self.name,
                Item=self._item(key, new, instance),
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
                **_condition(seen),
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
        expires = {"N": str(math.ceil(pace.at + self._keep))}
        return {KEY: {"S": key}, **numbers, TIME_TO_LIVE: expires, "instance": {"S": instance}}

    def __repr__(self) -> str:
        return f"DynamoTable({self.name!r})"


def _condition(seen: SharedPace) -> dict[str, Any]:
    if seen.revision == 0:
        return {"ConditionExpression": "attribute_not_exists(revision)"}
    return {
        "ConditionExpression": "revision = :seen",
        "ExpressionAttributeValues": {":seen": {"N": str(seen.revision)}},
    }


def _pace(item: Mapping[str, Mapping[str, str]] | None) -> SharedPace:
    if not item:
        return SharedPace()  # it was deleted meanwhile
    try:
        numbers = {name: float(item[name]["N"]) for name in _FIELDS if name != "revision"}
        return SharedPace(revision=int(item["revision"]["N"]), **numbers)
    except (KeyError, ValueError) as error:
        raise StoreUnavailableError(f"the item {item!r} is no pace: {error!r}") from error


def _client(region_name: str | None, timeout: float) -> Any:  # noqa: ANN401 - boto3 makes its clients at run time
    try:
        session = importlib.import_module("boto3.session").Session
        config = importlib.import_module("botocore.config").Config
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"DynamoTable needs boto3 ({error}): pip install 'bedrock-resilience[aws]'", name=error.name
        ) from error
    settings = config(
        connect_timeout=timeout, read_timeout=timeout, retries={"mode": "standard", "total_max_attempts": 2}
    )
    return session().client("dynamodb", region_name=region_name, config=settings)


if TYPE_CHECKING:
    _conforms: tuple[SharedTable, SharedTable] = (MemoryTable(), DynamoTable(""))
