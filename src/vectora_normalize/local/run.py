"""The dependencies of a local run: folders for the buckets, files for the sources, an emulator for Bedrock."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import msgspec

from bedrock_resilience.emulator import BedrockEmulator, extract
from vectora_normalize.contract import ErrorType, RunRefusedError
from vectora_normalize.local.bedrock import emulator_client
from vectora_normalize.local.fetching import LocalFetcher
from vectora_normalize.local.model import READ_TIMEOUT_SECONDS, LocalModel
from vectora_normalize.local.sources import SourceServer
from vectora_normalize.pipeline.dependencies import Dependencies
from vectora_normalize.settings import Pacing, Settings
from vectora_normalize.storage.objects import FolderStore

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Generator, Mapping
    from pathlib import Path

    from bedrock_resilience.emulator import Responder
    from bedrock_resilience.quotas import Quota

LATENCY_SECONDS: Final = 0.05
"""Latency of the emulator in seconds: enough to show concurrency, while a run still takes only seconds."""

_ACCEPTED: Final = "a folder that contains config/ and sources/, such as examples/lai_weekly in the repository"
# The settings of the calls to Bedrock, which a local run can test; other settings of the Lambda do not apply.
_BEDROCK_VARIABLES: Final = (
    "BEDROCK_BASE_DELAY",
    "BEDROCK_MAX_RETRIES",
    "BEDROCK_MODEL_ID",
    "BEDROCK_PACE_TABLE",
    "BEDROCK_PACING",
    "BEDROCK_READ_TIMEOUT",
    "BEDROCK_REQUESTS_PER_MINUTE",
    "BEDROCK_RETRY_ON",
    "BEDROCK_TOKENS_PER_MINUTE",
    "MAX_BEDROCK_WORKERS",
)
# The emulator answers at once, and after a killed run an item stays claimed a little longer than this timeout.
_DEFAULTS: Final = {"BEDROCK_READ_TIMEOUT": "10"}


@dataclass(frozen=True, slots=True)
class LocalFolder:
    """The input of a local run: a folder with the configuration in ``config/`` and the sources in ``sources/``.

    Args:
        path: The folder.
    """

    path: Path

    @property
    def config(self) -> Path:
        """The folder in place of ``CONFIG_BUCKET``."""
        return self.path / "config"

    @property
    def sources(self) -> Path:
        """The folder in place of the internet; see ``SourceServer``."""
        return self.path / "sources"

    def check(self) -> None:
        """Check that the folders exist.

        Raises:
            RunRefusedError: INVALID_CONFIGURATION: the folder does not exist, or a folder in it is missing.
        """
        if not self.path.is_dir():
            raise _refused(f"--local: got {str(self.path)!r}, which is not a folder; accepted: {_ACCEPTED}")
        missing = [folder.name for folder in (self.config, self.sources) if not folder.is_dir()]
        if missing:
            names = " and ".join(f"{name}/" for name in missing)
            raise _refused(f"--local: got {str(self.path)!r}, which has no {names}; accepted: {_ACCEPTED}")

    def only_client(self) -> str:
        """Return the id of the only client.

        Raises:
            RunRefusedError: INVALID_CONFIGURATION: there is no client, or more than one.
        """
        clients = sorted(path.stem for path in (self.config / "clients").glob("*.yaml"))
        if len(clients) == 1:
            return clients[0]
        where = self.config / "clients"
        if not clients:
            raise _refused(f"--local: {str(where)!r} has no <client_id>.yaml; required: the configuration of a client")
        raise _refused(f"--client: missing; accepted: one of those in {str(where)!r}: {', '.join(clients)}")


def settings_for(
    folder: LocalFolder,
    out: Path,
    environ: Mapping[str, str],
    *,
    workers: int | None,
    model: LocalModel | None = None,
) -> Settings:
    """Return the settings of a local run; of the environment, only the settings of the calls to Bedrock are used.

    Args:
        folder: The input.
        out: The folder of the results.
        environ: The environment, such as ``os.environ``.
        workers: Calls in flight at the same time; None: the value of the environment.
        model: The model that responds; None: the emulator's extractor.

    Raises:
        RunRefusedError: INVALID_CONFIGURATION: a variable has a value that is not accepted.
    """
    overrides = {name: environ[name] for name in _BEDROCK_VARIABLES if name in environ}
    buckets = {"CONFIG_BUCKET": "config", "DATA_BUCKET": "data", "ENV": "local"}
    defaults = _DEFAULTS if model is None else {"BEDROCK_READ_TIMEOUT": str(READ_TIMEOUT_SECONDS)}
    settings = Settings.from_env({**defaults, **overrides, **buckets})
    pacing = settings.pacing
    if pacing in {Pacing.AUTO, Pacing.SHARED}:  # one process, and an emulator with all the capacity that there is
        pacing = Pacing.NONE if settings.quota is None else Pacing.QUOTA
    return msgspec.structs.replace(
        settings,
        pacing=pacing,
        config_bucket=str(folder.config),  # a path, which is not a valid name of a bucket
        data_bucket=str(out),
        max_workers=settings.max_workers if workers is None else workers,
        model_id=settings.model_id if model is None else model.model_id,
    )


@contextlib.contextmanager
def local_dependencies(
    folder: LocalFolder,
    out: Path,
    settings: Settings,
    *,
    today: dt.date,
    quota: Quota | None,
    model: LocalModel | None = None,
) -> Generator[Dependencies]:
    """Yield the dependencies of a local run; close its servers and connections at the end of the block.

    Args:
        folder: The input.
        out: The folder in place of ``DATA_BUCKET``.
        settings: The settings from ``settings_for``.
        today: The day in UTC to which the date placeholders of the sources are relative.
        quota: The quota of the emulator; None: no request is throttled.
        model: The model that responds; None: the emulator's extractor.
    """
    latency = LATENCY_SECONDS if model is None else 0.0
    responder: Responder = extract if model is None else model.responder(settings.read_timeout)
    with (
        SourceServer(folder.sources, today) as sources,
        BedrockEmulator(quota, latency, responder=responder) as emulator,
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
