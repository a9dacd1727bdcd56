"""A client, a catalogue and eight sources with their articles, in the shapes of real newsrooms and feeds.

Five company sites list their releases in cards, in a list without dates, in blog posts, as headings with buttons, and
in a table; three trade journals have feeds with teasers. Six of the eight ask for full articles. Names and texts are
made up.
"""

from __future__ import annotations

import datetime as dt
import html
import random
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

CLIENT: Final = "depot_weekly"
LICENCE: Final = "Silta and Nordlai enter into a licence and option agreement for depot products"
ENTRIES: Final = {
    "cards": 12,
    "undated": 12,
    "posts": 10,
    "buttons": 13,
    "board": 10,
    "journal_full": 10,
    "journal_a": 9,
    "journal_b": 9,
}
"""Source key to its entries: 85 in all."""

_COMPANIES: Final = dict(
    zip(ENTRIES, ("Varis", "Kaamos", "Lumme", "Silta", "Hangang", "One", "Two", "Three"), strict=True)
)
_VERBS: Final = ("announces", "reports", "presents", "signs", "completes", "receives", "initiates", "extends")
_OBJECTS: Final = (
    "topline results of its phase 3 trial",
    "an agreement on depot products",
    "its interim report for the third quarter",
    "a licence with a global company",
    "the first dosing of patients in Turku",
    "a patent for its coating in Japan",
    "the market approval of its weekly injection",
)
_SUBJECTS: Final = (
    "The company",
    "The partner",
    "The agreement",
    "The trial",
    "The board",
    "The regulator",
    "Management",
)
_PREDICATES: Final = (
    "confirmed the development of long-acting injectable products",
    "expects interim data of the ongoing study",
    "described a milestone payment under the licence",
    "announced the manufacturing of clinical batches",
    "supports a monthly treatment option for adults",
    "covers an upfront payment and tiered royalties",
)
_ENDINGS: Final = (
    "in the fourth quarter",
    "in Europe and Asia",
    "for patients with schizophrenia",
    "as planned last year",
)
_NAVIGATION: Final = (
    "<div id=cookies class=cookie-consent><p>We use cookies to improve your experience on our site.</p>"
    "<button>Accept</button></div><header><nav><ul><li><a href=/about>About the company and its history</a>"
    "<li><a href=/pipeline>Our pipeline of products</a></ul></nav></header>"
)
_FOOTER: Final = (
    "<footer><h4>Subscribe to our newsletter</h4><p>Sign up to get every release by e-mail.</p>"
    "<a href=/privacy>Privacy policy and cookies</a></footer>"
)


def write_newsroom(folder: Path, today: dt.date) -> None:
    """Write ``config/`` and ``sources/`` of a local run.

    Args:
        folder: The folder of the run.
        today: The day of the run; the newest articles are a day old.
    """
    _Newsroom(folder, today).write()


