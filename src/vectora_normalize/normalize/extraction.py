"""Makes a normalized item from a Converse response: validates the extraction and grounds its names.

``Extraction`` is the one definition of what a model may answer: the schema of the forced tool is generated from it,
and the response is validated against it. A response that does not match is a failure of that item; no value is filled
in.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeAlias

import msgspec

from bedrock_resilience import Fault
from vectora_normalize.items import KINDS, EventType, NormalizedItem
from vectora_normalize.normalize.grounding import Text, Watchlist, ground
from vectora_normalize.normalize.plain_text import plain_summary

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping

    from vectora_normalize.items import FoundBy, RawItem, Scopes

Watchlists: TypeAlias = "Mapping[str, Watchlist]"
"""Kind (one of ``KINDS``) to the client's names of that kind."""

TOOL_NAME: Final = "record_item"
"""The tool that a model must call, whatever the text of an item demands."""

_FENCED = re.compile(r"\s*```(?:json)?\s*(.*?)\s*```\s*", re.DOTALL)


def _described(description: str) -> Any:  # noqa: ANN401 - an annotation's metadata
    return msgspec.Meta(description=description)


Names = tuple[str, ...]


_EVENT_TYPES = (
    "What the item is mainly about. clinical_update: results or progress of a clinical trial; "
    "partnership: licence, collaboration, supply or distribution agreement; "
    "regulatory: approval, submission, designation or label decided by an authority; "
    "scientific_paper: article or conference abstract; "
    "corporate_move: appointment, merger, acquisition, funding, listing; "
    "financial_results: revenue, earnings, guidance of a period; "
    "safety_signal: recall, warning, adverse events; "
    "manufacturing_supply: plant, capacity, shortage; "
    "other: none of these."
)


class Extraction(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The result of a model for one item; the descriptions are part of the prompt."""

    summary: Annotated[str, _described("What happened, in two or three plain sentences.")]
    event_type: Annotated[EventType, _described(_EVENT_TYPES)]
    companies: Annotated[Names, _described("Companies and institutions that the item names.")]
    molecules: Annotated[Names, _described("Active substances that the item names, without brand names.")]
    technologies: Annotated[Names, _described("Drug delivery technologies and formulations that the item names.")]
    trademarks: Annotated[Names, _described("Brand names of medicines that the item names.")]
    indications: Annotated[Names, _described("Diseases and conditions that the item names as treated.")]


class MalformedExtractionError(ValueError):
    """A response that is not an ``Extraction``; the message says where it differs.

    Attributes:
        body: The whole response, if it is known; the retry core reads its usage.
    """

    fault = Fault.MALFORMED_RESPONSE
    body: object = None


def tool_schema() -> dict[str, Any]:
    """Return the JSON Schema of the tool's input: ``Extraction``, in the subset that Bedrock's tools accept.

    References are resolved in place, and titles dropped: they cost tokens and give a model no information.
    """
    definitions = msgspec.json.schema(Extraction)["$defs"]
    return _flat(definitions["Extraction"], definitions)


def read_answer(answer: Mapping[str, Any]) -> Extraction:
    """Return the extraction in a response of Converse to a request with the forced tool.

    Args:
        answer: What ``bedrock_resilience.bedrock.converse`` returned.

    Raises:
        MalformedExtractionError: The tool was not called, or not with an ``Extraction``.
    """
    blocks = answer["output"]["message"]["content"]
    calls = [block["toolUse"] for block in blocks if block.get("toolUse", {}).get("name") == TOOL_NAME]
    if len(calls) != 1:
        raise MalformedExtractionError(f"answer: got {len(calls)} calls of {TOOL_NAME}; accepted: exactly one")
    return _checked(calls[0].get("input"))


def read_text_answer(answer: Mapping[str, Any]) -> Extraction:
    """Return the extraction in a response of Converse to a request for JSON as text.

    Args:
        answer: A response that passed ``bedrock_resilience.bedrock.check_converse``.

    Raises:
        MalformedExtractionError: The text is not JSON, or not that of an ``Extraction``.
    """
    text = "".join(block.get("text", "") for block in answer["output"]["message"]["content"])
    fenced = _FENCED.fullmatch(text)  # models put a fence around JSON, whatever the prompt says
    try:
        fields: object = msgspec.json.decode(fenced[1] if fenced else text)
    except (msgspec.DecodeError, RecursionError) as error:
        raise MalformedExtractionError(f"answer: no JSON: {error}; it begins with {text[:40]!r}") from error
    return _checked(fields)


def _checked(fields: object) -> Extraction:
    try:
        extraction = msgspec.convert(fields, Extraction)
    except msgspec.ValidationError as error:
        raise MalformedExtractionError(f"answer: {error}") from error
    if not plain_summary(extraction.summary):
        raise MalformedExtractionError("answer: the summary is blank")
    return extraction


def normalize(
    item: RawItem, extraction: Extraction, watchlists: Watchlists, *, ingested_at: dt.datetime
) -> NormalizedItem:
    """Return the normalized item: the extraction, grounded in the title and text of the item, its summary cleaned.

    Raises:
        ValueError: The item has no date; such items are filtered out earlier.
    """
    if item.published_at is None:
        raise ValueError(f"published_at: {item_id(item)} has none; required: the day of publication")
    text = Text(item.title, item.content)
    names: dict[str, tuple[str, ...]] = {}
    found_by: dict[str, dict[str, FoundBy]] = {}
    for kind in KINDS:
        reported: tuple[str, ...] = getattr(extraction, kind)
        detected, watched, of_kind = ground(reported, text, watchlists[kind])
        names[f"{kind}_detected"], names[f"{kind}_in_scopes"] = detected, watched
        if of_kind:
            found_by[kind] = of_kind
    return NormalizedItem(
        item_id=item_id(item),
        source_key=item.source_key,
        source_type=item.source_type,
        title=item.title,
        url=item.url,
        published_at=item.published_at,
        date=item.published_at,
        ingested_at=ingested_at,
        language=item.language,
        content=item.content,
        content_hash=item.content_hash,
        # Only responses that an earlier version stored can be empty here.
        summary=plain_summary(extraction.summary) or item.title,
        event_type=extraction.event_type,
        names_found_by=found_by,
        **names,
    )


def item_id(item: RawItem) -> str:
    """Return the id of the item: the same for the same text of the same source, in every run."""
    day = item.published_at.strftime("%Y%m%d") if item.published_at else "undated"
    return f"{item.source_key}_{day}_{item.content_hash[:12]}"


def watchlists_of(scopes: Scopes) -> dict[str, Watchlist]:
    """Return the client's names by kind; a kind that the client does not watch has an empty list."""
    return {kind: Watchlist(scopes.get(kind, ())) for kind in KINDS}


def _flat(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> dict[str, Any]:
    properties = {name: _resolved(entry, definitions) for name, entry in schema["properties"].items()}
    kept = {key: value for key, value in schema.items() if key not in {"title", "description"}}
    return {**kept, "properties": properties}


def _resolved(entry: Mapping[str, Any], definitions: Mapping[str, Any]) -> dict[str, Any]:
    if "$ref" not in entry:
        return dict(entry)
    target = definitions[entry["$ref"].rpartition("/")[2]]
    return {"type": "string", "enum": target["enum"], "description": entry["description"]}
