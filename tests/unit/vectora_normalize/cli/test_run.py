"""``vectora-normalize run`` on the command line."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

from bedrock_resilience import __version__
from bedrock_resilience.batch._report import BatchReport
from bedrock_resilience.errors import BatchInterrupted
from support.folders import small_folder
from vectora_normalize.cli import job as jobs
from vectora_normalize.cli.app import app
from vectora_normalize.cli.job import Job, Outcome

if TYPE_CHECKING:
    from pathlib import Path

    from typer.testing import Result


@pytest.fixture
def small(tmp_path: Path) -> Path:
    return small_folder(tmp_path / "small").path


def call(*arguments: object, **environ: str) -> Result:
    return CliRunner().invoke(app, list(map(str, arguments)), env=environ)


def answer_with(monkeypatch: pytest.MonkeyPatch, answer: Outcome | BaseException) -> list[Job]:
    """Let every job end this way; returns the jobs."""
    jobs_run: list[Job] = []

    def run_job(job: Job, *_: object, **__: object) -> Outcome:
        jobs_run.append(job)
        if isinstance(answer, BaseException):
            raise answer
        return answer

    monkeypatch.setattr(jobs, "run_job", run_job)
    return jobs_run


def refused(status: int, message: str = "why") -> Outcome:
    body = {"client_id": None, "error_type": "Kind", "message": message, "execution_time_seconds": 0.0}
    return Outcome({"statusCode": status, "body": body})


def test_a_local_run_ends_with_its_table(small: Path, tmp_path: Path) -> None:
    result = call("run", "--local", small, "--out", tmp_path / "out")
    assert (result.exit_code, result.stderr) == (0, "")
    lines = [" ".join(line.split()) for line in result.stdout.splitlines()]
    for row in ("press__one 3 3", "sources 1", "items ingested 3", "normalized 3", "failed 0", "attempts 3"):
        assert row in lines
    for row in ("throttles 0", "retry rate 0.0 %"):
        assert row in lines
    assert any(line.startswith("seconds ") for line in lines)
    paths = [line.split()[1] for line in lines[-2:]]
    assert all(path.startswith(str(tmp_path / "out")) for path in paths)
    assert [path.rpartition("/")[2][:4] for path in paths] == ["item", "run-"]


def test_json_is_the_answer_and_nothing_else(small: Path, tmp_path: Path) -> None:
    result = call("run", "--local", small, "--out", tmp_path / "out", "--json")
    assert (result.exit_code, result.stderr) == (0, "")
    answer: dict[str, Any] = json.loads(result.stdout)
    assert answer.pop("statusCode") == 200
    (body,) = answer.values()
    assert set(body) == {"client_id", "items_ingested", "items_normalized", "execution_time_seconds"}
    assert (body["client_id"], body["items_ingested"], body["items_normalized"]) == ("small", 3, 3)


@pytest.mark.parametrize(("status", "code"), [(400, 2), (502, 1)])
@pytest.mark.parametrize("option", [(), ("--json",)])
def test_a_refusal_is_one_line_and_its_exit_code(
    status: int, code: int, option: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    answer_with(monkeypatch, refused(status))
    result = call("run", *option)
    assert result.exit_code == code
    assert result.stderr == "error: Kind: why\n"
    assert (json.loads(result.stdout)["statusCode"] if option else result.stdout) == (status if option else "")


def test_a_failed_run_shows_its_table_and_the_reason(small: Path, tmp_path: Path) -> None:
    (small / "sources/press.example/feed.xml").unlink()
    result = call("run", "--local", small, "--out", tmp_path / "out")
    assert result.exit_code == 1
    assert "sources         1 (1 failed)" in result.stdout
    assert result.stderr.startswith("error: AllSourcesFailed: sources: all 1 of them failed")


def test_options_reach_the_job(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    given = answer_with(monkeypatch, refused(400))
    options = ("--client", "c", "--period-days", "3", "--workers", "5", "--rpm", "6")
    paths = ("--local", tmp_path / "in", "--out", tmp_path / "out", "--event", tmp_path / "event.json")
    call("run", *options, *paths, "--sources", "a, b", "--sources", "c")
    assert given == [
        Job(
            local=tmp_path / "in",
            event=tmp_path / "event.json",
            client="c",
            period_days=3,
            sources=("a", "b", "c"),
            workers=5,
            out=tmp_path / "out",
            rpm=6,
        )
    ]


def test_without_options_the_job_is_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    given = answer_with(monkeypatch, refused(400))
    call("run")
    assert given == [Job()]


@pytest.mark.parametrize("options", [("--workers", "0"), ("--workers", "65"), ("--rpm", "0"), ("--period-days", "x")])
def test_a_number_out_of_range_is_a_usage_error(options: tuple[str, str]) -> None:
    result = call("run", *options)
    assert result.exit_code == 2
    assert options[0] in result.stderr
    assert "Traceback" not in result.stderr


def test_any_other_error_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    answer_with(monkeypatch, OSError("first\nsecond"))
    result = call("run")
    assert (result.exit_code, result.stdout, result.stderr) == (1, "", "error: OSError: first second\n")


def test_verbose_prints_the_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    answer_with(monkeypatch, OSError("first"))
    result = call("run", "--verbose")
    assert "Traceback" in result.stderr
    assert result.stderr.endswith("error: OSError: first\n")


def test_verbose_logs_more(small: Path, tmp_path: Path) -> None:
    result = call("run", "--local", small, "--out", tmp_path / "out", "-v")
    assert "INFO Normalized: 3 succeeded, 0 failed" in result.stderr


@pytest.mark.parametrize(
    ("interruption", "stderr"),
    [
        (KeyboardInterrupt(), "interrupted\n"),
        (
            BatchInterrupted(BatchReport(())),
            "interrupted; what was normalized is stored: 0 of 0 items had succeeded\n",
        ),
    ],
)
def test_ctrl_c_ends_with_130_and_one_line(
    interruption: KeyboardInterrupt, stderr: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer_with(monkeypatch, interruption)
    result = call("run")
    assert (result.exit_code, result.stdout, result.stderr) == (130, "", stderr)


def test_a_missing_package_is_raised_to_main(monkeypatch: pytest.MonkeyPatch) -> None:
    answer_with(monkeypatch, ModuleNotFoundError("No module named 'boto3'", name="boto3"))
    assert isinstance(call("run").exception, ModuleNotFoundError)


def test_the_version_is_printed() -> None:
    assert call("--version").stdout == f"{__version__}\n"


def test_without_a_command_the_commands_are_listed() -> None:
    result = call()
    assert "run" in result.output
    assert "Traceback" not in result.output
