"""How the instances of a simulation shared the quota: how evenly, and after how many seconds."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bedrock_resilience.simulation._report import InstanceReport
    from bedrock_resilience.simulation._service import SimulatedRequest

EVEN_RATIO: Final = 1.5
"""Shares that differ by less than this factor count as even."""
_WINDOW_SECONDS: Final = 60.0
_STEP_SECONDS: Final = 5.0


def share_ratio(instances: Sequence[InstanceReport], requests: Sequence[SimulatedRequest]) -> float | None:
    """Return the largest over the smallest number of requests admitted per instance while all of them ran.

    Infinite if one had none. None if fewer than two ran at the same time.
    """
    span = _together(instances)
    return None if span is None else _ratio(_admitted(instances, requests), *span)


def seconds_to_share(instances: Sequence[InstanceReport], requests: Sequence[SimulatedRequest]) -> float | None:
    """Return the seconds from the start of the last instance to the first minute in which the shares are even.

    They count up to the start of that minute, in steps of 5 s, so 0 means that the first minute was even. None if no
    minute of those in which all instances ran was, or all of them ran for less than a minute.
    """
    span = _together(instances)
    if span is None:
        return None
    start, end = span
    admitted = _admitted(instances, requests)
    for step in range(int((end - start - _WINDOW_SECONDS) // _STEP_SECONDS) + 1):
        at = start + step * _STEP_SECONDS
        if _ratio(admitted, at, at + _WINDOW_SECONDS) < EVEN_RATIO:
            return at - start
    return None


def _together(instances: Sequence[InstanceReport]) -> tuple[float, float] | None:
    """From the start of the last to the end of the first; None if there is no such time, or one instance only."""
    if len(instances) < 2:  # noqa: PLR2004 - one shares with nobody
        return None
    start, end = max(each.started for each in instances), min(each.ended for each in instances)
    return (start, end) if start < end else None


def _admitted(instances: Sequence[InstanceReport], requests: Sequence[SimulatedRequest]) -> list[list[float]]:
    times: list[list[float]] = [[] for _ in instances]
    for request in requests:
        if request.refused is None:
            times[request.instance].append(request.at)
    return times


def _ratio(admitted: Sequence[list[float]], start: float, end: float) -> float:
    counts = [bisect_right(times, end) - bisect_left(times, start) for times in admitted]
    return max(counts) / min(counts) if min(counts) else math.inf
