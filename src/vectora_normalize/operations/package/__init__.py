"""The deployment package of the Lambda: a reproducible zip of the code and its dependencies."""

from __future__ import annotations

from vectora_normalize.operations.package.build import (
    DEFAULT_OUT,
    MAX_UNZIPPED_BYTES,
    MAX_ZIPPED_BYTES,
    Package,
    build_package,
    read_manifest,
)
from vectora_normalize.operations.package.target import DEFAULT_PLATFORM, DEFAULT_PYTHON, PackagingError, Target

__all__ = [
    "DEFAULT_OUT",
    "DEFAULT_PLATFORM",
    "DEFAULT_PYTHON",
    "MAX_UNZIPPED_BYTES",
    "MAX_ZIPPED_BYTES",
    "Package",
    "PackagingError",
    "Target",
    "build_package",
    "read_manifest",
]
