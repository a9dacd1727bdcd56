"""Servers that the integration tests share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.s3 import moto_server

if TYPE_CHECKING:
    from collections.abc import Generator


@pytest.fixture(scope="session")
def aws_url() -> Generator[str]:
    """The address of moto's server; make buckets of your own in it."""
    with moto_server() as url:
        yield url
