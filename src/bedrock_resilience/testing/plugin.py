"""The pytest plugin: a fixture that makes every retry instant.

Name it in the ``conftest.py`` at the root of your tests::

    pytest_plugins = ["bedrock_resilience.testing.plugin"]

It is not registered as an entry point: whoever does not ask for it neither loads nor sees it, and the coverage of a
suite starts before it does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bedrock_resilience.testing import _instant as instant

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bedrock_resilience.testing._fake_clock import FakeClock


@pytest.fixture
def instant_retries() -> Iterator[FakeClock]:
    """No retry waits during this test; the value is a ``FakeClock``, whose ``sleeps`` tell how long it would have."""
    with instant.instant_retries() as clock:
        yield clock
