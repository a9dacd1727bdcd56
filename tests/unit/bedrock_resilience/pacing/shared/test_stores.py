"""DynamoPaceStore: its arguments. The integration test of the shared pacer has a table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from bedrock_resilience.pacing import DynamoPaceStore

if TYPE_CHECKING:
    from collections.abc import Mapping


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({"timeout": 0.0}, "timeout: got 0.0; accepted: a finite number of seconds > 0"),
        ({"ttl": "1 h"}, "ttl: got '1 h'; accepted: a finite number of seconds > 0"),
    ],
)
def test_a_wrong_argument_is_named(arguments: Mapping[str, Any], problem: str) -> None:
    with pytest.raises((TypeError, ValueError)) as refused:
        DynamoPaceStore("paces", client=object(), **arguments)
    assert str(refused.value) == f"DynamoPaceStore: {problem}"
