"""Pacing beside its neighbours on one model of a quota, and its targets: ``python -m benchmarks.pacing``.

Everything runs in virtual time: about ten minutes of a Lambda in a hundredth of a second. Takes about a minute.
"""

from __future__ import annotations

import argparse
import itertools
import platform
import sys
from importlib.metadata import version

from benchmarks.pacing import frontier, targets
from benchmarks.pacing.incident import HEADER, SCENARIOS, rows

NEIGHBOURS = ("tenacity", "botocore")


def main() -> int:
    """Simulate and print everything; 1 if a target is missed."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--seeds", type=int, default=20, help="runs of each setting (20)")
    seeds: int = arguments.parse_args().seeds
    versions = ", ".join(f"{name} {version(name)}" for name in NEIGHBOURS)
    print(f"Python {platform.python_version()}, {versions}; means of {seeds} seeds")
    for name, scenario in SCENARIOS.items():
        print(f"\n{name}, quota 50 requests a minute, burst 5, an answer in 6.5 s\n{HEADER}")
        for row in rows(scenario, seeds):
            print(row)
    print("\nratio: seconds over the least possible for all items; below 1 where items were lost instead of answered")
    print("\nThe frontier of AdaptivePacer's constants: throttle rate, makespan over the lower bound, -items lost")
    for line in frontier.lines(seeds):
        print(line)
    print("\nTargets")
    met = True
    for target in itertools.chain(
        targets.incident(seeds),
        targets.adaptive(seeds),
        targets.known(seeds),
        targets.together(seeds),
        targets.tokens(),
        targets.changing(seeds),
        targets.speed(),
    ):
        print(target)
        met = met and target.met
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
