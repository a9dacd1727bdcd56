"""Mutation testing: change the code in every small way there is, and see whether a test notices.

Prints the score and every change that nobody noticed; fails below 95 %. A change that makes no difference has a
``# pragma: no mutate`` with the reason on its line. Properties are not changed (mutmut leaves decorated functions
alone); their tests state every number instead.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

LEAST = 0.95
MUTMUT = str(Path(sys.executable).with_name("mutmut"))
STATISTICS = Path("mutants/mutmut-cicd-stats.json")


def main() -> int:
    """Run, and judge."""
    subprocess.run([MUTMUT, "run"], check=True)
    subprocess.run([MUTMUT, "export-cicd-stats"], check=True, stdout=subprocess.DEVNULL)
    counted: dict[str, int] = json.loads(STATISTICS.read_text("utf-8"))
    noticed = counted["killed"] + counted["timeout"] + counted["segfault"]
    total = counted["total"] - counted["skipped"]
    print(f"\n{noticed} of {total} changes were noticed: {noticed / total:.1%}")
    survivors = subprocess.run([MUTMUT, "results"], check=True, capture_output=True, text=True).stdout
    for line in survivors.splitlines():
        name, _, fate = line.strip().partition(": ")
        if fate in {"survived", "no tests", "suspicious"}:
            print(f"\n{fate}: {name}", flush=True)
            subprocess.run([MUTMUT, "show", name], check=False)
    return 0 if noticed >= LEAST * total else 1


if __name__ == "__main__":
    sys.exit(main())
