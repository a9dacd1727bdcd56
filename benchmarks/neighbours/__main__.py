"""What users of tenacity and stamina are used to, beside this library: ``python -m benchmarks.neighbours``.

Every row is observed at both, in this run; the exit status is 1 where a row does not hold. ``--markdown`` prints the
table of docs/reference/behaviors.md.
"""

from __future__ import annotations

import sys
from importlib.metadata import version
from typing import TYPE_CHECKING

from benchmarks.neighbours.stamina_behaviours import STAMINA
from benchmarks.neighbours.tenacity_behaviours import TENACITY
from stamina import instrumentation

if TYPE_CHECKING:
    from benchmarks.neighbours.behaviour import Behaviour

BEHAVIOURS: tuple[Behaviour, ...] = TENACITY + STAMINA


def is_right(behaviour: Behaviour) -> bool:
    """Observe a behaviour at both, and tell whether they are as much alike as the table says."""
    hooks = instrumentation.get_on_retry_hooks()
    instrumentation.set_on_retry_hooks([])  # its log lines are no part of the observation
    try:
        return (behaviour.theirs() == behaviour.ours()) == (behaviour.verdict == "same")
    finally:
        instrumentation.set_on_retry_hooks(hooks)


def markdown(neighbour: str) -> str:
    """The table of one neighbour, for the documentation."""
    lines = ["| documented behavior | compared | in this library | why it is different |", "|---|---|---|---|"]
    lines += [
        f"| {one.name} | {one.verdict} | {one.ours_is} | {one.reason} |"
        for one in BEHAVIOURS
        if one.neighbour == neighbour
    ]
    return "\n".join(lines)


def main(arguments: list[str]) -> int:
    """Print the table, and return 1 where a row does not hold."""
    if "--markdown" in arguments:
        for neighbour in ("tenacity", "stamina"):
            print(f"## From {neighbour}\n\n{markdown(neighbour)}\n")
        return 0
    wrong = [one for one in BEHAVIOURS if not is_right(one)]
    for neighbour in ("tenacity", "stamina"):
        print(f"{neighbour} {version(neighbour)}")
        for one in BEHAVIOURS:
            if one.neighbour != neighbour:
                continue
            print(f"  {'WRONG' if one in wrong else one.verdict:<10}{one.section}: {one.name}")
            print(f"            {one.ours_is}{f'; {one.reason}' if one.reason else ''}")
    same = sum(one.verdict == "same" for one in BEHAVIOURS)
    print(
        f"\n{len(BEHAVIOURS)} documented behaviours: {same} the same, {len(BEHAVIOURS) - same} deliberately different"
    )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
