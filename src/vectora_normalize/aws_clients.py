"""Clients of AWS, made once a process, from one session.

They are made with botocore alone. boto3 returns the same clients. What it adds, resources and file transfers, is not
used here, and its import takes a tenth of a bare handler's cold start.
"""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Any, Final

from bedrock_resilience import bedrock_runtime_client
from bedrock_resilience.bedrock import DEFAULT_CONNECT_TIMEOUT

if TYPE_CHECKING:
    from collections.abc import Callable

    from vectora_normalize.settings import Settings

ATTEMPT_SECONDS: Final = 20.0
"""Seconds that one response takes, 1,000 tokens about 20; no attempt begins with less time left."""

_MIN_READ_TIMEOUT_SECONDS: Final = ATTEMPT_SECONDS - DEFAULT_CONNECT_TIMEOUT
# S3 answers within a fraction of a second. A request that hangs is abandoned early and repeated, so that all attempts
# at one operation take less time than a claim lasts.
_STORE_CONNECT_SECONDS: Final = 1.0
_STORE_READ_SECONDS: Final = 4.0
_MAX_STORE_ATTEMPTS: Final = 4
# botocore's standard mode waits up to 1, 2, 4 ... s before a retry, or up to so much longer if the service says so.
_MAX_RETRY_AFTER_SECONDS: Final = 5.0
# All threads that look up, claim and store responses share the pool; a connection is opened when it is needed.
_MAX_CONNECTIONS: Final = 64
# S3 and DynamoDB answer within 50 ms; a Lambda with a fraction of a processor needs longer for its first TLS handshake.
_PACE_TIMEOUT_SECONDS: Final = 1.0


class TimeoutClientPool:
    """Bedrock clients that differ in their read timeout.

    botocore has no timeout for a single call. The process may have less time left than a client waits: a call that
    hangs would then outlive it, and the results of the run would be lost. The last calls of a run are therefore made
    with a client that has a shorter timeout. A client costs some milliseconds and a connection; most runs require one
    only.

    Args:
        make: Makes a client with that read timeout, in seconds.
        max_read_timeout: Read timeout of the default client, in seconds.

    Attributes:
        default: The client with the longest timeout.
    """

    def __init__(self, make: Callable[[float], Any], max_read_timeout: float) -> None:
        self._make = make
        self._lock = threading.Lock()  # clients are made with a session, which is not thread-safe
        self._clients: dict[float, Any] = {}
        timeouts = [max_read_timeout]
        while timeouts[-1] / 2 >= _MIN_READ_TIMEOUT_SECONDS:
            timeouts.append(timeouts[-1] / 2)
        if timeouts[-1] > _MIN_READ_TIMEOUT_SECONDS:
            timeouts.append(_MIN_READ_TIMEOUT_SECONDS)
        self._timeouts = tuple(timeouts)
        self.default = self.for_timeout(float("inf"))

    def for_timeout(self, seconds: float) -> Any:  # noqa: ANN401 - botocore creates client classes at run time
        """Return the client with the longest timeout whose calls end within that many seconds.

        If no client has such a timeout, return the one with the shortest.
        """
        fitting = (timeout for timeout in self._timeouts if timeout + DEFAULT_CONNECT_TIMEOUT <= seconds)
        read_timeout = next(fitting, self._timeouts[-1])
        with self._lock:
            if read_timeout not in self._clients:
                self._clients[read_timeout] = self._make(read_timeout)
            return self._clients[read_timeout]

    def close(self) -> None:
        """Close the connections of all clients."""
        with self._lock:
            for client in self._clients.values():
                client.close()


def make_session() -> Any:  # noqa: ANN401 - botocore has no types of its own
    """Return a session of botocore. It is not thread-safe.

    One serves all clients: the first client of a session takes ten times as long as others.
    """
    import botocore.session  # noqa: PLC0415 - a local run does not need botocore

    return botocore.session.get_session()


def make_client(session: Any, service: str, settings: Settings, *, region: str | None = None) -> Any:  # noqa: ANN401 - botocore creates client classes at run time
    """Return a client with the retries of botocore's standard mode, for services that charge nothing for a retry.

    Args:
        session: As ``make_session`` returns it.
        service: Name of the service, such as ``s3``.
        settings: The environment.
        region: Region of the service; None: that of the function, its buckets and its queues.
    """
    from botocore.config import Config  # noqa: PLC0415 - a local run does not need botocore

    config = Config(retries={"mode": "standard", "total_max_attempts": 4}, max_pool_connections=_MAX_CONNECTIONS)
    region = region or os.environ.get("AWS_REGION") or settings.region
    return session.create_client(service, region_name=region, config=config)


def store_client(session: Any, settings: Settings, *, within: float) -> Any:  # noqa: ANN401 - as above
    """Return an ``s3`` client whose operations end within a time, with their retries.

    A reply that arrives after a claim has expired says nothing about the claim. (A body that arrives byte by byte may
    take longer: the limit holds for each read from the connection.)

    Args:
        session: As ``make_session`` returns it.
        settings: The environment.
        within: How long a claim lasts, in seconds.
    """
    from botocore.config import Config  # noqa: PLC0415 - a local run does not need botocore

    config = Config(
        connect_timeout=_STORE_CONNECT_SECONDS,
        read_timeout=_STORE_READ_SECONDS,
        retries={"mode": "standard", "total_max_attempts": store_attempts(within)},
        max_pool_connections=_MAX_CONNECTIONS,
    )
    return session.create_client("s3", region_name=os.environ.get("AWS_REGION") or settings.region, config=config)


def store_attempts(within: float) -> int:
    """Return how many attempts at an operation of S3 fit into a time in seconds; at least one, at most four."""
    fitting = (attempts for attempts in range(_MAX_STORE_ATTEMPTS, 0, -1) if max_store_seconds(attempts) <= within)
    return next(fitting, 1)


def max_store_seconds(attempts: int) -> float:
    """Return how long an operation of S3 takes at most, with so many attempts and the backoff between them."""
    backoff = 2.0 ** (attempts - 1) - 1 + _MAX_RETRY_AFTER_SECONDS * (attempts - 1)
    return attempts * (_STORE_CONNECT_SECONDS + _STORE_READ_SECONDS) + backoff


def make_pace_client(session: Any, service: str, settings: Settings) -> Any:  # noqa: ANN401 - as above
    """Return a client for the shared pace, with short timeouts: requests wait for it, and can continue without it."""
    from botocore.config import Config  # noqa: PLC0415 - a local run does not need botocore

    config = Config(
        connect_timeout=_PACE_TIMEOUT_SECONDS,
        read_timeout=_PACE_TIMEOUT_SECONDS,
        retries={"mode": "standard", "total_max_attempts": 1},
    )
    return session.create_client(service, region_name=os.environ.get("AWS_REGION") or settings.region, config=config)


def bedrock_clients(session: Any, settings: Settings) -> TimeoutClientPool:  # noqa: ANN401 - as above
    """Return the ``bedrock-runtime`` clients, without retries of their own and with connections for all workers."""
    return TimeoutClientPool(
        lambda read_timeout: bedrock_runtime_client(
            settings.region, workers=settings.max_workers, read_timeout=read_timeout, session=session
        ),
        settings.read_timeout,
    )


def bedrock_control_client(settings: Settings) -> Any:  # noqa: ANN401 - as above
    """Return a client of Bedrock's control plane, which starts batch inference jobs."""
    return make_client(make_session(), "bedrock", settings, region=settings.region)
