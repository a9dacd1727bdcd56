"""What a run uses (``Dependencies``), and what belongs to one run only (``Invocation``)."""

from __future__ import annotations

import datetime as dt
import functools
import os
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import msgspec

from bedrock_resilience import Deadline
from bedrock_resilience.clock import SYSTEM_CLOCK
from vectora_normalize.aws_clients import (
    ATTEMPT_SECONDS,
    bedrock_clients,
    make_client,
    make_pace_client,
    make_session,
    store_client,
)
from vectora_normalize.gc_pause import gc_paused
from vectora_normalize.settings import Mode, Pacing
from vectora_normalize.sources.http.addresses import AddressPolicy
from vectora_normalize.sources.http.fetch import Fetcher
from vectora_normalize.storage.expiry import claim_seconds
from vectora_normalize.storage.objects import S3Store

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Mapping

    from bedrock_resilience import Progress
    from bedrock_resilience.clock import Clock
    from bedrock_resilience.pacing import Pacer, PaceStore
    from vectora_normalize.settings import Settings
    from vectora_normalize.sqs import SqsQueue
    from vectora_normalize.storage.objects import ObjectStore

PACE_PREFIX: Final = "normalized/_pace/"
"""Prefix of the shared pace in the data bucket, under which the role of the function may already write. No client id
begins with an underscore.
"""

MARGIN_SECONDS: Final = 10.0
"""Seconds before Lambda kills the process after which nothing begins: items, report and answer must be stored by then,
which takes one or two seconds.
"""


class Dependencies(msgspec.Struct, frozen=True, kw_only=True):
    """What a run uses; the same dependencies serve many runs.

    Args:
        settings: The environment.
        config: The configuration bucket.
        data: The data bucket.
        fetcher: Opens the connections to sources.
        bedrock: A ``bedrock-runtime`` client without retries of its own, with connections for all workers.
        bedrock_for_timeout: Returns such a client whose calls end within that many seconds; None: ``bedrock`` is the
            only client.
        queue: Where a dispatcher sends items; None: items are normalized here.
        dead_letters: Where a worker sends what cannot be normalized.
        pacer: Shared by all calls of this process; None: calls are not paced.
        clock: The monotonic clock. It may provide the threads of the run (``bedrock_resilience.clock.ThreadsClock``).
        rng: The random part of delays and names; None: new ones of the system.
    """

    settings: Settings
    config: ObjectStore
    data: ObjectStore
    fetcher: Fetcher
    bedrock: Any
    bedrock_for_timeout: Callable[[float], Any] | None = None
    queue: SqsQueue | None = None
    dead_letters: SqsQueue | None = None
    pacer: Pacer | None = None
    clock: Clock = SYSTEM_CLOCK
    rng: random.Random | None = None


class Invocation(msgspec.Struct, frozen=True, kw_only=True):
    """What belongs to one run only.

    Args:
        now: When it began, with its time zone.
        request_id: Its id.
        deadline: After it nothing begins; None: there is no limit.
        killed_at: When the process is killed, some time after the deadline; None: it is not killed.
        memory_megabytes: Memory of the function; None outside of Lambda.
        on_progress: Called after each item.
    """

    now: dt.datetime
    request_id: str
    deadline: Deadline | None = None
    killed_at: dt.datetime | None = None
    memory_megabytes: int | None = None
    on_progress: Callable[[Progress], object] | None = None

    @classmethod
    def from_lambda_context(cls, context: Any, *, now: dt.datetime, request_id: str) -> Invocation:  # noqa: ANN401 - Lambda creates its class
        """Return an invocation that ends in time before Lambda kills the process; outside of Lambda it has no limit.

        Args:
            context: Lambda's context; None or anything else outside of Lambda.
            now: The current time.
            request_id: Id of the invocation.
        """
        if not hasattr(context, "get_remaining_time_in_millis"):
            return cls(now=now, request_id=request_id)
        return cls(
            now=now,
            request_id=request_id,
            deadline=Deadline.from_lambda_context(context, MARGIN_SECONDS, attempt=ATTEMPT_SECONDS),
            memory_megabytes=_memory(context),
            killed_at=now + dt.timedelta(milliseconds=context.get_remaining_time_in_millis()),
        )

    def has_time(self, clock: Clock) -> bool:
        """Return whether anything may still begin."""
        return self.deadline is None or self.deadline.allows(clock.monotonic())


