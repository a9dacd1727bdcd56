"""The pytest plugin: a fixture that makes every retry instant, and one that turns retrying off.

Name it in the ``conftest.py`` at the root of your tests::

    pytest_plugins = ["bedrock_resilience.testing.plugin"]

It is not registered as an entry point, so that it is loaded only if you name it, and after coverage has started.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bedrock_resilience.testing import _instant as instant

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bedrock_resilience.testing._fake_clock import FakeClock

__all__ = ["instant_retries", "no_retries"]


@pytest.fixture
def instant_retries() -> Iterator[FakeClock]:
    """Let no retry wait during a test; yields the ``FakeClock``, whose ``sleeps`` are the seconds of each wait."""
    with instant.instant_retries() as clock:
        yield clock


@pytest.fixture
def no_retries() -> Iterator[None]:
    """Let every call of a test make one attempt only."""
    with instant.no_retries():
        yield
