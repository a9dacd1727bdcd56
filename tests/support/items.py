"""Raw items to test with."""

from __future__ import annotations

import datetime as dt

from vectora_normalize.items import RawItem, hash_content


def raw_item(content: str = "Camurus grows.", *, title: str = "News", number: int = 0, **fields: object) -> RawItem:
    """An item with that text; the fields that a test does not care about are filled in."""
    values: dict[str, object] = {
        "source_key": "press_corporate__camurus",
        "source_type": "press_corporate",
        "title": title,
        "url": f"https://www.camurus.com/media/{number}",
        "published_at": dt.date(2026, 11, 20),
        "language": "en",
        "content": content,
        "content_hash": hash_content(content),
        "company_id": "camurus",
        **fields,
    }
    return RawItem(**values)  # type: ignore[arg-type]  # the values of the fields
