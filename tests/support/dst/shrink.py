"""Makes the choices of a failing schedule fewer and plainer, as long as it still fails."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


def shrink(choices: Sequence[int], fails: Callable[[list[int]], bool], *, max_runs: int = 2000) -> list[int]:
    """Return a plainer list of choices that fails.

    Args:
        choices: The choices of a schedule that fails.
        fails: Tells whether a schedule fails in the same way.
        max_runs: The most schedules to try.
    """
    best = list(choices)
    runs = 0

    def improves(candidate: list[int]) -> bool:
        nonlocal best, runs
        while candidate and candidate[-1] == 0:  # after the last choice, all are 0
            candidate.pop()
        if candidate == best or runs >= max_runs:
            return False
        runs += 1
        if not fails(candidate):
            return False
        best = candidate
        return True

    improved = True
    while improved and runs < max_runs:
        improved = False
        size = max(1, len(best) // 2)
        while size:
            position = 0
            while position < len(best):
                zeroed = [*best[:position], *[0] * len(best[position : position + size]), *best[position + size :]]
                removed = [*best[:position], *best[position + size :]]
                if (any(best[position : position + size]) and improves(zeroed)) or improves(removed):
                    improved = True
                else:
                    position += size
            size //= 2
    return best
