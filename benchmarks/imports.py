"""What an import costs at a cold start: milliseconds beyond the bare interpreter, each in a process of its own."""

from __future__ import annotations

import subprocess
import sys
import timeit

ROUNDS = 15
STATEMENTS = (
    "from bedrock_resilience import RetryPolicy",
    "from bedrock_resilience import BoundedExecutor",
    "import dataclasses",
    "import backoff",
    "import tenacity",
    "import stamina",
    "import boto3",
)
BASELINE = "import tenacity"


def milliseconds(statement: str) -> float:
    """The fastest of several starts of the interpreter with this statement."""
    command = [sys.executable, "-I", "-c", statement]
    return min(timeit.repeat(lambda: subprocess.run(command, check=True), repeat=ROUNDS, number=1)) * 1000  # noqa: S603 - our own interpreter


def main() -> None:
    """Print the table."""
    bare = milliseconds("pass")
    costs = {statement: milliseconds(statement) - bare for statement in STATEMENTS}
    print(f"\nImports, beyond the bare interpreter ({bare:.0f} ms)")
    for statement, cost in costs.items():
        print(f"  {statement:<50}{cost:>8.1f} ms{cost / costs[BASELINE]:>8.2f} x")


if __name__ == "__main__":
    main()
