"""An item on its way from the dispatcher to a worker."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast

import msgspec

from vectora_normalize.contract import readable_client_id
from vectora_normalize.items import RawItem, hash_content

if TYPE_CHECKING:
    from collections.abc import Mapping

_VERSION: Final = 1


class MalformedMessageError(ValueError):
    """A message that holds no item; the text names the field, what is there, and what is accepted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemMessage:
    """One item to normalise. The client's names and language are not in it: the worker reads the configuration.

    Args:
        client_id: Whose item it is.
        day: The day of the run that sent it; the item goes into the `items.json` of that day.
        ingested_at: The instant of that run.
        run: Its name.
        item: The item.
    """

    client_id: str
    day: dt.date
    ingested_at: dt.datetime
    run: str
    item: RawItem

    def to_json(self) -> str:
        """The body of the message."""
        fields = {name: getattr(self, name) for name in ("client_id", "day", "ingested_at", "run", "item")}
        return msgspec.json.encode({"version": _VERSION, **fields}).decode()

    @classmethod
    def from_json(cls, body: str) -> ItemMessage:
        """The message of a body.

        Raises:
            MalformedMessageError: It is none.
        """
        try:
            found: object = msgspec.json.decode(body)
        except (msgspec.DecodeError, UnicodeEncodeError, RecursionError) as error:
            raise MalformedMessageError(f"body: no JSON: {error}; accepted: the message of a dispatcher") from None
        if not isinstance(found, dict):
            raise MalformedMessageError("body: no JSON object; accepted: the message of a dispatcher")
        return _checked(cast("dict[str, Any]", found))


def _checked(fields: Mapping[str, Any]) -> ItemMessage:
    version, client_id = fields.get("version"), readable_client_id(fields)
    if version != _VERSION:
        raise MalformedMessageError(f"version: got {version!r}; accepted: {_VERSION}")
    if client_id is None:
        raise MalformedMessageError(f"client_id: got {fields.get('client_id')!r}; accepted: the id of a client")
    try:
        message = ItemMessage(
            client_id=client_id,
            day=msgspec.convert(fields.get("day"), dt.date),
            ingested_at=msgspec.convert(fields.get("ingested_at"), dt.datetime),
            run=msgspec.convert(fields.get("run"), str),
            item=msgspec.convert(fields.get("item"), RawItem),
        )
    except msgspec.ValidationError as error:
        raise MalformedMessageError(f"day, ingested_at, run, item: {error}") from None
    if message.ingested_at.tzinfo is None:
        raise MalformedMessageError(f"ingested_at: got {message.ingested_at}; accepted: an instant with its time zone")
    if message.item.published_at is None:
        raise MalformedMessageError("item.published_at: missing; required: the day of publication")
    if message.item.content_hash != hash_content(message.item.content):
        raise MalformedMessageError("item.content_hash: is not that of item.content")
    return message
