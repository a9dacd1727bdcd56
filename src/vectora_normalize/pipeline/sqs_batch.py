"""One batch of SQS messages: each item is normalized and stored, or its message is retried or dead-lettered."""

from __future__ import annotations

import logging
import re
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from bedrock_resilience import BatchReport, Fault
from vectora_normalize.contract import ErrorType, RunRefusedError
from vectora_normalize.normalize.batch import normalize_items_batch
from vectora_normalize.normalize.extraction import item_id, watchlists_of
from vectora_normalize.normalize.normalizer import Normalizer
from vectora_normalize.normalize.response_cache import ResponseCache
from vectora_normalize.pipeline.daily_items import DailyItems
from vectora_normalize.pipeline.messages import ItemMessage, MalformedMessageError
from vectora_normalize.pipeline.plan import load_client_context
from vectora_normalize.sqs import OutgoingMessage
from vectora_normalize.storage.expiry import RunClock, unique_name
from vectora_normalize.storage.objects import StoreError

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable, Sequence

    from bedrock_resilience import ItemOutcome
    from vectora_normalize.items import RawItem
    from vectora_normalize.normalize.normalizer import Normalized
    from vectora_normalize.pipeline.dependencies import Dependencies, Invocation
    from vectora_normalize.pipeline.keys import Row
    from vectora_normalize.pipeline.plan import ClientContext
    from vectora_normalize.pipeline.worklist import Batch

_logger = logging.getLogger(__name__)
# Faults and refusals that every further delivery of the same item would repeat.
_PERMANENT_FAULTS: Final = frozenset({Fault.VALIDATION, Fault.CONFLICT, Fault.INCOMPLETE_RESPONSE})
_PERMANENT_REFUSALS: Final = frozenset({ErrorType.UNKNOWN_CLIENT, ErrorType.INACTIVE_CLIENT})
# Seconds for which a client's configuration is used before it is read again: once a minute, not for every ten items.
_CONFIG_SECONDS: Final = 60.0
_MAX_ATTRIBUTE_CHARACTERS: Final = 1000  # of an error in a dead letter
# Characters that SQS does not accept, neither in a body nor in the value of an attribute.
_UNSENDABLE: Final = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True, slots=True, kw_only=True)
class QueuedMessage:
    """A message as SQS delivers it.

    Args:
        message_id: Its id.
        body: Its text.
        receives: How often SQS has delivered it, this time included.
    """

    message_id: str
    body: str
    receives: int = 1


@dataclass(frozen=True, slots=True)
class SqsBatchResult:
    """The results of the messages of one invocation. Messages in neither mapping are done.

    Args:
        retried: Message id to the reason, for those that SQS is to deliver again.
        dead_lettered: Message id to the reason, for those that are in the dead-letter queue.
        batch: The items of all valid messages.
    """

    retried: dict[str, str] = field(default_factory=dict[str, str])
    dead_lettered: dict[str, str] = field(default_factory=dict[str, str])
    batch: Batch = field(default_factory=lambda: BatchReport(()))


class ClientConfigCache:
    """The configurations of clients, each read at most once a minute; one object a process."""

    def __init__(self) -> None:
        self._read: dict[str, tuple[float, ClientContext]] = {}

    def get(self, client_id: str, dependencies: Dependencies) -> ClientContext:
        """Return the configuration of a client; raises as ``load_client_context``."""
        now = dependencies.clock.monotonic()
        cached = self._read.get(client_id)
        if cached is not None and now < cached[0] + _CONFIG_SECONDS:
            return cached[1]
        client_context = load_client_context(client_id, dependencies.config)
        self._read[client_id] = (now, client_context)
        return client_context


@dataclass(frozen=True, slots=True)
class _Received:
    """A message of the queue with the item in it."""

    queued: QueuedMessage
    message: ItemMessage


