"""The message that carries an item from the dispatcher to a worker."""

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
    """A message without a valid item; the text names the field, what was given, and what is accepted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemMessage:
    """One item to normalize. It lacks the client's names and language: the worker reads the configuration.

    Args:
        client_id: The client of the item.
        day: The day of the run that sent it; the item goes into the ``items.json`` of that day.
        ingested_at: The start of that run.
        run_id: Name of that run; ``run`` in the message.
        item: The item.
    """

    client_id: str
    day: dt.date
    ingested_at: dt.datetime
    run_id: str
    item: RawItem

    def to_json(self) -> str:
        """Return the body of the message."""
        fields = {name: getattr(self, name) for name in ("client_id", "day", "ingested_at")}
        return msgspec.json.encode({"version": _VERSION, **fields, "run": self.run_id, "item": self.item}).decode()

    @classmethod
    def from_json(cls, body: str) -> ItemMessage:
        """Return the message of a body.

        Raises:
            MalformedMessageError: The body is not that of a dispatcher's message.
        """
        try:
            found: object = msgspec.json.decode(body)
        except (msgspec.DecodeError, UnicodeEncodeError, RecursionError) as error:
            raise MalformedMessageError(f"body: not JSON: {error}; accepted: the message of a dispatcher") from None
        if not isinstance(found, dict):
            raise MalformedMessageError("body: not a JSON object; accepted: the message of a dispatcher")
        return _parse(cast("dict[str, Any]", found))


def _parse(fields: Mapping[str, Any]) -> ItemMessage:
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
            run_id=msgspec.convert(fields.get("run"), str),
            item=msgspec.convert(fields.get("item"), RawItem),
        )
    except msgspec.ValidationError as error:
        raise MalformedMessageError(f"day, ingested_at, run, item: {error}") from None
    if message.ingested_at.tzinfo is None:
        raise MalformedMessageError(f"ingested_at: got {message.ingested_at}; accepted: an instant with its time zone")
    if message.item.published_at is None:
        raise MalformedMessageError("item.published_at: missing; required: the day of publication")
    if message.item.content_hash != hash_content(message.item.content):
        raise MalformedMessageError("item.content_hash: differs from the hash of item.content")
    return message
