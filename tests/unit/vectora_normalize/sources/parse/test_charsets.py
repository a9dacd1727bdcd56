"""The text of a document is decoded in any encoding, with right and wrong declarations."""

from __future__ import annotations

import codecs
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.memory import memory_limit
from vectora_normalize.sources.parse.charsets import decode

TEXT = "<?xml version='1.0'?><p>Åsa Lindqvist: 5 µg/ml \u2013 « dépôt »</p>"


@pytest.mark.parametrize(
    "charset", ["", "utf-8", "iso-8859-1", "windows-1252", "shift_jis", "us-ascii", "no-such-thing"]
)
def test_utf_8_takes_precedence_over_every_declaration(charset: str) -> None:
    assert decode(TEXT.encode(), charset) == TEXT


@pytest.mark.parametrize(
    ("mark", "encoding"),
    [
        (codecs.BOM_UTF8, "utf-8"),
        (codecs.BOM_UTF16_LE, "utf-16-le"),
        (codecs.BOM_UTF16_BE, "utf-16-be"),
        (codecs.BOM_UTF32_LE, "utf-32-le"),
        (codecs.BOM_UTF32_BE, "utf-32-be"),
    ],
)
def test_a_byte_order_mark_takes_precedence(mark: bytes, encoding: str) -> None:
    assert decode(mark + TEXT.encode(encoding), "iso-8859-1") == TEXT


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
def test_utf_16_and_utf_32_are_detected_without_a_mark(encoding: str) -> None:
    assert decode(TEXT.encode(encoding), "utf-8") == TEXT


@pytest.mark.parametrize(
    ("charset", "encoding", "text"),
    [
        ("iso-8859-1", "cp1252", "dépôt \u2013 5 µg"),
        ("ISO-8859-15", "iso8859-15", "prix en €, dépôt"),
        ("windows-1251", "cp1251", "депо инъекция"),
        ("euc-kr", "euc_kr", "펩트론 임상 결과"),
        ("shift_jis", "cp932", "持効性注射剤の承認"),
        ("gb2312", "gb18030", "长效注射剂获批"),
        ("iso-2022-jp", "iso2022_jp", "持効性注射剤"),
        ("koi8-r", "koi8-r", "депо"),
    ],
)
@pytest.mark.parametrize("where", ["header", "document"])
def test_other_encodings_are_decoded_as_declared(charset: str, encoding: str, text: str, where: str) -> None:
    declaration = f'<meta charset="{charset}">' if where == "document" else ""
    document = f"{declaration}<p>{text}</p>"
    assert decode(document.encode(encoding), charset if where == "header" else "") == document


def test_the_xml_declaration_is_used() -> None:
    document = '<?xml version="1.0" encoding="iso-8859-1"?><p>dépôt</p>'
    assert decode(document.encode("latin-1")) == document


def test_the_header_takes_precedence_over_the_document() -> None:
    document = '<meta charset="koi8-r"><p>депо</p>'
    assert decode(document.encode("cp1251"), "windows-1251") == document


def test_windows_1252_is_the_default() -> None:
    assert decode("dépôt \u2013 “5 µg”".encode("cp1252")) == "dépôt \u2013 “5 µg”"


def test_one_invalid_byte_does_not_change_utf_8() -> None:
    broken = ("é" * 50).encode() + b"\xff" + ("ü" * 50).encode()
    assert decode(broken) == "é" * 50 + "\ufffd" + "ü" * 50


def test_a_wrong_declaration_that_cannot_decode_is_ignored() -> None:
    assert decode(b"d\xe9p\xf4t", "utf-8") == "dépôt"
    assert decode(b"d\xe9p\xf4t \x81", "euc-jp")


@pytest.mark.parametrize(
    "charset", ["zlib", "base64", "punycode", "idna", "unicode_escape", "rot13", "utf-7", "undefined"]
)
def test_codecs_that_are_not_character_sets_are_not_used(charset: str) -> None:
    body = zlib.compress(bytes(8 * 1024 * 1024)) if charset == "zlib" else b"+AGE- \\u0041 d\xe9"
    with memory_limit(1024 * 1024):
        assert decode(body, charset).count("\0") < 10_000
    assert "A" not in decode(b"\\u0041 +AEE- d\xe9", charset).replace("AEE", "")


@given(st.binary(max_size=300), st.text(max_size=20))
def test_any_bytes_and_charset_are_decoded(body: bytes, charset: str) -> None:
    assert isinstance(decode(body, charset), str)


@given(st.text(alphabet=st.characters(exclude_categories=["Cs", "Cc", "Cf"]), min_size=1))
def test_utf_8_is_decoded_despite_another_header(text: str) -> None:
    assert decode(f"<p>{text}</p>".encode(), "windows-1252") == f"<p>{text}</p>"
