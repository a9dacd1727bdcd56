"""A URL is accepted only if all parsers agree on it, and is redacted for messages."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vectora_normalize.sources.errors import FetchError, FetchErrorKind
from vectora_normalize.sources.urls import MAX_URL_LENGTH, RequestTarget, absolute_link, parse_target, redact_url


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("https://example.com/feed", RequestTarget("https", "example.com", 443, "/feed")),
        ("http://Example.COM", RequestTarget("http", "example.com", 80, "/")),
        (" https://example.com:8443/a?b=c#d ", RequestTarget("https", "example.com", 8443, "/a?b=c")),
        ("https://example.com./x", RequestTarget("https", "example.com.", 443, "/x")),
        (
            "https://münchen.example/ä?ö=ü",
            RequestTarget("https", "xn--mnchen-3ya.example", 443, "/%C3%A4?%C3%B6=%C3%BC"),
        ),
        ("http://93.184.216.34/", RequestTarget("http", "93.184.216.34", 80, "/")),
        ("http://[2606:2800::1]:8080/x", RequestTarget("http", "2606:2800::1", 8080, "/x")),
        ("https://a_b.example/%20?q=%2F", RequestTarget("https", "a_b.example", 443, "/%20?q=%2F")),
    ],
)
def test_a_url_is_parsed(url: str, target: RequestTarget) -> None:
    assert parse_target(url) == target


@pytest.mark.parametrize(
    ("target", "authority", "url"),
    [
        (RequestTarget("https", "e.org", 443, "/x"), "e.org", "https://e.org/x"),
        (RequestTarget("https", "e.org", 8443, "/x"), "e.org:8443", "https://e.org:8443/x"),
        (RequestTarget("http", "e.org", 443, "/"), "e.org:443", "http://e.org:443/"),
        (RequestTarget("http", "::1", 80, "/"), "[::1]", "http://[::1]/"),
    ],
)
def test_authority_and_url_of_a_target(target: RequestTarget, authority: str, url: str) -> None:
    assert (target.authority, target.url) == (authority, url)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "example.com/feed",
        "//example.com/feed",
        "ftp://example.com/",
        "file:///etc/passwd",
        "gopher://example.com/",
        "javascript:alert(1)",
        "https://",
        "https:///path",
        "https://user@example.com/",
        "https://user:pass@example.com/",
        "https://good.example\\@evil.example/",
        "https://exa mple.com/",
        "https://example.com/a b",
        "https://example.com/\r\nHost: evil",
        "https://example.com/\x00",
        "https://example.com:99999/",
        "https://example.com:x/",
        "https://[::1/",
        "https://[v1.fe80]/",
        "https://[fe80::1%25eth0]/",
        "https://127.1/",
        "https://2130706433/",
        "https://0x7f000001/",
        "https://0x7f.1/",
        "https://0177.0.0.1/",
        "https://017700000001/",
        "https://127.0.0.1.2/",
        "https://1.2.3.256/",
        "https://-a.example/",
        "https://a..b/",
        "https://.example/",
        "https://exa$mple.com/",
        "https://" + "a" * 64 + ".example/",
        "https://" + "a." * 130 + "example/",
        "https://" + "ü" * 70 + ".example/",
        "https://example.com/" + "a" * MAX_URL_LENGTH,
    ],
)
def test_an_unusual_url_is_refused(url: str) -> None:
    with pytest.raises(FetchError) as caught:
        parse_target(url)
    assert caught.value.kind is FetchErrorKind.INVALID_URL


def test_full_width_digits_are_read_as_digits() -> None:
    assert parse_target("http://\uff11\uff12\uff17\u3002\uff10\u3002\uff10\u3002\uff11/").host == "127.0.0.1"


@pytest.mark.parametrize(
    ("url", "redacted"),
    [
        ("https://example.com/feed", "https://example.com/feed"),
        ("https://example.com/feed?token=hunter2", "https://example.com/feed?..."),
        ("https://user:hunter2@example.com/feed", "https://example.com/feed"),
        ("https://example.com/feed#hunter2", "https://example.com/feed"),
        ("https://user:hunter2@a@example.com/", "https://example.com/"),
        ("https://example.com/a\x1b[31mb", "https://example.com/a[31mb"),
        ("not a url", "(not a URL)"),
        ("https://[hunter2", "(not a URL)"),
    ],
)
def test_a_url_is_redacted(url: str, redacted: str) -> None:
    assert redact_url(url) == redacted


@given(st.text(min_size=8, alphabet=st.characters(codec="ascii", categories=["L", "N"])))
def test_no_secret_is_in_a_redacted_url_or_message(secret: str) -> None:
    for url in (f"https://u:{secret}@e.org/?a", f"https://{secret}@e.org/", f"https://e.org/?key={secret}"):
        assert secret not in redact_url(url)
        for refused in (url.replace("https", "ftp"), url.replace("e.org", "e.org:1x")):
            with pytest.raises(FetchError) as caught:
                parse_target(refused)
            assert secret not in str(caught.value)


@pytest.mark.parametrize(
    ("link", "absolute"),
    [
        ("/a", "https://example.com/a"),
        ("b?c=d", "https://example.com/news/b?c=d"),
        ("../e", "https://example.com/e"),
        ("//cdn.example/x", "https://cdn.example/x"),
        ("http://other.example/", "http://other.example/"),
        (" /with space ", "https://example.com/with%20space"),
        ("/line\nbreak", "https://example.com/linebreak"),
        ("#top", "https://example.com/news/#top"),
        ("https://e.org/ä", "https://e.org/ä"),
    ],
)
def test_a_link_is_resolved(link: str, absolute: str) -> None:
    assert absolute_link(link, "https://example.com/news/") == absolute


@pytest.mark.parametrize(
    "link",
    [
        "",
        "   ",
        "javascript:alert(1)",
        "data:text/html,x",
        "mailto:a@b.example",
        "ftp://e.org/",
        "https://user:pass@e.org/",
        "https://[::1/",
        "https://0x7f.1/",
        "https://e.org/\x01",
        "https://e.org\\x",
        "/" + "a" * MAX_URL_LENGTH,
    ],
)
def test_an_unusable_link_is_empty(link: str) -> None:
    assert absolute_link(link, "https://example.com/news/") == ""


def test_a_relative_link_without_a_base_is_empty() -> None:
    assert absolute_link("/a", "") == ""


@given(st.text(), st.text())
def test_any_link_and_base_resolve_to_http_or_nothing(link: str, base: str) -> None:
    absolute = absolute_link(link, base)
    assert absolute == "" or absolute.lower().startswith(("http://", "https://"))


@given(st.text())
def test_any_text_is_parsed_or_refused(url: str) -> None:
    redact_url(url)
    for odd in (url, f"https://{url}", f"https://e.org/{url}"):
        try:
            assert parse_target(odd).url.isascii()
        except FetchError:
            continue
