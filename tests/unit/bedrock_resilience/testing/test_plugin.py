"""The pytest plugin in a suite of its users."""

from __future__ import annotations

from importlib.metadata import entry_points

import pytest

CONFTEST = 'pytest_plugins = ["bedrock_resilience.testing.plugin"]'
TESTS = """
    from bedrock_resilience import RetryPolicy
    from bedrock_resilience.clock import SystemClock
    from bedrock_resilience.testing import scripted, throttling_errors

    BEFORE = dict(vars(SystemClock))

    def test_instant(instant_retries):
        assert RetryPolicy(base_delay=600.0, max_delay=3600.0).call(scripted(*throttling_errors(2), "ok")) == "ok"
        assert [round(slept, -1) for slept in instant_retries.sleeps] == [600.0, 1200.0]

    def test_afterwards_time_is_real_again():
        assert dict(vars(SystemClock)) == BEFORE
"""


@pytest.fixture(autouse=True)
def minimal_plugins(pytester: pytest.Pytester) -> None:
    # A user has none of the plugins of this suite, so the tested suites start with the plugin under test alone.
    pytester.makeini(
        "[pytest]\naddopts = -p no:cacheprovider -p no:randomly\nasyncio_default_fixture_loop_scope = function"
    )


def test_a_suite_that_names_the_plugin_has_the_fixture(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(CONFTEST)
    pytester.makepyfile(TESTS)
    pytester.runpytest().assert_outcomes(passed=2)


def test_a_suite_may_use_it_in_every_test(pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\nusefixtures = instant_retries\nasyncio_default_fixture_loop_scope = function")
    pytester.makeconftest(CONFTEST)
    pytester.makepyfile("""
        from bedrock_resilience import RetryPolicy
        from bedrock_resilience.testing import scripted, throttling_errors

        def test_instant():
            assert RetryPolicy(base_delay=600.0, max_delay=3600.0).call(scripted(*throttling_errors(2), "ok")) == "ok"
    """)
    pytester.runpytest().assert_outcomes(passed=1)


def test_a_suite_that_does_not_name_it_does_not_load_it(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("""
        import sys

        def test_nothing_is_loaded():
            assert not any(name.startswith("bedrock_resilience") for name in sys.modules)
    """)
    pytester.runpytest_subprocess().assert_outcomes(passed=1)
    assert not any("bedrock" in entry.value for entry in entry_points(group="pytest11"))
