"""Log lines are read from every format."""

from __future__ import annotations

import csv
import gzip
import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.logfiles import as_json, lines
from vectora_normalize.operations.report import LogLine, parse_lines

LINE = '{"level": "WARNING", "message": "détectée", "request_id": "r-1"}'
READ = LogLine("détectée", {"level": "WARNING", "message": "détectée", "request_id": "r-1"})


def read(text: str, encoding: str = "utf-8") -> list[LogLine]:
    return list(parse_lines(text.encode(encoding)))


def in_csv(header: str) -> str:
    out = io.StringIO()
    csv.writer(out).writerows([["timestamp", header], ["1", LINE], ["2", "plain"]])
    return out.getvalue()


EVENTS = [{"timestamp": 1, "message": f"{LINE}\n", "logStreamName": "s"}, {"timestamp": 2, "message": "plain\n"}]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(f"{LINE}\nplain\n", id="lines"),
        pytest.param(f"\n  {LINE}  \r\n\n  plain", id="lines with space around them"),
        pytest.param(f"2026-11-21T10:00:00+00:00 2026/11/21/[$LATEST]ab {LINE}\nplain\n", id="aws logs tail"),
        pytest.param(json.dumps({"events": EVENTS, "searchedLogStreams": []}), id="filter-log-events"),
        pytest.param(json.dumps(EVENTS, indent=2), id="a list of events"),
        pytest.param("\n".join(map(json.dumps, EVENTS)), id="an event a line"),
        pytest.param(
            json.dumps(
                {
                    "status": "Complete",
                    "results": [
                        [{"field": "@timestamp", "value": "1"}, {"field": "@message", "value": LINE}, "damaged"],
                        [{"field": "@message", "value": "plain"}],
                    ],
                }
            ),
            id="get-query-results",
        ),
        pytest.param(json.dumps([{"@message": LINE}, {"@message": "plain"}]), id="an export of Logs Insights"),
        pytest.param(json.dumps([LINE, "plain"]), id="a list of lines"),
        pytest.param(json.dumps({"messageType": "DATA_MESSAGE", "logEvents": EVENTS}), id="a subscription"),
        pytest.param(in_csv("message"), id="CSV of the console"),
        pytest.param(in_csv("@message"), id="CSV of Logs Insights"),
    ],
)
def test_every_format_gives_the_same_two_lines(text: str) -> None:
    first, second = read(text)
    assert first == READ
    assert second.text == "plain"


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_the_encodings_of_powershell_are_read(encoding: str) -> None:
    assert read(f"{LINE}\n", encoding) == [READ]


def test_a_line_of_the_lambda_is_read_with_its_request() -> None:
    (line,) = read("\n".join(lines("détectée", request_id="r-7")))
    assert (line.text, line.fields["request_id"]) == ("détectée", "r-7")


def test_one_object_is_one_line() -> None:
    assert read('{"bedrock": {"attempts": 1}}') == [LogLine("", {"bedrock": {"attempts": 1}})]
    assert read("[[1], [], 7, null]") == [LogLine("", {}), LogLine("", {})]


@pytest.mark.parametrize("text", ["", "\n\n", "7", '"  "', "[]"])
def test_empty_input_has_no_lines(text: str) -> None:
    assert read(text) == []


def test_damaged_json_is_a_plain_line() -> None:
    assert read('{"message": "cut') == [LogLine('{"message": "cut')]
    assert read("a,b\n1,2\n") == [LogLine("a,b"), LogLine("1,2")]
    assert len(read("[" * 100_000)) == 1
    assert read('x {"message": "a {b}"}') == [LogLine("a {b}", {"message": "a {b}"})]


def test_a_message_that_is_not_text_is_ignored() -> None:
    assert read('{"message": {"a": 1}, "events": "no list"}') == [
        LogLine("", {"message": {"a": 1}, "events": "no list"})
    ]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.just(LINE),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["message", "events", "results", "x"]), inner),
    max_leaves=10,
)


@given(st.binary() | JSON.map(as_json) | st.text().map(str.encode))
def test_nothing_is_refused(content: bytes) -> None:
    for line in parse_lines(content):
        assert isinstance(line.text, str)
        assert isinstance(line.fields, dict)


def test_the_gzip_files_of_an_export_task_are_unpacked() -> None:
    exported = f"2026-11-21T10:00:00.123Z {LINE}\n".encode()
    assert list(parse_lines(gzip.compress(exported) + gzip.compress(b"plain\n"))) == [READ, LogLine("plain")]


@pytest.mark.parametrize(
    "damaged", [gzip.compress(b"plain")[:-9], gzip.compress(b"plain")[:4], b"\x1f\x8b" + b"x" * 99]
)
def test_a_damaged_gzip_file_has_no_lines(damaged: bytes) -> None:
    assert list(parse_lines(damaged)) == []
