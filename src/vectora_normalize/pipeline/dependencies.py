"""What a run touches, and what is true of one run only: all of it handed in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from bedrock_resilience.clock import SYSTEM_CLOCK

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable

    from bedrock_resilience.batch._report import Progress
    from bedrock_resilience.clock import Clock
    from bedrock_resilience.pacing import Pacer
    from bedrock_resilience.retrying._deadline import Deadline
    from vectora_normalize.settings import Settings
    from vectora_normalize.sources.http.fetch import Fetcher
    from vectora_normalize.sqs import SqsQueue
    from vectora_normalize.storage.objects import ObjectStore


class Parts(msgspec.Struct, frozen=True, kw_only=True):
    """What a run touches; the same parts serve many runs.

    Args:
        settings: The environment.
        config: The configuration bucket.
        data: The data bucket.
        fetcher: Opens the connections to sources.
        bedrock: A `bedrock-runtime` client with no retries of its own, and a pool for all workers.
        bedrock_within: Gives such a client whose calls end within so many seconds; None: there is the one only.
        queue: Where a dispatcher sends items; None: items are normalised here.
        dead_letters: Where a worker puts what cannot be normalised.
        pacer: Shared by all calls of this process; None: nothing is paced.
        clock: Where time comes from.
    """

    settings: Settings
    config: ObjectStore
    data: ObjectStore
    fetcher: Fetcher
    bedrock: Any
    bedrock_within: Callable[[float], Any] | None = None
    queue: SqsQueue | None = None
    dead_letters: SqsQueue | None = None
    pacer: Pacer | None = None
    clock: Clock = SYSTEM_CLOCK


class Invocation(msgspec.Struct, frozen=True, kw_only=True):
    """What is true of one run only.

    Args:
        now: The instant it began, with its time zone.
        request_id: Its name.
        deadline: After it nothing is started; None: there is all the time in the world.
        killed_at: When its process will be killed, some time after the deadline; None: nobody kills it.
        on_progress: Called after each item.
    """

    now: dt.datetime
    request_id: str
    deadline: Deadline | None = None
    killed_at: dt.datetime | None = None
    on_progress: Callable[[Progress], object] | None = None

    def has_time(self, clock: Clock) -> bool:
        """Whether anything may still be begun."""
        return self.deadline is None or self.deadline.allows(clock.monotonic())
