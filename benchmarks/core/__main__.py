"""The core beside the loop one would write by hand and beside its neighbours, in one run: ``make bench``.

Prints every table, and at the end the targets with what was measured. Takes about two minutes.
"""

from __future__ import annotations

import platform
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING

from benchmarks.core import calls, executor, imports, memory, sdk

if TYPE_CHECKING:
    from benchmarks.core.measuring import Measured
    from benchmarks.core.memory import Growth

NEIGHBOURS = ("tenacity", "stamina", "backoff", "boto3")


@dataclass(frozen=True)
class Target:
    """A limit on the cost of this library, and what was measured."""

    name: str
    measured: float
    limit: float

    @property
    def met(self) -> bool:
        """Whether the measurement is within the limit."""
        return self.measured <= self.limit

    def __str__(self) -> str:
        return f"  {'met   ' if self.met else 'MISSED'}  {self.name:<64}{self.measured:>8.3f}  (limit {self.limit:g})"


def targets(succeeding: Measured, whole: Measured, alone: Measured, item: Measured, stream: Growth) -> list[Target]:
    """Return the targets with what was measured."""
    ours = calls.OURS
    own_share = succeeding.costs[ours] / whole.costs[sdk.ALONE]
    return [
        Target("a successful policy.call, beside tenacity", succeeding.ratio(ours, calls.TENACITY), 1 / 3),
        Target("a successful policy.call, beside a whole boto3 call", own_share, 0.01),
        Target("importing RetryPolicy, beside tenacity", alone.ratio(imports.RETRY_POLICY), 0.8),
        Target("an item of BoundedExecutor.run, beside ThreadPoolExecutor.map", item.ratio(executor.RUN), 1.0),
        Target(
            f"blocks grown for each of {stream.items:,} streamed items",
            max(0, stream.blocks_grown) / stream.items,
            0.001,
        ),
    ]


def main() -> None:
    """Measure and print everything."""
    versions = ", ".join(f"{name} {version(name)}" for name in NEIGHBOURS)
    print(f"Python {platform.python_version()} on {platform.machine()}; {versions}\n")
    succeeding = calls.succeeding()
    whole = sdk.succeeding()
    alone = imports.alone()
    item = executor.an_item()
    for measured in (
        succeeding,
        calls.retried(),
        whole,
        sdk.retried(),
        alone,
        imports.on_top_of_boto3(),
        item,
    ):
        print(f"{measured}\n")
    stream = memory.streamed()
    print(f"Memory grown after the first {stream.first:,} items\n{stream}\n{memory.mapped()}\n")
    print("Targets")
    for target in targets(succeeding, whole, alone, item, stream):
        print(target)


if __name__ == "__main__":
    main()
