"""Importing the package: what it gives, and how little it loads."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

import bedrock_resilience

# Modules whose import would lengthen the cold start of a Lambda that does not need them.
HEAVY = {"asyncio", "concurrent.futures", "email", "logging", "random", "socket", "threading"}
FOREIGN = {"boto3", "botocore", "hypothesis", "pytest", "urllib3"}


def loaded_by(code: str) -> set[str]:
    """The modules that a fresh interpreter has after running this, beyond those it starts with."""
    show = "import json; print(json.dumps(sorted(set(sys.modules) - before)))"
    script = f"import sys; before = set(sys.modules)\n{code}\n{show}"
    # -S: without site-packages' .pth files, which may import anything; the project's folder is put back by hand.
    done = subprocess.run(
        [sys.executable, "-S", "-c", f"import sys; sys.path[:0] = {sys.path!r}\n{script}"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout))


def test_the_policy_alone_loads_nothing_heavy() -> None:
    loaded = loaded_by("from bedrock_resilience import RetryPolicy; RetryPolicy().call(lambda: None)")
    assert loaded.isdisjoint(HEAVY | FOREIGN), loaded & (HEAVY | FOREIGN)
    assert "bedrock_resilience.batch._executor" not in loaded


def test_no_public_name_loads_another_package() -> None:
    loaded = loaded_by("from bedrock_resilience import *")
    assert "bedrock_resilience.batch._executor" in loaded
    assert FOREIGN.isdisjoint(module.partition(".")[0] for module in loaded)


def test_the_test_kit_needs_neither_pytest_nor_hypothesis_nor_botocore() -> None:
    loaded = loaded_by("from bedrock_resilience.testing import FakeClock, scripted, ScriptedBedrock")
    assert "bedrock_resilience.testing" in loaded
    assert FOREIGN.isdisjoint(module.partition(".")[0] for module in loaded)


def test_every_public_name_is_there_and_listed() -> None:
    for name in bedrock_resilience.__all__:
        assert getattr(bedrock_resilience, name) is not None
    assert dir(bedrock_resilience) == sorted(bedrock_resilience.__all__)


def test_a_lazily_loaded_name_is_cached() -> None:
    first = bedrock_resilience.BoundedExecutor
    assert vars(bedrock_resilience)["BoundedExecutor"] is first
    assert bedrock_resilience.BoundedExecutor is first


def test_another_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError) as missing:
        bedrock_resilience.Retryer  # noqa: B018 - that is the point
    assert str(missing.value) == "module 'bedrock_resilience' has no attribute 'Retryer'"
