"""Fair shares: how much an instance may book while others wait.

Every instance has a counter of what it has booked, in seconds of the quota: the seconds in which the quota refills what
its requests use of the scarcer limit. An instance books a request only while its counter is less than ``slack`` above
the lowest counter of all instances that wait. One that begins to wait starts at that lowest counter, so no instance
saves a share while it is idle. These are the virtual token counters of Sheng and others, "Fairness in Serving Large
Language Models" (OSDI 2024), without a server that selects the next request: each instance books for itself.

The bound, for two instances that both wait throughout: their counters differ by less than ``slack`` plus the largest
request. The reason: when the one that is ahead booked its last request, it was less than ``slack`` above the other one.
What the two book between any two instants therefore differs by less than twice that.

An instance that does not book again at the time that it announced counts as waiting for ``ABSENCE_SECONDS`` more. A
process that was killed therefore stops the others for no longer than that.
"""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Final

from bedrock_resilience.pacing.shared._pace import InstanceShare

if TYPE_CHECKING:
    from bedrock_resilience.pacing.shared._pace import SharedPace

ABSENCE_SECONDS: Final = 2.0
FORGET_SECONDS: Final = 900.0
"""Seconds after which an instance that was not heard of is dropped: the longest run of a Lambda."""


def waiting(pace: SharedPace, name: str, now: float) -> list[InstanceShare]:
    """Return the other instances that wait."""
    return [share for other, share in pace.instances.items() if other != name and share.waits_until > now]


def used_by(pace: SharedPace, name: str, now: float, slack: float) -> tuple[float, float]:
    """Return the counter of an instance, in seconds of the quota, and what it may reach.

    An instance that did not wait starts between the lowest counter of those that do and ``slack`` above it.

    Args:
        pace: The shared state.
        name: The id of the instance.
        now: The present time of the shared clock.
        slack: How far the counter may be above the lowest one, in seconds of the quota.
    """
    share = pace.instances.get(name, InstanceShare())
    others = [other.used for other in waiting(pace, name, now)]
    if not others:
        return share.used, math.inf
    lowest = min(others)
    if share.waits_until > now:
        return share.used, min(lowest, share.used) + slack
    return min(max(share.used, lowest), lowest + slack), lowest + slack


def with_share(pace: SharedPace, name: str, now: float, share: InstanceShare) -> SharedPace:
    """Return the pace as changed at ``now`` by an instance, without those that were not heard of for long."""
    kept = {other: each for other, each in pace.instances.items() if other != name and each.at > now - FORGET_SECONDS}
    counted = {name: share, **kept}
    return dataclasses.replace(pace, at=now, instances=_rebased(counted))


def _rebased(shares: dict[str, InstanceShare]) -> dict[str, InstanceShare]:
    # Counters are compared with each other only, so the lowest one may be 0: sums of years would lose precision.
    lowest = min(share.used for share in shares.values())
    return {name: dataclasses.replace(share, used=share.used - lowest) for name, share in shares.items()}
