"""Mutation testing: change the deciding modules in small ways; at least one test must fail for each change.

Use: ``mutation.py [PATTERN...]``, where a pattern selects mutants by name, for instance
``bedrock_resilience.retrying._budget.*``. Without a pattern all modules of ``[tool.mutmut]`` in pyproject.toml are
changed, which takes hours.

Prints each change that no test noticed and fails if there is one. A change that makes no difference has
``# pragma: no mutate`` with the reason on its line. mutmut does not change decorated functions, such as properties.
"""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from fnmatch import fnmatch
from pathlib import Path

MUTMUT = str(Path(sys.executable).with_name("mutmut"))
NOTICED = {"killed", "timeout", "segfault", "caught by type check"}


def main(patterns: list[str]) -> int:
    """Run mutmut and print the result; return the exit status."""
    subprocess.run([MUTMUT, "run", *patterns], check=True)
    results = subprocess.run([MUTMUT, "results", "--all", "true"], check=True, capture_output=True, text=True).stdout
    named = [line.strip().rpartition(": ") for line in results.splitlines()]
    status_by_mutant = {
        name: status
        for name, _, status in named
        if status != "skipped" and (not patterns or any(fnmatch(name, pattern) for pattern in patterns))
    }
    unnoticed = {name: status for name, status in status_by_mutant.items() if status not in NOTICED}
    for name, status in unnoticed.items():
        print(f"\n{status}: {name}", flush=True)
        subprocess.run([MUTMUT, "show", name], check=False)
    print(f"\n{len(status_by_mutant)} changes:", dict(Counter(status_by_mutant.values())))
    return 1 if unnoticed or not status_by_mutant else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
