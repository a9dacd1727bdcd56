"""Batch inference jobs of a client: started, looked at, and collected into the same items as those of the runs.

A job is a folder of the data bucket, `normalized/<client_id>/backfills/<name>/`: what it is about, its input, its
output. Nothing of it is claimed meanwhile, for a job may take days: a run that comes to one of its items does not wait,
and what it was answered first stays.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import re
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import msgspec

from vectora_normalize.backfill.collect_raw import CollectedItems, collect_raw
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
"""What most models ask of a job at the least (a quota of the account, "Minimum number of records per batch")."""

_ENDED: Final = frozenset({"Completed", "PartiallyCompleted", "Failed", "Stopped", "Expired"})
_COUNTED: Final = ("total", "processed", "success", "error")
_TIMEOUT_HOURS: Final = 72  # what Bedrock may take before it gives up; it accepts 24 to 168
_NOT_IN_A_NAME: Final = re.compile(r"[^A-Za-z0-9]+")
_LONGEST_NAME: Final = 63


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """An item of a job.

    Args:
        key: Of its answer, and its name in the job.
        days: The days whose lists it belongs into.
        item: As it was ingested.
    """

    key: str
    days: tuple[dt.date, ...]
    item: RawItem


class InvocationJob(msgspec.Struct, frozen=True, kw_only=True):
    """A job, as it is kept beside its files.

    Args:
        name: Its name, in Bedrock as well.
        client_id: Whose items it is about.
        model_id: Which model is asked.
        records: How many items it has.
        started_at: When it was started.
        arn: What Bedrock calls it; None where it was not started after all.
        collected_at: When its results were collected last; None where they were not.
    """

    name: str
    client_id: str
    model_id: str
    records: int
    started_at: dt.datetime
    arn: str | None = None
    collected_at: dt.datetime | None = None


@dataclass(frozen=True, slots=True)
class Status:
    """What Bedrock says of a job.

    Args:
        job: The job.
        status: Bedrock's word, such as `InProgress`.
        message: Why it failed, where it did.
        counts: Records in all, processed, with success and with error, as far as Bedrock tells.
    """

    job: InvocationJob
    status: str
    message: str = ""
    counts: Mapping[str, int] = field(default_factory=dict[str, int])

    @property
    def ended(self) -> bool:
        """Whether there will be no more results."""
        return self.status in _ENDED


@dataclass(frozen=True, slots=True)
class Collected:
    """What came of a job.

    Args:
        job: The job.
        answered: Items with a usable answer.
        known: Those of them that a run had been answered about meanwhile.
        failed: Items without one, and why: the reason to their number. The next backfill takes them up.
        listed: Rows written, by day.
    """

    job: InvocationJob
    answered: int
    known: int
    failed: Mapping[str, int]
    listed: Mapping[dt.date, int]


class Backfill:
    """The jobs of a client.

    Args:
        client_id: The client.
        settings: The environment.
        config: The configuration bucket.
        data: The data bucket.
        bedrock: A boto3 `bedrock` client.
        now: The instant it is, with its time zone.
        clock: Where time comes from.
    """

    def __init__(
        self,
        client_id: str,
        settings: Settings,
        *,
        config: ObjectStore,
        data: ObjectStore,
        bedrock: Any,  # noqa: ANN401 - boto3 makes its clients at run time
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
        self._answers = ResponseCache(
            data, client_id, run_id="backfill", run_clock=run_clock, attempt_seconds=settings.read_timeout
        )

    def start(
        self, first: dt.date, last: dt.date, *, role_arn: str, sources: Collection[str] | None = None
    ) -> InvocationJob:
        """Start a job about what was ingested in these days and has no answer yet.

        Args:
            first: First day.
            last: Last day, included.
            role_arn: The role that Bedrock takes to read and write the bucket.
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
                f"answer and are in no job; a job needs {MIN_RECORDS}: accepted: a longer period",
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
        """The client's jobs, the oldest first.

        Raises:
            StoreError: The store could not be read.
        """
        keys = [key for key in self._data.list(self._prefix) if key.endswith("/job.json")]
        jobs = [msgspec.json.decode(self._data.get(key), type=InvocationJob) for key in keys]
        return sorted(jobs, key=lambda job: job.started_at)

    def status(self, job: InvocationJob) -> Status:
        """What Bedrock says of a job."""
        if job.arn is None:
            return Status(job, "NotStarted")
        told: Mapping[str, Any] = self._bedrock.get_model_invocation_job(jobIdentifier=job.arn)
        counts = {name: told[f"{name}RecordCount"] for name in _COUNTED if f"{name}RecordCount" in told}
        return Status(job, str(told.get("status", "Unknown")), str(told.get("message", "")), counts)

    def collect(self, job: InvocationJob) -> Collected:
        """Keep the answers of a job and write its items into the lists of their days; again does no harm.

        Raises:
            StoreError: A bucket could not be read or written.
        """
        records = {one.key: one for one in self._records(job)}
        client_context = load_client_context(self._client_id, self._config)
        normalizer = self._normalizer(watchlists_of(client_context.scopes), client_context.client.language)
        rows: dict[dt.date, list[dict[str, Any]]] = defaultdict(list)
        failed: Counter[str] = Counter()
        answered = known = 0
        missing = set(records)
        for result in self._results(job):
            record = records.get(result.record_id)
            if record is None or result.record_id not in missing:
                failed["a line for no record of the job"] += 1
                continue
            missing.discard(result.record_id)
            answer = _answer(result, record, job)
            if answer is None:
                failed[str(result.error).partition(":")[0]] += 1
                continue
            standing = self._answers.put(record.key, answer)
            known += standing != answer
            answered += 1
            row = normalizer.build_item(record.item, standing, origin="store")["item"].to_dict()
            for day in record.days:
                rows[day].append(row)
        if missing:
            failed["no line in the output"] += len(missing)
        for day, of_day in rows.items():
            add_rows(self._data, ObjectKeys(self._client_id, day, job.name).items, of_day)
        done = msgspec.structs.replace(job, collected_at=self._now)
        self._write(done)
        return Collected(done, answered, known, failed, {day: len(of_day) for day, of_day in sorted(rows.items())})

    def _unanswered(self, found: Sequence[CollectedItems], normalizer: Normalizer) -> list[Record]:
        keys = [normalizer.prepare(one.item).key for one in found]
        answers = look_up(self._answers, keys, clock=self._clock)
        taken = self._in_open_jobs()
        return [
            Record(key=key, days=tuple(one.days), item=one.item)
            for one, key, answer in zip(found, keys, answers, strict=True)
            if answer is None and key not in taken
        ]

    def _in_open_jobs(self) -> set[str]:
        """The items of jobs that may still bring answers, or whose answers are not collected yet."""
        unfinished = (job for job in self.jobs() if job.collected_at is None and job.arn is not None)
        open_jobs = (job for job in unfinished if self.status(job).status not in {"Failed", "Stopped", "Expired"})
        return {record.key for job in open_jobs for record in self._records(job)}

    def _create(self, job: InvocationJob, records: Iterable[Record], role_arn: str) -> str:
        uri = f"s3://{self._settings.data_bucket}/{self._key(job, '')}"
        # The same items make the same token: a job that was started without our knowing is not started again.
        token = hashlib.sha256("".join(sorted(record.key for record in records)).encode()).hexdigest()
        answer: Mapping[str, Any] = self._bedrock.create_model_invocation_job(
            jobName=job.name,
            clientRequestToken=token,
            roleArn=role_arn,
            modelId=job.model_id,
            modelInvocationType="Converse",
            inputDataConfig={"s3InputDataConfig": {"s3InputFormat": "JSONL", "s3Uri": f"{uri}input.jsonl"}},
            outputDataConfig={"s3OutputDataConfig": {"s3Uri": f"{uri}output/"}},
            timeoutDurationInHours=_TIMEOUT_HOURS,
        )
        return str(answer["jobArn"])

    def _results(self, job: InvocationJob) -> Iterator[Result]:
        """The lines of all files of the output; Bedrock puts them into a folder named after the job."""
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
            client=None,  # nobody is asked
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
        client = _NOT_IN_A_NAME.sub("-", self._client_id)
        stamp = f"{self._now:%Y%m%d-%H%M%S}"
        return f"{client[: _LONGEST_NAME - len(stamp) - 1].rstrip('-')}-{stamp}"


def _answer(result: Result, record: Record, job: InvocationJob) -> CachedResponse | None:
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
