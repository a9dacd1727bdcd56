"""Articles are found on listings of every build: cards, lists, tables, definition lists, and none at all."""

from __future__ import annotations

import datetime as dt

import pytest

from vectora_normalize.sources.parse.dates import find_date
from vectora_normalize.sources.parse.document_tree import DocumentTree
from vectora_normalize.sources.parse.entries import MAX_ENTRIES
from vectora_normalize.sources.parse.listing import Article, find_articles
from vectora_normalize.sources.parse.sanitize_html import sanitize_html


def articles(source: str) -> list[Article]:
    outline = DocumentTree(sanitize_html(source).html)
    links = [value if tag == "a" else "" for tag, value in zip(outline.tags, outline.values, strict=True)]
    return find_articles(outline, links, find_date)


def day(number: int) -> dt.date:
    return dt.date(2026, 11, number)


ONE = Article("Camurus announces results", "/1", "First summary.", day(20))
TWO = Article("Nanexa signs an agreement", "/2", "Second summary.", day(19))


# How a listing writes one article; `{words}`, `{day}` and the like are the same date in other forms.
BUILDS = {
    "cards": '<article><h2><a href="{link}">{title}</a></h2><time datetime="{iso}">Friday</time><p>{summary}</p>'
    '<a href="{link}">Read more</a></article>',
    "boxes, the date first": '<div><span>{words}</span> <h3><a href="{link}">{title}</a></h3><p>{summary}</p></div>',
    "a list": '<li><a href="{link}">{title}</a> <i>{iso}</i><p>{summary}</p></li>',
    "a list that nobody closes": '<li>{day}/11/2026 <a href="{link}">{title}</a><p>{summary}',
    "a table": '<tr><td>{day}.11.2026</td><td><a href="{link}">{title}</a><div>{summary}</div></td></tr>',
    "no boxes, the date behind": '<h3><a href="{link}">{title}</a></h3><p>November {day}, 2026</p><p>{summary}</p>',
    "no boxes, the date before": '<p>November {day}, 2026</p><h3><a href="{link}">{title}</a></h3><p>{summary}</p>',
    "no boxes, a silent time": '<h3><a href="{link}">{title}</a></h3><time datetime="{iso}"></time><p>{summary}</p>',
    "cards inside of links": '<a href="{link}"><h4>{title}</h4><span>{words}</span><p>{summary}</p></a>',
    "headings without links": "<section><h3>{title}</h3><p>{words}</p><p>{summary}</p>"
    '<a href="{link}">Read more</a></section>',
    "a picture that links as well": '<div><a href="{link}"><img src=x></a><h2><a href="{link}">{title}</a></h2>{words}'
    "<p>{summary}</p></div>",
    "a date in pieces": "<li><span>{day}</span><span>Nov</span><span>2026</span>"
    '<h5><a href="{link}">{title}</a></h5><p>{summary}</p></li>',
    "a labelled date": '<li><a href="{link}">{title}</a><p>Published on: {words}</p><p>{summary}</p></li>',
}  # fmt: skip
AROUND = {"a list": "ul", "a list that nobody closes": "ul", "a table": "table", "a date in pieces": "ul"}


@pytest.mark.parametrize("build", BUILDS)
def test_two_articles_on_a_page_of_any_build(build: str) -> None:
    rows = "".join(
        BUILDS[build].format(
            link=article.link,
            title=article.title,
            summary=article.summary,
            iso=article.published,
            words=f"{article.published:%d %B %Y}",
            day=f"{article.published:%d}",
        )
        for article in (ONE, TWO)
    )
    around = AROUND.get(build, "div")
    page = (
        "<nav><ul><li><a href='/n'>Our platform for long acting injectables</a></ul></nav>"
        f"<{around}>{rows}</{around}><footer><a href='/f'>Terms and conditions of this site</a> 1 Jan 2020</footer>"
    )
    assert articles(page) == [ONE, TWO]


def test_a_definition_list() -> None:
    found = articles(
        """<dl><dt>2026-11-20</dt><dd><a href="/1">Camurus announces results</a></dd>
           <dt>2026-11-19</dt><dd><a href="/2">Nanexa signs an agreement</a></dd></dl>"""
    )
    assert [(article.link, article.published) for article in found] == [("/1", day(20)), ("/2", day(19))]


def test_a_single_article_on_its_page() -> None:
    found = articles(
        '<main><div><a href="/1">Camurus announces results</a> 20 Nov 2026</div><a href="/x">Home</a></main>'
    )
    assert found == [Article("Camurus announces results", "/1", "", day(20))]


def test_an_article_without_a_date_is_found_if_it_is_built_like_the_others() -> None:
    row = '<article><h2><a href="/{0}">Number {0} of the news</a></h2><p>{1}</p></article>'
    found = articles(
        row.format(1, "20 Nov 2026") + row.format(2, "soon") + '<p><a href="/p">About our company and people</a></p>'
    )
    assert [(article.link, article.published) for article in found] == [("/1", day(20)), ("/2", None)]


def test_without_any_date_all_that_reads_like_a_title_is_found() -> None:
    found = articles('<p><a href="/1">About our company and people</a></p><p><a href="/2">Home</a></p>')
    assert [article.link for article in found] == ["/1"]


def test_a_date_in_the_title_is_the_last_resort() -> None:
    row = '<li><a href="/{0}">Report of 3 March 2026, number {0}</a> {1}</li>'
    found = articles(row.format(1, "20 Nov 2026") + row.format(2, ""))
    assert [article.published for article in found] == [day(20), dt.date(2026, 3, 3)]


