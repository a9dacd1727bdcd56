"""Print the n-th fenced bash block of README.md: the gate runs the very commands that readers are told to run."""

from __future__ import annotations

import re
import sys
from pathlib import Path

README = Path(__file__).parents[1] / "README.md"


def command(number: int) -> str:
    """The `number`-th block, counted from 1."""
    return re.findall(r"^```bash\n(.*?)^```$", README.read_text("utf-8"), re.DOTALL | re.MULTILINE)[number - 1].strip()


if __name__ == "__main__":
    print(command(int(sys.argv[1])))
