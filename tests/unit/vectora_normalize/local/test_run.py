"""A folder becomes the dependencies of a run, or is refused with a reason."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from bedrock_resilience.quotas import Quota
from support.folders import small_folder
from vectora_normalize.contract import ErrorType, RunRefusedError, RunRequest
from vectora_normalize.local.run import LocalFolder, local_dependencies, settings_for
from vectora_normalize.pipeline import Invocation, run
from vectora_normalize.settings import Pacing

NOW = dt.datetime(2026, 3, 1, 0, 30, tzinfo=dt.UTC)


@pytest.fixture
def folder(tmp_path: Path) -> LocalFolder:
    return small_folder(tmp_path / "small")


def refusal_of(check: LocalFolder) -> str:
    with pytest.raises(RunRefusedError) as raised:
        check.check()
    assert raised.value.error_type is ErrorType.INVALID_CONFIGURATION
    return str(raised.value)


def test_a_path_that_is_not_a_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "none", tmp_path / "file"):
        text = refusal_of(LocalFolder(path))
        assert f"--local: got {str(path)!r}, which is not a folder" in text
        assert "such as examples/lai_weekly" in text


def test_missing_folders_are_listed(tmp_path: Path) -> None:
    assert "which has no config/ and sources/" in refusal_of(LocalFolder(tmp_path))
    (tmp_path / "config").mkdir()
    assert "which has no sources/;" in refusal_of(LocalFolder(tmp_path))
    (tmp_path / "sources").mkdir()
    LocalFolder(tmp_path).check()


def test_the_only_client_is_found(folder: LocalFolder) -> None:
    assert folder.only_client() == "small"


def test_several_clients_are_listed_and_none_is_chosen(tmp_path: Path) -> None:
    folder = small_folder(tmp_path, clients=("weekly", "daily"))
    with pytest.raises(RunRefusedError, match=r"--client: missing; accepted: one of those in .*: daily, weekly"):
        folder.only_client()


def test_a_folder_without_a_client_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunRefusedError, match=r"clients' has no <client_id>.yaml"):
        LocalFolder(tmp_path).only_client()


def test_only_the_bedrock_settings_of_the_environment_are_used(folder: LocalFolder) -> None:
    environ = {
        "BEDROCK_MAX_RETRIES": "5",
        "BEDROCK_BASE_DELAY": "1.0",
        "BEDROCK_RETRY_ON": "transient",
        "BEDROCK_REQUESTS_PER_MINUTE": "60",
        "MAX_BEDROCK_WORKERS": "6",
        "LOG_LEVEL": "chatty",
        "ENV": "prod",
        "AWS_REGION": "nowhere",
        "CONFIG_BUCKET": "elsewhere",
        "DATA_BUCKET": "elsewhere",
    }
    settings = settings_for(folder, Path("results"), environ, workers=None)
    assert (settings.policy.max_retries, settings.policy.base_delay) == (5, 1.0)
    assert (settings.max_workers, settings.pacing) == (6, Pacing.QUOTA)
    assert (settings.config_bucket, settings.data_bucket) == (str(folder.config), "results")
    assert (settings.env, settings.log_level) == ("local", "INFO")
    assert settings_for(folder, Path("results"), environ, workers=9).max_workers == 9


def test_an_invalid_variable_is_refused(folder: LocalFolder) -> None:
    with pytest.raises(RunRefusedError, match=r"BEDROCK_MAX_RETRIES='many': .*accepted: a whole number >= 0"):
        settings_for(folder, Path("results"), {"BEDROCK_MAX_RETRIES": "many"}, workers=None)


@pytest.mark.parametrize("quota", [None, Quota(requests_per_minute=1, burst=1)])
def test_the_pipeline_runs_with_the_dependencies(folder: LocalFolder, tmp_path: Path, quota: Quota | None) -> None:
    out = tmp_path / "out"
    settings = settings_for(folder, out, {"BEDROCK_MAX_RETRIES": "0"}, workers=1)
    request = RunRequest(client_id="small")
    with local_dependencies(folder, out, settings, today=NOW.date(), quota=quota) as dependencies:
        summary = run(request, dependencies, Invocation(now=NOW, request_id="r1"))
    assert summary.items_ingested == 3
    assert summary.items_normalized == (3 if quota is None else 1)
    assert summary.counts["Throttles"] == (0 if quota is None else 2)
    assert (out / "normalized/small/2026/03/01/items.json").is_file()
    assert [source["url"] for source in summary.report["sources"]] == ["https://press.example/feed.xml"]
    assert {item["url"] for item in summary.report["items"]} == {f"https://press.example/{n}" for n in (1, 2, 3)}