@pytest.mark.parametrize("title", ["News", "Press releases", "Read more", "Media and more", "5 mg", ""])
def test_short_links_are_no_titles(title: str) -> None:
    assert articles(f'<p><a href="/1">{title}</a> 20 Nov 2026</p>') == []


def test_titles_in_scripts_without_spaces_are_shorter() -> None:
    assert [
        article.title for article in articles('<li><a href="/1">持効性注射剤の承認について</a> 2026年11月20日</li>')
    ] == ["持効性注射剤の承認について"]


def test_of_several_links_in_an_item_the_heading_is_the_title() -> None:
    found = articles(
        """<ul><li><a href="/t">Long name of some category</a> 20 Nov 2026
           <h3><a href="/1">Camurus announces results</a></h3>
           see also <a href="/o">another long link in the text</a></li></ul>"""
    )
    assert [article.link for article in found] == ["/1"]


def test_a_table_that_frames_the_page_is_not_an_item() -> None:
    cell = '<div><h3><a href="/{0}">Number {0} of the news</a></h3>{1} Nov 2026</div>'
    found = articles(f"<table><tr><td>{cell.format(1, 20)}{cell.format(2, 19)}</td></tr></table>")
    assert [(article.link, article.published) for article in found] == [("/1", day(20)), ("/2", day(19))]


def test_a_card_without_a_heading_has_its_first_line_for_a_title() -> None:
    lines = f"<div>Camurus announces results</div><div>20 Nov 2026</div><p>{'word ' * 100}</p>"
    found = articles(f'<div><a href="/1">{lines}</a></div>')
    assert [(article.title, article.published) for article in found] == [("Camurus announces results", day(20))]


def test_a_long_link_without_a_line_is_no_title() -> None:
    assert articles(f'<div><a href="/1">{"<p>a b</p>" * 200}</a></div>') == []


def test_a_read_more_needs_one_heading_of_its_own() -> None:
    two = '<section><h3>One title here</h3><h3>Two titles here</h3>20 Nov 2026<a href="/1">Read more</a></section>'
    linked = '<section><h3>See <a>anchor</a> here</h3>20 Nov 2026<a href="/1">Read more</a></section>'
    bare = '<section><p>20 Nov 2026</p><a href="/1">Read more</a></section>'
    assert articles(two) == articles(linked) == articles(bare) == []


def test_the_same_article_twice_is_found_once_with_its_best_title() -> None:
    found = articles(
        """<p><a href="/1">Camurus announces these results</a></p>
           <article><h2><a href="/1">Camurus announces results</a></h2>
           20 Nov 2026</article>"""
    )
    assert [article.title for article in found] == ["Camurus announces results"]


def test_gaps_without_dates_give_none() -> None:
    found = articles(
        """<div><h3><a href="/1">Camurus announces results</a></h3><p>20 Nov 2026</p><h3><a href="/2">Nanexa signs an
           agreement</a></h3><p>soon</p></div>"""
    )
    assert [article.published for article in found] == [day(20), None]
    found = articles(
        """<div><p>20 Nov 2026</p><h3><a href="/1">Camurus announces results</a></h3><p>text</p>
           <h3><a href="/2">Nanexa signs
           an agreement</a></h3></div>"""
    )
    assert [(article.published, article.summary) for article in found] == [(day(20), "text"), (None, "")]


def test_a_box_ends_where_it_is_too_large() -> None:
    found = articles(
        f'<div><p>{"word " * 2000}</p><div><a href="/1">Camurus announces results</a> 20 Nov 2026</div></div>'
    )
    assert [(article.published, article.summary) for article in found] == [(day(20), "")]


def test_the_first_of_two_equal_titles_is_kept() -> None:
    row = '<li><a href="/1">{}</a> 20 Nov 2026</li>'
    found = articles(row.format("Camurus announces results") + row.format("The very same link again"))
    assert [article.title for article in found] == ["Camurus announces results"]


def test_a_page_has_only_so_many_articles() -> None:
    rows = "".join(f'<p><a href="/{number}">Number {number} of the news</a></p>' for number in range(MAX_ENTRIES + 5))
    assert len(articles(rows)) == MAX_ENTRIES


def test_a_read_more_without_any_heading_near_it_is_nothing() -> None:
    deep = "<span>" * 6 + '<a href="/1">Read more</a>' + "</span>" * 6
    assert articles(f"<section><h3>A heading too far away</h3>{deep}</section>") == []


class _CountingTree(DocumentTree):
    """Counts the nodes that are looked through."""

    looked_at = 0

    def subtree(self, index: int) -> range:
        found = super().subtree(index)
        self.looked_at += len(found)
        return found


@pytest.mark.parametrize(("element", "text"), [("div", "Read more"), ("h2", "Number {} of the news")])
def test_an_element_with_hundreds_of_links_is_not_looked_through_for_each(element: str, text: str) -> None:
    links = "".join(f'<a href="/{number}">{text.format(number)}</a>' for number in range(10_000))
    outline = _CountingTree(sanitize_html(f"<{element}>{links}</{element}>").html)
    find_articles(
        outline,
        [value if tag == "a" else "" for tag, value in zip(outline.tags, outline.values, strict=True)],
        find_date,
    )
    assert outline.looked_at < 10 * len(outline)