class _Newsroom:
    def __init__(self, folder: Path, today: dt.date) -> None:
        self._folder = folder
        self._today = today
        self._rng = random.Random(13)

    def write(self) -> None:
        self._write_config()
        for key in ENTRIES:
            titles = self._titles(key)
            if key.startswith("journal"):
                self._write_feed(key, titles)
            else:
                self._write_listing(key, titles)
            for number, title in enumerate(titles):
                self._put(key, f"news/{number}.html", self._article(number, title))

    def _write_config(self) -> None:
        sources = "".join(
            f"  - {{source_key: {key}, source_type: press, ingestion_mode: {mode}, homepage_url: 'https://{key}.example/',"
            f" {url}, max_content_length: 2000{enrichment}}}\n"
            for key in ENTRIES
            for mode, url in [
                ("rss", f"rss_url: 'https://{key}.example/feed.xml'")
                if key.startswith("journal")
                else ("html", f"html_url: '{'' if key == 'board' else f'https://{key}.example/'}'")
            ]
            for enrichment in ["" if key in {"journal_a", "journal_b"} else ", content_enrichment: full_article"]
        )
        catalog = f"sources:\n{sources}bouquets:\n  - {{bouquet_id: all, source_keys: [{', '.join(ENTRIES)}]}}\n"
        client = (
            f"client_profile: {{client_id: {CLIENT}}}\npipeline: {{default_period_days: 30}}\n"
            "source_config:\n  source_bouquets_enabled: [all]\n  content_filters:\n    min_word_count: 50\n"
            "    exclude_patterns: [Download attachment, View attachment, Read more]\n"
        )
        for path, text in (("canonical/sources/source_catalog.yaml", catalog), (f"clients/{CLIENT}.yaml", client)):
            file = self._folder / "config" / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, "utf-8")

    def _titles(self, key: str) -> list[str]:
        company = _COMPANIES[key]
        titles = [
            f"{company} {_VERBS[number % len(_VERBS)]} {_OBJECTS[number % len(_OBJECTS)]}"
            for number in range(ENTRIES[key])
        ]
        return [LICENCE, *titles[1:]] if key == "buttons" else titles

    def _write_listing(self, key: str, titles: list[str]) -> None:
        items = "".join(self._listed(key, number, title) for number, title in enumerate(titles))
        body = {
            "undated": f"<ul>{items}</ul>",
            "board": f"<table><tr><th>No<th>Subject<th>Date</tr>{items}</table>",
        }.get(key, f"<div class=list>{items}</div>")
        self._put(key, "index.html", f"<body>{_NAVIGATION}<main><h1>News and releases</h1>{body}</main>{_FOOTER}")

    def _listed(self, key: str, number: int, title: str) -> str:
        day, link = self._day(number), f"/news/{number}.html"
        match key:
            case "cards":
                twice = f"<span>{_long(day)}</span>" * 2
                return f"<div class=card><h3><a href={link}>{title}</a></h3><div>{twice}</div></div>"
            case "undated":
                archive = "<a href=/all>archive of all releases</a>"
                return f"<li><a href={link}><h3>{title}</h3></a><p>More in the {archive}.</p>"
            case "posts":
                registry = f"<a href=https://registry.example/{number}>registry entry of the trial</a>"
                return (
                    f"<article><h2><a href={link}>{title}</a></h2><p>{self._sentence()} See the {registry}.</p>"
                    f"<div>By <a href=/by>E. Author</a> | {_long(day)} | <a href={link}>Read More</a></div></article>"
                )
            case "buttons":
                buttons = f"<a href={link}>READ MORE</a> <a href=/{number}.pdf>Download attachment</a>"
                return (
                    f"<div><span>{day.day} {_long(day).split()[0]}, {day.year}</span><h4>{title}</h4>"
                    f"<p>{self._sentence()}</p>{buttons}</div>"
                )
            case _:
                return f"<tr><td>{number}<td><a href={link}>{title}</a><td>{day:%Y.%m.%d}</tr>"

    def _write_feed(self, key: str, titles: list[str]) -> None:
        items = "".join(
            f"<item><title>{title}</title><link>https://{key}.example/news/{number}.html</link>"
            f"<description>{html.escape(f'<p>{self._sentence()}… <a href=x>Read more</a></p>')}</description>"
            f"<pubDate>{self._day(number):%d %b %Y} 10:00:00 GMT</pubDate></item>"
            for number, title in enumerate(titles)
        )
        self._put(key, "feed.xml", f"<rss version='2.0'><channel><title>{key}</title>{items}</channel></rss>")

    def _article(self, number: int, title: str) -> str:
        day = self._day(number)
        paragraphs = [" ".join(self._sentence() for _ in range(4)) for _ in range(self._rng.randint(5, 15))]
        text = "".join(f"<p>{paragraph}</p>" for paragraph in paragraphs)
        button = "<p><a class=btn href=/x.pdf>Download attachment</a></p>"
        published = (
            f'<meta property="article:published_time" content="{day}T08:00:00+01:00">' if number % 4 == 0 else ""
        )
        script = f'<script type="application/ld+json">{{"@type": "NewsArticle", "datePublished": "{day}"}}</script>'
        body = (
            f"<article><h1>{title}</h1>{button}<div class=entry-content>{text}</div></article>",
            f"<div class=single><h1>{title}</h1>{script}<div class=text>{button}{text}</div></div>",
            f"<table><tr><td><time datetime={day}></time><h1>{title}</h1>{'<br><br>'.join(paragraphs)}</table>",
            f"<div><p>Release</p><h2>{title}</h2><span>{_long(day)}</span><div>{text}{button}</div></div>",
        )[number % 4]
        return f"<html><head><title>{title}</title>{published}</head><body>{_NAVIGATION}{body}{_FOOTER}</body></html>"

    def _sentence(self) -> str:
        return f"{self._rng.choice(_SUBJECTS)} {self._rng.choice(_PREDICATES)} {self._rng.choice(_ENDINGS)}."

    def _day(self, number: int) -> dt.date:
        return self._today - dt.timedelta(days=1 + 2 * number)

    def _put(self, key: str, path: str, text: str) -> None:
        file = self._folder / "sources" / f"{key}.example" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, "utf-8")


def _long(day: dt.date) -> str:
    return f"{day:%B} {day.day}, {day.year}"
