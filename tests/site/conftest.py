"""The built site on loopback, and a browser that reaches nothing else."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import sys
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from support.browser import Site, Watched
from support.pages import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

# Without the flags about background networking, Chromium asks its maker's hosts at every start.
_FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def build(folder: Path) -> None:
    """Build the site, strictly."""
    built = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--quiet", "--strict", "--site-dir", str(folder)],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1", "PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stderr


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the base class
        """Write no access log."""


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The site on loopback: built strictly into a temporary folder, or in ``SITE_FOLDER``, such as by Zensical."""
    folder = Path(os.environ.get("SITE_FOLDER") or tmp_path_factory.mktemp("site"))
    if not (folder / "index.html").exists():
        build(folder)
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    pages = tuple(sorted(str(path.relative_to(folder)) for path in folder.rglob("*.html") if path.name != "404.html"))
    yield Site(folder, f"http://127.0.0.1:{server.server_port}", pages)
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Chromium: that of the system, else the one that ``playwright install chromium`` has put there."""
    playwright = pytest.importorskip("playwright.sync_api", reason="the group `site` is not installed")
    path = os.environ.get("CHROMIUM") or shutil.which("chromium")
    with playwright.sync_playwright() as started:
        try:
            launched = started.chromium.launch(executable_path=path, args=list(_FLAGS))
        except playwright.Error as error:
            pytest.skip(f"no Chromium starts here: {str(error).splitlines()[0]}")
        yield launched
        launched.close()


@pytest.fixture
def watched(browser: Any, site: Site) -> Iterator[Watched]:  # noqa: ANN401 - as above
    """A page in the light scheme; its console and its requests are watched, and other hosts are out of reach."""
    context = browser.new_context(viewport={"width": 1280, "height": 900}, color_scheme="light")
    context.grant_permissions(["clipboard-read", "clipboard-write"], origin=site.url)
    watched = Watched(context.new_page(), site)

    def check(route: Any) -> None:  # noqa: ANN401 - as above
        url = route.request.url
        if url.startswith((site.url, "data:", "blob:")):
            route.continue_()
        else:
            watched.problems.append(f"request to {url}")
            route.abort()

    def note(message: Any) -> None:  # noqa: ANN401 - as above
        if message.type in {"error", "warning"}:
            watched.problems.append(f"console: {message.text}")

    def status(response: Any) -> None:  # noqa: ANN401 - as above
        if response.status >= 400:
            watched.problems.append(f"{response.status} {response.url}")

    def raised(error: Any) -> None:  # noqa: ANN401 - as above
        watched.problems.append(f"exception: {error}")

    context.route("**/*", check)
    watched.page.on("console", note)
    watched.page.on("pageerror", raised)
    watched.page.on("response", status)
    yield watched
    context.close()
