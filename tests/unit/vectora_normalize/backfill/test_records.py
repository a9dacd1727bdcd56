"""A line of output is an extraction, or the reason why there is none."""

from __future__ import annotations

import json
from typing import Any

import pytest

from support.answering import USAGE, extraction
from vectora_normalize.backfill.records import Result, input_line, read_output


def output(text: str = "", *, stop_reason: str = "end_turn", **fields: Any) -> dict[str, Any]:  # noqa: ANN401 - of a line
    message = {"role": "assistant", "content": [{"text": text}]}
    answer = {"output": {"message": message}, "stopReason": stop_reason, "usage": USAGE}
    return {"recordId": "r", "modelInput": {}, "modelOutput": answer, **fields}


def read(*lines: object) -> list[Result]:
    return list(read_output("\n".join(map(json.dumps, lines)).encode()))


def test_an_input_line_is_a_record_and_its_request() -> None:
    line = input_line("r", {"messages": [{"text": "é\n"}]})
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert json.loads(line) == {"recordId": "r", "modelInput": {"messages": [{"text": "é\n"}]}}


@pytest.mark.parametrize("around", ["{}", "\n{}\n", "```json\n{}\n```", "```\n{}```", " ```json {} ``` \n"])
def test_json_is_read_within_the_fences_that_models_write(around: str) -> None:
    text = around.replace("{}", json.dumps(extraction(companies=["Camurus"])))
    (result,) = read(output(text))
    assert result.error is None
    assert result.extraction is not None
    assert (result.record_id, result.extraction.companies, result.usage) == ("r", ("Camurus",), USAGE)


def test_an_answer_in_several_blocks_is_one_text() -> None:
    line = output()
    whole = json.dumps(extraction())
    line["modelOutput"]["output"]["message"]["content"] = [{"text": whole[:20]}, {"text": whole[20:]}]
    assert read(line)[0].extraction is not None


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ({"recordId": "r", "error": {"errorCode": 400, "errorMessage": "bad request"}}, "400: bad request"),
        ({"recordId": "r", "error": {"errorCode": 429}}, "429"),
        ({"recordId": "r", "error": "odd"}, "no response"),
        ({"recordId": "r"}, "no response"),
        (output("Sorry, no."), "malformed_response: answer: no JSON: "),
        (output("[" * 100_000), "malformed_response: answer: no JSON: "),
        (output(json.dumps({"summary": "no more"})), "malformed_response: answer: Object missing required field"),
        (output(json.dumps(extraction(summary=" "))), "malformed_response: answer: the summary is blank"),
        (output("{", stop_reason="max_tokens"), "incomplete_response: the response is incomplete"),
        (output(modelOutput={}), "malformed_response: "),
        (output(modelOutput="text"), "malformed_response: "),
        (output(modelOutput=None), "malformed_response: "),
    ],
)
def test_a_line_without_an_extraction_has_the_reason(line: dict[str, Any], error: str) -> None:
    (result,) = read(line)
    assert (result.record_id, result.extraction) == ("r", None)
    assert str(result.error).startswith(error)


@pytest.mark.parametrize("body", [b"{", b"[]", b"\xff", b"7", b'{"a":' * 100_000], ids=len)
def test_a_line_that_is_not_a_record_is_an_error_and_the_others_are_read(body: bytes) -> None:
    good = json.dumps(output(json.dumps(extraction()))).encode()
    bad, fine = read_output(b"\n" + body + b"\n\n" + good + b"\n")
    assert (bad.record_id, bad.extraction) == ("", None)
    assert str(bad.error).startswith("a line is not a record")
    assert fine.extraction is not None
