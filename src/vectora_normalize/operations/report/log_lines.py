"""Parses log files, AWS command-line output, console exports and run reports into lines.

Nothing is refused. A line that is not JSON becomes a ``LogLine`` with that text. Damaged input is skipped, because a
log also has lines of other programs.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import json
import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, cast

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

# PowerShell 5 writes UTF-16 where bash writes UTF-8.
_ENCODINGS: Final = {codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16", codecs.BOM_UTF8: "utf-8-sig"}
_TEXT_KEYS: Final = ("message", "@message", "Message")  # of filter-log-events, of Logs Insights, of older exports
# Of filter-log-events and get-log-events, of get-query-results, and of subscriptions.
_LIST_KEYS: Final = ("events", "results", "logEvents")
_GZIP: Final = b"\x1f\x8b"


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line of a log, or one JSON object.

    Args:
        text: The message.
        fields: The members of the JSON object; empty if the line is not JSON.
    """

    text: str
    fields: Mapping[str, Any] = field(default_factory=dict[str, Any])


def parse_lines(content: bytes) -> Iterator[LogLine]:
    """Yield the lines of a file, whatever its format.

    Formats: plain lines, and JSON lines, with or without the prefix of ``aws logs tail``. The JSON of ``aws logs
        filter-log-events``, ``get-log-events`` and ``get-query-results``. The JSON and CSV exports of the console. The
        gzip files that an export task or a subscription writes to S3. Run reports, one or a list of them.
    """
    text = _decoded(_unpacked(content))
    value = _json(text)
    if value is not None:
        yield from _of_value(value)
    elif _is_csv(text):
        for row in csv.DictReader(io.StringIO(text)):
            yield from _of_value(dict(row))
    else:
        for line in text.splitlines():
            yield from _of_line(line)


def _unpacked(content: bytes) -> bytes:
    if content.startswith(_GZIP):
        try:
            return gzip.decompress(content)
        except (OSError, EOFError, zlib.error):  # damaged
            return b""
    return content


def _decoded(content: bytes) -> str:
    encoding = next((name for mark, name in _ENCODINGS.items() if content.startswith(mark)), "utf-8")
    return content.decode(encoding, errors="replace")


def _json(text: str) -> object:
    """Return the parsed text; None if it is not JSON."""
    try:
        return cast("object", json.loads(text))
    except (ValueError, RecursionError):
        return None


def _is_csv(text: str) -> bool:
    header = text.partition("\n")[0].strip().replace('"', "").split(",")
    return len(header) > 1 and not set(header).isdisjoint(_TEXT_KEYS)


def _of_line(line: str) -> Iterator[LogLine]:
    brace = line.find("{")
    value = _json(line[brace:]) if brace >= 0 else None
    if isinstance(value, dict):
        yield from _of_value(cast("object", value))
    elif line.strip():
        yield LogLine(line.strip())


def _of_value(value: object) -> Iterator[LogLine]:
    if isinstance(value, list):
        for part in cast("list[object]", value):
            yield from _of_value(_row(part))
    elif isinstance(value, dict):
        yield from _of_object(cast("dict[str, Any]", value))
    elif isinstance(value, str):
        yield from _of_line(value)


def _of_object(fields: dict[str, Any]) -> Iterator[LogLine]:
    for key in _LIST_KEYS:
        if isinstance(fields.get(key), list):
            yield from _of_value(fields[key])
            return
    text = next((fields[key] for key in _TEXT_KEYS if isinstance(fields.get(key), str)), "")
    if "{" in text and isinstance(_json(text[text.find("{") :]), dict):  # a CloudWatch event around a JSON line
        yield from _of_line(text)
    else:
        yield LogLine(text.strip(), fields)


def _row(part: object) -> object:
    """Return a row of ``get-query-results``, a list of names and values, as an object; anything else unchanged."""
    if isinstance(part, list):
        cells = [cast("Mapping[str, Any]", cell) for cell in cast("list[object]", part) if isinstance(cell, dict)]
        return {cell.get("field"): cell.get("value") for cell in cells}
    return part
