"""``bedrock-mantle``: a quota of input, one of output and none of requests, of which the pacer is given nothing.

A quota of output refuses no request. It cuts responses short, which are lost unless the policy retries them.
"""

from __future__ import annotations

import functools
import itertools
import os
import statistics
from concurrent.futures import ProcessPoolExecutor
from typing import TYPE_CHECKING, Final, NamedTuple

from bedrock_resilience import Fault, RetryPolicy
from bedrock_resilience.pacing import AdaptivePacer
from bedrock_resilience.quotas import Quota
from bedrock_resilience.simulation import Scenario, Tokens, simulate

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_SMALL = Tokens(200, 12_000, max_tokens=1_000, output=300)
_LARGE = Tokens(200, 30_000, max_tokens=1_000, output=300)
_EVEN = Tokens(500, 3_000, max_tokens=1_000, output=300)


def _pair(given: float, output: float, tokens: Tokens, items: tuple[int, int]) -> tuple[Scenario, Scenario]:
    quota = Quota.mantle(input_tokens_per_minute=given, output_tokens_per_minute=output)
    return (
        Scenario(workers=12, items=items[0], quota=quota, tokens=tokens),
        Scenario(instances=3, items=items[1], offset=60.0, quota=quota, tokens=tokens),
    )


SHAPES: Final = {
    f"{scenario.instances} x {scenario.workers} x {scenario.items}, {name}": scenario
    for name, pair in {
        "input 40,000": _pair(40_000, 1_000_000, _SMALL, (104, 50)),
        "input 200,000": _pair(200_000, 1_000_000, _LARGE, (104, 50)),
        "input 60,000, output 9,000": _pair(60_000, 9_000, _EVEN, (104, 50)),
        "output 9,000": _pair(2_000_000, 9_000, _EVEN, (104, 50)),
        "output 9,000, longer": _pair(2_000_000, 9_000, _EVEN, (400, 200)),
    }.items()
    for scenario in pair
}
READINGS: Final = ("bucket", "fixed", "sliding")
POLICIES: Final = {
    "default policy": RetryPolicy(),
    "retries what was cut": RetryPolicy(retry_on=(*RetryPolicy().retry_on, Fault.INCOMPLETE_RESPONSE)),
}
_PACER: Final = functools.partial(AdaptivePacer, burndown=1.0)


class Run(NamedTuple):
    """One simulation, in numbers."""

    throttled: float
    cut: float
    ratio: float
    lost: int


def run(job: tuple[str, str, str, int]) -> Run:
    """Simulate one shape under one policy and reading with one seed."""
    shape, policy, reading, seed = job
    scenario = SHAPES[shape].replace(reading=f"fixed:{seed * 37 % 60}" if reading == "fixed" else reading)
    report = simulate(scenario, POLICIES[policy], _PACER, seed)
    cut = report.attempts - report.throttles - report.succeeded
    return Run(report.throttle_rate, cut / report.attempts, report.ratio, report.failed)


def lines(seeds: int, shapes: Iterable[str] = SHAPES, jobs: int | None = None) -> Iterator[str]:
    """The table: throttled, cut short, makespan over the lower bound, -items lost."""
    yield f"  {'':<62}" + "".join(f"{reading:>24}" for reading in READINGS)
    rows = list(itertools.product(shapes, POLICIES))
    work = [(*row, reading, seed) for row in rows for reading in READINGS for seed in range(seeds)]
    with ProcessPoolExecutor(jobs or os.cpu_count()) as pool:
        runs = pool.map(run, work, chunksize=max(1, seeds // 2))
        for shape, policy in rows:
            cells = [_cell(list(itertools.islice(runs, seeds))) for _ in READINGS]
            yield f"  {shape:<42}{policy:<20}" + "".join(f"{cell:>24}" for cell in cells)


def _cell(runs: list[Run]) -> str:
    throttled, cut, ratio = (statistics.fmean(values) for values in list(zip(*runs, strict=True))[:3])
    lost = sum(each.lost for each in runs)
    return f"{throttled:.1%} {cut:.1%} {ratio:.2f}" + (f" -{lost}" if lost else "")
