"""What a run touches on this machine: folders for the buckets, files for the web, an emulator for Bedrock."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import msgspec

from bedrock_resilience.emulator import BedrockEmulator
from vectora_normalize.contract import ErrorType, RunRefusedError
from vectora_normalize.local.bedrock import emulator_client
from vectora_normalize.local.fetching import LocalFetcher
from vectora_normalize.local.sources import SourceServer
from vectora_normalize.pipeline.dependencies import Dependencies
from vectora_normalize.settings import Settings
from vectora_normalize.storage.objects import FolderStore

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Generator, Mapping
    from pathlib import Path

    from bedrock_resilience.quotas import Quota

LATENCY: Final = 0.05
"""Seconds that the emulator takes for an answer: enough to see workers work side by side, and a run takes seconds."""

_ACCEPTED: Final = "a folder with config/ and sources/ in it, such as examples/lai_weekly of the project's repository"
# How Bedrock is called is worth trying out here; what else a Lambda's environment says has no meaning on a desk.
_TUNING: Final = (
    "BEDROCK_BASE_DELAY",
    "BEDROCK_MAX_RETRIES",
    "BEDROCK_MODEL_ID",
    "BEDROCK_PACING",
    "BEDROCK_READ_TIMEOUT",
    "BEDROCK_REQUESTS_PER_MINUTE",
    "BEDROCK_RETRY_ON",
    "BEDROCK_TOKENS_PER_MINUTE",
    "MAX_BEDROCK_WORKERS",
)
# The emulator answers at once. And as long as this, and a little longer, an item stays claimed by a run that was
# killed.
_PATIENCE: Final = {"BEDROCK_READ_TIMEOUT": "10"}


@dataclass(frozen=True, slots=True)
class LocalFolder:
    """A folder laid out as the two buckets and the web: `config/` and `sources/`.

    Args:
        path: The folder.
    """

    path: Path

    @property
    def config(self) -> Path:
        """What is the configuration bucket elsewhere."""
        return self.path / "config"

    @property
    def sources(self) -> Path:
        """What is the web elsewhere."""
        return self.path / "sources"

    def check(self) -> None:
        """Look whether it is one.

        Raises:
            RunRefusedError: INVALID_CONFIGURATION: it is not there, or a folder in it is missing.
        """
        if not self.path.is_dir():
            raise _refused(f"--local: got {str(self.path)!r}, which is no folder; accepted: {_ACCEPTED}")
        missing = [folder.name for folder in (self.config, self.sources) if not folder.is_dir()]
        if missing:
            names = " and ".join(f"{name}/" for name in missing)
            raise _refused(f"--local: got {str(self.path)!r}, which has no {names}; accepted: {_ACCEPTED}")

    def only_client(self) -> str:
        """The id of the client, where there is one and no other.

        Raises:
            RunRefusedError: INVALID_CONFIGURATION: there is none, or a choice.
        """
        clients = sorted(path.stem for path in (self.config / "clients").glob("*.yaml"))
        if len(clients) == 1:
            return clients[0]
        where = self.config / "clients"
        if not clients:
            raise _refused(f"--local: {str(where)!r} has no <client_id>.yaml; required: the configuration of a client")
        raise _refused(f"--client: missing; accepted: one of those in {str(where)!r}: {', '.join(clients)}")


def settings_for(folder: LocalFolder, out: Path, environ: Mapping[str, str], *, workers: int | None) -> Settings:
    """The settings of a local run. Of the environment it reads how Bedrock is called, and nothing else.

    Args:
        folder: Where the configuration is.
        out: Where the results go.
        environ: Such as `os.environ`.
        workers: Calls in flight at once; None: as the environment says.

    Raises:
        RunRefusedError: INVALID_CONFIGURATION: a variable holds what is not accepted.
    """
    tuning = {name: environ[name] for name in _TUNING if name in environ}
    buckets = {"CONFIG_BUCKET": "config", "DATA_BUCKET": "data", "ENV": "local"}
    settings = Settings.from_env({**_PATIENCE, **tuning, **buckets})
    return msgspec.structs.replace(
        settings,
        config_bucket=str(folder.config),  # a path, which no bucket could be called
        data_bucket=str(out),
        max_workers=settings.max_workers if workers is None else workers,
    )


@contextlib.contextmanager
def local_dependencies(
    folder: LocalFolder, out: Path, settings: Settings, *, today: dt.date, quota: Quota | None
) -> Generator[Dependencies]:
    """The dependencies of a run; servers and connections are gone at the end of the block.

    Args:
        folder: What the run works on.
        out: What is the data bucket elsewhere.
        settings: As `settings_for` makes them.
        today: Day that the dates of the sources count from, UTC.
        quota: Of the emulator; None: nothing is throttled.
    """
    with (
        SourceServer(folder.sources, today) as sources,
        BedrockEmulator(quota, LATENCY) as emulator,
        contextlib.closing(
            emulator_client(emulator.endpoint_url, workers=settings.max_workers, read_timeout=settings.read_timeout)
        ) as client,
    ):
        yield Dependencies(
            settings=settings,
            config=FolderStore(folder.config),
            data=FolderStore(out),
            fetcher=LocalFetcher(sources),
            bedrock=client,
        )


def _refused(fault: str) -> RunRefusedError:
    return RunRefusedError(ErrorType.INVALID_CONFIGURATION, fault)
