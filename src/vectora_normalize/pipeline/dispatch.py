"""``MODE=queue``: the items of a run are sent to a queue, and workers normalize them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bedrock_resilience import BatchReport, ItemOutcome
from vectora_normalize.normalize.response_cache import look_up
from vectora_normalize.pipeline.messages import ItemMessage
from vectora_normalize.pipeline.worklist import QUEUED
from vectora_normalize.sqs import OutgoingMessage

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Sequence

    from bedrock_resilience import Deadline
    from bedrock_resilience.clock import Clock
    from vectora_normalize.items import RawItem
    from vectora_normalize.normalize.normalizer import Normalized, Normalizer
    from vectora_normalize.normalize.response_cache import ResponseCache
    from vectora_normalize.sqs import SqsQueue


class Dispatcher:
    """Sends the items of a run that have no stored response.

    Args:
        queue: The workers' queue.
        client_id: The client of the items.
        run_id: Name of the run.
        now: The start of the run.
        clock: The monotonic clock.
        deadline: After it no message is sent.
    """

    def __init__(
        self,
        queue: SqsQueue,
        *,
        client_id: str,
        run_id: str,
        now: dt.datetime,
        clock: Clock,
        deadline: Deadline | None = None,
    ) -> None:
        self._queue = queue
        self._client_id = client_id
        self._run_id = run_id
        self._now = now
        self._clock = clock
        self._deadline = deadline

    def dispatch(
        self, items: Sequence[RawItem], normalizer: Normalizer, cache: ResponseCache
    ) -> BatchReport[RawItem, Normalized]:
        """Use the stored responses, and send the other items.

        Returns:
            A report in which an item that was sent is ``unstarted`` with the reason ``QUEUED``.

        Raises:
            StoreError: The stored responses could not be read.
        """
        started = self._clock.monotonic()
        keys = [normalizer.prepare(item).key for item in items]
        responses = look_up(cache, keys, clock=self._clock, deadline=self._deadline)
        outcomes: list[ItemOutcome[RawItem, Normalized]] = []
        to_send: list[int] = []
        for index, (item, response) in enumerate(zip(items, responses, strict=True)):
            if response is None:
                to_send.append(index)
                outcomes.append(ItemOutcome(index=index, item=item, status="unstarted", reason=QUEUED))
            else:
                value = normalizer.build_item(item, response, origin="store")
                outcomes.append(ItemOutcome(index=index, item=item, status="succeeded", value=value))
        unsent = self._queue.send([self._message(items[index]) for index in to_send], deadline=self._deadline)
        for position, cause in unsent.items():
            index = to_send[position]
            outcomes[index] = ItemOutcome(
                index=index, item=items[index], status="unstarted", reason=f"not sent: {cause}"
            )
        return BatchReport(tuple(outcomes), self._clock.monotonic() - started)

    def _message(self, item: RawItem) -> OutgoingMessage:
        message = ItemMessage(
            client_id=self._client_id, day=self._now.date(), ingested_at=self._now, run_id=self._run_id, item=item
        )
        return OutgoingMessage(message.to_json())