def _memory(context: Any) -> int | None:  # noqa: ANN401 - as above
    """Return the memory of the function in MB; Lambda states it as text."""
    memory = str(getattr(context, "memory_limit_in_mb", ""))
    return int(memory) if memory.isdecimal() else None


@functools.lru_cache(maxsize=1)
def aws_dependencies(settings: Settings) -> Dependencies:
    """Return the dependencies of a run on AWS; made once a process. The command line runs on the same ones."""
    with gc_paused():
        session = make_session()
        s3 = store_client(session, settings, within=claim_seconds(settings.read_timeout, S3Store.clock_skew))
        bedrock = bedrock_clients(session, settings)
        queue, dead_letters = _make_queues(session, settings)
        pacer = make_pacer(settings, session)
    return Dependencies(
        settings=settings,
        config=S3Store(s3, settings.config_bucket),
        data=S3Store(s3, settings.data_bucket),
        fetcher=Fetcher(
            addresses=AddressPolicy.from_setting(
                allow_private_sources=settings.allow_private_sources, blocked=runtime_endpoints(os.environ)
            )
        ),
        bedrock=bedrock.default,
        bedrock_for_timeout=bedrock.for_timeout,
        queue=queue,
        dead_letters=dead_letters,
        pacer=pacer,
    )


def runtime_endpoints(environ: Mapping[str, str]) -> tuple[str, ...]:
    """Return the endpoints of the function's own machine that no source may be, as ``host:port``.

    Lambda's runtime API serves the events of the function and accepts its answers; with SnapStart, a server on the same
    machine has the credentials of the role.

    Args:
        environ: The environment, such as ``os.environ``.
    """
    credentials = urlsplit(environ.get("AWS_CONTAINER_CREDENTIALS_FULL_URI", "")).netloc
    return tuple(filter(None, (environ.get("AWS_LAMBDA_RUNTIME_API", ""), credentials)))


def make_pacer(settings: Settings, session: Any = None) -> Pacer | None:  # noqa: ANN401 - botocore's
    """Return a new pacer as the settings say; None if they say not to pace.

    Args:
        settings: The environment.
        session: A session of botocore, for the client of a pace that instances share.
    """
    if settings.pacing in {Pacing.AUTO, Pacing.SHARED}:
        return _shared_pacer(settings, session)
    if settings.pacing is Pacing.ADAPTIVE:
        from bedrock_resilience.pacing import AdaptivePacer  # noqa: PLC0415 - not every function needs it

        return AdaptivePacer()
    if settings.pacing is Pacing.QUOTA and settings.quota is not None:
        from bedrock_resilience.pacing import QuotaPacer  # noqa: PLC0415 - not every function needs it

        return QuotaPacer(settings.quota)
    return None


def _shared_pacer(settings: Settings, session: Any) -> Pacer:  # noqa: ANN401 - botocore's
    from bedrock_resilience.pacing import DynamoPaceStore, S3PaceStore, SharedPacer  # noqa: PLC0415 - as above
    from bedrock_resilience.quotas import burndown_rate  # noqa: PLC0415 - as above

    if settings.pacing is Pacing.SHARED and settings.pace_table is not None:
        client = make_pace_client(session, "dynamodb", settings)
        store: PaceStore = DynamoPaceStore(settings.pace_table, client=client)
    else:
        store = S3PaceStore(settings.data_bucket, PACE_PREFIX, client=make_pace_client(session, "s3", settings))
    return SharedPacer(
        store,
        f"{settings.region}/{settings.model_id}",
        settings.quota,
        instance=os.environ.get("AWS_LAMBDA_LOG_STREAM_NAME", ""),
        burndown=burndown_rate(settings.model_id),
    )


def _make_queues(session: Any, settings: Settings) -> tuple[SqsQueue | None, SqsQueue | None]:  # noqa: ANN401 - botocore's
    """Return the queue of a dispatcher and the dead-letter queue of a worker, if the settings name them."""
    urls = (settings.queue_url if settings.mode is Mode.QUEUE else None, settings.dead_letter_queue_url)
    if not any(urls):
        return None, None
    from vectora_normalize.sqs import SqsQueue  # noqa: PLC0415 - not every function needs it

    sqs = make_client(session, "sqs", settings)
    queue, dead_letters = (SqsQueue(sqs, url) if url else None for url in urls)
    return queue, dead_letters