class SqsBatchProcessor:
    """Processes the messages of one invocation.

    Args:
        dependencies: What it uses; ``dead_letters`` among them.
        invocation: What belongs to this invocation only.
        client_configs: The configurations that this process has read.
    """

    def __init__(self, dependencies: Dependencies, invocation: Invocation, client_configs: ClientConfigCache) -> None:
        self._dependencies = dependencies
        self._invocation = invocation
        self._client_configs = client_configs
        self._run_clock = RunClock(invocation.now, dependencies.clock)
        self._run_id = f"worker-{unique_name(dependencies.rng)}"
        self._retried: dict[str, str] = {}
        self._dead_lettered: dict[str, tuple[QueuedMessage, dict[str, str]]] = {}
        self._outcomes: list[ItemOutcome[RawItem, Normalized]] = []

    def process(self, messages: Sequence[QueuedMessage]) -> SqsBatchResult:
        """Normalize the items of the messages; return the result of every message."""
        for client_id, received in self._by_client(messages).items():
            try:
                self._process_client(client_id, received, self._client_configs.get(client_id, self._dependencies))
            except RunRefusedError as refusal:
                permanent = refusal.error_type in _PERMANENT_REFUSALS
                self._fail_all(received, str(refusal.error_type), str(refusal), permanent=permanent)
            except StoreError as error:
                _logger.exception("%d messages of %s are retried", len(received), client_id)
                self._fail_all(received, "store", str(error), permanent=False)
        self._send_dead_letters()
        dead_lettered = {name: attributes["reason"] for name, (_, attributes) in self._dead_lettered.items()}
        return SqsBatchResult(self._retried, dead_lettered, BatchReport(tuple(self._outcomes)))

    def _by_client(self, messages: Iterable[QueuedMessage]) -> dict[str, list[_Received]]:
        received: dict[str, list[_Received]] = defaultdict(list)
        for queued in messages:
            try:
                message = ItemMessage.from_json(queued.body)
            except MalformedMessageError as error:
                self._dead_letter(queued, {"reason": "malformed_message", "error": str(error)})
            else:
                received[message.client_id].append(_Received(queued, message))
        return received

    def _process_client(self, client_id: str, received: Sequence[_Received], client_context: ClientContext) -> None:
        dependencies, invocation = self._dependencies, self._invocation
        batch = self._normalize(client_id, received, client_context)
        self._outcomes.extend(batch.outcomes)
        daily_items = DailyItems(
            dependencies.data,
            client_id,
            run_id=self._run_id,
            run_clock=self._run_clock,
            may_continue=lambda: invocation.has_time(dependencies.clock),
            rng=dependencies.rng,
        )
        rows: dict[dt.date, list[Row]] = defaultdict(list)
        for one, outcome in zip(received, batch.outcomes, strict=True):
            if outcome.value is not None:
                rows[one.message.day].append(outcome.value["item"].to_dict())
        for day, of_day in rows.items():
            daily_items.stage(day, of_day, unique_name(dependencies.rng))
        for one, outcome in zip(received, batch.outcomes, strict=True):
            if outcome.status != "succeeded":
                self._handle_failure(one, outcome)
        try:
            daily_items.compact()
        except StoreError as error:
            _logger.warning("%s: %d items stay staged for the next worker: %s", client_id, len(received), error)

    def _normalize(self, client_id: str, received: Sequence[_Received], client_context: ClientContext) -> Batch:
        dependencies, settings = self._dependencies, self._dependencies.settings
        cache = ResponseCache(
            dependencies.data,
            client_id,
            run_id=self._run_id,
            run_clock=self._run_clock,
            attempt_seconds=settings.read_timeout,
            until=self._invocation.killed_at,
            rng=dependencies.rng,
        )
        normalizer = Normalizer(
            client=dependencies.bedrock,
            client_for_timeout=dependencies.bedrock_for_timeout,
            model_id=settings.model_id,
            watchlists=watchlists_of(client_context.scopes),
            ingested_at=max(one.message.ingested_at for one in received),
            language=client_context.client.language,
            run_id=self._run_id,
            read_timeout=settings.read_timeout,
        )
        return normalize_items_batch(
            [one.message.item for one in received],
            normalizer,
            cache=cache,
            max_workers=settings.max_workers,
            policy=settings.policy,
            pacer=dependencies.pacer,
            deadline=self._invocation.deadline,
            clock=dependencies.clock,
            rng=dependencies.rng,
        )

    def _handle_failure(self, one: _Received, outcome: ItemOutcome[RawItem, Normalized]) -> None:
        reason = outcome.fault.value if outcome.fault else outcome.status
        error = f"{type(outcome.error).__name__}: {outcome.error}" if outcome.error else str(outcome.reason)
        programming_error = outcome.fault is Fault.UNKNOWN and not isinstance(outcome.error, StoreError)
        if programming_error:
            _logger.error("%s: programming error", item_id(one.message.item), exc_info=outcome.error)
        self._fail(one, reason, error, permanent=programming_error or outcome.fault in _PERMANENT_FAULTS)

    def _fail_all(self, received: Iterable[_Received], reason: str, error: str, *, permanent: bool) -> None:
        for one in received:
            self._fail(one, reason, error, permanent=permanent)

    def _fail(self, one: _Received, reason: str, error: str, *, permanent: bool) -> None:
        queued, message = one.queued, one.message
        if permanent or queued.receives >= self._dependencies.settings.max_receives:
            attributes = {"reason": reason, "error": error, "client_id": message.client_id, "run": message.run_id}
            self._dead_letter(queued, attributes)
        else:
            self._retried[queued.message_id] = f"{reason}: {error}"

    def _dead_letter(self, queued: QueuedMessage, attributes: dict[str, str]) -> None:
        all_attributes = {**attributes, "receives": str(queued.receives), "message_id": queued.message_id}
        sendable = {
            name: _UNSENDABLE.sub("?", value)[:_MAX_ATTRIBUTE_CHARACTERS] or "?"
            for name, value in all_attributes.items()
        }
        self._dead_lettered[queued.message_id] = (queued, sendable)

    def _send_dead_letters(self) -> None:
        """Send them. One that cannot be sent is retried instead of being lost."""
        if not self._dead_lettered:
            return
        dead_lettered = list(self._dead_lettered.values())
        queue = self._dependencies.dead_letters
        if queue is None:
            unsent = dict.fromkeys(range(len(dead_lettered)), "DEAD_LETTER_QUEUE_URL is not set")
        else:
            unsent = queue.send(
                [OutgoingMessage(_UNSENDABLE.sub("?", queued.body), attributes) for queued, attributes in dead_lettered]
            )
        for position, cause in unsent.items():
            queued, attributes = dead_lettered[position]
            del self._dead_lettered[queued.message_id]
            self._retried[queued.message_id] = f"{attributes['reason']}, and no dead letter: {cause}"
