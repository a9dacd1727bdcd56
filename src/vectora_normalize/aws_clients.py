"""What both functions need of AWS: clients made once a process, and what Lambda's context says about time."""

from __future__ import annotations

import contextlib
import datetime as dt
import functools
import gc
import importlib
import os
import threading
from typing import TYPE_CHECKING, Any, Final

from bedrock_resilience.bedrock._client import DEFAULT_CONNECT_TIMEOUT, bedrock_runtime_client
from bedrock_resilience.retrying._deadline import Deadline
from vectora_normalize.pipeline import Parts
from vectora_normalize.settings import Mode, Pacing
from vectora_normalize.sources.http.addresses import AddressPolicy
from vectora_normalize.sources.http.fetch import Fetcher
from vectora_normalize.storage.objects import S3Store

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from bedrock_resilience.pacing import Pacer
    from vectora_normalize.sessions import Session
    from vectora_normalize.settings import Settings
    from vectora_normalize.sqs import SqsQueue

ATTEMPT_SECONDS: Final = 20.0
"""What one answer is expected to take; an attempt is not begun with less time left. 1,000 tokens take about 20 s."""

MARGIN_SECONDS: Final = 10.0
"""Lambda kills without a word: items, report and answer must be out before. Storing takes one or two seconds."""

_LEAST_PATIENCE: Final = ATTEMPT_SECONDS - DEFAULT_CONNECT_TIMEOUT
# All that look up, claim and keep answers share the pool; a connection is opened when it is needed.
_S3_CONNECTIONS: Final = 64


class TimeoutClientPool:
    """Bedrock clients that differ in how long they wait for an answer.

    botocore has no timeout for a single call, and the process may have less time left than a client waits: a call that
    hangs would then outlive it, and with it the run's results. So the last calls of a run are made with a client of
    less patience. A client costs some milliseconds and a connection; most runs never need a second one.

    Args:
        make: Makes a client with that read timeout, in seconds.
        longest: Of the client that calls are usually made with, in seconds.
    """

    def __init__(self, make: Callable[[float], Any], longest: float) -> None:
        self._make = make
        self._lock = threading.Lock()  # clients are made with a session, and those are not for several threads
        self._clients: dict[float, Any] = {}
        steps = [longest]
        while steps[-1] / 2 >= _LEAST_PATIENCE:
            steps.append(steps[-1] / 2)
        if steps[-1] > _LEAST_PATIENCE:
            steps.append(_LEAST_PATIENCE)
        self._steps = tuple(steps)
        self.usual = self.within(float("inf"))

    def within(self, seconds: float) -> Any:  # noqa: ANN401 - boto3 makes its clients at run time
        """The most patient client whose calls end within so many seconds; the least patient one where none does."""
        fitting = (step for step in self._steps if step + DEFAULT_CONNECT_TIMEOUT <= seconds)
        patience = next(fitting, self._steps[-1])
        with self._lock:
            if patience not in self._clients:
                self._clients[patience] = self._make(patience)
            return self._clients[patience]

    def close(self) -> None:
        """Close their connections."""
        with self._lock:
            for client in self._clients.values():
                client.close()


def load_sdk() -> None:
    """Import what clients are made with.

    A function does so when it is loaded, before there is an event: Lambda may start an instance ahead of its first one,
    and does not count the start in the function's timeout.
    """
    with _nothing_collected():
        importlib.import_module("vectora_normalize.sessions")


