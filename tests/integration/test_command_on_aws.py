"""``vectora-normalize run`` without ``--local``: the same command on buckets that speak S3."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from typer.testing import CliRunner

from vectora_normalize.cli.app import app

if TYPE_CHECKING:
    from support.deployment import Deployment

SOURCE = "press_sector__lettre_depot"


def test_a_run_reads_and_writes_the_buckets_of_the_environment(deployment: Deployment) -> None:
    options = ("--client", "lai_weekly", "--sources", SOURCE, "--workers", "3")
    result = CliRunner().invoke(app, ["run", *options])
    assert (result.exit_code, result.stderr) == (0, "")
    assert "normalized      10" in result.stdout
    (items, report) = [line.split()[1] for line in result.stdout.splitlines()[-2:]]
    bucket = f"s3://{deployment.data_bucket}/"
    assert {items.removeprefix(bucket), report.removeprefix(bucket)} <= set(deployment.stored())
    assert len(deployment.items()) == 10
    assert deployment.load(report.removeprefix(bucket))["settings"]["max_workers"] == 3


def test_json_has_no_log_line_and_no_metric_beside_the_answer(deployment: Deployment) -> None:
    result = CliRunner().invoke(app, ["run", "--client", "lai_weekly", "--sources", SOURCE, "--json"])
    assert json.loads(result.stdout)["body"]["items_normalized"] == 10
    assert deployment.emulator.requests == 10


def test_a_client_that_the_bucket_does_not_have_is_a_400(deployment: Deployment) -> None:
    result = CliRunner().invoke(app, ["run", "--client", "nobody"])
    assert result.exit_code == 2
    assert "UnknownClient: client_id: got 'nobody'" in result.stderr
    assert "known: lai_weekly" in result.stderr
    assert deployment.stored() == []


def test_a_bucket_that_is_not_there_is_a_400(deployment: Deployment) -> None:
    environ = {**deployment.environ, "CONFIG_BUCKET": "no-such-bucket"}
    result = CliRunner().invoke(app, ["run", "--client", "lai_weekly"], env=environ)
    assert result.exit_code == 2
    assert "InvalidConfiguration: CONFIG_BUCKET or DATA_BUCKET" in result.stderr
