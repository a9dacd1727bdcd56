"""``python -m support.dst``: run schedules of the simulation, print what fails, and shrink it."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m support.dst", description=__doc__)
    parser.add_argument("--world", choices=["claims", "system"], default="claims")
    parser.add_argument("--schedules", type=int, default=20_000)
    parser.add_argument("--first", type=int, help="the first seed; 0, or the one that finds the mutant")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--show", action="store_true", help="print the schedule of the first seed")
    parser.add_argument("--mutant", help="change the source so, by the name of a mutant")
    parser.add_argument("--mutants", action="store_true", help="find each mutant, and print the seed that does")
    options = parser.parse_args(arguments)
    from support.dst.mutants import MUTANTS, install, mutant_of  # noqa: PLC0415 - before anything is imported

    if options.mutant:
        mutant = mutant_of(options.mutant)
        install(mutant)
        options.world = mutant.world
        options.first = mutant.seed if options.first is None else options.first
    options.first = options.first or 0
    from support.dst import runner  # noqa: PLC0415 - after the mutant is installed

    if options.mutants:
        missed = 0
        for mutant in MUTANTS:
            found = runner.find_mutant(mutant, options.schedules, options.jobs)
            missed += found is None
            write(f"{mutant.name}: {found or 'NOT FOUND'}")
        return int(missed > 0)
    if options.show:
        write(runner.schedule(options.world, options.first))
        return 0
    result = runner.run_many(options.world, options.first, options.schedules, options.jobs)
    write(result.summary())
    if result.failure is not None:
        write(runner.explain(options.world, *result.failure))
    return int(result.failure is not None)


def write(text: str) -> None:
    """Write a line to standard output."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
