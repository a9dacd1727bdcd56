"""Pacing that is told nothing, under every reading of "per minute", and its targets: ``python -m benchmarks.pacing``.

Everything runs in virtual time: about ten minutes of a Lambda in a tenth of a second. With 20 seeds it takes about
fifteen minutes on two processors, with ``--quick`` (3 seeds) about two. The exit code is 1 where a target is missed.
"""

from __future__ import annotations

import argparse
import itertools
import platform
import sys
from importlib.metadata import version
from typing import TYPE_CHECKING

from benchmarks.pacing import frontier, mantle, metastable, readings, targets
from benchmarks.pacing.incident import HEADER, SCENARIOS, rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from benchmarks.pacing.readings import Cell

NEIGHBOURS = ("tenacity", "botocore")
_QUICK_SEEDS = 3


def _readings(seeds: int) -> bool:
    cells = _tables(readings.SHAPES, readings.READINGS, readings.WAYS, seeds)
    cells += _tables(readings.LONG, readings.READINGS, (readings.ADAPTIVE, readings.SHARED), seeds)
    return _verdicts(cells)


def _tokens(seeds: int) -> bool:
    return _verdicts(_tables(readings.TOKEN_SHAPES, readings.TOKEN_READINGS, readings.WAYS, seeds))


def _told(seeds: int) -> bool:
    _tables(readings.ALONE, readings.READINGS, (readings.TOLD, readings.TOLD_SHARED, readings.ADAPTIVE), seeds)
    _tables(readings.TOGETHER, readings.READINGS, (readings.TOLD_SHARED,), seeds)
    return True


def _unlimited(seeds: int) -> bool:
    return _verdicts(_tables(readings.UNLIMITED_SHAPES, ("bucket",), (readings.ADAPTIVE, readings.SHARED), seeds))


def _tables(shapes: Iterable[str], names: Sequence[str], ways: Sequence[str], seeds: int) -> list[Cell]:
    """Simulate shape by shape, and print each table when it is complete."""
    cells: list[Cell] = []
    for shape in shapes:
        of_shape = readings.table([shape], names, ways, seeds)
        print("\n".join(readings.lines(of_shape)), flush=True)
        cells += of_shape
    return cells


def _verdicts(cells: list[Cell]) -> bool:
    print("\nTargets")
    met = True
    for verdict in readings.verdicts(cells):
        print(verdict, flush=True)
        met = met and verdict.met
    return met


def _before(seeds: int) -> bool:
    for name, scenario in SCENARIOS.items():
        print(f"\n{name}, quota 50 requests a minute, burst 5, an answer in 6.5 s\n{HEADER}")
        for row in rows(scenario, seeds):
            print(row)
    print("\nratio: seconds over the least possible for all items; below 1 where items were lost instead of answered")
    print("\nTargets")
    met = True
    for target in _targets(seeds):
        print(target)
        met = met and target.met
    return met


def _targets(seeds: int) -> Iterator[targets.PacingTarget]:
    return itertools.chain(
        targets.incident(seeds),
        targets.adaptive(seeds),
        targets.known(seeds),
        targets.together(seeds),
        targets.tokens(),
        targets.changing(seeds),
        targets.speed(),
    )


def _frontier(seeds: int) -> bool:
    print("\nThe frontier of AdaptivePacer's constants: throttle rate, makespan over the lower bound, -items lost")
    for line in frontier.lines(seeds):
        print(line)
    return True


def _mantle(seeds: int) -> bool:
    print("\nbedrock-mantle, no quota given: throttled, cut short, makespan over the lower bound, -items lost")
    for line in mantle.lines(seeds):
        print(line, flush=True)
    return True


PARTS: dict[str, Callable[[int], bool]] = {
    "readings": _readings,
    "tokens": _tokens,
    "told": _told,
    "unlimited": _unlimited,
    "mantle": _mantle,
    "before": _before,
    "load": metastable.show,
    "frontier": _frontier,
}


def main() -> int:
    """Simulate and print everything; 1 if a target is missed."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.pacing",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--seeds", type=int, default=20, help="runs of each setting (20)")
    parser.add_argument("--quick", action="store_true", help=f"{_QUICK_SEEDS} seeds instead, without the frontier")
    parser.add_argument("--part", choices=PARTS, action="append", help="only this part; may be repeated")
    arguments = parser.parse_args()
    seeds: int = _QUICK_SEEDS if arguments.quick else arguments.seeds
    versions = ", ".join(f"{name} {version(name)}" for name in NEIGHBOURS)
    print(f"Python {platform.python_version()}, {versions}; means of {seeds} seeds")
    chosen: list[str] = arguments.part or [name for name in PARTS if not (arguments.quick and name == "frontier")]
    met = [PARTS[name](seeds) for name in chosen]
    return 0 if all(met) else 1


if __name__ == "__main__":
    sys.exit(main())
