"""Names, tokens and missing files of jobs; the rest is in ``tests/integration/test_backfill.py``."""

from __future__ import annotations

import datetime as dt
import json
import re
from pathlib import Path  # noqa: TC003 - pytest reads the annotations
from typing import Any, cast

import pytest

from support.clients import NOW, configure
from support.items import raw_item
from support.ticking import Ticking
from vectora_normalize.backfill.job import Backfill, InvocationJob
from vectora_normalize.contract import RunRefusedError
from vectora_normalize.settings import Settings
from vectora_normalize.storage.objects import FolderStore

NAME = re.compile(r"[a-zA-Z0-9]{1,63}(-*[a-zA-Z0-9+\-.]){0,63}")
DAY = NOW.date()


class Bedrock:
    """A ``bedrock`` client that accepts every job."""

    def __init__(self) -> None:
        self.created: list[dict[str, Any]] = []

    def create_model_invocation_job(self, **request: Any) -> dict[str, Any]:  # noqa: ANN401 - as boto3's
        self.created.append(request)
        return {"jobArn": f"arn:{len(self.created)}"}

    def get_model_invocation_job(self, *, jobIdentifier: str) -> dict[str, Any]:  # noqa: N803 - as boto3's
        return {"status": "InProgress", "totalRecordCount": 100, "processedRecordCount": 7, "jobArn": jobIdentifier}


class Setup:
    def __init__(self, root: Path, client_id: str) -> None:
        self.bedrock = Bedrock()
        self.config, self.data = FolderStore(root / "config"), FolderStore(root / "data")
        configure(self.config)
        self.config.put(f"clients/{client_id}.yaml", self.config.get("clients/small.yaml"))
        self.client_id = client_id

    def backfill(self, now: dt.datetime = NOW) -> Backfill:
        settings = Settings(config_bucket="c", data_bucket="data-dev")
        return Backfill(
            self.client_id,
            settings,
            config=self.config,
            data=self.data,
            bedrock=self.bedrock,
            now=now,
            clock=Ticking(),
        )

    def ingest(self, count: int) -> None:
        rows = [raw_item(f"Item {number}.", number=number).to_dict() for number in range(count)]
        self.data.put(f"raw/{self.client_id}/one/{DAY:%Y/%m/%d}/raw.json", json.dumps(rows).encode())


@pytest.mark.parametrize("client_id", ["small", "lai_weekly", "a" * 64, "A_-_b" + "_" * 59])
def test_the_name_of_a_job_is_valid_in_bedrock(tmp_path: Path, client_id: str) -> None:
    setup = Setup(tmp_path, client_id)
    setup.ingest(100)
    job = setup.backfill().start(DAY, DAY, role_arn="arn:role")
    assert NAME.fullmatch(job.name)
    assert len(job.name) <= 63
    assert job.name.endswith("-20261121-063000")
    (created,) = setup.bedrock.created
    where = f"s3://data-dev/normalized/{client_id}/backfills/{job.name}/"
    assert created["inputDataConfig"]["s3InputDataConfig"] == {
        "s3InputFormat": "JSONL",
        "s3Uri": f"{where}input.jsonl",
    }
    assert created["outputDataConfig"]["s3OutputDataConfig"] == {"s3Uri": f"{where}output/"}


def test_a_job_requires_a_hundred_items(tmp_path: Path) -> None:
    setup = Setup(tmp_path, "small")
    setup.ingest(99)
    with pytest.raises(
        RunRefusedError,
        match="99 of them have no response and are in no job; accepted: a period with at least 100 of these",
    ):
        setup.backfill().start(DAY, DAY, role_arn="arn:role")
    assert list(setup.data.list("normalized/")) == []


def test_the_same_items_give_the_same_token(tmp_path: Path) -> None:
    setup = Setup(tmp_path, "small")
    setup.ingest(100)
    first = setup.backfill().start(DAY, DAY, role_arn="arn:role")
    for key in list(setup.data.list("normalized/")):  # as if the process had been killed before it wrote anything
        setup.data.delete(key)
    setup.backfill(NOW + dt.timedelta(hours=1)).start(DAY, DAY, role_arn="arn:role")
    tokens = [request["clientRequestToken"] for request in setup.bedrock.created]
    assert len(tokens) == 2
    assert len(set(tokens)) == 1
    assert first.arn == "arn:1"


def test_jobs_are_listed_the_oldest_first(tmp_path: Path) -> None:
    setup = Setup(tmp_path, "small")
    setup.ingest(100)
    backfill = setup.backfill()
    job = backfill.start(DAY, DAY, role_arn="arn:role")
    status = backfill.status(job)
    assert (status.status, status.ended, status.counts) == ("InProgress", False, {"total": 100, "processed": 7})
    older = InvocationJob(name="b", client_id="small", model_id="m", records=0, started_at=NOW - dt.timedelta(days=1))
    cast("Any", backfill)._write(older)
    assert [one.name for one in backfill.jobs()] == ["b", job.name]
    assert backfill.status(older).status == "NotStarted"


def test_a_job_without_its_records_has_no_results(tmp_path: Path) -> None:
    setup = Setup(tmp_path, "small")
    job = InvocationJob(name="b", client_id="small", model_id="m", records=3, started_at=NOW, arn="arn:1")
    collected = setup.backfill().collect(job)
    assert (collected.answered, dict(collected.failed), dict(collected.written)) == (0, {}, {})
    assert collected.job.collected_at == NOW
