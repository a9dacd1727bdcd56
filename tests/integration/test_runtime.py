"""The unpacked package under AWS's own runtime client: from a cold start to a process that is killed."""

from __future__ import annotations

import json
import platform
import re
import sys
import zipfile
from typing import TYPE_CHECKING, Any

import pytest

from bedrock_resilience.emulator import BedrockEmulator
from support.deployment import deployed
from support.packaged import PYTHON, unpacked
from support.runtime import Function

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from support.deployment import Deployment
    from support.runtime import Outcome

pytestmark = [
    pytest.mark.packaging,
    pytest.mark.skipif(sys.platform != "linux", reason="a package is for Linux, and runs there alone"),
]

NORDLAI = "press_corporate__nordlai"
DEPOT = "press_sector__depot_dispatch"
ALL = 112  # items of the example's window
# A handler without margins, so that it still works at its deadline; the deployed one would have answered long before.
IGNORES_DEADLINE = """
from vectora_normalize.pipeline import dependencies as wiring

wiring.ATTEMPT_SECONDS = wiring.MARGIN_SECONDS = 0.0
from handler import lambda_handler
"""


@pytest.fixture(scope="session")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The unpacked package."""
    return unpacked(tmp_path_factory)


@pytest.fixture
def system(aws_url: str, emulator: BedrockEmulator) -> Iterator[Deployment]:
    with deployed(aws_url, emulator) as running:
        yield running


@pytest.fixture
def function(root: Path, system: Deployment) -> Iterator[Function]:
    with Function(root, system.environ, timeout=100.0) as running:
        yield running


def event(**fields: object) -> dict[str, object]:
    return {"client_id": "lai_weekly", **fields}


BOTH = event(sources=[NORDLAI, DEPOT])  # 13 and 27 items


def counts(outcome: Outcome) -> tuple[int, int]:
    """Items ingested and normalised."""
    assert outcome.error is None, outcome.log
    assert set(outcome.answer) == {"statusCode", "body"}
    body = outcome.answer["body"]
    assert set(body) == {"client_id", "items_ingested", "items_normalized", "execution_time_seconds"}
    return body["items_ingested"], body["items_normalized"]


def logged(outcome: Outcome) -> list[dict[str, Any]]:
    return [json.loads(line) for line in outcome.log.splitlines()]


class TestInvocations:
    @pytest.mark.nightly  # whole runs, one after the other
    def test_one_process_serves_several_events(self, function: Function, system: Deployment) -> None:
        first, second, third = (function.invoke(event(sources=keys)) for keys in ([NORDLAI], [DEPOT], [NORDLAI, DEPOT]))
        assert [outcome.cold for outcome in (first, second, third)] == [True, False, False]
        assert first.pid == second.pid == third.pid
        assert [counts(outcome) for outcome in (first, second, third)] == [(13, 13), (27, 27), (40, 40)]
        assert len(system.items()) == 40
        assert system.emulator.requests == 40  # the third run sent none
        for outcome in (first, second, third):
            assert system.report(outcome.request_id)["status"] == 200

    def test_every_line_is_json_with_the_request_and_the_last_one_is_the_metrics(self, function: Function) -> None:
        for keys in ([NORDLAI], [DEPOT]):
            outcome = function.invoke(event(sources=keys))
            lines = logged(outcome)
            assert {line["request_id"] for line in lines} == {outcome.request_id}
            assert "_aws" in lines[-1]
            assert lines[-1]["ItemsNormalized"] == [float(counts(outcome)[1])]

    def test_retries_are_the_lines_that_the_filters_count(self, function: Function, system: Deployment) -> None:
        system.emulator.fail_next(3)
        outcome = function.invoke(event(sources=[NORDLAI]))
        assert counts(outcome) == (13, 13)
        assert (
            len(re.findall(r"ThrottlingException détectée \(tentative 1/4\)\. Retry dans 0\.\d\ds\.\.\.", outcome.log))
            == 3
        )

    def test_the_handler_may_have_its_long_name(self, root: Path, system: Deployment) -> None:
        with Function(root, system.environ, handler="vectora_normalize.handler.lambda_handler") as function:
            assert counts(function.invoke(event(sources=[NORDLAI]))) == (13, 13)

    @pytest.mark.parametrize("wrong", [None, [], "x", 7, {}, {"client_id": "../x"}, event(period_days="seven")])
    def test_an_invalid_event_is_answered_and_the_process_lives_on(self, function: Function, wrong: object) -> None:
        outcome = function.invoke(wrong)
        assert (outcome.error, outcome.answer["statusCode"]) == (None, 400)
        assert outcome.answer["body"]["error_type"] == "InvalidEvent"
        assert function.invoke(wrong).pid == outcome.pid

    def test_a_missing_setting_is_a_400_too(self, root: Path, system: Deployment) -> None:
        environ = {name: value for name, value in system.environ.items() if name != "DATA_BUCKET"}
        with Function(root, environ) as function:
            assert "DATA_BUCKET: missing" in function.invoke(event()).answer["body"]["message"]

    def test_a_bucket_that_fails_marks_the_invocation_failed_and_the_next_one_is_served(
        self, root: Path, system: Deployment
    ) -> None:
        # Nothing listens on port 9 (discard), so S3 cannot be reached.
        with Function(root, {**system.environ, "AWS_ENDPOINT_URL_S3": "http://127.0.0.1:9"}) as function:
            outcome = function.invoke(event())
            assert (outcome.error, outcome.answer["errorType"]) == ("Unhandled", "StoreError")
            assert not function.invoke(event(period_days=0)).cold


class TestDeadlines:
    @pytest.fixture
    def without_margins(self, root: Path, tmp_path: Path) -> Callable[[Deployment], AbstractContextManager[Function]]:
        """A function that ignores its deadline."""
        (tmp_path / "ignores_deadline.py").write_text(IGNORES_DEADLINE)
        for part in root.iterdir():
            (tmp_path / part.name).symlink_to(part)
        return lambda system: Function(
            tmp_path, system.environ, handler="ignores_deadline.lambda_handler", timeout=100.0
        )

    def test_a_run_with_too_little_time_answers_with_all_items_unstarted(self, root: Path, system: Deployment) -> None:
        with Function(root, system.environ) as function:
            outcome = function.invoke(event(), timeout=15.0)  # less than one attempt and the margin
        assert counts(outcome) == (ALL, 0)
        assert system.report(outcome.request_id)["bedrock"]["unstarted"] == ALL
        assert system.emulator.requests == 0

    @pytest.mark.nightly  # two whole runs in processes
    def test_a_process_killed_at_its_deadline_has_stored_its_responses_and_the_next_run_does_the_rest(
        self, aws_url: str, without_margins: Callable[[Deployment], AbstractContextManager[Function]]
    ) -> None:
        with (
            BedrockEmulator(latency=0.5) as emulator,
            deployed(aws_url, emulator) as system,
            without_margins(system) as function,
        ):
            assert counts(function.invoke(event(sources=[NORDLAI]))) == (13, 13)
            # This run sends no requests: its duration is that of all other steps.
            warm = function.invoke(event(sources=[NORDLAI]))
            assert counts(warm) == (13, 13)
            seconds = 1.5 * warm.answer["body"]["execution_time_seconds"] + 1.0
            kills = kill_while_normalising(function, system, seconds)
            stored, requested = stored_responses(system), emulator.requests
            assert 13 < stored < 40
            assert requested - stored <= 4 * kills  # in flight when the process was killed
            emulator.latency = 0.0
            last = function.invoke(BOTH)
            assert last.cold
            assert counts(last) == (40, 40)
            assert len({item["content_hash"] for item in system.items()}) == 40
            assert emulator.requests - requested == 40 - stored  # nothing that was stored is paid for again


def kill_while_normalising(function: Function, system: Deployment, seconds: float) -> int:
    """Start runs of 27 further items, each killed after a longer time, until one has stored some; return their number.

    On a slow machine the first ones are killed before they have stored any.
    """
    kills = 0
    while kills < 4 and stored_responses(system) == 13:
        outcome = function.invoke(BOTH, timeout=seconds * 2**kills)
        assert outcome.answer["errorType"] == "Sandbox.Timedout"
        kills += 1
    return kills


def stored_responses(system: Deployment) -> int:
    """The number of responses in the data bucket."""
    entries = [system.load(key) for key in system.keys("normalized/lai_weekly/items/")]
    return sum(1 for entry in entries if entry.get("answer"))


class TestThePackage:
    def test_every_machine_code_is_for_the_target(self, root: Path) -> None:
        compiled = [path.name for path in root.rglob("*.so")]
        tag = rf"cpython-{PYTHON.replace('.', '')}-{platform.machine()}-linux-gnu|abi3"
        assert compiled
        assert [name for name in compiled if not re.search(rf"\.({tag})\.so$", name)] == []

    def test_it_has_no_files_that_are_not_used_at_run_time(self, root: Path) -> None:
        with zipfile.ZipFile(root.parent / "package.zip") as archive:
            names = archive.namelist()
        noise = re.compile(r"(^|/)(tests?|__pycache__|\.[^/]*)/|\.py[co]$|^bin/|(RECORD|INSTALLER|direct_url\.json)$")
        assert [name for name in names if noise.search(name)] == []
        assert not {"moto", "pytest", "rich", "typer", "packaging"} & {name.partition("/")[0] for name in names}
