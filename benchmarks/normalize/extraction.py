"""How well articles and listings are read, on public corpora of real pages, beside trafilatura and readability-lxml.

The corpora are checkouts of three repositories, which are not part of this one:

- ``article-extraction-benchmark`` of scrapinghub: pages with the text that people copied from them;
- ``readability`` of mozilla: pages with the text that its authors expect;
- ``juriscraper`` of freelawproject: listings of courts, with the titles and dates that its authors expect.

Run: ``python -m benchmarks.normalize.extraction FOLDER`` with the three checkouts in a folder. readability-lxml is
measured where it is installed. Texts are compared by their sequences of four words, listings by their links.
"""

from __future__ import annotations

import argparse
import gzip
import importlib
import json
import re
import time
from collections import Counter
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from selectolax.lexbor import LexborHTMLParser

from vectora_normalize.sources.errors import ParseError
from vectora_normalize.sources.parse.article import parse_article
from vectora_normalize.sources.parse.charsets import decode
from vectora_normalize.sources.parse.pages import parse_page
from vectora_normalize.sources.urls import absolute_link

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SHINGLE = 4  # words
BASE = "https://site.example/news/"
SAME_TITLE = 0.6  # of the words of two titles that are the same title
MIN_LISTED = 0.8  # of the expected titles that are texts of links; on other pages the link says "PDF"
MIN_ENTRIES = 3


def words(text: str) -> list[str]:
    """Return the words of a text in lower case."""
    return re.findall(r"\w+", text.lower())


def shingles(text: str) -> Counter[tuple[str, ...]]:
    """Return the sequences of ``SHINGLE`` words of a text."""
    found = words(text)
    return Counter(
        tuple(found[start : start + SHINGLE]) for start in range(max(len(found) > 0, len(found) - SHINGLE + 1))
    )


def html_text(html: str) -> str:
    """Return the text of HTML."""
    root = LexborHTMLParser(html).root
    return root.text(separator=" ") if root else ""


def article_pages(folder: Path) -> Iterator[tuple[str, bytes, str]]:
    """Yield corpus, page and expected text."""
    truth = json.loads((folder / "article-extraction-benchmark/ground-truth.json").read_text("utf-8"))
    for name, expected in truth.items():
        page = gzip.decompress((folder / f"article-extraction-benchmark/html/{name}.html.gz").read_bytes())
        yield "scrapinghub", page, expected["articleBody"]
    for case in sorted((folder / "readability/test/test-pages").iterdir()):
        if (case / "expected.html").exists():
            yield "mozilla", (case / "source.html").read_bytes(), html_text((case / "expected.html").read_text("utf-8"))


def listing_pages(folder: Path, min_title: int) -> Iterator[tuple[bytes, dict[str, str]]]:
    """Yield each listing and its expected links with their dates; one page of each site.

    Titles of fewer than ``min_title`` characters are not expected.
    """
    sites: set[str] = set()
    for file in sorted((folder / "juriscraper/tests/examples").rglob("*.compare.json")):
        page = file.with_name(file.name.replace(".compare.json", ".html"))
        site = re.sub(r"_?(example|\d).*", "", file.name)
        expected = json.loads(file.read_text("utf-8")) if page.exists() and site not in sites else None
        if not isinstance(expected, list):
            continue
        expected = [entry for entry in expected if len(str(entry.get("case_names") or "")) >= min_title]
        if len(expected) < MIN_ENTRIES:
            continue
        body = page.read_bytes()
        links = _expected_links(decode(body), expected)
        if len(links) >= MIN_LISTED * len(expected):
            sites.add(site)
            yield body, links


def _expected_links(html: str, expected: list[dict[str, Any]]) -> dict[str, str]:
    tree = LexborHTMLParser(html)
    base = tree.css_first("base[href]")
    url = absolute_link(base.attributes.get("href") or "", BASE) if base else BASE
    anchors = {link: set(words(text)) for link, text in anchors_of(tree, url)}
    anchors.pop("", None)
    links: dict[str, str] = {}
    for entry in expected:
        title = set(words(str(entry.get("case_names") or "")))
        overlap = {link: len(title & text) / (len(title | text) or 1) for link, text in anchors.items()}
        best = max(overlap, key=lambda link: overlap[link], default="")
        if overlap.get(best, 0) >= SAME_TITLE:
            links[best] = str(entry.get("case_dates") or "")
    return links


def text_of_this(page: bytes) -> str:
    """Return the text that this project extracts."""
    try:
        return parse_article(page, base=BASE).text
    except ParseError:
        return ""


def text_of_trafilatura(page: bytes) -> str:
    """Return the text that trafilatura extracts from the page as it is."""
    trafilatura: Any = importlib.import_module("trafilatura")
    return trafilatura.extract(decode(page), include_comments=False) or ""


