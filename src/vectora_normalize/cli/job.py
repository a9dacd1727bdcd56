"""Runs the job of a command line: the same steps as in Lambda, on AWS or on this machine."""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import msgspec

from bedrock_resilience.clock import SYSTEM_CLOCK
from bedrock_resilience.quotas import Quota
from vectora_normalize import contract
from vectora_normalize.contract import ErrorType, RunRefusedError
from vectora_normalize.local.model import find_model
from vectora_normalize.local.run import LocalFolder, local_dependencies, settings_for
from vectora_normalize.pipeline import Dependencies, Invocation, run
from vectora_normalize.settings import Pacing, Settings

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Generator, Mapping

    from bedrock_resilience import Progress
    from bedrock_resilience.clock import Clock
    from vectora_normalize.pipeline.summary import RunSummary


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """The options of ``vectora-normalize run``.

    Args:
        local: The folder of a local run; None: the run is on AWS.
        event: A file with an event; the options below take precedence over it.
        client: ``client_id`` of the event.
        period_days: As in the event.
        sources: As in the event.
        workers: Calls in flight at the same time; None: the number that the environment sets.
        out: The folder for the results of a local run; None: ``out/<client_id>``.
        rpm: Requests per minute that the emulator of a local run admits; None: any number.
        dry_run: As in the event.
        model: Address of a server of OpenAI's chat completions that responds in a local run; None: the extractor does.
        model_name: The name of the model on that server; None: the first of its list.
    """

    local: Path | None = None
    event: Path | None = None
    client: str | None = None
    period_days: int | None = None
    sources: tuple[str, ...] | None = None
    workers: int | None = None
    out: Path | None = None
    rpm: int | None = None
    dry_run: bool = False
    model: str | None = None
    model_name: str | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of a job.

    Args:
        answer: The answer of the Lambda.
        summary: The summary of the run; None if it was refused before it began.
        files: One line for each written object: what it is, and its path or S3 URL.
    """

    answer: Mapping[str, Any]
    summary: RunSummary | None = None
    files: tuple[str, ...] = ()

    @property
    def status(self) -> int:
        """The ``statusCode`` of the answer."""
        return int(self.answer["statusCode"])


def run_job(
    job: Job,
    environ: Mapping[str, str],
    *,
    now: dt.datetime,
    request_id: str,
    on_progress: Callable[[Progress], object] | None = None,
    clock: Clock = SYSTEM_CLOCK,
) -> Outcome:
    """Run a job, and return its outcome.

    Args:
        job: The options.
        environ: The environment, such as ``os.environ``.
        now: The start of the run, with its time zone.
        request_id: Id of the run.
        on_progress: Called after each item.
        clock: Measures the duration of a refused run.

    Raises:
        StoreError: A bucket or folder could not be read or written.
        BatchInterrupted: Ctrl-C was pressed; what was normalized is stored.
        Exception: A programming error, or an error of the AWS configuration.
    """
    started = clock.monotonic()
    event: object = {}
    try:
        event = _event(job)
        request = contract.parse_event(event, today=now.date())
        with _dependencies(job, environ, client_id=request.client_id, now=now) as dependencies:
            invocation = Invocation(now=now, request_id=request_id, on_progress=on_progress)
            summary = run(request, dependencies, invocation)
            bucket = dependencies.settings.data_bucket if job.local else f"s3://{dependencies.settings.data_bucket}"
            return Outcome(summary.answer(), summary, _files(summary, bucket))
    except RunRefusedError as refusal:
        client_id = contract.readable_client_id(event)
        return Outcome(contract.refused(refusal, client_id=client_id, seconds=clock.monotonic() - started))


def _files(summary: RunSummary, bucket: str) -> tuple[str, ...]:
    keys = {"items": summary.items_key, "report": summary.report_key}
    return tuple(f"{name:<14}  {bucket}/{key}" for name, key in keys.items() if key is not None)


def _event(job: Job) -> object:
    event: object = {} if job.event is None else _read_event(job.event)
    if not isinstance(event, dict):
        return event  # parse_event refuses it
    given = {"client_id": job.client, "period_days": job.period_days, "sources": job.sources and list(job.sources)}
    given["dry_run"] = job.dry_run or None
    merged = {**cast("dict[str, object]", event), **{name: value for name, value in given.items() if value is not None}}
    if job.local is not None and merged.get("client_id") is None:
        LocalFolder(job.local).check()
        merged["client_id"] = LocalFolder(job.local).only_client()
    return merged


def _read_event(file: Path) -> object:
    try:
        event: object = json.loads(file.read_bytes())
    except OSError as error:
        raise RunRefusedError(
            ErrorType.INVALID_EVENT, f"--event: {str(file)!r} cannot be read: {error.strerror}"
        ) from None
    except ValueError as error:
        raise RunRefusedError(ErrorType.INVALID_EVENT, f"--event: {str(file)!r} is not JSON: {error}") from None
    return event


@contextlib.contextmanager
def _dependencies(job: Job, environ: Mapping[str, str], *, client_id: str, now: dt.datetime) -> Generator[Dependencies]:
    if job.local is None:
        yield _aws_dependencies(job, environ)
        return
    folder = LocalFolder(job.local)
    folder.check()
    out = job.out or Path("out") / client_id
    if job.model_name is not None and job.model is None:
        raise RunRefusedError(
            ErrorType.INVALID_CONFIGURATION, "--model-name: got it without --model; accepted: beside it"
        )
    model = None if job.model is None else find_model(job.model, job.model_name)
    settings = settings_for(folder, out, environ, workers=job.workers, model=model)
    quota = None if job.rpm is None else Quota(requests_per_minute=job.rpm)
    with local_dependencies(folder, out, settings, today=now.date(), quota=quota, model=model) as dependencies:
        yield (
            dependencies
            if settings.pacing is Pacing.NONE
            else msgspec.structs.replace(dependencies, pacer=_pacer(settings))
        )


def _aws_dependencies(job: Job, environ: Mapping[str, str]) -> Dependencies:
    options = {"--out": job.out, "--rpm": job.rpm, "--model": job.model, "--model-name": job.model_name}
    local_only = [option for option, value in options.items() if value is not None]
    if local_only:
        raise RunRefusedError(
            ErrorType.INVALID_CONFIGURATION,
            f"{' and '.join(local_only)}: got it without --local; accepted: beside --local",
        )
    from vectora_normalize.pipeline.dependencies import aws_dependencies  # noqa: PLC0415 - a local run does not need it

    settings = Settings.from_env(environ)
    return aws_dependencies(
        settings if job.workers is None else msgspec.structs.replace(settings, max_workers=job.workers)
    )


def _pacer(settings: Settings) -> Any:  # noqa: ANN401 - a Pacer; see the import
    from vectora_normalize.pipeline.dependencies import make_pacer  # noqa: PLC0415 - as above

    return make_pacer(settings)
