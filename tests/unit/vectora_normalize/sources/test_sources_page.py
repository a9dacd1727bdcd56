"""The documentation page has the limits, kinds of failure and counts of the code."""

from __future__ import annotations

import re

from support.pages import ROOT
from vectora_normalize.sources import patterns
from vectora_normalize.sources.errors import FetchErrorKind
from vectora_normalize.sources.http.limits import MEBIBYTE, FetchLimits
from vectora_normalize.sources.parse import element_stack as stack
from vectora_normalize.sources.parse import entries, repair_xml
from vectora_normalize.sources.reports import Counts

PAGE = (ROOT / "docs" / "lambda" / "sources.md").read_text("utf-8")


def first_column(heading: str) -> dict[str, str]:
    """The rows of the table whose header begins so: first cell to second."""
    table = PAGE.partition(f"| {heading} |")[2].partition("\n\n")[0]
    rows = re.findall(r"^\| (.+?) \| (.+?) \|", table, re.MULTILINE)
    return {first: second for first, second in rows if not first.startswith("-")}


def test_the_limits_are_documented() -> None:
    limits = FetchLimits()
    assert list(first_column("limit").values()) == [
        f"{limits.max_bytes // MEBIBYTE} MiB",
        f"{limits.max_wire_bytes // MEBIBYTE} MiB",
        f"{limits.max_header_bytes // 1024} KiB",
        f"{limits.total_seconds:g} s",
        f"{limits.connect_seconds:g} s",
        f"{limits.idle_seconds:g} s",
        str(limits.max_redirects),
        str(limits.workers),
        str(limits.per_host),
        f"{entries.MAX_ENTRIES:,}",
        f"{stack.MAX_ELEMENTS:,}",
        str(stack.MAX_DEPTH),
        f"{repair_xml.MAX_ENTRY_TEXT:,} characters",
    ]


def test_every_kind_of_failure_is_documented() -> None:
    documented = {kind for cell in first_column("kind") for kind in re.findall(r"`(\w+)`", cell)}
    assert documented == set(FetchErrorKind)


def test_every_count_is_documented() -> None:
    documented = {count for cell in first_column("count") for count in re.findall(r"`(\w+)`", cell)}
    assert documented == set(Counts.__struct_fields__) - {"entries"}


def test_the_limits_of_regular_expressions_are_documented() -> None:
    policy = PAGE.partition("## Regular expressions")[2]
    assert f"stops after {patterns.TIMEOUT_SECONDS} s" in policy
    assert f"At most {patterns.MAX_PATTERNS} patterns a list, {patterns.MAX_PATTERN_LENGTH} characters each." in policy
