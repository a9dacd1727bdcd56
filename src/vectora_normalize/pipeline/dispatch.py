"""The other way to have items normalised: they are sent to a queue, and workers do it (`MODE=queue`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bedrock_resilience.batch._report import BatchReport, ItemOutcome
from vectora_normalize.normalize.response_cache import look_up
from vectora_normalize.pipeline.messages import ItemMessage
from vectora_normalize.pipeline.worklist import QUEUED
from vectora_normalize.sqs import Message

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Sequence

    from bedrock_resilience.clock import Clock
    from bedrock_resilience.retrying._deadline import Deadline
    from vectora_normalize.items import RawItem
    from vectora_normalize.normalize.normalizer import Normalized, Normalizer
    from vectora_normalize.normalize.response_cache import AnswerStore
    from vectora_normalize.sqs import SqsQueue


class Dispatcher:
    """Sends the items of a run that nobody has answered yet.

    Args:
        queue: Where to.
        client_id: Whose items they are.
        run: Name of the run.
        now: The instant of the run.
        clock: Where time comes from.
        deadline: After it nothing more is sent.
    """

    def __init__(
        self,
        queue: SqsQueue,
        *,
        client_id: str,
        run: str,
        now: dt.datetime,
        clock: Clock,
        deadline: Deadline | None = None,
    ) -> None:
        self._queue = queue
        self._client_id = client_id
        self._run = run
        self._now = now
        self._clock = clock
        self._deadline = deadline

    def dispatch(
        self, items: Sequence[RawItem], normalizer: Normalizer, answers: AnswerStore
    ) -> BatchReport[RawItem, Normalized]:
        """Take what is kept, and send the rest; an item that was sent is `unstarted`, with the reason `QUEUED`.

        Raises:
            StoreError: The kept answers could not be read.
        """
        started = self._clock.monotonic()
        keys = [normalizer.work(item).key for item in items]
        found = look_up(answers, keys, clock=self._clock, deadline=self._deadline)
        outcomes: list[ItemOutcome[RawItem, Normalized]] = []
        open_places: list[int] = []
        for place, (item, answer) in enumerate(zip(items, found, strict=True)):
            if answer is None:
                open_places.append(place)
                reason = QUEUED
                outcomes.append(ItemOutcome(index=place, item=item, status="unstarted", reason=reason))
            else:
                value = normalizer.normalized(item, answer, origin="store")
                outcomes.append(ItemOutcome(index=place, item=item, status="succeeded", value=value))
        unsent = self._queue.send([self._message(items[place]) for place in open_places], deadline=self._deadline)
        for number, reason in unsent.items():
            place = open_places[number]
            told = f"not sent: {reason}"
            outcomes[place] = ItemOutcome(index=place, item=items[place], status="unstarted", reason=told)
        return BatchReport(tuple(outcomes), self._clock.monotonic() - started)

    def _message(self, item: RawItem) -> Message:
        body = ItemMessage(
            client_id=self._client_id, day=self._now.date(), ingested_at=self._now, run=self._run, item=item
        )
        return Message(body.to_json())
