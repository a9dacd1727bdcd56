"""The shared state as JSON."""

from __future__ import annotations

import json

import pytest

from bedrock_resilience.pacing.shared import InstanceShare, SharedPace
from bedrock_resilience.pacing.shared._pace import from_json, to_json

FULL = SharedPace(
    revision=3,
    at=1.8e9 + 1 / 3,
    granted=7.0,
    instances={"blue": InstanceShare(sequence=2, at=1.5, used=0.1 + 0.2, waits_until=4.0)},
    limits={"tokens": {"changed_at": 1.5, "largest": 4.0, "log": [[1, 2.5]]}},
    learned={"learner": {"log": [[1, 2.5]]}},
)


def test_nothing_is_lost_on_the_way() -> None:
    assert from_json(json.loads(json.dumps(to_json(FULL)))) == FULL


def test_fields_of_other_versions_are_ignored_or_have_their_defaults() -> None:
    older = {name: value for name, value in to_json(FULL).items() if name not in {"instances", "limits", "learned"}}
    read = from_json({**older, "a later field": 1})
    assert (read.revision, read.instances, read.limits, read.learned) == (3, {}, {}, {})


@pytest.mark.parametrize("value", [None, [], 7, {}, {"revision": 1}, {**to_json(FULL), "at": "now"}])
def test_anything_else_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match=r"Error\("):
        from_json(value)
