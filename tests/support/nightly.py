"""Statistical tests: few seeds in the gate, all of them in the nightly run."""

from __future__ import annotations

import os

NIGHTLY = os.environ.get("HYPOTHESIS_PROFILE") == "thorough"


def seeds(few: int, many: int) -> range:
    """The first ``few`` seeds, or the first ``many`` in the nightly run. The limits of a test hold for both."""
    return range(many if NIGHTLY else few)
