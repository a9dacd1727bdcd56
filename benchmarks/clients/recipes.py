"""Run the recipe pages of the documentation as they stand, against the emulator.

    python -m benchmarks.clients.recipes PAGE...

A page is the name of a file in docs/how-to/recipes, without ``.md``. Its first block starts the emulator, which
throttles the first two requests; the page must end without an exception, and the emulator must have counted a third
request.
``make clients`` runs every page in the environment of its client.
"""

from __future__ import annotations

import os
import re
import sys
import traceback
from pathlib import Path
from typing import Any, Final

FOLDER: Final = Path(__file__).parents[2] / "docs" / "how-to" / "recipes"
THROTTLES: Final = 2
_CODE: Final = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def run(page: str) -> str:
    """Run a page, and return what went over the wire.

    Raises:
        Exception: What the page raised.
        RuntimeError: The throttled request was not sent again.
    """
    path = FOLDER / f"{page}.md"
    code = "\n".join(_CODE.findall(path.read_text("utf-8")))
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # otherwise the import of litellm downloads prices
    names: dict[str, Any] = {"__name__": "recipe"}
    exec(compile(code, str(path), "exec"), names)  # noqa: S102 - running our own pages is the point
    with names["emulator"] as emulator:
        if emulator.throttles != THROTTLES or emulator.requests <= THROTTLES:
            raise RuntimeError(f"{emulator.requests} requests, {emulator.throttles} of them throttled")
        return f"{emulator.requests} requests, {emulator.throttles} of them throttled"


def main(pages: list[str]) -> int:
    """Run the pages, print a line for each, and return the exit status."""
    failed = 0
    for page in pages:
        try:
            print(f"recipe {page:<14}{run(page)}", flush=True)
        except Exception:  # noqa: BLE001 - whatever a client raises fails its page
            failed += 1
            print(f"recipe {page:<14}FAILED", flush=True)
            traceback.print_exc()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
