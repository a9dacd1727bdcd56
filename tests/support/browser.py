"""What the tests of the site share: the built site, and a page of the browser that is watched."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Site:
    """The built site: where it is, and its pages by their path."""

    folder: Path
    url: str
    pages: tuple[str, ...]


@dataclass
class Watched:
    """A page of the browser, with what went wrong in it."""

    page: Any
    site: Site
    problems: list[str] = field(default_factory=list[str])

    def open(self, path: str) -> Any:  # noqa: ANN401 - Playwright is installed in no other test environment
        """Open a page of the site and wait until it is drawn."""
        self.page.goto(f"{self.site.url}/{path}", wait_until="load")
        return self.page
