"""``pytest.approx`` with a type, for strict type checkers."""

from __future__ import annotations

from typing import cast

import pytest


def approx(expected: float, *, within: float | None = None) -> object:
    """A number that equals what lies within a relative 1e-6 of ``expected``, or within ``within`` of it if given."""
    return cast("object", pytest.approx(expected, abs=within))  # pyright: ignore[reportUnknownMemberType] - untyped
