"""The result of one source, with examples of the entries that were dropped."""

from __future__ import annotations

from support.ingestion import feed, item, run


def test_the_examples_of_what_was_dropped_are_few() -> None:
    body = feed(*(item(f"Old title {number}", date="2020-01-01", url=f"/{number}") for number in range(9)))
    (report,) = run(body).sources
    assert report.counts.outside_window == 9
    assert [example["title"] for example in report.dropped["outside_window"]] == [f"Old title {n}" for n in range(5)]
