"""Character encodings: detection and decoding.

Declarations are often wrong, so the bytes are examined first: what decodes as UTF-8 is UTF-8, because text in another
encoding hardly ever does. Only then the declarations of the header and of the document are used, and only for real
character sets: Python also has codecs that decompress or take quadratic time.
"""

from __future__ import annotations

import codecs
import re
from typing import Final

_BOMS: Final = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16, because it begins with the same bytes
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
# Encodings that use ASCII bytes only, so that their text is valid UTF-8 as well.
_SEVEN_BIT: Final = frozenset({"iso2022_jp", "hz"})
_CHARACTER_SETS: Final = frozenset(
    {"ascii", "utf-8", "koi8-r", "koi8-u", "tis-620", "mac-roman"}  # UTF-16 and UTF-32 are detected by their zero bytes
    | {"gbk", "gb2312", "gb18030", "big5", "euc_jp", "shift_jis", "cp932", "euc_kr", "cp949"}
    | {f"iso8859-{number}" for number in range(1, 17)}
    | {f"cp{number}" for number in (437, 850, 866, *range(1250, 1259))}
    | _SEVEN_BIT
)
# The encodings that the WHATWG Encoding Standard uses for these labels, because servers use the labels wrongly.
_WHATWG_ENCODINGS: Final = {
    "ascii": "cp1252",
    "iso8859-1": "cp1252",
    "iso8859-9": "cp1254",
    "gb2312": "gb18030",
    "shift_jis": "cp932",
}
_DECLARATION_BYTES = 2_048  # beginning of a document with a declaration of its encoding; browsers read 1,024 bytes
_SAMPLE_BYTES = 65_536  # beginning of a document that decides between UTF-8 and a legacy encoding
_DECLARATION = re.compile(rb"(?:encoding|charset)\s*=\s*[\"']?\s*([A-Za-z0-9._:-]{1,40})", re.IGNORECASE)


def decode(body: bytes, charset: str = "") -> str:
    """Return the text of a document; bytes that cannot be decoded become U+FFFD.

    Args:
        body: The document.
        charset: The charset of the ``Content-Type`` header; may be empty, unknown or wrong.
    """
    for mark, encoding in _BOMS:
        if body.startswith(mark):
            return body[len(mark) :].decode(encoding, "replace")
    if (wide := _wide_encoding(body)) is not None:
        return body.decode(wide, "replace")
    declared = [name for name in (_codec_of(charset), _codec_of(_declared_in_document(body))) if name]
    seven_bit = [name for name in declared if name in _SEVEN_BIT]
    for encoding in (*seven_bit, "utf-8", *declared):
        try:
            return body.decode(encoding)
        except (UnicodeDecodeError, LookupError):
            continue
    # A UTF-8 document with one broken character is mostly readable as UTF-8, and hardly as anything else.
    return body.decode(_most_likely(body, declared), "replace")


def _wide_encoding(body: bytes) -> str | None:
    """Return UTF-16 or UTF-32, detected without byte order mark by the zero bytes of the first character; or None."""
    if len(body) < 4:  # noqa: PLR2004 - bytes of one UTF-32 character
        return None
    zeros = "".join("0" if byte == 0 else "x" for byte in body[:4])
    return {"x0x0": "utf-16-le", "0x0x": "utf-16-be", "x000": "utf-32-le", "000x": "utf-32-be"}.get(zeros)


def _declared_in_document(body: bytes) -> str:
    """Return the encoding of the XML declaration or of a ``meta`` element; empty if there is none."""
    match = _DECLARATION.search(body[:_DECLARATION_BYTES])
    return match[1].decode("ascii") if match else ""


def _codec_of(label: str) -> str | None:
    """Return the codec of a label; None if the label is unknown or its codec is not a character set."""
    try:
        name = codecs.lookup(label).name if label else ""
    except (LookupError, ValueError):
        return None
    name = _WHATWG_ENCODINGS.get(name, name)
    return name if name in _CHARACTER_SETS else None


def _most_likely(body: bytes, declared: list[str]) -> str:
    """Return UTF-8 if few bytes beyond ASCII are invalid in it, else the declared encoding or Windows-1252."""
    sample = body[:_SAMPLE_BYTES]
    legacy = next((name for name in declared if not name.startswith("utf")), "cp1252")
    invalid = sample.decode("utf-8", "replace").count("\ufffd")
    beyond_ascii = sum(byte >= 0x80 for byte in sample)  # noqa: PLR2004 - the first byte that is not ASCII
    return "utf-8" if invalid * 4 < beyond_ascii else legacy
