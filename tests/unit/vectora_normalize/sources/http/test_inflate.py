"""Bodies are decompressed up to a limit; the cost of a bomb is the limit, not its size."""

from __future__ import annotations

import gzip
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.memory import memory_limit
from vectora_normalize.sources.errors import FetchError, FetchErrorKind
from vectora_normalize.sources.http.inflate import inflate

TEXT = b"Camurus announces results. " * 40


def raw_deflate(data: bytes) -> bytes:
    compressor = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return compressor.compress(data) + compressor.flush()


def pieces(data: bytes, size: int = 7) -> list[bytes]:
    return [data[start : start + size] for start in range(0, len(data), size)]


@pytest.mark.parametrize("encoding", ["", "identity", "Identity , "])
def test_a_body_that_is_not_compressed_is_returned_unchanged(encoding: str) -> None:
    assert inflate(pieces(TEXT), encoding, 10_000) == (TEXT, True)


@pytest.mark.parametrize(
    ("encoding", "data"),
    [
        ("gzip", gzip.compress(TEXT)),
        ("x-gzip", gzip.compress(TEXT)),
        (" GZIP, identity", gzip.compress(TEXT)),
        ("gzip", gzip.compress(TEXT[:100]) + gzip.compress(TEXT[100:])),
        ("gzip", gzip.compress(TEXT) + b"\0" * 512),
        ("gzip", gzip.compress(TEXT) + b"garbage"),
        ("deflate", zlib.compress(TEXT)),
        ("deflate", raw_deflate(TEXT)),
        ("deflate", zlib.compress(TEXT) + b"garbage"),
    ],
)
@pytest.mark.parametrize("size", [1, 7, 100_000])
def test_a_body_is_decompressed_in_pieces_of_any_size(encoding: str, data: bytes, size: int) -> None:
    assert inflate(pieces(data, size), encoding, 10_000) == (TEXT, True)


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_a_truncated_body_is_decompressed_as_far_as_possible(encoding: str) -> None:
    compressed = gzip.compress(TEXT) if encoding == "gzip" else zlib.compress(TEXT)
    body, complete = inflate([compressed[:-12]], encoding, 10_000)
    assert TEXT.startswith(body)
    assert body
    assert not complete


def test_an_empty_body_is_complete() -> None:
    assert inflate([], "gzip", 10) == (b"", True)


@pytest.mark.parametrize(
    ("encoding", "chunks", "says"),
    [
        ("br", [b"x"], "content encoding 'br' was not requested; accepted: gzip, deflate"),
        ("zstd", [b"x"], "'zstd'"),
        ("gzip, gzip", [gzip.compress(gzip.compress(TEXT))], "'gzip, gzip'"),
        ("gzip", [b"<rss/>"], "the body is not gzip, as its header says"),
        ("deflate", [b"\xff\xff\xff"], "the body is not deflate, as its header says"),
        ("x" * 500, [b""], f"'{'x' * 40}'"),
    ],
)
def test_a_body_that_cannot_be_decompressed_is_refused(encoding: str, chunks: list[bytes], says: str) -> None:
    with pytest.raises(FetchError, match=says) as caught:
        inflate(chunks, encoding, 10_000)
    assert caught.value.kind is FetchErrorKind.INVALID_RESPONSE


@pytest.mark.parametrize("encoding", ["", "gzip", "deflate"])
def test_the_limit_is_exact(encoding: str) -> None:
    data = {"": TEXT, "gzip": gzip.compress(TEXT), "deflate": zlib.compress(TEXT)}[encoding]
    assert inflate([data], encoding, len(TEXT))[0] == TEXT
    with pytest.raises(FetchError, match=f"more than {len(TEXT) - 1} bytes once decompressed") as caught:
        inflate([data], encoding, len(TEXT) - 1)
    assert caught.value.kind is FetchErrorKind.TOO_LARGE


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_a_bomb_costs_the_limit_and_not_its_size(encoding: str) -> None:
    zeros = bytes(64 * 1024 * 1024)
    bomb = gzip.compress(zeros) if encoding == "gzip" else zlib.compress(zeros)
    del zeros
    with memory_limit(4 * 1024 * 1024), pytest.raises(FetchError, match="once decompressed"):
        inflate([bomb], encoding, 1024 * 1024)


def test_the_number_of_gzip_members_is_limited() -> None:
    assert inflate([gzip.compress(b"") * 10_000], "gzip", 100) == (b"", True)


@given(st.binary(max_size=200), st.sampled_from(["gzip", "deflate"]), st.integers(1, 50))
def test_any_bytes_are_decompressed_or_refused(data: bytes, encoding: str, size: int) -> None:
    try:
        body, _ = inflate(pieces(data, size), encoding, 1000)
    except FetchError:
        return
    assert len(body) <= 1000
