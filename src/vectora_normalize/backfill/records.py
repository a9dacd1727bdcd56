"""The lines of a batch inference job: one of input for each item, one of output with its response or error."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import msgspec

from bedrock_resilience.bedrock import check_converse
from bedrock_resilience.errors import IncompleteResponseError, MalformedResponseError
from vectora_normalize.normalize.extraction import MalformedExtractionError, read_text_answer
from vectora_normalize.normalize.normalizer import token_counts

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from vectora_normalize.normalize.extraction import Extraction


@dataclass(frozen=True, slots=True)
class Result:
    """A line of the output.

    Args:
        record_id: Id of the record; empty if the line has none.
        extraction: What the model extracted from the item; None if there is no usable response.
        usage: The tokens that it used.
        error: Why there is no usable response; None if there is one.
    """

    record_id: str
    extraction: Extraction | None = None
    usage: Mapping[str, int] | None = None
    error: str | None = None


def input_line(record_id: str, request: Mapping[str, Any]) -> bytes:
    """Return a line of the input: the id of the record and the body of its Converse call."""
    return msgspec.json.encode({"recordId": record_id, "modelInput": request}) + b"\n"


def read_output(body: bytes) -> Iterator[Result]:
    """Yield the results in a file of the output, in the order of its lines.

    A line that is not a record is a result with an error and an empty id.
    """
    for line in body.splitlines():
        if line.strip():
            yield _result(line)


def _result(line: bytes) -> Result:
    try:
        record: dict[str, Any] = msgspec.json.decode(line, type=dict[str, Any])
    except (msgspec.DecodeError, RecursionError) as error:
        return Result("", error=f"a line is not a record: {error}")
    record_id = str(record.get("recordId", ""))
    if "modelOutput" not in record:
        failure: Any = record.get("error")
        fields = cast("Mapping[str, Any]", failure if isinstance(failure, dict) else {})
        code, message = fields.get("errorCode", "no response"), fields.get("errorMessage", "")
        return Result(record_id, error=f"{code}: {message}".rstrip(": "))
    answer = record["modelOutput"]
    try:
        check_converse(answer)
        extraction = read_text_answer(answer)
    except (MalformedResponseError, IncompleteResponseError, MalformedExtractionError) as error:
        return Result(record_id, error=f"{error.fault.value}: {error}")
    return Result(record_id, extraction, token_counts(answer.get("usage")))
