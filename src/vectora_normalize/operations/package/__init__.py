"""The zip that Lambda runs: what goes in, and how it is written."""

from __future__ import annotations

from vectora_normalize.operations.package.build import (
    DEFAULT_OUT,
    MOST_UNZIPPED,
    MOST_ZIPPED,
    Package,
    build_package,
    label_of,
)
from vectora_normalize.operations.package.target import DEFAULT_PLATFORM, DEFAULT_PYTHON, PackagingError, Target

__all__ = [
    "DEFAULT_OUT",
    "DEFAULT_PLATFORM",
    "DEFAULT_PYTHON",
    "MOST_UNZIPPED",
    "MOST_ZIPPED",
    "Package",
    "PackagingError",
    "Target",
    "build_package",
    "label_of",
]
