"""A run over valid, malformed and hostile sources: the valid ones are read, and each of the others fails alone."""

from __future__ import annotations

import datetime as dt

from support.hostileserver import HostileServer, gzipped, http, redirect
from vectora_normalize.sources.collect import ingest
from vectora_normalize.sources.config.catalog import ContentEnrichment, ContentFilters, Source
from vectora_normalize.sources.errors import FetchErrorKind
from vectora_normalize.sources.http.addresses import AddressPolicy
from vectora_normalize.sources.http.fetch import Fetcher
from vectora_normalize.sources.http.limits import FetchLimits
from vectora_normalize.sources.reports import Counts
from vectora_normalize.sources.window import Window

TODAY = dt.date(2026, 11, 21)
RSS = """<?xml version="1.0" encoding="iso-8859-1"?><rss version="2.0"><channel>
<item><title>Camurus &amp; Nanexa</title><link>/a</link><description>A depot of their own.</description>
<pubDate>Fri, 20 Nov 2026 23:30:00 -0500</pubDate></item>
<item><title>Old</title><link>/b</link><description>Long ago.</description><pubDate>1 Nov 2026</pubDate></item>
</channel></rss>"""
ATOM = """<feed xmlns="http://www.w3.org/2005/Atom"><entry><title>Camurus &amp; Nanexa</title><link href="/copy"/>
<summary>A depot of their own.</summary><updated>2026-11-20T10:00:00Z</updated></entry></feed>"""
PAGE = """<ul><li><a href="c?x=1">Medincell dépose un dossier</a> 19/11/2026 <p>Auprès de l'agence.</p></li>
<li><a href="d">Medincell prepares something</a> soon</li></ul>"""


def test_each_source_is_read_or_fails_alone() -> None:
    with HostileServer(host="127.0.0.2") as canary, HostileServer() as server:
        server.responses.update(
            {
                "/rss": gzipped(RSS.encode("latin-1"), "Content-Type: text/html; charset=utf-8"),
                "/atom": http(ATOM.encode("utf-16")),
                "/page": redirect("/news/"),
                "/news/": http(PAGE.encode("latin-1"), "Content-Type: text/html; charset=iso-8859-1"),
                "/metadata": redirect("http://169.254.169.254/latest/meta-data/"),
                "/inside": redirect(f"{canary.url}/"),
                "/slow": lambda connection: connection.drip(b"HTTP/1.1 200 OK\r\n"),
                "/html": http(b"<html><body>Maintenance</body></html>"),
            }
        )

        def source(path: str, mode: str = "rss") -> Source:
            url = f"{server.url}/{path}?key=hunter2"
            return Source(source_key=path, ingestion_mode=mode, rss_url=url, html_url=url, default_language="fr")

        names = ("rss", "atom", "metadata", "inside", "slow", "html", "gone")
        sources = [source("page", "html"), *map(source, names), Source(source_key="nowhere")]
        fetcher = Fetcher(
            FetchLimits(total_seconds=1, per_host=8), addresses=AddressPolicy(allowed=("127.0.0.1/32",), ports=None)
        )
        ingested = ingest(sources, Window.last_days(TODAY, 7), ContentFilters(min_word_count=3), fetcher)
        assert canary.connections == 0

    assert [(item.source_key, item.title, item.content, item.published_at) for item in ingested.items] == [
        (
            "page",
            "Medincell dépose un dossier",
            "Medincell dépose un dossier. Auprès de l'agence.",
            dt.date(2026, 11, 19),
        ),
        ("rss", "Camurus & Nanexa", "Camurus & Nanexa. A depot of their own.", TODAY),
    ]
    assert [item.url for item in ingested.items] == [f"{server.url}/news/c?x=1", f"{server.url}/a"]
    reports = {report.source_key: report for report in ingested.sources}
    assert {key: report.failure for key, report in reports.items()} == {
        "page": None,
        "rss": None,
        "atom": None,
        "metadata": FetchErrorKind.BLOCKED_ADDRESS,
        "inside": FetchErrorKind.BLOCKED_ADDRESS,
        "slow": FetchErrorKind.TIMEOUT,
        "html": FetchErrorKind.PARSE_ERROR,
        "gone": FetchErrorKind.NOT_FOUND,
        "nowhere": FetchErrorKind.MISSING_URL,
    }
    assert reports["page"].counts == Counts(entries=2, kept=1, undated=1)
    assert reports["rss"].counts == Counts(entries=2, kept=1, outside_window=1)
    assert reports["atom"].counts == Counts(entries=1, duplicate=1)
    assert all(report.counts.balanced for report in ingested.sources)
    assert "hunter2" not in repr(ingested)
    assert not ingested.all_failed


def test_an_article_that_is_a_pdf_is_counted_with_its_reason_and_its_item_is_kept() -> None:
    pdf = b"%PDF-1.7\n" + b"binary " * 100
    item = (
        "<item><title>Half-year report {n}</title><link>/{n}.pdf</link><pubDate>20 Nov 2026</pubDate>"
        "<description>The half-year report {n} is here.</description></item>"
    )
    with HostileServer() as server:
        server.responses.update(
            {
                "/feed": http(f"<rss><channel>{item.format(n=1)}{item.format(n=2)}</channel></rss>".encode()),
                "/1.pdf": http(pdf, "Content-Type: application/pdf"),
                "/2.pdf": http(pdf, "Content-Type: application/octet-stream"),
            }
        )
        enrichment = ContentEnrichment.FULL_ARTICLE
        url = f"{server.url}/feed"
        source = Source(source_key="reports", ingestion_mode="rss", rss_url=url, content_enrichment=enrichment)
        fetcher = Fetcher(FetchLimits(), addresses=AddressPolicy(allowed=("127.0.0.1/32",), ports=None))
        ingested = ingest([source], Window.last_days(TODAY, 7), ContentFilters(min_word_count=3), fetcher)
    assert [item.content for item in ingested.items] == [
        f"Half-year report {n}. The half-year report {n} is here." for n in (1, 2)
    ]
    (report,) = ingested.sources
    assert (report.articles.wanted, report.articles.failed) == (2, 2)
    assert report.articles.failures == {"unsupported_media_type": 2}
    assert [example["title"] for example in report.articles.examples] == ["Half-year report 1", "Half-year report 2"]


class _FirstIsPublic(AddressPolicy, frozen=True):
    def is_public(self, address: str) -> bool:
        return address == "127.0.0.1"


def test_links_of_a_public_source_do_not_lead_to_private_addresses() -> None:
    # On this machine no public address can be served, so a loopback address stands for one.
    fetcher = Fetcher(addresses=_FirstIsPublic.from_setting(allow_private_sources=True))
    with HostileServer(host="127.0.0.2") as private, HostileServer() as public:
        feed = http(RSS.replace("/a<", f"{private.url}/a<").encode("latin-1"))
        public.responses["/rss"] = private.responses["/rss"] = feed

        def failures(url: str) -> dict[str, int]:
            source = Source(source_key="s", rss_url=url, content_enrichment=ContentEnrichment.FULL_ARTICLE)
            (report,) = ingest([source], Window.last_days(TODAY, 7), ContentFilters(), fetcher).sources
            assert report.counts.kept == 1
            return report.articles.failures

        assert failures(f"{public.url}/rss") == {"disallowed": 1}
        assert private.connections == 0
        assert failures(f"{private.url}/rss") == {"not_found": 1}
        assert private.paths == ["/rss", "/robots.txt", "/a"]
