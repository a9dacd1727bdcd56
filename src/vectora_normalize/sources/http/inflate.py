"""Decompression with a limit on the output.

A few hundred kilobytes of gzip can expand to gigabytes. The output is produced in pieces and stops at the first byte
beyond the limit, so the limit bounds the cost of a decompression bomb.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Final

from vectora_normalize.sources.errors import FetchError, FetchErrorKind

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Protocol

    class _Decompressor(Protocol):
        """The object that ``zlib.decompressobj()`` returns."""

        @property
        def eof(self) -> bool: ...

        @property
        def unused_data(self) -> bytes: ...

        @property
        def unconsumed_tail(self) -> bytes: ...

        def decompress(self, data: bytes, /, max_length: int = 0) -> bytes: ...


ACCEPT_ENCODING: Final = "gzip, deflate"
"""The ``Accept-Encoding`` header. Brotli and zstd would each be another decompressor to trust, for small documents."""

_GZIP = 16 + zlib.MAX_WBITS
_RAW_DEFLATE = -zlib.MAX_WBITS
_GZIP_MAGIC = b"\x1f\x8b"
_MAX_MEMBERS = 100  # each costs an allocation, and an empty member has only 20 bytes


def inflate(chunks: Iterable[bytes], encoding: str, max_bytes: int) -> tuple[bytes, bool]:
    """Return the decompressed body, and whether it is complete.

    Args:
        chunks: The body as received.
        encoding: The ``Content-Encoding`` header.
        max_bytes: The most bytes of the result.

    Raises:
        FetchError: TOO_LARGE: the result exceeds the limit. INVALID_RESPONSE: an encoding that the request did not
            accept, or data that is not in the encoding of the header.
    """
    names = [name for part in encoding.lower().split(",") if (name := part.strip()) not in {"", "identity"}]
    if not names:
        return _join(chunks, max_bytes), True
    if names[0] not in {"gzip", "x-gzip", "deflate"} or len(names) > 1:
        shown = ", ".join(names)[:40]
        message = f"content encoding {shown!r} was not requested; accepted: {ACCEPT_ENCODING}"
        raise FetchError(FetchErrorKind.INVALID_RESPONSE, message)
    inflater = _Inflater(names[0], max_bytes)
    try:
        for chunk in chunks:
            inflater.feed(chunk)
    except zlib.error:
        raise FetchError(FetchErrorKind.INVALID_RESPONSE, f"the body is not {names[0]}, as its header says") from None
    return bytes(inflater.body), inflater.complete


class _Inflater:
    """One compressed body. A gzip body may have several members; bytes after the last one are ignored."""

    def __init__(self, name: str, max_bytes: int) -> None:
        self._is_gzip = name != "deflate"
        self._max_bytes = max_bytes
        self._members = 0
        self._stream: _Decompressor | None = None
        self.body = bytearray()

    @property
    def complete(self) -> bool:
        return self._stream is None or self._stream.eof

    def feed(self, data: bytes) -> None:
        while data and (stream := self._next_stream(data)):
            self.body += stream.decompress(data, self._max_bytes + 1 - len(self.body))
            _check_size(len(self.body), self._max_bytes)
            data = stream.unused_data if stream.eof else stream.unconsumed_tail

    def _next_stream(self, data: bytes) -> _Decompressor | None:
        """Return the stream for this data; None if the data follows the end of the body."""
        if self._stream is not None and not self._stream.eof:
            return self._stream
        another = self._is_gzip and _GZIP_MAGIC.startswith(data[:2]) and self._members < _MAX_MEMBERS
        if self._members and not another:
            return None
        self._members += 1
        # In RFC 9110 "deflate" is the zlib format; some servers send a raw stream. A zlib stream begins with method 8.
        is_raw = data[0] & 0x0F != 8  # noqa: PLR2004 - RFC 1950, CM = 8
        self._stream = zlib.decompressobj(_GZIP if self._is_gzip else _RAW_DEFLATE if is_raw else zlib.MAX_WBITS)
        return self._stream


def _join(chunks: Iterable[bytes], max_bytes: int) -> bytes:
    body = bytearray()
    for chunk in chunks:
        body += chunk
        _check_size(len(body), max_bytes)
    return bytes(body)


def _check_size(size: int, max_bytes: int) -> None:
    if size > max_bytes:
        raise FetchError(FetchErrorKind.TOO_LARGE, f"more than {max_bytes} bytes once decompressed")
