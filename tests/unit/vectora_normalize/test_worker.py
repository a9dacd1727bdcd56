"""Errors of the worker's handler; the rest is in ``tests/integration/test_worker.py``."""

from __future__ import annotations

import pytest
from aws_lambda_powertools.utilities.batch.exceptions import UnexpectedBatchTypeError

from support.deployment import warm_process
from vectora_normalize.contract import RunRefusedError
from vectora_normalize.worker import lambda_handler


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONFIG_BUCKET", "config")
    monkeypatch.setenv("DATA_BUCKET", "data")


@pytest.mark.usefixtures("environment")
def test_an_event_that_is_not_a_batch_is_an_error() -> None:
    with warm_process(), pytest.raises(UnexpectedBatchTypeError):
        lambda_handler({"client_id": "lai_weekly"}, None)


def test_an_invalid_environment_fails_the_whole_batch() -> None:
    with warm_process(), pytest.raises(RunRefusedError, match="CONFIG_BUCKET: missing"):
        lambda_handler({"Records": []}, None)
