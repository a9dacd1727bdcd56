"""The site in a real browser: every page is readable at both widths and in both schemes, and its parts work.

``make site`` installs what it needs. With ``SITE_REPORT`` set to a folder, the tests write what they counted and
screenshots of some pages there.
"""

from __future__ import annotations

import json
import os
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from support.browser import Site, Watched

pytestmark = [
    pytest.mark.nightly,  # it builds the site and opens all pages: minutes
    pytest.mark.timeout(1800),
    pytest.mark.skipif(find_spec("playwright") is None, reason="needs the group `site`: run `make site`"),
    pytest.mark.skipif(find_spec("axe_playwright_python") is None, reason="needs the group `site`: run `make site`"),
]

WIDTHS = (1280, 390)
TABS = ["Start", "How-to", "Explanation", "The Lambda", "Reference"]
SHOWN = ("index.html", "start/quickstart.html", "how-to/metrics.html", "comparison.html", "reference/retrying.html")

# What the page measures about itself; each text is one problem.
MEASURE = """
() => {
  const problems = [];
  const width = document.documentElement.clientWidth;
  if (document.scrollingElement.scrollWidth > width + 1) {
    const beyond = element => element.getBoundingClientRect().right > width + 1;
    const wide = [...document.querySelectorAll('.md-content *')].filter(beyond);
    problems.push(`wider than the window: ${document.scrollingElement.scrollWidth} > ${width}: ` +
      wide.slice(0, 3).map(e => e.tagName + '.' + e.className).join(', '));
  }
  for (const code of document.querySelectorAll('.md-content pre > code')) {
    const style = getComputedStyle(code);
    const scrolls = ['auto', 'scroll'].includes(style.overflowX);
    if (code.scrollWidth > code.clientWidth + 1 && !(scrolls && style.whiteSpace === 'pre'))
      problems.push(`cut code: ${code.textContent.slice(0, 60)}`);
    const box = code.getBoundingClientRect();
    if (box.right > width + 1) problems.push(`code beyond the edge: ${code.textContent.slice(0, 60)}`);
  }
  for (const table of document.querySelectorAll('.md-content table')) {
    const box = table.parentElement;
    if (table.scrollWidth > box.clientWidth + 1 && !['auto', 'scroll'].includes(getComputedStyle(box).overflowX) &&
        !['auto', 'scroll'].includes(getComputedStyle(table).overflowX))
      problems.push(`cut table: ${table.textContent.trim().slice(0, 60)}`);
  }
  for (const image of document.querySelectorAll('.md-content img')) {
    if (image.closest('.twemoji')) continue;
    if (!(image.alt || '').trim()) problems.push(`no alternative text: ${image.src}`);
    if (!image.closest('figure')?.querySelector('figcaption')?.textContent.trim())
      problems.push(`no caption: ${image.src}`);
    if (!image.naturalWidth) problems.push(`no picture: ${image.src}`);
  }
  for (const link of document.querySelectorAll('.md-content a[href^="#"], .md-nav a[href^="#"]')) {
    const name = decodeURIComponent(link.getAttribute('href').slice(1));
    if (name && !document.getElementById(name)) problems.push(`no anchor: ${name}`);
  }
  if (document.querySelectorAll('h1').length !== 1) problems.push('not one h1');
  return problems;
}
"""

COUNT = """
() => ({
  blocks: document.querySelectorAll('.md-content pre > code').length,
  tables: document.querySelectorAll('.md-content table').length,
  images: document.querySelectorAll('.md-content img').length,
  anchors: document.querySelectorAll('.md-content a[href^="#"]').length,
})
"""


def report(name: str, content: object) -> None:
    """Write a part of the report, where one is wanted."""
    folder = os.environ.get("SITE_REPORT")
    if folder:
        Path(folder).mkdir(parents=True, exist_ok=True)
        (Path(folder) / f"{name}.json").write_text(json.dumps(content, indent=1), "utf-8")


def test_every_page_is_readable_at_both_widths(watched: Watched, site: Site) -> None:
    found: dict[str, list[str]] = {}
    counts: dict[str, int] = {"pages": len(site.pages)}
    for path in site.pages:
        page = watched.open(path)
        problems = list(watched.problems)
        watched.problems.clear()
        for key, number in page.evaluate(COUNT).items():
            counts[key] = counts.get(key, 0) + number
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 900})
            problems += [f"{width}: {problem}" for problem in page.evaluate(MEASURE)]
        page.set_viewport_size({"width": 1280, "height": 900})
        if problems:
            found[path] = problems
    report("pages", {**counts, "problems": found})
    assert found == {}


