"""Batch inference jobs of a client: starts them, reads their state, and adds their results to the items of the runs.

A job is a folder of the data bucket, ``normalized/<client_id>/backfills/<name>/``, with its records, its input and its
output. Its items are not claimed, because a job may take days. A run that has one of them sends a request, and the
response that is stored first is used from then on.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import re
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import msgspec

from vectora_normalize.backfill.collect_raw import CollectedItem, collect_raw
from vectora_normalize.backfill.records import input_line, read_output
from vectora_normalize.contract import ErrorType, RunRefusedError
from vectora_normalize.items import RawItem  # noqa: TC001 - msgspec reads the annotations when it is first used
from vectora_normalize.normalize.extraction import watchlists_of
from vectora_normalize.normalize.normalizer import Normalizer
from vectora_normalize.normalize.prompt import build_text_request
from vectora_normalize.normalize.response_cache import CachedResponse, ResponseCache, look_up
from vectora_normalize.pipeline.keys import ObjectKeys, add_rows, to_json
from vectora_normalize.pipeline.plan import load_client_context
from vectora_normalize.storage.expiry import RunClock
from vectora_normalize.storage.objects import NotFoundError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from bedrock_resilience.clock import Clock
    from vectora_normalize.backfill.records import Result
    from vectora_normalize.normalize.extraction import Watchlists
    from vectora_normalize.settings import Settings
    from vectora_normalize.storage.objects import ObjectStore

MIN_RECORDS: Final = 100
"""The least number of records that a job may have, for most models (the account's quota "Minimum number of records per
batch inference job")."""

_ENDED: Final = frozenset({"Completed", "PartiallyCompleted", "Failed", "Stopped", "Expired"})
_COUNTED: Final = ("total", "processed", "success", "error")
_TIMEOUT_HOURS: Final = 72  # hours after which Bedrock ends the job; it accepts 24 to 168
_UNSAFE_IN_NAME: Final = re.compile(r"[^A-Za-z0-9]+")
_MAX_NAME_CHARACTERS: Final = 63  # of a job


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """An item of a job.

    Args:
        key: Key of its request and response, and its id in the job.
        days: The days to whose lists it is added.
        item: The item as it was ingested.
    """

    key: str
    days: tuple[dt.date, ...]
    item: RawItem


class InvocationJob(msgspec.Struct, frozen=True, kw_only=True):
    """A job, as it is stored beside its files.

    Args:
        name: Its name, in Bedrock as well.
        client_id: The client of its items.
        model_id: The model.
        records: Number of its items.
        started_at: When it was started.
        arn: Its ARN; None if Bedrock did not start it.
        collected_at: When its results were last collected; None if they were not.
    """

    name: str
    client_id: str
    model_id: str
    records: int
    started_at: dt.datetime
    arn: str | None = None
    collected_at: dt.datetime | None = None


@dataclass(frozen=True, slots=True)
class JobStatus:
    """The state of a job, as Bedrock describes it.

    Args:
        job: The job.
        status: The status, such as ``InProgress``.
        message: The reason of a failure.
        counts: Numbers of records: ``total``, ``processed``, ``success``, ``error``, as far as Bedrock reports them.
    """

    job: InvocationJob
    status: str
    message: str = ""
    counts: Mapping[str, int] = field(default_factory=dict[str, int])

    @property
    def ended(self) -> bool:
        """Whether no further results follow."""
        return self.status in _ENDED


@dataclass(frozen=True, slots=True)
class CollectResult:
    """The results of a job.

    Args:
        job: The job.
        answered: Number of items with a usable response.
        answered_before: Those of them for which a run had stored a response in the meantime; that response is used.
        failed: Reason to number of items, for those without a usable response. The next backfill includes them again.
        written: Day to number of rows written.
    """

    job: InvocationJob
    answered: int
    answered_before: int
    failed: Mapping[str, int]
    written: Mapping[dt.date, int]


class Backfill:
    """The jobs of a client.

    Args:
        client_id: The client.
        settings: The environment.
        config: The configuration bucket.
        data: The data bucket.
        bedrock: A boto3 ``bedrock`` client.
        now: The current time, with its time zone.
        clock: The monotonic clock.
    """

    def __init__(
        self,
        client_id: str,
        settings: Settings,
        *,
        config: ObjectStore,
        data: ObjectStore,
        bedrock: Any,  # noqa: ANN401 - boto3 creates client classes at run time
        now: dt.datetime,
        clock: Clock,
    ) -> None:
        self._client_id = client_id
        self._settings = settings
        self._config = config
        self._data = data
        self._bedrock = bedrock
        self._now = now
        self._clock = clock
        self._prefix = f"normalized/{client_id}/backfills/"
        run_clock = RunClock(now, clock)
        self._cache = ResponseCache(
            data, client_id, run_id="backfill", run_clock=run_clock, attempt_seconds=settings.read_timeout
        )

    def start(
        self, first: dt.date, last: dt.date, *, role_arn: str, sources: Collection[str] | None = None
    ) -> InvocationJob:
        """Start a job for the items that were ingested in a period and have no response yet.

        Args:
            first: First day.
            last: Last day, included.
            role_arn: The role that Bedrock assumes to read and write the bucket.
            sources: Source keys; None: all.

        Raises:
            RunRefusedError: There are too few items, or the client or its configuration is wrong.
            StoreError: A bucket could not be read or written.
        """
        client_context = load_client_context(self._client_id, self._config)
        watchlists, language = watchlists_of(client_context.scopes), client_context.client.language
        found = collect_raw(self._data, self._client_id, first=first, last=last, sources=sources)
        records = self._unanswered(found, self._normalizer(watchlists, language))
        if len(records) < MIN_RECORDS:
            raise RunRefusedError(
                ErrorType.INVALID_EVENT,
                f"backfill: {len(found)} items were ingested from {first} to {last}, {len(records)} of them have no "
                f"response and are in no job; accepted: a period with at least {MIN_RECORDS} of these",
            )
        job = InvocationJob(
            name=self._name(),
            client_id=self._client_id,
            model_id=self._settings.model_id,
            records=len(records),
            started_at=self._now,
        )
        lines = (input_line(one.key, build_text_request(one.item, watchlists, language=language)) for one in records)
        self._data.put(self._key(job, "records.json"), msgspec.json.encode(records))
        self._data.put(self._key(job, "input.jsonl"), b"".join(lines))
        self._write(job)
        started = msgspec.structs.replace(job, arn=self._create(job, records, role_arn))
        self._write(started)
        return started

    def jobs(self) -> list[InvocationJob]:
        """Return the client's jobs, the oldest first.

        Raises:
            StoreError: The store could not be read.
        """
        keys = [key for key in self._data.list(self._prefix) if key.endswith("/job.json")]
        jobs = [msgspec.json.decode(self._data.get(key), type=InvocationJob) for key in keys]
        return sorted(jobs, key=lambda job: job.started_at)

    def status(self, job: InvocationJob) -> JobStatus:
        """Return the state of a job."""
        if job.arn is None:
            return JobStatus(job, "NotStarted")
        response: Mapping[str, Any] = self._bedrock.get_model_invocation_job(jobIdentifier=job.arn)
        counts = {name: response[f"{name}RecordCount"] for name in _COUNTED if f"{name}RecordCount" in response}
        return JobStatus(job, str(response.get("status", "Unknown")), str(response.get("message", "")), counts)

    def collect(self, job: InvocationJob) -> CollectResult:
        """Store the responses of a job and add its items to the lists of their days. It may be repeated.

        Raises:
            StoreError: A bucket could not be read or written.
        """
        records = {one.key: one for one in self._records(job)}
        client_context = load_client_context(self._client_id, self._config)
        normalizer = self._normalizer(watchlists_of(client_context.scopes), client_context.client.language)
        rows: dict[dt.date, list[dict[str, Any]]] = defaultdict(list)
        failed: Counter[str] = Counter()
        answered = answered_before = 0
        missing = set(records)
        for result in self._results(job):
            record = records.get(result.record_id)
            if record is None or result.record_id not in missing:
                failed["a line without a record of the job"] += 1
                continue
            missing.discard(result.record_id)
            response = _response(result, record, job)
            if response is None:
                failed[str(result.error).partition(":")[0]] += 1
                continue
            stored = self._cache.put(record.key, response)
            answered_before += stored != response
            answered += 1
            row = normalizer.build_item(record.item, stored, origin="store")["item"].to_dict()
            for day in record.days:
                rows[day].append(row)
        if missing:
            failed["no line in the output"] += len(missing)
        for day, of_day in rows.items():
            add_rows(self._data, ObjectKeys(self._client_id, day, job.name).items, of_day)
        done = msgspec.structs.replace(job, collected_at=self._now)
        self._write(done)
        written = {day: len(of_day) for day, of_day in sorted(rows.items())}
        return CollectResult(done, answered, answered_before, failed, written)

    def _unanswered(self, found: Sequence[CollectedItem], normalizer: Normalizer) -> list[Record]:
        keys = [normalizer.prepare(one.item).key for one in found]
        responses = look_up(self._cache, keys, clock=self._clock)
        in_open_jobs = self._keys_in_open_jobs()
        return [
            Record(key=key, days=tuple(one.days), item=one.item)
            for one, key, response in zip(found, keys, responses, strict=True)
            if response is None and key not in in_open_jobs
        ]

    def _keys_in_open_jobs(self) -> set[str]:
        """Return the keys of the items in jobs that are running or whose results are not collected yet."""
        unfinished = (job for job in self.jobs() if job.collected_at is None and job.arn is not None)
        open_jobs = (job for job in unfinished if self.status(job).status not in {"Failed", "Stopped", "Expired"})
        return {record.key for job in open_jobs for record in self._records(job)}

    def _create(self, job: InvocationJob, records: Iterable[Record], role_arn: str) -> str:
        uri = f"s3://{self._settings.data_bucket}/{self._key(job, '')}"
        # The same items give the same token, so that a job is not started twice if the first response was lost.
        token = hashlib.sha256("".join(sorted(record.key for record in records)).encode()).hexdigest()
        response: Mapping[str, Any] = self._bedrock.create_model_invocation_job(
            jobName=job.name,
            clientRequestToken=token,
            roleArn=role_arn,
            modelId=job.model_id,
            modelInvocationType="Converse",
            inputDataConfig={"s3InputDataConfig": {"s3InputFormat": "JSONL", "s3Uri": f"{uri}input.jsonl"}},
            outputDataConfig={"s3OutputDataConfig": {"s3Uri": f"{uri}output/"}},
            timeoutDurationInHours=_TIMEOUT_HOURS,
        )
        return str(response["jobArn"])

    def _results(self, job: InvocationJob) -> Iterator[Result]:
        """Yield the lines of all output files; Bedrock writes them to a folder named after the job."""
        for key in self._data.list(self._key(job, "output/")):
            if key.endswith(".jsonl.out"):
                yield from read_output(self._data.get(key))

    def _records(self, job: InvocationJob) -> list[Record]:
        try:
            return msgspec.json.decode(self._data.get(self._key(job, "records.json")), type=list[Record])
        except NotFoundError:
            return []

    def _normalizer(self, watchlists: Watchlists, language: str) -> Normalizer:
        return Normalizer(
            client=None,  # no request is sent here
            model_id=self._settings.model_id,
            watchlists=watchlists,
            ingested_at=self._now,
            language=language,
        )

    def _write(self, job: InvocationJob) -> None:
        self._data.put(self._key(job, "job.json"), to_json(job))

    def _key(self, job: InvocationJob, name: str) -> str:
        return f"{self._prefix}{job.name}/{name}"

    def _name(self) -> str:
        client = _UNSAFE_IN_NAME.sub("-", self._client_id)
        stamp = f"{self._now:%Y%m%d-%H%M%S}"
        return f"{client[: _MAX_NAME_CHARACTERS - len(stamp) - 1].rstrip('-')}-{stamp}"


def _response(result: Result, record: Record, job: InvocationJob) -> CachedResponse | None:
    if result.extraction is None:
        return None
    return CachedResponse(
        extraction=result.extraction,
        usage=dict(result.usage or {}),
        ingested_at=dt.datetime.combine(record.days[0], dt.time(tzinfo=dt.UTC)),
        model_id=job.model_id,
        run_id=job.name,
        content_hash=record.item.content_hash,
        url=record.item.url,
    )
