"""Articles are found in listings of every layout: cards, lists, tables, definition lists, and without containers."""

from __future__ import annotations

import datetime as dt

import pytest

from vectora_normalize.sources.parse.dates import find_date
from vectora_normalize.sources.parse.document_tree import DocumentTree
from vectora_normalize.sources.parse.entries import MAX_ENTRIES
from vectora_normalize.sources.parse.listing import Article, find_articles
from vectora_normalize.sources.parse.sanitize_html import sanitize_html


def articles(source: str) -> list[Article]:
    tree = DocumentTree(sanitize_html(source).html)
    links = [value if tag == "a" else "" for tag, value in zip(tree.tags, tree.values, strict=True)]
    return find_articles(tree, links, find_date)


def day(number: int) -> dt.date:
    return dt.date(2026, 11, number)


ONE = Article("Camurus announces results", "/1", "First summary.", day(20))
TWO = Article("Nanexa signs an agreement", "/2", "Second summary.", day(19))


# The markup of one article in each layout; ``{words}``, ``{day}`` and ``{iso}`` are the same date in other formats.
LAYOUTS = {
    "cards": '<article><h2><a href="{link}">{title}</a></h2><time datetime="{iso}">Friday</time><p>{summary}</p>'
    '<a href="{link}">Read more</a></article>',
    "date first": '<div><span>{words}</span> <h3><a href="{link}">{title}</a></h3><p>{summary}</p></div>',
    "a list": '<li><a href="{link}">{title}</a> <i>{iso}</i><p>{summary}</p></li>',
    "a list without end tags": '<li>{day}/11/2026 <a href="{link}">{title}</a><p>{summary}',
    "a table": '<tr><td>{day}.11.2026</td><td><a href="{link}">{title}</a><div>{summary}</div></td></tr>',
    "no containers, date last": '<h3><a href="{link}">{title}</a></h3><p>November {day}, 2026</p><p>{summary}</p>',
    "no containers, date first": '<p>November {day}, 2026</p><h3><a href="{link}">{title}</a></h3><p>{summary}</p>',
    "no containers, empty time": '<h3><a href="{link}">{title}</a></h3><time datetime="{iso}"></time><p>{summary}</p>',
    "cards inside links": '<a href="{link}"><h4>{title}</h4><span>{words}</span><p>{summary}</p></a>',
    "headings without links": "<section><h3>{title}</h3><p>{words}</p><p>{summary}</p>"
    '<a href="{link}">Read more</a></section>',
    "an image with the same link": '<div><a href="{link}"><img src=x></a><h2><a href="{link}">{title}</a></h2>{words}'
    "<p>{summary}</p></div>",
    "a date in three elements": "<li><span>{day}</span><span>Nov</span><span>2026</span>"
    '<h5><a href="{link}">{title}</a></h5><p>{summary}</p></li>',
    "a labelled date": '<li><a href="{link}">{title}</a><p>Published on: {words}</p><p>{summary}</p></li>',
}  # fmt: skip
PARENTS = {"a list": "ul", "a list without end tags": "ul", "a table": "table", "a date in three elements": "ul"}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_two_articles_in_every_layout(layout: str) -> None:
    rows = "".join(
        LAYOUTS[layout].format(
            link=article.link,
            title=article.title,
            summary=article.summary,
            iso=article.published,
            words=f"{article.published:%d %B %Y}",
            day=f"{article.published:%d}",
        )
        for article in (ONE, TWO)
    )
    parent = PARENTS.get(layout, "div")
    page = (
        "<nav><ul><li><a href='/n'>Our platform for long acting injectables</a></ul></nav>"
        f"<{parent}>{rows}</{parent}><footer><a href='/f'>Terms and conditions of this site</a> 1 Jan 2020</footer>"
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


def test_an_article_without_a_date_is_found_if_it_has_the_structure_of_a_dated_one() -> None:
    row = '<article><h2><a href="/{0}">Number {0} of the news</a></h2><p>{1}</p></article>'
    found = articles(
        row.format(1, "20 Nov 2026") + row.format(2, "soon") + '<p><a href="/p">About our company and people</a></p>'
    )
    assert [(article.link, article.published) for article in found] == [("/1", day(20)), ("/2", None)]


def test_without_dates_all_links_that_read_like_titles_are_found() -> None:
    found = articles('<p><a href="/1">About our company and people</a></p><p><a href="/2">Home</a></p>')
    assert [article.link for article in found] == ["/1"]


def test_a_date_in_the_title_is_the_last_resort() -> None:
    row = '<li><a href="/{0}">Report of 3 March 2026, number {0}</a> {1}</li>'
    found = articles(row.format(1, "20 Nov 2026") + row.format(2, ""))
    assert [article.published for article in found] == [day(20), dt.date(2026, 3, 3)]


@pytest.mark.parametrize("title", ["News", "Press releases", "Read more", "Media and more", "5 mg", ""])
def test_short_links_are_not_titles(title: str) -> None:
    assert articles(f'<p><a href="/1">{title}</a> 20 Nov 2026</p>') == []


def test_titles_in_scripts_without_spaces_may_be_shorter() -> None:
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


def test_a_layout_table_is_not_an_item() -> None:
    cell = '<div><h3><a href="/{0}">Number {0} of the news</a></h3>{1} Nov 2026</div>'
    found = articles(f"<table><tr><td>{cell.format(1, 20)}{cell.format(2, 19)}</td></tr></table>")
    assert [(article.link, article.published) for article in found] == [("/1", day(20)), ("/2", day(19))]


def test_the_title_of_a_card_without_a_heading_is_its_first_line() -> None:
    lines = f"<div>Camurus announces results</div><div>20 Nov 2026</div><p>{'word ' * 100}</p>"
    found = articles(f'<div><a href="/1">{lines}</a></div>')
    assert [(article.title, article.published) for article in found] == [("Camurus announces results", day(20))]


def test_a_long_link_without_a_line_like_a_title_is_not_an_article() -> None:
    assert articles(f'<div><a href="/1">{"<p>a b</p>" * 200}</a></div>') == []


def test_a_read_more_link_needs_exactly_one_heading_without_a_link() -> None:
    two = '<section><h3>One title here</h3><h3>Two titles here</h3>20 Nov 2026<a href="/1">Read more</a></section>'
    linked = '<section><h3>See <a>anchor</a> here</h3>20 Nov 2026<a href="/1">Read more</a></section>'
    bare = '<section><p>20 Nov 2026</p><a href="/1">Read more</a></section>'
    assert articles(two) == articles(linked) == articles(bare) == []


def test_an_article_with_two_links_is_found_once_with_its_heading() -> None:
    found = articles(
        """<p><a href="/1">Camurus announces these results</a></p>
           <article><h2><a href="/1">Camurus announces results</a></h2>
           20 Nov 2026</article>"""
    )
    assert [article.title for article in found] == ["Camurus announces results"]


def test_an_article_in_a_gap_without_a_date_has_none() -> None:
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


def test_the_size_of_a_container_is_limited() -> None:
    found = articles(
        f'<div><p>{"word " * 2000}</p><div><a href="/1">Camurus announces results</a> 20 Nov 2026</div></div>'
    )
    assert [(article.published, article.summary) for article in found] == [(day(20), "")]


def test_of_two_links_with_the_same_url_the_first_is_kept() -> None:
    row = '<li><a href="/1">{}</a> 20 Nov 2026</li>'
    found = articles(row.format("Camurus announces results") + row.format("The very same link again"))
    assert [article.title for article in found] == ["Camurus announces results"]


def test_the_number_of_articles_is_limited() -> None:
    rows = "".join(f'<p><a href="/{number}">Number {number} of the news</a></p>' for number in range(MAX_ENTRIES + 5))
    assert len(articles(rows)) == MAX_ENTRIES


def test_a_read_more_link_without_a_heading_near_it_is_not_an_article() -> None:
    deep = "<span>" * 6 + '<a href="/1">Read more</a>' + "</span>" * 6
    assert articles(f"<section><h3>A heading too far away</h3>{deep}</section>") == []


class _CountingTree(DocumentTree):
    """Counts the visited nodes."""

    visited = 0

    def subtree(self, index: int) -> range:
        nodes = super().subtree(index)
        self.visited += len(nodes)
        return nodes


@pytest.mark.parametrize(("element", "text"), [("div", "Read more"), ("h2", "Number {} of the news")])
def test_an_element_with_many_links_is_not_searched_for_each_of_them(element: str, text: str) -> None:
    links = "".join(f'<a href="/{number}">{text.format(number)}</a>' for number in range(10_000))
    tree = _CountingTree(sanitize_html(f"<{element}>{links}</{element}>").html)
    find_articles(
        tree,
        [value if tag == "a" else "" for tag, value in zip(tree.tags, tree.values, strict=True)],
        find_date,
    )
    assert tree.visited < 10 * len(tree)


HEADED = "<h2><a href=/1>Camurus announces results</a></h2>"
IN_TEXT = "<p>First summary with <a href=/x>a registry entry of the trial</a> and more of it.</p>"


@pytest.mark.parametrize(
    "markup",
    [
        f"<article>{HEADED}{IN_TEXT}<p>20 November 2026</p></article>",
        f"<article>{HEADED}<p><a href=/x>a registry entry of the trial</a></p><p>20 November 2026</p></article>",
        f"<div>{HEADED}{IN_TEXT}<p>20 November 2026</p></div>",
        f"<div>{HEADED}<div><span>{IN_TEXT}</span></div><p>20 November 2026</p></div>",
        f"<article>{HEADED[4:-5]} 20 November 2026{IN_TEXT}</article>",
    ],
)
def test_the_link_of_the_heading_is_the_article_and_not_a_link_in_its_paragraph(markup: str) -> None:
    two = "<article><h2><a href=/2>Nanexa signs an agreement</a></h2><p>19 November 2026</p></article>"
    assert [found.link for found in articles(f"<main>{markup}{two}</main>")] == ["/1", "/2"]


@pytest.mark.parametrize(
    "markup",
    [
        "<div><h2><a href=/all>All the news of Camurus</a></h2>{}</div>",
        "<div><h2><a href=/all>All the news of Camurus</a></h2><div>{}</div></div>",
    ],
)
@pytest.mark.parametrize("count", [1, 2, 9])
def test_articles_below_a_heading_with_a_link_are_kept(markup: str, count: int) -> None:
    rows = "".join(
        f"<p><a href=/{n}>Camurus announces result {n}</a> on {n + 10} November 2026</p>" for n in range(count)
    )
    found = [article.link for article in articles(markup.format(rows))]
    assert [link for link in found if link != "/all"] == [f"/{n}" for n in range(count)]


def test_a_sentence_around_a_link_is_searched_up_to_a_limit() -> None:
    many = "<span>of a text</span> " * 200
    markup = f"<div>{HEADED}<p>{many}<a href=/x>a registry entry of the trial</a></p>20 November 2026</div>"
    assert "/x" in [found.link for found in articles(markup)]


@pytest.mark.parametrize(
    "links",
    ["<a href=/1>READ MORE</a> <a href=/1.pdf>Download attachment</a>"] * 1
    + ["<a href=/1.pdf?x>Download attachment</a> <a href=/1>READ MORE</a>"],
)
def test_the_link_of_a_heading_without_one_is_the_page_and_not_the_attachment(links: str) -> None:
    markup = f"<div><h3>Camurus announces results</h3><p>First summary.</p>20 November 2026 {links}</div>"
    assert articles(markup) == [ONE]


def test_links_that_call_to_an_action_are_no_summary() -> None:
    markup = (
        "<div><h3><a href=/1>Camurus announces results</a></h3>20 November 2026<p>First summary.</p>"
        "<a href=/x>Download the presentation</a><a href=/y><span>Read more about Camurus</span></a></div>"
    )
    assert articles(markup) == [ONE]
    assert articles(markup.replace("<a href=/x>Download the presentation</a>", "Download speeds rise"))[0].summary == (
        "First summary. Download speeds rise"
    )


@pytest.mark.parametrize(
    "paragraphs",
    [
        '<p><a href="/other/{day}">Watch the recording of the presentation</a></p><p>{day} November 2026</p>',
        '<p>On {day} November 2026 it published <a href="/other/{day}">its report of the third quarter</a>.</p>',
        '<p>{day} November 2026 See <a href="/other/{day}">the trial in Lund</a>, <a href="/2/{day}">its study</a></p>',
    ],
)
def test_the_link_of_the_heading_in_a_div_is_the_article(paragraphs: str) -> None:
    cards = "".join(
        f'<div><h3><a href="{article.link}">{article.title}</a></h3>{paragraphs.format(day=number)}</div>'
        for article, number in ((ONE, 20), (TWO, 19))
    )
    found = articles(f"<main>{cards}</main>")
    assert [(article.link, article.title) for article in found] == [("/1", ONE.title), ("/2", TWO.title)]
    assert [article.published for article in found] == [day(20), day(19)]


def test_below_the_heading_of_a_section_each_paragraph_is_an_article() -> None:
    rows = "".join(f'<p>{one.published} <a href="{one.link}">{one.title}</a></p>' for one in (ONE, TWO))
    found = articles(f'<main><div><h2><a href="/all">All press releases</a></h2>{rows}</div></main>')
    assert [article.link for article in found if article.published] == ["/1", "/2"]


@pytest.mark.parametrize("text", ["Read more about the results of the trial", "View the attachment of this release"])
def test_a_link_that_calls_to_an_action_is_no_title(text: str) -> None:
    card = '<div><h3>{title}</h3><p>{day}</p><p>{summary} <a href="{link}">{text}</a></p></div>'
    cards = [
        card.format(title=one.title, day=one.published, summary=one.summary, link=one.link, text=text)
        for one in (ONE, TWO)
    ]
    assert articles(f"<main>{''.join(cards)}</main>") == [ONE, TWO]


def test_a_link_in_a_sentence_below_a_heading_has_the_title_of_the_heading() -> None:
    card = '<div><h3>{}</h3><p>{}</p><p>It said so in <a href="{}">a press release of today</a>.</p></div>'
    cards = "".join(card.format(one.title, one.published, one.link) for one in (ONE, TWO))
    found = articles(f"<main>{cards}</main>")
    assert [(one.title, one.link, one.published) for one in found] == [
        (one.title, one.link, one.published) for one in (ONE, TWO)
    ]


def test_the_heading_of_a_section_is_no_title_of_its_links() -> None:
    rows = "".join(
        f'<p>{one.published} <a href="{one.link}">Read more on how {one.title}</a></p>' for one in (ONE, TWO)
    )
    found = articles(f"<main><div><h2>Press releases of Camurus</h2>{rows}</div></main>")
    assert [one.title for one in found] == [f"Read more on how {one.title}" for one in (ONE, TWO)]
