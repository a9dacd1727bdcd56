"""An item of news, before and after it is normalized.

``RawItem`` is what a source published; ``NormalizedItem`` is one row of ``items.json``, with exactly the fields that
its readers expect. Both are frozen, because threads share them.
"""

from __future__ import annotations

import datetime as dt  # noqa: TC003 - msgspec reads the annotations when it is first used
import hashlib
from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any, Final, TypeAlias

import msgspec

KINDS: Final = ("companies", "molecules", "technologies", "trademarks", "indications")
"""The kinds of names in an item; each has a ``<kind>_detected`` and a ``<kind>_in_scopes`` list."""

Scopes: TypeAlias = Mapping[str, tuple[str, ...]]
"""Kind (one of ``KINDS``) to the names that a client watches, in the spelling of its scope files."""

_SHA256_HEX = "^[0-9a-f]{64}$"


class EventType(StrEnum):
    """The subject of an item; the newsletter sorts by it."""

    CLINICAL_UPDATE = "clinical_update"
    PARTNERSHIP = "partnership"
    REGULATORY = "regulatory"
    SCIENTIFIC_PAPER = "scientific_paper"
    CORPORATE_MOVE = "corporate_move"
    FINANCIAL_RESULTS = "financial_results"
    SAFETY_SIGNAL = "safety_signal"
    MANUFACTURING_SUPPLY = "manufacturing_supply"
    OTHER = "other"


class FoundBy(StrEnum):
    """How a name of an item was found."""

    MODEL = "model"
    RULE = "rule"
    """It is a name of the client's scopes, and the text contains it."""
    BOTH = "both"


def hash_content(content: str) -> str:
    """Return the sha256 of a cleaned text in hex. Items with the same hash are the same item."""
    return hashlib.sha256(content.encode()).hexdigest()


class RawItem(msgspec.Struct, frozen=True, kw_only=True):
    """One item as a source published it, cleaned but not yet normalized.

    Args:
        source_key: Key of the source in the catalog.
        source_type: The type of the source in the catalog, such as ``press_corporate``.
        title: Cleaned title, without markup.
        url: Absolute address of the item.
        published_at: Day of publication; None if none could be read.
        language: Language of the source, such as ``en``.
        content: Cleaned text, without markup.
        content_hash: ``hash_content(content)``.
        company_id: The catalog's company of a corporate source.
    """

    source_key: str
    source_type: str
    title: str
    url: str
    published_at: dt.date | None
    language: str
    content: str
    content_hash: str
    company_id: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the item as JSON types, as in ``raw.json``."""
        fields: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(self))
        return fields

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> RawItem:
        """Return the item that ``to_dict`` wrote.

        Raises:
            msgspec.ValidationError: A field is missing or of another type.
        """
        return msgspec.convert(dict(fields), cls)


class NormalizedItem(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One row of ``items.json``.

    ``<kind>_detected`` are the names that the text contains: those that the model reported, and those of the client's
    scopes that a search of the text finds. ``<kind>_in_scopes`` are those of them that the client watches, in the
    spelling of its scope files; the others keep the spelling of the source. ``names_found_by`` states how each name was
    found. ``date`` is ``published_at`` under the name that the engine and the newsletter read.
    """

    item_id: str
    source_key: str
    source_type: str
    title: str
    url: str
    published_at: dt.date
    date: dt.date
    ingested_at: dt.datetime
    language: str
    content: str
    content_hash: Annotated[str, msgspec.Meta(pattern=_SHA256_HEX)]
    summary: str
    event_type: EventType
    companies_detected: tuple[str, ...]
    companies_in_scopes: tuple[str, ...]
    molecules_detected: tuple[str, ...]
    molecules_in_scopes: tuple[str, ...]
    technologies_detected: tuple[str, ...]
    technologies_in_scopes: tuple[str, ...]
    trademarks_detected: tuple[str, ...]
    trademarks_in_scopes: tuple[str, ...]
    indications_detected: tuple[str, ...]
    indications_in_scopes: tuple[str, ...]
    names_found_by: dict[str, dict[str, FoundBy]]

    def to_dict(self) -> dict[str, Any]:
        """Return the item as JSON types: dates in ISO format, names in lists."""
        fields: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(self))
        return fields

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> NormalizedItem:
        """Return the item that ``to_dict`` wrote.

        Raises:
            msgspec.ValidationError: A field is missing, unknown, or of another type.
        """
        return msgspec.convert(dict(fields), cls)


def items_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of ``items.json``, made from ``NormalizedItem``."""
    return msgspec.json.schema(list[NormalizedItem])
