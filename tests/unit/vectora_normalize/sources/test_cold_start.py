"""Importing the package loads no parser; the first document loads them."""

from __future__ import annotations

import subprocess
import sys

ENTRY_POINTS = ("collect", "config.catalog", "config.scopes", "http.fetch")
LATE = ("feedparser", "lxml", "trafilatura", "selectolax", "regex", "yaml", "http.client", "ssl", "urllib3", "boto3")


def test_no_parser_and_no_network_library_is_imported_early() -> None:
    imports = ", ".join(f"vectora_normalize.sources.{name}" for name in ENTRY_POINTS)
    program = f"import sys, {imports}; print(*(name for name in {LATE!r} if name in sys.modules))"
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert found.stdout.split() == []
