"""What an import costs at a cold start: alone, and in a process that has imported boto3 already."""

from __future__ import annotations

import math
import subprocess
import sys

from benchmarks.core.measuring import Measured

RETRY_POLICY = "from bedrock_resilience import RetryPolicy"
RETRIER = "from bedrock_resilience import Retrier"
TENACITY = "import tenacity"
STATEMENTS = (
    RETRY_POLICY,
    RETRIER,
    "from bedrock_resilience import BoundedExecutor",
    "from bedrock_resilience import BedrockRuntime",
    "import backoff",
    TENACITY,
    "import stamina",
    "import dataclasses",
)


def milliseconds(statements: tuple[str, ...], rounds: int, before: str = "") -> dict[str, float]:
    """Milliseconds of processor time that each statement takes in a fresh interpreter: the least of several, in turns.

    The clock starts when the interpreter is up, so this is beyond what starting it costs. ``-I`` ignores the
    environment: bytecode is cached, as it is in a Lambda package that was compiled. The first round writes the caches.
    """
    costs = dict.fromkeys(statements, math.inf)
    for _ in range(1 + rounds):
        for statement in statements:
            code = (
                f"import time\n{before}\nstart = time.process_time()\n{statement}\nprint(time.process_time() - start)"
            )
            command = [sys.executable, "-I", "-c", code]
            ran = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603 - our own interpreter
            costs[statement] = min(costs[statement], float(ran.stdout) * 1000)
    return costs


def alone(rounds: int = 20, statements: tuple[str, ...] = STATEMENTS) -> Measured:
    """Imports into a bare interpreter."""
    return Measured("An import, beyond the bare interpreter", "ms", milliseconds(statements, rounds), TENACITY)


def on_top_of_boto3(rounds: int = 10, statements: tuple[str, ...] = STATEMENTS) -> Measured:
    """Imports into a process that has boto3."""
    costs = milliseconds(statements, rounds, "import boto3")
    return Measured("An import, on top of boto3", "ms", costs, TENACITY)
