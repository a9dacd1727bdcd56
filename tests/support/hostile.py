"""A corpus of hostile and broken documents, and a program that fetches and parses it.

The documents are generated from a seed, so every run has the same ones. Some are bombs, written to exhaust a parser.
Most are valid documents, those of the example, that have been damaged. Wherever a document can contain a URL, it
contains the URL of a canary: a server that must never receive a connection.

As a program (``python -m support.hostile URL``, the ingestion modes on standard input), this module lets the real
fetcher and the real parsers process everything and prints the result as JSON. It runs in a process of its own, so that
its peak memory is that of the ingestion and of nothing else.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import gzip
import json
import random
import re
import sys
from collections import Counter
from dataclasses import dataclass
from functools import cache, partial
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias

from support.hostileserver import HostileServer, Response, http
from support.stopwatch import Stopwatch
from vectora_normalize.local.rendering import render
from vectora_normalize.sources.collect import ingest
from vectora_normalize.sources.config.catalog import ContentFilters, Source
from vectora_normalize.sources.http.addresses import AddressPolicy
from vectora_normalize.sources.http.fetch import Fetcher
from vectora_normalize.sources.http.limits import FetchLimits
from vectora_normalize.sources.reading import read_source
from vectora_normalize.sources.window import Window

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from support.hostileserver import Connection
    from vectora_normalize.sources.errors import FetchError
    from vectora_normalize.sources.http.fetch import FetchResult

EXAMPLE: Final = Path(__file__).parents[2] / "examples/lai_weekly/sources"
TODAY: Final = dt.date(2026, 11, 21)
FULL_SIZE: Final = FetchLimits().max_wire_bytes - 1_000
"""Bytes of a document that the fetcher just accepts."""
LARGE: Final = 120_000
"""Bytes of a bomb of the full corpus, and the most characters of a damaged document."""
SMALL: Final = 4_000
"""Bytes of a bomb of the sample."""

_CHARSETS: Final = ("", "utf-8", "iso-8859-1", "zlib", "x-unknown")
_TYPES: Final = ("application/rss+xml", "text/html", "text/plain", "application/json", "application/octet-stream", "")
_ENCODINGS: Final = (
    *("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32", "iso-8859-1", "cp1251", "shift_jis", "euc_kr"),
)
# fmt: off
_PIECES: Final = (
    "<", ">", "</", "/>", "<!--", "-->", "<![CDATA[", "]]>", "<?xml", "?>", "<!DOCTYPE x [", "]>", "&", "&amp;", "&#0;",
    "&#xD800;", "&#99999999999;", "&nbsp", "\x00", "\x0b", "\u202e", "\u200b", "\ufeff", "\uffff", "'", '"', "=", "<a",
    "<item>", "</item>", "<entry>", "</channel>", "<script>", "</script>", "<div>" * 50, "</div>" * 50, "<table>", "{",
    "}", "[" * 50, '":', "\\u", "\\ud800", "99999-99-99", "2026-02-31T99:99:99+99:99", "e\u0301" * 50,
    "<time datetime=", '<base href="http://CANARY/">', '<img src="http://CANARY/">', ' xml:base="http://CANARY/"',
    "http://CANARY/?",
)
_UNITS: Final = (
    "<", "&", "<!", "<!--", "<!-->", "<![CDATA[", "<?", "</", "<a", "<a ", "<a '", '<a "', "<a b=", "<a b='c' d='e'>",
    "<a>", "<b>", "</a>", "</b>", "<a/>", "<item>", "<item/>", "<item><title>", "<entry><link/>", "<div>", "<p>",
    "<li>", "<ul><li>", "<table><tr><td>", "<h2>", "<a href='/x'>", "<a href='/x'>Read more</a>", "<time>1 jan</time>",
    "<dc:a>", "<a:b xmlns:a='x'>", "<category>x</category>", "<content:encoded>x</content:encoded>",
    "<enclosure url='a'/>", "1 ", "<item><pubDate>1</pubDate></item>", "<script>", "</script", "<style>",
    "<select><option>", "<svg><path d='", "<item><description>&lt;b&gt;&lt;i&gt;</description></item>", "&eacute;",
    "&#233;", "jan 1 12 ", "2026-1", "\u0316\u0300", "<h2><a href='/x'>A title of news</a></h2>", "<x-y>", "\x00",
    "<p><a href='/x'>A title of some news</a> 1 jan 2 ",
)
# fmt: on
_BOMBS: Final = (
    ("", "rss"),
    ("<rss><channel>", "rss"),
    ("<rss><item><description>", "rss"),
    ("<body>", "html"),
)
_FULL_SIZE_BOMBS: Final = (
    ("<item><pubDate>1 jan 2 feb</pubDate></item>", "<rss><channel>", "rss"),
    ("<div>", "<body>", "html"),
    ("</b>", "<body>", "html"),
)
# Each takes one to three seconds.
_SLOWEST_BOMBS: Final = (
    ("<content:encoded>x</content:encoded>", "<rss><channel>", "rss"),
    ("&lt;b&gt;", "<rss><item><description>", "rss"),
    ("</b>", "<rss><channel>", "rss"),
    ("<p><a href='/x'>A title of some news</a> 1 jan 2 ", "<body>", "html"),
)
_MODES: Final = ("rss", "html")
_MULTIPLIED: Final = "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 12))
# The declarations of the entity ``a11``: one that multiplies, one that is long, those that refer to a file or to the
# canary, and one that refers to itself.
_DECLARATIONS: Final = (
    f'<!ENTITY a0 "ha">{_MULTIPLIED}',
    f'<!ENTITY a11 "{"a" * 100_000}">',
    '<!ENTITY a11 SYSTEM "file:///etc/passwd">',
    '<!ENTITY a11 SYSTEM "http://CANARY/entity">',
    '<!ENTITY a11 PUBLIC "-//x" "http://CANARY/public">',
    '<!ENTITY % p SYSTEM "http://CANARY/parameter"> %p;',
    '<!ENTITY a11 "&a11;">',
    '<!ATTLIST item title CDATA "http://CANARY/attribute">',
)
_EXTERNAL_SUBSETS: Final = ("", 'SYSTEM "http://CANARY/dtd" ')
_LINKS: Final = (
    b'<?xml-stylesheet href="http://CANARY/style"?><rss/>',
    b'<rss xmlns:xi="http://www.w3.org/2001/XInclude"><xi:include href="http://CANARY/include"/></rss>',
    b'<feed xmlns="http://www.w3.org/2005/Atom" xml:base="http://CANARY/"><entry><link href="x"/></entry></feed>',
    (
        b'<meta http-equiv="refresh" content="0;http://CANARY/"><link rel=stylesheet href="http://CANARY/">'
        b'<script src="http://CANARY/"></script><img src="http://CANARY/"><a href="http://CANARY/">A long title</a>'
    ),
)
_JSON_ITEMS: Final[dict[str, Callable[[], str]]] = {
    "deep": lambda: "[" * 100_000,
    "deep and closed": lambda: "[" * 50_000 + "]" * 50_000,
    "deep objects": lambda: '{"a":' * 50_000,
    "wide": lambda: "[]," * 500_000,
    "numbers": lambda: "1," * 200_000,
    "long number": lambda: "9" * 1_000_000,
    "many keys": lambda: "{" + ",".join(f'"k{n}":1' for n in range(100_000)) + "}",
    "one long text": lambda: '{"title": "' + "x" * 3_000_000 + '"}',
    "markup": lambda: '{"content_html": "' + "<b>" * 900_000 + '"}',
    "escapes": lambda: '{"title": "' + "\\u0000\\ud800" * 100_000 + '"}',
    "types": lambda: '{"title": [], "url": {}, "date_published": 7, "content_html": true}',
}


@dataclass(frozen=True, slots=True)
class HostileDocument:
    """A document of the corpus.

    Args:
        name: A description.
        mode: The ingestion mode, ``rss`` or ``html``.
        body: The bytes, with ``CANARY`` in place of the canary's host and port.
        headers: Headers of the HTTP response.
    """

    name: str
    mode: str
    body: bytes
    headers: tuple[str, ...] = ()

    def response(self, canary: str) -> bytes:
        """The HTTP response that serves it; ``canary`` is the host and port of the canary."""
        return http(self.body.replace(b"CANARY", canary.encode()), *self.headers)


Recipe: TypeAlias = "Callable[[], HostileDocument]"


def corpus(*, full: bool, seed: int = 0) -> list[Recipe]:
    """The corpus as functions that each generate one document; all documents together would exhaust the memory.

    Args:
        full: Whether to return all of the more than 2,000 documents, or a sample of every kind of them that takes a
            tenth of the time: bombs of ``SMALL`` bytes, each wrong encoding on one document, and few damaged ones.
        seed: Seed of the damage.
    """
    size = LARGE if full else SMALL
    recipes: list[Recipe] = [
        partial(bomb, unit, begin, mode, size if begin else size // 4) for unit in _UNITS for begin, mode in _BOMBS
    ]
    large = (*_FULL_SIZE_BOMBS, *_SLOWEST_BOMBS) if full else _FULL_SIZE_BOMBS
    recipes += [partial(bomb, unit, begin, mode, FULL_SIZE) for unit, begin, mode in large]
    recipes += [partial(entity_bomb, *options) for options in product(_DECLARATIONS, _EXTERNAL_SUBSETS, _MODES)]
    recipes += [partial(HostileDocument, f"link {text[:40]!r}", mode, text) for text, mode in product(_LINKS, _MODES)]
    recipes += [partial(json_bomb, name, end) for name, end in product(_JSON_ITEMS, ("", "]}"))]
    valid = range(len(valid_documents()))
    for position, (encoding, charset) in enumerate(product(_ENCODINGS, _CHARSETS)):
        chosen = valid if full else [position % len(valid)]
        recipes += [partial(mislabel, number, encoding, charset) for number in chosen]
    return recipes + [partial(damage, number, f"{seed}-{number}") for number in range(1_450 if full else 50)]


def bomb(unit: str, begin: str, mode: str, size: int) -> HostileDocument:
    """The same piece of markup repeated up to a size, bare or inside a feed or a page."""
    body = (begin + unit * (size // len(unit))).encode()[:FULL_SIZE]
    return HostileDocument(f"{begin}{unit!r} x {size}", mode, body)


def entity_bomb(declaration: str, external_subset: str, mode: str) -> HostileDocument:
    """A document that declares an entity and refers to it a thousand times."""
    item = f"<item><title>{'&a11;' * 1000}</title><link>http://CANARY/&a11;</link></item>"
    text = f"<!DOCTYPE rss {external_subset}[{declaration}]><rss><channel>{item}</channel></rss>"
    return HostileDocument(f"entity {declaration[:40]}", mode, text.encode())


def json_bomb(name: str, end: str) -> HostileDocument:
    """JSON that is deep or wide, or a JSON Feed with values of wrong types."""
    text = '{"version": "https://jsonfeed.org/version/1.1", "items": [' + _JSON_ITEMS[name]() + end
    return HostileDocument(f"json {name}", "rss", text.encode())


def mislabel(number: int, encoding: str, charset: str) -> HostileDocument:
    """A valid document in an encoding, with a header that declares another one."""
    name, mode, text = valid_documents()[number]
    content_type = f"Content-Type: {'text/html' if mode == 'html' else 'application/xml'}; charset={charset}"
    return HostileDocument(
        f"{name} in {encoding} as {charset}", mode, text.encode(encoding, "replace"), (content_type,)
    )


def damage(number: int, seed: str) -> HostileDocument:
    """A valid document after a few random changes."""
    rng = random.Random(seed)
    name, mode, text = rng.choice(valid_documents())
    for _ in range(rng.choice((1, 1, 2, 4, 8, 30))):
        text = rng.choice(_CHANGES)(text, rng)[:LARGE]
    body = text.encode("utf-8", "surrogatepass")
    if rng.random() < 0.3:
        body = _flip(body, rng)
    headers: list[str] = []
    if kind := rng.choice(_TYPES):
        headers.append(f"Content-Type: {kind}; charset={rng.choice(_CHARSETS)}")
    if rng.random() < 0.2:
        body = gzip.compress(body, mtime=0)[: rng.choice((None, -5, 30))]
        headers.append("Content-Encoding: gzip")
    if rng.random() < 0.1:
        mode = "html" if mode == "rss" else "rss"
    return HostileDocument(f"{name} #{number}", mode, body, tuple(headers))


@cache
def valid_documents() -> tuple[tuple[str, str, str], ...]:
    """Name, mode and text of the documents that are damaged: the sources of the example."""
    found: list[tuple[str, str, str]] = []
    for path in sorted(EXAMPLE.rglob("*.*ml")) + sorted(EXAMPLE.rglob("*.json")):
        text = render(path.read_bytes(), TODAY).decode("utf-8", "replace")
        found.append((path.parent.name, "html" if path.suffix == ".html" else "rss", text))
    return tuple(found)


def _cut(text: str, rng: random.Random) -> str:
    return text[: rng.randrange(len(text) + 1)]


def _drop(text: str, rng: random.Random) -> str:
    at = rng.randrange(len(text) + 1)
    return text[:at] + text[at + rng.choice((1, 2, 10, 200)) :]


def _insert(text: str, rng: random.Random) -> str:
    at = rng.randrange(len(text) + 1)
    return text[:at] + rng.choice(_PIECES) * rng.choice((1, 1, 1, 5, 500)) + text[at:]


def _repeat(text: str, rng: random.Random) -> str:
    at = rng.randrange(len(text) + 1)
    piece = text[at : at + rng.choice((5, 100, 2_000))]
    return text[:at] + piece * rng.choice((2, 10, 100)) + text[at:]


def _swap(text: str, rng: random.Random) -> str:
    tags = [found.span() for found in re.finditer(r"<[^<>]{1,80}>", text)]
    if not tags:
        return text
    (a, b), (c, d) = rng.choice(tags), rng.choice(tags)
    return text[:a] + text[c:d] + text[b:]


def _without_ends(text: str, rng: random.Random) -> str:
    return re.sub(r"</\w+>", lambda end: "" if rng.random() < 0.5 else end[0], text)


_CHANGES: Final[tuple[Callable[[str, random.Random], str], ...]] = (
    _cut,
    _drop,
    _insert,
    _insert,
    _insert,
    _repeat,
    _swap,
    _swap,
    _without_ends,
)


def _flip(body: bytes, rng: random.Random) -> bytes:
    flipped = bytearray(body)
    for _ in range(rng.choice((1, 10, 100)) if flipped else 0):
        flipped[rng.randrange(len(flipped))] = rng.randrange(256)
    return bytes(flipped)


@contextlib.contextmanager
def served(recipes: Sequence[Recipe]) -> Generator[tuple[HostileServer, HostileServer]]:
    """A server of the corpus, and the canary that its documents refer to."""
    with HostileServer(host="127.0.0.2") as canary, HostileServer() as server:
        address = canary.url.removeprefix("http://")

        def serve(connection: Connection) -> None:
            number = int(connection.request.split(" ")[1].removeprefix("/"))
            connection.send(recipes[number]().response(address))

        responses: dict[str, Response] = {f"/{number}": serve for number in range(len(recipes))}
        server.responses = responses
        yield server, canary


def read_all(url: str, modes: Sequence[str]) -> dict[str, object]:
    """Fetch and parse every document, ingest a part of them as one run, and return the measurements.

    Args:
        url: The server of the corpus.
        modes: The ingestion mode of each document.
    """
    sources = [
        Source(source_key=str(number), ingestion_mode=mode, rss_url=f"{url}/{number}", html_url=f"{url}/{number}")
        for number, mode in enumerate(modes)
    ]
    window = Window.last_days(TODAY, 30)
    limits = FetchLimits(total_seconds=60, workers=4, per_host=4)
    fetcher = Fetcher(limits, addresses=AddressPolicy(allowed=("127.0.0.1/32",), ports=None))
    seconds = [0.0] * len(sources)
    kinds: Counter[str] = Counter()

    def read(index: int, fetched: FetchResult | FetchError) -> None:
        watch = Stopwatch()
        found = read_source(sources[index], fetched, window)
        seconds[index] = watch.seconds
        kinds[found.failure or "read"] += 1

    fetcher.fetch_all([source.url for source in sources], read)
    some = ingest(sources[::25], window, ContentFilters(min_word_count=3), fetcher)
    return {
        "seconds": seconds,
        "kinds": kinds,
        "items": len(some.items),
        "balanced": all(report.counts.balanced for report in some.sources),
        "megabytes": peak_memory(),
    }


def peak_memory() -> float:
    """The peak memory of this process, in mebibytes.

    Not from getrusage: on Linux its maximum is inherited over exec, so that a small process reports the size of its
    parent.
    """
    status = Path("/proc/self/status").read_text(encoding="ascii")
    (kilobytes,) = [line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:")]
    return int(kilobytes) / 1024


if __name__ == "__main__":
    json.dump(read_all(sys.argv[1], json.load(sys.stdin)), sys.stdout)
