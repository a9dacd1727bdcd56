"""YAML is parsed as plain data within limits, which are checked before anything is built."""

from __future__ import annotations

import contextlib

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from support.memory import memory_limit
from support.stopwatch import Stopwatch
from vectora_normalize.contract import ErrorType
from vectora_normalize.sources.config import safeyaml
from vectora_normalize.sources.config.safeyaml import (
    MAX_ALIASES,
    MAX_BYTES,
    MAX_DEPTH,
    MAX_MERGED,
    ConfigurationError,
    read_mapping,
)


@pytest.fixture(params=[True, False], ids=["libyaml", "pure"])
def _either_parser(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(yaml, "__with_libyaml__", request.param and yaml.__with_libyaml__)
    safeyaml._loader.cache_clear()  # pyright: ignore[reportPrivateUsage] - it remembers which parser there is


pytestmark = pytest.mark.usefixtures("_either_parser")


def fault(data: str | bytes) -> str:
    with pytest.raises(ConfigurationError) as caught:
        read_mapping(data.encode() if isinstance(data, str) else data, "f.yaml")
    assert caught.value.error_type is ErrorType.INVALID_CONFIGURATION
    (only,) = caught.value.faults
    assert only.startswith("f.yaml: ")
    return only


def test_plain_data_with_anchors_and_merges() -> None:
    data = b"base: &b {x: 1, y: [a, \xc3\xa9]}\nmore:\n  <<: *b\n  z: true\nnone: ~\n"
    assert read_mapping(data, "f") == {
        "base": {"x": 1, "y": ["a", "é"]},
        "more": {"x": 1, "y": ["a", "é"], "z": True},
        "none": None,
    }


@pytest.mark.parametrize(
    ("data", "says"),
    [
        ("- a\n- b", "got list; accepted: a mapping"),
        ("", "got NoneType; accepted: a mapping"),
        ("a: [", "invalid YAML in line "),
        ("a: b\nc: d: e", "invalid YAML in line 2: "),
        ("a: *nowhere", "invalid YAML in line 1: "),
        ("a: !!python/object/apply:os.system [true]", "invalid YAML in line 1: "),
        ("a: !custom x", "invalid YAML in line 1: "),
        ("a: 2026-13-45", "invalid YAML: "),
        ("? [a]\n: b", "invalid YAML in line 1: "),
        (b"a: \xff\xfe", "invalid YAML: "),
        ("a: " + "9" * 10_000, "invalid YAML: "),
        ("a: " + "[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1), f"nested too deeply; accepted: {MAX_DEPTH} levels"),
        ("a: &a b\nc: [" + "*a, " * (MAX_ALIASES + 1) + "]", f"too many aliases; accepted: {MAX_ALIASES}"),
        (b"a: " + b"x" * MAX_BYTES, f"got {MAX_BYTES + 3} bytes; accepted: at most {MAX_BYTES}"),
    ],
)
def test_invalid_files_are_refused_with_a_reason(data: str | bytes, says: str) -> None:
    assert says in fault(data)


@pytest.mark.parametrize("opening", ["{", "[", "a: {"])
def test_deep_nesting_is_refused_quickly(opening: str) -> None:
    watch = Stopwatch()
    with memory_limit(32 * 1024 * 1024):
        fault(opening * 10_000)
    assert watch.seconds < 5


def test_repeated_merge_keys_do_not_multiply_a_file() -> None:
    bomb = "a0: &a0 {x: 1, y: 2}\n" + "".join(
        f"a{level}: &a{level}\n  <<: [*a{level - 1}, *a{level - 1}, *a{level - 1}]\n" for level in range(1, 30)
    )
    with memory_limit(32 * 1024 * 1024):
        assert read_mapping(bomb.encode(), "f.yaml")["a29"] == {"x": 1, "y": 2}


def test_a_large_mapping_cannot_be_merged_into_many(monkeypatch: pytest.MonkeyPatch) -> None:
    # The pure Python parser takes up to half a minute for 10,000 keys while their memory is traced.
    limit = MAX_MERGED if yaml.__with_libyaml__ else MAX_MERGED // 20
    monkeypatch.setattr(safeyaml, "MAX_MERGED", limit)
    base = "base: &base {" + ", ".join(f"k{number}: 1" for number in range(limit)) + "}\n"
    copies = "".join(f"copy{number}: {{<<: *base, own: 1}}\n" for number in range(MAX_ALIASES))
    with memory_limit(3_000 * limit):  # up to 2,000 bytes a key are used; without the limit it would be 5,000
        assert f"invalid YAML in line 2: more than {limit} keys after merging" in fault(base + copies)


@given(st.text(alphabet="ab:{}[]&*!<>-? \n'\"|#%@~1", max_size=60))
def test_any_text_is_parsed_or_refused(text: str) -> None:
    with contextlib.suppress(ConfigurationError):
        assert isinstance(read_mapping(text.encode(), "f"), dict)
