"""JSON values, narrowed."""

from __future__ import annotations

import pytest

from bedrock_resilience.emulator._protocol.jsonvalues import (
    as_list,
    as_object,
    decode,
    encode,
    is_integer,
    is_number,
    objects,
    quoted,
)


def test_values_are_narrowed_to_what_they_are() -> None:
    assert as_object({"a": 1}) == {"a": 1}
    assert as_object([1]) is None
    assert as_list([1]) == [1]
    assert as_list({"a": 1}) is None
    assert objects([{"a": 1}, 2, {"b": 3}]) == [{"a": 1}, {"b": 3}]
    assert objects("text") == []


def test_truth_values_are_no_numbers() -> None:
    assert [is_number(value) for value in (1, 1.5, True, "1", None)] == [True, True, False, False, False]
    assert [is_integer(value) for value in (1, 1.5, False)] == [True, False, False]


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"NaN", b'{"a":Infinity}', b"[" * 100_000])
def test_what_is_no_json_is_refused_as_a_value(body: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        decode(body)


def test_what_is_encoded_is_compact_and_ascii() -> None:
    assert encode({"a": "é\ud800", "b": [1]}) == b'{"a":"\\u00e9\\ud800","b":[1]}'
    assert decode(encode({"a": "é\ud800"})) == {"a": "é\ud800"}


def test_long_values_are_shown_in_part() -> None:
    assert quoted("x" * 100) == '"' + "x" * 59 + "..."
    assert quoted({1}) == '"{1}"'
