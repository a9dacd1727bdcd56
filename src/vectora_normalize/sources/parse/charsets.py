"""Bytes to text, whatever they claim to be.

Declarations are wrong so often that the bytes are believed first: text that decodes as UTF-8 with anything beyond ASCII
in it is UTF-8, since no other encoding looks like it by chance. Only then do the header and the document have their
say, and only for real character sets: Python also knows codecs that decompress or take quadratic time.
"""

from __future__ import annotations

import codecs
import re
from typing import Final

_BOMS: Final = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16, whose mark is its beginning
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
# Encodings that hide in plain ASCII, so that their bytes are valid UTF-8 as well.
_SEVEN_BIT: Final = frozenset({"iso2022_jp", "hz"})
_KNOWN: Final = frozenset(
    {"ascii", "utf-8", "koi8-r", "koi8-u", "tis-620", "mac-roman"}  # UTF-16 and UTF-32 are known by their zero bytes
    | {"gbk", "gb2312", "gb18030", "big5", "euc_jp", "shift_jis", "cp932", "euc_kr", "cp949"}
    | {f"iso8859-{number}" for number in range(1, 17)}
    | {f"cp{number}" for number in (437, 850, 866, *range(1250, 1259))}
    | _SEVEN_BIT
)
# What the WHATWG Encoding Standard reads for these labels: servers that say the one mean the other.
_MEANT: Final = {
    "ascii": "cp1252",
    "iso8859-1": "cp1252",
    "iso8859-9": "cp1254",
    "gb2312": "gb18030",
    "shift_jis": "cp932",
}
_LOOKED_AT = 2_048  # bytes of a document in which it may declare its encoding, as browsers have it (1,024) and more
_DECLARED = re.compile(rb"(?:encoding|charset)\s*=\s*[\"']?\s*([A-Za-z0-9._:-]{1,40})", re.IGNORECASE)


def decode(body: bytes, charset: str = "") -> str:
    """The text of a document. Never fails: what cannot be decoded becomes U+FFFD.

    Args:
        body: The document.
        charset: What the `Content-Type` header says; may be empty, unknown or wrong.
    """
    for mark, encoding in _BOMS:
        if body.startswith(mark):
            return body[len(mark) :].decode(encoding, "replace")
    if (wide := _wide_encoding(body)) is not None:
        return body.decode(wide, "replace")
    declared = [name for name in (_known(charset), _known(_declared_inside(body))) if name]
    hidden = [name for name in declared if name in _SEVEN_BIT]
    for encoding in (*hidden, "utf-8", *declared):
        try:
            return body.decode(encoding)
        except (UnicodeDecodeError, LookupError):
            continue
    # Nearly right beats wrong: most of a UTF-8 document with one broken character is readable as UTF-8 only.
    return body.decode(_closest(body, declared), "replace")


def _wide_encoding(body: bytes) -> str | None:
    """UTF-16 or UTF-32 without a byte order mark, which betrays itself by the zero bytes around its first character."""
    if len(body) < 4:  # noqa: PLR2004 - bytes of one UTF-32 character
        return None
    zeros = "".join("0" if byte == 0 else "x" for byte in body[:4])
    return {"x0x0": "utf-16-le", "0x0x": "utf-16-be", "x000": "utf-32-le", "000x": "utf-32-be"}.get(zeros)


def _declared_inside(body: bytes) -> str:
    """What the document says of itself: the XML declaration, or a `meta` element."""
    found = _DECLARED.search(body[:_LOOKED_AT])
    return found[1].decode("ascii") if found else ""


def _known(label: str) -> str | None:
    """The codec that a label means; None for labels that mean none, or one that is no character set."""
    try:
        name = codecs.lookup(label).name if label else ""
    except (LookupError, ValueError):
        return None
    name = _MEANT.get(name, name)
    return name if name in _KNOWN else None


def _closest(body: bytes, declared: list[str]) -> str:
    sample = body[: _LOOKED_AT * 32]
    legacy = next((name for name in declared if not name.startswith("utf")), "cp1252")
    broken = sample.decode("utf-8", "replace").count("\ufffd")
    beyond_ascii = sum(byte >= 0x80 for byte in sample)  # noqa: PLR2004 - the first byte that is not ASCII
    return "utf-8" if broken * 4 < beyond_ascii else legacy
