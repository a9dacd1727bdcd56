"""Memory while items stream through: what is allocated and what the process holds, at the start and at the end."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass

ITEMS = 1_000_000
# How many items the other way is given: it takes the whole input at once, a future for each item.
MAP_ITEMS = 100_000

_STREAM = """
import json, resource, sys
from bedrock_resilience import BoundedExecutor
items, first = int(sys.argv[1]), int(sys.argv[2])
samples = {}
for number, outcome in enumerate(BoundedExecutor(4).stream(abs, iter(range(items))), 1):
    if number in (first, items):
        samples[number] = (sys.getallocatedblocks(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
print(json.dumps([samples[first], samples[items]]))
"""
_MAP = """
import json, resource, sys
from concurrent.futures import ThreadPoolExecutor
items, first = int(sys.argv[1]), int(sys.argv[2])
samples = {}
with ThreadPoolExecutor(4) as pool:
    list(pool.map(abs, range(first)))
    before = (sys.getallocatedblocks(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
    for number, value in enumerate(pool.map(abs, iter(range(items))), 1):
        if number == 1:
            blocks = sys.getallocatedblocks()
print(json.dumps([before, (blocks, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)]))
"""


@dataclass(frozen=True)
class Growth:
    """What a process held after its first items, and after all of them.

    Attributes:
        way: How the items were worked on.
        items: How many there were.
        first: After how many the first look was.
        blocks: Python's memory blocks in use, at both looks.
        peak: The most memory that the process ever held until then, in KiB, at both looks.
    """

    way: str
    items: int
    first: int
    blocks: tuple[int, int]
    peak: tuple[int, int]

    @property
    def blocks_grown(self) -> int:
        """Blocks in use at the end, beyond those at the first look."""
        return self.blocks[1] - self.blocks[0]

    @property
    def peak_grown(self) -> int:
        """How much higher the peak was at the end, in KiB."""
        return self.peak[1] - self.peak[0]

    def __str__(self) -> str:
        return f"  {self.way:<36}{self.items:>10,} items{self.blocks_grown:>+12,} blocks{self.peak_grown:>+12,} KiB"


def streamed(items: int = ITEMS, first: int = 10_000) -> Growth:
    """``BoundedExecutor.stream`` over an input that does not know its length."""
    return _measured("BoundedExecutor.stream", _STREAM, items, first)


def mapped(items: int = MAP_ITEMS, first: int = 10_000) -> Growth:
    """``ThreadPoolExecutor.map`` over the same kind of input."""
    return _measured("ThreadPoolExecutor.map", _MAP, items, first)


def _measured(way: str, program: str, items: int, first: int) -> Growth:
    command = [sys.executable, "-I", "-c", program, str(items), str(first)]
    ran = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603 - our own interpreter
    (blocks, peak), (blocks_after, peak_after) = json.loads(ran.stdout)
    return Growth(way, items, first, (blocks, blocks_after), (peak, peak_after))