def html_of_readability(page: bytes) -> str:
    """Return what readability-lxml leaves of the page."""
    readability: Any = importlib.import_module("readability")
    try:
        return str(readability.Document(decode(page)).summary())
    except Exception:  # noqa: BLE001 - it raises on pages without text
        return ""


def links_of_this(page: bytes) -> dict[str, str]:
    """Return the links that this project finds in a listing, with their dates."""
    try:
        entries = parse_page(page, base=BASE).entries
    except ParseError:
        return {}
    return {entry.link: str(entry.published or "") for entry in entries}


def links_of_trafilatura(page: bytes) -> dict[str, str]:
    """Return the links in the text that trafilatura extracts."""
    trafilatura: Any = importlib.import_module("trafilatura")
    html = trafilatura.extract(decode(page), include_links=True, output_format="html", url=BASE) or ""
    return links_in(html)


def links_in(html: str) -> dict[str, str]:
    """Return the links of HTML that have three words at least."""
    return {link: "" for link, text in anchors_of(LexborHTMLParser(html), BASE) if link and len(words(text)) >= 3}


def anchors_of(tree: LexborHTMLParser, base: str) -> Iterator[tuple[str, str]]:
    """Yield the absolute URL and the text of each link; an empty URL for a link that cannot be used."""
    for anchor in tree.css("a[href]"):
        yield absolute_link(anchor.attributes.get("href") or "", base).partition("#")[0], anchor.text()


def measure_articles(folder: Path, extract: Callable[[bytes], str]) -> None:
    """Print precision, recall and F1 of the texts of each corpus, and the seconds of a page."""
    scores: dict[str, list[tuple[float, float, float, float]]] = {}
    for corpus, page, expected in article_pages(folder):
        start = time.perf_counter()
        found, wanted = shingles(extract(page)), shingles(expected)
        seconds = time.perf_counter() - start
        common = (found & wanted).total()
        precision, recall = common / (found.total() or 1), common / (wanted.total() or 1)
        f1 = 2 * precision * recall / (precision + recall or 1)
        scores.setdefault(corpus, []).append((precision, recall, f1, seconds))
    for corpus, rows in scores.items():
        means = [sum(column) / len(rows) for column in zip(*rows, strict=True)]
        scores_of = "  ".join(f"{name} {mean:.3f}" for name, mean in zip(("P", "R", "F1"), means, strict=False))
        print(f"    {corpus:12} {len(rows):4} pages  {scores_of}  {means[3]:.2f} s")


def measure_listings(folder: Path, extract: Callable[[bytes], dict[str, str]], min_title: int) -> None:
    """Print precision and recall of the links of all listings, and the share of right dates."""
    pages = found_total = wanted_total = common_total = dated = right = 0
    precisions: list[float] = []
    recalls: list[float] = []
    for page, wanted in listing_pages(folder, min_title):
        found = extract(page)
        common = found.keys() & wanted.keys()
        pages += 1
        found_total, wanted_total = found_total + len(found), wanted_total + len(wanted)
        common_total += len(common)
        precisions.append(len(common) / (len(found) or 1))
        recalls.append(len(common) / len(wanted))
        dated += sum(bool(found[link]) for link in common)
        right += sum(found[link] == wanted[link] for link in common)
    mean_precision, mean_recall = sum(precisions) / pages, sum(recalls) / pages
    print(f"    {pages} listings, {wanted_total} entries; found {found_total}, of them {common_total} right;")
    print(f"    mean over pages: P {mean_precision:.3f}  R {mean_recall:.3f}; {dated} dates, {right} as expected")


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="contains article-extraction-benchmark/, readability/, juriscraper/")
    parser.add_argument("--min-title", type=int, default=0, help="characters of the titles that are expected")
    options = parser.parse_args()
    folder: Path = options.folder
    texts = {"this project": text_of_this, "trafilatura": text_of_trafilatura}
    links = {"this project": links_of_this, "trafilatura": links_of_trafilatura}
    versions = [f"trafilatura {version('trafilatura')}"]
    try:
        versions.append(f"readability-lxml {version('readability-lxml')}")
        texts["readability-lxml"] = lambda page: html_text(html_of_readability(page))
        links["readability-lxml"] = lambda page: links_in(html_of_readability(page))
    except PackageNotFoundError:
        print("readability-lxml is not installed, and not measured")
    print(", ".join(versions))
    for name, listed in links.items():
        print(f"  listings, {name}", flush=True)
        measure_listings(folder, listed, options.min_title)
    for name, text in texts.items():
        print(f"  articles, {name}", flush=True)
        measure_articles(folder, text)


if __name__ == "__main__":
    main()
