"""Items keep their fields on the way to JSON and back, and refuse what is not an item."""

from __future__ import annotations

import datetime as dt
import json

import msgspec
import pytest

from support.schemas import conforms
from vectora_normalize.items import KINDS, EventType, FoundBy, NormalizedItem, RawItem, hash_content, items_schema

RAW = RawItem(
    source_key="press_corporate__medincell",
    source_type="press_corporate",
    title="Résultats",
    url="https://www.medincell.com/news/1",
    published_at=dt.date(2026, 11, 20),
    language="en",
    content="UZEDY® grows.",
    content_hash=hash_content("UZEDY® grows."),
    company_id="medincell",
)
NAMES = {f"{kind}_{suffix}": ("x",) for kind in KINDS for suffix in ("detected", "in_scopes")}
NORMALIZED = NormalizedItem(
    item_id="press_corporate__medincell_20261120_0123456789ab",
    source_key=RAW.source_key,
    source_type=RAW.source_type,
    title=RAW.title,
    url=RAW.url,
    published_at=dt.date(2026, 11, 20),
    date=dt.date(2026, 11, 20),
    ingested_at=dt.datetime(2026, 11, 21, 6, 0, tzinfo=dt.UTC),
    language="en",
    content=RAW.content,
    content_hash=RAW.content_hash,
    summary="It grows.",
    event_type=EventType.FINANCIAL_RESULTS,
    names_found_by={"companies": {"x": FoundBy.BOTH}},
    **NAMES,
)


@pytest.mark.parametrize("item", [RAW, msgspec.structs.replace(RAW, published_at=None, company_id=None)])
def test_a_raw_item_survives_json(item: RawItem) -> None:
    assert RawItem.from_dict(json.loads(json.dumps(item.to_dict()))) == item


def test_a_normalized_item_survives_json() -> None:
    assert NormalizedItem.from_dict(json.loads(json.dumps(NORMALIZED.to_dict()))) == NORMALIZED


def test_a_normalized_item_has_exactly_the_fields_its_readers_know() -> None:
    assert list(NORMALIZED.to_dict()) == [
        "item_id",
        "source_key",
        "source_type",
        "title",
        "url",
        "published_at",
        "date",
        "ingested_at",
        "language",
        "content",
        "content_hash",
        "summary",
        "event_type",
        "companies_detected",
        "companies_in_scopes",
        "molecules_detected",
        "molecules_in_scopes",
        "technologies_detected",
        "technologies_in_scopes",
        "trademarks_detected",
        "trademarks_in_scopes",
        "indications_detected",
        "indications_in_scopes",
        "names_found_by",
    ]


def test_dates_are_iso_and_names_are_lists() -> None:
    fields = NORMALIZED.to_dict()
    assert fields["published_at"] == fields["date"] == "2026-11-20"
    assert fields["ingested_at"] == "2026-11-21T06:00:00Z"
    assert fields["companies_detected"] == ["x"]
    assert fields["names_found_by"] == {"companies": {"x": "both"}}


def test_the_event_types_are_those_of_the_newsletter() -> None:
    assert [str(event_type) for event_type in EventType] == [
        "clinical_update",
        "partnership",
        "regulatory",
        "scientific_paper",
        "corporate_move",
        "financial_results",
        "safety_signal",
        "manufacturing_supply",
        "other",
    ]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("content_hash", "0123"),
        ("event_type", "gossip"),
        ("published_at", "yesterday"),
        ("companies_detected", "MedinCell"),
        ("date", None),
        ("names_found_by", {"companies": {"x": "guess"}}),
        ("mood", "bullish"),
    ],
)
def test_an_invalid_normalized_item_is_refused(field: str, value: object) -> None:
    with pytest.raises(msgspec.ValidationError):
        NormalizedItem.from_dict({**NORMALIZED.to_dict(), field: value})


def test_the_schema_accepts_what_is_written() -> None:
    assert conforms([NORMALIZED.to_dict()], items_schema())


@pytest.mark.parametrize("change", [{"event_type": "gossip"}, {"mood": 1}, {"content_hash": "0123"}, {"title": None}])
def test_the_schema_refuses_an_invalid_item(change: dict[str, object]) -> None:
    assert not conforms([{**NORMALIZED.to_dict(), **change}], items_schema())


def test_the_hash_is_sha256_of_utf_8() -> None:
    assert hash_content("é") == "4a99557e4033c3539de2eb65472017cad5f9557f7a0625a09f1c3f6e2ba69c4c"
