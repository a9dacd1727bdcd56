"""A worker's part of the job: items out of messages, normalised, each one stored, set aside or sent back."""

from __future__ import annotations

import logging
import re
import uuid
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from bedrock_resilience._fault import Fault
from bedrock_resilience.batch._report import BatchReport
from vectora_normalize.contract import ErrorType, RunRefusedError
from vectora_normalize.normalize.batch import normalize_items_batch
from vectora_normalize.normalize.extraction import item_id, watchlists_of
from vectora_normalize.normalize.normalizer import Normalizer
from vectora_normalize.normalize.response_cache import AnswerStore
from vectora_normalize.pipeline.daily_items import DailyLists
from vectora_normalize.pipeline.messages import ItemMessage, MalformedMessageError
from vectora_normalize.pipeline.plan import make_reader
from vectora_normalize.sqs import Message
from vectora_normalize.storage.expiry import RunClock
from vectora_normalize.storage.objects import StoreError

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable, Sequence

    from bedrock_resilience.batch._report import ItemOutcome
    from vectora_normalize.items import RawItem
    from vectora_normalize.normalize.normalizer import Normalized
    from vectora_normalize.pipeline.dependencies import Invocation, Parts
    from vectora_normalize.pipeline.keys import Row
    from vectora_normalize.pipeline.plan import Reader
    from vectora_normalize.pipeline.worklist import Batch

_logger = logging.getLogger(__name__)
# What the same item would meet again, however often it came back.
_PERMANENT: Final = frozenset({Fault.VALIDATION, Fault.CONFLICT, Fault.INCOMPLETE_RESPONSE})
_FOR_GOOD: Final = frozenset({ErrorType.UNKNOWN_CLIENT, ErrorType.INACTIVE_CLIENT})
# How long a client's configuration is good for: a worker that is busy reads it once a minute, not with every ten items.
_GOOD_FOR_SECONDS: Final = 60.0
_LONGEST_TEXT: Final = 1000  # characters of an error that a dead letter tells
# What SQS does not take, neither in a body nor in the value of an attribute.
_UNSENDABLE: Final = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """A message as the queue delivers it.

    Args:
        message_id: Its name.
        body: Its text.
        receives: How often it has been delivered, this time included.
    """

    message_id: str
    body: str
    receives: int = 1


@dataclass(frozen=True, slots=True)
class Received:
    """What became of the messages of an invocation.

    Args:
        come_back: Message id to the reason, for those that the queue is to deliver again.
        dead: Message id to the reason, for those that are in the dead-letter queue.
        batch: The items of all that were one, whatever became of them.
    """

    come_back: dict[str, str] = field(default_factory=dict[str, str])
    dead: dict[str, str] = field(default_factory=dict[str, str])
    batch: Batch = field(default_factory=lambda: BatchReport(()))


class Readers:
    """The configurations of clients, each read now and then; one object a process."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[float, Reader]] = {}

    def get(self, client_id: str, parts: Parts) -> Reader:
        """The reader of a client's items; raises as `make_reader`."""
        now = parts.clock.monotonic()
        kept = self._kept.get(client_id)
        if kept is not None and now < kept[0] + _GOOD_FOR_SECONDS:
            return kept[1]
        reader = make_reader(client_id, parts.config)
        self._kept[client_id] = (now, reader)
        return reader


@dataclass(frozen=True, slots=True)
class _Letter:
    """A message that is an item."""

    delivery: Delivery
    message: ItemMessage


