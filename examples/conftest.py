"""Runs the tests of all examples with those of the project. An example that is copied needs no such file."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path

# The packages that are not in the development environment. `make clients` runs these examples where they are.
REQUIRED = {"async_service": "fastapi", "langchain_app": "langchain_aws", "strands_app": "strands"}

here = Path(__file__).parent
collect_ignore = [folder for folder, package in REQUIRED.items() if find_spec(package) is None]
sys.path[:0] = [str(test.parent) for test in here.glob("*/test_*.py")]  # each test imports the program beside it
