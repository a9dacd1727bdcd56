"""The lines of a batch inference job: one item in, one answer or error out."""

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
        record_id: Whose it is.
        extraction: What the model read; None where there is no usable answer.
        usage: The tokens it cost.
        error: Why there is none; None where there is one.
    """

    record_id: str
    extraction: Extraction | None = None
    usage: Mapping[str, int] | None = None
    error: str | None = None


def input_line(record_id: str, request: Mapping[str, Any]) -> bytes:
    """A line of the input: the record and the body of its Converse call."""
    return msgspec.json.encode({"recordId": record_id, "modelInput": request}) + b"\n"


def read_output(body: bytes) -> Iterator[Result]:
    """The results in a file of the output, in whatever order they come.

    A line that is no record is told under an empty id.
    """
    for line in body.splitlines():
        if line.strip():
            yield _result(line)


def _result(line: bytes) -> Result:
    try:
        record: dict[str, Any] = msgspec.json.decode(line, type=dict[str, Any])
    except (msgspec.DecodeError, RecursionError) as error:
        return Result("", error=f"a line that is no record: {error}")
    record_id = str(record.get("recordId", ""))
    if "modelOutput" not in record:
        told: Any = record.get("error")
        fields = cast("Mapping[str, Any]", told if isinstance(told, dict) else {})
        code, message = fields.get("errorCode", "no answer"), fields.get("errorMessage", "")
        return Result(record_id, error=f"{code}: {message}".rstrip(": "))
    answer = record["modelOutput"]
    try:
        check_converse(answer)
        extraction = read_text_answer(answer)
    except (MalformedResponseError, IncompleteResponseError, MalformedExtractionError) as error:
        return Result(record_id, error=f"{error.fault.value}: {error}")
    return Result(record_id, extraction, token_counts(answer.get("usage")))