# Every page but those of the errors, which all have one form: some of them stand for all.
def contrasted(site: Site) -> list[str]:
    errors = [path for path in site.pages if path.startswith("reference/errors/")]
    return [path for path in site.pages if path not in errors] + [*errors[:2], "reference/errors/index.html"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_contrast_and_structure(watched: Watched, site: Site, scheme: str) -> None:
    module = find_spec("axe_playwright_python")
    assert module is not None
    assert module.origin is not None
    axe = Path(module.origin).with_name("axe.min.js").read_text("utf-8")
    watched.page.emulate_media(color_scheme=scheme)
    found: dict[str, list[str]] = {}
    passes = 0
    for path in contrasted(site):
        page = watched.open(path)
        assert page.get_attribute("body", "data-md-color-scheme") == {"light": "default", "dark": "slate"}[scheme]
        page.evaluate(axe)
        result: dict[str, Any] = page.evaluate(
            "() => axe.run(document, {runOnly: {type: 'tag', values: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa']}})"
        )
        passes += len(result["passes"])
        violations = [
            f"{violation['id']} ({len(violation['nodes'])}): {violation['nodes'][0]['html'][:120]}: "
            + " ".join(violation["nodes"][0].get("failureSummary", "").split())[:200]
            for violation in result["violations"]
        ]
        if violations:
            found[path] = violations
    report(f"axe-{scheme}", {"pages": len(contrasted(site)), "passes": passes, "violations": found})
    assert found == {}


def test_the_five_tabs_lead_to_their_parts(watched: Watched) -> None:
    page = watched.open("index.html")
    tabs = page.locator(".md-tabs__link")
    assert [text.strip() for text in tabs.all_inner_texts()] == TABS
    for number, name in enumerate(TABS):
        page.locator(".md-tabs__link").nth(number).click()
        page.wait_for_load_state("load")
        assert page.locator(".md-tabs__item--active").inner_text().strip() == name
        assert page.locator("h1").is_visible()
    assert watched.problems == []


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("ThrottlingException", "reference/errors/ThrottlingException.html"),
        ("Too many tokens per day, please wait before trying again.", "reference/errors/tokens_per_day.html"),
        ("Unable to locate credentials", "reference/errors/NoCredentialsError.html"),
        ("no result within 5 s", "reference/errors/AttemptTimeoutError.html"),
        ("read_timeout", "reference/errors/read_timeout.html"),
    ],
)
def test_the_search_finds_an_error(watched: Watched, text: str, path: str) -> None:
    page = watched.open("index.html")
    page.locator(".md-search__input").click()
    page.locator(".md-search__input").fill(text)
    results = page.locator(".md-search-result__link")
    page.wait_for_selector(".md-search-result__link")
    page.wait_for_timeout(500)
    found = [result.get_attribute("href") or "" for result in results.all()]
    assert any(path in href for href in found[:10]), found[:10]
    results.nth(next(number for number, href in enumerate(found) if path in href)).click()
    page.wait_for_url(f"**/{path}*")
    assert page.locator("h1").is_visible()
    assert watched.problems == []


def test_a_copy_button_copies_the_code(watched: Watched) -> None:
    page = watched.open("start/quickstart.html")
    block = page.locator(".md-content .highlight").first
    block.hover()
    button = block.locator("button[data-md-type=copy], button.md-clipboard, .md-code__button").first
    button.click()
    page.wait_for_timeout(200)
    assert page.evaluate("navigator.clipboard.readText()").strip() == block.locator("code").text_content().strip()


def test_every_block_of_code_has_a_copy_button(watched: Watched) -> None:
    page = watched.open("start/quickstart.html")
    blocks = page.locator(".md-content .highlight pre").count()
    assert blocks > 0
    assert page.locator(".md-content .highlight button").count() >= blocks


def test_an_anchor_shows_its_heading(watched: Watched) -> None:
    page = watched.open("explanation/failures.html")
    link = page.locator(".md-content h2 .headerlink").last
    target = link.get_attribute("href")
    assert target is not None
    page.goto(f"{watched.site.url}/explanation/failures.html{target}")
    page.wait_for_timeout(200)
    box = page.locator(target).bounding_box()
    assert box is not None
    assert 0 <= box["y"] < 900
    assert watched.problems == []


def test_the_menu_of_a_phone_opens_and_leads_on(watched: Watched) -> None:
    watched.page.set_viewport_size({"width": 390, "height": 844})
    page = watched.open("index.html")
    drawer = page.locator(".md-sidebar--primary")
    page.locator("label.md-header__button[for=__drawer]").first.click()
    page.wait_for_timeout(400)
    box = drawer.bounding_box()
    assert box is not None
    assert box["x"] >= 0
    page.locator(".md-sidebar--primary a.md-nav__link:visible", has_text="Quickstart").first.click()
    page.wait_for_url("**/start/quickstart.html")
    assert page.locator("h1").is_visible()
    assert watched.problems == []


def test_the_colors_can_be_switched_and_stay(watched: Watched) -> None:
    page = watched.open("index.html")
    assert page.get_attribute("body", "data-md-color-scheme") == "default"
    page.locator("label[title='Switch to dark colors']").click()
    assert page.get_attribute("body", "data-md-color-scheme") == "slate"
    assert watched.open("start/quickstart.html").get_attribute("body", "data-md-color-scheme") == "slate"


@pytest.mark.skipif(not os.environ.get("SITE_REPORT"), reason="screenshots are taken where SITE_REPORT names a folder")
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_screenshots(watched: Watched, width: int, scheme: str) -> None:
    watched.page.emulate_media(color_scheme=scheme)
    watched.page.set_viewport_size({"width": width, "height": 900})
    taken: list[str] = []
    for path in SHOWN:
        if (watched.site.folder / path).exists():
            page = watched.open(path)
            name = f"{path.replace('/', '-').removesuffix('.html')}-{width}-{scheme}.png"
            page.screenshot(path=str(Path(os.environ["SITE_REPORT"]) / name))
            taken.append(name)
    assert taken
