"""A message keeps its item unchanged; a malformed one is refused by its field."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import pytest

from support.items import raw_item
from vectora_normalize.pipeline.messages import ItemMessage, MalformedMessageError

MESSAGE = ItemMessage(
    client_id="lai_weekly",
    day=dt.date(2026, 11, 21),
    ingested_at=dt.datetime(2026, 11, 21, 6, 30, tzinfo=dt.UTC),
    run_id="r-1-0a",
    item=raw_item("Étude «PRÉLUDE»: 12 % de rechutes."),
)


def changed(**fields: Any) -> str:  # noqa: ANN401 - right and wrong values of every kind
    fields_of_message = {**json.loads(MESSAGE.to_json()), **fields}
    return json.dumps({name: value for name, value in fields_of_message.items() if value is not ...})


def changed_item(**fields: object) -> str:
    return changed(item={**json.loads(MESSAGE.to_json())["item"], **fields})


def test_a_message_is_parsed_unchanged() -> None:
    assert ItemMessage.from_json(MESSAGE.to_json()) == MESSAGE
    assert "É" in MESSAGE.to_json()


def test_unknown_fields_are_ignored() -> None:
    assert ItemMessage.from_json(changed(priority="high")) == MESSAGE


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("", "body: not JSON"),
        ("{", "body: not JSON"),
        ("[" * 100_000, "body: not JSON"),
        ("\ud800", "body: not JSON"),
        ("[]", "body: not a JSON object; accepted: the message of a dispatcher"),
        ("null", "body: not a JSON object"),
        (changed(version=2), "version: got 2; accepted: 1"),
        (changed(version=...), "version: got None; accepted: 1"),
        (changed(client_id="../other"), "client_id: got '../other'; accepted: the id of a client"),
        (changed(client_id=...), "client_id: got None"),
        (changed(day="21 November"), "day, ingested_at, run, item: "),
        (changed(run=7), "day, ingested_at, run, item: "),
        (changed(item={"title": "alone"}), "day, ingested_at, run, item: Object missing required field"),
        (changed(ingested_at="2026-11-21T06:30:00"), "ingested_at: got 2026-11-21 06:30:00; accepted: an instant with"),
        (changed_item(published_at=None), "item.published_at: missing"),
        (changed_item(content="another text"), "item.content_hash: differs from the hash of item.content"),
    ],
)
def test_a_malformed_message_is_refused_by_its_field(body: str, message: str) -> None:
    with pytest.raises(MalformedMessageError) as caught:
        ItemMessage.from_json(body)
    assert str(caught.value).startswith(message)
