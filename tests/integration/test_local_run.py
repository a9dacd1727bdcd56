"""``vectora-normalize run --local``, as a process of its own: what a person sees, whatever their environment is."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
import threading
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

import pytest

from support.pages import ROOT
from support.schemas import conforms
from vectora_normalize.items import items_schema

if TYPE_CHECKING:
    from pathlib import Path

    ExampleRun = tuple[Path, subprocess.CompletedProcess[str]]

EXAMPLE: Final = ROOT / "examples/lai_weekly"
COMMAND: Final = (sys.executable, "-c", "from vectora_normalize.cli import main; main()", "run")
NOWHERE: Final = "http://127.0.0.1:9"  # the discard port: nothing listens there
# The 112 items of the example, or the 10 of one source where the number does not matter.
ALL: Final = 112
FEW: Final = ("--sources", "press_sector__lettre_depot")
HOSTILE: Final = {
    "AWS_BEARER_TOKEN_BEDROCK": "a-token",
    "AWS_PROFILE": "no-such-profile",
    "AWS_ENDPOINT_URL": NOWHERE,
    "AWS_CA_BUNDLE": "/no/such/file",
    "AWS_USE_FIPS_ENDPOINT": "true",
    "http_proxy": NOWHERE,
    "https_proxy": NOWHERE,
    "HTTP_PROXY": NOWHERE,
    "HTTPS_PROXY": NOWHERE,
    "ALL_PROXY": NOWHERE,
    "LOG_LEVEL": "chatty",
    "CONFIG_BUCKET": "not-this-one",
    "DATA_BUCKET": "not-this-one",
    "LC_ALL": "C",
    "PYTHONUTF8": "0",
}


def bare_environment() -> dict[str, str]:
    """No AWS, no proxy, no setting at all, but what Python needs."""
    return {
        name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR", "COVERAGE_PROCESS_START") if name in os.environ
    }


def run(cwd: Path, *options: object, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, "--local", str(EXAMPLE), *map(str, options)],
        cwd=cwd,
        env={**bare_environment(), **environ},
        capture_output=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )


def load(cwd: Path, pattern: str) -> Any:  # noqa: ANN401 - whatever JSON is there
    (path,) = cwd.glob(pattern)
    return json.loads(path.read_bytes())


def table(stdout: str) -> dict[str, str]:
    """The rows of the summary: those with a label of the first column."""
    _, _, summary = stdout.partition("\n\n")
    return dict(re.findall(r"^([a-z][a-z ]*?) {2,}(\S.*?) *$", summary, re.MULTILINE))


@pytest.fixture(scope="module")
def example_run(tmp_path_factory: pytest.TempPathFactory) -> ExampleRun:
    """One run of the example with all its sources, in an empty folder and a minimal environment."""
    cwd = tmp_path_factory.mktemp("example")
    return cwd, run(cwd)


def test_the_example_runs_in_a_bare_environment(example_run: ExampleRun) -> None:
    cwd, done = example_run
    assert (done.returncode, done.stderr) == (0, "")
    rows = table(done.stdout)
    seconds = float(rows.pop("seconds"))
    assert 0 < seconds < 60
    files = {name: rows.pop(name) for name in ("items", "report")}
    assert rows == {
        "sources": "7",
        "items ingested": str(ALL),
        "normalized": str(ALL),
        "failed": "0",
        "attempts": str(ALL),
        "throttles": "0",
        "retry rate": "0.0 %",
    }
    for path in files.values():
        assert (cwd / path).is_file()
        assert path.startswith("out/lai_weekly/")


def test_the_page_shows_the_table_of_the_sources(example_run: ExampleRun) -> None:
    page = (ROOT / "docs/lambda/example.md").read_text("utf-8")
    documented, _, _ = page.partition("```text\n")[2].partition("\n\n")
    shown, _, _ = example_run[1].stdout.partition("\n\n")
    assert shown.split() == documented.split()  # by words, because the table is as wide as the terminal


def test_there_are_at_least_as_many_valid_items_as_documented(example_run: ExampleRun) -> None:
    items = load(example_run[0], "out/lai_weekly/normalized/*/*/*/*/items.json")
    assert len(items) >= 104
    assert conforms(items, items_schema())
    assert len({item["content_hash"] for item in items}) == len(items)
    # The port of the server that played the web is in none of them.
    assert all(re.match(r"https://[a-z-]+\.example/", item["url"]) for item in items)


def test_the_defects_of_the_example_are_counted(example_run: ExampleRun) -> None:
    report = load(example_run[0], "out/lai_weekly/normalized/*/*/*/*/run-*.json")
    assert report["disabled_sources"] == ["press_sector__depot_digest"]
    totals: Counter[str] = Counter()
    for source in report["sources"]:
        totals.update(source["counts"])
    assert totals == {
        "entries": 131,
        "kept": ALL,
        "duplicate": 7,
        "undated": 5,
        "outside_window": 5,
        "too_short": 1,
        "excluded": 1,
        "invalid": 0,
    }
    (broken,) = [source for source in report["sources"] if source["problems"]]
    assert broken["source_key"] == "press_sector__wire_mirror"


def test_an_item_with_a_prompt_injection_is_normalised_like_any_other(example_run: ExampleRun) -> None:
    items = load(example_run[0], "out/lai_weekly/normalized/*/*/*/*/items.json")
    (item,) = [item for item in items if "ignore all previous instructions" in item["content"]]
    assert item["summary"].strip() != "PWNED"
    assert item["technologies_detected"] != []
    assert item["event_type"] == "other"


@pytest.mark.nightly  # two runs of the example
def test_a_second_run_of_the_day_finds_the_same_items(example_run: ExampleRun) -> None:
    cwd, _ = example_run
    before = load(cwd, "out/lai_weekly/normalized/*/*/*/*/items.json")
    assert run(cwd, "--out", "again").returncode == 0
    again = load(cwd, "again/normalized/*/*/*/*/items.json")
    assert [item["item_id"] for item in again] == [item["item_id"] for item in before]


@pytest.mark.nightly  # two runs of the example
def test_a_second_run_into_the_same_folder_sends_no_request(tmp_path: Path) -> None:
    assert run(tmp_path, *FEW).returncode == 0
    before = load(tmp_path, "out/lai_weekly/normalized/*/*/*/*/items.json")
    again = run(tmp_path, *FEW)
    rows = table(again.stdout)
    assert (rows["normalized"], rows["attempts"]) == ("10 (10 answered before)", "0")
    assert load(tmp_path, "out/lai_weekly/normalized/*/*/*/*/items.json") == before


@pytest.mark.nightly  # a run of the example in a process of its own
def test_the_users_environment_does_not_matter(tmp_path: Path) -> None:
    done = run(tmp_path, *FEW, "--json", **HOSTILE)
    assert (done.returncode, done.stderr) == (0, "")
    answer = json.loads(done.stdout)
    assert set(answer) == {"statusCode", "body"}
    assert answer["body"].pop("execution_time_seconds") > 0
    assert answer == {
        "statusCode": 200,
        "body": {"client_id": "lai_weekly", "items_ingested": 10, "items_normalized": 10},
    }


def test_log_lines_agree_with_the_table_and_the_report(tmp_path: Path) -> None:
    quick = {"BEDROCK_BASE_DELAY": "0.05", "BEDROCK_MAX_RETRIES": "3"}
    done = run(tmp_path, *FEW, "--rpm", 20, "--workers", 12, **quick)
    assert done.returncode == 0
    report = load(tmp_path, "out/lai_weekly/normalized/*/*/*/*/run-*.json")["bedrock"]
    retried = re.findall(
        r"^WARNING ThrottlingException détectée \(tentative \d/4\)\. Retry dans ", done.stderr, re.MULTILINE
    )
    given_up = re.findall(r"^ERROR ThrottlingException - Échec après 4 tentatives\. Abandon", done.stderr, re.MULTILINE)
    assert (len(retried), len(given_up)) == (report["retries"], report["failed"])
    assert len(done.stderr.splitlines()) == report["retries"] + report["failed"] == report["throttles"] > 0
    rows = table(done.stdout)
    assert rows["failed"] == f"{report['failed']} ({report['failed']} throttling)"
    assert rows["attempts"] == str(report["attempts"])
    assert rows["throttles"] == str(report["throttles"])
    assert rows["retry rate"] == f"{100 * report['retries'] / report['attempts']:.1f} %"


@pytest.mark.nightly  # three runs of the example
@pytest.mark.parametrize("option", [("--client", "nobody"), ("--period-days", "0"), ("--sources", "no_such_key")])
def test_a_refused_run_writes_nothing(tmp_path: Path, option: tuple[str, str]) -> None:
    done = run(tmp_path, *option)
    assert (done.returncode, done.stdout) == (2, "")
    assert re.fullmatch(r"error: \w+: [^\n]*accepted: [^\n]*\n", done.stderr)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.nightly  # a run of the example in a process of its own
def test_a_folder_that_cannot_be_written_is_reported_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = run(tmp_path, *FEW, "--out", "file")
    assert (done.returncode, done.stdout) == (1, "")
    assert re.fullmatch(r"error: StoreError: [^\n]*cannot be written[^\n]*\n", done.stderr)


def test_ctrl_c_stores_what_was_done_and_ends_with_130(tmp_path: Path) -> None:
    # One worker, a quota that the first items use up, and then a wait that no test would sit through.
    process = subprocess.Popen(
        [*COMMAND, "--local", str(EXAMPLE), "--rpm", "20", "--workers", "1"],
        cwd=tmp_path,
        env={**bare_environment(), "BEDROCK_BASE_DELAY": "60"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )
    assert process.stdout is not None
    assert process.stderr is not None
    with process, process.stdout, process.stderr:
        first = process.stderr.readline()
        process.send_signal(signal.SIGINT)
        rest, stdout = process.stderr.read(), process.stdout.read()
        process.wait(timeout=30)
    assert first.startswith("WARNING ThrottlingException")
    assert process.returncode == 130
    assert stdout == ""
    assert "Traceback" not in rest
    assert rest.endswith(f"interrupted; what was normalized is stored: 2 of {ALL} items had succeeded\n")
    assert len(load(tmp_path, "out/lai_weekly/normalized/*/*/*/*/items.json")) == 2


@pytest.mark.nightly  # a run of the example in a process of its own
def test_a_terminal_has_a_progress_bar_and_complete_log_lines(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    screen = bytearray()

    def read() -> None:
        try:
            while chunk := os.read(ours, 65536):
                screen.extend(chunk)
        except OSError:  # the other end was closed
            pass

    reader = threading.Thread(target=read)
    reader.start()
    try:
        done = subprocess.run(
            [*COMMAND, "--local", str(EXAMPLE), *FEW, "--rpm", "20", "--json"],
            cwd=tmp_path,
            env={**bare_environment(), "TERM": "xterm", "COLUMNS": "60", "BEDROCK_BASE_DELAY": "0.1"},
            stdout=subprocess.PIPE,
            stderr=theirs,
            timeout=60,
            check=False,
        )
    finally:
        os.close(theirs)
        reader.join(timeout=30)
        os.close(ours)
    assert done.returncode == 0
    assert json.loads(done.stdout)["statusCode"] == 200
    shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", screen.decode("utf-8"))
    assert "reading sources" in shown
    assert "normalising" in shown
    lines = re.findall(
        r"WARNING ThrottlingException détectée \(tentative \d/4\)\. Retry dans \d\.\d\ds\.\.\.\r?\n", shown
    )
    report = load(tmp_path, "out/lai_weekly/normalized/*/*/*/*/run-*.json")["bedrock"]
    assert len(lines) == report["retries"] > 0