@functools.lru_cache(maxsize=1)
def aws_parts(settings: Settings) -> Parts:
    """What a run touches in AWS; made once a process. The command line runs on the same parts."""
    with _nothing_collected():
        from vectora_normalize.sessions import Session  # noqa: PLC0415 - the command line may not need it

        session = Session()  # one for all: the first client of a session costs it ten times what the next does
        s3 = _client(session, "s3", settings)
        bedrock = TimeoutClientPool(
            lambda patience: bedrock_runtime_client(
                settings.region, workers=settings.max_workers, read_timeout=patience, session=session
            ),
            settings.read_timeout,
        )
        queue, dead_letters = _queues(session, settings)
    return Parts(
        settings=settings,
        config=S3Store(s3, settings.config_bucket),
        data=S3Store(s3, settings.data_bucket),
        fetcher=Fetcher(addresses=AddressPolicy.from_setting(allow_private_sources=settings.allow_private_sources)),
        bedrock=bedrock.usual,
        bedrock_within=bedrock.within,
        queue=queue,
        dead_letters=dead_letters,
        pacer=make_pacer(settings),
    )


@contextlib.contextmanager
def _nothing_collected() -> Generator[None]:
    """No garbage is looked for meanwhile, and never among what was made: that stays as long as the process.

    botocore's description of S3 is some 100,000 objects. Python would go through all of them every few thousand objects
    more, which is a tenth of a cold start.
    """
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if collects:
            gc.enable()


def _queues(session: Session, settings: Settings) -> tuple[SqsQueue | None, SqsQueue | None]:
    """The queue of a dispatcher and the dead letters of a worker, where the settings name them."""
    urls = (settings.queue_url if settings.mode is Mode.QUEUE else None, settings.dead_letter_queue_url)
    if not any(urls):
        return None, None
    from vectora_normalize.sqs import SqsQueue  # noqa: PLC0415 - for whom it is asked for

    sqs = _client(session, "sqs", settings)
    queue, dead_letters = (SqsQueue(sqs, url) if url else None for url in urls)
    return queue, dead_letters


def make_pacer(settings: Settings) -> Pacer | None:
    """The pacer that the settings ask for, with nothing learned yet."""
    if settings.pacing is Pacing.ADAPTIVE:
        from bedrock_resilience.pacing import AdaptivePacer  # noqa: PLC0415 - for whom it is asked for

        return AdaptivePacer()
    if settings.pacing is Pacing.QUOTA and settings.quota is not None:
        from bedrock_resilience.pacing import QuotaPacer  # noqa: PLC0415 - as above

        return QuotaPacer(settings.quota)
    return None


def bedrock_control_client(settings: Settings) -> Any:  # noqa: ANN401 - as above
    """A client of Bedrock's control plane, which starts batch inference jobs."""
    from vectora_normalize.sessions import Session  # noqa: PLC0415 - as above

    return _client(Session(), "bedrock", settings, region=settings.region)


def deadline_of(context: Any) -> Deadline | None:  # noqa: ANN401 - Lambda makes it
    """When an invocation must stop to begin anything; None outside of Lambda."""
    if not hasattr(context, "get_remaining_time_in_millis"):
        return None
    return Deadline.from_lambda_context(context, MARGIN_SECONDS, attempt=ATTEMPT_SECONDS)


def killed_at(context: Any, now: dt.datetime) -> dt.datetime | None:  # noqa: ANN401 - as above
    """When Lambda kills the process at the latest; None outside of Lambda.

    Args:
        context: Lambda's context.
        now: The instant it is.
    """
    if not hasattr(context, "get_remaining_time_in_millis"):
        return None
    return now + dt.timedelta(milliseconds=context.get_remaining_time_in_millis())


def _client(session: Session, service: str, settings: Settings, *, region: str | None = None) -> Any:  # noqa: ANN401 - boto3 makes it
    """A client with the retries of its own that botocore's standard mode has; all but the runtime charge nothing."""
    from botocore.config import Config  # noqa: PLC0415 - as above

    config = Config(retries={"mode": "standard", "total_max_attempts": 4}, max_pool_connections=_S3_CONNECTIONS)
    # The buckets and queues lie where the function does; Bedrock may be asked elsewhere.
    region = region or os.environ.get("AWS_REGION") or settings.region
    return session.client(service, region_name=region, config=config)