class Receiver:
    """Works off the messages of one invocation.

    Args:
        parts: What it touches; `dead_letters` among them.
        invocation: What is true of this invocation.
        readers: The configurations that are known already.
    """

    def __init__(self, parts: Parts, invocation: Invocation, readers: Readers) -> None:
        self._parts = parts
        self._invocation = invocation
        self._readers = readers
        self._wall = RunClock(invocation.now, parts.clock)
        self._name = f"worker-{uuid.uuid4().hex}"
        self._come_back: dict[str, str] = {}
        self._dead: dict[str, tuple[Delivery, dict[str, str]]] = {}
        self._outcomes: list[ItemOutcome[RawItem, Normalized]] = []

    def work_off(self, deliveries: Sequence[Delivery]) -> Received:
        """Normalise what is in the messages; every one of them is accounted for."""
        for client_id, letters in self._by_client(deliveries).items():
            try:
                reader = self._readers.get(client_id, self._parts)
                self._normalize(client_id, letters, reader)
            except RunRefusedError as refusal:
                self._all_fail(letters, str(refusal.error_type), str(refusal), for_good=refusal.error_type in _FOR_GOOD)
            except StoreError as error:
                _logger.exception("%d items of %s come back", len(letters), client_id)
                self._all_fail(letters, "store", str(error), for_good=False)
        self._send_dead_letters()
        dead = {name: attributes["reason"] for name, (_, attributes) in self._dead.items()}
        return Received(self._come_back, dead, BatchReport(tuple(self._outcomes)))

    def _by_client(self, deliveries: Iterable[Delivery]) -> dict[str, list[_Letter]]:
        letters: dict[str, list[_Letter]] = defaultdict(list)
        for delivery in deliveries:
            try:
                message = ItemMessage.from_json(delivery.body)
            except MalformedMessageError as error:
                self._bury(delivery, {"reason": "malformed_message", "error": str(error)})
            else:
                letters[message.client_id].append(_Letter(delivery, message))
        return letters

    def _normalize(self, client_id: str, letters: Sequence[_Letter], reader: Reader) -> None:
        parts, invocation = self._parts, self._invocation
        settings, deadline = parts.settings, invocation.deadline
        answers = AnswerStore(
            parts.data,
            client_id,
            run=self._name,
            wall=self._wall,
            attempt=settings.read_timeout,
            until=invocation.killed_at,
        )
        lists = DailyLists(
            parts.data,
            client_id,
            run=self._name,
            wall=self._wall,
            may_go_on=lambda: invocation.has_time(parts.clock),
        )
        normalizer = Normalizer(
            client=parts.bedrock,
            client_within=parts.bedrock_within,
            model_id=settings.model_id,
            watchlists=watchlists_of(reader.scopes),
            ingested_at=max(letter.message.ingested_at for letter in letters),
            language=reader.client.language,
            run=self._name,
            read_timeout=settings.read_timeout,
        )
        batch = normalize_items_batch(
            [letter.message.item for letter in letters],
            normalizer,
            answers=answers,
            max_workers=settings.max_workers,
            policy=settings.policy,
            pacer=parts.pacer,
            deadline=deadline,
            clock=parts.clock,
        )
        self._outcomes.extend(batch.outcomes)
        self._store(letters, batch, lists)
        for letter, outcome in zip(letters, batch.outcomes, strict=True):
            self._judge(letter, outcome)
        try:
            lists.add_parts()
        except StoreError as error:
            _logger.warning("%s: %d items wait for the next worker to list them: %s", client_id, len(letters), error)

    def _store(self, letters: Sequence[_Letter], batch: Batch, lists: DailyLists) -> None:
        rows: dict[dt.date, list[Row]] = defaultdict(list)
        for letter, outcome in zip(letters, batch.outcomes, strict=True):
            if outcome.value is not None:
                rows[letter.message.day].append(outcome.value["item"].to_dict())
        for day, of_day in rows.items():
            lists.put_aside(day, of_day, uuid.uuid4().hex)

    def _judge(self, letter: _Letter, outcome: ItemOutcome[RawItem, Normalized]) -> None:
        if outcome.status == "succeeded":
            return
        reason = outcome.fault.value if outcome.fault else outcome.status
        error = f"{type(outcome.error).__name__}: {outcome.error}" if outcome.error else str(outcome.reason)
        mistake = outcome.fault is Fault.UNKNOWN and not isinstance(outcome.error, StoreError)
        if mistake:
            _logger.error("%s: a mistake of this program", item_id(letter.message.item), exc_info=outcome.error)
        self._fail(letter, reason, error, for_good=mistake or outcome.fault in _PERMANENT)

    def _all_fail(self, letters: Iterable[_Letter], reason: str, error: str, *, for_good: bool) -> None:
        for letter in letters:
            self._fail(letter, reason, error, for_good=for_good)

    def _fail(self, letter: _Letter, reason: str, error: str, *, for_good: bool) -> None:
        delivery, message = letter.delivery, letter.message
        if for_good or delivery.receives >= self._parts.settings.max_receives:
            told = {"reason": reason, "error": error, "client_id": message.client_id, "run": message.run}
            self._bury(delivery, told)
        else:
            self._come_back[delivery.message_id] = f"{reason}: {error}"

    def _bury(self, delivery: Delivery, told: dict[str, str]) -> None:
        attributes = {**told, "receives": str(delivery.receives), "message_id": delivery.message_id}
        clean = {name: _UNSENDABLE.sub("?", value)[:_LONGEST_TEXT] or "?" for name, value in attributes.items()}
        self._dead[delivery.message_id] = (delivery, clean)

    def _send_dead_letters(self) -> None:
        """Send them; one that cannot be sent comes back instead of being lost."""
        if not self._dead:
            return
        buried = list(self._dead.values())
        queue = self._parts.dead_letters
        if queue is None:
            unsent = dict.fromkeys(range(len(buried)), "DEAD_LETTER_QUEUE_URL is not set")
        else:
            letters = [Message(_UNSENDABLE.sub("?", delivery.body), attributes) for delivery, attributes in buried]
            unsent = queue.send(letters)
        for place, reason in unsent.items():
            delivery, attributes = buried[place]
            del self._dead[delivery.message_id]
            self._come_back[delivery.message_id] = f"{attributes['reason']}, and no dead letter: {reason}"
