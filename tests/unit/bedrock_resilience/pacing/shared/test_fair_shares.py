"""How much an instance may book while others wait."""

from __future__ import annotations

import math

from bedrock_resilience.pacing.shared import InstanceShare, SharedPace
from bedrock_resilience.pacing.shared._fair_shares import used_by, waiting, with_share

NOW = 1_000.0


def pace(**instances: InstanceShare) -> SharedPace:
    return SharedPace(revision=1, at=NOW, instances=instances)


def share(used: float, *, waits: bool = True, at: float = NOW) -> InstanceShare:
    return InstanceShare(sequence=1, at=at, used=used, waits_until=NOW + 1 if waits else 0.0)


def test_alone_there_is_no_bound() -> None:
    assert used_by(pace(blue=share(7.0)), "blue", NOW, 6.0) == (7.0, math.inf)
    assert used_by(pace(blue=share(7.0), red=share(1.0, waits=False)), "blue", NOW, 6.0) == (7.0, math.inf)


def test_one_that_waits_may_be_ahead_of_the_lowest_by_the_slack() -> None:
    both = pace(blue=share(7.0), red=share(2.0))
    assert used_by(both, "blue", NOW, 6.0) == (7.0, 8.0)
    assert used_by(both, "red", NOW, 6.0) == (2.0, 8.0)
    assert [other.used for other in waiting(both, "blue", NOW)] == [2.0]


def test_one_that_begins_to_wait_has_saved_nothing_and_owes_no_more_than_the_slack() -> None:
    others = pace(blue=share(20.0), red=share(22.0), idle=share(3.0, waits=False), busy=share(90.0, waits=False))
    assert used_by(others, "new", NOW, 6.0) == (20.0, 26.0)
    assert used_by(others, "idle", NOW, 6.0) == (20.0, 26.0)
    assert used_by(others, "busy", NOW, 6.0) == (26.0, 26.0)


def test_an_instance_that_was_not_heard_of_for_long_is_dropped() -> None:
    changed = with_share(pace(old=share(1.0, at=NOW - 899), red=share(5.0)), "blue", NOW + 1, share(8.0))
    assert set(changed.instances) == {"blue", "red"}
    assert (changed.instances["blue"].used, changed.instances["red"].used) == (3.0, 0.0)
    assert changed.at == NOW + 1


def test_one_whose_wait_is_over_begins_again() -> None:
    red = InstanceShare(sequence=1, at=NOW, used=20.0, waits_until=NOW + 2)
    both = pace(blue=share(7.0), red=red)
    assert used_by(both, "blue", NOW + 0.5, 6.0) == (7.0, 13.0)
    assert used_by(both, "blue", NOW + 1, 6.0) == (20.0, 26.0)
