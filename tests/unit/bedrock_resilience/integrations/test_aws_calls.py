"""What the responses of a protected AWS client mean."""

from __future__ import annotations

import pytest

from bedrock_resilience.integrations._aws_calls import decoded, make_parsable


@pytest.mark.parametrize(
    ("event", "plain"),
    [
        ({"chunk": {"bytes": b'{"type": "message_stop"}'}}, {"type": "message_stop"}),
        ({"chunk": {"bytes": b"{"}}, {"chunk": {"bytes": b"{"}}),
        ({"chunk": {}}, {"chunk": {}}),
        ({"chunk": None}, {"chunk": None}),
        ({"metadata": {}}, {"metadata": {}}),
        (None, None),
    ],
)
def test_the_json_in_a_chunk_is_decoded(event: object, plain: object) -> None:
    assert decoded(event) == plain


@pytest.mark.parametrize("body", [b"[]", b"null", b'"x"', b"7", b" [1]", b"\xff", b"[" * 100_000])
def test_json_that_is_no_object_becomes_one(body: bytes) -> None:
    response: dict[str, object] = {"body": body}
    make_parsable(response)
    assert response == {"body": b"{}"}


@pytest.mark.parametrize("body", [b'{"a": 1}', b' {"a": 1}', b"{", b"<html>", b"busy", object()])
def test_what_botocore_can_parse_stays(body: object) -> None:
    response = {"body": body}
    make_parsable(response)
    assert response == {"body": body}
