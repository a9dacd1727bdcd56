"""For every test: a clean environment that it leaves as it was, no network beyond loopback, reproducible examples.

Tests that are marked ``nightly`` run only with the option ``--nightly``: see ``tests/README.md``.
"""

from __future__ import annotations

import gc
import importlib
import os
import pkgutil
import signal
import sys
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, settings

from support import environment, loopback, sdk_models

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

pytest_plugins = ["pytester", "bedrock_resilience.testing.plugin"]

# "ci" tries the same examples at every run, so that a failure is about the change under test; "dev" looks for new ones;
# "thorough" is the nightly run, in which ``support.nightly`` also uses all seeds of the simulations.
# No deadline in any of them: two busy cores make any single example slow.
settings.register_profile("dev", deadline=None)
settings.register_profile(
    "ci",
    deadline=None,
    derandomize=True,
    max_examples=50,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile("thorough", deadline=None, max_examples=2_000, suppress_health_check=[HealthCheck.too_slow])


# To measure coverage doubles or triples the time of a test that runs much Python. These run what other tests cover:
# with thousands of examples, in whole simulations, or together with much code of other projects. What they alone cover
# would show as missing.
_NOT_MEASURED = (
    "tests/conformance/",
    "tests/extras/",
    "tests/integration/test_articles.py",
    "tests/integration/test_bedrock.py",
    "tests/integration/test_command_on_aws.py",
    "tests/integration/test_emulator_any_request.py",
    "tests/integration/test_infra.py",
    "tests/integration/test_interrupts.py",
    "tests/integration/test_local_run.py",
    "tests/integration/test_overlapping_runs.py",
    "tests/integration/test_paid_once",
    "tests/integration/test_runtime.py",
    "tests/integration/test_shared_pace_of_the_lambda.py",
    "tests/integration/test_worker.py",
    "tests/properties/",
    "tests/unit/bedrock_resilience/bedrock/test_responses.py::test_no_response_raises_anything_else",
    "tests/unit/bedrock_resilience/integrations/test_sdks.py",
    "tests/unit/bedrock_resilience/pacing/test_adaptive.py::TestInTheSimulator",
    "tests/unit/bedrock_resilience/pacing/test_recorded_decisions.py",
    "tests/unit/bedrock_resilience/pacing/test_recorded_runs.py",
    "tests/unit/test_benchmarks",
    "tests/unit/test_dashboards.py",
    "tests/unit/test_docs.py",
    "tests/unit/test_examples.py",
    "tests/unit/test_infra.py",
    "tests/unit/test_pictures.py",
    "tests/unit/test_project.py",
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--nightly``; ``-m`` stays free for the other markers."""
    parser.addoption("--nightly", action="store_true", help="run the tests that are marked nightly too")


@pytest.hookimpl(tryfirst=True)  # before the options -m and -k
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect the tests that are marked ``nightly``, except where the command line asks for them."""
    if config.getoption("nightly"):
        return
    nightly = [item for item in items if item.get_closest_marker("nightly")]
    if nightly:
        config.hook.pytest_deselected(items=nightly)
        items[:] = [item for item in items if item not in set(nightly)]


@pytest.hookimpl(wrapper=True)
def pytest_collection(session: pytest.Session) -> Generator[None, object, object]:
    """Measure the coverage of what importing the packages runs, but not of pytest's own work, which takes long.

    Measured, collecting the tests takes twice the time, in each worker.
    """
    plugin: Any = session.config.pluginmanager.get_plugin("_cov")  # pytest-cov's, with the option --cov
    if plugin is None or plugin.cov_controller is None or not plugin.cov_controller.started:
        return (yield)
    for name in ("bedrock_resilience", "vectora_normalize"):
        package = importlib.import_module(name)
        for module in pkgutil.walk_packages(package.__path__, f"{name}."):
            importlib.import_module(module.name)
    plugin.cov_controller.pause()
    try:
        return (yield)
    finally:
        plugin.cov_controller.resume()


def pytest_itemcollected(item: pytest.Item) -> None:
    """Measure no coverage in the tests of ``_NOT_MEASURED``."""
    if item.nodeid.startswith(_NOT_MEASURED):
        item.add_marker(pytest.mark.no_cover)


def pytest_collection_finish() -> None:
    """Let the garbage collector skip what lives as long as the process: to scan it takes half a second each time."""
    gc.collect()
    gc.freeze()


def pytest_configure() -> None:
    """Clean the environment before anything imports boto3, which reads it."""
    default = "ci" if os.environ.get("CI") else "dev"
    settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", default))
    environment.clean_in_place()
    loopback.install()
    sdk_models.share_models()
    # A shell starts background jobs with SIGINT ignored; tests that send it, and the processes they start, need it.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    # For each change, a mutation run forks a process that has run the tests before: what these cached hides the change.
    for name, module in list(sys.modules.items()):
        if name.startswith("bedrock_resilience.quotas."):
            for value in list(vars(module).values()):
                getattr(value, "cache_clear", bool)()


@pytest.fixture(autouse=True)
def restore_the_environment() -> Iterator[None]:
    """Fail a test that changed the environment of those after it: ``monkeypatch`` undoes last what it set last."""
    before = dict(os.environ)
    yield
    changed = {name for name in {*before, *os.environ} if before.get(name) != os.environ.get(name)}
    changed -= {"AWS_DATA_PATH", "PYTEST_CURRENT_TEST"}  # the import of awscli sets the first, and needs it later
    if changed:
        for name in changed:
            os.environ.pop(name, None)
        os.environ.update({name: before[name] for name in changed & before.keys()})
        pytest.fail(f"the test left the environment changed: {', '.join(sorted(changed))}")


@pytest.fixture(autouse=True)
def stay_on_loopback() -> Iterator[None]:
    """Fail a test that tried to reach another machine, even if the code under test suppressed the error."""
    loopback.take_refused()
    yield
    refused = loopback.take_refused()
    if refused:
        pytest.fail("the test reached beyond loopback: " + "; ".join(refused))


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Name bytes by their argument: compressed bytes contain the time, and parallel workers must agree on every id."""
    return argname if isinstance(val, bytes) else None
