"""A session that is up quickly knows what boto3's knows."""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING, Any

import botocore.session
import pytest
from botocore.exceptions import DataNotFoundError, UnknownServiceError

from vectora_normalize.sessions import Session

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def _region(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-3")


def loader(session: Session) -> Any:  # noqa: ANN401 - botocore's
    return session._session.get_component("data_loader")  # pyright: ignore[reportPrivateUsage] - what it is about


@pytest.fixture
def usual() -> Any:  # noqa: ANN401 - as above
    return botocore.session.Session().get_component("data_loader")


@pytest.mark.parametrize("kind", ["service-2", "endpoint-rule-set-1"])
@pytest.mark.parametrize("service", ["s3", "sqs", "bedrock", "bedrock-runtime"])
def test_services_are_described_as_botocore_does(service: str, kind: str, usual: Any) -> None:  # noqa: ANN401 - as above
    assert loader(Session()).load_service_model(service, kind) == usual.load_service_model(service, kind)


@pytest.mark.parametrize("name", ["endpoints", "partitions", "sdk-default-configuration", "_retry"])
def test_so_is_the_rest(name: str, usual: Any) -> None:  # noqa: ANN401 - as above
    assert loader(Session()).load_data(name) == usual.load_data(name)


def test_a_service_that_there_is_not_is_told() -> None:
    with pytest.raises(UnknownServiceError, match="Unknown service: 'no-such'"):
        Session().client("no-such")


class TestOwnDescriptions:
    @pytest.fixture(autouse=True)
    def folder(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        monkeypatch.setenv("AWS_DATA_PATH", str(tmp_path))
        service = tmp_path / "own" / "2026-11-21"
        service.mkdir(parents=True)
        return service

    @pytest.mark.parametrize("packed", [False, True])
    def test_they_are_found(self, folder: Path, *, packed: bool) -> None:
        body = json.dumps({"metadata": {"name": "é"}}).encode()
        name = "service-2.json.gz" if packed else "service-2.json"
        (folder / name).write_bytes(gzip.compress(body) if packed else body)
        assert loader(Session()).load_service_model("own", "service-2") == {"metadata": {"name": "é"}}

    def test_a_folder_without_one_is_told(self) -> None:
        with pytest.raises(DataNotFoundError):
            Session().client("own")
