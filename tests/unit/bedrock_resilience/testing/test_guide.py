"""The guide "Test your own Lambda's retries": its tests are run by pytest, as a reader would."""

from __future__ import annotations

from typing import TYPE_CHECKING

from support.pages import ROOT, blocks

if TYPE_CHECKING:
    import pytest

PAGE = ROOT / "docs" / "how-to" / "test-retries.md"


def test_every_test_of_the_guide_passes(pytester: pytest.Pytester) -> None:
    code = [block.code for block in blocks(PAGE) if block.language == "python"]
    (conftest,) = [block for block in code if block.startswith("pytest_plugins")]
    (app,) = [block for block in code if block.startswith("# app.py")]
    tests = "\n".join(block for block in code if block not in {conftest, app})
    pytester.makeini("[pytest]\nasyncio_default_fixture_loop_scope = function")
    pytester.makeconftest(conftest)
    pytester.makepyfile(app=app)
    pytester.makepyfile(tests)
    # In this process, pytester drops the modules that the guide imports first, and later tests import them again.
    pytester.runpytest_subprocess().assert_outcomes(passed=tests.count("def test_"))


def test_no_block_is_left_out() -> None:
    assert [block for block in blocks(PAGE) if block.no_run is not None] == []
