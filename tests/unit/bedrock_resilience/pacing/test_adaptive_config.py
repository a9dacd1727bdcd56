"""AdaptiveConfig: the constants, checked."""

from __future__ import annotations

from typing import Any

import pytest

from bedrock_resilience.pacing import AdaptiveConfig


@pytest.mark.parametrize(
    ("field", "given"),
    [
        ("start", 0.0),
        ("pause_permits", -1.0),
        ("initial_burst", 0.5),
        ("doubling_seconds", float("inf")),
        ("headroom", 1.5),
        ("decay", 2.0),
    ],
)
def test_a_constant_outside_its_range_is_refused_by_name(field: str, given: float) -> None:
    with pytest.raises(ValueError, match=rf"^AdaptiveConfig: {field}: got {given}; accepted: a finite number "):
        AdaptiveConfig(**{field: given})


@pytest.mark.parametrize("given", ["x", None, True])
def test_a_constant_that_is_no_number_is_refused_by_name(given: object) -> None:
    wrong: Any = given
    with pytest.raises(TypeError, match=rf"^AdaptiveConfig: start: got {given!r}; accepted: a finite number > 0$"):
        AdaptiveConfig(start=wrong)


def test_a_pause_may_be_zero() -> None:
    assert AdaptiveConfig(pause_permits=0.0).pause_permits == 0.0
